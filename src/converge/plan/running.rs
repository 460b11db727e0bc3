//! One live subscription: bringing it in line.

use jiff::{Timestamp, ToSpan as _};

use super::cancellation::{cancel_at_period_end, cancel_now, undo_or_report_cancellation};
use super::subscribe::no_payment_method;
use super::{Hold, Plan, Recorded, Situation, change, guards, schedule, tax};
use crate::api::{Lifecycle, reason};
use crate::converge::desired::{Desired, TrialTerms};
use crate::converge::observed::{Customer, Subscription, SubscriptionStatus};
use crate::converge::steps::{Change, Step};

/// One live subscription: bring it in line.
pub(super) fn converge(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
    recorded: &Recorded,
    situation: &Situation,
) {
    // What was recorded of a subscription that has ended since says nothing about its successor.
    let unrecorded = Recorded::default();
    let is_recorded = recorded.subscription_id.as_ref() == Some(&subscription.id);
    let recorded = if is_recorded { recorded } else { &unrecorded };
    let claimed = schedule::claimed(&desired.key, subscription, recorded);
    let subscription = claimed.as_ref().unwrap_or(subscription);
    if subscription.key.as_ref() != Some(&desired.key) {
        let have = subscription.key.as_ref().map_or("", |key| &key.tenant);
        plan.steps.push(Step::RestoreIdentity {
            subscription: subscription.id.clone(),
            declared_trial_days: subscription.trial_days.unwrap_or(desired.trial.days()),
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
    change::converge(plan, desired, subscription, recorded, situation);
    if plan.hold.is_none() {
        move_trial_end(plan, desired, customer, subscription, situation.now);
    }
}

fn move_trial_end(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
    now: Timestamp,
) {
    let (Some(current_end), TrialTerms::Tenant(days)) = (subscription.trial_end, desired.trial)
    else {
        return;
    };
    // What counts is the number in the manifest, not the date: support may have granted an
    // extension in the Dashboard, and that stands until the number is edited.
    let running = subscription.status == SubscriptionStatus::Trialing;
    if !running
        || subscription
            .trial_days
            .is_none_or(|declared| declared == days)
    {
        return;
    }
    let Ok(end) = subscription.start_date.checked_add((days * 24).hours()) else {
        return;
    };
    let ends_now = end <= now;
    let unpayable = desired.offer.base.unit_amount != Some(0)
        && customer.is_none_or(|c| c.default_payment_method.is_none())
        && subscription.default_payment_method.is_none();
    if ends_now && unpayable {
        plan.hold = Some(no_payment_method(customer));
        return;
    }
    if let Some(hold) = guards::schedule(&desired.key, subscription) {
        plan.hold = Some(hold);
        return;
    }
    plan.steps.push(Step::MoveTrialEnd {
        subscription: subscription.id.clone(),
        end: (!ends_now).then_some(end),
        declared_trial_days: days,
        changes: vec![Change::new(
            "subscription.trialEnd",
            &current_end.to_string(),
            &if ends_now {
                "now".to_owned()
            } else {
                end.to_string()
            },
        )],
    });
}
