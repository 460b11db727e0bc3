//! One live subscription: bringing it in line.

use super::cancellation::{cancel_at_period_end, cancel_now, undo_or_report_cancellation};
use super::{
    Case, Hold, Plan, Recorded, change, collect, guards, hold, payment, schedule, tax, trial,
};
use crate::api::{Lifecycle, reason};
use crate::converge::concern;
use crate::converge::desired::Desired;
use crate::converge::observed::{Subscription, SubscriptionStatus};
use crate::converge::steps::{Change, Step};

/// One live subscription: bring it in line.
pub(super) fn converge(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    // What was recorded of a subscription that has ended since says nothing about its successor.
    let unrecorded = Recorded {
        setup: case.recorded.setup.clone(),
        ..Recorded::default()
    };
    let is_recorded = case.recorded.subscription_id.as_ref() == Some(&subscription.id);
    let recorded = if is_recorded {
        case.recorded
    } else {
        &unrecorded
    };
    let case = Case { recorded, ..case };
    let claimed = schedule::claimed(&case.desired.key, subscription, recorded);
    let subscription = claimed.as_ref().unwrap_or(subscription);
    // Before anything that could charge.
    hold::converge(plan, case, subscription);
    let invoices = &case.observed.invoices;
    if let Some(at) = concern::next_change(subscription, invoices, case.situation.now) {
        plan.look_at(at);
    }
    collect::converge(plan, case, subscription);
    restore_identity(plan, case.desired, subscription);
    if end_or_go_on(plan, case.desired, subscription) == Goes::On {
        bring_in_line(plan, case, subscription);
    }
}

fn restore_identity(plan: &mut Plan, desired: &Desired, subscription: &Subscription) {
    if subscription.key.as_ref() == Some(&desired.key) {
        return;
    }
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

/// Whether a subscription goes on, so that there is more to bring in line.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    NoFurther,
}

/// Ends it, lets it end, or takes that back, as the manifest says.
fn end_or_go_on(plan: &mut Plan, desired: &Desired, subscription: &Subscription) -> Goes {
    let before = plan.steps.len();
    match desired.lifecycle {
        Lifecycle::Canceled => {
            let steps = schedule::released(&desired.key, subscription, cancel_now(subscription));
            plan.steps.extend(steps);
            return Goes::NoFurther;
        }
        Lifecycle::CancelAtPeriodEnd => {
            let steps = cancel_at_period_end(subscription);
            let steps = schedule::released(&desired.key, subscription, steps);
            plan.steps.extend(steps);
        }
        Lifecycle::Active => undo_or_report_cancellation(plan, subscription),
    }
    // Stripe lets only the schedule decide when a subscription ends that it governs.
    let governed = guards::schedule(&desired.key, subscription);
    if let Some(hold) = governed.filter(|_| plan.steps.len() > before) {
        plan.steps.truncate(before);
        plan.hold = Some(hold);
        return Goes::NoFurther;
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
        return Goes::NoFurther;
    }
    Goes::On
}

/// Taxes, payment, what is sold, and the trial.
fn bring_in_line(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let desired = case.desired;
    let blocked = tax::converge(plan, desired, case.customer(), subscription)
        .or_else(|| payment::converge_collection(plan, desired, subscription));
    if let Some(hold) = blocked {
        plan.hold = Some(hold);
        return;
    }
    let active = desired.lifecycle == Lifecycle::Active;
    if active && subscription.status == SubscriptionStatus::Paused {
        trial::resume(plan, case, subscription);
        // What is sold is looked at when it goes on.
        if plan.hold.is_some() || plan.ask.is_some() || !plan.steps.is_empty() {
            return;
        }
    }
    change::converge(plan, desired, subscription, case.recorded, case.situation);
    if active && plan.hold.is_none() {
        trial::converge(plan, case, subscription);
    }
}
