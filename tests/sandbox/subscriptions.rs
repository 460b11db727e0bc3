//! Subscriptions: begun, changed, paused, canceled.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, Tenant, at, item, monthly, period, recurring, subscription},
    harness::{Sandbox, data, id, ids, int},
};

const START: &str = "2026-01-01T00:00:00Z";

#[tokio::test]
async fn a_subscription_is_active_and_its_first_invoice_paid_when_the_call_returns() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant
        .subscribe(&sandbox, &price, "&expand[]=latest_invoice")
        .await;
    assert_eq!(subscribed["status"], "active");
    assert_eq!(period(&subscribed), (at(START), at("2026-02-01T00:00:00Z")));
    assert_eq!(subscribed["billing_cycle_anchor"], at(START));
    assert_eq!(subscribed["collection_method"], "charge_automatically");
    assert_eq!(subscribed["billing_mode"]["type"], "flexible");
    assert_eq!(item(&subscribed)["quantity"], 1);
    let invoice = &subscribed["latest_invoice"];
    assert_eq!(invoice["status"], "paid");
    assert_eq!(invoice["billing_reason"], "subscription_create");
    assert_eq!(invoice["total"], 1_000);
    assert_eq!(invoice["amount_paid"], 1_000);
    assert_eq!(
        invoice["parent"]["subscription_details"]["subscription"],
        subscribed["id"]
    );
}

#[tokio::test]
async fn a_customer_without_a_card_is_not_charged_automatically() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let form = format!(
        "customer={}&items[0][price]={}",
        tenant.customer,
        monthly(&sandbox, 1_000).await
    );
    let error = sandbox.post("/v1/subscriptions", form).refused(400).await;
    assert_eq!(error["code"], "resource_missing");
    assert!(tenant.invoices(&sandbox).await.is_empty());
}

#[tokio::test]
async fn a_free_subscription_needs_no_card() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 0).await, "")
        .await;
    assert_eq!(subscribed["status"], "active");
}

#[tokio::test]
async fn a_subscription_that_is_invoiced_is_active_at_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let form = format!(
        "customer={}&items[0][price]={price}&collection_method=send_invoice",
        tenant.customer
    );
    sandbox.post("/v1/subscriptions", &form).refused(400).await;
    let subscribed = sandbox
        .post("/v1/subscriptions", format!("{form}&days_until_due=14"))
        .await;
    assert_eq!(subscribed["status"], "active");
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["collection_method"], "send_invoice");
    assert_eq!(invoice["next_payment_attempt"], Value::Null);
}

#[tokio::test]
async fn canceling_ends_a_subscription_at_once_and_for_good() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let canceled = sandbox.delete(&path).await;
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["canceled_at"], at(START));
    assert_eq!(canceled["ended_at"], at(START));
    assert_eq!(
        canceled["cancellation_details"]["reason"],
        "cancellation_requested"
    );
    sandbox
        .post(&path, "cancel_at_period_end=true")
        .refused(400)
        .await;
    let changed = sandbox.post(&path, "metadata[why]=moved").await;
    assert_eq!(changed["metadata"], json!({"why": "moved"}));
    assert_eq!(
        sandbox.delete(&path).refused(404).await["code"],
        "resource_missing"
    );
}

#[tokio::test]
async fn canceled_subscriptions_are_listed_only_when_asked_for() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let canceled = id(&tenant.subscribe(&sandbox, &price, "").await);
    let active = id(&tenant.subscribe(&sandbox, &price, "").await);
    sandbox
        .delete(format!("/v1/subscriptions/{canceled}"))
        .await;
    let listed = async |more: &str| {
        let list = sandbox
            .get(format!(
                "/v1/subscriptions?customer={}{more}",
                tenant.customer
            ))
            .await;
        ids(&list)
    };
    assert_eq!(listed("").await, [active.as_str()]);
    assert_eq!(listed("&status=active").await, [active.as_str()]);
    assert_eq!(listed("&status=canceled").await, [canceled.as_str()]);
    assert_eq!(listed("&status=ended").await, [canceled.as_str()]);
    assert_eq!(listed("&status=all").await, [active, canceled]);
}

#[tokio::test]
async fn a_cancellation_at_the_end_of_the_period_waits_for_it() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let (_, end) = period(&subscribed);
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let changed = sandbox.post(&path, "cancel_at_period_end=true").await;
    assert_eq!(changed["status"], "active");
    assert_eq!(changed["cancel_at_period_end"], true);
    assert_eq!(changed["cancel_at"], end);
    sandbox.advance(&tenant.clock, end - 1).await;
    assert_eq!(sandbox.get(&path).await["status"], "active");
    sandbox.advance(&tenant.clock, end + DAY).await;
    let ended = sandbox.get(&path).await;
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["ended_at"], end);
    assert_eq!(
        tenant.invoices(&sandbox).await.len(),
        1,
        "the next period is not billed"
    );
}

#[tokio::test]
async fn a_cancellation_at_the_end_of_the_period_can_be_taken_back() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    sandbox.post(&path, "cancel_at_period_end=true").await;
    let changed = sandbox.post(&path, "cancel_at_period_end=false").await;
    assert_eq!(changed["cancel_at"], Value::Null);
    assert_eq!(changed["canceled_at"], Value::Null);
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + DAY)
        .await;
    assert_eq!(sandbox.get(&path).await["status"], "active");
    assert_eq!(tenant.invoices(&sandbox).await.len(), 2);
}

#[tokio::test]
async fn cancel_at_ends_a_subscription_at_that_second() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let end = at("2026-01-20T12:00:00Z");
    let subscribed = tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            &format!("&cancel_at={end}"),
        )
        .await;
    assert_eq!(subscribed["cancel_at"], end);
    sandbox.advance(&tenant.clock, end + DAY).await;
    let ended = subscription(&sandbox, &subscribed).await;
    assert_eq!(ended["status"], "canceled");
    assert_eq!(ended["ended_at"], end);
}

#[tokio::test]
async fn an_update_that_names_the_item_changes_its_price_and_keeps_its_id() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let other = monthly(&sandbox, 2_000).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={other}&items[0][quantity]=3",
        id(item(&subscribed))
    );
    let changed = sandbox.post(&path, form).await;
    assert_eq!(id(item(&changed)), id(item(&subscribed)));
    assert_eq!(item(&changed)["price"]["id"], other);
    assert_eq!(item(&changed)["quantity"], 3);
    assert_eq!(period(&changed), period(&subscribed));
}

#[tokio::test]
async fn an_update_that_names_no_item_adds_one() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let addon = monthly(&sandbox, 500).await;
    let changed = sandbox
        .post(&path, format!("items[0][price]={addon}"))
        .await;
    let items = data(&changed["items"]);
    assert_eq!(items.len(), 2);
    let form = format!("items[0][id]={}&items[0][deleted]=true", id(&items[0]));
    let changed = sandbox.post(&path, form).await;
    assert_eq!(item(&changed)["price"]["id"], addon);
}

#[tokio::test]
async fn items_have_resources_of_their_own() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = id(&tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await);
    let addon = monthly(&sandbox, 500).await;
    let added = sandbox
        .post(
            "/v1/subscription_items",
            format!("subscription={subscribed}&price={addon}"),
        )
        .await;
    let path = format!("/v1/subscription_items/{}", id(&added));
    assert_eq!(sandbox.post(&path, "quantity=4").await["quantity"], 4);
    assert_eq!(sandbox.get(&path).await["subscription"], subscribed);
    let listed = sandbox
        .get(format!("/v1/subscription_items?subscription={subscribed}"))
        .await;
    assert_eq!(data(&listed).len(), 2);
    assert_eq!(sandbox.delete(&path).await["deleted"], true);
    assert_eq!(
        sandbox.get(&path).refused(404).await["code"],
        "resource_missing"
    );
}

#[tokio::test]
async fn a_subscription_keeps_to_one_currency() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let product = crate::fixtures::product(&sandbox).await;
    let form = format!("product={product}&currency=eur&unit_amount=900&recurring[interval]=month");
    let euros = id(&sandbox.post("/v1/prices", form).await);
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    sandbox
        .post(path, format!("items[0][price]={euros}"))
        .refused(400)
        .await;
}

#[tokio::test]
async fn a_paused_collection_leaves_the_status_and_voids_what_it_bills() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let paused = sandbox.post(&path, "pause_collection[behavior]=void").await;
    assert_eq!(paused["status"], "active");
    assert_eq!(
        paused["pause_collection"],
        json!({"behavior": "void", "resumes_at": null})
    );
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + DAY)
        .await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["billing_reason"], "subscription_cycle");
    assert_eq!(invoice["status"], "void");
    let resumed = sandbox.post(&path, "pause_collection=").await;
    assert_eq!(resumed["pause_collection"], Value::Null);
}

#[tokio::test]
async fn only_a_paused_subscription_is_resumed() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    sandbox
        .post(format!("/v1/subscriptions/{}/resume", id(&subscribed)), "")
        .refused(400)
        .await;
}

#[tokio::test]
async fn a_new_interval_starts_a_new_cycle_and_is_billed_at_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let yearly = recurring(&sandbox, 10_000, "year").await;
    let now = at("2026-01-10T00:00:00Z");
    sandbox.advance(&tenant.clock, now).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={yearly}",
        id(item(&subscribed))
    );
    let changed = sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    assert_eq!(period(&changed), (now, at("2027-01-10T00:00:00Z")));
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["billing_reason"], "subscription_update");
    assert_eq!(invoice["status"], "paid");
    // 22 of January's 31 days were not used.
    assert_eq!(int(&invoice["total"]), 10_000 - 710);
}

#[tokio::test]
async fn a_cancellation_can_credit_the_unused_time() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 3_100).await, "")
        .await;
    sandbox
        .advance(&tenant.clock, at("2026-01-11T00:00:00Z"))
        .await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let canceled = sandbox
        .delete_with(path, "invoice_now=true&prorate=true")
        .await;
    assert_eq!(canceled["status"], "canceled");
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["total"], -2_100, "21 of 31 days");
    let customer = sandbox
        .get(format!("/v1/customers/{}", tenant.customer))
        .await;
    assert_eq!(customer["balance"], -2_100);
}
