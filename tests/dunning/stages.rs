//! Day 1, 4, 7, 8, and the payment that ends it.

use serde_json::{Value, json};

use super::support::paying::{DAY, TENANT, invoices_of, told_once, world};
use super::support::world::World;
use super::{FAILS, failing, level, stage, time};

/// A world with a plan that has limits.
async fn limited_world() -> World {
    let world = world().await;
    let plan = json!({
        "currency": "usd", "base": {"amount": "99.00"},
        "limits": {
            "Full": {"requestsPerMinute": 600},
            "Limited": {"requestsPerMinute": 60},
            "Suspended": {"requestsPerMinute": 0},
        },
    });
    world.plan_with("pro", plan).await;
    world
}

fn limit(status: &Value) -> &Value {
    &status["access"]["limits"]["requestsPerMinute"]
}

#[tokio::test]
async fn a_failed_payment_goes_through_every_stage_to_the_second_and_paying_ends_it_at_once() {
    let world = limited_world().await;
    let _operator = world.operator().await;
    let (clock, _, invoice) = failing(&world, json!({})).await;
    let status = stage(&world, Some("Reminder")).await;
    let dunning = &status["dunning"];
    assert_eq!(dunning["invoice"], json!(invoice));
    assert_eq!(
        (&dunning["day"], &dunning["attempts"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&dunning["amountDue"], &dunning["currency"]),
        (&json!("99.00"), &json!("usd"))
    );
    assert_eq!(dunning["since"], time(FAILS));
    assert_eq!(dunning["nextStage"], "Warning");
    assert_eq!(dunning["nextStageAt"], time(FAILS + 3 * DAY));
    assert_eq!(dunning["suspendAt"], time(FAILS + 7 * DAY));
    assert!(dunning["nextPaymentAttempt"].is_string());
    assert_eq!(status["access"]["until"], time(FAILS + 6 * DAY));
    assert_eq!(limit(&status), &json!(600));

    for (day, name, access, limit_then) in [
        (4, "Warning", "Full", 600),
        (7, "Limited", "Limited", 60),
        (8, "Suspended", "Suspended", 0),
    ] {
        let begins = FAILS + (day - 1) * DAY;
        world.stripe.advance(&clock, begins - 1).await;
        world.look_again(TENANT).await;
        let before = world.get(TENANT).await;
        assert_ne!(before["status"]["dunning"]["stage"], name, "a second early");
        world.stripe.advance(&clock, begins).await;
        let status = stage(&world, Some(name)).await;
        assert_eq!(status["dunning"]["day"], day);
        assert_eq!(status["access"]["level"], access);
        assert_eq!(limit(&status), &json!(limit_then));
    }
    let status = level(&world, "Suspended").await;
    assert_eq!(status["access"]["reason"], "PaymentOverdue");
    assert_eq!(status["access"]["until"], Value::Null);

    world.stripe.pay_hosted(&invoice, "pm_card_visa").await;
    let status = level(&world, "Full").await;
    assert_eq!(status["dunning"], Value::Null, "in the same look");
    assert_eq!(limit(&status), &json!(600));
    for (tone, reason) in [
        ("Warning", "DunningReminder"),
        ("Warning", "DunningWarning"),
        ("Warning", "AccessLimited"),
        ("Warning", "AccessSuspended"),
    ] {
        told_once(&world, tone, reason).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn an_invoice_that_is_sent_is_dunned_from_its_due_date_on() {
    let world = limited_world().await;
    let _operator = world.operator().await;
    let clock = world.stripe.test_clock(super::support::paying::START).await;
    let mut manifest = world.manifest(TENANT, "pro");
    manifest["spec"]["testClock"] = json!(clock);
    manifest["spec"]["payment"] = json!({"collection": "Invoice", "daysUntilDue": 10});
    world.apply(manifest).await;
    let tenant = world.ready(TENANT).await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    let start = super::support::paying::START;
    world.stripe.advance(&clock, start + 2 * DAY).await;
    let invoice = invoices_of(&world, customer).await.swap_remove(0);
    let due = invoice["due_date"].as_i64().unwrap();
    world.stripe.advance(&clock, due - 1).await;
    world.look_again(TENANT).await;
    stage(&world, None).await;
    world.stripe.advance(&clock, due).await;
    let status = stage(&world, Some("Reminder")).await;
    assert_eq!(status["dunning"]["since"], time(due));
    world.stripe.advance(&clock, due + 7 * DAY).await;
    level(&world, "Suspended").await;
    world
        .stripe
        .pay_hosted(super::id(&invoice), "pm_card_visa")
        .await;
    level(&world, "Full").await;
    world.finish().await;
}

#[tokio::test]
async fn support_can_void_an_invoice_or_give_it_up_and_only_the_first_ends_the_dunning() {
    let world = limited_world().await;
    let _operator = world.operator().await;
    let (clock, _, invoice) = failing(&world, json!({})).await;
    world.stripe.advance(&clock, FAILS + 7 * DAY).await;
    level(&world, "Suspended").await;
    let path = format!("/v1/invoices/{invoice}/mark_uncollectible");
    world.stripe.dashboard(&path, json!({})).await;
    world.look_again(TENANT).await;
    level(&world, "Suspended").await;
    stage(&world, Some("Suspended")).await;
    let path = format!("/v1/invoices/{invoice}/void");
    world.stripe.dashboard(&path, json!({})).await;
    let status = level(&world, "Full").await;
    assert_eq!(status["dunning"], Value::Null);
    world.finish().await;
}

#[tokio::test]
async fn who_pays_is_let_in_although_the_manifest_cannot_be_acted_on_by_then() {
    let world = limited_world().await;
    let _operator = world.operator().await;
    let (clock, _, invoice) = failing(&world, json!({})).await;
    world.stripe.advance(&clock, FAILS + 7 * DAY).await;
    level(&world, "Suspended").await;
    world.edit(TENANT, json!({"plan": "no-such-plan"})).await;
    world.stalled(TENANT, "PlanNotFound").await;
    level(&world, "Suspended").await;
    world.stripe.pay_hosted(&invoice, "pm_card_visa").await;
    let status = level(&world, "Full").await;
    assert_eq!(status["dunning"], Value::Null);
    assert_eq!(limit(&status), &json!(600));
    world.stalled(TENANT, "PlanNotFound").await;
    world.finish().await;
}
