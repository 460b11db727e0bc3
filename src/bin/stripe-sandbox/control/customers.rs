//! What an account's customers do on Stripe's pages, without the pages.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Refusal, Reply, read, respond};
use crate::hosted::{self, checkout, invoice, portal};
use crate::model::Customer;
use crate::sandbox::App;
use crate::state::State;
use crate::wire::StripeError;

/// What Stripe's error is to the control plane.
pub(super) fn refused(error: &StripeError) -> Refusal {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal(status, error.body("req_sandbox"))
}

/// Does something in the account that has an object.
pub(super) fn act_on(
    app: &App,
    what: &str,
    id: &str,
    has: impl Fn(&State) -> bool,
    act: impl FnOnce(&mut State) -> Result<Value, StripeError>,
) -> Reply {
    match hosted::visit(app, None, has, act) {
        Some(outcome) => outcome.map_err(|error| refused(&error)),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("no {what} {id}"),
        )),
    }
}

/// Does on the page of an object what the body says.
fn on_page<T: DeserializeOwned>(
    app: &App,
    (what, id): (&str, &str),
    body: &Bytes,
    has: fn(&State, &str) -> bool,
    act: impl FnOnce(&mut State, &T) -> Result<Option<Value>, StripeError>,
) -> Response<Body> {
    let reply = read::<T>(body).and_then(|wanted| {
        let has = |state: &State| has(state, id);
        act_on(app, what, id, has, |state| {
            Ok(act(state, &wanted)?.unwrap_or_default())
        })
    });
    respond(reply)
}

/// Completes a Checkout session, or leaves it where the card's issuer asks for its owner.
pub(super) async fn checkout(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let what = ("checkout session", id.as_str());
    on_page(&app, what, &body, checkout::has, |state, payer| {
        checkout::complete(state, &id, payer)?;
        let session = state.checkout_sessions.get(&id);
        Ok(session.map(|session| session.render(state)))
    })
}

/// Pays an open invoice on its page, or leaves it where the card's issuer asks for its owner.
pub(super) async fn pay(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let what = ("invoice", id.as_str());
    on_page(&app, what, &body, invoice::has, |state, payer| {
        invoice::pay(state, &id, payer)?;
        let invoice = state.billing.invoices.get(&id);
        Ok(invoice.map(|invoice| invoice.render(state)))
    })
}

/// Does something in the billing portal; answers with the customer.
pub(super) async fn portal(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let what = ("portal session", id.as_str());
    on_page(&app, what, &body, portal::has, |state, deed| {
        portal::carry_out(state, &id, deed)?;
        let session = state.portal_sessions.get(&id);
        let customer = session.and_then(|session| state.customers.get(&session.customer));
        Ok(customer.map(Customer::render))
    })
}
