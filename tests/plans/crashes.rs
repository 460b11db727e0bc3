//! Whatever write of a plan's is lost, and whenever the operator dies: the same end, nothing twice.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    eventually,
    process::Operator,
    world::{World, condition, is_current},
};
use crate::{monthly, prices, until_plan, with_queries, writes};

/// The manifests of a plan, one after the other, each so that it is not held.
type Life = fn() -> Vec<Value>;

fn of_a_flat_fee() -> Vec<Value> {
    let mut renamed = monthly("109.00");
    renamed["displayName"] = json!("Professional");
    vec![monthly("99.00"), renamed, monthly("99.00")]
}

fn with_usage() -> Vec<Value> {
    let mut dearer = with_queries();
    dearer["usage"][0]["tiers"][1]["amount"] = json!("0.60");
    dearer["usage"][0]["displayName"] = json!("All queries");
    vec![with_queries(), dearer, with_queries()]
}

/// Lives the life; with `nth` and `kind`, the operator is killed at that write of it. Gives how many
/// writes there were, and what Stripe holds in the end.
async fn live(life: Life, crash: Option<(usize, &str)>) -> (usize, Value) {
    let world = World::new().await;
    let mut operator = world.operator().await;
    let mut fault = match crash {
        Some((nth, kind)) => {
            let fault = json!({
                "method": "POST", "path": "/v1/", "skip": nth, "kind": kind, "times": 1,
            });
            Some(world.stripe.fault(fault).await)
        }
        None => None,
    };
    for manifest in life() {
        world.plan_with("pro", manifest).await;
        operator = reached(&world, operator, &mut fault).await;
    }
    let writes = writes(&world).await.len();
    let found = stripe(&world).await;
    drop(operator);
    world.finish().await;
    (writes, found)
}

/// Waits until the plan is as its manifest says, killing the operator once if the fault meets it.
async fn reached(world: &World, operator: Operator, fault: &mut Option<String>) -> Operator {
    let settled = until_plan(world, "pro", "settled", |plan| {
        let ready = condition(plan, "Ready");
        is_current(plan) && ready["status"] == "True" && plan["status"]["olderPriceCount"] == 0
    });
    let met = async {
        let Some(fault) = fault.as_deref() else {
            return std::future::pending().await;
        };
        eventually("the fault meets a request", async || {
            let hits = world.stripe.fault_hits(fault).await;
            (hits > 0)
                .then_some(())
                .ok_or_else(|| "none yet".to_owned())
        })
        .await;
    };
    tokio::select! {
        _ = settled => return operator,
        () = met => {}
    }
    operator.kill();
    world
        .stripe
        .clear_fault(&fault.take().unwrap_or_default())
        .await;
    Box::pin(reached(world, world.operator().await, fault)).await
}

/// Everything in Stripe that plans make, without what differs from world to world.
async fn stripe(world: &World) -> Value {
    let mut all = Vec::new();
    for active in ["true", "false"] {
        for price in prices(world, active).await {
            let tiers = price["tiers"].as_array().into_iter().flatten();
            let tiers: Vec<&Value> = tiers.map(|tier| &tier["unit_amount_decimal"]).collect();
            all.push(json!([
                price["unit_amount"],
                tiers,
                active,
                price["metadata"]
            ]));
        }
    }
    all.sort_by_key(Value::to_string);
    let products = world.stripe.get("/v1/products?limit=100").await;
    let names = products["data"].as_array().unwrap().iter();
    let names: Vec<&Value> = names.map(|product| &product["name"]).collect();
    let found = json!({"prices": all, "products": names});
    serde_json::from_str(&found.to_string().replace(&world.namespace, "NAMESPACE")).unwrap()
}

async fn killed_at_every_write(life: Life) {
    let (writes, expected) = live(life, None).await;
    assert!(writes >= 5, "only {writes} writes");
    let runs = (0..writes).flat_map(|nth| ["hold_before", "hold_after"].map(|kind| (nth, kind)));
    let runs: Vec<_> = runs.collect();
    for some in runs.chunks(6) {
        let lives = some.iter().map(|crash| live(life, Some(*crash)));
        for (crash, (_, found)) in some.iter().zip(join_all(lives).await) {
            assert_eq!(found, expected, "killed at write {crash:?}");
        }
    }
}

#[tokio::test]
async fn killed_at_every_write_of_a_plan_with_a_flat_fee() {
    killed_at_every_write(of_a_flat_fee).await;
}

#[tokio::test]
async fn killed_at_every_write_of_a_plan_with_usage() {
    killed_at_every_write(with_usage).await;
}
