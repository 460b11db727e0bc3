//! Ending a subscription, and taking that back.

use super::{Difference, Plan};
use crate::api::DriftClass;
use crate::converge::observed::{Subscription, SubscriptionStatus};
use crate::converge::steps::{Change, Step};

pub(super) fn undo_or_report_cancellation(plan: &mut Plan, subscription: &Subscription) {
    if subscription.canceled_by_manifest {
        plan.steps.push(Step::UndoCancellation {
            subscription: subscription.id.clone(),
            changes: vec![Change::new(
                "subscription.cancelAtPeriodEnd",
                &subscription.cancel_at_period_end.to_string(),
                "false",
            )],
        });
    } else if subscription.is_ending() {
        plan.reported.push(Difference {
            field: "subscription.cancelAtPeriodEnd".into(),
            desired: "false".into(),
            observed: subscription
                .cancel_at
                .filter(|_| !subscription.cancel_at_period_end)
                .map_or_else(|| "true".to_owned(), |at| format!("cancels at {at}")),
            class: DriftClass::Reported,
        });
    }
}

pub(super) fn cancel_now(subscription: &Subscription) -> Vec<Step> {
    let id = subscription.id.clone();
    // Marked first: should the operator stop in between, the mark and a live subscription lead
    // here again, while an ended one without a mark would look like the customer's doing.
    let mark = (!subscription.canceled_by_manifest).then(|| Step::MarkCanceled {
        subscription: id.clone(),
    });
    mark.into_iter()
        .chain([Step::CancelNow { subscription: id }])
        .collect()
}

pub(super) fn cancel_at_period_end(subscription: &Subscription) -> Vec<Step> {
    // Stripe lets nobody update a subscription whose first payment is open; it has no paid period
    // to keep either.
    if subscription.status == SubscriptionStatus::Incomplete {
        return cancel_now(subscription);
    }
    let id = subscription.id.clone();
    match (
        subscription.cancel_at_period_end,
        subscription.canceled_by_manifest,
    ) {
        (true, true) => Vec::new(),
        (true, false) => vec![Step::MarkCanceled { subscription: id }],
        (false, _) => vec![Step::CancelAtPeriodEnd { subscription: id }],
    }
}
