//! What happens when the terms of a plan change.

use serde_json::{Value, json};

use crate::support::{eventually, world::World};
use crate::{annotate, look_at, monthly, prices, until_plan, writes};

async fn price_of(world: &World, tenant: &str) -> Value {
    let (_, subscription) = world.one_of_each(tenant, None).await;
    subscription["items"]["data"][0]["price"].clone()
}

#[tokio::test]
async fn a_jump_is_held_and_the_plan_sold_at_its_old_price_until_it_is_approved() {
    let world = World::new().await;
    let operator = world.operator().await;
    world.plan("pro", "99.00").await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    world.plan("pro", "9900.00").await;
    let message = world.plan_stalled("pro", "PriceChangeHeld").await;
    for part in ["9900.00 usd a month", "99.00 usd", "more than 5 times"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(writes(&world).await.is_empty(), "no price is made");
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    assert_eq!(price_of(&world, "acme").await["unit_amount"], 9900);

    // The next operator knows it as well.
    operator.kill();
    let _operator = world.operator().await;
    world.tenant("newcomer", "pro").await;
    world.ready("newcomer").await;
    assert_eq!(price_of(&world, "newcomer").await["unit_amount"], 9900);
    assert_eq!(prices(&world, "true").await.len(), 1);

    let command = message.split("run: ").nth(1).unwrap();
    let name = world.plan_name("pro");
    let wanted = format!("kubectl annotate billingplan {name} tenantbilling.io/approve-prices=");
    assert!(command.starts_with(&wanted), "{command}");
    let terms = command[wanted.len()..].split(' ').next().unwrap();
    annotate(&world, "pro", "tenantbilling.io/approve-prices", terms).await;
    let plan = world.plan_reason("pro", "Succeeded").await;
    assert_eq!(plan["status"]["price"]["amount"], "9900.00");
    assert_eq!(prices(&world, "true").await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn another_currency_waits_for_approval() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan_with("pro", monthly("99.00")).await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    let mut euros = monthly("99.00");
    euros["currency"] = json!("eur");
    world.plan_with("pro", euros).await;
    let message = world.plan_stalled("pro", "PriceChangeHeld").await;
    assert!(message.contains("from usd to eur"), "{message}");
    let plan = world.get_plan("pro").await;
    assert_eq!(plan["status"]["price"]["currency"], "usd");
    assert!(writes(&world).await.is_empty());
    world.plan_with("pro", monthly("99.00")).await;
    world.plan_reason("pro", "Succeeded").await;
    assert!(
        writes(&world).await.is_empty(),
        "taken back, nothing was done"
    );
    world.finish().await;
}

#[tokio::test]
async fn terms_that_go_back_and_forth_find_the_prices_they_had() {
    let world = World::new().await;
    let _operator = world.operator().await;
    for amount in ["99.00", "109.00", "99.00", "109.00", "99.00"] {
        world.plan("pro", amount).await;
        let plan = world.plan_reason("pro", "Succeeded").await;
        assert_eq!(plan["status"]["price"]["amount"], amount);
        // The older one is nobody's.
        until_plan(&world, "pro", "without older prices", |plan| {
            plan["status"]["olderPriceCount"] == 0
        })
        .await;
        let active = prices(&world, "true").await;
        assert_eq!(active.len(), 1);
        assert_eq!(active[0]["id"], plan["status"]["price"]["id"]);
    }
    assert_eq!(
        prices(&world, "false").await.len(),
        1,
        "there are two in all"
    );
    world.finish().await;
}

#[tokio::test]
async fn an_older_price_is_archived_when_its_last_subscriber_leaves() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan("starter", "29.00").await;
    world.plan("pro", "99.00").await;
    world.tenant("acme", "pro").await;
    world.tenant("globex", "pro").await;
    world.ready("acme").await;
    world.ready("globex").await;
    let older = price_of(&world, "acme").await;

    world.plan_with("pro", grandfathering("109.00")).await;
    world.plan_reason("pro", "Succeeded").await;
    let plan = until_plan(&world, "pro", "two on an older price", |plan| {
        plan["status"]["olderPrices"][0]["subscribers"] == 2
    })
    .await;
    let status = &plan["status"];
    assert_eq!(status["olderPrices"][0]["id"], older["id"]);
    assert_eq!(status["olderPrices"][0]["component"], "base");
    assert_eq!(status["subscribers"], 2);
    assert_eq!(status["prices"][0]["subscribers"], 0);
    assert_eq!(status["rollout"]["onOlderPrices"], 2);

    world
        .edit("acme", json!({"plan": world.plan_name("starter")}))
        .await;
    world.ready("acme").await;
    until_plan(&world, "pro", "one on an older price", |plan| {
        plan["status"]["olderPrices"][0]["subscribers"] == 1
    })
    .await;
    let path = format!("/v1/prices/{}", older["id"].as_str().unwrap());
    assert_eq!(world.stripe.get(&path).await["active"], true);

    world
        .edit("globex", json!({"plan": world.plan_name("starter")}))
        .await;
    world.ready("globex").await;
    let plan = until_plan(&world, "pro", "no older price", |plan| {
        plan["status"]["olderPriceCount"] == 0
    })
    .await;
    assert_eq!(plan["status"]["subscribers"], 0);
    assert_eq!(world.stripe.get(&path).await["active"], false);
    world.finish().await;
}

#[tokio::test]
async fn an_older_price_that_cannot_be_archived_stops_nothing() {
    let world = World::new().await;
    let _operator = world.operator().await;
    world.plan("pro", "99.00").await;
    let plan = world.plan_reason("pro", "Succeeded").await;
    let status = &plan["status"];
    let product = status["productId"].as_str().unwrap();
    let default = json!({"default_price": status["price"]["id"]});
    let path = format!("/v1/products/{product}");
    world.stripe.dashboard(&path, default).await;
    world.plan("pro", "109.00").await;
    let plan = until_plan(&world, "pro", "at its new price", |plan| {
        plan["status"]["price"]["amount"] == "109.00" && plan["status"]["olderPriceCount"] == 1
    })
    .await;
    let older = plan["status"]["olderPrices"][0]["id"].as_str().unwrap();
    let archiving = format!("/v1/prices/{older}");
    eventually("archiving it was tried", async || {
        look_at(&world, "pro").await;
        let tried = writes(&world).await.contains(&archiving);
        tried.then_some(()).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    world.plan_with("pro", renamed("109.00")).await;
    world.plan_reason("pro", "Succeeded").await;
    assert_eq!(world.stripe.get(&archiving).await["active"], true);
    world.finish().await;
}

fn renamed(amount: &str) -> Value {
    let mut plan = monthly(amount);
    plan["displayName"] = json!("Professional");
    plan
}

fn grandfathering(amount: &str) -> Value {
    let mut plan = monthly(amount);
    plan["rollout"] = json!({"existing": "Grandfather"});
    plan
}
