//! A manifest that does not deserialise stops nobody else, says why, and can be deleted.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use serde_json::json;
use support::world::{World, condition, id};

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_stalled_alone_and_can_be_deleted() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    let mut malformed = world.manifest("malformed", "pro");
    malformed["spec"]["customer"]["address"] = json!({"line2": 7});
    world.apply(malformed).await;
    world.tenant("healthy", "pro").await;

    let tenant = world.reason("malformed", "InvalidSpec").await;
    let message = condition(&tenant, "Stalled")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.starts_with("spec.customer.address.line2: "),
        "{message}"
    );
    world.ready("healthy").await;
    assert!(world.customers("malformed", None).await.is_empty());
    world.delete("malformed").await;
    world.gone("malformed").await;
    world.finish().await;
}

#[tokio::test]
async fn a_tenant_whose_manifest_became_unreadable_is_left_as_it_is_until_it_is_deleted() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(manifest).await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    world
        .edit("acme", json!({"customer": {"address": {"line2": 7}}}))
        .await;
    let tenant = world.reason("acme", "InvalidSpec").await;
    assert_eq!(tenant["status"]["stripe"]["customerId"], customer["id"]);
    // Also the list that a fresh operator begins with.
    operator.kill();
    let _operator = world.operator().await;
    world.tenant("healthy", "pro").await;
    world.ready("healthy").await;
    let (_, same) = world.one_of_each("acme", None).await;
    assert_eq!(same["id"], subscription["id"]);

    world.delete("acme").await;
    world.gone("acme").await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    assert_eq!(world.stripe.get(&path).await["status"], "canceled");
    world.finish().await;
}
