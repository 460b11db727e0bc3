//! What a tenant may use: a pure function of what is known about it.

use super::observed::{Observed, Subscription, SubscriptionStatus};
use crate::api::{AccessLevel, OnDispute, reason};

/// What a tenant may use, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// How much.
    pub level: AccessLevel,
    /// One of [`reason`].
    pub reason: &'static str,
}

impl Access {
    const fn suspended(reason: &'static str) -> Self {
        Self {
            level: AccessLevel::Suspended,
            reason,
        }
    }
}

/// Judges what a tenant may use. `subscription` is its live or last one.
///
/// A payment that is late does not change it: Stripe retries, and a customer who pays late is no
/// stranger. One that Stripe gave up on does.
pub fn of(
    observed: &Observed,
    subscription: Option<&Subscription>,
    on_dispute: OnDispute,
) -> Access {
    let Some(subscription) = subscription.filter(|s| s.status.is_live()) else {
        return Access::suspended(reason::NOT_SUBSCRIBED);
    };
    match subscription.status {
        SubscriptionStatus::Incomplete => return Access::suspended(reason::AWAITING_PAYMENT),
        SubscriptionStatus::Paused => return Access::suspended(reason::PAYMENT_METHOD_MISSING),
        SubscriptionStatus::Unpaid => return Access::suspended(reason::UNPAID),
        _ => {}
    }
    let disputed = observed
        .disputes
        .iter()
        .flat_map(|seen| &seen.disputes)
        .any(|dispute| dispute.status.is_open());
    if disputed && on_dispute == OnDispute::Suspend {
        return Access::suspended(reason::DISPUTE_OPEN);
    }
    Access {
        level: AccessLevel::Full,
        reason: reason::SUBSCRIBED,
    }
}
