//! Several operators on one lease, and an operator whose knowledge of Stripe is old: one acts, and
//! on what is true.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use support::{
    eventually,
    process::Operator,
    sandbox::get_text,
    world::{World, condition, id},
};
use tenant_billing::{api::BillingPlanSpec, converge::catalogue};

const TENANT: &str = "acme";

/// The value of a metric; nothing while it has none.
async fn metric(operator: &Operator, name: &str) -> Option<f64> {
    let (status, text) = get_text(&format!("{}/metrics", operator.url())).await;
    assert!(status.is_success(), "{status}: {text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map(|value| value.parse().unwrap())
}

async fn leads(operator: &Operator) -> bool {
    metric(operator, "tenant_billing_leader").await == Some(1.0)
}

async fn until_leads(operator: &Operator) {
    eventually("the operator leads", async || {
        if leads(operator).await {
            Ok(())
        } else {
            Err("it does not".to_owned())
        }
    })
    .await;
}

/// How many changes in Stripe an operator has told of.
fn changes(operator: &Operator) -> usize {
    operator
        .process()
        .log()
        .matches("\"changed Stripe\"")
        .count()
}

/// Two operators; the first leads, and has a tenant in order.
async fn two_operators(world: &World) -> (Operator, Operator) {
    let leader = world.operator().await;
    until_leads(&leader).await;
    let standby = world.operator().await;
    world.plan("pro", "99.00").await;
    world.plan("starter", "29.00").await;
    world.tenant(TENANT, "pro").await;
    world.ready(TENANT).await;
    assert!(!leads(&standby).await);
    assert_eq!(changes(&standby), 0);
    assert!(changes(&leader) >= 2);
    (leader, standby)
}

async fn rename(world: &World, name: &str) {
    world
        .edit(TENANT, json!({"customer": {"name": name}}))
        .await;
    world.ready(TENANT).await;
    let (customer, _) = world.one_of_each(TENANT, None).await;
    assert_eq!(customer["name"], name);
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_hands_over_at_once() {
    let mut world = World::new().await;
    let lease = Duration::from_secs(30);
    world
        .options
        .set_flag("--lease-duration-seconds", &lease.as_secs().to_string());
    let (leader, standby) = two_operators(&world).await;
    world.stripe.forget_requests().await;
    let asked = Instant::now();
    assert!(leader.terminate().await.success());
    until_leads(&standby).await;
    assert!(asked.elapsed() < lease / 2, "it took {:?}", asked.elapsed());
    rename(&world, "Acme Ltd").await;
    assert_eq!(changes(&standby), 1);
    assert_eq!(
        world.stripe.writes().await.len(),
        1,
        "the edit, and nothing else"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_when_its_lease_has_run_out() {
    let world = World::new().await;
    let (leader, standby) = two_operators(&world).await;
    world.stripe.forget_requests().await;
    leader.kill();
    let killed = Instant::now();
    world
        .edit(TENANT, json!({"customer": {"name": "Acme Ltd"}}))
        .await;
    until_leads(&standby).await;
    // The last renewal is at most a fifth of the lease old.
    let least = Duration::from_millis(2400);
    assert!(
        killed.elapsed() >= least,
        "already after {:?}",
        killed.elapsed()
    );
    world.ready(TENANT).await;
    let (customer, _) = world.one_of_each(TENANT, None).await;
    assert_eq!(customer["name"], "Acme Ltd");
    assert_eq!(
        world.stripe.writes().await.len(),
        1,
        "the edit, and nothing else"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_leader_that_hung_past_its_lease_changes_nothing_and_ends() {
    let world = World::new().await;
    let (mut leader, standby) = two_operators(&world).await;
    let before = changes(&leader);
    leader.process().pause();
    // What the old leader is going to see first when it goes on.
    world
        .edit(TENANT, json!({"customer": {"name": "Acme Ltd"}}))
        .await;
    until_leads(&standby).await;
    world.ready(TENANT).await;
    let (customer, _) = world.one_of_each(TENANT, None).await;
    let path = format!("/v1/customers/{}", id(&customer));
    assert_eq!(customer["name"], "Acme Ltd");
    assert_eq!(changes(&standby), 1);

    // With the events the new leader would see the change in the Dashboard, too.
    let deaf = json!({"method": "GET", "path": "/v1/events", "kind": "status", "times": 0});
    world.stripe.fault(deaf).await;
    world
        .stripe
        .dashboard(&path, json!({"name": "Somebody else"}))
        .await;
    world.stripe.forget_requests().await;
    leader.process().resume();
    let status = leader.ended().await;
    assert!(
        !status.success(),
        "a fresh start cannot act on old knowledge: {status}"
    );
    assert_eq!(changes(&leader), before);
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
    world.one_of_each(TENANT, None).await;
    world.finish().await;
}

#[tokio::test]
async fn a_creation_of_the_old_leader_that_arrives_late_is_not_doubled() {
    for path in ["/v1/customers", "/v1/subscriptions"] {
        let world = World::new().await;
        world.plan("pro", "99.00").await;
        let mut leader = world.operator().await;
        world.plan_reason("pro", "Succeeded").await;
        let standby = world.operator().await;
        let held = json!({"method": "POST", "path": path, "kind": "hold_before"});
        let fault = world.stripe.fault(held).await;
        world.tenant(TENANT, "pro").await;
        eventually("the creation is on its way", async || {
            match world.stripe.fault_hits(&fault).await {
                0 => Err("it is not".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        leader.process().pause();
        until_leads(&standby).await;
        // The new leader tries the same, under the same key, while the first is on its way.
        eventually("the new leader has tried", async || {
            let mut requests = world.stripe.writes().await;
            requests.retain(|request| request["path"] == path);
            if requests.len() > 1 {
                Ok(())
            } else {
                Err(format!("{requests:?}"))
            }
        })
        .await;
        world.stripe.clear_fault(&fault).await;
        world.ready(TENANT).await;
        leader.process().resume();
        assert!(!leader.ended().await.success());
        world.ready(TENANT).await;
        let (customer, _) = world.one_of_each(TENANT, None).await;
        assert_eq!(world.subscriptions(id(&customer)).await.len(), 1);
        drop(standby);
        world.finish().await;
    }
}

/// An operator that has listed the account, has a tenant in order and from then on hears of nothing
/// that happens in Stripe.
async fn deaf_operator(world: &World) -> (Operator, Value, Value) {
    let operator = world.operator().await;
    world.plan("pro", "99.00").await;
    world.plan("starter", "29.00").await;
    world.tenant(TENANT, "pro").await;
    world.ready(TENANT).await;
    world.plan_reason("starter", "Succeeded").await;
    let (customer, subscription) = world.one_of_each(TENANT, None).await;
    let deaf = json!({"method": "GET", "path": "/v1/events", "kind": "status", "times": 0});
    let fault = world.stripe.fault(deaf).await;
    eventually("events are not heard", async || {
        match world.stripe.fault_hits(&fault).await {
            0 => Err("no poll yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    (operator, customer, subscription)
}

#[tokio::test]
async fn what_has_changed_unheard_is_read_again_before_it_is_changed() {
    let world = World::new().await;
    let (_operator, customer, subscription) = deaf_operator(&world).await;
    let prices = world.stripe.get("/v1/prices?limit=100").await;
    let prices = prices["data"].as_array().unwrap();
    let starter = prices
        .iter()
        .find(|price| price["unit_amount"] == 2900)
        .unwrap();
    let item = &subscription["items"]["data"][0];
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let swap = json!({"items": [{"id": item["id"], "price": starter["id"]}]});
    world.stripe.dashboard(&path, swap).await;
    let path = format!("/v1/customers/{}", id(&customer));
    let other = json!({"email": "someone@else.example", "name": "Acme Ltd"});
    world.stripe.dashboard(&path, other).await;
    world.stripe.forget_requests().await;

    // The name is by now what the manifest asks for; the rest is not.
    rename(&world, "Acme Ltd").await;
    let (customer, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(customer["email"], "billing@acme.example");
    assert_eq!(
        subscription["items"]["data"][0]["price"]["unit_amount"],
        9900
    );
    let writes = world.stripe.writes().await;
    assert_eq!(
        writes.len(),
        2,
        "the e-mail address and the price: {writes:#?}"
    );
    assert_eq!(
        writes[0]["params"],
        json!({"email": "billing@acme.example", "expand": {"0": "tax"}}),
        "what differs, and nothing else"
    );
    world.finish().await;
}

#[tokio::test]
async fn what_is_right_already_is_not_written_again() {
    let world = World::new().await;
    let (_operator, customer, _) = deaf_operator(&world).await;
    let path = format!("/v1/customers/{}", id(&customer));
    world
        .stripe
        .dashboard(&path, json!({"name": "Acme Ltd"}))
        .await;
    world.stripe.forget_requests().await;
    rename(&world, "Acme Ltd").await;
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_subscription_cancelled_unheard_is_not_replaced() {
    let world = World::new().await;
    let (_operator, customer, subscription) = deaf_operator(&world).await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let cancel = json!({"method": "DELETE", "path": path, "params": {}});
    world
        .stripe
        .control(Method::POST, "/dashboard", cancel)
        .await;
    world.stripe.forget_requests().await;
    world
        .edit(TENANT, json!({"plan": world.plan_name("starter")}))
        .await;
    let tenant = world.reason(TENANT, "CanceledInStripe").await;
    assert_eq!(condition(&tenant, "Stalled")["status"], "True");
    assert_eq!(world.subscriptions(id(&customer)).await.len(), 1);
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_customer_deleted_unheard_is_not_replaced() {
    let world = World::new().await;
    let (_operator, customer, _) = deaf_operator(&world).await;
    let path = format!("/v1/customers/{}", id(&customer));
    let delete = json!({"method": "DELETE", "path": path, "params": {}});
    world
        .stripe
        .control(Method::POST, "/dashboard", delete)
        .await;
    world.stripe.forget_requests().await;
    world
        .edit(TENANT, json!({"customer": {"name": "Acme Ltd"}}))
        .await;
    world.reason(TENANT, "CustomerDeleted").await;
    assert!(world.customers(TENANT, None).await.is_empty());
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}

/// Holds the operator's request back, lets somebody else do the same, and lets it go.
async fn overtaken(world: &World, path: &str, form: &[(&str, &str)]) {
    let held = json!({"kind": "hold_before", "method": "POST", "path": path, "times": 1});
    let held = world.stripe.fault(held).await;
    world.plan("pro", "99.00").await;
    eventually("the operator's request is held", async || {
        match world.stripe.fault_hits(&held).await {
            0 => Err("there is none".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    world.stripe.post(path, form).await;
    world.stripe.clear_fault(&held).await;
    let plan = world.plan_reason("pro", "Succeeded").await;
    let key = plan["status"]["price"]["lookupKey"].as_str().unwrap();
    let prices = world
        .stripe
        .get(&format!("/v1/prices?lookup_keys[]={key}"))
        .await;
    assert_eq!(prices["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_another_replica_made_of_a_plan_meanwhile_is_taken_up() {
    for path in ["/v1/products", "/v1/prices"] {
        let world = World::new().await;
        let _operator = world.operator().await;
        let name = world.plan_name("pro");
        let spec = json!({"currency": "usd", "base": {"amount": "99.00"}});
        let spec: BillingPlanSpec = serde_json::from_value(spec).unwrap();
        let plan = catalogue::desired(&world.namespace, &name, &spec).unwrap();
        let (product, lookup_key) = (plan.product_id(), plan.lookup_key());
        let form: &[(&str, &str)] = if path == "/v1/products" {
            &[("id", &product), ("name", &name)]
        } else {
            &[
                ("product", &product),
                ("lookup_key", &lookup_key),
                ("unit_amount", "9900"),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ]
        };
        overtaken(&world, path, form).await;
        world.finish().await;
    }
}
