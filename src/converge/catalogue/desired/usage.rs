//! What a manifest says about the usage of one meter.

use rust_decimal::Decimal;

use super::{DesiredMeter, DesiredUsage, UsageCharge};
use crate::api::{Rate, UsagePrice};
use crate::converge::catalogue::rates::{Rates, Tier};
use crate::converge::desired::{InvalidSpec, text};
use crate::converge::money;

const MOST_TIERS: usize = 20;
/// More units than anything counts in a period.
const MOST_UNITS: i64 = 1_000_000_000_000;
const MOST_PER: i64 = 1_000_000_000;

/// Reads one entry of `spec.usage`.
pub(super) fn usage(
    field: &str,
    entry: &UsagePrice,
    currency: &str,
) -> Result<DesiredUsage, InvalidSpec> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    if entry.meter.is_empty() || entry.meter.len() > 100 || !entry.meter.bytes().all(plain) {
        return Err(InvalidSpec::new(
            format!("{field}.meter"),
            "is not the event name of a meter: use 1 to 100 letters, digits, _ . and -",
        ));
    }
    text(
        &format!("{field}.displayName"),
        entry.display_name.as_deref(),
        250,
    )?;
    let included = entry.included.unwrap_or(0);
    check_units(&format!("{field}.included"), included, 0)?;
    let charge = match (&entry.overage, &entry.tiers, &entry.lookup_key) {
        (Some(Rate { amount, per }), None, None) => {
            let unit = rate(&format!("{field}.overage"), amount, *per, currency)?;
            UsageCharge::Managed(Rates::beyond(included, unit))
        }
        (None, Some(_), None) => UsageCharge::Managed(tiers(field, entry, currency)?),
        (None, None, Some(_)) if entry.included.is_some() => {
            return Err(InvalidSpec::new(
                format!("{field}.included"),
                "goes with overage or tiers; a price found by lookupKey has its own free units",
            ));
        }
        (None, None, Some(lookup_key)) => {
            text(&format!("{field}.lookupKey"), Some(lookup_key), 200)?;
            UsageCharge::Existing {
                lookup_key: lookup_key.clone(),
            }
        }
        _ => {
            return Err(InvalidSpec::new(
                field,
                "set exactly one of overage, tiers (the operator makes the price) and lookupKey \
                 (the price exists in Stripe)",
            ));
        }
    };
    Ok(DesiredUsage {
        meter: DesiredMeter {
            event_name: entry.meter.clone(),
            display_name: entry.display_name.clone(),
            granularity: entry.granularity,
            aggregation: entry.aggregation,
        },
        charge,
    })
}

fn tiers(field: &str, entry: &UsagePrice, currency: &str) -> Result<Rates, InvalidSpec> {
    let included = entry.included.unwrap_or(0);
    let written = entry.tiers.as_deref().unwrap_or_default();
    if written.is_empty() || written.len() > MOST_TIERS {
        return Err(InvalidSpec::new(
            format!("{field}.tiers"),
            format!("has {} entries; write 1 to {MOST_TIERS}", written.len()),
        ));
    }
    let last = written.len() - 1;
    let mut below = included;
    let mut tiers = Vec::new();
    for (index, tier) in written.iter().enumerate() {
        let field = format!("{field}.tiers[{index}]");
        let at = format!("{field}.upTo");
        match tier.up_to {
            Some(_) if index == last => {
                return Err(InvalidSpec::new(
                    at,
                    "the last tier prices all further units; leave its upTo out, or add a tier",
                ));
            }
            None if index != last => {
                return Err(InvalidSpec::new(
                    at,
                    "every tier but the last needs the number of the last unit it prices",
                ));
            }
            Some(up_to) if up_to <= below => {
                let what = if index == 0 {
                    "included, whose units are free already"
                } else {
                    "the upTo of the tier before"
                };
                return Err(InvalidSpec::new(
                    at,
                    format!("{up_to} has to be greater than {below}, {what}"),
                ));
            }
            Some(up_to) => check_units(&at, up_to, 1)?,
            None => {}
        }
        below = tier.up_to.unwrap_or(below);
        let unit = rate(&field, &tier.amount, tier.per, currency)?;
        tiers.push(Tier::new(tier.up_to, unit));
    }
    Ok(Rates::graduated(included, tiers))
}

fn rate(
    field: &str,
    amount: &str,
    per: Option<i64>,
    currency: &str,
) -> Result<Decimal, InvalidSpec> {
    let per = per.unwrap_or(1);
    if !(1..=MOST_PER).contains(&per) {
        return Err(InvalidSpec::new(
            format!("{field}.per"),
            format!("{per} is not between 1 and {MOST_PER}"),
        ));
    }
    money::parse_rate(amount, per, currency).map_err(|error| {
        let at = match error {
            money::MoneyError::NoUnitPrice { .. } => "per",
            _ => "amount",
        };
        InvalidSpec::new(format!("{field}.{at}"), error.to_string())
    })
}

fn check_units(field: &str, units: i64, least: i64) -> Result<(), InvalidSpec> {
    if (least..=MOST_UNITS).contains(&units) {
        return Ok(());
    }
    Err(InvalidSpec::new(
        field,
        format!("{units} is not between {least} and {MOST_UNITS}"),
    ))
}
