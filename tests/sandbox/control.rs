//! The control plane: faults, the request log, dashboard edits, rate limits.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    fixtures::{Tenant, monthly, subscription},
    harness::{Sandbox, data, fault, id},
};

#[tokio::test]
async fn a_fault_hits_the_requests_it_names_as_often_as_it_says() {
    let sandbox = Sandbox::start();
    sandbox
        .fault(json!({"kind": "status", "status": 503, "method": "POST", "path": "/v1/customers", "skip": 1, "times": 2}))
        .await;
    sandbox.get("/v1/customers").await;
    sandbox.post("/v1/products", "name=Plan").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            sandbox
                .post("/v1/customers", "")
                .send()
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 503, 503, 200]);
    let faults = sandbox.control("GET", "/faults", Value::Null).await;
    assert_eq!(faults["data"][0]["hits"], 2);
}

#[tokio::test]
async fn a_fault_without_an_end_lasts_until_it_is_deleted() {
    let sandbox = Sandbox::start();
    let lasting = sandbox
        .fault(json!({"kind": "status", "status": 500, "times": 0}))
        .await;
    for _ in 0..3 {
        sandbox.get("/v1/customers").refused(500).await;
    }
    sandbox
        .control("DELETE", &format!("/faults/{lasting}"), Value::Null)
        .await;
    sandbox.get("/v1/customers").await;
}

#[tokio::test]
async fn an_error_can_say_when_and_whether_to_try_again() {
    let sandbox = Sandbox::start();
    sandbox
        .fault(json!({"kind": "status", "status": 429, "retry_after": 7, "should_retry": true}))
        .await;
    let answer = sandbox.get("/v1/customers").send().await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.header("stripe-should-retry"), Some("true"));
    assert_eq!(answer.json()["error"]["code"], "rate_limit");
    sandbox
        .fault(json!({"kind": "status", "status": 500, "should_retry": false}))
        .await;
    let answer = sandbox.get("/v1/customers").send().await;
    assert_eq!(answer.header("stripe-should-retry"), Some("false"));
}

#[tokio::test]
async fn an_error_can_come_from_something_that_is_not_stripe() {
    let sandbox = Sandbox::start();
    sandbox
        .fault(json!({"kind": "status", "status": 502, "body": "html"}))
        .await;
    let answer = sandbox.get("/v1/customers").send().await;
    assert_eq!(answer.status, 502);
    assert!(
        answer
            .header("content-type")
            .expect("a type")
            .starts_with("text/html")
    );
    assert!(answer.text().contains("<html"));
}

#[tokio::test]
async fn a_request_dropped_before_is_not_done_and_one_dropped_after_is() {
    let sandbox = Sandbox::start();
    for (kind, done) in [("drop_before", 0), ("drop_after", 1)] {
        sandbox.fault(fault(kind, "POST", "/v1/customers")).await;
        sandbox
            .post("/v1/customers", "")
            .try_send()
            .await
            .expect_err("closed unanswered");
        assert_eq!(
            data(&sandbox.get("/v1/customers").await).len(),
            done,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_held_request_waits_until_the_fault_is_deleted() {
    let sandbox = Sandbox::start();
    let held = sandbox
        .fault(fault("hold_after", "POST", "/v1/customers"))
        .await;
    let release = async {
        let committed =
            || async { (!data(&sandbox.get("/v1/customers").await).is_empty()).then_some(()) };
        sandbox
            .eventually("the held request to be done", committed)
            .await;
        sandbox
            .control("DELETE", &format!("/faults/{held}"), Value::Null)
            .await;
    };
    let (answer, ()) = tokio::join!(sandbox.post("/v1/customers", "").try_send(), release);
    // Whether a released request is answered or closed is the sandbox's choice; that it was done is not.
    drop(answer);
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 1);
}

#[tokio::test]
async fn a_delayed_request_is_answered_late_and_right() {
    let sandbox = Sandbox::start();
    sandbox
        .fault(json!({"kind": "delay", "delay_ms": 150}))
        .await;
    let before = Instant::now();
    sandbox.get("/v1/customers").await;
    assert!(before.elapsed().as_millis() >= 150);
}

#[tokio::test]
async fn the_request_log_tells_what_came_in_order() {
    let sandbox = Sandbox::start();
    sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .await;
    sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .await;
    sandbox.get("/v1/customers?limit=3").await;
    let log = sandbox.requests("").await;
    assert_eq!(log.len(), 3);
    assert_eq!(log[0]["method"], "POST");
    assert_eq!(log[0]["path"], "/v1/customers");
    assert_eq!(log[0]["idempotency_key"], "k");
    assert_eq!(log[0]["status"], 200);
    assert_eq!(log[0]["replayed"], false);
    assert_eq!(log[1]["replayed"], true);
    assert!(log[2]["query"].to_string().contains("limit"), "{}", log[2]);
    assert_eq!(
        sandbox
            .requests("method=POST&path=/v1/customers")
            .await
            .len(),
        2
    );
    sandbox.control("DELETE", "/requests", Value::Null).await;
    assert!(sandbox.requests("").await.is_empty());
}

#[tokio::test]
async fn the_request_log_does_not_show_keys() {
    let sandbox = Sandbox::start();
    sandbox.get("/v1/customers").key("sk_test_secret").await;
    assert!(!format!("{:?}", sandbox.requests("").await).contains("sk_test_secret"));
}

#[tokio::test]
async fn a_dashboard_edit_changes_things_without_a_request() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let before = sandbox.requests("").await.len();
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let edit = json!({"method": "POST", "path": path, "params": {"cancel_at_period_end": true, "metadata": {"by": "hand"}}});
    sandbox.control("POST", "/dashboard", edit).await;
    assert_eq!(sandbox.requests("").await.len(), before);
    let edited = subscription(&sandbox, &subscribed).await;
    assert_eq!(edited["cancel_at_period_end"], true);
    assert_eq!(edited["metadata"]["by"], "hand");
    let event = sandbox
        .get("/v1/events?type=customer.subscription.updated")
        .await["data"][0]
        .clone();
    assert_eq!(event["request"]["id"], Value::Null);
    assert_eq!(event["request"]["idempotency_key"], Value::Null);
}

#[tokio::test]
async fn requests_beyond_the_rate_limit_are_turned_away_undone() {
    let sandbox = Sandbox::start();
    sandbox.settings(json!({"rate_limit_write": 3})).await;
    let mut statuses = Vec::new();
    for n in 0..30 {
        let key = format!("k{n}");
        statuses.push(
            sandbox
                .post("/v1/customers", "")
                .idempotency_key(&key)
                .send()
                .await
                .status
                .as_u16(),
        );
    }
    let done = statuses.iter().filter(|status| **status == 200).count();
    assert!(done >= 3, "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    sandbox.settings(json!({"rate_limit_write": 10_000})).await;
    assert_eq!(
        data(&sandbox.get("/v1/customers?limit=100").await).len(),
        done
    );
}

#[tokio::test]
async fn the_state_is_counted_by_resource() {
    let sandbox = Sandbox::start();
    sandbox.post("/v1/customers", "").await;
    sandbox.post("/v1/customers", "").await;
    let state = sandbox.control("GET", "/state", Value::Null).await;
    assert_eq!(state["customers"], 2, "{state}");
    assert_eq!(state["events"], 2, "{state}");
}
