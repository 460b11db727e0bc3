//! Who subscribes to which price, counted from the mirror.

use std::collections::BTreeSet;

use super::mirror::Mirror;
use crate::converge::observed::{Component, Subscription};
use crate::converge::status::{PriceUse, Subscribers};

impl Mirror {
    /// Who subscribes to a plan: to one of these `prices`, or to any price made for it.
    ///
    /// `sold` are those of them that new tenants get; all others are older.
    pub fn subscribers(&self, plan: &str, sold: &[&str], older: &[&str]) -> Subscribers {
        let index = self.read();
        let owner = index.owner();
        let mut seen = Subscribers::default();
        for subscription in index.live_subscriptions() {
            let last_phase = subscription
                .schedule
                .as_ref()
                .and_then(|schedule| schedule.phases.iter().max_by_key(|phase| phase.start));
            let leaves = |price: &str| {
                last_phase.is_some_and(|phase| phase.items.iter().all(|item| item.price != price))
            };
            let mut on = On::Nothing;
            for item in &subscription.items {
                let price = &item.price;
                let id = price.id.as_str();
                let made_for_it =
                    price.owner.as_deref() == Some(owner) && price.plan.as_deref() == Some(plan);
                let is_sold = sold.contains(&id);
                if !is_sold && !made_for_it && !older.contains(&id) {
                    continue;
                }
                let leaving = leaves(id);
                let component = price.component.clone().unwrap_or(Component::Base);
                let counted = seen.prices.entry(id.to_owned()).or_insert(PriceUse {
                    component,
                    live: 0,
                    leaving: 0,
                });
                counted.live += 1;
                counted.leaving += i64::from(leaving);
                on = on.max(match (is_sold, leaving) {
                    (true, _) => On::Sold,
                    (false, false) => On::Older,
                    (false, true) => On::OlderUntilScheduled,
                });
            }
            seen.all += i64::from(on > On::Nothing);
            seen.on_older += i64::from(on > On::Sold);
            seen.scheduled += i64::from(on == On::OlderUntilScheduled);
            seen.planned.extend(planned(subscription, older));
        }
        seen
    }
}

/// What a subscription has of a plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    Nothing,
    Sold,
    OlderUntilScheduled,
    Older,
}

/// The prices among `older` that a schedule names.
fn planned(subscription: &Subscription, older: &[&str]) -> BTreeSet<String> {
    let schedule = subscription.schedule.iter();
    schedule
        .flat_map(|schedule| &schedule.phases)
        .flat_map(|phase| &phase.items)
        .map(|item| &item.price)
        .filter(|price| older.contains(&price.as_str()))
        .cloned()
        .collect()
}
