//! How a tenant pays, and whether it has.

use super::subscription_of;
use crate::api::{ConditionType, PaymentStatus, StripeStatus, reason};
use crate::converge::conditions::{Conditions, Truth};
use crate::converge::observed::{Customer, Observed, SubscriptionStatus};

/// `status.payment`.
pub(super) fn status(customer: &Customer) -> PaymentStatus {
    PaymentStatus {
        method_on_file: customer.default_payment_method.is_some(),
    }
}

/// Sets `PaymentMethodReady` and `PaymentCurrent`.
pub(super) fn conditions(
    conditions: &mut Conditions<'_>,
    observed: &Observed,
    stripe: Option<&StripeStatus>,
) {
    let Some(customer) = observed.customers.first() else {
        return;
    };
    let recorded_id = stripe.and_then(|s| s.subscription_id.as_ref());
    let subscription = subscription_of(observed, recorded_id).filter(|s| s.status.is_live());
    let method = customer.default_payment_method.is_some()
        || subscription.is_some_and(|s| s.default_payment_method.is_some());
    let (why, message) = if method {
        (
            reason::PAYMENT_METHOD_ON_FILE,
            "there is a default payment method".to_owned(),
        )
    } else {
        let message = format!("{} has no default payment method", customer.id);
        (reason::PAYMENT_METHOD_MISSING, message)
    };
    conditions.set(
        ConditionType::PaymentMethodReady,
        method.into(),
        why,
        &message,
    );
    let Some(subscription) = subscription else {
        return;
    };
    let (truth, why, message) = match subscription.status {
        SubscriptionStatus::PastDue => (
            Truth::False,
            reason::PAST_DUE,
            "a payment failed; Stripe is retrying it",
        ),
        SubscriptionStatus::Unpaid => (
            Truth::False,
            reason::UNPAID,
            "Stripe gave up retrying a payment",
        ),
        SubscriptionStatus::Incomplete => (
            Truth::False,
            reason::AWAITING_PAYMENT,
            "the first payment is open",
        ),
        _ => (
            Truth::True,
            reason::NOTHING_OVERDUE,
            "no payment is overdue",
        ),
    };
    conditions.set(ConditionType::PaymentCurrent, truth, why, message);
}
