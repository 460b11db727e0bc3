//! The page of a Checkout session in setup mode.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::cards::{self, Payer};
use super::html::{self, Text};
use super::{Page, pay_with};
use crate::engine::checkout;
use crate::model::{CheckoutSession, CheckoutStatus};
use crate::state::State;
use crate::wire::StripeError;

/// The page.
pub(super) const PAGE: Page = Page {
    has,
    show: |state, id| render(state, id, None),
    submit: |state, id, form| {
        let error = complete(state, id, &Payer::read(form)).err();
        render(state, id, error.as_ref())
    },
};

/// Whether the account has this session.
pub fn has(state: &State, id: &str) -> bool {
    state.checkout_sessions.contains(id)
}

/// Goes through the page: gives a card, then authenticates it or not if its issuer asks.
pub fn complete(state: &mut State, id: &str, payer: &Payer) -> Result<(), StripeError> {
    if let Some(card) = &payer.card {
        let method = pay_with(state, card)?;
        checkout::submit(state, id, &method)?;
    }
    let asked = state
        .checkout_sessions
        .get(id)
        .is_some_and(|session| checkout::awaits_authentication(state, session));
    match payer.authenticate {
        Some(authentication) if asked => checkout::authenticate(state, id, authentication),
        // A card that asks for nothing needs no answer.
        Some(_) | None if payer.card.is_some() => Ok(()),
        _ => Err(StripeError::invalid("Choose a card first.")),
    }
}

fn render(state: &State, id: &str, error: Option<&StripeError>) -> Response<Body> {
    let Some(session) = state.checkout_sessions.get(id) else {
        return html::nothing_here();
    };
    match session.status {
        CheckoutStatus::Complete => {
            html::go_to(&session.success_url.replace("{CHECKOUT_SESSION_ID}", id))
        }
        CheckoutStatus::Expired => html::page(
            StatusCode::GONE,
            "This page has expired",
            "Ask for a new link where you found this one.",
            "",
        ),
        CheckoutStatus::Open if checkout::awaits_authentication(state, session) => {
            html::authentication("saves it")
        }
        CheckoutStatus::Open => form(state, session, error),
    }
}

fn form(state: &State, session: &CheckoutSession, error: Option<&StripeError>) -> Response<Body> {
    let customer = session.customer.as_ref();
    let customer = customer.and_then(|id| state.customers.get(id));
    let who = customer
        .and_then(|customer| customer.name.as_deref().or(customer.email.as_deref()))
        .unwrap_or("you");
    let back = session
        .cancel_url
        .as_deref()
        .map_or_else(String::new, |url| {
            format!("<p><a href=\"{}\">Back</a></p>", Text(url))
        });
    let content = format!(
        "{}<form method=\"post\">\n{}<button>Save card</button></form>\n{back}",
        html::alert(error.map(|error| error.message.as_str())),
        cards::choice()
    );
    let text = format!("A payment method for {who}, to be charged later. These are test cards.");
    html::page(StatusCode::OK, "Save your payment details", &text, &content)
}
