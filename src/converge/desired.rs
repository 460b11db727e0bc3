//! From what users wrote to what should be: parsed, checked and in Stripe's normal form.
//!
//! The API server checks most of this at `kubectl apply` already. It is checked again here because
//! older servers know no CEL, schemas can be loosened, and nothing wrong may ever reach Stripe.

mod check;

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use self::check::{check_tenant, check_trial_days, check_url, stripe_id, text};
use super::dunning::{DunningTerms, Schedule};
use super::money;
use super::observed::{Price, TenantKey};
use super::payment::{CollectionMethod, PaymentTerms};
use super::trial::{DeclaredTrial, TrialEnding, TrialTerms};
use crate::api::{
    CustomerDetails, DowngradeTiming, Existing, Lifecycle, OnDispute, PaymentRequirement,
    PlanChangePolicy, PlanLimits, Proration, Rollout, TaxPolicy, TenantBillingSpec, UpgradeTiming,
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
    /// What is to happen around its end.
    pub trial_ending: TrialEnding,
    /// How the tenant pays.
    pub payment: PaymentTerms,
    /// What becomes of it if it doesn't.
    pub dunning: DunningTerms,
    /// What it may use, by level of access.
    pub limits: PlanLimits,
    /// Whether to be subscribed.
    pub lifecycle: Lifecycle,
    /// What to do while a payment is disputed.
    pub on_dispute: OnDispute,
    /// The clock the customer is to live on.
    pub test_clock: Option<String>,
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
    /// What becomes of tenants who do not pay.
    pub dunning: Schedule,
    /// What tenants may use, by level of access.
    pub limits: PlanLimits,
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
            trial_ending: TrialEnding,
            requirement: PaymentRequirement,
            collection: Option<CollectionMethod>,
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
            trial_ending: self.trial_ending,
            requirement: self.payment.requirement,
            collection: self.payment.collection,
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

/// What a tenant should have, once its plan is resolved. `return_url` is where customers go from
/// the page on which they leave a payment method, for manifests that don't say.
pub fn tenant(
    key: TenantKey,
    spec: &TenantBillingSpec,
    plan: &ResolvedPlan,
    return_url: Option<&str>,
) -> Result<Desired, InvalidSpec> {
    check_tenant(spec)?;
    let written = spec.trial.as_ref();
    let days = written.and_then(|trial| trial.days);
    let ends_at = written.and_then(|trial| trial.ends_at.as_ref());
    let trial = match (days, ends_at) {
        (Some(days), _) => TrialTerms::Tenant(DeclaredTrial::Days(i64::from(days))),
        (None, Some(end)) => TrialTerms::Tenant(DeclaredTrial::Until(end.0)),
        (None, None) => TrialTerms::Plan(plan.trial_days),
    };
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
        trial_ending: TrialEnding::of(written),
        payment: PaymentTerms::of(spec.payment.as_ref(), return_url),
        dunning: DunningTerms::of(&plan.dunning, spec.dunning.as_ref()),
        limits: plan.limits.clone(),
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

#[cfg(test)]
mod tests;
