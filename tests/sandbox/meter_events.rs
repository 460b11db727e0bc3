//! Meter events: which are taken, which are refused, and how they are taken back.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, meter, usage},
    harness::Sandbox,
    meters::{START, total},
};

#[tokio::test]
async fn an_identifier_is_taken_for_a_day() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    meter(&sandbox, "calls", "").await;
    let event = usage(&tenant.customer, "calls", "1", at(START));
    let named = format!("{event}&identifier=a-1");
    let first = sandbox.post("/v1/billing/meter_events", &named).await;
    assert_eq!(first["identifier"], "a-1");
    let again = sandbox
        .post("/v1/billing/meter_events", &named)
        .refused(400)
        .await;
    assert_eq!(again["type"], "invalid_request_error");
    assert_eq!(
        again["message"],
        "An event already exists with identifier a-1."
    );
    // Without one each event gets its own.
    let one = sandbox.post("/v1/billing/meter_events", &event).await;
    let other = sandbox.post("/v1/billing/meter_events", &event).await;
    assert_ne!(one["identifier"], other["identifier"]);
    sandbox
        .settings(json!({"now_offset_seconds": DAY + HOUR}))
        .await;
    sandbox.post("/v1/billing/meter_events", &named).await;
}

#[tokio::test]
async fn a_request_sent_again_under_its_idempotency_key_counts_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let event = usage(&tenant.customer, "calls", "5", at(START));
    for _ in 0..2 {
        sandbox
            .post("/v1/billing/meter_events", &event)
            .idempotency_key("k")
            .await;
    }
    let (from, to) = (at(START), at(START) + HOUR);
    assert_eq!(total(&sandbox, &meter, &tenant, from, to).await, 5);
}

#[tokio::test]
async fn a_timestamp_is_at_most_35_days_old_and_5_minutes_early_in_the_customers_time() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    meter(&sandbox, "calls", "").await;
    let now = at(START);
    for (time, code) in [
        (now - 35 * DAY, None),
        (now - 35 * DAY - 1, Some("timestamp_too_far_in_past")),
        (now + 300, None),
        (now + 301, Some("timestamp_in_future")),
    ] {
        let event = usage(&tenant.customer, "calls", "1", time);
        let request = sandbox.post("/v1/billing/meter_events", event);
        match code {
            None => assert_eq!(request.await["timestamp"], time),
            Some(code) => assert_eq!(request.refused(400).await["code"], code),
        }
    }
    let event = format!(
        "event_name=calls&payload[stripe_customer_id]={}&payload[value]=1",
        tenant.customer
    );
    let event = sandbox.post("/v1/billing/meter_events", event).await;
    assert_eq!(event["timestamp"], now, "without one it is now");
}

#[tokio::test]
async fn an_adjustment_takes_an_event_back_for_a_day() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let (from, to) = (at(START), at(START) + HOUR);
    for (name, value) in [("a", 5), ("b", 7)] {
        let event = usage(&tenant.customer, "calls", &value.to_string(), from);
        let event = format!("{event}&identifier={name}");
        sandbox.post("/v1/billing/meter_events", event).await;
    }
    let cancel = |name: &str| {
        let form = format!("event_name=calls&type=cancel&cancel[identifier]={name}");
        sandbox.post("/v1/billing/meter_event_adjustments", form)
    };
    let adjustment = cancel("b").await;
    assert_eq!(adjustment["status"], "complete");
    assert_eq!(adjustment["cancel"]["identifier"], "b");
    assert_eq!(total(&sandbox, &meter, &tenant, from, to).await, 5);
    for wrong in ["b", "unheard-of"] {
        let error = cancel(wrong).refused(400).await;
        assert_eq!(error["param"], "cancel[identifier]", "{wrong}");
    }
    sandbox
        .settings(json!({"now_offset_seconds": DAY + HOUR}))
        .await;
    cancel("a").refused(400).await;
    assert_eq!(total(&sandbox, &meter, &tenant, from, to).await, 5);
}

#[tokio::test]
async fn what_only_a_later_look_finds_wrong_is_accepted_and_never_counts() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let meter = meter(&sandbox, "calls", "").await;
    let now = at(START);
    let wrong = [
        (tenant.customer.as_str(), "1.5"),
        (tenant.customer.as_str(), "many"),
        (tenant.customer.as_str(), "1234567890123456"),
    ];
    for (customer, value) in wrong {
        let event = usage(customer, "calls", value, now);
        sandbox.post("/v1/billing/meter_events", event).await;
    }
    let unknown = usage("cus_nobody", "calls", "1", now);
    // Nobody's clock is the wall clock, where this is long ago or in the future.
    let unknown = unknown
        .split("&timestamp")
        .next()
        .expect("a form")
        .to_owned();
    sandbox.post("/v1/billing/meter_events", unknown).await;
    assert_eq!(total(&sandbox, &meter, &tenant, now, now + HOUR).await, 0);
    let state = sandbox.control("GET", "/state", Value::Null).await;
    assert!(
        state.to_string().contains("\"meter_events_dropped\":4"),
        "{state}"
    );
}
