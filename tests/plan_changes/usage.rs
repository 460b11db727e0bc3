//! Plans with usage: metered items come and go with the plan, and usage is billed by what it was used on.

use serde_json::{Value, json};

use crate::payer::{ACME, DAY, PERIOD, Payer, START, cents, share};
use crate::support::world::World;

/// A fee, and calls beyond those included.
fn metered(amount: &str, included: i64, overage: &str) -> Value {
    json!({
        "currency": "usd",
        "base": {"amount": amount, "interval": "Month"},
        "usage": [{"meter": "calls", "included": included, "overage": {"amount": overage, "per": 1000}}],
    })
}

async fn world() -> World {
    let world = World::new().await;
    world
        .plan_with("pro", metered("99.00", 10_000, "1.00"))
        .await;
    world
        .plan_with("enterprise", metered("499.00", 100_000, "0.50"))
        .await;
    let flat = json!({"currency": "usd", "base": {"amount": "29.00", "interval": "Month"}});
    world.plan_with("flat", flat).await;
    world
}

/// Tells Stripe that the customer made so many calls, that long after the start.
async fn calls(payer: &Payer, number: i64, at: i64) {
    let (value, time) = (number.to_string(), (START + at).to_string());
    let form = [
        ("event_name", "calls"),
        ("payload[stripe_customer_id]", payer.customer.as_str()),
        ("payload[value]", value.as_str()),
        ("timestamp", time.as_str()),
    ];
    payer
        .world
        .stripe
        .post("/v1/billing/meter_events", &form)
        .await;
}

async fn metered_items(payer: &Payer) -> Vec<Value> {
    let subscription = payer.subscription().await;
    let items = subscription["items"]["data"].as_array().unwrap().clone();
    let is_metered = |item: &Value| item["price"]["recurring"]["usage_type"] == "metered";
    items.into_iter().filter(is_metered).collect()
}

#[tokio::test]
async fn usage_beyond_what_is_included_is_billed_when_the_period_ends() {
    let payer = Payer::in_world(world().await, "pro", json!({})).await;
    assert_eq!(metered_items(&payer).await.len(), 1);
    payer.at(5 * DAY).await;
    calls(&payer, 25_000, 5 * DAY).await;
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 9900 + 15 * 100]);
    payer.finish().await;
}

#[tokio::test]
async fn an_upgrade_swaps_the_metered_price_in_the_same_update() {
    let payer = Payer::in_world(world().await, "pro", json!({})).await;
    payer.at(10 * DAY).await;
    let before = metered_items(&payer).await;
    payer.world.stripe.forget_requests().await;
    payer.edit(json!({"plan": "enterprise"})).await;
    let change = payer.change("Applied").await;
    let rest = PERIOD - 10 * DAY;
    let difference = share(49_900, rest, PERIOD) - share(9900, rest, PERIOD);
    assert_eq!(
        cents(&change["preview"]["amount"]),
        difference,
        "usage is not prorated"
    );
    let after = metered_items(&payer).await;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0]["price"]["id"], before[0]["price"]["id"]);
    let writes = payer.world.stripe.writes().await;
    assert_eq!(writes.len(), 2, "a preview and one update: {writes:#?}");
    payer.finish().await;
}

#[tokio::test]
async fn a_scheduled_downgrade_takes_the_metered_price_along() {
    let payer = Payer::in_world(world().await, "enterprise", json!({})).await;
    payer.edit(json!({"plan": "pro"})).await;
    payer.change("Scheduled").await;
    payer.at(PERIOD + 7200).await;
    payer.settled().await;
    calls(&payer, 12_000, PERIOD + 7200).await;
    payer.at(PERIOD + 31 * DAY + 7200).await;
    assert_eq!(
        payer.totals().await,
        [49_900, 9900, 9900 + 200],
        "the usage of each period at the price of that period"
    );
    // And to a plan that has no usage.
    payer.edit(json!({"plan": "flat"})).await;
    payer.change("Scheduled").await;
    payer.at(PERIOD + 62 * DAY + 7200).await;
    payer.settled().await;
    assert_eq!(metered_items(&payer).await, Vec::<Value>::new());
    payer.finish().await;
}

#[tokio::test]
async fn a_meter_added_to_a_plan_reaches_its_tenants_as_its_rollout_says() {
    let payer = Payer::in_world(world().await, "flat", json!({})).await;
    let mut plan = metered("29.00", 1000, "2.00");
    plan["usage"][0]["meter"] = json!("exports");
    payer.world.plan_with("flat", plan.clone()).await;
    payer.world.plan_reason("flat", "Succeeded").await;
    payer.world.look_again(ACME).await;
    assert!(
        metered_items(&payer).await.is_empty(),
        "it keeps what it has"
    );
    plan["rollout"] = json!({"existing": "Now"});
    payer.world.plan_with("flat", plan).await;
    payer
        .world
        .until(ACME, "metered", |tenant| {
            tenant["status"]["stripe"]["usagePriceIds"]
                .as_array()
                .is_some_and(|ids| ids.len() == 1)
        })
        .await;
    assert_eq!(metered_items(&payer).await.len(), 1);
    payer.finish().await;
}
