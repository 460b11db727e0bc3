//! One live subscription: bringing it in line.

use super::cancellation::{cancel_at_period_end, cancel_now, undo_or_report_cancellation};
use super::{Hold, Plan, Recorded, Situation, change, guards, payment, schedule, tax, trial};
use crate::api::{Lifecycle, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{Observed, Subscription, SubscriptionStatus};
use crate::converge::steps::{Change, Step};

/// One live subscription: bring it in line.
pub(super) fn converge(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    subscription: &Subscription,
    recorded: &Recorded,
    situation: &Situation,
) {
    let customer = observed.customers.first();
    // What was recorded of a subscription that has ended since says nothing about its successor.
    let is_recorded = recorded.subscription_id.as_ref() == Some(&subscription.id);
    let unrecorded = Recorded {
        setup: recorded.setup.clone(),
        ..Recorded::default()
    };
    let recorded = if is_recorded { recorded } else { &unrecorded };
    let claimed = schedule::claimed(&desired.key, subscription, recorded);
    let subscription = claimed.as_ref().unwrap_or(subscription);
    if subscription.key.as_ref() != Some(&desired.key) {
        let have = subscription.key.as_ref().map_or("", |key| &key.tenant);
        plan.steps.push(Step::RestoreIdentity {
            subscription: subscription.id.clone(),
            declared_trial: subscription
                .declared_trial
                .unwrap_or(desired.trial.declared()),
            changes: vec![Change::new(
                "subscription.metadata",
                have,
                &desired.key.tenant,
            )],
        });
    }
    let before = plan.steps.len();
    match desired.lifecycle {
        Lifecycle::Canceled => {
            let steps = schedule::released(&desired.key, subscription, cancel_now(subscription));
            return plan.steps.extend(steps);
        }
        Lifecycle::CancelAtPeriodEnd => {
            let steps = cancel_at_period_end(subscription);
            let steps = schedule::released(&desired.key, subscription, steps);
            plan.steps.extend(steps);
        }
        Lifecycle::Active => undo_or_report_cancellation(plan, subscription),
    }
    // Stripe lets only the schedule decide when a subscription ends that it governs.
    if let Some(hold) =
        guards::schedule(&desired.key, subscription).filter(|_| plan.steps.len() > before)
    {
        plan.steps.truncate(before);
        plan.hold = Some(hold);
        return;
    }
    if subscription.status == SubscriptionStatus::Incomplete {
        plan.hold = Some(Hold::waiting(
            reason::AWAITING_PAYMENT,
            format!(
                "the first payment of {} failed or needs the customer's confirmation; Stripe \
                 waits 23 hours for it. Changes are made after it",
                subscription.id
            ),
        ));
        return;
    }
    if let Some(hold) = tax::converge(plan, desired, customer, subscription) {
        plan.hold = Some(hold);
        return;
    }
    if let Some(hold) = payment::converge_collection(plan, desired, subscription) {
        plan.hold = Some(hold);
        return;
    }
    if subscription.status == SubscriptionStatus::Paused && desired.lifecycle == Lifecycle::Active {
        trial::resume(plan, desired, observed, subscription, recorded, situation);
        // What is sold is looked at when it goes on.
        if plan.hold.is_some() || plan.ask.is_some() || !plan.steps.is_empty() {
            return;
        }
    }
    change::converge(plan, desired, subscription, recorded, situation);
    if plan.hold.is_none() && desired.lifecycle == Lifecycle::Active {
        trial::converge(plan, desired, customer, subscription, recorded, situation);
    }
}
