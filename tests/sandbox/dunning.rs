//! Renewals that are not paid: retries, what they end in, and how they are cured.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, add_card, cards, event_types, monthly, period, subscription},
    harness::{Sandbox, id, int},
};

/// A subscription whose first renewal has just been declined.
async fn past_due(sandbox: &Sandbox) -> (Tenant, Value) {
    let tenant = Tenant::with_card(sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    cards(sandbox, &tenant.customer, "decline:insufficient_funds").await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    let subscribed = subscription(sandbox, &subscribed).await;
    assert_eq!(subscribed["status"], "past_due");
    (tenant, subscribed)
}

/// Lives through every retry that is announced, and returns how many attempts there were.
async fn exhaust(sandbox: &Sandbox, tenant: &Tenant) -> i64 {
    loop {
        let invoice = tenant.invoices(sandbox).await.swap_remove(0);
        let Some(next) = invoice["next_payment_attempt"].as_i64() else {
            return int(&invoice["attempt_count"]);
        };
        sandbox.advance(&tenant.clock, next).await;
    }
}

#[tokio::test]
async fn a_declined_renewal_is_open_past_due_and_announced_for_a_retry() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = past_due(&sandbox).await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["attempted"], true);
    assert_eq!(invoice["attempt_count"], 1);
    assert_eq!(invoice["amount_remaining"], 1_000);
    let (renewed, _) = period(&subscribed);
    assert!(int(&invoice["next_payment_attempt"]) > renewed + HOUR);
    assert!(
        event_types(&sandbox)
            .await
            .contains(&"invoice.payment_failed".to_owned())
    );
}

#[tokio::test]
async fn retries_follow_the_schedule_and_end_in_cancellation() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1, 2], "past_due_outcome": "cancel"}))
        .await;
    let (tenant, subscribed) = past_due(&sandbox).await;
    let failed = period(&subscribed).0 + HOUR;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["next_payment_attempt"], failed + DAY);
    assert_eq!(
        exhaust(&sandbox, &tenant).await,
        3,
        "the first attempt and two retries"
    );
    let ended = subscription(&sandbox, &subscribed).await;
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["cancellation_details"]["reason"], "payment_failed");
}

#[tokio::test]
async fn a_retry_that_succeeds_cures_the_subscription() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = past_due(&sandbox).await;
    cards(&sandbox, &tenant.customer, "success").await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due",
        "until the retry"
    );
    let next = int(&tenant.invoices(&sandbox).await[0]["next_payment_attempt"]);
    sandbox.advance(&tenant.clock, next).await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "paid");
    assert_eq!(invoice["attempt_count"], 2);
    assert_eq!(invoice["next_payment_attempt"], Value::Null);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn exhausted_retries_leave_the_subscription_unpaid_and_its_bills_drafts_when_so_set() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1], "past_due_outcome": "unpaid"}))
        .await;
    let (tenant, subscribed) = past_due(&sandbox).await;
    exhaust(&sandbox, &tenant).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "unpaid"
    );
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + DAY)
        .await;
    let invoices = tenant.invoices(&sandbox).await;
    assert_eq!(invoices[0]["billing_reason"], "subscription_cycle");
    assert_eq!(
        invoices[0]["status"], "draft",
        "billed, but nobody is asked to pay"
    );
    assert_eq!(invoices[0]["auto_advance"], false);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "unpaid"
    );
}

#[tokio::test]
async fn exhausted_retries_leave_the_subscription_past_due_when_so_set() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1], "past_due_outcome": "past_due"}))
        .await;
    let (tenant, subscribed) = past_due(&sandbox).await;
    exhaust(&sandbox, &tenant).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
}

#[tokio::test]
async fn a_new_card_pays_nothing_until_the_invoice_is_paid_with_it() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = past_due(&sandbox).await;
    add_card(&sandbox, &tenant.customer).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["status"], "open");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    let paid = sandbox
        .post(format!("/v1/invoices/{}/pay", id(&invoice)), "")
        .await;
    assert_eq!(paid["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn paying_by_hand_does_not_count_as_an_attempt() {
    let sandbox = Sandbox::start();
    let (tenant, _) = past_due(&sandbox).await;
    let before = tenant.invoices(&sandbox).await.swap_remove(0);
    let error = sandbox
        .post(format!("/v1/invoices/{}/pay", id(&before)), "")
        .refused(402)
        .await;
    assert_eq!(error["type"], "card_error");
    assert_eq!(error["code"], "card_declined");
    assert_eq!(error["decline_code"], "insufficient_funds");
    let after = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(after["attempt_count"], before["attempt_count"]);
    assert_eq!(
        after["next_payment_attempt"],
        before["next_payment_attempt"]
    );
}

#[tokio::test]
async fn canceling_stops_the_retries_of_what_is_open() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = past_due(&sandbox).await;
    let next = int(&tenant.invoices(&sandbox).await[0]["next_payment_attempt"]);
    sandbox
        .delete(format!("/v1/subscriptions/{}", id(&subscribed)))
        .await;
    cards(&sandbox, &tenant.customer, "success").await;
    sandbox.advance(&tenant.clock, next + DAY).await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["auto_advance"], false);
    assert_eq!(invoice["attempt_count"], 1);
}

#[tokio::test]
async fn a_past_due_subscription_still_renews() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1], "past_due_outcome": "past_due"}))
        .await;
    let (tenant, subscribed) = past_due(&sandbox).await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    let invoices = tenant.invoices(&sandbox).await;
    assert_eq!(invoices.len(), 3);
    assert!(
        invoices[..2]
            .iter()
            .all(|invoice| invoice["status"] == "open"),
        "{invoices:?}"
    );
}

#[tokio::test]
async fn a_hard_decline_is_not_charged_again_until_there_is_another_card() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    cards(&sandbox, &tenant.customer, "decline:stolen_card").await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    cards(&sandbox, &tenant.customer, "success").await;
    let next = int(&tenant.invoices(&sandbox).await[0]["next_payment_attempt"]);
    sandbox.advance(&tenant.clock, next).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(
        invoice["status"], "open",
        "the card is the one that was stolen"
    );
    assert_eq!(
        invoice["attempt_count"], 2,
        "the counter grows nevertheless"
    );
    add_card(&sandbox, &tenant.customer).await;
    sandbox
        .advance(&tenant.clock, int(&invoice["next_payment_attempt"]))
        .await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "paid");
}
