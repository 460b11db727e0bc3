//! What an account's customers do on Stripe's pages, without the pages.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{Refusal, Reply, read, respond};
use crate::hosted::{self, checkout, invoice};
use crate::sandbox::App;
use crate::state::State;
use crate::wire::StripeError;

/// A card, and what its owner does if its issuer asks who they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payer {
    card: Option<String>,
    authenticate: Option<bool>,
}

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

/// Completes a Checkout session, or leaves it where the card's issuer asks for its owner.
pub(super) async fn checkout(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let reply = read::<Payer>(&body).and_then(|payer| {
        let has = |state: &State| checkout::has(state, &id);
        act_on(&app, "checkout session", &id, has, |state| {
            checkout::complete(state, &id, payer.card.as_deref(), payer.authenticate)?;
            let session = state.checkout_sessions.get(&id);
            Ok(session
                .map(|session| session.render(state))
                .unwrap_or_default())
        })
    });
    respond(reply)
}

/// Pays an open invoice on its page, or leaves it where the card's issuer asks for its owner.
pub(super) async fn pay(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let reply = read::<Payer>(&body).and_then(|payer| {
        let has = |state: &State| invoice::has(state, &id);
        act_on(&app, "invoice", &id, has, |state| {
            invoice::pay(state, &id, payer.card.as_deref(), payer.authenticate)?;
            let invoice = state.billing.invoices.get(&id);
            Ok(invoice
                .map(|invoice| invoice.render(state))
                .unwrap_or_default())
        })
    });
    respond(reply)
}
