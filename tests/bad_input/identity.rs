//! Manifests that change, or share, the identity of a tenant.

use serde_json::json;

use crate::support::world::refusal;
use crate::{mentions, nobody_else_notices, world_with_a_healthy_tenant};

#[tokio::test]
async fn the_tenant_id_cannot_be_changed() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let changed = json!({"tenantId": "somebody-else"});
    let answer = world.try_edit("healthy", changed).await;
    if answer.is_err() {
        // A server that knows CEL.
        mentions(&refusal(answer), &["tenantId", "cannot be changed"]);
    } else {
        let message = world.stalled("healthy", "InvalidSpec").await;
        let before = format!("set it back to \"{}\"", world.tenant_id("healthy"));
        mentions(&message, &["spec.tenantId: ", "cannot be changed", &before]);
        let tenant = world.get("healthy").await;
        assert_eq!(
            tenant["status"]["tenantId"],
            world.tenant_id("healthy").as_str()
        );
        world
            .edit("healthy", json!({"customer": {"name": "Not Yet"}}))
            .await;
        world.stalled("healthy", "InvalidSpec").await;
        let (customer, _) = world.one_of_each("healthy", None).await;
        assert_eq!(customer["name"], "Acme Inc");
        world
            .edit(
                "healthy",
                json!({"tenantId": null, "customer": {"name": "Acme Inc"}}),
            )
            .await;
    }
    world.ready("healthy").await;
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn of_two_manifests_with_one_tenant_id_the_older_bills_and_the_newer_waits() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    world.stripe.forget_requests().await;
    let mut copy = world.manifest("copy", "pro");
    copy["spec"]["tenantId"] = json!(world.tenant_id("acme"));
    copy["spec"]["deletionPolicy"] = json!("CancelNow");
    copy["spec"]["customer"]["name"] = json!("Copy Inc");
    world.apply(copy.clone()).await;
    let message = world.stalled("copy", "TenantIdConflict").await;
    let holder = format!("{}/acme", world.namespace);
    mentions(
        &message,
        &["spec.tenantId: ", &holder, "delete one of the two"],
    );

    world.delete("copy").await;
    world.gone("copy").await;
    world.look_again("acme").await;
    world.ready("acme").await;
    let (same, unchanged) = world.one_of_each("acme", None).await;
    assert_eq!(
        (&same, &unchanged),
        (&customer, &subscription),
        "nothing was touched"
    );
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn when_the_older_of_two_manifests_goes_the_newer_carries_on_with_the_same_subscription() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let mut acme = world.manifest("acme", "pro");
    acme["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(acme).await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    let mut copy = world.manifest("copy", "pro");
    copy["spec"]["tenantId"] = json!(world.tenant_id("acme"));
    world.apply(copy).await;
    world.stalled("copy", "TenantIdConflict").await;
    world.stripe.forget_requests().await;

    world.delete("acme").await;
    world.gone("acme").await;
    let tenant = world.ready("copy").await;
    assert_eq!(tenant["status"]["stripe"]["customerId"], customer["id"]);
    assert_eq!(
        tenant["status"]["stripe"]["subscriptionId"],
        subscription["id"]
    );
    let (_, now) = world.one_of_each("acme", None).await;
    assert_eq!(now, subscription, "nothing was cancelled");
    nobody_else_notices(world).await;
}

// The server's schema lets no spec through that the Rust types refuse; `controller::tenant` has a test for
// those. A status is another matter: the server takes any offset that looks like one.
