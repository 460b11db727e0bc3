//! Plans: from a `BillingPlan` to a product and a price in Stripe.
//!
//! Prices are immutable. The terms of a plan hash into its price's lookup key, so other terms mean
//! another price, and the same terms always find the one price that exists for them.

#[cfg(test)]
mod tests;

use super::desired::{InvalidSpec, Offer, ResolvedPlan, check_trial_days, digest, text};
use super::money;
use super::observed::Price;
use super::plan::Hold;
use crate::api::{BillingPlanSpec, Interval, Rollout, reason};

/// What a plan should have in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredPlan {
    /// The installation.
    pub owner: String,
    /// Name of the `BillingPlan`.
    pub name: String,
    /// Name of the product on invoices.
    pub display_name: String,
    /// Lower case.
    pub currency: String,
    /// The base price.
    pub base: DesiredPrice,
    /// Days of trial.
    pub trial_days: i64,
    /// What becomes of tenants on older prices.
    pub rollout: Rollout,
}

/// The base price of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredPrice {
    /// Made by the operator.
    Managed {
        /// Minor units per period.
        unit_amount: i64,
        /// The period.
        interval: Interval,
    },
    /// Made by someone else and found by its lookup key.
    Existing {
        /// That key.
        lookup_key: String,
    },
}

/// A product, as far as a plan needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Stripe's id, which for managed products is [`DesiredPlan::product_id`].
    pub id: String,
    /// Name on invoices.
    pub name: String,
    /// Whether it can be sold.
    pub active: bool,
}

/// What is in Stripe for a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedPlan {
    /// The managed product.
    pub product: Option<Product>,
    /// The price with the plan's lookup key, active or not.
    pub price: Option<Price>,
}

/// One change to the catalogue in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueStep {
    /// Make the product, under its own id: a second attempt meets the first.
    CreateProduct,
    /// Bring its name and `active` in line.
    UpdateProduct,
    /// Make the price, under its lookup key: a second attempt meets the first.
    CreatePrice,
    /// Make an archived price usable again.
    ActivatePrice(String),
}

impl CatalogueStep {
    /// The step in words.
    pub fn describe(&self, desired: &DesiredPlan) -> String {
        match self {
            Self::CreateProduct => format!("+ create product {}", desired.product_id()),
            Self::UpdateProduct => {
                format!(
                    "~ update product {}: name \"{}\"",
                    desired.product_id(),
                    desired.display_name
                )
            }
            Self::CreatePrice => format!("+ create price {}", desired.lookup_key()),
            Self::ActivatePrice(price) => format!("~ activate price {price}"),
        }
    }
}

/// What to do about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguePlan {
    /// The steps, in order.
    pub steps: Vec<CatalogueStep>,
    /// Why no more can be done without a person.
    pub hold: Option<Hold>,
}

impl DesiredPlan {
    /// Id of the managed product: readable, and unique by its digest.
    pub fn product_id(&self) -> String {
        let readable: String = self
            .name
            .chars()
            .take(40)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        format!(
            "tb_{readable}_{}",
            digest(&["product", &self.owner, &self.name])
        )
    }

    /// The key under which the plan's price is found.
    pub fn lookup_key(&self) -> String {
        match &self.base {
            DesiredPrice::Existing { lookup_key } => lookup_key.clone(),
            DesiredPrice::Managed {
                unit_amount,
                interval,
            } => {
                let terms = digest(&[
                    &self.owner,
                    &self.name,
                    &self.currency,
                    &unit_amount.to_string(),
                    interval.as_stripe(),
                ]);
                let readable: String = self.name.chars().take(100).collect();
                format!("tenantbilling/{readable}/{terms}")
            }
        }
    }

    /// The plan as its tenants see it, once `price` is in place.
    pub fn resolve(&self, price: Price) -> ResolvedPlan {
        ResolvedPlan {
            name: self.name.clone(),
            offer: Offer {
                base: price,
                usage: Vec::new(),
            },
            rollout: self.rollout.clone(),
            trial_days: self.trial_days,
        }
    }
}

/// What a plan should have.
pub fn desired(
    owner: &str,
    name: &str,
    spec: &BillingPlanSpec,
) -> Result<DesiredPlan, InvalidSpec> {
    text("spec.displayName", spec.display_name.as_deref(), 250)?;
    let currency = &spec.currency;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err(InvalidSpec::new(
            "spec.currency",
            format!("\"{currency}\" is not a three-letter currency code in lower case, as in usd"),
        ));
    }
    let base = match (&spec.base.amount, &spec.base.lookup_key) {
        (Some(amount), None) => DesiredPrice::Managed {
            unit_amount: money::parse(amount, currency)
                .map_err(|error| InvalidSpec::new("spec.base.amount", error.to_string()))?,
            interval: spec.base.interval.unwrap_or_default(),
        },
        (None, Some(_)) if spec.base.interval.is_some() => {
            return Err(InvalidSpec::new(
                "spec.base.interval",
                "goes with amount; a price found by lookupKey has its own interval",
            ));
        }
        (None, Some(lookup_key)) => {
            text("spec.base.lookupKey", Some(lookup_key), 200)?;
            DesiredPrice::Existing {
                lookup_key: lookup_key.clone(),
            }
        }
        _ => {
            return Err(InvalidSpec::new(
                "spec.base",
                "set exactly one of amount (the operator makes the price) and lookupKey (the price exists in Stripe)",
            ));
        }
    };
    let trial_days = spec.trial.as_ref().map_or(0, |trial| trial.days);
    check_trial_days("spec.trial.days", trial_days)?;
    Ok(DesiredPlan {
        owner: owner.to_owned(),
        name: name.to_owned(),
        display_name: spec.display_name.clone().unwrap_or_else(|| name.to_owned()),
        currency: currency.clone(),
        base,
        trial_days: i64::from(trial_days),
        rollout: spec.rollout.clone().unwrap_or_default(),
    })
}

/// The steps that bring a plan about.
pub fn plan(desired: &DesiredPlan, observed: &ObservedPlan) -> CataloguePlan {
    match &desired.base {
        DesiredPrice::Existing { lookup_key } => CataloguePlan {
            steps: Vec::new(),
            hold: check_existing(desired, lookup_key, observed),
        },
        DesiredPrice::Managed {
            unit_amount,
            interval,
        } => plan_managed(desired, *unit_amount, *interval, observed),
    }
}

fn plan_managed(
    desired: &DesiredPlan,
    unit_amount: i64,
    interval: Interval,
    observed: &ObservedPlan,
) -> CataloguePlan {
    let mut steps = Vec::new();
    match &observed.product {
        None => steps.push(CatalogueStep::CreateProduct),
        Some(product) if product.name != desired.display_name || !product.active => {
            steps.push(CatalogueStep::UpdateProduct);
        }
        Some(_) => {}
    }
    let mut hold = None;
    match &observed.price {
        None => steps.push(CatalogueStep::CreatePrice),
        // The key can have been moved to another price by hand; that price is not what the plan says.
        Some(price) if !is_as_agreed(desired, unit_amount, interval, price) => {
            hold = Some(Hold::stalled(
                reason::PRICE_MISMATCH,
                format!(
                    "the lookup key {} was moved to {}, whose terms are not the plan's; move it back in Stripe",
                    desired.lookup_key(),
                    price.id
                ),
            ));
        }
        Some(price) if !price.active => steps.push(CatalogueStep::ActivatePrice(price.id.clone())),
        Some(_) => {}
    }
    CataloguePlan { steps, hold }
}

fn is_as_agreed(
    desired: &DesiredPlan,
    unit_amount: i64,
    interval: Interval,
    price: &Price,
) -> bool {
    price.unit_amount == Some(unit_amount)
        && price.currency == desired.currency
        && price.interval == Some(interval)
        && price.interval_count == 1
        && !price.metered
        && price.product == desired.product_id()
}

fn check_existing(
    desired: &DesiredPlan,
    lookup_key: &str,
    observed: &ObservedPlan,
) -> Option<Hold> {
    let Some(price) = observed.price.as_ref().filter(|price| price.active) else {
        return Some(Hold::stalled(
            reason::PRICE_NOT_FOUND,
            format!(
                "spec.base.lookupKey: Stripe has no active price with the lookup key {lookup_key}; \
                 make one there or correct the key"
            ),
        ));
    };
    let problem = if price.currency != desired.currency {
        Some(format!(
            "is in {}, but spec.currency is {}",
            price.currency, desired.currency
        ))
    } else if price.metered {
        Some("is metered; a base price is a fixed fee".to_owned())
    } else if price.interval.is_none() || price.interval_count != 1 {
        Some("is not billed every month or every year".to_owned())
    } else {
        None
    };
    problem.map(|problem| {
        Hold::stalled(
            reason::PRICE_MISMATCH,
            format!("spec.base.lookupKey: {} ({lookup_key}) {problem}", price.id),
        )
    })
}
