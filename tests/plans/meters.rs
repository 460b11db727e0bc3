//! Plans with usage.

use serde_json::{Value, json};

use crate::support::{eventually, world::World};
use crate::{look_at, prices, until_plan, with_queries, writes};

async fn meters(world: &World) -> Vec<Value> {
    let page = world.stripe.get("/v1/billing/meters?limit=100").await;
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_plan_with_tiers_is_a_product_two_prices_and_a_meter_with_four_writes() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan("plain", "29.00").await;
    world.plan_reason("plain", "Succeeded").await;
    world.stripe.forget_requests().await;
    world.plan_with("pro", with_queries()).await;
    let plan = world.plan_reason("pro", "Succeeded").await;
    let expected = [
        "/v1/billing/meters",
        "/v1/products",
        "/v1/prices",
        "/v1/prices",
    ];
    assert_eq!(writes(&world).await, expected);
    let requests = world.stripe.requests().await;
    let polls = |request: &&Value| request["path"] == "/v1/events";
    let own = requests.len() - requests.iter().filter(polls).count();
    assert!(own <= 9, "{own} requests: {requests:#?}");

    let (meter, metered) = the_meter_and_its_price(&world).await;
    let status = &plan["status"];
    assert_eq!(
        status["meters"],
        json!([{"eventName": "queries", "id": meter["id"]}])
    );
    assert_eq!(status["price"]["amount"], "99.00");
    assert_eq!(status["prices"][0]["component"], "base");
    assert_eq!(status["prices"][0]["amount"], "99.00 usd/month");
    assert_eq!(status["prices"][1]["component"], "usage/queries");
    assert_eq!(status["prices"][1]["id"], metered["id"]);

    world.stripe.forget_requests().await;
    look_at(&world, "pro").await;
    looked_at(&world).await;
    assert!(
        writes(&world).await.is_empty(),
        "in sync, nothing is written"
    );
    world.finish().await;
}

/// The one meter and the one price for it, as the manifest asks for them.
async fn the_meter_and_its_price(world: &World) -> (Value, Value) {
    let meters = meters(world).await;
    assert_eq!(meters.len(), 1);
    let meter = meters[0].clone();
    assert_eq!(
        [
            &meter["event_name"],
            &meter["display_name"],
            &meter["event_time_window"]
        ],
        ["queries", "Queries", "hour"]
    );
    assert_eq!(meter["default_aggregation"]["formula"], "sum");
    let metered: Vec<Value> = prices(world, "true")
        .await
        .into_iter()
        .filter(|price| price["recurring"]["usage_type"] == "metered")
        .collect();
    assert_eq!(metered.len(), 1);
    assert_eq!(metered[0]["recurring"]["meter"], meter["id"]);
    assert_eq!(
        metered[0]["metadata"]["tenantbilling_component"],
        "usage/queries"
    );
    let tiers: Vec<Value> = metered[0]["tiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tier| json!([tier["up_to"], tier["unit_amount_decimal"]]))
        .collect();
    let expected = [
        json!([100_000, "0"]),
        json!([1_000_000, "0.08"]),
        json!([null, "0.05"]),
    ];
    assert_eq!(tiers, expected);
    (meter, metered[0].clone())
}

/// Waits until a plan's product was read again.
async fn looked_at(world: &World) {
    eventually("a look", async || {
        let requests = world.stripe.requests().await;
        let is_look = |request: &Value| {
            let path = request["path"].as_str().unwrap();
            path.starts_with("/v1/products/")
        };
        let looked = requests.iter().any(is_look);
        looked
            .then_some(())
            .ok_or_else(|| "there was none".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_meter_that_exists_is_used_renamed_and_woken_and_never_put_to_sleep() {
    let world = World::new().await;
    let form = [
        ("event_name", "queries"),
        ("display_name", "Old name"),
        ("event_time_window", "hour"),
        ("default_aggregation[formula]", "sum"),
    ];
    let meter = world.stripe.post("/v1/billing/meters", &form).await;
    let path = format!("/v1/billing/meters/{}", meter["id"].as_str().unwrap());
    world.stripe.post(&format!("{path}/deactivate"), &[]).await;
    world.stripe.forget_requests().await;
    let _operator = world.operator().await;
    world.plan_with("pro", with_queries()).await;
    world.plan_reason("pro", "Succeeded").await;
    let now = world.stripe.get(&path).await;
    assert_eq!(
        [&now["status"], &now["display_name"]],
        ["active", "Queries"]
    );
    assert_eq!(
        writes(&world).await.len(),
        5,
        "two updates, a product, two prices"
    );

    world.plan_with("pro", crate::monthly("99.00")).await;
    world.plan_stalled("pro", "PriceChangeHeld").await;
    world.delete_plan("pro").await;
    assert_eq!(world.stripe.get(&path).await["status"], "active");
    world.finish().await;
}

#[tokio::test]
async fn a_meter_with_other_settings_is_named_with_both() {
    let world = World::new().await;
    let form = [
        ("event_name", "queries"),
        ("display_name", "Queries"),
        ("default_aggregation[formula]", "count"),
    ];
    let meter = world.stripe.post("/v1/billing/meters", &form).await;
    world.stripe.forget_requests().await;
    let _operator = world.operator().await;
    world.plan_with("pro", with_queries()).await;
    let message = world.plan_stalled("pro", "MeterConflict").await;
    for part in [
        "spec.usage[0].meter: ",
        meter["id"].as_str().unwrap(),
        "the count of all events",
        "the sum of the last events of each hour",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(writes(&world).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn of_two_plans_that_claim_one_meter_the_newer_is_told_before_stripe_is_asked() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan_with("old", with_queries()).await;
    world.plan_reason("old", "Succeeded").await;
    // The server's times have whole seconds; among equals the name decides, and "old" > "new".
    world.stripe.forget_requests().await;
    let mut daily = with_queries();
    daily["usage"][0]["granularity"] = json!("Day");
    world.plan_with("z-new", daily).await;
    let message = world.plan_stalled("z-new", "MeterConflict").await;
    assert!(message.contains(&world.plan_name("old")), "{message}");
    assert!(writes(&world).await.is_empty());
    let asked = world.stripe.requests().await;
    let meters = asked.iter().filter(|r| r["path"] == "/v1/billing/meters");
    assert_eq!(meters.count(), 0);

    // Without the other it is still at odds with the meter itself.
    world.delete_plan("old").await;
    let message = until_plan(&world, "z-new", "in conflict with the meter", |plan| {
        let conditions = plan["status"]["conditions"].to_string();
        conditions.contains("in Stripe counts")
    })
    .await;
    assert!(message["status"]["prices"].is_null());
    world.plan_with("z-new", with_queries()).await;
    world.plan_reason("z-new", "Succeeded").await;
    assert_eq!(meters_made(&world).await, 0, "the meter is shared");
    world.finish().await;
}

async fn meters_made(world: &World) -> usize {
    let paths = writes(world).await;
    paths
        .iter()
        .filter(|path| **path == "/v1/billing/meters")
        .count()
}

#[tokio::test]
async fn counts_are_published_without_asking_stripe() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan_with("pro", with_queries()).await;
    until_plan(&world, "pro", "counted", |plan| {
        plan["status"]["subscribers"] == 0
    })
    .await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    world.stripe.forget_requests().await;
    // A plan that may share a meter with it is a reason to look at it, not at Stripe.
    eventually("a subscriber is counted", async || {
        let tick = jiff::Timestamp::now().as_millisecond();
        world.plan_with("other", named(tick)).await;
        let plan = world.get_plan("pro").await;
        let counted = plan["status"]["subscribers"] == 1;
        counted
            .then_some(())
            .ok_or_else(|| format!("it is {plan:#}"))
    })
    .await;
    let requests = world.stripe.requests().await;
    let own = format!("tb_{}_pro_", world.namespace.replace('-', "_"));
    let asked: Vec<&Value> = requests
        .iter()
        .filter(|request| request.to_string().contains(&own))
        .collect();
    assert_eq!(asked, Vec::<&Value>::new());
    world.finish().await;
}

fn named(tick: i64) -> Value {
    let mut plan = crate::monthly("29.00");
    plan["displayName"] = json!(format!("Other {tick}"));
    plan
}
