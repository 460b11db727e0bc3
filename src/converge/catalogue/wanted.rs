//! The prices a plan wants, each found in Stripe or still to be made.

use super::desired::{DesiredPlan, DesiredPrice, DesiredUsage, UsageCharge};
use super::observed::{CataloguePrice, Meter, ObservedPlan};
use super::rates::Rates;
use super::steps::NewPrice;
use crate::api::{Interval, TaxBehavior, reason};
use crate::converge::observed::Component;
use crate::converge::plan::Hold;

/// A price that a plan wants.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) component: Component,
    pub(super) found: Found<'a>,
}

/// Where a wanted price is.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// In Stripe, perhaps archived.
    There(&'a CataloguePrice),
    /// Nowhere yet.
    Missing(Box<NewPrice>),
    /// Nowhere: its meter has to be made first, and its key depends on that one's id.
    NoMeter(&'a Rates),
}

impl Wanted<'_> {
    /// What it costs.
    pub(super) fn rates(&self) -> Option<&Rates> {
        match &self.found {
            Found::There(price) => price.rates.as_ref(),
            Found::Missing(new) => Some(&new.rates),
            Found::NoMeter(rates) => Some(rates),
        }
    }

    /// The price, when it is there and can be sold.
    pub(super) fn active(&self) -> Option<&CataloguePrice> {
        match self.found {
            Found::There(price) if price.price.active => Some(price),
            _ => None,
        }
    }
}

/// All prices a plan wants, the base first, and the period they share.
pub(super) fn wanted<'a>(
    desired: &'a DesiredPlan,
    observed: &'a ObservedPlan,
) -> Result<(Interval, Vec<Wanted<'a>>), Hold> {
    let (interval, base) = base(desired, observed)?;
    let mut all = vec![base];
    for (index, entry) in desired.usage.iter().enumerate() {
        let field = format!("spec.usage[{index}]");
        all.push(usage(&field, desired, observed, interval, entry)?);
    }
    Ok((interval, all))
}

fn base<'a>(
    desired: &'a DesiredPlan,
    observed: &'a ObservedPlan,
) -> Result<(Interval, Wanted<'a>), Hold> {
    let (interval, found) = match &desired.base {
        DesiredPrice::Managed {
            unit_amount,
            interval,
        } => {
            let new = NewPrice {
                component: Component::Base,
                lookup_key: desired.lookup_key(),
                currency: desired.currency.clone(),
                interval: *interval,
                rates: Rates::PerUnit((*unit_amount).into()),
                meter: None,
                tax: desired.tax,
            };
            (*interval, managed(desired, observed, new)?)
        }
        DesiredPrice::Existing { lookup_key } => {
            let field = "spec.base.lookupKey";
            let price = existing(field, lookup_key, desired, observed)?;
            let problem = if price.price.metered {
                Some("is metered; a base price is a fixed fee")
            } else if price.price.interval_count != 1 {
                Some("is not billed every month or every year")
            } else {
                None
            };
            match (price.price.interval, problem) {
                (Some(interval), None) => (interval, Found::There(price)),
                (_, problem) => {
                    let problem = problem.unwrap_or("is not billed every month or every year");
                    return Err(mismatch(field, price, problem));
                }
            }
        }
    };
    let component = Component::Base;
    Ok((interval, Wanted { component, found }))
}

fn usage<'a>(
    field: &str,
    desired: &'a DesiredPlan,
    observed: &'a ObservedPlan,
    interval: Interval,
    entry: &'a DesiredUsage,
) -> Result<Wanted<'a>, Hold> {
    let event_name = &entry.meter.event_name;
    let meter = observed.meter(event_name);
    if let Some(meter) = meter
        && let Some(conflict) = meter.conflict(&entry.meter)
    {
        return Err(Hold::stalled(
            reason::METER_CONFLICT,
            format!(
                "{field}.meter: {} (\"{event_name}\") in Stripe {conflict}; a meter cannot be \
                 changed, so change the plan or use another meter",
                meter.id
            ),
        ));
    }
    let found = match (&entry.charge, meter) {
        (UsageCharge::Managed(rates), None) => Found::NoMeter(rates),
        (UsageCharge::Managed(rates), Some(meter)) => {
            let new = NewPrice {
                component: Component::Usage(event_name.clone()),
                lookup_key: desired.usage_lookup_key(event_name, &meter.id, rates, interval),
                currency: desired.currency.clone(),
                interval,
                rates: rates.clone(),
                meter: Some(meter.id.clone()),
                tax: desired.tax,
            };
            managed(desired, observed, new)?
        }
        (UsageCharge::Existing { lookup_key }, meter) => {
            let field = format!("{field}.lookupKey");
            let price = existing(&field, lookup_key, desired, observed)?;
            check_metered(&field, price, event_name, meter, interval)?;
            Found::There(price)
        }
    };
    let component = Component::Usage(event_name.clone());
    Ok(Wanted { component, found })
}

/// The key can have been moved to another price by hand; that price is not what the plan says.
fn managed<'a>(
    desired: &DesiredPlan,
    observed: &'a ObservedPlan,
    new: NewPrice,
) -> Result<Found<'a>, Hold> {
    let Some(found) = observed.price_under(&new.lookup_key) else {
        return Ok(Found::Missing(Box::new(new)));
    };
    let price = &found.price;
    let as_agreed = found.rates.as_ref() == Some(&new.rates)
        && price.currency == new.currency
        && price.interval == Some(new.interval)
        && price.interval_count == 1
        && price.metered == new.meter.is_some()
        && price.meter == new.meter
        && price.product == desired.product_id()
        // Unspecified asks for nothing, so it is no contradiction when a person has decided.
        && (new.tax == TaxBehavior::Unspecified || found.tax == new.tax);
    if as_agreed {
        return Ok(Found::There(found));
    }
    Err(Hold::stalled(
        reason::PRICE_MISMATCH,
        format!(
            "the lookup key {} was moved to {}, whose terms are not the plan's; move it back in Stripe",
            new.lookup_key, price.id
        ),
    ))
}

fn existing<'a>(
    field: &str,
    lookup_key: &str,
    desired: &DesiredPlan,
    observed: &'a ObservedPlan,
) -> Result<&'a CataloguePrice, Hold> {
    let found = observed.price_under(lookup_key);
    let Some(price) = found.filter(|found| found.price.active) else {
        return Err(Hold::stalled(
            reason::PRICE_NOT_FOUND,
            format!(
                "{field}: Stripe has no active price with the lookup key {lookup_key}; \
                 make one there or correct the key"
            ),
        ));
    };
    if price.price.currency != desired.currency {
        let problem = format!(
            "is in {}, but spec.currency is {}",
            price.price.currency, desired.currency
        );
        return Err(mismatch(field, price, &problem));
    }
    Ok(price)
}

fn check_metered(
    field: &str,
    price: &CataloguePrice,
    event_name: &str,
    meter: Option<&Meter>,
    interval: Interval,
) -> Result<(), Hold> {
    let facts = &price.price;
    let problem = if !facts.metered {
        "is not metered".to_owned()
    } else if meter.is_none_or(|meter| facts.meter.as_deref() != Some(meter.id.as_str())) {
        format!("is not for the meter \"{event_name}\"")
    } else if facts.interval != Some(interval) || facts.interval_count != 1 {
        format!(
            "is not billed every {}, as the base price is",
            interval.as_stripe()
        )
    } else {
        return Ok(());
    };
    Err(mismatch(field, price, &problem))
}

fn mismatch(field: &str, price: &CataloguePrice, problem: &str) -> Hold {
    let key = price.price.lookup_key.as_deref().unwrap_or_default();
    Hold::stalled(
        reason::PRICE_MISMATCH,
        format!("{field}: {} ({key}) {problem}", price.price.id),
    )
}
