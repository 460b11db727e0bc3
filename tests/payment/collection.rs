//! Invoices that are sent instead of charged.

use serde_json::{Value, json};

use super::support::world::condition;
use super::{DAY, START, TENANT, manifest, method_ready, on_clock, phase, world};

#[tokio::test]
async fn a_tenant_who_gets_invoices_begins_without_a_card_and_pays_by_the_due_date() {
    let world = world().await;
    let _operator = world.operator().await;
    let spec = json!({
        "payment": {"collection": "Invoice", "daysUntilDue": 14}, "trial": {"days": 0},
    });
    world.apply(manifest(&world, &spec)).await;
    let tenant = world.ready(TENANT).await;
    assert_eq!(tenant["status"]["phase"], "Active");
    assert!(!method_ready(&tenant));
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["collection_method"], "send_invoice");
    assert_eq!(subscription["days_until_due"], 14);
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn the_way_of_paying_follows_the_manifest_and_drift_is_put_right() {
    let world = world().await;
    let _operator = world.operator().await;
    world.tenant(TENANT, "pro").await;
    world.ready(TENANT).await;
    world
        .edit(
            TENANT,
            json!({"payment": {"collection": "Invoice", "daysUntilDue": 10}}),
        )
        .await;
    world.ready(TENANT).await;
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["collection_method"], "send_invoice");
    let path = format!("/v1/subscriptions/{}", subscription["id"].as_str().unwrap());
    world
        .stripe
        .dashboard(&path, json!({"days_until_due": 90}))
        .await;
    world
        .until(TENANT, "put right", |tenant| {
            condition(tenant, "Drifted")["reason"] == "DriftReverted"
        })
        .await;
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["days_until_due"], 10);
    world
        .edit(
            TENANT,
            json!({"payment": {"collection": "Automatic", "daysUntilDue": null}}),
        )
        .await;
    world.ready(TENANT).await;
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["collection_method"], "charge_automatically");
    world.finish().await;
}

#[tokio::test]
async fn a_trial_of_a_tenant_who_gets_invoices_ends_with_an_invoice() {
    let world = world().await;
    let _operator = world.operator().await;
    let clock = on_clock(&world, json!({"payment": {"collection": "Invoice"}})).await;
    world.ready(TENANT).await;
    world.stripe.advance(&clock, START + 14 * DAY + 7200).await;
    let tenant = phase(&world, "Active").await;
    assert_eq!(tenant["status"]["payment"]["setupUrl"], Value::Null);
    let (_, subscription) = world.one_of_each(TENANT, Some(&clock)).await;
    let latest = subscription["latest_invoice"].as_str().unwrap();
    let invoice = world.stripe.get(&format!("/v1/invoices/{latest}")).await;
    assert_eq!(invoice["status"], "open");
    assert_eq!(
        invoice["due_date"].as_i64().unwrap() - invoice["effective_at"].as_i64().unwrap(),
        30 * DAY
    );
    world.finish().await;
}
