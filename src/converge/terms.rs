//! Terms: what a subscription sells, as prices and a quantity, and how the items of a subscription
//! differ from it.

use super::desired::{Desired, Offer, digest};
use super::money;
use super::observed::{Component, Item, PhaseItem, Price, Subscription};
use super::steps::ItemChange;
use crate::api::Interval;

/// What a subscription sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The plan whose prices these are, when known.
    pub plan: Option<String>,
    /// The price of the base fee.
    pub base: Price,
    /// The metered prices.
    pub usage: Vec<Price>,
    /// How many of the base fee.
    pub quantity: i64,
}

impl Terms {
    /// The terms of a plan's offer.
    pub fn of_offer(plan: &str, offer: &Offer, quantity: i64) -> Self {
        Self {
            plan: Some(plan.to_owned()),
            base: offer.base.clone(),
            usage: offer.usage.clone(),
            quantity,
        }
    }

    /// The same prices in another quantity.
    pub fn with_quantity(&self, quantity: i64) -> Self {
        Self {
            quantity,
            ..self.clone()
        }
    }

    /// Whether these are the same prices, whatever the quantity.
    pub fn same_prices(&self, other: &Self) -> bool {
        let usage = |terms: &Self| {
            let mut ids: Vec<String> = terms.usage.iter().map(|price| price.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        self.base.id == other.base.id && usage(self) == usage(other)
    }

    /// Whether it is the same prices in the same quantity.
    pub fn same(&self, other: &Self) -> bool {
        self.quantity == other.quantity && self.same_prices(other)
    }

    /// Digest of prices and quantity.
    pub fn digest(&self) -> String {
        let mut parts = vec![self.base.id.as_str()];
        parts.extend(self.usage.iter().map(|price| price.id.as_str()));
        parts[1..].sort_unstable();
        let quantity = self.quantity.to_string();
        parts.push(&quantity);
        digest(&parts)
    }

    /// For people: `pro, 99.00 usd/month`, `team, 5 x 12.00 eur/year`.
    pub fn label(&self) -> String {
        let plan = self.plan.as_deref().unwrap_or(&self.base.id);
        let Some(amount) = self.base.unit_amount else {
            return match self.quantity {
                1 => plan.to_owned(),
                quantity => format!("{plan}, {quantity} x"),
            };
        };
        let currency = &self.base.currency;
        let amount = money::format(amount, currency);
        let times = match self.quantity {
            1 => String::new(),
            quantity => format!("{quantity} x "),
        };
        let interval = match self.base.interval {
            Some(Interval::Month) => "/month",
            Some(Interval::Year) => "/year",
            None => "",
        };
        format!("{plan}, {times}{amount} {currency}{interval}")
    }

    /// The items of a schedule's phase that sells this, next to items of others.
    pub fn phase_items(&self, others: &[&Item]) -> Vec<PhaseItem> {
        let base = PhaseItem {
            price: self.base.id.clone(),
            quantity: Some(self.quantity),
        };
        let usage = self.usage.iter().map(|price| PhaseItem {
            price: price.id.clone(),
            quantity: None,
        });
        let others = others.iter().map(|item| PhaseItem {
            price: item.price.id.clone(),
            quantity: item.quantity,
        });
        std::iter::once(base).chain(usage).chain(others).collect()
    }
}

/// The items of a subscription, told apart.
#[derive(Debug)]
pub struct Items<'a> {
    /// Carries the base fee.
    pub base: Option<&'a Item>,
    /// The plan's metered items.
    pub usage: Vec<&'a Item>,
    /// Added by others, and left alone.
    pub others: Vec<&'a Item>,
}

impl<'a> Items<'a> {
    /// Tells the items of a subscription apart. `agreed` holds the ids of the prices the
    /// subscription was brought to.
    pub fn of(subscription: &'a Subscription, desired: &Desired, agreed: &[String]) -> Self {
        let items = &subscription.items;
        let is_ours = |price: &Price| price.owner.as_ref() == Some(&desired.key.owner);
        let is_usage = |price: &Price| {
            price.metered
                && (agreed.contains(&price.id)
                    || desired.offer.usage.iter().any(|own| own.id == price.id)
                    || (is_ours(price) && matches!(price.component, Some(Component::Usage(_)))))
        };
        let find = |wanted: &dyn Fn(&Price) -> bool| {
            items
                .iter()
                .find(|item| !is_usage(&item.price) && wanted(&item.price))
        };
        let base = find(&|price| price.id == desired.offer.base.id)
            .or_else(|| find(&|price| agreed.contains(&price.id)))
            .or_else(|| find(&|price| price.plan.is_some() && is_ours(price)))
            .or_else(|| find(&|price| !price.metered));
        let is_base = |item: &Item| base.is_some_and(|base| base.id == item.id);
        let (usage, others) = items
            .iter()
            .filter(|item| !is_base(item))
            .partition(|item| is_usage(&item.price));
        Self {
            base,
            usage,
            others,
        }
    }

    /// What they sell at present; `None` without a base item.
    pub fn terms(&self) -> Option<Terms> {
        let base = self.base?;
        Some(Terms {
            plan: base.price.plan.clone(),
            base: base.price.clone(),
            usage: self.usage.iter().map(|item| item.price.clone()).collect(),
            quantity: base.quantity.unwrap_or(1),
        })
    }

    /// The changes that make them sell `terms`.
    pub fn changes_to(&self, terms: &Terms) -> Vec<ItemChange> {
        let mut changes: Vec<ItemChange> = self.base_change(terms).into_iter().collect();
        let is_sold = |item: &&&Item| terms.usage.iter().any(|price| price.id == item.price.id);
        let mut spare: Vec<&Item> = self
            .usage
            .iter()
            .filter(|item| !is_sold(item))
            .copied()
            .collect();
        for price in &terms.usage {
            if self.usage.iter().any(|item| item.price.id == price.id) {
                continue;
            }
            let same_meter = spare.iter().position(|item| {
                price.component.is_some() && item.price.component == price.component
            });
            changes.push(match same_meter {
                Some(index) => ItemChange::Update {
                    item: spare.swap_remove(index).id.clone(),
                    price: price.id.clone(),
                    quantity: None,
                },
                None => ItemChange::Add {
                    price: price.id.clone(),
                    quantity: None,
                },
            });
        }
        changes.extend(spare.into_iter().map(|item| ItemChange::Remove {
            item: item.id.clone(),
        }));
        changes
    }

    fn base_change(&self, terms: &Terms) -> Option<ItemChange> {
        let price = terms.base.id.clone();
        let quantity = Some(terms.quantity);
        let Some(item) = self.base else {
            return Some(ItemChange::Add { price, quantity });
        };
        let sold = item.quantity.unwrap_or(1);
        (item.price.id != price || sold != terms.quantity).then(|| ItemChange::Update {
            item: item.id.clone(),
            price,
            quantity,
        })
    }
}
