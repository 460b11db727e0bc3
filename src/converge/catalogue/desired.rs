//! What a plan's manifest asks for, parsed and checked, and the keys its prices are found under.

mod usage;

use super::rates::Rates;
use crate::api::{
    AccessLevel, Aggregation, BasePrice, BillingPlanSpec, Granularity, Interval, PlanLimits,
    Rollout, TaxBehavior,
};
use crate::converge::desired::{InvalidSpec, check_trial_days, digest, text};
use crate::converge::dunning::Schedule;
use crate::converge::observed::Component;
use crate::converge::{currency, money};

/// A subscription has at most 20 items, and one is the base fee.
const MOST_USAGE: usize = 19;
/// They go into a header of each answer to a gateway.
const MOST_LIMITS: usize = 32;

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
    /// What is charged for usage, in the manifest's order.
    pub usage: Vec<DesiredUsage>,
    /// Whether the prices made for it contain the tax.
    pub tax: TaxBehavior,
    /// Days of trial.
    pub trial_days: i64,
    /// What becomes of tenants on older prices.
    pub rollout: Rollout,
    /// What becomes of tenants who do not pay.
    pub dunning: Schedule,
    /// What tenants may use, by level of access.
    pub limits: PlanLimits,
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

/// What is charged for the usage of one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredUsage {
    /// What counts it.
    pub meter: DesiredMeter,
    /// What it costs.
    pub charge: UsageCharge,
}

/// A meter as a plan wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredMeter {
    /// Its identity.
    pub event_name: String,
    /// What it is to be called; `None` leaves that alone.
    pub display_name: Option<String>,
    /// Its window.
    pub granularity: Granularity,
    /// Its formula.
    pub aggregation: Aggregation,
}

/// The metered price of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageCharge {
    /// Made by the operator.
    Managed(Rates),
    /// Made by someone else and found by its lookup key.
    Existing {
        /// That key.
        lookup_key: String,
    },
}

impl DesiredMeter {
    /// Its settings that can never change, in words.
    pub fn settings(&self) -> String {
        settings(
            self.aggregation.as_stripe(),
            Some(self.granularity.as_stripe()),
        )
    }
}

/// The settings of a meter in words.
pub(super) fn settings(formula: &str, window: Option<&str>) -> String {
    match window {
        Some(window) => format!("the {formula} of the last events of each {window}"),
        None => format!("the {formula} of all events"),
    }
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

    /// Whether any of its prices is made by the operator.
    pub fn is_managed(&self) -> bool {
        matches!(self.base, DesiredPrice::Managed { .. })
            || self
                .usage
                .iter()
                .any(|usage| matches!(usage.charge, UsageCharge::Managed(_)))
    }

    /// The key under which the plan's base price is found.
    pub fn lookup_key(&self) -> String {
        match &self.base {
            DesiredPrice::Existing { lookup_key } => lookup_key.clone(),
            DesiredPrice::Managed {
                unit_amount,
                interval,
            } => {
                let amount = unit_amount.to_string();
                let mut terms = vec![
                    self.owner.as_str(),
                    &self.name,
                    &self.currency,
                    &amount,
                    interval.as_stripe(),
                ];
                // Left out when unspecified: keys from before there was a choice stay what they are.
                if self.tax != TaxBehavior::Unspecified {
                    terms.push(self.tax.as_stripe());
                }
                let readable: String = self.name.chars().take(100).collect();
                format!("tenantbilling/{readable}/{}", digest(&terms))
            }
        }
    }

    /// The key under which a metered price for the meter with this id is found.
    pub fn usage_lookup_key(
        &self,
        event_name: &str,
        meter: &str,
        rates: &Rates,
        interval: Interval,
    ) -> String {
        let component = Component::Usage(event_name.to_owned()).to_string();
        let terms = digest(&[
            &self.owner,
            &self.name,
            &component,
            &self.currency,
            interval.as_stripe(),
            meter,
            &rates.canonical(),
            self.tax.as_stripe(),
        ]);
        // 200 characters are what Stripe takes.
        let plan: String = self.name.chars().take(70).collect();
        let component: String = component.chars().take(90).collect();
        format!("tenantbilling/{plan}/{component}/{terms}")
    }
}

/// What a plan should have.
pub fn desired(
    owner: &str,
    name: &str,
    spec: &BillingPlanSpec,
) -> Result<DesiredPlan, InvalidSpec> {
    text("spec.displayName", spec.display_name.as_deref(), 250)?;
    check_currency(&spec.currency)?;
    let base = base(&spec.base, &spec.currency)?;
    if spec.usage.len() > MOST_USAGE {
        return Err(InvalidSpec::new(
            "spec.usage",
            format!(
                "has {} entries; Stripe takes at most {MOST_USAGE} beside the base fee",
                spec.usage.len()
            ),
        ));
    }
    let mut usages = Vec::new();
    let mut meters: Vec<&str> = Vec::new();
    for (index, entry) in spec.usage.iter().enumerate() {
        let field = format!("spec.usage[{index}]");
        let read = usage::usage(&field, entry, &spec.currency)?;
        if meters.contains(&entry.meter.as_str()) {
            return Err(InvalidSpec::new(
                format!("{field}.meter"),
                format!(
                    "\"{}\" has an entry already; a meter can be charged for once, with tiers if \
                     need be",
                    entry.meter
                ),
            ));
        }
        meters.push(&entry.meter);
        usages.push(read);
    }
    let trial_days = spec.trial.as_ref().map_or(0, |trial| trial.days);
    check_trial_days("spec.trial.days", trial_days)?;
    Ok(DesiredPlan {
        owner: owner.to_owned(),
        name: name.to_owned(),
        display_name: spec.display_name.clone().unwrap_or_else(|| name.to_owned()),
        currency: spec.currency.clone(),
        base,
        usage: usages,
        tax: spec.tax_behavior,
        trial_days: i64::from(trial_days),
        rollout: spec.rollout.clone().unwrap_or_default(),
        dunning: Schedule::read(spec.dunning.as_ref())?,
        limits: limits(spec.limits.as_ref())?,
    })
}

fn limits(written: Option<&PlanLimits>) -> Result<PlanLimits, InvalidSpec> {
    let limits = written.cloned().unwrap_or_default();
    for level in [
        AccessLevel::Full,
        AccessLevel::Limited,
        AccessLevel::Suspended,
    ] {
        let field = format!("spec.limits.{}", level.as_str());
        let of = limits.of(level);
        if of.len() > MOST_LIMITS {
            let message = format!("has {} limits; {MOST_LIMITS} are allowed", of.len());
            return Err(InvalidSpec::new(field, message));
        }
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        for name in of.keys() {
            if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
                let message = format!(
                    "\"{}\" is no name of a limit; use 1 to 63 letters, digits, and . - _",
                    name.escape_debug()
                );
                return Err(InvalidSpec::new(field, message));
            }
        }
    }
    Ok(limits)
}

fn check_currency(currency: &str) -> Result<(), InvalidSpec> {
    let problem = if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
        "is not a three-letter currency code in lower case, as in usd"
    } else if !currency::is_known(currency) {
        "is not the ISO 4217 code of a currency that Stripe can charge; correct it, as in usd"
    } else {
        return Ok(());
    };
    let shown: String = currency.chars().take(10).collect();
    Err(InvalidSpec::new(
        "spec.currency",
        format!("\"{shown}\" {problem}"),
    ))
}

fn base(base: &BasePrice, currency: &str) -> Result<DesiredPrice, InvalidSpec> {
    match (&base.amount, &base.lookup_key) {
        (Some(amount), None) => Ok(DesiredPrice::Managed {
            unit_amount: money::parse(amount, currency)
                .map_err(|error| InvalidSpec::new("spec.base.amount", error.to_string()))?,
            interval: base.interval.unwrap_or_default(),
        }),
        (None, Some(_)) if base.interval.is_some() => Err(InvalidSpec::new(
            "spec.base.interval",
            "goes with amount; a price found by lookupKey has its own interval",
        )),
        (None, Some(lookup_key)) => {
            text("spec.base.lookupKey", Some(lookup_key), 200)?;
            Ok(DesiredPrice::Existing {
                lookup_key: lookup_key.clone(),
            })
        }
        _ => Err(InvalidSpec::new(
            "spec.base",
            "set exactly one of amount (the operator makes the price) and lookupKey (the price exists in Stripe)",
        )),
    }
}
