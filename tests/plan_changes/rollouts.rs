//! New terms of a plan, and the tenants on the old ones.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::payer::{ACME, DAY, PERIOD, Payer, cents, dollars, share};
use crate::support::world::World;

fn terms(amount: &str, rollout: Value) -> Value {
    let mut plan = dollars(amount, "Month");
    if !rollout.is_null() {
        plan["rollout"] = rollout;
    }
    plan
}

async fn price_of(world: &World, name: &str, clock: Option<&str>) -> i64 {
    let (_, subscription) = world.one_of_each(name, clock).await;
    subscription["items"]["data"][0]["price"]["unit_amount"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn tenants_keep_the_price_they_have_unless_the_plan_says_otherwise() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    world.plan_with("pro", terms("109.00", Value::Null)).await;
    world.plan_reason("pro", "Succeeded").await;
    world.look_again(ACME).await;
    assert_eq!(price_of(world, ACME, Some(&payer.clock)).await, 9900);
    // Whoever comes now gets the new price, and so does one who comes back.
    payer.edit(json!({"plan": "enterprise"})).await;
    payer.settled().await;
    payer
        .edit(json!({"plan": "pro", "planChange": {"downgrade": "Now"}}))
        .await;
    payer.settled().await;
    assert_eq!(price_of(world, ACME, Some(&payer.clock)).await, 10_900);
    payer.finish().await;
}

#[tokio::test]
async fn at_renewal_they_get_the_new_price_with_the_next_period() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    payer.at(10 * DAY).await;
    world
        .plan_with("pro", terms("109.00", json!({"existing": "AtRenewal"})))
        .await;
    let change = payer.change("Scheduled").await;
    assert_eq!(change["effectiveAt"], "2026-12-01T00:00:00Z");
    assert_eq!(price_of(world, ACME, Some(&payer.clock)).await, 9900);
    payer.at(PERIOD + 7200).await;
    payer.settled().await;
    assert_eq!(payer.totals().await, [9900, 10_900]);
    assert_eq!(payer.subscription().await["schedule"], Value::Null);
    payer.finish().await;
}

#[tokio::test]
async fn a_rollout_taken_back_before_the_renewal_changes_nothing() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    world
        .plan_with("pro", terms("109.00", json!({"existing": "AtRenewal"})))
        .await;
    payer.change("Scheduled").await;
    world
        .plan_with("pro", terms("109.00", json!({"existing": "Grandfather"})))
        .await;
    payer.settled().await;
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 9900]);
    payer.finish().await;
}

#[tokio::test]
async fn now_they_get_the_new_price_at_once_and_its_charge_is_known_before() {
    let payer = Payer::on("pro", json!({})).await;
    payer.at(10 * DAY).await;
    let now = json!({"existing": "Now"});
    payer.world.plan_with("pro", terms("109.00", now)).await;
    let change = payer.change("Applied").await;
    let rest = PERIOD - 10 * DAY;
    let difference = share(10_900, rest, PERIOD) - share(9900, rest, PERIOD);
    assert_eq!(cents(&change["preview"]["amount"]), difference);
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 10_900 + difference]);
    payer.finish().await;
}

#[tokio::test]
async fn a_rollout_has_a_rate_and_can_be_paused() {
    let world = World::new().await;
    world.plan_with("pro", terms("99.00", Value::Null)).await;
    let _operator = world.operator().await;
    let names = ["a", "b", "c"];
    for name in names {
        world.tenant(name, "pro").await;
        let tenant = world.reason(name, "PaymentMethodMissing").await;
        let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
        world.add_card(customer, "pm_card_visa").await;
        world.ready(name).await;
    }
    let queued = async |name: &str, expected: &str, check: &dyn Fn(&Value) -> bool| -> Value {
        let tenant = world
            .until(name, expected, |tenant| {
                let change = &tenant["status"]["planChange"];
                change["state"] == "Queued" && check(&change["effectiveAt"])
            })
            .await;
        tenant["status"]["planChange"]["effectiveAt"].clone()
    };
    let slow = json!({"existing": "Now", "perHour": 2});
    world.plan_with("pro", terms("109.00", slow)).await;
    let mut turns: Vec<Timestamp> = Vec::new();
    for name in names {
        let turn = queued(name, "queued", &|at| at.is_string()).await;
        turns.push(turn.as_str().unwrap().parse().unwrap());
    }
    turns.sort_unstable();
    for pair in turns.windows(2) {
        assert_eq!(
            pair[1].duration_since(pair[0]).as_secs(),
            1800,
            "two an hour"
        );
    }
    let paused = json!({"existing": "Now", "paused": true});
    world.plan_with("pro", terms("109.00", paused)).await;
    for name in names {
        queued(name, "paused", &|at| at.is_null()).await;
        assert_eq!(price_of(&world, name, None).await, 9900);
    }
    let fast = json!({"existing": "Now", "perHour": 36_000});
    world.plan_with("pro", terms("109.00", fast)).await;
    for name in names {
        world
            .until(name, "moved", |tenant| {
                tenant["status"]["planChange"]["state"] == "Applied"
            })
            .await;
        assert_eq!(price_of(&world, name, None).await, 10_900);
    }
    world.finish().await;
}
