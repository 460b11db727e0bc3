//! The pages Stripe shows to an account's customers, in plain HTML: what a person does on them can be tried by hand.
//!
//! Each page is one path, shown by GET and filled in by POST. The control plane does the same without a page.

mod cards;
pub mod checkout;
mod html;
pub mod invoice;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::get;

pub use cards::pay_with;

use crate::engine;
use crate::sandbox::{App, Sandbox};
use crate::state::{Actor, State};

/// The pages' routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/c/pay/{id}", get(checkout::show).post(checkout::submit))
        .route("/i/{id}", get(invoice::show).post(invoice::submit))
        .route("/i/{id}/pdf", get(invoice::show))
}

/// Does something in the account that has what a page is about, after what is due by now; `None` if no account has.
/// Nobody's API request causes what happens then.
pub fn visit<T>(
    app: &App,
    headers: Option<&HeaderMap>,
    has: impl Fn(&State) -> bool,
    act: impl FnOnce(&mut State) -> T,
) -> Option<T> {
    let mut guard = app.lock();
    let sandbox: &mut Sandbox = &mut guard;
    let host = headers.and_then(|headers| headers.get(header::HOST)?.to_str().ok());
    let base_url = sandbox.base_url(host);
    let state = sandbox.accounts.values_mut().find(|state| has(state))?;
    state.base_url = base_url;
    state.actor = Actor::default();
    engine::process_due(state);
    let done = act(state);
    sandbox.dirty = true;
    drop(guard);
    app.deliveries.notify_one();
    Some(done)
}
