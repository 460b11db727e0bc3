//! What keeps an invoice from being final.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::Response;

use super::customers::act_on;
use super::{Reply, read, respond};
use crate::engine::save_invoice;
use crate::model::invoice::FinalizationError;
use crate::sandbox::App;
use crate::state::State;
use crate::wire::StripeError;

/// Lets every try to finalise an invoice fail with this error.
pub(super) async fn refuse_finalization(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    respond(read(&body).and_then(|error| hinder(&app, &id, Some(error))))
}

/// Lets an invoice be finalised again.
pub(super) async fn allow_finalization(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
) -> Response<Body> {
    respond(hinder(&app, &id, None))
}

fn hinder(app: &App, id: &str, error: Option<FinalizationError>) -> Reply {
    let has = |state: &State| state.billing.invoices.get(id).is_some();
    act_on(app, "invoice", id, has, |state| {
        let invoice = state.billing.invoices.get(id).cloned();
        let mut invoice = invoice.ok_or_else(|| StripeError::not_found("invoice", id))?;
        invoice.refuses_finalization = error;
        let rendered = invoice.render(state);
        save_invoice(state, invoice);
        Ok(rendered)
    })
}
