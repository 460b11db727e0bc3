//! Drafts that cannot be finalised, or are not.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, Tenant, event_types, monthly, period, subscription},
    harness::{Sandbox, data, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";
const GERMANY: &str = "address[country]=DE";
const NOWHERE: &str = "address=&tax[validate_location]=deferred";

/// A taxed subscription about to be renewed, whose customer's address has been taken away.
async fn lost(sandbox: &Sandbox) -> (Tenant, Value) {
    sandbox
        .settings(json!({"tax_percent": 10, "unknown_tax_location": "fails"}))
        .await;
    let tenant = Tenant::with_card(sandbox, START).await;
    let customer = format!("/v1/customers/{}", tenant.customer);
    sandbox.post(&customer, GERMANY).await;
    let price = monthly(sandbox, 1_000).await;
    let subscribed = tenant
        .subscribe(sandbox, &price, "&automatic_tax[enabled]=true")
        .await;
    sandbox.post(&customer, NOWHERE).await;
    (tenant, subscribed)
}

#[tokio::test]
async fn not_knowing_the_place_leaves_a_draft_that_says_so() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = lost(&sandbox).await;
    let finalizes = period(&subscribed).1 + HOUR;
    sandbox.advance(&tenant.clock, finalizes).await;
    let draft = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["automatic_tax"]["enabled"], true);
    assert_eq!(draft["automatic_tax"]["status"], "requires_location_inputs");
    let error = &draft["last_finalization_error"];
    assert_eq!(error["code"], "customer_tax_location_invalid");
    assert_eq!(error["type"], "invalid_request_error");
    let told = sandbox
        .get("/v1/events?type=invoice.finalization_failed")
        .await;
    assert_eq!(data(&told)[0]["data"]["object"]["id"], draft["id"]);

    sandbox.advance(&tenant.clock, finalizes + HOUR).await;
    let path = format!("/v1/invoices/{}", id(&draft));
    let error = sandbox
        .post(format!("{path}/finalize"), "")
        .refused(400)
        .await;
    assert_eq!(error["code"], "customer_tax_location_invalid");
    sandbox
        .post(format!("/v1/customers/{}", tenant.customer), GERMANY)
        .await;
    let open = sandbox.post(format!("{path}/finalize"), "").await;
    assert_eq!(open["status"], "open");
    assert_eq!(open["last_finalization_error"], Value::Null);
    assert_eq!(open["automatic_tax"]["status"], "complete");
    assert_eq!(open["total"], 1_100);
}

#[tokio::test]
async fn once_the_place_is_known_the_next_try_succeeds_by_itself() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = lost(&sandbox).await;
    let finalizes = period(&subscribed).1 + HOUR;
    sandbox.advance(&tenant.clock, finalizes).await;
    sandbox
        .post(format!("/v1/customers/{}", tenant.customer), GERMANY)
        .await;
    sandbox.advance(&tenant.clock, finalizes + DAY).await;
    let paid = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["total"], 1_100);
    assert_eq!(paid["last_finalization_error"], Value::Null);
}

#[tokio::test]
async fn a_request_to_finalise_fails_for_want_of_a_place_whatever_the_settings_say() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed) = lost(&sandbox).await;
    sandbox
        .settings(json!({"unknown_tax_location": "untaxed"}))
        .await;
    sandbox.advance(&tenant.clock, period(&subscribed).1).await;
    let draft = tenant.invoices(&sandbox).await.swap_remove(0);
    for action in ["finalize", "pay"] {
        let path = format!("/v1/invoices/{}/{action}", id(&draft));
        let error = sandbox.post(path, "").refused(400).await;
        assert_eq!(error["code"], "customer_tax_location_invalid", "{action}");
    }
}

#[tokio::test]
async fn any_one_invoices_finalization_can_be_made_to_fail() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let end = period(&subscribed).1;
    sandbox.advance(&tenant.clock, end).await;
    let draft = tenant.invoices(&sandbox).await.swap_remove(0);
    let control = format!("/invoices/{}/finalization", id(&draft));
    let error = json!({"code": "tax_id_invalid", "message": "The tax id is not valid."});
    sandbox.control("POST", &control, error).await;
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let failed = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(failed["status"], "draft");
    assert_eq!(failed["last_finalization_error"]["code"], "tax_id_invalid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
    let form = format!("/v1/invoices/{}/finalize", id(&draft));
    let refused = sandbox.post(&form, "").refused(400).await;
    assert_eq!(text(&refused["message"]), "The tax id is not valid.");
    sandbox.control("DELETE", &control, Value::Null).await;
    assert_eq!(sandbox.post(form, "").await["status"], "open");
    let failures = event_types(&sandbox).await;
    let failures = failures
        .iter()
        .filter(|kind| *kind == "invoice.finalization_failed");
    assert_eq!(failures.count(), 2);
}

#[tokio::test]
async fn drafts_can_be_kept_for_good() {
    let sandbox = Sandbox::start();
    sandbox.settings(json!({"keep_drafts": true})).await;
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let end = period(&subscribed).1;
    sandbox.advance(&tenant.clock, end + 10 * DAY).await;
    let draft = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["auto_advance"], true);
    assert_eq!(draft["automatically_finalizes_at"], end + HOUR);
    sandbox.settings(json!({"keep_drafts": false})).await;
    sandbox.advance(&tenant.clock, end + 10 * DAY + HOUR).await;
    let paid = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(paid["status"], "paid");
}
