//! Deleting a manifest when something is wrong.

use serde_json::{Value, json};

use crate::support::{eventually, world::World};
use crate::{everything_fails, mentions, path_of, world_with_acme};

#[tokio::test]
async fn a_deletion_while_stripe_is_down_waits_and_is_carried_out_afterwards() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    let fault = everything_fails(&world, 503).await;
    world.delete("acme").await;
    let message = world.reconciling("acme", "StripeUnavailable").await;
    mentions(&message, &["Stripe failed", "status 503"]);
    assert!(world.get("acme").await["metadata"]["deletionTimestamp"].is_string());
    world.stripe.clear_fault(&fault).await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_needs_neither_a_plan_nor_a_valid_spec() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    world.delete_plan("pro").await;
    world.stalled("acme", "PlanNotFound").await;
    world
        .edit("acme", json!({"customer": {"name": "bell\u{7}"}}))
        .await;
    world.stalled("acme", "InvalidSpec").await;
    world.delete("acme").await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn the_deletion_of_a_tenant_that_was_never_billed_needs_no_stripe() {
    let world = World::new().await;
    // Plans work, but the account cannot be listed: the tenant gets as far as its finalizer.
    world.stripe.fault(json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0})).await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    world.tenant("acme", "pro").await;
    let held = |tenant: &Value| !tenant["metadata"]["finalizers"].is_null();
    world.until("acme", "a finalizer", held).await;
    world.reconciling("acme", "Progressing").await;
    everything_fails(&world, 503).await;
    world.delete("acme").await;
    world.gone("acme").await;
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_after_a_crash_waits_until_all_that_was_made_is_known() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    let hanging =
        json!({"kind": "hold_after", "method": "POST", "path": "/v1/subscriptions", "times": 0});
    let hanging = world.stripe.fault(hanging).await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(manifest).await;
    eventually(
        "a subscription whose answer is awaited",
        async || match world.stripe.fault_hits(&hanging).await {
            0 => Err("there is none".to_owned()),
            _ => Ok(()),
        },
    )
    .await;
    operator.kill();
    world.stripe.clear_fault(&hanging).await;
    let (_, subscription) = world.one_of_each("acme", None).await;

    let unlisted = json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0});
    let unlisted = world.stripe.fault(unlisted).await;
    world.delete("acme").await;
    let _operator = world.operator().await;
    // The customer whose creation is on record is searched for, and that fails for now.
    world.reconciling("acme", "StripeUnavailable").await;
    world.stripe.clear_fault(&unlisted).await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}
