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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converge::observed::samples::{dispute, subscription};
    use crate::converge::observed::{DisputeStatus, Disputes};

    fn disputed(status: DisputeStatus) -> Observed {
        Observed {
            disputes: Some(Disputes {
                disputes: vec![dispute(status)],
                warnings: Vec::new(),
            }),
            ..Observed::default()
        }
    }

    fn level(status: SubscriptionStatus) -> AccessLevel {
        let subscription = subscription(status);
        of(
            &Observed::default(),
            Some(&subscription),
            OnDispute::default(),
        )
        .level
    }

    #[test]
    fn who_is_subscribed_has_access_and_a_late_payment_takes_it_from_nobody() {
        use SubscriptionStatus::{Active, Other, PastDue, Trialing};
        for status in [Active, Trialing, PastDue, Other("new".into())] {
            assert_eq!(level(status), AccessLevel::Full);
        }
    }

    #[test]
    fn who_has_not_paid_at_all_or_is_not_subscribed_has_none() {
        use SubscriptionStatus::{Canceled, Incomplete, IncompleteExpired, Paused, Unpaid};
        for status in [Canceled, Incomplete, IncompleteExpired, Paused, Unpaid] {
            assert_eq!(level(status), AccessLevel::Suspended);
        }
        let nobody = of(&Observed::default(), None, OnDispute::default());
        assert_eq!(nobody, Access::suspended(reason::NOT_SUBSCRIBED));
    }

    #[test]
    fn an_open_dispute_suspends_only_where_the_manifest_says_so_and_until_it_is_decided() {
        let active = subscription(SubscriptionStatus::Active);
        let level = |status, policy| of(&disputed(status), Some(&active), policy).level;
        let open = || DisputeStatus::NeedsResponse;
        assert_eq!(level(open(), OnDispute::Suspend), AccessLevel::Suspended);
        assert_eq!(level(open(), OnDispute::Hold), AccessLevel::Full);
        assert_eq!(level(open(), OnDispute::Report), AccessLevel::Full);
        let lost = level(DisputeStatus::Lost, OnDispute::Suspend);
        assert_eq!(lost, AccessLevel::Full);
    }
}
