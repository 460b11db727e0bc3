//! Webhooks: signed, retried, and as unreliable as one asks for.

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, data, id, int, text},
    openapi::openapi,
    receiver::{Delivery, Receiver},
};

/// A sandbox that retries at once, its endpoint's id and secret, and what listens there.
async fn listening(events: &str) -> (Sandbox, Receiver, String, String) {
    let sandbox = Sandbox::start_with(&["--webhook-retry-seconds", "0,0,0"]);
    let receiver = Receiver::start().await;
    let form = format!("url={}&{events}", receiver.url);
    let endpoint = sandbox.post("/v1/webhook_endpoints", form).await;
    let secret = text(&endpoint["secret"]);
    (sandbox, receiver, id(&endpoint), secret)
}

const ALL: &str = "enabled_events[]=*";

#[tokio::test]
async fn a_webhook_is_signed_with_the_endpoints_secret_and_the_time_of_sending() {
    let (sandbox, receiver, _, secret) = listening(ALL).await;
    assert!(secret.starts_with("whsec_"));
    let customer = sandbox.post("/v1/customers", "name=A").await;
    let delivery = receiver.wait_for(&sandbox, 1).await.swap_remove(0);
    let (time, valid) = delivery.verify(&secret);
    assert!(valid, "{}", delivery.signature);
    assert!(
        (delivery.at - time).abs() <= 5,
        "signed at {time}, received at {}",
        delivery.at
    );
    let (_, valid) = delivery.verify("whsec_another");
    assert!(!valid);
    let event = delivery.event();
    assert_eq!(event["type"], "customer.created");
    assert_eq!(event["data"]["object"], customer);
    openapi()
        .check_object(&event)
        .expect("an event of Stripe's");
    let stored = sandbox.get(format!("/v1/events/{}", id(&event))).await;
    assert_eq!(stored["data"], event["data"]);
}

#[tokio::test]
async fn an_endpoint_hears_only_what_it_asked_for() {
    let (sandbox, receiver, ..) = listening("enabled_events[]=product.created").await;
    sandbox.post("/v1/customers", "name=A").await;
    sandbox.post("/v1/products", "name=Plan").await;
    let deliveries = receiver.wait_for(&sandbox, 1).await;
    assert_eq!(
        deliveries.iter().map(Delivery::kind).collect::<Vec<_>>(),
        ["product.created"]
    );
}

#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_with_the_same_event() {
    let (sandbox, receiver, _, secret) = listening(ALL).await;
    receiver.answer(&[500, 404]);
    sandbox.post("/v1/customers", "name=A").await;
    let deliveries = receiver.wait_for(&sandbox, 3).await;
    assert!(
        deliveries
            .iter()
            .all(|delivery| id(&delivery.event()) == id(&deliveries[0].event()))
    );
    assert!(deliveries.iter().all(|delivery| delivery.verify(&secret).1));
    let event = id(&deliveries[0].event());
    let delivered = || async {
        let event = sandbox.get(format!("/v1/events/{event}")).await;
        (event["pending_webhooks"] == 0).then_some(())
    };
    sandbox.eventually("nothing pending", delivered).await;
    assert_eq!(receiver.deliveries().len(), 3, "delivered is delivered");
}

#[tokio::test]
async fn a_payload_is_frozen_when_the_event_happens() {
    let (sandbox, receiver, ..) = listening("enabled_events[]=customer.created").await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "pause"}))
        .await;
    let customer = sandbox.post("/v1/customers", "name=Old").await;
    sandbox
        .post(format!("/v1/customers/{}", id(&customer)), "name=New")
        .await;
    assert!(receiver.deliveries().is_empty());
    sandbox
        .control("POST", "/webhooks/flush", Value::Null)
        .await;
    let delivery = receiver.wait_for(&sandbox, 1).await.swap_remove(0);
    assert_eq!(delivery.event()["data"]["object"]["name"], "Old");
}

#[tokio::test]
async fn webhooks_can_come_twice() {
    let (sandbox, receiver, ..) = listening(ALL).await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "duplicate"}))
        .await;
    sandbox.post("/v1/customers", "name=A").await;
    let deliveries = receiver.wait_for(&sandbox, 2).await;
    assert_eq!(deliveries[0].body, deliveries[1].body);
}

#[tokio::test]
async fn webhooks_can_stay_away() {
    let (sandbox, receiver, ..) = listening(ALL).await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "drop"}))
        .await;
    sandbox.post("/v1/customers", "name=lost").await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "normal"}))
        .await;
    sandbox.post("/v1/products", "name=Plan").await;
    let deliveries = receiver.wait_for(&sandbox, 1).await;
    assert_eq!(deliveries[0].kind(), "product.created");
    assert_eq!(
        data(&sandbox.get("/v1/events").await).len(),
        2,
        "the event itself is there"
    );
}

#[tokio::test]
async fn webhooks_can_come_in_reverse() {
    let (sandbox, receiver, ..) = listening(ALL).await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "pause"}))
        .await;
    sandbox.post("/v1/customers", "name=A").await;
    sandbox.post("/v1/products", "name=Plan").await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "reverse"}))
        .await;
    sandbox
        .control("POST", "/webhooks/flush", Value::Null)
        .await;
    let kinds: Vec<_> = receiver
        .wait_for(&sandbox, 2)
        .await
        .iter()
        .map(Delivery::kind)
        .collect();
    assert_eq!(kinds, ["product.created", "customer.created"]);
}

/// Waits until no webhook is under way.
async fn quiet(sandbox: &Sandbox) {
    let quiet = || async {
        let state = sandbox.control("GET", "/state", Value::Null).await;
        (state["webhooks_outstanding"] == 0).then_some(())
    };
    sandbox.eventually("nothing under way", quiet).await;
}

/// What a seed made of twenty-four customers' creation, in the order in which they arrived.
async fn heard(chaos: Value) -> Vec<String> {
    let (sandbox, receiver, ..) = listening("enabled_events[]=customer.created").await;
    sandbox.control("POST", "/webhooks", chaos).await;
    for number in 0..24 {
        let form = format!("name={number}");
        sandbox.post("/v1/customers", form).await;
    }
    quiet(&sandbox).await;
    let name = |delivery: &Delivery| text(&delivery.event()["data"]["object"]["name"]);
    receiver.deliveries().iter().map(name).collect()
}

#[tokio::test]
async fn webhooks_can_be_lost_doubled_and_shuffled_and_a_seed_says_which() {
    let chaos = json!({"mode": "chaos", "seed": 7, "duplicate_percent": 0, "lose_percent": 40, "max_delay_ms": 200});
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names
    };
    let first = heard(chaos.clone()).await;
    assert!((1..24).contains(&first.len()), "{first:?}");
    assert_ne!(first, sorted_by_number(&first), "shuffled");
    let second = heard(chaos).await;
    assert_eq!(
        sorted(first),
        sorted(second),
        "the seed says which are lost"
    );
    let all = json!({"mode": "chaos", "seed": 7, "lose_percent": 100});
    assert!(heard(all).await.is_empty());
}

fn sorted_by_number(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort_by_key(|name| name.parse::<u32>().expect("a number"));
    names
}

#[tokio::test]
async fn what_chaos_is_to_be_is_checked() {
    let sandbox = Sandbox::start();
    for wrong in [
        json!({"mode": "normal", "seed": 1}),
        json!({"mode": "chaos", "lose_percent": 101}),
        json!({"mode": "chaos", "loose_percent": 1}),
    ] {
        let answer = sandbox.post("/_sandbox/webhooks", &wrong).page().await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn webhooks_in_chaos_can_all_come_twice() {
    let (sandbox, receiver, ..) = listening(ALL).await;
    let chaos = json!({"mode": "chaos", "duplicate_percent": 100, "max_delay_ms": 20});
    sandbox.control("POST", "/webhooks", chaos).await;
    for name in ["A", "B", "C"] {
        sandbox.post("/v1/customers", format!("name={name}")).await;
    }
    quiet(&sandbox).await;
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 6, "what is under way counts each copy");
    let mut ids: Vec<_> = deliveries.iter().map(|it| id(&it.event())).collect();
    ids.sort_unstable();
    assert!(
        ids.chunks(2).all(|pair| pair[0] == pair[1]),
        "each twice: {ids:?}"
    );
}

#[tokio::test]
async fn a_thousand_events_at_once_all_arrive_once() {
    let (sandbox, receiver, ..) = listening(ALL).await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "pause"}))
        .await;
    for number in 0..1_000 {
        let form = format!("name={number}");
        sandbox.post("/v1/customers", form).wrong().await;
    }
    sandbox
        .control("POST", "/webhooks", json!({"mode": "normal"}))
        .await;
    let deliveries = receiver.wait_for(&sandbox, 1_000).await;
    let mut ids: Vec<_> = deliveries.iter().map(|it| id(&it.event())).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
}

#[tokio::test]
async fn what_is_due_by_the_wall_clock_is_told_though_nobody_asks() {
    let (sandbox, receiver, ..) = listening("enabled_events[]=checkout.session.expired").await;
    let form = "mode=setup&currency=usd&success_url=https://a.example";
    sandbox.post("/v1/checkout/sessions", form).await;
    sandbox
        .settings(json!({"now_offset_seconds": 2 * 86_400}))
        .await;
    let told = receiver.wait_for(&sandbox, 1).await;
    assert_eq!(told[0].event()["data"]["object"]["status"], "expired");
}

#[tokio::test]
async fn the_secret_is_told_once() {
    let (sandbox, _, endpoint, _) = listening(ALL).await;
    let path = format!("/v1/webhook_endpoints/{endpoint}");
    assert_eq!(sandbox.get(&path).await.get("secret"), None);
    let listed = sandbox.get("/v1/webhook_endpoints").await;
    assert_eq!(data(&listed)[0].get("secret"), None);
}

#[tokio::test]
async fn a_disabled_endpoint_hears_nothing_and_a_deleted_one_is_gone() {
    let (sandbox, receiver, endpoint, _) = listening(ALL).await;
    let path = format!("/v1/webhook_endpoints/{endpoint}");
    assert_eq!(
        sandbox.post(&path, "disabled=true").await["status"],
        "disabled"
    );
    sandbox.post("/v1/customers", "name=unheard").await;
    sandbox.post(&path, "disabled=false").await;
    sandbox.post("/v1/products", "name=Plan").await;
    assert_eq!(
        receiver.wait_for(&sandbox, 1).await[0].kind(),
        "product.created"
    );
    assert_eq!(sandbox.delete(&path).await["deleted"], true);
    sandbox.get(&path).refused(404).await;
}

#[tokio::test]
async fn a_failing_webhook_holds_back_the_finalization_of_a_renewal() {
    use crate::fixtures::{HOUR, Tenant, monthly, period};
    let (sandbox, _receiver, ..) = listening("enabled_events[]=invoice.created").await;
    sandbox
        .control("POST", "/webhooks", json!({"mode": "pause"}))
        .await;
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let (_, end) = period(&subscribed);
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["status"], "draft", "nobody has heard of it yet");
    sandbox.advance(&tenant.clock, end + 73 * HOUR).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["status"], "paid", "72 hours are enough");
    assert!(int(&invoice["status_transitions"]["finalized_at"]) > end + HOUR);
}
