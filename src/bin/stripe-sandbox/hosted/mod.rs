//! The pages Stripe shows to an account's customers, in plain HTML: what a person does on them can be tried by hand.
//!
//! Each page is one path, shown by GET and filled in by POST. The control plane does the same without a page.

mod cards;
pub mod checkout;
mod html;
pub mod invoice;
pub mod portal;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, Response, header};
use axum::routing::{MethodRouter, get};

pub use cards::pay_with;

use crate::engine;
use crate::sandbox::{App, Sandbox};
use crate::state::{Actor, State};

/// The pages' routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/c/pay/{id}", serve(checkout::PAGE))
        .route("/i/{id}", serve(invoice::PAGE))
        .route("/i/{id}/pdf", serve(invoice::PAGE))
        .route("/p/session/{id}", serve(portal::PAGE))
}

/// A page about one object of an account.
#[derive(Clone, Copy)]
struct Page {
    /// Whether the account has the object with this id.
    has: fn(&State, &str) -> bool,
    /// Shows it.
    show: fn(&mut State, &str) -> Response<Body>,
    /// Takes the form that was filled in.
    submit: fn(&mut State, &str, &[u8]) -> Response<Body>,
}

fn serve(page: Page) -> MethodRouter<App> {
    let has = move |id: String| move |state: &State| (page.has)(state, &id);
    let show = move |Shared(app): Shared<App>, Path(id): Path<String>, headers: HeaderMap| async move {
        let shown = visit(&app, Some(&headers), has(id.clone()), |state| {
            (page.show)(state, &id)
        });
        shown.unwrap_or_else(html::nothing_here)
    };
    let submit = move |Shared(app): Shared<App>,
                       Path(id): Path<String>,
                       headers: HeaderMap,
                       form: Bytes| async move {
        let shown = visit(&app, Some(&headers), has(id.clone()), |state| {
            (page.submit)(state, &id, &form)
        });
        shown.unwrap_or_else(html::nothing_here)
    };
    get(show).post(submit)
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
