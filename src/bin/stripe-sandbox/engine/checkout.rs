//! Checkout sessions in setup mode: a card is given, perhaps authenticated, and belongs to the customer.
//!
//! It does not become the customer's default: Stripe leaves that to the account, as it does after any setup.

use super::require_live;
use super::setups::{self, Authentication};
use crate::model::{CheckoutSession, CheckoutStatus, SetupIntent, SetupIntentStatus};
use crate::state::State;
use crate::wire::StripeError;

/// Longest time, in seconds, a session's page can be used.
pub const LONGEST: i64 = 24 * 3_600;
/// Shortest time, in seconds, a session's page can be used.
pub const SHORTEST: i64 = 30 * 60;

/// Stores a session. It ends by itself, by the wall clock even if its customer is on a test clock.
pub fn save(state: &mut State, session: CheckoutSession) {
    let open = session.status == CheckoutStatus::Open;
    let due = open.then_some(session.expires_at);
    state.billing.due.set(None, &session.id, due);
    state.checkout_sessions.insert(session.id.clone(), session);
}

/// Tries a payment method on a session's page.
pub fn submit(state: &mut State, id: &str, method: &str) -> Result<(), StripeError> {
    let session = usable(state, id)?;
    if let Some(customer) = &session.customer {
        require_live(state, customer)?;
    }
    if let Some(redisplay) = &session.allow_redisplay
        && let Some(method) = state.payment_methods.get_mut(method)
    {
        method.allow_redisplay.clone_from(redisplay);
    }
    let intent = state.setup_intents.get_mut(&session.setup_intent);
    let intent = intent.ok_or_else(|| missing_intent(&session))?;
    intent.payment_method = Some(method.to_owned());
    intent.last_setup_error = None;
    setups::attempt(state, &session.setup_intent)?;
    conclude(state, session);
    Ok(())
}

/// Ends the wait for the customer's authentication.
pub fn authenticate(
    state: &mut State,
    id: &str,
    authentication: Authentication,
) -> Result<(), StripeError> {
    let session = usable(state, id)?;
    if !awaits_authentication(state, &session) {
        return Err(StripeError::invalid(
            "No card on this page awaits authentication.",
        ));
    }
    setups::authenticate(state, &session.setup_intent, authentication)?;
    conclude(state, session);
    Ok(())
}

/// Whether the session's card awaits its owner's authentication.
pub fn awaits_authentication(state: &State, session: &CheckoutSession) -> bool {
    let intent = state.setup_intents.get(&session.setup_intent);
    intent.is_some_and(|intent| intent.status == SetupIntentStatus::RequiresAction)
}

/// Ends a session whose page is open, and gives its setup intent up.
pub fn expire(state: &mut State, mut session: CheckoutSession) {
    session.status = CheckoutStatus::Expired;
    let intent = state.setup_intents.get(&session.setup_intent).cloned();
    let left = |intent: &SetupIntent| {
        !matches!(
            intent.status,
            SetupIntentStatus::Canceled | SetupIntentStatus::Succeeded
        )
    };
    if let Some(intent) = intent.filter(left) {
        setups::cancel(state, intent, None);
    }
    let rendered = session.render(state);
    save(state, session);
    state.emit("checkout.session.expired", rendered, None);
}

/// Does what is due for a session.
pub fn run_due(state: &mut State, id: &str) {
    let session = state.checkout_sessions.get(id).cloned();
    if let Some(session) = session.filter(|session| session.status == CheckoutStatus::Open) {
        expire(state, session);
    }
}

/// The session is complete once its setup intent has succeeded.
fn conclude(state: &mut State, mut session: CheckoutSession) {
    let intent = state.setup_intents.get(&session.setup_intent);
    if intent.is_none_or(|intent| intent.status != SetupIntentStatus::Succeeded) {
        return;
    }
    session.status = CheckoutStatus::Complete;
    let rendered = session.render(state);
    save(state, session);
    state.emit("checkout.session.completed", rendered, None);
}

fn usable(state: &State, id: &str) -> Result<CheckoutSession, StripeError> {
    let session = state.checkout_sessions.get(id);
    let session = session.ok_or_else(|| StripeError::not_found("checkout.session", id))?;
    if session.status == CheckoutStatus::Open {
        return Ok(session.clone());
    }
    Err(StripeError::invalid(
        "This page is over: the Checkout Session is complete or has expired.",
    ))
}

fn missing_intent(session: &CheckoutSession) -> StripeError {
    StripeError::not_found("setupintent", &session.setup_intent)
}
