//! What plans become, case by case, and that they converge from anywhere.

mod cases;
mod convergence;
mod input;
mod jumps;
mod meters;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::api::{BillingPlanSpec, TaxBehavior};
use crate::converge::observed::Price;

fn spec(json: serde_json::Value) -> BillingPlanSpec {
    serde_json::from_value(json).unwrap()
}

fn plan_of(json: serde_json::Value) -> DesiredPlan {
    desired("default", "pro", &spec(json)).unwrap()
}

fn pro() -> DesiredPlan {
    plan_of(json!({
        "displayName": "Pro", "currency": "usd", "base": {"amount": "99.00"}, "trial": {"days": 14},
    }))
}

fn with_queries() -> DesiredPlan {
    plan_of(json!({
        "displayName": "Pro", "currency": "usd", "base": {"amount": "99.00"},
        "usage": [
            {"meter": "queries", "included": 100_000, "overage": {"amount": "0.80", "per": 1000}},
            {"meter": "storage", "displayName": "Storage", "aggregation": "Last", "granularity": "Day",
             "tiers": [{"upTo": 10, "amount": "1.00"}, {"amount": "0.50"}]},
        ],
    }))
}

fn circumstances() -> Circumstances {
    Circumstances {
        recorded: Vec::new(),
        approved: None,
        max_jump: 5.into(),
        archive: Archive::Nothing,
    }
}

fn archiving() -> Circumstances {
    Circumstances {
        archive: Archive::AllBut(BTreeSet::new()),
        ..circumstances()
    }
}

fn second(n: usize) -> Timestamp {
    Timestamp::from_second(i64::try_from(n).unwrap()).unwrap()
}

/// What Stripe would hold after a step.
fn apply(plan: &DesiredPlan, observed: &mut ObservedPlan, step: &CatalogueStep) {
    let activate = |observed: &mut ObservedPlan, id: &str, active| {
        let prices = &mut observed.prices;
        let price = prices.iter_mut().find(|p| p.price.id == id).unwrap();
        price.price.active = active;
    };
    match step {
        CatalogueStep::CreateProduct | CatalogueStep::UpdateProduct => {
            observed.product = Some(Product {
                id: plan.product_id(),
                name: plan.display_name.clone(),
                active: true,
            });
        }
        CatalogueStep::CreateMeter(meter) => observed.put_meter(meter_of(meter)),
        CatalogueStep::RenameMeter {
            meter,
            display_name,
        } => {
            let mut found = observed.meters.iter_mut();
            display_name.clone_into(&mut found.find(|m| m.id == *meter).unwrap().display_name);
        }
        CatalogueStep::ReactivateMeter(meter) => {
            let mut found = observed.meters.iter_mut();
            found.find(|m| m.id == *meter).unwrap().active = true;
        }
        CatalogueStep::CreatePrice(new) => {
            assert!(observed.product.is_some(), "a price needs its product");
            let taken = observed.price_under(&new.lookup_key);
            assert_eq!(taken, None, "a lookup key is taken once");
            let serial = observed.prices.len() + 1;
            observed.put_price(made(plan, new, serial));
        }
        CatalogueStep::ActivatePrice(id) => activate(observed, id, true),
        CatalogueStep::ArchivePrice(id) => activate(observed, id, false),
    }
}

fn meter_of(meter: &DesiredMeter) -> Meter {
    Meter {
        id: format!("mtr_{}", meter.event_name),
        event_name: meter.event_name.clone(),
        display_name: meter.display_name.clone().unwrap_or_default(),
        active: true,
        formula: meter.aggregation.as_stripe().into(),
        window: Some(meter.granularity.as_stripe().into()),
        customer_key: CUSTOMER_KEY.into(),
        value_key: VALUE_KEY.into(),
    }
}

fn made(plan: &DesiredPlan, new: &NewPrice, serial: usize) -> CataloguePrice {
    CataloguePrice {
        price: Price {
            id: format!("price_{serial}"),
            product: plan.product_id(),
            lookup_key: Some(new.lookup_key.clone()),
            owner: Some(plan.owner.clone()),
            plan: Some(plan.name.clone()),
            currency: new.currency.clone(),
            unit_amount: new.rates.whole_unit(),
            interval: Some(new.interval),
            interval_count: 1,
            metered: new.meter.is_some(),
            meter: new.meter.clone(),
            component: Some(new.component.clone()),
            active: true,
        },
        rates: Some(new.rates.clone()),
        tax: new.tax,
        created: second(serial),
    }
}

/// Plans and applies until nothing is left.
fn converge(
    desired: &DesiredPlan,
    observed: &mut ObservedPlan,
    around: &Circumstances,
) -> CataloguePlan {
    for _ in 0..50 {
        let result = plan(desired, observed, around);
        let Some(step) = result.steps.first() else {
            return result;
        };
        apply(desired, observed, step);
    }
    panic!("it does not converge");
}

/// What Stripe holds when a plan has converged in an empty account.
fn converged(desired: &DesiredPlan) -> ObservedPlan {
    let mut observed = ObservedPlan::default();
    converge(desired, &mut observed, &circumstances());
    observed
}

fn ids(prices: &[CataloguePrice]) -> Vec<&str> {
    prices.iter().map(|price| price.price.id.as_str()).collect()
}

/// A base price that somebody else made.
fn theirs(lookup_key: &str) -> CataloguePrice {
    CataloguePrice {
        price: Price {
            id: "price_theirs".into(),
            product: "prod_theirs".into(),
            lookup_key: Some(lookup_key.into()),
            currency: "usd".into(),
            unit_amount: Some(9900),
            interval: Some(crate::api::Interval::Month),
            interval_count: 1,
            active: true,
            ..Price::default()
        },
        rates: Some(Rates::PerUnit(9900.into())),
        tax: TaxBehavior::Unspecified,
        created: second(1),
    }
}
