//! What a tenant may use: a pure function of what is known about it.

use jiff::Timestamp;

use super::dunning::Dunning;
use super::observed::{Observed, Subscription, SubscriptionStatus};
use crate::api::{AccessLevel, OnDispute, reason};

/// What a tenant may use, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// How much.
    pub level: AccessLevel,
    /// One of [`reason`].
    pub reason: &'static str,
    /// When it will be less, if nothing is paid.
    pub until: Option<Timestamp>,
}

impl Access {
    const fn suspended(reason: &'static str) -> Self {
        Self {
            level: AccessLevel::Suspended,
            reason,
            until: None,
        }
    }
}

/// Judges what a tenant may use. `subscription` is its live or last one.
///
/// A payment that is late takes it away only as the dunning goes: Stripe retries, and a customer who pays
/// late is no stranger. That Stripe gave up matters where no invoice tells since when.
pub fn of(
    observed: &Observed,
    subscription: Option<&Subscription>,
    on_dispute: OnDispute,
    dunning: Option<&Dunning<'_>>,
) -> Access {
    let Some(subscription) = subscription.filter(|s| s.status.is_live()) else {
        return Access::suspended(reason::NOT_SUBSCRIBED);
    };
    match subscription.status {
        SubscriptionStatus::Incomplete => return Access::suspended(reason::AWAITING_PAYMENT),
        SubscriptionStatus::Paused => return Access::suspended(reason::PAYMENT_METHOD_MISSING),
        SubscriptionStatus::Unpaid if dunning.is_none() => {
            return Access::suspended(reason::UNPAID);
        }
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
    let level = dunning.map_or(AccessLevel::Full, Dunning::level);
    Access {
        level,
        reason: match level {
            AccessLevel::Full => reason::SUBSCRIBED,
            AccessLevel::Limited | AccessLevel::Suspended => reason::PAYMENT_OVERDUE,
        },
        until: dunning.and_then(|dunning| dunning.restricts_at),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::converge::dunning::{self, DunningTerms};
    use crate::converge::observed::samples::{dispute, open_invoice, start, subscription};
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
            None,
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
        let nobody = of(&Observed::default(), None, OnDispute::default(), None);
        assert_eq!(nobody, Access::suspended(reason::NOT_SUBSCRIBED));
    }

    #[test]
    fn an_open_dispute_suspends_only_where_the_manifest_says_so_and_until_it_is_decided() {
        let active = subscription(SubscriptionStatus::Active);
        let level = |status, policy| of(&disputed(status), Some(&active), policy, None).level;
        let open = || DisputeStatus::NeedsResponse;
        assert_eq!(level(open(), OnDispute::Suspend), AccessLevel::Suspended);
        assert_eq!(level(open(), OnDispute::Hold), AccessLevel::Full);
        assert_eq!(level(open(), OnDispute::Report), AccessLevel::Full);
        let lost = level(DisputeStatus::Lost, OnDispute::Suspend);
        assert_eq!(lost, AccessLevel::Full);
    }

    #[test]
    fn the_dunning_decides_once_an_invoice_is_overdue_whatever_stripe_calls_the_subscription() {
        use SubscriptionStatus::{Active, PastDue, Unpaid};
        for status in [Active, PastDue, Unpaid] {
            let observed = Observed {
                subscriptions: vec![subscription(status)],
                invoices: vec![open_invoice()],
                ..Observed::default()
            };
            let access = |hours| {
                let now = start() + SignedDuration::from_hours(hours);
                let key = observed.subscriptions[0].key.as_ref().unwrap();
                let dunning = dunning::judge(&observed, key, None, &DunningTerms::default(), now);
                let subscription = observed.subscriptions.first();
                of(
                    &observed,
                    subscription,
                    OnDispute::default(),
                    dunning.as_ref(),
                )
            };
            let at = |hours| Some(start() + SignedDuration::from_hours(hours));
            let expected = |level, reason, until| Access {
                level,
                reason,
                until,
            };
            let full = expected(AccessLevel::Full, reason::SUBSCRIBED, at(144));
            assert_eq!(access(100), full);
            let limited = expected(AccessLevel::Limited, reason::PAYMENT_OVERDUE, at(168));
            assert_eq!(access(144), limited);
            assert_eq!(access(168), Access::suspended(reason::PAYMENT_OVERDUE));
        }
    }
}
