//! What has to be so before the items of a subscription are changed.

use super::Hold;
use crate::api::reason;
use crate::converge::desired::Desired;
use crate::converge::observed::{Schedule, Subscription, SubscriptionStatus, TenantKey};
use crate::converge::terms::{Items, Terms};

/// The most items that every account may have on a subscription.
const MOST_ITEMS: usize = 20;

/// Everything that keeps a change from being made, now or later.
pub(super) fn change(
    desired: &Desired,
    subscription: &Subscription,
    items: &Items<'_>,
    to: &Terms,
) -> Option<Hold> {
    schedule(&desired.key, subscription)
        .or_else(|| currency(desired, subscription, to))
        .or_else(|| limit(subscription, items, to))
}

/// A schedule made by someone else is respected.
pub(super) fn schedule(key: &TenantKey, subscription: &Subscription) -> Option<Hold> {
    let schedule = foreign_schedule(key, subscription)?;
    Some(Hold::stalled(
        reason::SCHEDULE_ATTACHED,
        format!(
            "the subscription schedule {} governs {}; release it in Stripe, and the manifest's \
             changes are made",
            schedule.id, subscription.id
        ),
    ))
}

fn foreign_schedule<'a>(key: &TenantKey, subscription: &'a Subscription) -> Option<&'a Schedule> {
    let schedule = subscription.schedule.as_ref()?;
    (schedule.key.as_ref() != Some(key)).then_some(schedule)
}

/// What counts is what would be sold: who keeps older prices of a plan keeps their currency.
fn currency(desired: &Desired, subscription: &Subscription, to: &Terms) -> Option<Hold> {
    let wanted = &to.base.currency;
    (*wanted != subscription.currency).then(|| {
        Hold::stalled(
            reason::CURRENCY_LOCKED,
            format!(
                "{} is in {}, the plan {} in {wanted}; Stripe cannot change the currency of a \
                 subscription. Choose a plan in {1}, or cancel it first",
                subscription.id, subscription.currency, desired.plan
            ),
        )
    })
}

fn limit(subscription: &Subscription, items: &Items<'_>, to: &Terms) -> Option<Hold> {
    let count = 1 + to.usage.len() + items.others.len();
    (count > MOST_ITEMS).then(|| {
        Hold::stalled(
            reason::TOO_MANY_ITEMS,
            format!(
                "{} would have {count} items, {} of them added by others; Stripe allows \
                 {MOST_ITEMS}. Remove items in Stripe, or use a plan with fewer meters",
                subscription.id,
                items.others.len()
            ),
        )
    })
}

/// A schedule names everything its phases have, and the operator does not know what a discount of one
/// item is to become when that item gets another price.
pub(super) fn discounted(subscription: &Subscription) -> Option<Hold> {
    let item = subscription.items.iter().find(|item| item.discounted)?;
    Some(Hold::stalled(
        reason::PLAN_CHANGE_HELD,
        format!(
            "{} of {} has a discount of its own, which a scheduled change would end; move it to the \
             subscription in Stripe, or have the change made at once (spec.planChange)",
            item.id, subscription.id
        ),
    ))
}

/// A change that adds to the bill of one who doesn't pay waits until the bill is paid.
pub(super) fn unpaid(subscription: &Subscription) -> Option<Hold> {
    let why = match subscription.status {
        SubscriptionStatus::PastDue => "a payment is overdue",
        SubscriptionStatus::Unpaid => "Stripe gave up collecting a payment",
        SubscriptionStatus::Paused => "it is paused for want of a payment method",
        _ => return None,
    };
    Some(Hold::waiting(
        reason::PLAN_CHANGE_HELD,
        format!(
            "{}: {why}; the change is made once that is resolved",
            subscription.id
        ),
    ))
}
