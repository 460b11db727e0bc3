//! Subscriptions whose first payment does not succeed, and updates that wait for theirs.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, add_card, at, cards, item, monthly, subscription},
    harness::{Sandbox, data, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";

async fn declined(sandbox: &Sandbox, more: &str) -> (Tenant, Value) {
    let tenant = Tenant::with_card(sandbox, START).await;
    cards(sandbox, &tenant.customer, "decline:generic_decline").await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, more)
        .await;
    assert_eq!(subscribed["status"], "incomplete");
    (tenant, subscribed)
}

#[tokio::test]
async fn a_declined_first_payment_leaves_an_incomplete_subscription_with_an_open_invoice() {
    let sandbox = Sandbox::start();
    let (tenant, _) = declined(&sandbox, "").await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["attempt_count"], 1);
    assert_eq!(
        invoice["next_payment_attempt"],
        Value::Null,
        "a first payment is not retried"
    );
}

#[tokio::test]
async fn paying_the_first_invoice_completes_the_subscription() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = declined(&sandbox, "").await;
    let card = add_card(&sandbox, &tenant.customer).await;
    let invoice = text(&subscribed["latest_invoice"]);
    sandbox
        .post(
            format!("/v1/invoices/{invoice}/pay"),
            format!("payment_method={card}"),
        )
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn an_incomplete_subscription_expires_after_23_hours_and_its_invoice_is_void() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = declined(&sandbox, "").await;
    sandbox
        .advance(&tenant.clock, at(START) + 23 * HOUR - 1)
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "incomplete"
    );
    sandbox.advance(&tenant.clock, at(START) + 23 * HOUR).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "incomplete_expired"
    );
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "void");
    sandbox.advance(&tenant.clock, at(START) + 40 * DAY).await;
    assert_eq!(
        tenant.invoices(&sandbox).await.len(),
        1,
        "what expired does not renew"
    );
}

#[tokio::test]
async fn error_if_incomplete_creates_nothing() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let price = monthly(&sandbox, 1_000).await;
    let form = format!(
        "customer={}&items[0][price]={price}&payment_behavior=error_if_incomplete",
        tenant.customer
    );
    let error = sandbox.post("/v1/subscriptions", form).refused(402).await;
    assert_eq!(error["type"], "card_error");
    let all = sandbox
        .get(format!(
            "/v1/subscriptions?status=all&customer={}",
            tenant.customer
        ))
        .await;
    assert!(data(&all).is_empty(), "{all}");
    assert!(tenant.invoices(&sandbox).await.is_empty());
}

#[tokio::test]
async fn default_incomplete_waits_for_the_payment_even_with_a_good_card() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant
        .subscribe(&sandbox, &price, "&payment_behavior=default_incomplete")
        .await;
    assert_eq!(subscribed["status"], "incomplete");
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["attempt_count"], 0);
    sandbox
        .post(format!("/v1/invoices/{}/pay", id(invoice)), "")
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn a_first_payment_that_wants_the_card_owner_stays_incomplete_until_confirmed() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    cards(&sandbox, &tenant.customer, "requires_action").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    assert_eq!(subscribed["status"], "incomplete");
    let payments = sandbox
        .get(format!(
            "/v1/invoice_payments?invoice={}",
            text(&subscribed["latest_invoice"])
        ))
        .await;
    let intent = payments["data"][0]["payment"]["payment_intent"]
        .as_str()
        .expect("an id");
    let path = format!("/v1/payment_intents/{intent}");
    assert_eq!(sandbox.get(&path).await["status"], "requires_action");
    cards(&sandbox, &tenant.customer, "success").await;
    assert_eq!(
        sandbox.post(format!("{path}/confirm"), "").await["status"],
        "succeeded"
    );
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn a_pending_update_is_not_applied_until_it_is_paid() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let small = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &small, "").await;
    cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let large = monthly(&sandbox, 5_000).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={large}&payment_behavior=pending_if_incomplete&proration_behavior=always_invoice",
        id(item(&subscribed))
    );
    let pending = sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    assert_eq!(pending["status"], "active");
    assert_eq!(item(&pending)["price"]["id"], small);
    assert_eq!(
        pending["pending_update"]["expires_at"],
        at(START) + 23 * HOUR
    );
    cards(&sandbox, &tenant.customer, "success").await;
    sandbox
        .post(
            format!("/v1/invoices/{}/pay", text(&pending["latest_invoice"])),
            "",
        )
        .await;
    let applied = subscription(&sandbox, &subscribed).await;
    assert_eq!(item(&applied)["price"]["id"], large);
    assert_eq!(applied["pending_update"], Value::Null);
}

#[tokio::test]
async fn a_pending_update_that_is_not_paid_expires_and_changes_nothing() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let small = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &small, "").await;
    cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let large = monthly(&sandbox, 5_000).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={large}&payment_behavior=pending_if_incomplete&proration_behavior=always_invoice",
        id(item(&subscribed))
    );
    sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    sandbox.advance(&tenant.clock, at(START) + DAY).await;
    let after = subscription(&sandbox, &subscribed).await;
    assert_eq!(after["pending_update"], Value::Null);
    assert_eq!(item(&after)["price"]["id"], small);
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "void");
}
