//! Trials: their end, what happens then, the reminder.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::world::{World, condition, id};
use super::{
    DAY, START, TENANT, customer, kill_at, manifest, method_ready, on_clock, page, phase, session,
    world,
};

/// The reminder that Stripe holds of a tenant's trial.
async fn reminder(world: &World, clock: &str) -> Value {
    let (_, subscription) = world.one_of_each(TENANT, Some(clock)).await;
    subscription["metadata"]["tenantbilling_trial_reminder"].clone()
}

async fn reminded(world: &World, clock: &str, end: i64) {
    let end = Timestamp::from_second(end).unwrap().to_string();
    eventually("the reminder", async || {
        match reminder(world, clock).await {
            found if found == end.as_str() => Ok(()),
            found => Err(format!("it is {found}")),
        }
    })
    .await;
}

fn reminders(log: &str) -> usize {
    log.matches("\"step\":\"the trial of").count()
}

#[tokio::test]
async fn a_trial_is_reminded_of_three_days_before_its_end_and_once_whatever_restarts() {
    let world = world().await;
    let operator = world.operator().await;
    let clock = on_clock(&world, json!({})).await;
    world.ready(TENANT).await;
    let end = START + 14 * DAY;
    world.stripe.advance(&clock, end - 3 * DAY - 60).await;
    world.look_again(TENANT).await;
    assert_eq!(reminder(&world, &clock).await, Value::Null);
    world.stripe.advance(&clock, end - 3 * DAY).await;
    world.look_again(TENANT).await;
    reminded(&world, &clock, end).await;
    let tenant = page(&world).await;
    assert_eq!(
        condition(&tenant, "Ready")["status"],
        "True",
        "a trial without a card is in order"
    );
    assert_eq!(reminders(&operator.process().log()), 1);
    operator.kill();
    let operator = world.operator().await;
    world.look_again(TENANT).await;
    assert_eq!(reminders(&operator.process().log()), 0);
    world.finish().await;
}

#[tokio::test]
async fn the_reminder_comes_at_its_instant_though_nothing_happens_in_stripe() {
    let mut world = world().await;
    world.options.set_flag("--event-poll-seconds", "3600");
    let _operator = world.operator().await;
    // Due a few seconds after the trial begins, and long before the next regular look.
    let end = Timestamp::now().as_second() + 3 * DAY + 8;
    let end = Timestamp::from_second(end).unwrap();
    let spec = json!({"trial": {"endsAt": end.to_string()}});
    world.apply(manifest(&world, &spec)).await;
    world.ready(TENANT).await;
    let mark = async || {
        let (_, subscription) = world.one_of_each(TENANT, None).await;
        subscription["metadata"]["tenantbilling_trial_reminder"].clone()
    };
    assert_eq!(mark().await, Value::Null);
    eventually("the reminder", async || match mark().await {
        found if found == end.to_string() => Ok(()),
        found => Err(format!("it is {found}")),
    })
    .await;
    assert!(Timestamp::now() >= end - jiff::SignedDuration::from_hours(72));
    world.finish().await;
}

#[tokio::test]
async fn a_trial_by_the_calendar_is_moved_and_ended_by_editing_its_date() {
    let world = world().await;
    let _operator = world.operator().await;
    let date = |seconds: i64| {
        let at = Timestamp::now().as_second() + seconds;
        Timestamp::from_second(at).unwrap()
    };
    let spec = |end: Timestamp| json!({"trial": {"endsAt": end.to_string()}});
    let first = date(20 * DAY);
    world.apply(manifest(&world, &spec(first))).await;
    world.ready(TENANT).await;
    let (found, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["trial_end"], first.as_second());
    let second = date(40 * DAY);
    world.edit(TENANT, spec(second)).await;
    world.ready(TENANT).await;
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["trial_end"], second.as_second());

    world.edit(TENANT, spec(date(-60))).await;
    let message = world.reconciling(TENANT, "PaymentMethodMissing").await;
    assert!(message.contains("the trial of sub_"), "{message}");
    world.add_card(id(&found), "pm_card_visa").await;
    phase(&world, "Active").await;
    world.ready(TENANT).await;
    world.finish().await;
}

/// A tenant whose trial has ended without a card, and its clock.
async fn paused(world: &World) -> (String, Value) {
    let clock = on_clock(world, json!({})).await;
    world.ready(TENANT).await;
    world.stripe.advance(&clock, START + 14 * DAY + 7200).await;
    phase(world, "Paused").await;
    (clock, page(world).await)
}

#[tokio::test]
async fn a_trial_that_ends_without_a_card_pauses_and_goes_on_when_one_arrives() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, tenant) = paused(&world).await;
    assert_eq!(
        condition(&tenant, "Ready")["reason"],
        "PaymentMethodMissing"
    );
    world
        .stripe
        .complete_checkout(session(&tenant), "pm_card_visa")
        .await;
    let tenant = phase(&world, "Active").await;
    assert!(method_ready(&tenant));
    world.ready(TENANT).await;
    let (_, subscription) = world.one_of_each(TENANT, Some(&clock)).await;
    let latest = subscription["latest_invoice"].as_str().unwrap();
    let invoice = world.stripe.get(&format!("/v1/invoices/{latest}")).await;
    assert_eq!(
        (&invoice["status"], &invoice["amount_paid"]),
        (&json!("paid"), &json!(9900))
    );
    world.finish().await;
}

#[tokio::test]
async fn a_resumption_that_fails_is_waited_for_and_not_repeated() {
    let world = world().await;
    let _operator = world.operator().await;
    let (_, tenant) = paused(&world).await;
    world.stripe.forget_requests().await;
    world
        .stripe
        .complete_checkout(session(&tenant), "pm_card_chargeCustomerFail")
        .await;
    let tenant = world.reason(TENANT, "AwaitingPayment").await;
    assert_eq!(resumptions(&world).await, 1);
    assert_eq!(tenant["status"]["phase"], "Paused");
    assert_eq!(tenant["status"]["access"]["level"], "Suspended");
    let invoices = async || {
        let path = format!("/v1/invoices?status=open&customer={}", customer(&tenant));
        let page = world.stripe.get(&path).await;
        page["data"].as_array().unwrap().clone()
    };
    let open = invoices().await;
    assert_eq!(open.len(), 1, "{open:#?}");
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    assert!(world.stripe.writes().await.is_empty(), "it is resumed once");
    world.stripe.pay_hosted(id(&open[0]), "pm_card_visa").await;
    phase(&world, "Active").await;
    world.ready(TENANT).await;
    assert!(invoices().await.is_empty());
    world.finish().await;
}

/// How many requests to resume were made since the log was emptied. Repetitions have the same key.
async fn resumptions(world: &World) -> usize {
    let writes = world.stripe.writes().await;
    let resumed = writes.iter().filter(|write| {
        let path = write["path"].as_str().unwrap();
        path.ends_with("/resume")
    });
    let keys: HashSet<String> = resumed
        .map(|write| write["idempotency_key"].to_string())
        .collect();
    keys.len()
}

/// A repetition of a request whose answer was lost gets the stored answer, which says nothing of the
/// invoice that the first one left open.
#[tokio::test]
async fn a_resumption_that_fails_unanswered_is_not_made_again() {
    let world = world().await;
    let _operator = world.operator().await;
    let (_, tenant) = paused(&world).await;
    let fault = json!({
        "method": "POST", "path": "/v1/subscriptions/", "kind": "drop_after", "times": 1,
    });
    let fault = world.stripe.fault(fault).await;
    world.stripe.forget_requests().await;
    world
        .stripe
        .complete_checkout(session(&tenant), "pm_card_chargeCustomerFail")
        .await;
    world.reason(TENANT, "AwaitingPayment").await;
    assert_eq!(world.stripe.fault_hits(&fault).await, 1);
    assert_eq!(resumptions(&world).await, 1, "and its repetitions");
    world.finish().await;
}

#[tokio::test]
async fn killed_while_it_resumes_a_subscription_it_charges_once() {
    for kind in ["hold_before", "hold_after"] {
        let world = world().await;
        let operator = world.operator().await;
        let (clock, tenant) = paused(&world).await;
        let fault = json!({
            "method": "POST", "path": "/v1/subscriptions/", "skip": 0, "kind": kind, "times": 1,
        });
        let fault = world.stripe.fault(fault).await;
        world
            .stripe
            .complete_checkout(session(&tenant), "pm_card_visa")
            .await;
        let operator = kill_at(&world, &fault, operator).await;
        phase(&world, "Active").await;
        world.ready(TENANT).await;
        world.one_of_each(TENANT, Some(&clock)).await;
        let path = format!("/v1/invoices?customer={}", customer(&tenant));
        let page = world.stripe.get(&path).await;
        let charged = page["data"].as_array().unwrap().iter();
        let charged: Vec<_> = charged.filter(|invoice| invoice["total"] != 0).collect();
        assert_eq!(charged.len(), 1, "{kind}: {charged:#?}");
        drop(operator);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_trial_may_be_cancelled_or_invoiced_instead() {
    for (behavior, expected, reason) in [
        ("Cancel", "Canceled", "CanceledInStripe"),
        ("Invoice", "PastDue", "Succeeded"),
    ] {
        let world = world().await;
        let _operator = world.operator().await;
        let clock = on_clock(&world, json!({"trial": {"days": 7}})).await;
        world.ready(TENANT).await;
        world
            .edit(TENANT, json!({"trial": {"ifNoPaymentMethod": behavior}}))
            .await;
        world.ready(TENANT).await;
        world.stripe.advance(&clock, START + 7 * DAY + 7200).await;
        phase(&world, expected).await;
        let tenant = world.reason(TENANT, reason).await;
        assert!(!method_ready(&tenant));
        let found = world.subscriptions(customer(&tenant)).await;
        assert_eq!(found.len(), 1, "{behavior}");
        world.finish().await;
    }
}
