//! What an invoice's lines say, computed from a subscription's items. Reads the state, changes nothing.

use rust_decimal::Decimal;

use super::calendar::{Cadence, Period};
use super::pricing::{self, PackageRounding, Packages, Scheme, Tier};
use super::{debits, proration, wording};
use crate::model::invoice::Line;
use crate::model::subscription::{Item, Subscription};
use crate::model::{Interval, Price, Round, TiersMode, UsageType};
use crate::state::{State, new_id};

/// How often a price recurs. A one-time price has no place in a subscription and is refused before it gets here.
pub fn cadence(price: &Price) -> Cadence {
    price.recurring.as_ref().map_or(
        Cadence {
            unit: Interval::Month,
            count: 1,
        },
        |recurring| Cadence {
            unit: recurring.interval,
            count: u32::try_from(recurring.interval_count).unwrap_or(1),
        },
    )
}

/// How often the items recur; all have the same cadence.
pub fn cadence_of(state: &State, items: &[Item]) -> Cadence {
    let price = items.first().and_then(|item| state.prices.get(&item.price));
    price.map_or(
        Cadence {
            unit: Interval::Month,
            count: 1,
        },
        cadence,
    )
}

/// Whether the price is charged for usage, afterwards.
pub fn is_metered(price: &Price) -> bool {
    price
        .recurring
        .as_ref()
        .is_some_and(|recurring| recurring.usage_type == UsageType::Metered)
}

fn packages(price: &Price) -> Option<Packages> {
    price.transform_quantity.map(|transform| Packages {
        divide_by: u64::try_from(transform.divide_by).unwrap_or(1),
        rounding: match transform.round {
            Round::Up => PackageRounding::Up,
            Round::Down => PackageRounding::Down,
        },
    })
}

/// What the items cost for a whole period, usage aside.
pub fn recurring_amount(state: &State, items: &[Item]) -> i64 {
    items.iter().map(|item| item_amount(state, item)).sum()
}

/// Lines for licensed items over `billed`, which is `natural` or, before an anchor in the future or up to a set end, a part of it.
pub fn charges(
    state: &State,
    subscription: &Subscription,
    billed: Period,
    natural: Period,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for (item, price) in priced(state, &subscription.items) {
        if is_metered(price) {
            continue;
        }
        if billed == natural {
            lines.extend(whole(
                state,
                subscription,
                item,
                price,
                quantity(item),
                billed,
            ));
        } else {
            let amount = proration::share(item_amount(state, item), natural, billed);
            let name = product_name(state, price);
            let text = wording::remainder(&name, quantity(item), billed.start);
            lines.push(prorated(subscription, item, price, amount, text, billed));
        }
    }
    lines
}

/// Lines of a trial: one for each licensed item, for nothing. Metered items are listed when it is over.
pub fn trial(state: &State, subscription: &Subscription, trial: Period) -> Vec<Line> {
    priced(state, &subscription.items)
        .filter(|(_, price)| !is_metered(price))
        .map(|(item, price)| {
            let text = wording::free_trial(&product_name(state, price), quantity(item));
            Line {
                invoice_item: None,
                quantity: quantity(item),
                ..prorated(subscription, item, price, 0, text, trial)
            }
        })
        .collect()
}

/// The credits for what is given up at `at`, and the charges for what replaces it until the period's end.
///
/// Items that stay as they are appear on neither side.
pub fn prorations(state: &State, before: &Subscription, after: &[Item], at: i64) -> Vec<Line> {
    let unchanged = |item: &Item, others: &[Item]| {
        others.iter().any(|other| {
            other.id == item.id && other.price == item.price && other.quantity == item.quantity
        })
    };
    let given_up: Vec<&Item> = before
        .items
        .iter()
        .filter(|item| !unchanged(item, after))
        .collect();
    let mut lines = credits(state, before, &given_up, at);
    let (natural, left) = spans(state, before, at);
    let taken_up = priced(state, after).filter(|(item, _)| !unchanged(item, &before.items));
    for (item, price) in taken_up.filter(|(_, price)| !is_metered(price)) {
        let amount = proration::share(item_amount(state, item), natural, left);
        let text = wording::remainder(&product_name(state, price), quantity(item), at);
        lines.push(prorated(before, item, price, amount, text, left));
    }
    lines
}

/// The credits for everything the subscription has paid for beyond `at`.
pub fn unused(state: &State, subscription: &Subscription, at: i64) -> Vec<Line> {
    credits(
        state,
        subscription,
        &subscription.items.iter().collect::<Vec<_>>(),
        at,
    )
}

fn credits(state: &State, subscription: &Subscription, items: &[&Item], at: i64) -> Vec<Line> {
    let (_, left) = spans(state, subscription, at);
    let debits = debits::open(state, subscription);
    let priced = items
        .iter()
        .filter_map(|item| Some((*item, state.prices.get(&item.price)?)));
    let priced = priced.filter(|(_, price)| !is_metered(price));
    priced
        .filter_map(|(item, price)| {
            let given_up = debits::of_item(&debits, &item.id)?;
            let text = wording::credit(&product_name(state, price), quantity(item), at);
            let amount = -given_up.remaining(left);
            Some(Line {
                credited: given_up.credited(),
                credits: given_up.ids(),
                ..prorated(subscription, item, price, amount, text, left)
            })
        })
        .collect()
}

/// The whole period the price is for, and what is left of the current one.
fn spans(state: &State, subscription: &Subscription, at: i64) -> (Period, Period) {
    let current = subscription.period();
    let cadence = cadence_of(state, &subscription.items);
    let natural = cadence.period_containing(subscription.billing_cycle_anchor, current.start);
    (
        natural,
        Period {
            start: at.clamp(current.start, current.end),
            end: current.end,
        },
    )
}

fn whole(
    state: &State,
    subscription: &Subscription,
    item: &Item,
    price: &Price,
    quantity: u64,
    period: Period,
) -> Vec<Line> {
    let name = product_name(state, price);
    portions(price, quantity)
        .into_iter()
        .map(|portion| Line {
            unit_amount: portion.unit_amount,
            quantity: portion.quantity,
            invoice_item: None,
            ..prorated(
                subscription,
                item,
                price,
                portion.amount,
                wording::charge(&name, price, &portion),
                period,
            )
        })
        .collect()
}

/// What a quantity costs at a price, line by line.
pub fn portions(price: &Price, quantity: u64) -> Vec<pricing::Portion> {
    pricing::portions(&scheme(price), packages(price), quantity)
}

/// A line for the usage of a metered item over a period, which is yet to be counted.
pub fn metered(subscription: &Subscription, item: &Item, price: &Price, period: Period) -> Line {
    Line {
        invoice_item: None,
        ..prorated(subscription, item, price, 0, String::new(), period)
    }
}

fn prorated(
    subscription: &Subscription,
    item: &Item,
    price: &Price,
    amount: i64,
    description: String,
    period: Period,
) -> Line {
    Line {
        id: new_id("il"),
        amount,
        description,
        period,
        price: price.id.clone(),
        product: price.product.clone(),
        unit_amount: price.unit_amount,
        quantity: quantity(item),
        subscription: subscription.id.clone(),
        item: item.id.clone(),
        invoice_item: Some(new_id("ii")),
        credited: None,
        usage: None,
        credits: Vec::new(),
        tax: None,
        metadata: item.metadata.clone(),
    }
}

fn priced<'a>(state: &'a State, items: &'a [Item]) -> impl Iterator<Item = (&'a Item, &'a Price)> {
    items
        .iter()
        .filter_map(|item| Some((item, state.prices.get(&item.price)?)))
}

fn quantity(item: &Item) -> u64 {
    item.quantity.unwrap_or(0)
}

fn item_amount(state: &State, item: &Item) -> i64 {
    match state.prices.get(&item.price) {
        Some(price) if !is_metered(price) => {
            pricing::amount(&scheme(price), packages(price), quantity(item))
        }
        _ => 0,
    }
}

/// How lines call what a price is for.
pub fn product_name(state: &State, price: &Price) -> String {
    state
        .products
        .get(&price.product)
        .map_or_else(|| price.product.clone(), |product| product.name.clone())
}

fn scheme(price: &Price) -> Scheme {
    let tiers = || {
        let tiers = price.tiers.iter();
        tiers.map(|tier| Tier {
            up_to: tier.up_to.map(|last| u64::try_from(last).unwrap_or(0)),
            unit_amount: tier.unit_amount.unwrap_or_default(),
            flat_amount: tier.flat_amount.unwrap_or_default(),
        })
    };
    match price.tiers_mode {
        Some(TiersMode::Graduated) => Scheme::Graduated(tiers().collect()),
        Some(TiersMode::Volume) => Scheme::Volume(tiers().collect()),
        None => Scheme::PerUnit(price.unit_amount.unwrap_or(Decimal::ZERO)),
    }
}
