//! Whether new terms differ so much from what is sold now that a person has to agree: a slipped
//! decimal point must not reach a customer.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::rates::Rates;
use crate::api::Interval;
use crate::converge::money;
use crate::converge::observed::Component;

/// A usage that is looked at for every meter, whatever its tiers.
const SOME_USAGE: i64 = 1000;
/// Tiers of others can end anywhere; beyond this nothing is counted, and sums would overflow.
const MOST_USAGE: i64 = 1_000_000_000_000;

/// The terms of a plan at one time.
#[derive(Debug)]
pub(super) struct Version<'a> {
    pub(super) currency: &'a str,
    pub(super) interval: Interval,
    pub(super) parts: Vec<(Component, Option<&'a Rates>)>,
}

/// Why the step from one version to the other needs a person's approval; `None` when it does not.
pub(super) fn jump(old: &Version<'_>, new: &Version<'_>, most: Decimal) -> Option<String> {
    if old.currency != new.currency {
        return Some(format!(
            "the currency changes from {} to {}, and prices in two currencies cannot be compared",
            old.currency, new.currency
        ));
    }
    let known = |version: &Version<'_>| version.parts.iter().all(|(_, rates)| rates.is_some());
    if !known(old) || !known(new) {
        return Some("a price found by its lookup key cannot be compared".to_owned());
    }
    let samples = samples(old, new);
    for (dear, cheap) in [(new, old), (old, new)] {
        let usage = worst(dear, cheap, most, &samples);
        if cost(dear, &usage) > most * cost(cheap, &usage) {
            let words = |version| {
                let monthly = money::format_rounded(cost(version, &usage), version.currency);
                format!("{monthly} {}", version.currency)
            };
            return Some(format!(
                "{}a tenant would pay {} a month instead of {}",
                at(&usage),
                words(new),
                words(old),
            ));
        }
    }
    None
}

type Usage = BTreeMap<String, i64>;

fn at(usage: &Usage) -> String {
    let used: Vec<String> = usage
        .iter()
        .filter(|(_, units)| **units > 0)
        .map(|(meter, units)| format!("{units} {meter}"))
        .collect();
    if used.is_empty() {
        String::new()
    } else {
        format!("with {} a month, ", used.join(" and "))
    }
}

/// The usages a month at which a component's cost is looked at.
fn samples(old: &Version<'_>, new: &Version<'_>) -> BTreeMap<String, Vec<i64>> {
    let mut boundaries: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut charging: BTreeMap<&str, usize> = BTreeMap::new();
    for version in [old, new] {
        let months = months(version.interval);
        for (component, rates) in &version.parts {
            let (Component::Usage(meter), Some(rates)) = (component, rates) else {
                continue;
            };
            let known = boundaries.entry(meter.clone()).or_default();
            for boundary in rates.boundaries() {
                let monthly = boundary.clamp(0, MOST_USAGE) / months;
                known.extend([monthly, monthly + 1]);
            }
            *charging.entry(meter).or_default() += usize::from(rates.charges_in_the_end());
        }
    }
    for (meter, usages) in &mut boundaries {
        let highest = usages.iter().copied().fold(SOME_USAGE, i64::max);
        usages.extend([0, 1, SOME_USAGE, highest * 2, highest * 10]);
        // When both charge, what counts in the end is how their rates compare, however large the
        // base fee is.
        if charging.get(meter.as_str()) == Some(&2) {
            usages.extend([highest * 100, highest * 1000, highest * 10_000]);
        }
        usages.sort_unstable();
        usages.dedup();
    }
    boundaries
}

/// The usage at which `dear` exceeds `most` times `cheap` by the most. Each meter contributes to
/// the difference by itself, so the worst of all combinations is the worst of each.
fn worst(
    dear: &Version<'_>,
    cheap: &Version<'_>,
    most: Decimal,
    samples: &BTreeMap<String, Vec<i64>>,
) -> Usage {
    let excess =
        |meter: &str, units: i64| part(dear, meter, units) - most * part(cheap, meter, units);
    samples
        .iter()
        .map(|(meter, usages)| {
            let mut at = (0, excess(meter, 0));
            for units in usages {
                let this = excess(meter, *units);
                if this > at.1 {
                    at = (*units, this);
                }
            }
            (meter.clone(), at.0)
        })
        .collect()
}

/// What a month costs, in minor units.
fn cost(version: &Version<'_>, usage: &Usage) -> Decimal {
    let base = version
        .parts
        .iter()
        .filter(|(component, _)| *component == Component::Base)
        .filter_map(|(_, rates)| *rates)
        .map(|rates| rates.cost(1) / Decimal::from(months(version.interval)))
        .sum::<Decimal>();
    let used = usage
        .iter()
        .map(|(meter, units)| part(version, meter, *units));
    base + used.sum::<Decimal>()
}

/// What a month's usage of one meter costs.
fn part(version: &Version<'_>, meter: &str, units: i64) -> Decimal {
    let months = months(version.interval);
    version
        .parts
        .iter()
        .filter(|(component, _)| matches!(component, Component::Usage(name) if name == meter))
        .filter_map(|(_, rates)| *rates)
        .map(|rates| rates.cost(units * months) / Decimal::from(months))
        .sum()
}

const fn months(interval: Interval) -> i64 {
    match interval {
        Interval::Month => 1,
        Interval::Year => 12,
    }
}
