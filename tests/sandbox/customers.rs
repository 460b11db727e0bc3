//! Customers: what they keep, how they are found, what goes with them.

use serde_json::json;

use crate::{
    fixtures::{Tenant, monthly, subscription},
    harness::{Sandbox, data, id, ids},
};

#[tokio::test]
async fn a_customer_keeps_what_it_was_given() {
    let sandbox = Sandbox::start();
    let form = "email=a@tenant.example&name=Tenant%20A&metadata[tenantbilling_tenant]=a";
    let created = sandbox.post("/v1/customers", form).await;
    assert!(id(&created).starts_with("cus_"));
    assert_eq!(created["email"], "a@tenant.example");
    assert_eq!(created["name"], "Tenant A");
    assert_eq!(created["metadata"], json!({"tenantbilling_tenant": "a"}));
    assert_eq!(created["balance"], 0);
    assert_eq!(created["livemode"], false);
    assert_eq!(
        sandbox.get(format!("/v1/customers/{}", id(&created))).await,
        created
    );
}

#[tokio::test]
async fn metadata_is_merged_key_by_key_and_an_empty_value_removes_its_key() {
    let sandbox = Sandbox::start();
    let path = format!(
        "/v1/customers/{}",
        id(&sandbox
            .post("/v1/customers", "metadata[a]=1&metadata[b]=2")
            .await)
    );
    let changed = sandbox.post(&path, "metadata[b]=3&metadata[c]=4").await;
    assert_eq!(changed["metadata"], json!({"a": "1", "b": "3", "c": "4"}));
    let changed = sandbox.post(&path, "metadata[a]=").await;
    assert_eq!(changed["metadata"], json!({"b": "3", "c": "4"}));
    assert_eq!(
        sandbox.post(&path, "metadata=").await["metadata"],
        json!({})
    );
}

#[tokio::test]
async fn an_empty_value_unsets_a_field_and_an_absent_one_leaves_it() {
    let sandbox = Sandbox::start();
    let created = sandbox
        .post(
            "/v1/customers",
            "name=A&description=old&email=a@tenant.example",
        )
        .await;
    let path = format!("/v1/customers/{}", id(&created));
    let changed = sandbox.post(&path, "description=").await;
    assert_eq!(changed["description"], json!(null));
    assert_eq!(changed["name"], "A");
    assert_eq!(changed["email"], "a@tenant.example");
}

#[tokio::test]
async fn a_deleted_customer_is_only_a_tombstone() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox
        .post("/v1/customers", "email=a@tenant.example")
        .await);
    let path = format!("/v1/customers/{customer}");
    let tombstone = json!({"id": customer, "object": "customer", "deleted": true});
    assert_eq!(sandbox.delete(&path).await, tombstone);
    assert_eq!(sandbox.get(&path).await, tombstone);
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 0);
    assert_eq!(
        sandbox.post(&path, "name=again").refused(404).await["code"],
        "resource_missing"
    );
    assert_eq!(
        sandbox.delete(&path).refused(404).await["code"],
        "resource_missing"
    );
}

#[tokio::test]
async fn deleting_a_customer_cancels_its_subscriptions() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    sandbox
        .delete(format!("/v1/customers/{}", tenant.customer))
        .await;
    let after = subscription(&sandbox, &subscribed).await;
    assert_eq!(after["status"], "canceled");
    assert_eq!(after["customer"], tenant.customer);
}

#[tokio::test]
async fn customers_are_listed_by_exact_email() {
    let sandbox = Sandbox::start();
    let a = id(&sandbox
        .post("/v1/customers", "email=a@tenant.example")
        .await);
    sandbox
        .post("/v1/customers", "email=b@tenant.example")
        .await;
    let found = sandbox.get("/v1/customers?email=a@tenant.example").await;
    assert_eq!(ids(&found), [a]);
    assert_eq!(
        data(&sandbox.get("/v1/customers?email=a@tenant").await).len(),
        0
    );
}

#[tokio::test]
async fn an_email_that_is_none_is_refused() {
    let sandbox = Sandbox::start();
    let error = sandbox
        .post("/v1/customers", "email=nobody")
        .refused(400)
        .await;
    assert_eq!(error["code"], "email_invalid");
    assert_eq!(error["param"], "email");
}

#[tokio::test]
async fn a_customer_that_never_was_is_missing() {
    let sandbox = Sandbox::start();
    let error = sandbox.get("/v1/customers/cus_never").refused(404).await;
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], "id");
    assert_eq!(error["message"], "No such customer: 'cus_never'");
}
