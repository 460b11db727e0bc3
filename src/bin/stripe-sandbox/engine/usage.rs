//! What metered items are billed for: the usage of a time that is over, as Stripe's flexible billing mode does it.
//!
//! A metered item never costs anything in advance and is never prorated. Renewals bill it for the period that has just ended, a
//! line of nothing included, and count again when the invoice is finalised, so that usage reported in that hour is in it. A price
//! that is replaced or removed within a period bills what was used until then, and its successor what is used from then on.

use super::calendar::Period;
use super::lines::{self, is_metered};
use super::metering::View;
use super::subscriptions::ProrationBehavior;
use super::wording;
use crate::model::Price;
use crate::model::invoice::{Invoice, Line, Usage};
use crate::model::subscription::{Item, Subscription};
use crate::state::{State, new_id};

/// Lines for the usage of a period that is over, or of the running one so far. The usage of a trial is listed, but free.
pub fn of_period(state: &State, subscription: &Subscription, closed: Period) -> Vec<Line> {
    let kind = if subscription.trial_end == Some(closed.end) {
        Usage::Free
    } else {
        Usage::Counted
    };
    let items = subscription.items.iter();
    items
        .flat_map(|item| of_item(state, subscription, item, closed, kind))
        .collect()
}

/// Lines for the usage of a trial that ends at `at`, before its time.
pub fn of_trial(state: &State, subscription: &Subscription, at: i64) -> Vec<Line> {
    let ended = Subscription {
        trial_end: Some(at),
        ..subscription.clone()
    };
    of_period(state, &ended, until(subscription, at))
}

/// Lines for the usage of a period that is cut short at `at`; none for items that come to nothing.
pub fn accrued(state: &State, subscription: &Subscription, at: i64) -> Vec<Line> {
    let mut lines = of_period(state, subscription, until(subscription, at));
    lines.retain(|line| line.quantity > 0 || line.amount > 0);
    lines
}

/// Lines for the usage of a period that a change cuts short. What is removed without proration is not billed.
pub fn closing(
    state: &State,
    before: &Subscription,
    after: &[Item],
    proration: ProrationBehavior,
    at: i64,
) -> Vec<Line> {
    let mut lines = of_period(state, before, until(before, at));
    if proration == ProrationBehavior::None {
        lines.retain(|line| {
            let stays = |item: &Item| item.id == line.item && item.price == line.price;
            after.iter().any(stays)
        });
    }
    lines
}

/// Invoice items for the usage, up to `at`, of metered prices that a change removes or replaces.
pub fn removed(state: &State, before: &Subscription, after: &[Item], at: i64) -> Vec<Line> {
    let gone = before.items.iter().filter(|item| {
        let stays = |other: &Item| other.id == item.id && other.price == item.price;
        !after.iter().any(stays)
    });
    let mut lines: Vec<Line> = gone
        .flat_map(|item| of_item(state, before, item, until(before, at), Usage::Settled))
        .collect();
    lines.retain(|line| line.quantity > 0 || line.amount > 0);
    for line in &mut lines {
        line.invoice_item = Some(new_id("ii"));
    }
    lines
}

/// Whether any of the items is metered.
pub fn any(state: &State, items: &[Item]) -> bool {
    let prices = items
        .iter()
        .filter_map(|item| state.prices.get(&item.price));
    prices.into_iter().any(is_metered)
}

/// Lets metered prices that a change adds count from `at` on.
pub fn begin(before: &[Item], after: &mut [Item], at: i64) {
    for item in after {
        let same = |other: &&Item| other.id == item.id && other.price == item.price;
        item.usage_since = match before.iter().find(same) {
            Some(other) => other.usage_since,
            None => Some(at),
        };
    }
}

/// Counts an invoice's usage again.
pub fn recount(state: &State, invoice: &mut Invoice) {
    let mut old = std::mem::take(&mut invoice.lines).into_iter().peekable();
    while let Some(first) = old.next() {
        let Some(kind) = first.usage.filter(|kind| *kind != Usage::Settled) else {
            invoice.lines.push(first);
            continue;
        };
        let mut ids = vec![first.id.clone()];
        let same = |line: &Line| {
            line.usage == first.usage && (&line.item, line.period) == (&first.item, first.period)
        };
        while let Some(line) = old.next_if(same) {
            ids.push(line.id);
        }
        let mut new = match state.prices.get(&first.price) {
            Some(price) => {
                let view = View::complete(state);
                count(state, &invoice.customer, price, first, kind, view)
            }
            None => vec![first],
        };
        for (line, id) in new.iter_mut().zip(ids) {
            line.id = id;
        }
        invoice.lines.extend(new);
    }
}

fn until(subscription: &Subscription, at: i64) -> Period {
    let current = subscription.period();
    Period {
        start: current.start,
        end: at.clamp(current.start, current.end),
    }
}

fn of_item(
    state: &State,
    subscription: &Subscription,
    item: &Item,
    closed: Period,
    kind: Usage,
) -> Vec<Line> {
    let price = state.prices.get(&item.price);
    let Some(price) = price.filter(|price| is_metered(price)) else {
        return Vec::new();
    };
    let start = item
        .usage_since
        .map_or(closed.start, |since| since.max(closed.start));
    if start >= closed.end {
        return Vec::new();
    }
    let period = Period {
        start,
        end: closed.end,
    };
    let template = lines::metered(subscription, item, price, period);
    // What is counted again later may lag behind at first.
    let view = match kind {
        Usage::Settled => View::complete(state),
        Usage::Counted | Usage::Free => View::lagging(state),
    };
    count(state, &subscription.customer, price, template, kind, view)
}

/// The lines for what a customer has used within the template's period.
fn count(
    state: &State,
    customer: &str,
    price: &Price,
    template: Line,
    kind: Usage,
    view: View,
) -> Vec<Line> {
    let meter = price.recurring.as_ref().and_then(|it| it.meter.as_deref());
    let quantity = meter.map_or(0, |meter| {
        let metering = &state.billing.metering;
        metering.usage(meter, customer, template.period, view)
    });
    let name = lines::product_name(state, price);
    let template = Line {
        usage: Some(kind),
        ..template
    };
    if kind == Usage::Free {
        return vec![Line {
            amount: 0,
            description: wording::free_trial(&name, quantity),
            quantity,
            ..template
        }];
    }
    let portions = lines::portions(price, quantity).into_iter();
    portions
        .map(|portion| Line {
            id: new_id("il"),
            amount: portion.amount,
            description: wording::charge(&name, price, &portion),
            unit_amount: portion.unit_amount,
            quantity: portion.quantity,
            ..template.clone()
        })
        .collect()
}
