//! What plans and tenants may say about the dunning.

use jiff::Timestamp;
use serde_json::json;

use super::support::paying::{DAY, TENANT, told_once, world};
use super::{FAILS, failing, level, stage, time};

#[tokio::test]
async fn a_plan_has_its_own_days_and_editing_them_takes_effect_at_once() {
    let world = world().await;
    let _operator = world.operator().await;
    let plan = |stages| json!({"currency": "usd", "base": {"amount": "99.00"}, "dunning": {"stages": stages}});
    let stages = json!([{"stage": "Warning", "day": 2}, {"stage": "Suspended", "day": 5}]);
    world.plan_with("pro", plan(stages)).await;
    let (clock, ..) = failing(&world, json!({})).await;
    let status = stage(&world, Some("Grace")).await;
    assert_eq!(status["dunning"]["nextStage"], "Warning");
    assert_eq!(status["dunning"]["suspendAt"], time(FAILS + 4 * DAY));
    world.stripe.advance(&clock, FAILS + DAY).await;
    stage(&world, Some("Warning")).await;

    let stages = json!([{"stage": "Warning", "day": 1}, {"stage": "Suspended", "day": 2}]);
    world.plan_with("pro", plan(stages)).await;
    let status = stage(&world, Some("Suspended")).await;
    assert_eq!(status["access"]["level"], "Suspended");
    world.finish().await;
}

#[tokio::test]
async fn a_plan_may_count_attempts() {
    let world = world().await;
    let _operator = world.operator().await;
    let stages =
        json!([{"stage": "Reminder", "attempts": 1}, {"stage": "Suspended", "attempts": 2}]);
    let plan =
        json!({"currency": "usd", "base": {"amount": "99.00"}, "dunning": {"stages": stages}});
    world.plan_with("pro", plan).await;
    let (clock, ..) = failing(&world, json!({})).await;
    let status = stage(&world, Some("Reminder")).await;
    let next = status["dunning"]["nextPaymentAttempt"].as_str().unwrap();
    assert_eq!(status["dunning"]["nextStageAt"], json!(next));
    let next: Timestamp = next.parse().unwrap();
    world.stripe.advance(&clock, next.as_second() + 60).await;
    let status = stage(&world, Some("Suspended")).await;
    assert_eq!(status["dunning"]["attempts"], 2);
    world.finish().await;
}

#[tokio::test]
async fn a_hold_gives_access_back_and_when_it_ends_the_stage_that_was_reached_is_in_force() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, ..) = failing(&world, json!({})).await;
    world.stripe.advance(&clock, FAILS + 7 * DAY).await;
    level(&world, "Suspended").await;
    let until = FAILS + 20 * DAY;
    world
        .edit(TENANT, json!({"dunning": {"holdUntil": time(until)}}))
        .await;
    let status = stage(&world, Some("Held")).await;
    assert_eq!(status["access"]["level"], "Full");
    assert_eq!(status["dunning"]["heldUntil"], time(until));
    assert_eq!(status["dunning"]["suspendAt"], time(until));
    world.stripe.advance(&clock, until - 1).await;
    world.look_again(TENANT).await;
    level(&world, "Full").await;
    world.stripe.advance(&clock, until).await;
    level(&world, "Suspended").await;
    told_once(&world, "Normal", "AccessGranted").await;
    world.finish().await;
}
