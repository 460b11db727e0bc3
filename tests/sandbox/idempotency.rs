//! Idempotency keys: what is done once, what is remembered, and what is not.

use serde_json::{Value, json};

use crate::harness::{Sandbox, data, fault, id};

const REPLAYED: &str = "idempotent-replayed";

#[tokio::test]
async fn a_repeated_request_is_answered_byte_for_byte_and_done_once() {
    let sandbox = Sandbox::start();
    let create = || {
        sandbox
            .post("/v1/customers", "name=A&metadata[k]=v")
            .idempotency_key("create-a")
            .send()
    };
    let first = create().await;
    assert_eq!(first.header(REPLAYED), None);
    assert_eq!(first.header("idempotency-key"), Some("create-a"));
    let second = create().await;
    assert_eq!(second.bytes, first.bytes);
    assert_eq!(second.status, first.status);
    assert_eq!(second.header(REPLAYED), Some("true"));
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 1);
    assert_eq!(data(&sandbox.get("/v1/events").await).len(), 1);
}

#[tokio::test]
async fn a_replay_shows_the_object_as_it_was_then() {
    let sandbox = Sandbox::start();
    let create = || {
        sandbox
            .post("/v1/customers", "name=A")
            .idempotency_key("create-a")
            .send()
    };
    let first = create().await;
    sandbox
        .post(format!("/v1/customers/{}", id(&first.json())), "name=B")
        .await;
    assert_eq!(create().await.json()["name"], "A");
}

#[tokio::test]
async fn the_order_of_parameters_does_not_matter() {
    let sandbox = Sandbox::start();
    let first = sandbox
        .post("/v1/customers", "name=A&metadata[x]=1&metadata[y]=2")
        .idempotency_key("k")
        .send()
        .await;
    let second = sandbox
        .post("/v1/customers", "metadata[y]=2&metadata[x]=1&name=A")
        .idempotency_key("k")
        .send()
        .await;
    assert_eq!(second.bytes, first.bytes);
}

#[tokio::test]
async fn a_key_is_not_for_other_parameters_or_another_path() {
    let sandbox = Sandbox::start();
    sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .await;
    for (path, form) in [("/v1/customers", "name=B"), ("/v1/products", "name=A")] {
        let error = sandbox
            .post(path, form)
            .idempotency_key("k")
            .refused(400)
            .await;
        assert_eq!(error["type"], "idempotency_error", "{path} {form}");
    }
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 1);
}

#[tokio::test]
async fn a_refused_request_is_not_remembered() {
    let sandbox = Sandbox::start();
    sandbox
        .post("/v1/customers", "nmae=A")
        .wrong()
        .idempotency_key("k")
        .refused(400)
        .await;
    let answer = sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .send()
        .await;
    assert!(answer.status.is_success());
    assert_eq!(answer.header(REPLAYED), None);
}

#[tokio::test]
async fn a_declined_card_is_remembered() {
    let sandbox = Sandbox::start();
    let tenant = crate::fixtures::Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let price = crate::fixtures::monthly(&sandbox, 1_000).await;
    let form = format!(
        "customer={}&items[0][price]={price}&payment_behavior=error_if_incomplete",
        tenant.customer
    );
    let subscribe = || {
        sandbox
            .post("/v1/subscriptions", &form)
            .idempotency_key("k")
            .send()
    };
    crate::fixtures::cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let declined = subscribe().await;
    assert_eq!(declined.status, 402);
    crate::fixtures::cards(&sandbox, &tenant.customer, "success").await;
    let again = subscribe().await;
    assert_eq!(again.status, 402);
    assert_eq!(again.bytes, declined.bytes);
    assert_eq!(again.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn an_internal_error_is_remembered() {
    let sandbox = Sandbox::start();
    let mut broken = fault("status", "POST", "/v1/customers");
    broken["status"] = json!(500);
    sandbox.fault(broken).await;
    let create = || {
        sandbox
            .post("/v1/customers", "name=A")
            .idempotency_key("k")
            .send()
    };
    let first = create().await;
    assert_eq!(first.status, 500);
    assert_eq!(first.json()["error"]["type"], "api_error");
    let second = create().await;
    assert_eq!(second.status, 500);
    assert_eq!(second.bytes, first.bytes);
    assert_eq!(second.header(REPLAYED), Some("true"));
    sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("another")
        .await;
}

#[tokio::test]
async fn a_request_that_was_turned_away_is_not_remembered() {
    let sandbox = Sandbox::start();
    for status in [409, 429] {
        let mut busy = fault("status", "POST", "/v1/customers");
        busy["status"] = json!(status);
        sandbox.fault(busy).await;
        let key = format!("k-{status}");
        let create = || {
            sandbox
                .post("/v1/customers", "name=A")
                .idempotency_key(&key)
                .send()
        };
        assert_eq!(create().await.status, status);
        let second = create().await;
        assert!(second.status.is_success(), "{}", second.text());
        assert_eq!(second.header(REPLAYED), None);
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_is_there_on_the_second_try() {
    let sandbox = Sandbox::start();
    sandbox
        .fault(fault("drop_after", "POST", "/v1/customers"))
        .await;
    let create = || sandbox.post("/v1/customers", "name=A").idempotency_key("k");
    create()
        .try_send()
        .await
        .expect_err("the connection is closed unanswered");
    let listed = sandbox.get("/v1/customers").await;
    let [committed] = data(&listed) else {
        panic!("{listed}")
    };
    let second = create().send().await;
    assert_eq!(second.header(REPLAYED), Some("true"));
    assert_eq!(&second.json(), committed);
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 1);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_a_conflict() {
    let sandbox = Sandbox::start();
    let mut slow = fault("hold_before", "POST", "/v1/customers");
    slow["times"] = json!(1);
    let slow = sandbox.fault(slow).await;
    let create = || sandbox.post("/v1/customers", "name=A").idempotency_key("k");
    let meanwhile = async {
        let hit = || async {
            let faults = sandbox.control("GET", "/faults", Value::Null).await;
            (faults["data"][0]["hits"] == 1).then_some(())
        };
        sandbox.eventually("the first request to arrive", hit).await;
        let error = create().refused(409).await;
        sandbox
            .control("DELETE", &format!("/faults/{slow}"), Value::Null)
            .await;
        error
    };
    let (first, error) = tokio::join!(create().send(), meanwhile);
    assert_eq!(error["type"], "idempotency_error");
    assert_eq!(error["code"], "idempotency_key_in_use");
    assert!(first.status.is_success());
    assert_eq!(create().send().await.bytes, first.bytes);
}

#[tokio::test]
async fn a_key_means_nothing_to_a_read() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let path = format!("/v1/customers/{customer}");
    sandbox.get(&path).idempotency_key("k").await;
    sandbox.post(&path, "name=B").await;
    let second = sandbox.get(&path).idempotency_key("k").send().await;
    assert_eq!(second.json()["name"], "B");
    assert_eq!(second.header(REPLAYED), None);
}

#[tokio::test]
async fn a_key_has_at_most_255_characters() {
    let sandbox = Sandbox::start();
    sandbox
        .post("/v1/customers", "")
        .idempotency_key(&"k".repeat(256))
        .refused(400)
        .await;
    sandbox
        .post("/v1/customers", "")
        .idempotency_key(&"k".repeat(255))
        .await;
}
