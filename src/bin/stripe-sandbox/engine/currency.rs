//! A customer's currency: one at a time, for all that is live.

use super::{live_subscriptions, save_customer};
use crate::state::State;
use crate::wire::StripeError;

/// Refuses another currency than that of what the customer has already.
pub fn require(state: &State, customer: &str, currency: &str) -> Result<(), StripeError> {
    match in_use(state, customer).filter(|other| other != currency) {
        None => Ok(()),
        Some(other) => Err(StripeError::invalid(format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, \
             subscription schedule, discount, quote, or invoice item with currency {other}"
        ))),
    }
}

/// Keeps the currency as the customer's.
pub fn settle(state: &mut State, customer: &str, currency: &str) {
    if let Some(mut customer) = state.customers.get(customer).cloned() {
        customer.currency = Some(currency.to_owned());
        save_customer(state, customer);
    }
}

/// The currency of the customer's live subscriptions, schedules and pending invoice items.
fn in_use(state: &State, customer: &str) -> Option<String> {
    let subscription = || live_subscriptions(state, customer).pop();
    let schedule = || {
        let schedules = state.billing.schedules.iter();
        let mut live = schedules.filter(|it| it.customer == customer && it.is_live());
        live.find_map(|schedule| schedule.phases.first())
    };
    let pending = || {
        let lines = state.billing.pending_lines.get(customer)?;
        let price = state.prices.get(&lines.first()?.price)?;
        Some(price.currency.clone())
    };
    subscription()
        .map(|subscription| subscription.currency)
        .or_else(|| schedule().map(|phase| phase.currency.clone()))
        .or_else(pending)
}
