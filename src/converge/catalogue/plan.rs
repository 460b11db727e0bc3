//! The steps that bring a plan about, and the prices it is sold at meanwhile.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::desired::DesiredPlan;
use super::guard::{self, Version};
use super::observed::{CataloguePrice, ObservedPlan};
use super::steps::CatalogueStep;
use super::wanted::{Found, Wanted, wanted};
use crate::api::{APPROVE_PRICES_ANNOTATION, Interval, reason};
use crate::converge::desired::{Offer, ResolvedPlan, digest};
use crate::converge::observed::{Component, Price};
use crate::converge::plan::Hold;

/// What to do about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguePlan {
    /// The steps, in order. Those that depend on what an earlier one makes follow in the next plan.
    pub steps: Vec<CatalogueStep>,
    /// Why no more can be done without a person.
    pub hold: Option<Hold>,
    /// The prices that new tenants subscribe to, the base first; none while it cannot be sold.
    pub sold: Vec<CataloguePrice>,
    /// Prices of earlier terms that can still be subscribed to.
    pub older: Vec<CataloguePrice>,
}

/// What decides beside the manifest and Stripe's objects.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The prices that were sold last, as the status records them.
    pub recorded: Vec<String>,
    /// The terms that a person has approved.
    pub approved: Option<String>,
    /// How many times more, or less, tenants may have to pay without approval.
    pub max_jump: Decimal,
    /// Which older prices may go.
    pub archive: Archive,
}

/// Which older prices may be archived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archive {
    /// None: it is not known who uses them.
    Nothing,
    /// All but those, which are in use.
    AllBut(BTreeSet<String>),
}

impl CataloguePlan {
    fn held(hold: Hold) -> Self {
        Self {
            steps: Vec::new(),
            hold: Some(hold),
            sold: Vec::new(),
            older: Vec::new(),
        }
    }

    /// The plan as its tenants see it; `None` while it cannot be sold.
    pub fn resolve(&self, desired: &DesiredPlan) -> Option<ResolvedPlan> {
        let mut prices = self.sold.iter().map(|sold| sold.price.clone());
        let base = prices.next()?;
        Some(ResolvedPlan {
            name: desired.name.clone(),
            offer: Offer {
                base,
                usage: prices.collect(),
            },
            rollout: desired.rollout.clone(),
            trial_days: desired.trial_days,
            dunning: desired.dunning.clone(),
            limits: desired.limits.clone(),
        })
    }
}

/// The steps that bring a plan about.
pub fn plan(
    desired: &DesiredPlan,
    observed: &ObservedPlan,
    circumstances: &Circumstances,
) -> CataloguePlan {
    let (interval, wanted) = match wanted(desired, observed) {
        Ok(wanted) => wanted,
        Err(hold) => return CataloguePlan::held(hold),
    };
    let sold_now = sold_now(desired, observed, &wanted, circumstances);
    if let Some(hold) = held(desired, interval, &wanted, &sold_now, circumstances) {
        return stay(desired, observed, sold_now, hold);
    }
    let mut steps = meter_steps(desired, observed);
    steps.extend(product_step(desired, observed));
    // The base last: without it a version counts as never sold, so that a plan that was half made
    // when the operator died is not taken for an older version of itself.
    for price in wanted.iter().rev() {
        match &price.found {
            Found::There(found) if found.price.active => {}
            Found::There(found) => {
                steps.push(CatalogueStep::ActivatePrice(found.price.id.clone()));
            }
            Found::Missing(new) => steps.push(CatalogueStep::CreatePrice(new.clone())),
            // The step that makes the meter is among these already.
            Found::NoMeter(_) => {}
        }
    }
    let mut sold = Vec::new();
    if steps.is_empty() {
        sold.extend(wanted.iter().filter_map(|wanted| {
            let price = wanted.active()?;
            Some(with_component(price, &wanted.component))
        }));
    }
    let older = older(desired, observed, &sold);
    if let (Archive::AllBut(used), true) = (&circumstances.archive, steps.is_empty()) {
        let unused = older.iter().filter(|old| !used.contains(&old.price.id));
        steps.extend(unused.map(|old| CatalogueStep::ArchivePrice(old.price.id.clone())));
    }
    CataloguePlan {
        steps,
        hold: None,
        sold,
        older,
    }
}

/// The plan goes on being sold as it is.
fn stay(
    desired: &DesiredPlan,
    observed: &ObservedPlan,
    sold: Vec<CataloguePrice>,
    hold: Hold,
) -> CataloguePlan {
    let archived = sold.iter().filter(|price| !price.price.active);
    let steps = archived
        .map(|price| CatalogueStep::ActivatePrice(price.price.id.clone()))
        .collect();
    let older = older(desired, observed, &sold);
    CataloguePlan {
        steps,
        hold: Some(hold),
        sold,
        older,
    }
}

fn with_component(price: &CataloguePrice, component: &Component) -> CataloguePrice {
    CataloguePrice {
        price: Price {
            component: Some(component.clone()),
            ..price.price.clone()
        },
        ..price.clone()
    }
}

fn meter_steps(desired: &DesiredPlan, observed: &ObservedPlan) -> Vec<CatalogueStep> {
    let mut steps = Vec::new();
    for usage in &desired.usage {
        let wanted = &usage.meter;
        let Some(meter) = observed.meter(&wanted.event_name) else {
            steps.push(CatalogueStep::CreateMeter(wanted.clone()));
            continue;
        };
        if !meter.active {
            steps.push(CatalogueStep::ReactivateMeter(meter.id.clone()));
        }
        if let Some(name) = &wanted.display_name
            && *name != meter.display_name
        {
            steps.push(CatalogueStep::RenameMeter {
                meter: meter.id.clone(),
                display_name: name.clone(),
            });
        }
    }
    steps
}

fn product_step(desired: &DesiredPlan, observed: &ObservedPlan) -> Option<CatalogueStep> {
    if !desired.is_managed() {
        return None;
    }
    match &observed.product {
        None => Some(CatalogueStep::CreateProduct),
        Some(product) if product.name != desired.display_name || !product.active => {
            Some(CatalogueStep::UpdateProduct)
        }
        Some(_) => None,
    }
}

/// The operator's own prices for this plan that can be subscribed to and are not sold.
fn older(
    desired: &DesiredPlan,
    observed: &ObservedPlan,
    sold: &[CataloguePrice],
) -> Vec<CataloguePrice> {
    let is_sold = |price: &Price| sold.iter().any(|sold| sold.price.id == price.id);
    let mut older: Vec<CataloguePrice> = own(desired, observed)
        .filter(|own| !is_sold(&own.price))
        .cloned()
        .collect();
    older.sort_by(|a, b| (b.created, &b.price.id).cmp(&(a.created, &a.price.id)));
    older
}

fn own<'a>(
    desired: &DesiredPlan,
    observed: &'a ObservedPlan,
) -> impl Iterator<Item = &'a CataloguePrice> {
    let product = desired.product_id();
    observed.prices.iter().filter(move |found| {
        found.price.active
            && found.price.product == product
            && found.price.owner.as_ref() == Some(&desired.owner)
            && found.price.plan.as_ref() == Some(&desired.name)
    })
}

/// The prices the plan is sold at now, the base first; none when it was never sold.
///
/// The status says; without one, prices that are there for the wanted terms were approved when they
/// were made, and else the newest of each component count.
fn sold_now(
    desired: &DesiredPlan,
    observed: &ObservedPlan,
    wanted: &[Wanted<'_>],
    circumstances: &Circumstances,
) -> Vec<CataloguePrice> {
    let recorded: Vec<CataloguePrice> = circumstances
        .recorded
        .iter()
        .filter_map(|id| observed.price(id))
        .map(|price| {
            let asked = wanted
                .iter()
                .find(|w| w.active().is_some_and(|p| p.price.id == price.price.id));
            let component =
                asked.map_or_else(|| component_of(price, observed), |w| w.component.clone());
            with_component(price, &component)
        })
        .collect();
    if !recorded.is_empty() && recorded.len() == circumstances.recorded.len() {
        return recorded;
    }
    let active: Vec<CataloguePrice> = wanted
        .iter()
        .filter_map(|w| Some(with_component(w.active()?, &w.component)))
        .collect();
    if active.len() == wanted.len() {
        return active;
    }
    let mut newest: Vec<&CataloguePrice> = own(desired, observed).collect();
    newest.sort_by(|a, b| {
        let rank = |p: &CataloguePrice| (p.component(), std::cmp::Reverse(p.created));
        rank(a).cmp(&rank(b)).then(b.price.id.cmp(&a.price.id))
    });
    newest.dedup_by_key(|price| price.component());
    match newest.first() {
        // Components order the base first. Usage alone is no plan.
        Some(first) if first.component() == Component::Base => newest
            .into_iter()
            .map(|price| with_component(price, &price.component()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Prices made by others carry no component; their meter tells it.
fn component_of(price: &CataloguePrice, observed: &ObservedPlan) -> Component {
    let meter = price
        .price
        .meter
        .as_ref()
        .filter(|_| price.price.component.is_none());
    let known = meter.and_then(|id| observed.meters.iter().find(|meter| meter.id == *id));
    known.map_or_else(
        || price.component(),
        |meter| Component::Usage(meter.event_name.clone()),
    )
}

/// Why the wanted prices have to wait for a person.
fn held(
    desired: &DesiredPlan,
    interval: Interval,
    wanted: &[Wanted<'_>],
    sold: &[CataloguePrice],
    circumstances: &Circumstances,
) -> Option<Hold> {
    let base = sold.first()?;
    let unchanged = wanted.len() == sold.len()
        && wanted.iter().all(
            |w| matches!(w.found, Found::There(p) if sold.iter().any(|s| s.price.id == p.price.id)),
        );
    if unchanged {
        return None;
    }
    let old = Version {
        currency: &base.price.currency,
        interval: base.price.interval.unwrap_or_default(),
        parts: sold
            .iter()
            .map(|sold| (sold.component(), sold.rates.as_ref()))
            .collect(),
    };
    let new = Version {
        currency: &desired.currency,
        interval,
        parts: wanted
            .iter()
            .map(|wanted| (wanted.component.clone(), wanted.rates()))
            .collect(),
    };
    let why = guard::jump(&old, &new, circumstances.max_jump)?;
    let terms = name_of_terms(desired, interval, wanted);
    (circumstances.approved.as_deref() != Some(terms.as_str())).then(|| {
        Hold::stalled(
            reason::PRICE_CHANGE_HELD,
            format!(
                "the new prices are held: {why}, which is a change by more than {} times. The plan \
                 goes on being sold at its present prices. If the new ones are meant, run: kubectl \
                 annotate billingplan {} {APPROVE_PRICES_ANNOTATION}={terms} --overwrite",
                circumstances.max_jump, desired.name
            ),
        )
    })
}

/// A short name for exactly these terms. It does not depend on what Stripe calls the meters, which
/// may still have to be made.
fn name_of_terms(desired: &DesiredPlan, interval: Interval, wanted: &[Wanted<'_>]) -> String {
    let mut parts = vec![
        "terms".to_owned(),
        desired.currency.clone(),
        interval.as_stripe().to_owned(),
        desired.tax.as_stripe().to_owned(),
    ];
    for price in wanted {
        parts.push(price.component.to_string());
        match price.rates() {
            Some(rates) => parts.push(rates.canonical()),
            None => parts.extend(price.active().map(|p| p.price.id.clone())),
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    digest(&parts).chars().take(10).collect()
}
