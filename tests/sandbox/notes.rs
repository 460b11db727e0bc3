//! Notes of a program's own: they can be left on an object whatever became of it.

use serde_json::{Value, json};

use crate::{
    fixtures::{Tenant, monthly, period},
    harness::{Sandbox, data, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// The type of the account's newest event, and what it is about.
async fn last_event(sandbox: &Sandbox) -> (String, Value) {
    let events = sandbox.get("/v1/events?limit=1").await;
    let event = &data(&events)[0];
    (text(&event["type"]), event["data"].clone())
}

#[tokio::test]
async fn a_note_can_be_left_on_an_invoice_whatever_became_of_it() {
    for status in ["draft", "open", "uncollectible", "void", "paid"] {
        let sandbox = Sandbox::start();
        let tenant = Tenant::with_card(&sandbox, START).await;
        let subscribed = tenant
            .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
            .await;
        sandbox.advance(&tenant.clock, period(&subscribed).1).await;
        let draft = tenant.invoices(&sandbox).await.swap_remove(0);
        let path = format!("/v1/invoices/{}", id(&draft));
        let steps: &[&str] = match status {
            "draft" => &[],
            "open" => &["finalize"],
            "uncollectible" => &["finalize", "mark_uncollectible"],
            "void" => &["finalize", "void"],
            _ => &["pay"],
        };
        for step in steps {
            sandbox.post(format!("{path}/{step}"), "").await;
        }
        let noted = sandbox.post(&path, "metadata[note]=1").await;
        assert_eq!(noted["status"], status);
        assert_eq!(noted["metadata"]["note"], "1");
        let (kind, told) = last_event(&sandbox).await;
        assert_eq!(kind, "invoice.updated", "{status}");
        assert_eq!(told["object"]["id"], draft["id"]);
        assert_eq!(
            told["previous_attributes"],
            json!({"metadata": {"note": null}})
        );
        let taken = sandbox.post(&path, "metadata[note]=").await;
        assert_eq!(taken["metadata"], json!({}), "{status}");
        assert_eq!(taken["status"], status);
    }
}

#[tokio::test]
async fn a_note_can_be_left_on_a_customer_and_on_an_ended_subscription() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/customers/{}", tenant.customer);
    let noted = sandbox.post(path, "metadata[note]=1").await;
    assert_eq!(noted["metadata"]["note"], "1");
    assert_eq!(last_event(&sandbox).await.0, "customer.updated");
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    sandbox.delete(&path).await;
    let form = "metadata[note]=1&cancellation_details[comment]=bye";
    let noted = sandbox.post(&path, form).await;
    assert_eq!(noted["status"], "canceled");
    assert_eq!(noted["metadata"]["note"], "1");
    assert_eq!(noted["cancellation_details"]["comment"], "bye");
    assert_eq!(
        last_event(&sandbox).await.0,
        "customer.subscription.updated"
    );
    let form = "metadata[note]=2&cancel_at_period_end=true";
    sandbox.post(&path, form).refused(400).await;
}

#[tokio::test]
async fn a_note_can_be_left_on_a_dispute_that_is_closed() {
    for status in ["won", "lost", "warning_closed"] {
        let sandbox = Sandbox::start();
        let tenant = Tenant::with_card(&sandbox, START).await;
        tenant
            .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
            .await;
        let opened = if status == "warning_closed" {
            "warning_needs_response"
        } else {
            "needs_response"
        };
        let body = json!({"customer": tenant.customer, "status": opened});
        let dispute = sandbox.control("POST", "/disputes", body).await;
        let path = format!("/disputes/{}", id(&dispute));
        let body = json!({"status": status});
        sandbox.control("POST", &path, body).await;
        let path = format!("/v1/disputes/{}", id(&dispute));
        let noted = sandbox.post(&path, "metadata[note]=1").await;
        assert_eq!(noted["status"], status);
        assert_eq!(noted["metadata"]["note"], "1");
        let (kind, told) = last_event(&sandbox).await;
        assert_eq!(kind, "charge.dispute.updated");
        assert_eq!(told["object"]["id"], dispute["id"]);
    }
}
