//! Paused collection: what becomes of the invoices made meanwhile, and afterwards.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, item, monthly, period, subscription},
    harness::{Sandbox, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// A paying subscription whose collection has been paused so, and its path.
async fn paused(sandbox: &Sandbox, pause: &str) -> (Tenant, Value, String) {
    let tenant = Tenant::with_card(sandbox, START).await;
    let subscribed = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    sandbox
        .post(&path, format!("pause_collection[behavior]={pause}"))
        .await;
    (tenant, subscribed, path)
}

#[tokio::test]
async fn a_draft_made_while_collection_is_paused_stays_one_until_it_is_let_go_itself() {
    let sandbox = Sandbox::start();
    let (tenant, subscribed, path) = paused(&sandbox, "keep_as_draft").await;
    let end = period(&subscribed).1;
    sandbox.advance(&tenant.clock, end + DAY).await;
    let kept = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(kept["status"], "draft");
    assert_eq!(kept["auto_advance"], false);
    assert_eq!(kept["automatically_finalizes_at"], Value::Null);

    sandbox.post(&path, "pause_collection=").await;
    sandbox.advance(&tenant.clock, end + 2 * DAY).await;
    let invoice = format!("/v1/invoices/{}", id(&kept));
    assert_eq!(
        sandbox.get(&invoice).await["status"],
        "draft",
        "collecting again does not let go what was kept"
    );

    let let_go = sandbox.post(&invoice, "auto_advance=true").await;
    assert_eq!(let_go["status"], "draft");
    let at = end + 2 * DAY + HOUR;
    assert_eq!(let_go["automatically_finalizes_at"], at);
    sandbox.advance(&tenant.clock, at - 1).await;
    assert_eq!(sandbox.get(&invoice).await["status"], "draft");
    sandbox.advance(&tenant.clock, at).await;
    assert_eq!(sandbox.get(&invoice).await["status"], "paid");
}

#[tokio::test]
async fn collection_resumes_by_itself_at_the_time_it_was_given() {
    let sandbox = Sandbox::start();
    let february = at("2026-02-10T00:00:00Z");
    let pause = format!("keep_as_draft&pause_collection[resumes_at]={february}");
    let (tenant, subscribed, _) = paused(&sandbox, &pause).await;
    sandbox.advance(&tenant.clock, february - 1).await;
    let pausing = subscription(&sandbox, &subscribed).await;
    assert_eq!(pausing["pause_collection"]["resumes_at"], february);
    sandbox.advance(&tenant.clock, february).await;
    let resumed = subscription(&sandbox, &subscribed).await;
    assert_eq!(resumed["pause_collection"], Value::Null);
    sandbox
        .advance(&tenant.clock, at("2026-03-01T02:00:00Z"))
        .await;
    let invoices = tenant.invoices(&sandbox).await;
    let statuses: Vec<_> = invoices.iter().map(|it| text(&it["status"])).collect();
    assert_eq!(statuses, ["paid", "draft", "paid"]);
}

#[tokio::test]
async fn collection_cannot_resume_in_the_past() {
    let sandbox = Sandbox::start();
    let (_, _, path) = paused(&sandbox, "void").await;
    let form = format!(
        "pause_collection[behavior]=void&pause_collection[resumes_at]={}",
        at(START)
    );
    let error = sandbox.post(path, form).refused(400).await;
    assert_eq!(error["param"], "pause_collection[resumes_at]");
}

#[tokio::test]
async fn what_is_billed_meanwhile_is_voided_or_written_off() {
    for (behavior, status) in [("void", "void"), ("mark_uncollectible", "uncollectible")] {
        let sandbox = Sandbox::start();
        let (tenant, subscribed, _) = paused(&sandbox, behavior).await;
        sandbox
            .advance(&tenant.clock, period(&subscribed).1 + HOUR)
            .await;
        let invoice = &tenant.invoices(&sandbox).await[0];
        assert_eq!(invoice["status"], status);
        assert_eq!(
            subscription(&sandbox, &subscribed).await["status"],
            "active"
        );
    }
}

#[tokio::test]
async fn a_change_billed_at_once_is_not_collected_while_collection_is_paused() {
    for (behavior, status) in [
        ("keep_as_draft", "draft"),
        ("void", "void"),
        ("mark_uncollectible", "uncollectible"),
    ] {
        let sandbox = Sandbox::start();
        let (tenant, subscribed, path) = paused(&sandbox, behavior).await;
        let large = monthly(&sandbox, 5_000).await;
        let form = format!(
            "items[0][id]={}&items[0][price]={large}&proration_behavior=always_invoice",
            id(item(&subscribed))
        );
        let changed = sandbox.post(path, form).await;
        assert_eq!(item(&changed)["price"]["id"], large);
        let invoice = &tenant.invoices(&sandbox).await[0];
        assert_eq!(invoice["billing_reason"], "subscription_update");
        assert_eq!(invoice["status"], status);
        assert_eq!(invoice["auto_advance"], false);
    }
}

#[tokio::test]
async fn a_trial_that_ends_without_a_card_does_not_pause_a_subscription_whose_collection_is_paused()
{
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let more = "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let trialing = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, more)
        .await;
    let path = format!("/v1/subscriptions/{}", id(&trialing));
    sandbox
        .post(path, "pause_collection[behavior]=keep_as_draft")
        .await;
    sandbox.advance(&tenant.clock, at(START) + 8 * DAY).await;
    assert_eq!(subscription(&sandbox, &trialing).await["status"], "active");
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "draft");
}
