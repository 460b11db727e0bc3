//! What Stripe does by itself.

use serde::{Deserialize, Serialize};

use crate::state::State;

pub mod calendar;
pub mod pricing;
pub mod proration;

/// Subscriptions, invoices, payments, test clocks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Billing {}

impl Billing {
    /// The frozen time of a test clock; `None` if there is no such clock.
    pub fn frozen_time(&self, _clock: &str) -> Option<i64> {
        None
    }

    /// Objects by resource name, for the control plane.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        Vec::new()
    }
}

/// Does what is due by the wall clock for objects that are on no test clock. Runs before every request.
pub fn process_due(_state: &mut State) {}

/// Cancels what a customer has, on its deletion.
pub fn customer_deleted(_state: &mut State, _customer: &str) {}

/// Forgets a payment method where subscriptions default to it, on its detachment.
pub fn payment_method_detached(_state: &mut State, _payment_method: &str) {}

/// Whether a price is in use by a subscription that is not over.
pub fn price_in_use(_state: &State, _price: &str) -> bool {
    false
}
