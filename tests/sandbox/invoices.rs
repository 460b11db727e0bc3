//! Invoices: how a draft becomes final, and how it is settled or not.

use serde_json::{Value, json};

use crate::{
    fixtures::{HOUR, Tenant, monthly, period, subscription},
    harness::{Sandbox, data, id, ids},
};

const START: &str = "2026-01-01T00:00:00Z";

/// A renewal, still a draft.
async fn draft(sandbox: &Sandbox) -> (Tenant, Value) {
    let tenant = Tenant::with_card(sandbox, START).await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    sandbox.advance(&tenant.clock, period(&subscribed).1).await;
    let draft = tenant.invoices(sandbox).await.swap_remove(0);
    assert_eq!(draft["status"], "draft");
    (tenant, draft)
}

#[tokio::test]
async fn a_draft_has_no_number_and_a_finalized_invoice_has() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    assert_eq!(draft["number"], Value::Null);
    assert_eq!(draft["hosted_invoice_url"], Value::Null);
    let open = sandbox
        .post(format!("/v1/invoices/{}/finalize", id(&draft)), "")
        .await;
    assert_eq!(open["status"], "open");
    assert!(open["number"].is_string());
    assert!(open["hosted_invoice_url"].is_string());
}

#[tokio::test]
async fn a_draft_is_finalized_once() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}/finalize", id(&draft));
    sandbox.post(&path, "").await;
    assert_eq!(
        sandbox.post(&path, "").refused(400).await["type"],
        "invalid_request_error"
    );
}

#[tokio::test]
async fn paying_a_draft_finalizes_it_first() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let paid = sandbox
        .post(format!("/v1/invoices/{}/pay", id(&draft)), "")
        .await;
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["amount_remaining"], 0);
}

#[tokio::test]
async fn a_paid_invoice_is_neither_paid_again_nor_voided() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    sandbox.post(format!("{path}/pay"), "").await;
    let error = sandbox.post(format!("{path}/pay"), "").refused(400).await;
    assert_eq!(error["type"], "invalid_request_error");
    sandbox.post(format!("{path}/void"), "").refused(400).await;
    sandbox
        .post(format!("{path}/mark_uncollectible"), "")
        .refused(400)
        .await;
}

#[tokio::test]
async fn a_void_invoice_asks_for_nothing() {
    let sandbox = Sandbox::start();
    let (tenant, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    sandbox.post(format!("{path}/void"), "").refused(400).await;
    sandbox
        .post(format!("{path}/finalize"), "auto_advance=false")
        .await;
    let void = sandbox.post(format!("{path}/void"), "").await;
    assert_eq!(void["status"], "void");
    assert!(void["status_transitions"]["voided_at"].is_i64());
    sandbox.post(format!("{path}/pay"), "").refused(400).await;
    sandbox
        .advance(
            &tenant.clock,
            crate::fixtures::at(START) + 40 * crate::fixtures::DAY,
        )
        .await;
    assert_eq!(sandbox.get(&path).await["status"], "void");
}

#[tokio::test]
async fn an_uncollectible_invoice_can_still_be_paid() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    sandbox
        .post(format!("{path}/finalize"), "auto_advance=false")
        .await;
    let given_up = sandbox.post(format!("{path}/mark_uncollectible"), "").await;
    assert_eq!(given_up["status"], "uncollectible");
    assert_eq!(
        sandbox.post(format!("{path}/pay"), "").await["status"],
        "paid"
    );
}

#[tokio::test]
async fn an_invoice_paid_out_of_band_moves_no_money() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    sandbox
        .post(format!("{path}/finalize"), "auto_advance=false")
        .await;
    let paid = sandbox
        .post(format!("{path}/pay"), "paid_out_of_band=true")
        .await;
    assert_eq!(paid["status"], "paid");
}

#[tokio::test]
async fn auto_advance_turned_off_keeps_a_draft_a_draft() {
    let sandbox = Sandbox::start();
    let (tenant, draft) = draft(&sandbox).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    sandbox.post(&path, "auto_advance=false").await;
    sandbox
        .advance(
            &tenant.clock,
            crate::harness::int(&draft["created"]) + 5 * HOUR,
        )
        .await;
    assert_eq!(sandbox.get(&path).await["status"], "draft");
}

#[tokio::test]
async fn invoices_are_listed_by_subscription_and_by_status() {
    let sandbox = Sandbox::start();
    let (tenant, draft) = draft(&sandbox).await;
    let subscribed = &draft["parent"]["subscription_details"]["subscription"];
    let subscribed = crate::harness::text(subscribed);
    let listed = sandbox
        .get(format!("/v1/invoices?subscription={subscribed}"))
        .await;
    assert_eq!(data(&listed).len(), 2);
    let drafts = sandbox
        .get(format!(
            "/v1/invoices?customer={}&status=draft",
            tenant.customer
        ))
        .await;
    assert_eq!(ids(&drafts), [id(&draft)]);
}

#[tokio::test]
async fn what_paid_an_invoice_is_found_from_it() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(
        invoice.get("payments"),
        None,
        "payments are included only when expanded"
    );
    let invoice = sandbox
        .get(format!("/v1/invoices/{}?expand[]=payments", id(&invoice)))
        .await;
    let [payment] = data(&invoice["payments"]) else {
        panic!("{invoice}")
    };
    assert_eq!(payment["status"], "paid");
    assert_eq!(payment["amount_paid"], 1_000);
    let listed = sandbox
        .get(format!("/v1/invoice_payments?invoice={}", id(&invoice)))
        .await;
    assert_eq!(data(&listed), std::slice::from_ref(payment));
    let intent = payment["payment"]["payment_intent"]
        .as_str()
        .expect("an id");
    let intent = sandbox.get(format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["amount_received"], 1_000);
}

#[tokio::test]
async fn the_latest_invoice_of_a_subscription_is_its_newest() {
    let sandbox = Sandbox::start();
    let (_, draft) = draft(&sandbox).await;
    let subscribed = json!({"id": draft["parent"]["subscription_details"]["subscription"]});
    assert_eq!(
        subscription(&sandbox, &subscribed).await["latest_invoice"],
        draft["id"]
    );
}
