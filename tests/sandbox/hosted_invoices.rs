//! The page of an invoice, and cards whose issuer asks for their owner.

use serde_json::{Value, json};

use crate::{
    fixtures::{HOUR, Tenant, cards, event_types, monthly, period, subscription},
    harness::{Sandbox, data, id, ids, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// A subscription whose first payment awaits its owner, and the open invoice.
async fn waiting(sandbox: &Sandbox) -> (Tenant, Value, Value) {
    let tenant = Tenant::with_card(sandbox, START).await;
    cards(sandbox, &tenant.customer, "requires_action").await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    assert_eq!(subscribed["status"], "incomplete");
    let invoice = tenant.invoices(sandbox).await.swap_remove(0);
    (tenant, subscribed, invoice)
}

fn page_of(invoice: &Value) -> String {
    let url = text(&invoice["hosted_invoice_url"]);
    let path = url.strip_prefix("http://sandbox").expect("a page of ours");
    path.to_owned()
}

async fn pay(sandbox: &Sandbox, invoice: &Value, body: Value) -> Value {
    let path = format!("/invoices/{}/pay", id(invoice));
    sandbox.control("POST", &path, body).await
}

async fn intent_of(sandbox: &Sandbox, invoice: &Value) -> Value {
    let path = format!(
        "/v1/invoices/{}?expand[]=payments.data.payment.payment_intent",
        id(invoice)
    );
    data(&sandbox.get(path).await["payments"])[0]["payment"]["payment_intent"].clone()
}

#[tokio::test]
async fn an_invoice_is_paid_on_its_page_and_the_subscription_begins() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    let path = page_of(&invoice);
    let page = sandbox.get(&path).page().await;
    assert!(page.text().contains("Pay "), "{}", page.text());
    let refused = sandbox.post(&path, "number=4000000000009995").page().await;
    assert!(refused.text().contains("insufficient funds"));
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "incomplete"
    );
    let paid = sandbox.post(&path, "number=5555555555554444").page().await;
    assert!(paid.text().contains("Invoice paid"), "{}", paid.text());
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    let cards = format!("/v1/customers/{}/payment_methods", tenant.customer);
    let cards = sandbox.get(cards).await;
    assert_eq!(
        data(&cards)[0]["card"]["last4"],
        "4444",
        "the card that paid is kept"
    );
}

#[tokio::test]
async fn a_payment_that_wants_its_owner_says_so_and_is_made_once_they_prove_who_they_are() {
    let sandbox = Sandbox::start();
    let (_, subscribed, invoice) = waiting(&sandbox).await;
    let types = event_types(&sandbox).await;
    for kind in [
        "payment_intent.requires_action",
        "invoice.payment_action_required",
    ] {
        assert!(types.contains(&kind.to_owned()), "{kind}: {types:?}");
    }
    let page = sandbox.get(page_of(&invoice)).page().await;
    assert!(page.text().contains("Complete authentication"));
    let paid = pay(&sandbox, &invoice, json!({"authenticate": true})).await;
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["attempt_count"], 1);
    assert_eq!(intent_of(&sandbox, &invoice).await["status"], "succeeded");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn a_failed_authentication_leaves_the_invoice_open_for_another_card() {
    let sandbox = Sandbox::start();
    let (_, subscribed, invoice) = waiting(&sandbox).await;
    let page = sandbox
        .post(page_of(&invoice), "authenticate=false")
        .page()
        .await;
    assert!(page.text().contains("failed authentication"));
    let intent = intent_of(&sandbox, &invoice).await;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(
        intent["last_payment_error"]["code"],
        "payment_intent_authentication_failure"
    );
    let body = json!({"card": "pm_card_authenticationRequired"});
    let asked = pay(&sandbox, &invoice, body).await;
    assert_eq!(asked["status"], "open");
    assert_eq!(
        intent_of(&sandbox, &invoice).await["status"],
        "requires_action"
    );
    let body = json!({"card": "pm_card_authenticationRequired", "authenticate": true});
    assert_eq!(pay(&sandbox, &invoice, body).await["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn payments_that_await_their_owner_are_found_in_one_list() {
    let sandbox = Sandbox::start();
    let (_, _, first) = waiting(&sandbox).await;
    let tenant = Tenant::with_card(&sandbox, START).await;
    tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = "/v1/invoice_payments?status=open&expand[]=data.payment.payment_intent";
    let open = sandbox.get(path).await;
    assert_eq!(data(&open).len(), 1, "what is paid is not open");
    assert_eq!(data(&open)[0]["invoice"], first["id"]);
    let intent = &data(&open)[0]["payment"]["payment_intent"];
    assert_eq!(intent["status"], "requires_action");
}

#[tokio::test]
async fn a_renewal_that_wants_its_owner_recovers_when_they_come() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    cards(&sandbox, &tenant.customer, "requires_action").await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    pay(&sandbox, &invoice, json!({"authenticate": true})).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    let charges = sandbox
        .get(format!("/v1/charges?customer={}", tenant.customer))
        .await;
    assert_eq!(ids(&charges).len(), 2);
}

#[tokio::test]
async fn what_is_not_open_cannot_be_paid_on_its_page() {
    let sandbox = Sandbox::start();
    let (_, _, invoice) = waiting(&sandbox).await;
    let path = page_of(&invoice);
    sandbox
        .post(format!("/v1/invoices/{}/void", id(&invoice)), "")
        .await;
    assert_eq!(sandbox.get(&path).page().await.status, 410);
    let answer = sandbox.post(&path, "number=4242424242424242").page().await;
    assert_eq!(answer.status, 410);
    assert_eq!(sandbox.get("/i/in_unknown").page().await.status, 404);
}
