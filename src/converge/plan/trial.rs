//! A trial that runs: its end, what happens then, the reminder; and going on after a pause.

use jiff::{Timestamp, ToSpan as _};

use super::payment::{self, TrialAhead};
use super::{Case, Difference, Hold, Plan, guards};
use crate::api::{DriftClass, IfNoPaymentMethod, PaymentRequirement, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{InvoiceStatus, Pause, Subscription, SubscriptionStatus};
use crate::converge::payment::CollectionMethod;
use crate::converge::steps::{Change, Step};
use crate::converge::trial::{DeclaredTrial, LONGEST, TrialTerms};

/// What happens at the end of a new subscription's trial when there is no payment method.
pub(super) fn if_no_payment_method(desired: &Desired) -> IfNoPaymentMethod {
    let usual = if desired.payment.requirement == PaymentRequirement::NotRequired {
        IfNoPaymentMethod::Invoice
    } else {
        IfNoPaymentMethod::Pause
    };
    desired.trial_ending.if_no_payment_method.unwrap_or(usual)
}

/// Whether Stripe would refuse a trial until `end`.
pub(super) fn too_long(end: Timestamp, now: Timestamp) -> Option<Hold> {
    let longest = now.checked_add((LONGEST * 24).hours()).ok()?;
    (end > longest).then(|| {
        Hold::stalled(
            reason::INVALID_SPEC,
            format!(
                "spec.trial.endsAt: {end} is more than {LONGEST} days ahead, which is the most that \
                 Stripe allows"
            ),
        )
    })
}

/// A running trial: brings its end and its ending in line, reminds, and asks for a payment method.
pub(super) fn converge(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    if subscription.status != SubscriptionStatus::Trialing {
        return;
    }
    set_ending(plan, case.desired, subscription);
    move_end(plan, case, subscription);
    // What is reminded of is the end as it is going to be.
    if plan.steps.is_empty() && plan.hold.is_none() {
        remind(plan, case, subscription);
        payment::before_trial_end(plan, case, subscription);
    }
}

fn set_ending(plan: &mut Plan, desired: &Desired, subscription: &Subscription) {
    let wanted = desired.trial_ending.if_no_payment_method;
    let Some(behavior) = wanted.filter(|wanted| subscription.if_no_payment_method != Some(*wanted))
    else {
        return;
    };
    let automatic = subscription.collection == CollectionMethod::Automatic;
    if automatic && guards::schedule(&desired.key, subscription).is_none() {
        let before = subscription
            .if_no_payment_method
            .map_or_else(String::new, |before| format!("{before:?}"));
        plan.steps.push(Step::SetTrialEnding {
            subscription: subscription.id.clone(),
            behavior,
            changes: vec![Change::new(
                "subscription.trialIfNoPaymentMethod",
                &before,
                &format!("{behavior:?}"),
            )],
        });
    }
}

fn move_end(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let (desired, now) = (case.desired, case.situation.now);
    let (Some(current_end), TrialTerms::Tenant(wanted)) = (subscription.trial_end, desired.trial)
    else {
        return;
    };
    // What counts is what the manifest says, not the date: support may have granted an extension in
    // the Dashboard, and that stands until the manifest is edited.
    if subscription
        .declared_trial
        .is_none_or(|declared| declared == wanted)
    {
        return;
    }
    let Some(end) = wanted.end(subscription.start_date) else {
        return;
    };
    let ends_now = end <= now;
    if ends_now
        && payment::is_needed_to_begin(desired, TrialAhead::No)
        && payment::method(case.customer(), Some(subscription)).is_none()
    {
        let what = format!("the trial of {} is ended", subscription.id);
        payment::await_method(plan, case, &what);
        return;
    }
    let blocked = too_long(end, now).or_else(|| guards::schedule(&desired.key, subscription));
    if let Some(hold) = blocked {
        plan.hold = Some(hold);
        return;
    }
    plan.steps.push(moved(
        subscription,
        wanted,
        (!ends_now).then_some(end),
        current_end,
    ));
}

fn moved(
    subscription: &Subscription,
    declared: DeclaredTrial,
    end: Option<Timestamp>,
    current_end: Timestamp,
) -> Step {
    let after = end.map_or_else(|| "now".to_owned(), |end| end.to_string());
    Step::MoveTrialEnd {
        subscription: subscription.id.clone(),
        end,
        declared,
        changes: vec![Change::new(
            "subscription.trialEnd",
            &current_end.to_string(),
            &after,
        )],
    }
}

/// Reminds once of each end a trial is given. Computed from the end and not from Stripe's
/// `trial_will_end`, which also comes when a trial is cut short.
fn remind(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let now = case.situation.now;
    let Some(end) = subscription.trial_end else {
        return;
    };
    let Some(at) = case.desired.trial_ending.reminder(end) else {
        return;
    };
    // Who has cancelled knows that it ends.
    if subscription.reminded_of == Some(end) || subscription.is_ending() || now >= end {
        return;
    }
    if now < at {
        plan.look_at(at);
        return;
    }
    let then = if subscription.collection != CollectionMethod::Automatic {
        "invoices are sent from then on"
    } else if payment::method(case.customer(), Some(subscription)).is_some() {
        "the payment method on file is charged from then on"
    } else {
        match subscription.if_no_payment_method {
            Some(IfNoPaymentMethod::Cancel) => {
                "there is no payment method on file, without which the subscription is cancelled then"
            }
            Some(IfNoPaymentMethod::Pause) => {
                "there is no payment method on file, without which the subscription is paused then"
            }
            _ => "there is no payment method on file; the first invoice will wait to be paid",
        }
    };
    plan.steps.push(Step::RemindOfTrialEnd {
        subscription: subscription.id.clone(),
        end,
        notice: format!("the trial of {} ends at {end}; {then}", subscription.id),
    });
}

/// A subscription that stands still: goes on once there is a payment method, unless it was somebody
/// else who paused it.
pub(super) fn resume(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    if subscription.pause == Some(Pause::Other) {
        plan.reported.push(Difference {
            field: "subscription.status".into(),
            desired: "active".into(),
            observed: "paused, not for want of a payment method".into(),
            class: DriftClass::Reported,
        });
        return;
    }
    // It was resumed, and goes on when that is paid: Stripe retries the payment, and the customer can
    // make it on the invoice's page.
    let open = case.observed.invoices.iter().find(|invoice| {
        invoice.status == InvoiceStatus::Open
            && invoice.subscription.as_ref() == Some(&subscription.id)
    });
    if let Some(invoice) = open {
        plan.hold = Some(Hold::waiting(
            reason::AWAITING_PAYMENT,
            format!(
                "{} goes on when {} is paid, which failed or needs the customer's confirmation",
                subscription.id, invoice.id
            ),
        ));
        return;
    }
    if let Some(method) = payment::method(case.customer(), Some(subscription)) {
        plan.steps.push(Step::Resume {
            subscription: subscription.id.clone(),
            payment_method: method.to_owned(),
        });
    } else {
        let what = format!(
            "{} was paused when its trial ended, and goes on",
            subscription.id
        );
        payment::await_method(plan, case, &what);
    }
}
