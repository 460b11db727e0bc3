//! From what users wrote to what should be: parsed, checked and in Stripe's normal form.
//!
//! The API server checks most of this at `kubectl apply` already. It is checked again here because
//! older servers know no CEL, schemas can be loosened, and nothing wrong may ever reach Stripe.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::money;
use super::observed::{Price, TenantKey};
use crate::api::{
    CustomerDetails, DowngradeTiming, Existing, Lifecycle, OnDispute, PlanChangePolicy, Proration,
    Rollout, TaxPolicy, TenantBillingSpec, UpgradeTiming,
};

/// A field of a manifest that cannot be, and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidSpec {
    /// Path of the field, as in `spec.customer.email`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl InvalidSpec {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// What a tenant should have in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Whose it is.
    pub key: TenantKey,
    /// Who is billed.
    pub customer: CustomerDetails,
    /// Name of the plan.
    pub plan: String,
    /// The plan's prices for new subscribers.
    pub offer: Offer,
    /// How many of the base price.
    pub quantity: i64,
    /// How changes are made.
    pub change: ChangePolicy,
    /// What becomes of tenants on older prices of the plan.
    pub rollout: Rollout,
    /// Taxes; `None` leaves them alone.
    pub tax: Option<TaxPolicy>,
    /// The trial, and who says so.
    pub trial: TrialTerms,
    /// Whether to be subscribed.
    pub lifecycle: Lifecycle,
    /// What to do while a payment is disputed.
    pub on_dispute: OnDispute,
    /// The clock the customer is to live on.
    pub test_clock: Option<String>,
}

/// Length of a trial in days, and where it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TrialTerms {
    /// In the tenant's manifest: editing it moves the end of a running trial.
    Tenant(i64),
    /// In the plan: it counts when a subscription begins. Changing plans, or editing the plan,
    /// moves no trial that is running already.
    Plan(i64),
}

impl TrialTerms {
    /// The days, wherever they were written.
    pub const fn days(self) -> i64 {
        match self {
            Self::Tenant(days) | Self::Plan(days) => days,
        }
    }
}

/// How changes of plan, quantity and price are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangePolicy {
    /// When what costs more begins.
    pub upgrade: UpgradeTiming,
    /// When what costs less begins.
    pub downgrade: DowngradeTiming,
    /// What becomes of the rest of the period.
    pub proration: Proration,
    /// The most a change may charge without approval, in minor units.
    pub max_charge: Option<i64>,
}

/// The prices of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The fixed fee.
    pub base: Price,
    /// The metered prices, each with the component it is for, in the manifest's order.
    pub usage: Vec<Price>,
}

/// A plan as far as its tenants need it: resolved to prices in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedPlan {
    /// Name of the `BillingPlan`.
    pub name: String,
    /// The prices for new subscribers.
    pub offer: Offer,
    /// What becomes of tenants on older prices.
    pub rollout: Rollout,
    /// Days of trial for those whose manifest doesn't say.
    pub trial_days: i64,
}

impl Offer {
    /// The ids of the prices, the base first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.base)
            .chain(&self.usage)
            .map(|price| price.id.as_str())
    }
}

impl Desired {
    /// Digest of everything a person can change about it. Equal digests mean that a difference in
    /// Stripe was not caused by an edit.
    pub fn digest(&self) -> String {
        #[derive(Serialize)]
        struct Edited<'a> {
            customer: &'a CustomerDetails,
            plan: &'a str,
            prices: Vec<&'a str>,
            quantity: i64,
            change: ChangePolicy,
            existing: Existing,
            tax: Option<&'a TaxPolicy>,
            trial: TrialTerms,
            lifecycle: Lifecycle,
        }
        let edited = Edited {
            customer: &self.customer,
            plan: &self.plan,
            prices: self.offer.ids().collect(),
            quantity: self.quantity,
            change: self.change,
            existing: self.rollout.existing,
            tax: self.tax.as_ref(),
            trial: self.trial,
            lifecycle: self.lifecycle,
        };
        // Plain structs of strings and numbers serialise; an empty text would only mean that a
        // difference is taken for an edit.
        digest(&[&serde_json::to_string(&edited).unwrap_or_default()])
    }
}

/// 16 hexadecimal digits that stand for `parts`, in their order.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The identity of a tenant: `spec.tenantId`, or `<namespace>/<name>`.
pub fn tenant_id(explicit: Option<&str>, namespace: &str, name: &str) -> String {
    explicit.map_or_else(|| format!("{namespace}/{name}"), str::to_owned)
}

/// Checks a tenant's manifest by itself, without its plan.
pub fn check_tenant(spec: &TenantBillingSpec) -> Result<(), InvalidSpec> {
    if let Some(id) = &spec.tenant_id {
        check_tenant_id(id)?;
    }
    let customer = &spec.customer;
    text("spec.customer.name", Some(&customer.name), 256)?;
    text("spec.customer.phone", customer.phone.as_deref(), 20)?;
    text(
        "spec.customer.description",
        customer.description.as_deref(),
        350,
    )?;
    check_email(&customer.email)?;
    if let Some(address) = &customer.address {
        for (name, value, longest) in [
            ("line1", &address.line1, 200),
            ("line2", &address.line2, 200),
            ("city", &address.city, 200),
            ("state", &address.state, 200),
            ("postalCode", &address.postal_code, 32),
            ("country", &address.country, 2),
        ] {
            text(
                &format!("spec.customer.address.{name}"),
                value.as_deref(),
                longest,
            )?;
        }
        let country_ok = |c: &String| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase());
        if !address.country.as_ref().is_none_or(country_ok) {
            return Err(InvalidSpec::new(
                "spec.customer.address.country",
                "write the two-letter country code in upper case, as in \"DE\"",
            ));
        }
    }
    if spec.plan.is_empty() {
        return Err(InvalidSpec::new("spec.plan", "name a BillingPlan"));
    }
    if !(1..=1_000_000).contains(&spec.quantity) {
        return Err(InvalidSpec::new(
            "spec.quantity",
            format!("{} is not between 1 and 1000000", spec.quantity),
        ));
    }
    if let Some(trial) = &spec.trial {
        check_trial_days("spec.trial.days", trial.days)?;
    }
    if let Some(clock) = &spec.test_clock {
        stripe_id("spec.testClock", clock, "clock_")?;
    }
    Ok(())
}

/// What a tenant should have, once its plan is resolved.
pub fn tenant(
    key: TenantKey,
    spec: &TenantBillingSpec,
    plan: &ResolvedPlan,
) -> Result<Desired, InvalidSpec> {
    check_tenant(spec)?;
    let trial = spec
        .trial
        .as_ref()
        .map_or(TrialTerms::Plan(plan.trial_days), |trial| {
            TrialTerms::Tenant(i64::from(trial.days))
        });
    Ok(Desired {
        key,
        customer: spec.customer.clone(),
        plan: plan.name.clone(),
        offer: plan.offer.clone(),
        quantity: i64::from(spec.quantity),
        change: change_policy(spec.plan_change.as_ref(), &plan.offer.base.currency)?,
        rollout: plan.rollout.clone(),
        tax: spec.tax.clone(),
        on_dispute: spec.disputes.clone().unwrap_or_default().on_open,
        trial,
        lifecycle: spec.lifecycle,
        test_clock: spec.test_clock.clone(),
    })
}

fn change_policy(
    written: Option<&PlanChangePolicy>,
    currency: &str,
) -> Result<ChangePolicy, InvalidSpec> {
    let Some(written) = written else {
        return Ok(ChangePolicy::default());
    };
    let max_charge = written
        .max_charge
        .as_ref()
        .map(|amount| money::parse(amount, currency))
        .transpose()
        .map_err(|error| InvalidSpec::new("spec.planChange.maxCharge", error.to_string()))?;
    Ok(ChangePolicy {
        upgrade: written.upgrade,
        downgrade: written.downgrade,
        proration: written.proration,
        max_charge,
    })
}

/// Checks a number of trial days against Stripe's bounds.
pub fn check_trial_days(field: &str, days: i32) -> Result<(), InvalidSpec> {
    if (0..=730).contains(&days) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("{days} is not between 0 and 730, which is what Stripe allows"),
        ))
    }
}

/// Checks an id of a Stripe object that a person wrote: ids become parts of request paths.
pub fn stripe_id(field: &str, id: &str, prefix: &str) -> Result<(), InvalidSpec> {
    let tail = id.strip_prefix(prefix).unwrap_or_default();
    if !tail.is_empty() && tail.len() <= 100 && tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("\"{}\" is not an id that begins with {prefix}", shorten(id)),
        ))
    }
}

/// Checks an optional text: not empty, not too long, nothing unprintable.
pub fn text(field: &str, value: Option<&str>, longest: usize) -> Result<(), InvalidSpec> {
    let Some(value) = value else { return Ok(()) };
    if value.trim().is_empty() {
        return Err(InvalidSpec::new(
            field,
            "is empty; give a value or leave the field out",
        ));
    }
    if value.trim() != value {
        return Err(InvalidSpec::new(
            field,
            "begins or ends with a blank, which Stripe would cut off",
        ));
    }
    let length = value.chars().count();
    if length > longest {
        return Err(InvalidSpec::new(
            field,
            format!("has {length} characters; Stripe takes at most {longest}"),
        ));
    }
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        return Err(InvalidSpec::new(
            field,
            format!(
                "contains the control character U+{:04X}; remove it",
                bad as u32
            ),
        ));
    }
    Ok(())
}

fn check_tenant_id(id: &str) -> Result<(), InvalidSpec> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
    if id.len() <= 200
        && edge(id.chars().next())
        && edge(id.chars().next_back())
        && id.chars().all(inner)
    {
        return Ok(());
    }
    Err(InvalidSpec::new(
        "spec.tenantId",
        format!(
            "\"{}\" is no tenant id: use up to 200 letters, digits and . _ / : @ - inside, \
             with a letter or digit at both ends",
            shorten(id)
        ),
    ))
}

fn check_email(email: &str) -> Result<(), InvalidSpec> {
    let field = "spec.customer.email";
    text(field, Some(email), 254)?;
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.split('.').count() > 1
            && domain.split('.').all(|label| !label.is_empty())
    });
    if well_formed && !email.contains(char::is_whitespace) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("\"{}\" is not an e-mail address", shorten(email)),
        ))
    }
}

fn shorten(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
