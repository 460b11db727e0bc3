//! Webhooks without polls, polls without webhooks, and what either costs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::process::Operator;
use crate::support::world::{World, condition};
use crate::{
    NEVER, change_customer, deliver, events, heard, listening_world, newest_about, outcomes,
    until_leads, until_put_right,
};

/// A world with one tenant that is fine.
async fn acme(events: &str) -> (World, Operator) {
    let (world, _) = listening_world(events).await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    (world, operator)
}

/// How often a path was asked for since the log was emptied.
async fn asked(world: &World, path: &str) -> usize {
    let requests = world.stripe.requests().await;
    requests
        .iter()
        .filter(|request| request["path"] == path)
        .count()
}

#[tokio::test]
async fn with_webhooks_alone_a_change_is_heard_of_and_the_list_is_left_alone() {
    let (world, operator) = acme("webhook").await;
    world.stripe.forget_requests().await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let newest = events(&world).await.remove(0);
    world.stripe.forget_requests().await;
    let answer = deliver(&operator, &newest.to_string()).await;
    assert!(answer.status.is_success(), "{answer:?}");
    until_put_right(&world).await;
    let told = heard(&world, "acme", "customer.updated").await;
    assert_eq!(
        (&told["id"], &told["via"]),
        (&newest["id"], &json!("Webhook"))
    );
    assert_eq!(asked(&world, "/v1/events").await, 0);

    // The same again is known, and costs nothing.
    world.stripe.forget_requests().await;
    for _ in 0..5 {
        assert!(
            deliver(&operator, &newest.to_string())
                .await
                .status
                .is_success()
        );
    }
    assert_eq!(outcomes(&operator, "known").await, 5);
    assert_eq!(world.stripe.requests().await, Vec::<Value>::new());
    world.finish().await;
}

#[tokio::test]
async fn with_polls_alone_a_change_is_heard_of_and_quiet_times_cost_one_request_each() {
    let (world, _operator) = acme("poll").await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    until_put_right(&world).await;
    world
        .until("acme", "an event", |tenant| {
            tenant["status"]["lastEvent"]["via"] == "Poll"
        })
        .await;
    // What the correction itself caused is heard of, too; then it is quiet.
    eventually("three polls, and nothing else", async || {
        world.stripe.forget_requests().await;
        eventually("three polls", async || {
            match asked(&world, "/v1/events").await {
                0..3 => Err("not yet".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        let requests = world.stripe.requests().await;
        let others: Vec<_> = requests
            .iter()
            .filter(|r| r["path"] != "/v1/events")
            .collect();
        if others.is_empty() {
            Ok(())
        } else {
            Err(format!("there are {others:#?}"))
        }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn what_one_payment_causes_costs_a_read_for_each_object_and_no_more() {
    let (world, operator) = acme("webhook").await;
    let status = world.get("acme").await["status"].take();
    let customer = status["stripe"]["customerId"].as_str().unwrap();
    world.add_card(customer, "pm_card_visa").await;
    let subscription = status["stripe"]["subscriptionId"].as_str().unwrap();
    let before = events(&world).await.len();
    let path = format!("/v1/subscriptions/{subscription}");
    world
        .stripe
        .dashboard(&path, json!({"trial_end": "now"}))
        .await;
    let mut caused = events(&world).await;
    caused.truncate(caused.len() - before);
    let kinds: Vec<_> = caused.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"invoice.paid"), "{kinds:?}");
    world.stripe.forget_requests().await;
    for event in &caused {
        assert!(
            deliver(&operator, &event.to_string())
                .await
                .status
                .is_success()
        );
    }
    world
        .until("acme", "active", |tenant| {
            tenant["status"]["phase"] == "Active"
        })
        .await;
    eventually("all is read", async || {
        // The objects: the customer, the subscription and the invoice. Events that come while one is
        // being read have it read once more.
        let reads = world.stripe.requests().await.len();
        let taken = usize::try_from(outcomes(&operator, "taken").await).unwrap();
        assert!(reads <= taken, "{reads} requests for {taken} events");
        if reads >= 2 {
            Ok(())
        } else {
            Err(format!("{reads} reads"))
        }
    })
    .await;
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}

/// Has the sandbox send its own webhooks to the operator, signed by its own hand.
async fn connect(world: &World, operator: &Operator) {
    let url = operator.webhook_url();
    let form = [("url", url.as_str()), ("enabled_events[]", "*")];
    let endpoint = world.stripe.post("/v1/webhook_endpoints", &form).await;
    let flags = &world.options.flags;
    let file = flags.iter().position(|f| f == "--webhook-secret-file");
    let file = &flags[file.unwrap() + 1];
    std::fs::write(file, endpoint["secret"].as_str().unwrap()).unwrap();
    // Until the secret is read, deliveries are refused, and the sandbox tries again.
    change_customer(world, "acme", json!({"phone": "+1 555 0100"})).await;
    eventually("a delivery is taken", async || {
        match outcomes(operator, "taken").await + outcomes(operator, "known").await {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn with_both_what_stripe_itself_has_signed_is_heard_of_first() {
    let (mut world, _) = listening_world("both").await;
    // Long enough that no poll comes first, short enough to be patient with failures.
    world.options.set_flag("--event-poll-seconds", "30");
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    connect(&world, &operator).await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let change = events(&world).await.remove(0);
    until_put_right(&world).await;
    world
        .until("acme", "heard of by webhook", |tenant| {
            let told = &tenant["status"]["lastEvent"];
            told["via"] == "Webhook" && told["type"] == change["type"]
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn with_both_unreliable_webhooks_miss_nothing() {
    let (world, operator) = acme("both").await;
    connect(&world, &operator).await;
    // Half of what is delivered is lost for good; the rest comes late, in another order, or twice.
    world
        .stripe
        .chaos(7, 40, 50, Duration::from_millis(300))
        .await;
    for round in 0..8 {
        let name = format!("Other {round}");
        change_customer(&world, "acme", json!({"name": name})).await;
        until_put_right(&world).await;
    }
    let customer = world.get("acme").await["status"]["stripe"]["customerId"].take();
    let newest = newest_about(&events(&world).await, &[customer.as_str().unwrap()]);
    world
        .until("acme", "the newest event", |tenant| {
            tenant["status"]["lastEvent"]["id"] == newest["id"]
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn webhooks_alone_need_a_secret() {
    let mut world = World::new().await;
    world.options = world.options.flag("--events", "webhook");
    world.options = world.options.flag("--resync-seconds", NEVER);
    let start = tokio::spawn(async move { world.operator().await });
    assert!(start.await.is_err(), "it does not start");
}

#[tokio::test]
async fn a_customer_that_cannot_be_read_is_said_of_its_tenant_and_delays_no_other() {
    let (world, operator) = acme("both").await;
    world.tenant("bolt", "pro").await;
    let bolt = world.ready("bolt").await;
    let tenant = world.get("acme").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    let fault = json!({"kind": "status", "status": 500, "method": "GET", "path": path, "times": 0});
    let fault = world.stripe.fault(fault).await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let bolts = bolt["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(bolts, "pm_card_visa").await;
    world
        .until("bolt", "its card is seen", |tenant| {
            condition(tenant, "PaymentMethodReady")["status"] == "True"
        })
        .await;
    let message = world.reconciling("acme", "StripeUnavailable").await;
    assert!(message.contains("500"), "{message}");
    assert_eq!(
        condition(&world.get("bolt").await, "Ready")["status"],
        "True"
    );
    world.stripe.clear_fault(&fault).await;
    world.ready("acme").await;
    until_put_right(&world).await;
    assert!(operator.terminate().await.success());
    world.finish().await;
}
