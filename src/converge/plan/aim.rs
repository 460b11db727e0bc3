//! What a running subscription should sell now, and what from the end of its period on.

use super::schedule::{leads_to, own};
use super::{Recorded, Situation, Turn};
use crate::api::{DowngradeTiming, Existing, Interval, UpgradeTiming};
use crate::converge::desired::{ChangePolicy, Desired};
use crate::converge::observed::{Price, Subscription, SubscriptionStatus};
use crate::converge::terms::{Items, Terms};

/// What a subscription should sell.
#[derive(Debug)]
pub(super) struct Aim {
    /// At once.
    pub(super) now: Terms,
    /// From the end of the period on, if that is something else.
    pub(super) later: Option<Terms>,
    /// What it was brought to, and holds until the aim is reached.
    pub(super) agreed: Terms,
    /// New prices that wait for the tenant's turn.
    pub(super) queued: Option<Terms>,
}

impl Aim {
    fn at_once(now: Terms, agreed: Terms) -> Self {
        Self {
            now,
            later: None,
            agreed,
            queued: None,
        }
    }
}

/// Whether going from one to the other gives up something: a smaller fee, or a shorter interval.
pub(super) fn is_downgrade(from: &Terms, to: &Terms) -> bool {
    match (from.base.interval, to.base.interval) {
        (Some(Interval::Month), Some(Interval::Year)) => false,
        (Some(Interval::Year), Some(Interval::Month)) => true,
        _ => match (fee(from), fee(to)) {
            (Some(from), Some(to)) => to < from,
            // A fee that cannot be compared is what the manifest asks for all the same.
            _ => false,
        },
    }
}

/// The base fee of a period, in minor units.
pub(super) fn fee(terms: &Terms) -> Option<i64> {
    terms.base.unit_amount?.checked_mul(terms.quantity)
}

/// Decides what a subscription should sell.
pub(super) fn decide(
    desired: &Desired,
    subscription: &Subscription,
    items: &Items<'_>,
    recorded: &Recorded,
    situation: &Situation,
) -> Aim {
    let offer = Terms::of_offer(&desired.plan, &desired.offer, desired.quantity);
    let sold = items.terms();
    let agreed = agreed(desired, subscription, items, recorded).unwrap_or_else(|| offer.clone());
    if sold.as_ref().is_some_and(|sold| sold.same(&offer)) || agreed.same(&offer) {
        return Aim::at_once(offer, agreed);
    }
    let changes = Changes {
        policy: desired.change,
        trialing: subscription.status == SubscriptionStatus::Trialing,
    };
    let is_same_plan = agreed.plan.as_ref() == Some(&desired.plan);
    if !is_same_plan || agreed.same_prices(&offer) {
        return changes.towards(agreed, offer);
    }
    // On older prices of its plan: only the quantity is the tenant's own affair.
    let mut staying = changes.towards(agreed.clone(), agreed.with_quantity(desired.quantity));
    let is_under_way =
        own(&desired.key, subscription).is_some_and(|schedule| leads_to(schedule, items, &offer));
    match (desired.rollout.existing, situation.turn) {
        (Existing::Grandfather, _) => staying,
        (Existing::AtRenewal, turn) if turn == Turn::Granted || is_under_way => {
            if changes.trialing {
                return Aim::at_once(offer, agreed);
            }
            staying.later = Some(offer);
            staying
        }
        (Existing::Now, Turn::Granted) => Aim::at_once(offer, agreed),
        _ => {
            staying.queued = Some(offer);
            staying
        }
    }
}

struct Changes {
    policy: ChangePolicy,
    trialing: bool,
}

impl Changes {
    fn towards(&self, agreed: Terms, wanted: Terms) -> Aim {
        let at_once = if is_downgrade(&agreed, &wanted) {
            self.policy.downgrade == DowngradeTiming::Now
        } else {
            self.policy.upgrade == UpgradeTiming::Now
        };
        // Nothing is paid for during a trial, so there is no period to wait for.
        if at_once || self.trialing || agreed.same(&wanted) {
            return Aim::at_once(wanted, agreed);
        }
        Aim {
            now: agreed.clone(),
            later: Some(wanted),
            agreed,
            queued: None,
        }
    }
}

/// What the subscription was brought to: as the status records it, or else what it sells.
fn agreed(
    desired: &Desired,
    subscription: &Subscription,
    items: &Items<'_>,
    recorded: &Recorded,
) -> Option<Terms> {
    let Some(terms) = &recorded.terms else {
        return items.terms();
    };
    let known = |id: &String| {
        let sold = items.base.into_iter().chain(items.usage.iter().copied());
        let offered = std::iter::once(&desired.offer.base).chain(&desired.offer.usage);
        sold.map(|item| &item.price)
            .chain(offered)
            .find(|price| price.id == *id)
            .cloned()
            .unwrap_or_else(|| Price {
                id: id.clone(),
                // It was sold on this subscription, and those have one currency for ever.
                currency: subscription.currency.clone(),
                ..Price::default()
            })
    };
    Some(Terms {
        plan: Some(terms.plan.clone()),
        base: known(&terms.base),
        usage: terms.usage.iter().map(known).collect(),
        quantity: terms.quantity,
    })
}
