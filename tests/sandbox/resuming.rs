//! Paused subscriptions put back to work, as Stripe's page on pausing subscriptions has it.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, add_card, at, cards, event_types, monthly, subscription},
    harness::{Sandbox, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";
const PAUSED_AT: i64 = 7 * DAY;
const ON_SUCCESS: &str = "payment_behavior=resume_on_payment_success";

/// A subscription whose trial ended without a card, on the eighth day.
async fn paused(sandbox: &Sandbox) -> (Tenant, Value, String) {
    let tenant = Tenant::without_card(sandbox, START).await;
    let more = "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let trialing = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, more)
        .await;
    sandbox.advance(&tenant.clock, at(START) + 8 * DAY).await;
    let paused = subscription(sandbox, &trialing).await;
    assert_eq!(paused["status"], "paused");
    let path = format!("/v1/subscriptions/{}/resume", id(&paused));
    (tenant, paused, path)
}

async fn status(sandbox: &Sandbox, of: &Value) -> String {
    text(&subscription(sandbox, of).await["status"])
}

#[tokio::test]
async fn a_paused_subscription_says_since_when_and_why() {
    let sandbox = Sandbox::start();
    let (tenant, paused, path) = paused(&sandbox).await;
    let details = &paused["status_details"]["paused"];
    assert_eq!(details["transitioned_at"], at(START) + PAUSED_AT);
    assert_eq!(
        details["subscription"],
        json!({"type": "trial_end_without_payment_method"})
    );
    add_card(&sandbox, &tenant.customer).await;
    let resumed = sandbox.post(path, ON_SUCCESS).await;
    assert_eq!(resumed["status"], "active");
    assert_eq!(resumed["status_details"], Value::Null);
}

#[tokio::test]
async fn without_a_card_nothing_can_be_paid_in_the_request_and_nothing_is_billed() {
    let sandbox = Sandbox::start();
    let (tenant, paused, path) = paused(&sandbox).await;
    sandbox.post(path, ON_SUCCESS).refused(400).await;
    assert_eq!(status(&sandbox, &paused).await, "paused");
    assert_eq!(
        tenant.invoices(&sandbox).await.len(),
        1,
        "the trial's alone"
    );
}

#[tokio::test]
async fn a_refused_payment_leaves_it_paused_and_is_tried_again() {
    let sandbox = Sandbox::start();
    let (tenant, paused, path) = paused(&sandbox).await;
    add_card(&sandbox, &tenant.customer).await;
    cards(&sandbox, &tenant.customer, "decline:insufficient_funds").await;
    let tried = sandbox.post(&path, ON_SUCCESS).await;
    assert_eq!(tried["status"], "paused");
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["attempt_count"], 1);
    let retry = at(START) + 8 * DAY + 3 * DAY;
    assert_eq!(invoice["next_payment_attempt"], retry);
    sandbox.post(&path, ON_SUCCESS).refused(400).await;
    cards(&sandbox, &tenant.customer, "success").await;
    sandbox.advance(&tenant.clock, retry).await;
    assert_eq!(status(&sandbox, &paused).await, "active");
    let types = event_types(&sandbox).await;
    assert!(types.contains(&"customer.subscription.resumed".to_owned()));
}

#[tokio::test]
async fn a_payment_that_wants_its_owner_resumes_it_once_they_come() {
    let sandbox = Sandbox::start();
    let (tenant, paused, path) = paused(&sandbox).await;
    add_card(&sandbox, &tenant.customer).await;
    cards(&sandbox, &tenant.customer, "requires_action").await;
    sandbox.post(&path, ON_SUCCESS).await;
    assert_eq!(status(&sandbox, &paused).await, "paused");
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    let path = format!("/invoices/{}/pay", id(&invoice));
    sandbox
        .control("POST", &path, json!({"authenticate": true}))
        .await;
    assert_eq!(status(&sandbox, &paused).await, "active");
}

#[tokio::test]
async fn unless_told_otherwise_nobody_tries_to_pay_and_after_23_hours_the_invoice_is_void() {
    let sandbox = Sandbox::start();
    let (tenant, paused, path) = paused(&sandbox).await;
    add_card(&sandbox, &tenant.customer).await;
    assert_eq!(sandbox.post(&path, "").await["status"], "paused");
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["attempt_count"], 0);
    let end = at(START) + 8 * DAY + 23 * HOUR;
    sandbox.advance(&tenant.clock, end - 1).await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "open");
    sandbox.advance(&tenant.clock, end).await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "void");
    assert_eq!(status(&sandbox, &paused).await, "paused");
    let again = sandbox.post(&path, ON_SUCCESS).await;
    assert_eq!(again["status"], "active", "it may be resumed again");
}

#[tokio::test]
async fn then_the_first_try_resumes_it_whatever_comes_of_it() {
    for (behavior, expected) in [("success", "active"), ("decline:do_not_honor", "past_due")] {
        let sandbox = Sandbox::start();
        let (tenant, paused, path) = paused(&sandbox).await;
        add_card(&sandbox, &tenant.customer).await;
        cards(&sandbox, &tenant.customer, behavior).await;
        let form = "payment_behavior=resume_on_payment_attempt";
        sandbox.post(&path, form).await;
        let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
        let pay = format!("/v1/invoices/{}/pay", id(&invoice));
        let answer = sandbox.post(pay, "").send().await;
        assert_eq!(answer.status.is_success(), behavior == "success");
        assert_eq!(status(&sandbox, &paused).await, expected);
        sandbox.advance(&tenant.clock, at(START) + 12 * DAY).await;
        let later = tenant.invoices(&sandbox).await.swap_remove(0);
        assert_eq!(later["attempt_count"], 1, "it is not tried again");
        assert_ne!(later["status"], "void", "it was tried in time");
    }
}
