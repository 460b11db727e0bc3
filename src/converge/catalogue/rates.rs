//! What a price costs at a usage, and how that is said.

use std::fmt::Write as _;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use crate::converge::money;

/// What units cost, in minor units of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rates {
    /// Every unit the same.
    PerUnit(Decimal),
    /// Every unit as the tier says that it falls in.
    Graduated(Vec<Tier>),
    /// All units as the tier says that their number falls in.
    Volume(Vec<Tier>),
    /// Every package of units the same.
    Packages {
        /// Price of a package.
        price: Decimal,
        /// Units in a package.
        size: i64,
        /// Whether a started package counts, rather than only full ones.
        started: bool,
    },
}

/// One step of a price that changes with the quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The last unit it prices; the last tier has none.
    pub up_to: Option<i64>,
    /// For each unit.
    pub unit: Decimal,
    /// Once, as soon as a unit falls in the tier.
    pub flat: Decimal,
}

impl Rates {
    /// A price per unit beyond some that are free.
    pub fn beyond(included: i64, unit: Decimal) -> Self {
        Self::graduated(included, vec![Tier::new(None, unit)])
    }

    /// Tiers beyond some units that are free.
    pub fn graduated(included: i64, tiers: Vec<Tier>) -> Self {
        let free = (included > 0).then(|| Tier::new(Some(included), Decimal::ZERO));
        let mut tiers: Vec<Tier> = free.into_iter().chain(tiers).collect();
        // One tier without an end is no tier.
        match tiers.as_slice() {
            [only] if only.up_to.is_none() && only.flat.is_zero() => {
                Self::PerUnit(tiers.swap_remove(0).unit)
            }
            _ => Self::Graduated(tiers),
        }
    }

    /// What `units` cost, in minor units of the currency.
    pub fn cost(&self, units: i64) -> Decimal {
        match self {
            Self::PerUnit(unit) => unit * Decimal::from(units),
            Self::Graduated(tiers) => graduated_cost(tiers, units),
            Self::Volume(tiers) => tiers
                .iter()
                .find(|tier| units > 0 && tier.up_to.is_none_or(|up_to| units <= up_to))
                .map_or(Decimal::ZERO, |tier| {
                    tier.flat + tier.unit * Decimal::from(units)
                }),
            Self::Packages {
                price,
                size,
                started,
            } => {
                let size = (*size).max(1);
                let begun = i64::from(*started && units % size != 0);
                price * Decimal::from(units / size + begun)
            }
        }
    }

    /// The quantities at which the price of a unit changes.
    pub fn boundaries(&self) -> impl Iterator<Item = i64> {
        let tiers = match self {
            Self::Graduated(tiers) | Self::Volume(tiers) => tiers.as_slice(),
            Self::PerUnit(_) | Self::Packages { .. } => &[],
        };
        tiers.iter().filter_map(|tier| tier.up_to)
    }

    /// Whether units beyond every boundary cost something.
    pub fn charges_in_the_end(&self) -> bool {
        match self {
            Self::PerUnit(unit) => !unit.is_zero(),
            Self::Graduated(tiers) | Self::Volume(tiers) => {
                tiers.last().is_some_and(|tier| !tier.unit.is_zero())
            }
            Self::Packages { price, .. } => !price.is_zero(),
        }
    }

    /// The fee in whole minor units, when it is one.
    pub fn whole_unit(&self) -> Option<i64> {
        match self {
            Self::PerUnit(unit) if unit.fract().is_zero() => unit.to_i64(),
            _ => None,
        }
    }

    /// The same text for the same rates, for ever: lookup keys rest on it.
    pub fn canonical(&self) -> String {
        let tiers = |name: &str, tiers: &[Tier]| {
            tiers.iter().fold(name.to_owned(), |mut text, tier| {
                let up_to = tier.up_to.map_or("inf".to_owned(), |n| n.to_string());
                let (unit, flat) = (tier.unit.normalize(), tier.flat.normalize());
                // Writing to a String cannot fail.
                let _ = write!(text, " {up_to}:{unit}+{flat}");
                text
            })
        };
        match self {
            Self::PerUnit(unit) => format!("per_unit {}", unit.normalize()),
            Self::Graduated(list) => tiers("graduated", list),
            Self::Volume(list) => tiers("volume", list),
            Self::Packages {
                price,
                size,
                started,
            } => format!("packages {}/{size} {started}", price.normalize()),
        }
    }

    /// The rates in words.
    pub fn words(&self, currency: &str) -> String {
        let rate = |unit: Decimal| money::format_rate(unit, currency);
        match self {
            Self::PerUnit(unit) => rate(*unit),
            Self::Graduated(tiers) => tiers_in_words(tiers, currency),
            Self::Volume(tiers) => {
                format!("by volume: {}", tiers_in_words(tiers, currency))
            }
            Self::Packages { price, size, .. } => {
                format!("{} for every {size}", rate(*price))
            }
        }
    }
}

impl Tier {
    /// A tier without a flat fee.
    pub fn new(up_to: Option<i64>, unit: Decimal) -> Self {
        Self {
            up_to,
            unit,
            flat: Decimal::ZERO,
        }
    }
}

fn graduated_cost(tiers: &[Tier], units: i64) -> Decimal {
    let mut cost = Decimal::ZERO;
    let mut from = 0;
    for tier in tiers {
        if units <= from {
            break;
        }
        let to = tier.up_to.map_or(units, |up_to| up_to.min(units));
        cost += tier.flat + tier.unit * Decimal::from(to - from);
        from = to;
    }
    cost
}

fn tiers_in_words(tiers: &[Tier], currency: &str) -> String {
    let words: Vec<String> = tiers
        .iter()
        .map(|tier| {
            let mut words = if tier.unit.is_zero() {
                "free".to_owned()
            } else {
                money::format_rate(tier.unit, currency)
            };
            if !tier.flat.is_zero() {
                words = format!("{} and {words}", money::format_rate(tier.flat, currency));
            }
            match tier.up_to {
                Some(up_to) => format!("{words} up to {up_to}"),
                None => words,
            }
        })
        .collect();
    words.join(", then ")
}
