//! `/v1/account`.

use serde_json::Value;

use crate::state::State;
use crate::wire::{Expansion, Request, Route, StripeError, get};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    get("/v1/account", &[], retrieve),
    get("/v1/accounts/{}", &[], retrieve_by_id),
];
/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

#[allow(clippy::unnecessary_wraps)] // As every handler.
fn retrieve(state: &mut State, _request: &Request) -> Result<Value, StripeError> {
    Ok(state.account.render())
}

fn retrieve_by_id(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    if request.id() == state.account.id {
        return retrieve(state, request);
    }
    let message = format!(
        "The provided key does not have access to account '{}' (or that account does not exist).",
        request.id()
    );
    Err(StripeError::invalid(message)
        .code("account_invalid")
        .status(403))
}
