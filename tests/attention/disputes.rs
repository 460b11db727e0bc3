//! Disputes and early fraud warnings as they are reported.

use serde_json::{Value, json};

use super::support::world::{condition, id};
use super::{TENANT, paying};
use super::{assert_discreet, assert_settled, subscription, told_once, until, with_card, world};

#[tokio::test]
async fn a_dispute_is_reported_and_nothing_is_touched() {
    let world = world().await;
    let _operator = world.operator().await;
    let customer = with_card(&world, json!({}), "pm_card_visa").await;
    let tenant = world.ready(TENANT).await;
    assert_eq!(condition(&tenant, "Disputed")["reason"], "NoDispute");
    world.stripe.forget_requests().await;
    let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
    let tenant = until(&world, "Disputed", "True", "DisputeOpen").await;
    let shown = &tenant["status"]["disputes"][0];
    assert_eq!(id(shown), id(&dispute));
    assert_eq!(shown["status"], "needs_response");
    assert_eq!(shown["reason"], "fraudulent");
    assert_eq!(shown["amount"], "99.00");
    assert!(shown["invoice"].as_str().unwrap().starts_with("in_"));
    let due = shown["evidenceDueBy"].as_str().unwrap();
    let message = condition(&tenant, "Disputed")["message"].to_string();
    assert!(message.contains(due), "{message}");
    assert_eq!(tenant["status"]["access"]["level"], "Full");
    assert_eq!(condition(&tenant, "Ready")["status"], "True");
    told_once(&world, "Warning", "DisputeOpen").await;

    world
        .stripe
        .set_dispute_status(id(&dispute), "under_review")
        .await;
    world
        .until(TENANT, "under review", |tenant| {
            tenant["status"]["disputes"][0]["status"] == "under_review"
        })
        .await;
    world.stripe.set_dispute_status(id(&dispute), "lost").await;
    until(&world, "Disputed", "False", "DisputeLost").await;
    told_once(&world, "Normal", "DisputeLost").await;
    told_once(&world, "Warning", "DisputeOpen").await;
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
    assert_discreet(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_fraud_warning_is_reported_until_the_payment_is_disputed_or_refunded() {
    let world = world().await;
    let _operator = world.operator().await;
    let customer = with_card(&world, json!({}), "pm_card_visa").await;
    world.ready(TENANT).await;
    let warning = world.stripe.early_fraud_warning(&customer).await;
    let tenant = until(&world, "Disputed", "True", "FraudWarning").await;
    assert_eq!(id(&tenant["status"]["fraudWarnings"][0]), id(&warning));
    told_once(&world, "Warning", "FraudWarning").await;
    assert_settled(&world).await;

    world.stripe.open_dispute(&customer, "needs_response").await;
    let tenant = until(&world, "Disputed", "True", "DisputeOpen").await;
    told_once(&world, "Warning", "DisputeOpen").await;
    assert_eq!(tenant["status"]["disputes"].as_array().unwrap().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn somebody_elses_pause_is_reported_and_stays() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, _) = paying(&world, json!({"disputes": {"onOpen": "Hold"}})).await;
    let path = format!(
        "/v1/subscriptions/{}",
        id(&subscription(&world, &clock).await)
    );
    let pause = json!({"pause_collection": {"behavior": "void"}});
    world.stripe.dashboard(&path, pause).await;
    let tenant = until(&world, "Drifted", "True", "DriftReported").await;
    let drift = &tenant["status"]["drift"][0];
    assert_eq!(drift["field"], "subscription.pauseCollection");
    assert_eq!(drift["observed"], "void");
    assert_settled(&world).await;
    let subscription = subscription(&world, &clock).await;
    assert_eq!(subscription["pause_collection"]["behavior"], "void");
    world
        .stripe
        .dashboard(&path, json!({"pause_collection": ""}))
        .await;
    until(&world, "Drifted", "False", "NoDrift").await;
    assert_ne!(subscription["id"], Value::Null);
    world.finish().await;
}
