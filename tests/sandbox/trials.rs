//! Trials: free until they end, and what happens then.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, add_card, at, event_types, monthly, period, subscription},
    harness::{Sandbox, id},
};

const START: &str = "2026-01-01T00:00:00Z";

#[tokio::test]
async fn a_trial_is_free_then_its_first_bill_is_a_draft_for_an_hour_and_then_paid() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&trial_period_days=14",
        )
        .await;
    let end = at(START) + 14 * DAY;
    assert_eq!(subscribed["status"], "trialing");
    assert_eq!(subscribed["trial_end"], end);
    assert_eq!(period(&subscribed), (at(START), end));
    let invoices = tenant.invoices(&sandbox).await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(invoices[0]["total"], 0);
    assert_eq!(invoices[0]["status"], "paid");

    sandbox.advance(&tenant.clock, end).await;
    let active = subscription(&sandbox, &subscribed).await;
    assert_eq!(active["status"], "active");
    assert_eq!(period(&active), (end, at("2026-02-15T00:00:00Z")));
    let draft = &tenant.invoices(&sandbox).await[0];
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["auto_advance"], true);
    assert_eq!(draft["automatically_finalizes_at"], end + HOUR);
    assert_eq!(draft["billing_reason"], "subscription_cycle");

    sandbox.advance(&tenant.clock, end + HOUR).await;
    let paid = &tenant.invoices(&sandbox).await[0];
    assert_eq!(id(paid), id(draft));
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["amount_paid"], 1_000);
}

#[tokio::test]
async fn the_end_of_a_trial_is_announced_three_days_ahead() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&trial_period_days=14",
        )
        .await;
    let announced = async || {
        let types = event_types(&sandbox).await;
        types
            .iter()
            .filter(|kind| *kind == "customer.subscription.trial_will_end")
            .count()
    };
    sandbox
        .advance(&tenant.clock, at(START) + 11 * DAY - 1)
        .await;
    assert_eq!(announced().await, 0);
    sandbox.advance(&tenant.clock, at(START) + 11 * DAY).await;
    assert_eq!(announced().await, 1);
    sandbox.advance(&tenant.clock, at(START) + 20 * DAY).await;
    assert_eq!(announced().await, 1);
}

#[tokio::test]
async fn the_end_of_a_trial_shorter_than_three_days_is_announced_at_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&trial_period_days=2",
        )
        .await;
    assert!(
        event_types(&sandbox)
            .await
            .contains(&"customer.subscription.trial_will_end".to_owned())
    );
}

#[tokio::test]
async fn a_trial_that_is_ended_now_is_billed_now() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&trial_period_days=14",
        )
        .await;
    let now = at(START) + 5 * DAY;
    sandbox.advance(&tenant.clock, now).await;
    let active = sandbox
        .post(
            format!("/v1/subscriptions/{}", id(&subscribed)),
            "trial_end=now",
        )
        .await;
    assert_eq!(active["status"], "active");
    assert_eq!(active["trial_end"], now);
    assert_eq!(period(&active), (now, at("2026-02-06T00:00:00Z")));
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "paid");
    assert_eq!(invoice["total"], 1_000);
}

#[tokio::test]
async fn a_trial_can_be_extended() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&trial_period_days=14",
        )
        .await;
    let later = at(START) + 30 * DAY;
    let form = format!("trial_end={later}&proration_behavior=none");
    let extended = sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    assert_eq!(extended["trial_end"], later);
    sandbox.advance(&tenant.clock, later - 1).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "trialing"
    );
}

async fn trial_without_card(sandbox: &Sandbox, outcome: &str) -> (Tenant, Value) {
    let tenant = Tenant::without_card(sandbox, START).await;
    let price = monthly(sandbox, 1_000).await;
    let more = format!(
        "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]={outcome}"
    );
    let subscribed = tenant.subscribe(sandbox, &price, &more).await;
    assert_eq!(subscribed["status"], "trialing");
    sandbox
        .advance(&tenant.clock, at(START) + 7 * DAY + 2 * HOUR)
        .await;
    let after = subscription(sandbox, &subscribed).await;
    (tenant, after)
}

#[tokio::test]
async fn a_trial_without_a_card_is_canceled_when_it_says_so() {
    let sandbox = Sandbox::start();
    let (tenant, after) = trial_without_card(&sandbox, "cancel").await;
    assert_eq!(after["status"], "canceled");
    assert_eq!(after["ended_at"], at(START) + 7 * DAY);
    assert_eq!(
        tenant.invoices(&sandbox).await.len(),
        1,
        "nothing beyond the trial's own invoice"
    );
}

#[tokio::test]
async fn a_trial_without_a_card_pauses_when_it_says_so_and_resumes_once_there_is_one() {
    let sandbox = Sandbox::start();
    let (tenant, after) = trial_without_card(&sandbox, "pause").await;
    assert_eq!(after["status"], "paused");
    assert_eq!(tenant.invoices(&sandbox).await.len(), 1);
    add_card(&sandbox, &tenant.customer).await;
    assert_eq!(
        subscription(&sandbox, &after).await["status"],
        "paused",
        "a card alone resumes nothing"
    );
    let path = format!("/v1/subscriptions/{}/resume", id(&after));
    let form = "billing_cycle_anchor[type]=now&payment_behavior=resume_on_payment_success";
    let resumed = sandbox.post(path, form).await;
    assert_eq!(resumed["status"], "active");
    assert_eq!(period(&resumed).0, at(START) + 7 * DAY + 2 * HOUR);
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "paid");
    assert_eq!(invoice["total"], 1_000);
}

#[tokio::test]
async fn a_trial_without_a_card_is_billed_and_past_due_when_it_says_so() {
    let sandbox = Sandbox::start();
    let (tenant, after) = trial_without_card(&sandbox, "create_invoice").await;
    assert_eq!(after["status"], "past_due");
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["amount_remaining"], 1_000);
}
