//! Changes at the end of the period, by a schedule.

use serde_json::{Value, json};

use crate::payer::{ACME, DAY, PERIOD, Payer};
use crate::support::world::{condition, id};

#[tokio::test]
async fn a_downgrade_takes_effect_when_the_period_ends() {
    let payer = Payer::on("pro", json!({})).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "starter"})).await;
    let change = payer.change("Scheduled").await;
    assert_eq!(change["effectiveAt"], "2026-12-01T00:00:00Z");
    let tenant = payer.world.ready(ACME).await;
    let message = condition(&tenant, "Ready")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("2026-12-01T00:00:00Z"), "{message}");
    assert_eq!(tenant["status"]["plan"], payer.world.plan_name("pro"));
    let subscription = payer.subscription().await;
    assert_eq!(subscription["schedule"], change["scheduleId"]);
    assert_eq!(payer.sold().await, ("pro".into(), 1));

    payer.at(PERIOD + 7200).await;
    let tenant = payer.settled().await;
    assert_eq!(tenant["status"]["plan"], payer.world.plan_name("starter"));
    assert_eq!(
        tenant["status"]["planChange"]["effectiveAt"],
        "2026-12-01T00:00:00Z"
    );
    assert_eq!(payer.sold().await, ("starter".into(), 1));
    assert_eq!(
        payer.totals().await,
        [9900, 2900],
        "to the cent, without proration"
    );
    assert_eq!(
        payer.subscription().await["schedule"],
        Value::Null,
        "it has done its work"
    );
    assert_eq!(payer.schedules().await.len(), 1);
    // And it stays so.
    payer.world.stripe.forget_requests().await;
    payer.world.look_again(ACME).await;
    assert!(payer.world.stripe.writes().await.is_empty());
    payer.finish().await;
}

#[tokio::test]
async fn setting_the_plan_back_before_the_period_ends_withdraws_the_downgrade() {
    let payer = Payer::on("pro", json!({})).await;
    payer.edit(json!({"plan": "starter"})).await;
    payer.change("Scheduled").await;
    payer.edit(json!({"plan": "pro"})).await;
    let tenant = payer.settled().await;
    assert_eq!(tenant["status"]["planChange"], Value::Null);
    assert_eq!(payer.subscription().await["schedule"], Value::Null);
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 9900]);
    payer.finish().await;
}

#[tokio::test]
async fn an_upgrade_set_back_within_a_minute_lasts_until_the_period_ends() {
    let payer = Payer::on("pro", json!({})).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    payer.change("Applied").await;
    payer.edit(json!({"plan": "pro"})).await;
    payer.change("Scheduled").await;
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    payer.at(PERIOD + 7200).await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("pro".into(), 1));
    payer.finish().await;
}

#[tokio::test]
async fn an_upgrade_replaces_a_scheduled_downgrade() {
    let payer = Payer::on("pro", json!({})).await;
    payer.edit(json!({"plan": "starter", "quantity": 2})).await;
    payer.change("Scheduled").await;
    payer.edit(json!({"plan": "enterprise"})).await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("enterprise".into(), 2));
    assert_eq!(payer.subscription().await["schedule"], Value::Null);
    payer.finish().await;
}

#[tokio::test]
async fn fewer_seats_wait_for_the_end_of_the_period() {
    let payer = Payer::on("pro", json!({"quantity": 5})).await;
    payer.edit(json!({"quantity": 2})).await;
    payer.change("Scheduled").await;
    assert_eq!(payer.sold().await, ("pro".into(), 5));
    payer.at(PERIOD + 7200).await;
    payer.settled().await;
    assert_eq!(payer.totals().await, [5 * 9900, 2 * 9900]);
    payer.finish().await;
}

#[tokio::test]
async fn a_shorter_interval_waits_for_the_end_of_the_year() {
    let payer = Payer::on("annual", json!({})).await;
    payer.edit(json!({"plan": "pro"})).await;
    let change = payer.change("Scheduled").await;
    assert_eq!(change["effectiveAt"], "2027-11-01T00:00:00Z");
    payer.at(365 * DAY + 7200).await;
    payer.settled().await;
    assert_eq!(payer.totals().await, [99_000, 9900]);
    payer.finish().await;
}

#[tokio::test]
async fn a_cancellation_comes_before_a_scheduled_downgrade() {
    for lifecycle in ["CancelAtPeriodEnd", "Canceled"] {
        let payer = Payer::on("pro", json!({})).await;
        payer.edit(json!({"plan": "starter"})).await;
        payer.change("Scheduled").await;
        payer.edit(json!({"lifecycle": lifecycle})).await;
        payer.world.ready(ACME).await;
        let subscriptions = payer.world.subscriptions(&payer.customer).await;
        assert_eq!(subscriptions.len(), 1);
        let ends = subscriptions[0]["cancel_at_period_end"] == true
            || subscriptions[0]["status"] == "canceled";
        assert!(ends, "{lifecycle}: {:#}", subscriptions[0]);
        payer.finish().await;
    }
}

#[tokio::test]
async fn deleting_the_manifest_ends_what_has_a_scheduled_downgrade() {
    let payer = Payer::on("pro", json!({})).await;
    payer.edit(json!({"plan": "starter"})).await;
    payer.change("Scheduled").await;
    payer.world.delete(ACME).await;
    payer.world.gone(ACME).await;
    assert_eq!(payer.subscription().await["cancel_at_period_end"], true);
    payer.finish().await;
}

#[tokio::test]
async fn a_schedule_made_by_someone_else_is_respected_and_reported() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    let subscription = payer.subscription().await;
    let from = [("from_subscription", id(&subscription))];
    let schedule = world.stripe.post("/v1/subscription_schedules", &from).await;
    world.stripe.forget_requests().await;
    payer.edit(json!({"plan": "starter"})).await;
    let message = world.stalled(ACME, "ScheduleAttached").await;
    assert!(message.contains(id(&schedule)), "{message}");
    payer.edit(json!({"plan": "enterprise"})).await;
    world.stalled(ACME, "ScheduleAttached").await;
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
    let release = format!("/v1/subscription_schedules/{}/release", id(&schedule));
    world.stripe.post(&release, &[]).await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    payer.finish().await;
}

#[tokio::test]
async fn a_schedule_released_by_hand_is_made_again() {
    let payer = Payer::on("pro", json!({})).await;
    payer.edit(json!({"plan": "starter"})).await;
    let first = payer.change("Scheduled").await["scheduleId"].clone();
    let release = format!(
        "/v1/subscription_schedules/{}/release",
        first.as_str().unwrap()
    );
    payer.world.stripe.post(&release, &[]).await;
    payer
        .world
        .until(ACME, "another schedule", |tenant| {
            let change = &tenant["status"]["planChange"];
            change["state"] == "Scheduled"
                && change["scheduleId"].is_string()
                && change["scheduleId"] != first
        })
        .await;
    payer.at(PERIOD + 7200).await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("starter".into(), 1));
    payer.finish().await;
}
