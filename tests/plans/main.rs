//! Plans on a real control plane: what becomes of them in Stripe, what never reaches it, and what
//! happens when their terms change.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod changes;
mod crashes;
mod input;
mod meters;
#[path = "../support/mod.rs"]
mod support;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{eventually, world::World};

/// A plan with a base fee and two tiers of queries beyond those that are included.
fn with_queries() -> Value {
    json!({
        "displayName": "Pro", "currency": "usd", "base": {"amount": "99.00"},
        "usage": [{
            "meter": "queries", "displayName": "Queries", "included": 100_000,
            "tiers": [
                {"upTo": 1_000_000, "amount": "0.80", "per": 1000},
                {"amount": "0.50", "per": 1000},
            ],
        }],
        "trial": {"days": 14},
    })
}

/// A plan in dollars a month.
fn monthly(amount: &str) -> Value {
    json!({"currency": "usd", "base": {"amount": amount}, "trial": {"days": 14}})
}

/// Sets an annotation of a plan.
async fn annotate(world: &World, plan: &str, annotation: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {annotation: value}}});
    let plans = world.plans();
    let name = world.plan_name(plan);
    plans
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
}

/// Asks for an immediate look at a plan.
async fn look_at(world: &World, plan: &str) {
    let token = jiff::Timestamp::now().to_string();
    annotate(
        world,
        plan,
        "tenantbilling.io/reconcile-requested-at",
        &token,
    )
    .await;
}

/// Waits until a plan is as `check` wants it, asking for looks meanwhile.
async fn until_plan(
    world: &World,
    plan: &str,
    expected: &str,
    check: impl Fn(&Value) -> bool,
) -> Value {
    eventually(&format!("{plan}: {expected}"), async || {
        let found = world.get_plan(plan).await;
        if check(&found) {
            return Ok(found);
        }
        look_at(world, plan).await;
        Err(format!("it is {found:#}"))
    })
    .await
}

/// The prices of the plan's product, active or not, oldest first.
async fn prices(world: &World, active: &str) -> Vec<Value> {
    let path = format!("/v1/prices?limit=100&active={active}&expand[]=data.tiers");
    let page = world.stripe.get(&path).await;
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .cloned()
        .collect()
}

/// The paths of the writes so far.
async fn writes(world: &World) -> Vec<String> {
    let writes = world.stripe.writes().await;
    let path = |write: &Value| write["path"].as_str().unwrap().to_owned();
    writes.iter().map(path).collect()
}
