//! What is owed, as a program sees it that judges customers by it: when an invoice became due, whether its payment was
//! tried and with which card, and who pays it in the end.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, add_card, cards, event_types, monthly, period, subscription},
    harness::{Sandbox, data, id, ids, int},
};

const START: &str = "2026-01-01T00:00:00Z";

/// What makes a subscription sent instead of charged.
const SENT: &str = "&collection_method=send_invoice&days_until_due=7";

/// A subscription whose first renewal came due with cards that do this.
async fn renewed(sandbox: &Sandbox, behavior: &str) -> (Tenant, Value) {
    let tenant = Tenant::with_card(sandbox, START).await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    cards(sandbox, &tenant.customer, behavior).await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    (tenant, subscription(sandbox, &subscribed).await)
}

/// The newest invoice with its payment's intent.
async fn newest(sandbox: &Sandbox, tenant: &Tenant) -> (Value, Value) {
    let newest = tenant.invoices(sandbox).await.swap_remove(0);
    let path = format!(
        "/v1/invoices/{}?expand[]=payments.data.payment.payment_intent",
        id(&newest)
    );
    let invoice = sandbox.get(path).await;
    let payments = data(&invoice["payments"]);
    let intent = payments.first().map_or(Value::Null, |payment| {
        payment["payment"]["payment_intent"].clone()
    });
    (invoice, intent)
}

async fn pay(sandbox: &Sandbox, invoice: &Value, form: &str) -> Value {
    let path = format!("/v1/invoices/{}/pay", id(invoice));
    sandbox.post(path, form).await
}

async fn write_off(sandbox: &Sandbox, invoice: &Value) -> Value {
    let path = format!("/v1/invoices/{}/mark_uncollectible", id(invoice));
    sandbox.post(path, "").await
}

#[tokio::test]
async fn a_declined_attempt_says_when_with_which_card_and_when_again() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    let (invoice, intent) = newest(&sandbox, &tenant).await;
    let first = period(&subscribed).0 + HOUR;
    assert_eq!(invoice["status_transitions"]["finalized_at"], first);
    assert_eq!(invoice["attempted"], true);
    assert_eq!(invoice["attempt_count"], 1);
    assert!(int(&invoice["next_payment_attempt"]) > first);
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["payment_method"], Value::Null);
    let error = &intent["last_payment_error"];
    assert_eq!(error["decline_code"], "insufficient_funds");
    let customer = sandbox.get(format!("/v1/customers/{}", tenant.customer));
    let default = &customer.await["invoice_settings"]["default_payment_method"];
    assert_eq!(error["payment_method"]["id"], *default);
    // Listed, it is there as well.
    let listed = sandbox
        .get(format!(
            "/v1/invoices?customer={}&status=open&expand[]=data.payments.data.payment.payment_intent",
            tenant.customer
        ))
        .await;
    assert_eq!(data(&listed), std::slice::from_ref(&invoice));
}

#[tokio::test]
async fn without_any_card_an_attempt_counts_and_names_none() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let methods = sandbox.get(format!("/v1/customers/{}/payment_methods", tenant.customer));
    for card in ids(&methods.await) {
        let path = format!("/v1/payment_methods/{card}/detach");
        sandbox.post(path, "").await;
    }
    let end = period(&subscribed).1;
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let (invoice, intent) = newest(&sandbox, &tenant).await;
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["status_transitions"]["finalized_at"], end + HOUR);
    assert_eq!(invoice["attempted"], true);
    assert_eq!(invoice["attempt_count"], 1);
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"], Value::Null);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    let error = sandbox
        .post(format!("/v1/invoices/{}/pay", id(&invoice)), "")
        .refused(400)
        .await;
    assert_eq!(error["type"], "invalid_request_error");
}

#[tokio::test]
async fn an_attempt_that_waits_for_its_owner_counts_and_keeps_the_card() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "requires_action").await;
    let (invoice, intent) = newest(&sandbox, &tenant).await;
    let first = period(&subscribed).0 + HOUR;
    assert_eq!(invoice["status_transitions"]["finalized_at"], first);
    assert_eq!(invoice["attempted"], true);
    assert_eq!(invoice["attempt_count"], 1);
    assert_eq!(intent["status"], "requires_action");
    assert!(intent["payment_method"].is_string());
    assert_eq!(subscribed["status"], "past_due");
}

#[tokio::test]
async fn a_refusal_for_good_is_still_announced_for_retries_that_charge_nothing() {
    let sandbox = Sandbox::start();
    let (tenant, _) = renewed(&sandbox, "decline:stolen_card").await;
    let (before, _) = newest(&sandbox, &tenant).await;
    let charges = format!("/v1/charges?customer={}", tenant.customer);
    let made = ids(&sandbox.get(&charges).await).len();
    let retry = int(&before["next_payment_attempt"]);
    sandbox.advance(&tenant.clock, retry).await;
    let (after, intent) = newest(&sandbox, &tenant).await;
    assert_eq!(after["attempt_count"], 2);
    assert_eq!(ids(&sandbox.get(&charges).await).len(), made);
    assert_eq!(
        after["status_transitions"]["finalized_at"],
        before["status_transitions"]["finalized_at"]
    );
    let last = &intent["last_payment_error"];
    assert_eq!(last["decline_code"], "stolen_card");
}

#[tokio::test]
async fn a_sent_invoice_is_never_tried_and_past_due_from_its_due_date_on() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, SENT)
        .await;
    let made = int(&subscribed["created"]);
    sandbox.advance(&tenant.clock, made + HOUR).await;
    let (invoice, _) = newest(&sandbox, &tenant).await;
    let due = made + HOUR + 7 * DAY;
    assert_eq!(invoice["status"], "open");
    assert_eq!(invoice["status_transitions"]["finalized_at"], made + HOUR);
    assert_eq!(invoice["due_date"], due);
    sandbox.advance(&tenant.clock, due - 1).await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    sandbox.advance(&tenant.clock, due).await;
    let (invoice, _) = newest(&sandbox, &tenant).await;
    assert_eq!(invoice["attempted"], false);
    assert_eq!(invoice["attempt_count"], 0);
    assert_eq!(invoice["next_payment_attempt"], Value::Null);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    let form = "paid_out_of_band=true";
    assert_eq!(pay(&sandbox, &invoice, form).await["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn another_card_pays_at_once_and_neither_counts_nor_becomes_the_default() {
    for off_session in ["", "&off_session=true", "&off_session=false"] {
        let sandbox = Sandbox::start();
        let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
        let (invoice, _) = newest(&sandbox, &tenant).await;
        let form = format!("customer={}", tenant.customer);
        let other = sandbox
            .post("/v1/payment_methods/pm_card_mastercard/attach", form)
            .await;
        let form = format!("payment_method={}{off_session}", id(&other));
        let paid = pay(&sandbox, &invoice, &form).await;
        assert_eq!(paid["status"], "paid");
        assert_eq!(paid["attempt_count"], 1);
        assert_eq!(paid["next_payment_attempt"], Value::Null);
        assert_eq!(
            subscription(&sandbox, &subscribed).await["status"],
            "active"
        );
        let customer = sandbox.get(format!("/v1/customers/{}", tenant.customer));
        let default = &customer.await["invoice_settings"]["default_payment_method"];
        assert_ne!(*default, other["id"]);
    }
}

#[tokio::test]
async fn a_card_that_declines_when_asked_to_pay_answers_so_and_is_the_last_one_tried() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    let (before, _) = newest(&sandbox, &tenant).await;
    let form = format!("customer={}", tenant.customer);
    let other = sandbox
        .post(
            "/v1/payment_methods/pm_card_chargeCustomerFail/attach",
            form,
        )
        .await;
    let path = format!("/v1/invoices/{}/pay", id(&before));
    let form = format!("payment_method={}&off_session=true", id(&other));
    let error = sandbox.post(path, form).refused(402).await;
    assert_eq!(error["type"], "card_error");
    assert_eq!(error["code"], "card_declined");
    assert_eq!(error["decline_code"], "generic_decline");
    let (after, intent) = newest(&sandbox, &tenant).await;
    assert_eq!(after["status"], "open");
    assert_eq!(after["attempt_count"], 1);
    assert_eq!(
        after["next_payment_attempt"],
        before["next_payment_attempt"]
    );
    let last = &intent["last_payment_error"]["payment_method"];
    assert_eq!(last["id"], other["id"]);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
}

#[tokio::test]
async fn what_is_paid_already_is_refused_and_stays_as_it_was() {
    let sandbox = Sandbox::start();
    let (tenant, _) = renewed(&sandbox, "success").await;
    let (paid, _) = newest(&sandbox, &tenant).await;
    assert_eq!(paid["status"], "paid");
    let error = sandbox
        .post(format!("/v1/invoices/{}/pay", id(&paid)), "")
        .refused(400)
        .await;
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["message"], "Invoice is already paid");
    assert_eq!(newest(&sandbox, &tenant).await.0, paid);
}

#[tokio::test]
async fn what_is_written_off_is_retried_no_more_and_its_subscription_is_active() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    assert_eq!(subscribed["status"], "past_due");
    let (open, _) = newest(&sandbox, &tenant).await;
    let listed = format!(
        "/v1/invoices?customer={}&status=uncollectible",
        tenant.customer
    );
    assert!(ids(&sandbox.get(&listed).await).is_empty());
    let given_up = write_off(&sandbox, &open).await;
    assert_eq!(given_up["status"], "uncollectible");
    assert_eq!(given_up["next_payment_attempt"], Value::Null);
    assert_eq!(given_up["amount_remaining"], 1_000);
    assert_eq!(ids(&sandbox.get(&listed).await), [id(&open)]);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    sandbox
        .advance(&tenant.clock, int(&open["next_payment_attempt"]) + DAY)
        .await;
    let (later, _) = newest(&sandbox, &tenant).await;
    assert_eq!(later["attempt_count"], 1);
    assert_eq!(later["status"], "uncollectible");
}

#[tokio::test]
async fn what_is_written_off_can_be_paid_and_a_failed_try_changes_nothing_about_it() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    let (open, _) = newest(&sandbox, &tenant).await;
    let given_up = write_off(&sandbox, &open).await;
    let path = format!("/v1/invoices/{}/pay", id(&open));
    sandbox.post(&path, "").refused(402).await;
    let (after, _) = newest(&sandbox, &tenant).await;
    assert_eq!(after["status"], "uncollectible");
    assert_eq!(after["attempt_count"], given_up["attempt_count"]);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active",
        "nobody waits for this payment"
    );
    let card = add_card(&sandbox, &tenant.customer).await;
    let form = format!("payment_method={card}");
    assert_eq!(pay(&sandbox, &open, &form).await["status"], "paid");
    let types = event_types(&sandbox).await;
    assert!(types.contains(&"invoice.paid".to_owned()), "{types:?}");
}

#[tokio::test]
async fn voiding_what_is_owed_cures_the_subscription() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    let (open, _) = newest(&sandbox, &tenant).await;
    let path = format!("/v1/invoices/{}/void", id(&open));
    let void = sandbox.post(path, "").await;
    assert_eq!(void["status"], "void");
    assert_eq!(void["next_payment_attempt"], Value::Null);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    let (_, intent) = newest(&sandbox, &tenant).await;
    assert_eq!(intent["status"], "canceled");
}

#[tokio::test]
async fn of_two_unpaid_invoices_the_newest_decides_about_the_subscription() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1], "past_due_outcome": "past_due"}))
        .await;
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    let unpaid = tenant.invoices(&sandbox).await;
    let [second, first, ..] = unpaid.as_slice() else {
        panic!("{unpaid:?}");
    };
    add_card(&sandbox, &tenant.customer).await;
    assert_eq!(pay(&sandbox, first, "").await["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    assert_eq!(pay(&sandbox, second, "").await["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn paying_what_was_given_up_makes_an_unpaid_subscription_active() {
    let sandbox = Sandbox::start();
    sandbox
        .settings(json!({"retry_days": [1], "past_due_outcome": "unpaid"}))
        .await;
    let (tenant, subscribed) = renewed(&sandbox, "decline:insufficient_funds").await;
    let (open, _) = newest(&sandbox, &tenant).await;
    sandbox
        .advance(&tenant.clock, int(&open["next_payment_attempt"]))
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "unpaid"
    );
    add_card(&sandbox, &tenant.customer).await;
    assert_eq!(pay(&sandbox, &open, "").await["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}
