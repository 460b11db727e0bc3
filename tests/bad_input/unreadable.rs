//! Manifests and statuses that do not deserialise stop nobody else, say why, and can be deleted.

use serde_json::{Value, json};

use crate::support::world::{World, condition, id};
use crate::{nobody_else_notices, world_with_a_healthy_tenant};

#[tokio::test]
async fn a_status_that_cannot_be_read_counts_as_never_written_and_is_found_again_in_stripe() {
    let (world, operator) = world_with_a_healthy_tenant().await;
    let (customer, subscription) = world.one_of_each("healthy", None).await;
    assert!(operator.terminate().await.success());
    world
        .overwrite_status(
            "healthy",
            json!({"trialEndsAt": "2027-01-01T00:00:00+99:99"}),
        )
        .await;
    let broken = world.get("healthy").await;
    assert_eq!(broken["status"]["trialEndsAt"], "2027-01-01T00:00:00+99:99");

    let _operator = world.operator().await;
    let rewritten = |tenant: &Value| {
        tenant["status"]["trialEndsAt"]
            .as_str()
            .is_some_and(|end| end.ends_with('Z'))
            && condition(tenant, "Ready")["status"] == "True"
    };
    let tenant = world
        .until("healthy", "a status written anew", rewritten)
        .await;
    assert_eq!(tenant["status"]["stripe"]["customerId"], customer["id"]);
    assert_eq!(
        tenant["status"]["stripe"]["subscriptionId"],
        subscription["id"]
    );
    nobody_else_notices(world).await;
}

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
