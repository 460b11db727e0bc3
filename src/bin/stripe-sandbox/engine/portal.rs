//! What a customer does in the billing portal: leaves a card, which becomes their default, and ends subscriptions.

use super::save_customer;
use super::setups::{self, Authentication};
use crate::model::portal::{PortalConfiguration, PortalSession};
use crate::model::{Metadata, SetupIntentStatus};
use crate::state::State;
use crate::wire::StripeError;

/// How long a session can be used after each visit.
const VISITED_FOR: i64 = 3_600;

/// A visit to a session's page: the session, if it can still be used, and what may be done.
pub fn visit(state: &mut State, id: &str) -> Option<(PortalSession, PortalConfiguration)> {
    let now = state.wall_clock();
    let session = state.portal_sessions.get_mut(id)?;
    if now > session.usable_until {
        return None;
    }
    session.usable_until = session.usable_until.max(now + VISITED_FOR);
    let session = session.clone();
    let configuration = state.portal_configurations.get(&session.configuration)?;
    Some((session, configuration.clone()))
}

/// Sets a card up for the session's customer.
pub fn add_card(
    state: &mut State,
    session: &PortalSession,
    method: &str,
) -> Result<(), StripeError> {
    let intent = setups::begin(state, Some(&session.customer), None, Metadata::new());
    if let Some(intent) = state.setup_intents.get_mut(&intent) {
        intent.payment_method = Some(method.to_owned());
    }
    if let Some(session) = state.portal_sessions.get_mut(&session.id) {
        session.setup_intent = Some(intent.clone());
    }
    setups::attempt(state, &intent)?;
    conclude(state, session, &intent);
    Ok(())
}

/// Ends the wait of the session's card for its owner's authentication.
pub fn authenticate(
    state: &mut State,
    session: &PortalSession,
    authentication: Authentication,
) -> Result<(), StripeError> {
    let Some(intent) = awaiting(state, &session.id) else {
        return Err(StripeError::invalid(
            "No card on this page awaits authentication.",
        ));
    };
    setups::authenticate(state, &intent, authentication)?;
    conclude(state, session, &intent);
    Ok(())
}

/// The setup in a session that awaits the authentication of the card's owner.
pub fn awaiting(state: &State, session: &str) -> Option<String> {
    let intent = state.portal_sessions.get(session)?.setup_intent.clone()?;
    let status = state.setup_intents.get(&intent)?.status;
    (status == SetupIntentStatus::RequiresAction).then_some(intent)
}

/// Makes a card that has been set up the customer's default, as the portal does and Checkout does not.
fn conclude(state: &mut State, session: &PortalSession, intent: &str) {
    let intent = state.setup_intents.get(intent);
    let done = intent.filter(|intent| intent.status == SetupIntentStatus::Succeeded);
    let method = done.and_then(|intent| intent.payment_method.clone());
    let customer = state.customers.get(&session.customer).cloned();
    if let (Some(method), Some(mut customer)) = (method, customer) {
        customer.invoice_settings.default_payment_method = Some(method);
        save_customer(state, customer);
    }
}
