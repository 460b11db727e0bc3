//! Events: what happened, who asked for it, and how the object looked then.

use serde_json::{Value, json};

use crate::harness::{Sandbox, data, id};

#[tokio::test]
async fn an_event_carries_the_object_and_the_request_that_caused_it() {
    let sandbox = Sandbox::start();
    let answer = sandbox
        .post("/v1/customers", "email=a@tenant.example")
        .idempotency_key("create-a")
        .send()
        .await;
    let customer = answer.json();
    let event = sandbox.get("/v1/events").await["data"][0].clone();
    assert_eq!(event["type"], "customer.created");
    assert_eq!(event["data"]["object"], customer);
    assert_eq!(event["data"].get("previous_attributes"), None);
    assert_eq!(event["request"]["id"].as_str(), answer.header("request-id"));
    assert_eq!(event["request"]["idempotency_key"], "create-a");
    assert_eq!(event["api_version"], "2026-09-30.endive");
    assert_eq!(
        sandbox.get(format!("/v1/events/{}", id(&event))).await,
        event
    );
}

#[tokio::test]
async fn an_update_tells_what_was_before() {
    let sandbox = Sandbox::start();
    let customer = sandbox
        .post("/v1/customers", "name=Old&metadata[a]=1")
        .await;
    sandbox
        .post(
            format!("/v1/customers/{}", id(&customer)),
            "name=New&metadata[b]=2",
        )
        .await;
    let event = sandbox.get("/v1/events?type=customer.updated").await["data"][0].clone();
    assert_eq!(event["data"]["object"]["name"], "New");
    assert_eq!(
        event["data"]["previous_attributes"],
        json!({"name": "Old", "metadata": {"b": null}})
    );
}

#[tokio::test]
async fn the_object_in_an_event_stays_as_it_was() {
    let sandbox = Sandbox::start();
    let customer = sandbox.post("/v1/customers", "name=Old").await;
    sandbox
        .post(format!("/v1/customers/{}", id(&customer)), "name=New")
        .await;
    let event = sandbox.get("/v1/events?type=customer.created").await["data"][0].clone();
    assert_eq!(event["data"]["object"], customer);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_no_event() {
    let sandbox = Sandbox::start();
    let customer = sandbox.post("/v1/customers", "name=Same").await;
    sandbox
        .post(format!("/v1/customers/{}", id(&customer)), "name=Same")
        .await;
    assert_eq!(
        data(&sandbox.get("/v1/events?type=customer.updated").await).len(),
        0
    );
}

#[tokio::test]
async fn events_are_listed_newest_first_by_type_types_prefix_and_time() {
    let sandbox = Sandbox::start();
    sandbox.post("/v1/customers", "").await;
    sandbox.post("/v1/products", "name=Plan").await;
    let types = async |query: &str| {
        let list = sandbox.get(format!("/v1/events?{query}")).await;
        data(&list)
            .iter()
            .map(|event| crate::harness::text(&event["type"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(types("").await, ["product.created", "customer.created"]);
    assert_eq!(types("type=customer.created").await, ["customer.created"]);
    assert_eq!(types("type=customer.*").await, ["customer.created"]);
    assert_eq!(
        types("types[]=product.created&types[]=price.created").await,
        ["product.created"]
    );
    assert_eq!(types("created[gte]=0").await.len(), 2);
    assert_eq!(types("created[gt]=32503680000").await, Vec::<String>::new());
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_has_no_pending_webhooks() {
    let sandbox = Sandbox::start();
    sandbox.post("/v1/customers", "").await;
    assert_eq!(
        sandbox.get("/v1/events").await["data"][0]["pending_webhooks"],
        0
    );
}

#[tokio::test]
async fn a_deletion_is_told_with_the_object_as_it_last_was() {
    let sandbox = Sandbox::start();
    let customer = sandbox.post("/v1/customers", "name=Gone").await;
    sandbox
        .delete(format!("/v1/customers/{}", id(&customer)))
        .await;
    let event = sandbox.get("/v1/events?type=customer.deleted").await["data"][0].clone();
    assert_eq!(event["data"]["object"]["name"], "Gone");
    assert_ne!(event["request"]["id"], Value::Null);
}
