//! One live subscription: bringing it in line.

use jiff::{Timestamp, ToSpan as _};

use super::cancellation::{cancel_at_period_end, cancel_now, undo_or_report_cancellation};
use super::subscribe::no_payment_method;
use super::{Hold, Plan, Recorded};
use crate::api::{Lifecycle, reason};
use crate::converge::desired::{Desired, TrialTerms};
use crate::converge::money;
use crate::converge::observed::{Customer, Item, Price, Subscription, SubscriptionStatus};
use crate::converge::steps::{Change, Step};

/// One live subscription: bring it in line.
pub(super) fn converge(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
    recorded: &Recorded,
    now: Timestamp,
) {
    // What was recorded of a subscription that has ended since says nothing about its successor.
    let unrecorded = Recorded::default();
    let is_recorded = recorded.subscription_id.as_ref() == Some(&subscription.id);
    let recorded = if is_recorded { recorded } else { &unrecorded };
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
    match desired.lifecycle {
        Lifecycle::Canceled => return plan.steps.extend(cancel_now(subscription)),
        Lifecycle::CancelAtPeriodEnd => plan.steps.extend(cancel_at_period_end(subscription)),
        Lifecycle::Active => undo_or_report_cancellation(plan, subscription),
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
    let changes_before = plan.steps.len();
    swap_price(plan, desired, subscription, recorded);
    move_trial_end(plan, desired, customer, subscription, now);
    if let Some(schedule) = subscription
        .schedule
        .as_ref()
        .filter(|_| plan.steps.len() > changes_before)
    {
        plan.steps.truncate(changes_before);
        plan.hold = Some(Hold::stalled(
            reason::SCHEDULE_ATTACHED,
            format!(
                "the subscription schedule {} governs {}; release it in Stripe, and the \
                 manifest's changes are made",
                schedule.id, subscription.id
            ),
        ));
    }
}

fn swap_price(
    plan: &mut Plan,
    desired: &Desired,
    subscription: &Subscription,
    recorded: &Recorded,
) {
    let Some(item) = base_item(desired, subscription, recorded) else {
        plan.hold = Some(Hold::stalled(
            reason::STRIPE_REJECTED,
            format!(
                "{} has no items; add one in Stripe or cancel it there",
                subscription.id
            ),
        ));
        return;
    };
    let target = target_price(desired, &item.price, recorded);
    let same_price = target.id == item.price.id;
    if same_price && item.quantity.is_none_or(|quantity| quantity == 1) {
        return;
    }
    if desired.offer.base.currency != subscription.currency {
        plan.hold = Some(Hold::stalled(
            reason::CURRENCY_LOCKED,
            format!(
                "{} is in {}, the plan {} in {}; Stripe cannot change the currency of a \
                 subscription. Choose a plan in {1}, or cancel it first",
                subscription.id, subscription.currency, desired.plan, desired.offer.base.currency
            ),
        ));
        return;
    }
    let mut changes = Vec::new();
    if !same_price {
        changes.push(Change::new(
            "subscription.price",
            &label(&item.price),
            &label(&target),
        ));
    }
    if let Some(quantity) = item.quantity.filter(|quantity| *quantity != 1) {
        changes.push(Change::new(
            "subscription.quantity",
            &quantity.to_string(),
            "1",
        ));
    }
    plan.steps.push(Step::SwapPrice {
        subscription: subscription.id.clone(),
        item: item.id.clone(),
        price: target.id,
        changes,
    });
}

/// The item that carries the base fee; others may have been added by hand and are left alone.
fn base_item<'a>(
    desired: &Desired,
    subscription: &'a Subscription,
    recorded: &Recorded,
) -> Option<&'a Item> {
    let items = &subscription.items;
    let find = |wanted: &dyn Fn(&Price) -> bool| items.iter().find(|item| wanted(&item.price));
    find(&|price| price.id == desired.offer.base.id)
        .or_else(|| find(&|price| Some(&price.id) == recorded.price_id.as_ref()))
        .or_else(|| {
            find(&|price| price.plan.is_some() && price.owner.as_ref() == Some(&desired.key.owner))
        })
        .or_else(|| items.first())
}

/// The price the tenant is to have: its plan's, or the older one of the same plan that it already
/// has, since new terms are for new subscribers.
fn target_price(desired: &Desired, current: &Price, recorded: &Recorded) -> Price {
    let recorded_price = recorded
        .price_id
        .as_ref()
        .filter(|_| recorded.plan.as_ref() == Some(&desired.plan));
    match recorded_price {
        Some(id) if *id == current.id => current.clone(),
        Some(id) if *id != desired.offer.base.id => Price {
            id: id.clone(),
            plan: Some(desired.plan.clone()),
            ..Price::default()
        },
        Some(_) => desired.offer.base.clone(),
        None => {
            let same_plan = current.plan.as_ref() == Some(&desired.plan)
                && current.owner.as_ref() == Some(&desired.key.owner);
            let keep = same_plan && recorded.plan.is_none();
            if keep {
                current.clone()
            } else {
                desired.offer.base.clone()
            }
        }
    }
}

fn label(price: &Price) -> String {
    let amount = price
        .unit_amount
        .map(|amount| {
            format!(
                " {} {}",
                money::format(amount, &price.currency),
                price.currency
            )
        })
        .unwrap_or_default();
    match &price.plan {
        Some(plan) => format!("{plan} ({}{amount})", price.id),
        None => format!("{}{amount}", price.id),
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
