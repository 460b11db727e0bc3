//! Typos never reach Stripe.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::support::world::{World, refusal};
use crate::writes;

/// What a wrong plan is told, by a server that knows the rule or else by the operator.
async fn told(world: &World, name: &str, answer: Result<DynamicObject, kube::Error>) -> String {
    match answer {
        Ok(_) => world.plan_stalled(name, "InvalidSpec").await,
        refused => refusal(refused),
    }
}

fn with_usage(entry: &Value) -> Value {
    json!({"currency": "usd", "base": {"amount": "99.00"}, "usage": [entry]})
}

/// Wrong plans, each with a word of what it is told.
fn typos() -> Vec<(Value, &'static str)> {
    let rate =
        |amount: &str| json!({"meter": "queries", "overage": {"amount": amount, "per": 1000}});
    let last = json!({"amount": "0.50"});
    let tiers = |a: i64, b: i64| {
        let tier = |up_to: i64| json!({"upTo": up_to, "amount": "0.80"});
        json!({"meter": "queries", "included": 10, "tiers": [tier(a), tier(b), last]})
    };
    vec![
        (with_usage(&rate("9,900")), "amount"),
        (with_usage(&rate("80")), "decimals"),
        (with_usage(&rate("-1")), "amount"),
        (with_usage(&rate("1e3")), "amount"),
        (with_usage(&rate("99.999")), "decimals"),
        (with_usage(&tiers(100, 100)), "upTo"),
        (with_usage(&tiers(100, 50)), "upTo"),
        (with_usage(&tiers(10, 50)), "included"),
        (with_usage(&json!({"meter": "queries"})), "exactly one of"),
        (
            with_usage(&json!({"meter": "no spaces", "overage": {"amount": "1.00"}})),
            "meter",
        ),
        (
            with_usage(&json!({"meter": "queries", "overage": {"amount": "1.00", "per": 3}})),
            "per",
        ),
        (
            json!({"currency": "xyz", "base": {"amount": "99.00"}}),
            "currency",
        ),
        (
            json!({"currency": "usq", "base": {"amount": "99.00"}}),
            "currency",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "9,900"}}),
            "spec.base.amount",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "9900"}}),
            "\"99.00\"",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "99.999"}}),
            "decimals",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "1.00"}, "usage": [rate("1.00"), rate("2.00")]}),
            "spec.usage",
        ),
    ]
}

#[tokio::test]
async fn typos_in_plans_never_reach_stripe() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan("pro", "99.00").await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    for (index, (spec, part)) in typos().into_iter().enumerate() {
        let name = format!("typo-{index}");
        let answer = world.try_plan_with(&name, spec.clone()).await;
        let message = told(&world, &name, answer).await;
        assert!(message.contains(part), "{spec}: {message}");
    }
    assert!(writes(&world).await.is_empty());
    world.plan("fine", "29.00").await;
    world.plan_reason("fine", "Succeeded").await;
    world.finish().await;
}
