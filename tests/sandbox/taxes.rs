//! Where automatic tax places a customer, and what it puts on invoices.

use serde_json::{Value, json};

use crate::{
    fixtures::{HOUR, Tenant, monthly, period, product, subscription},
    harness::{Sandbox, data, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";
const GERMANY: &str = "address[country]=DE";

async fn tax_state(sandbox: &Sandbox, address: &str) -> Value {
    let form = format!("{address}&expand[]=tax");
    sandbox.post("/v1/customers", form).await["tax"]["automatic_tax"].clone()
}

#[tokio::test]
async fn a_customers_tax_state_follows_from_the_address_and_the_settings() {
    let sandbox = Sandbox::start();
    let locations = json!({"BR": "not_collecting", "KP": "failed"});
    sandbox.settings(json!({"tax_locations": locations})).await;
    for (address, state) in [
        ("name=A", "unrecognized_location"),
        ("address[country]=US", "unrecognized_location"),
        ("address[country]=US&address[state]=NY", "supported"),
        (GERMANY, "supported"),
        ("address[country]=BR", "not_collecting"),
        ("address[country]=KP", "failed"),
    ] {
        assert_eq!(tax_state(&sandbox, address).await, state, "{address}");
    }
    let listed = sandbox.get("/v1/customers?expand[]=data.tax").await;
    assert_eq!(data(&listed)[0]["tax"]["automatic_tax"], "failed");
}

#[tokio::test]
async fn a_location_can_be_validated_at_once() {
    let sandbox = Sandbox::start();
    let form = "tax[validate_location]=immediately";
    let error = sandbox.post("/v1/customers", form).refused(400).await;
    assert_eq!(error["code"], "customer_tax_location_invalid");
    assert_eq!(
        error["message"],
        "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate \
         tax."
    );
    sandbox
        .post("/v1/customers", format!("{form}&{GERMANY}"))
        .await;
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let path = format!("/v1/customers/{customer}");
    sandbox.post(&path, form).refused(400).await;
    sandbox.post(&path, "tax[validate_location]=deferred").await;
}

#[tokio::test]
async fn automatic_tax_needs_a_location() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let form = format!(
        "customer={}&items[0][price]={price}&automatic_tax[enabled]=true",
        tenant.customer
    );
    let error = sandbox.post("/v1/subscriptions", &form).refused(400).await;
    assert_eq!(error["code"], "customer_tax_location_invalid");
    let plain = tenant.subscribe(&sandbox, &price, "").await;
    assert_eq!(plain["automatic_tax"]["enabled"], false);
    let path = format!("/v1/subscriptions/{}", id(&plain));
    sandbox
        .post(&path, "automatic_tax[enabled]=true")
        .refused(400)
        .await;
    let customer = format!("/v1/customers/{}", tenant.customer);
    sandbox.post(&customer, GERMANY).await;
    let taxed = sandbox.post(&path, "automatic_tax[enabled]=true").await;
    assert_eq!(taxed["automatic_tax"]["enabled"], true);
    // While it is needed the location cannot be taken away, unless nobody looks.
    sandbox.post(&customer, "address=").refused(400).await;
}

#[tokio::test]
async fn an_exclusive_price_is_taxed_on_top_and_an_inclusive_one_within() {
    let sandbox = Sandbox::start();
    sandbox.settings(json!({"tax_percent": 19})).await;
    for (behavior, amount, subtotal, total, net) in [
        ("exclusive", 10_000, 10_000, 11_900, 10_000),
        ("inclusive", 11_900, 11_900, 11_900, 10_000),
    ] {
        let tenant = Tenant::with_card(&sandbox, START).await;
        sandbox
            .post(format!("/v1/customers/{}", tenant.customer), GERMANY)
            .await;
        let form = format!(
            "product={}&currency=usd&unit_amount={amount}&recurring[interval]=month&tax_behavior={behavior}",
            product(&sandbox).await
        );
        let price = id(&sandbox.post("/v1/prices", form).await);
        tenant
            .subscribe(&sandbox, &price, "&automatic_tax[enabled]=true")
            .await;
        let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
        assert_eq!(invoice["automatic_tax"]["status"], "complete");
        assert_eq!(invoice["subtotal"], subtotal);
        assert_eq!(invoice["total"], total);
        assert_eq!(invoice["total_excluding_tax"], net);
        assert_eq!(invoice["amount_paid"], total);
        assert_eq!(invoice["total_taxes"][0]["amount"], 1_900);
        assert_eq!(invoice["total_taxes"][0]["tax_behavior"], behavior);
        let line = &data(&invoice["lines"])[0];
        assert_eq!(line["taxes"][0]["amount"], 1_900);
        assert_eq!(line["taxes"][0]["taxable_amount"], 10_000);
    }
}

#[tokio::test]
async fn exempt_customers_and_places_without_registration_pay_none() {
    let sandbox = Sandbox::start();
    let settings = json!({"tax_percent": "19", "tax_locations": {"BR": "not_collecting"}});
    sandbox.settings(settings).await;
    let price = monthly(&sandbox, 1_000).await;
    for (customer, reason) in [
        ("address[country]=DE&tax_exempt=exempt", "customer_exempt"),
        ("address[country]=DE&tax_exempt=reverse", "reverse_charge"),
        ("address[country]=BR", "not_collecting"),
    ] {
        let tenant = Tenant::with_card(&sandbox, START).await;
        sandbox
            .post(format!("/v1/customers/{}", tenant.customer), customer)
            .await;
        tenant
            .subscribe(&sandbox, &price, "&automatic_tax[enabled]=true")
            .await;
        let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
        assert_eq!(invoice["total"], 1_000);
        assert_eq!(invoice["total_taxes"][0]["taxability_reason"], reason);
    }
}

#[tokio::test]
async fn a_renewal_that_does_not_know_the_place_turns_automatic_tax_off() {
    let sandbox = Sandbox::start();
    sandbox.settings(json!({"tax_percent": 10})).await;
    let tenant = Tenant::with_card(&sandbox, START).await;
    let customer = format!("/v1/customers/{}", tenant.customer);
    sandbox.post(&customer, GERMANY).await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant
        .subscribe(&sandbox, &price, "&automatic_tax[enabled]=true")
        .await;
    let form = "address=&tax[validate_location]=deferred";
    sandbox.post(&customer, form).await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["automatic_tax"]["enabled"], false);
    assert_eq!(
        invoice["automatic_tax"]["disabled_reason"],
        "finalization_requires_location_inputs"
    );
    assert_eq!(invoice["total"], 1_000);
    let after = subscription(&sandbox, &subscribed).await;
    assert_eq!(
        after["automatic_tax"]["disabled_reason"],
        "requires_location_inputs"
    );
}

#[tokio::test]
async fn a_prices_tax_behavior_is_decided_once() {
    let sandbox = Sandbox::start();
    let price = monthly(&sandbox, 1_000).await;
    let path = format!("/v1/prices/{price}");
    assert_eq!(sandbox.get(&path).await["tax_behavior"], "unspecified");
    sandbox.post(&path, "tax_behavior=inclusive").await;
    sandbox.post(&path, "tax_behavior=inclusive").await;
    for behavior in ["exclusive", "unspecified"] {
        let form = format!("tax_behavior={behavior}");
        let error = sandbox.post(&path, form).refused(400).await;
        assert_eq!(error["param"], "tax_behavior");
    }
    assert_eq!(text(&sandbox.get(&path).await["tax_behavior"]), "inclusive");
}

#[tokio::test]
async fn a_preview_is_taxed_by_the_address_it_is_given() {
    let sandbox = Sandbox::start();
    sandbox.settings(json!({"tax_percent": 20})).await;
    let price = monthly(&sandbox, 1_000).await;
    let form = format!(
        "customer_details[address][country]=FR&automatic_tax[enabled]=true&subscription_details[items][0][price]={price}"
    );
    let path = "/v1/invoices/create_preview";
    let preview = sandbox.post(path, &form).await;
    assert_eq!(preview["total"], 1_200);
    assert_eq!(preview["automatic_tax"]["status"], "complete");
    assert_eq!(preview["customer"], Value::Null);
    let form = form.replace("customer_details[address][country]=FR", "currency=usd");
    let preview = sandbox.post(path, form).await;
    assert_eq!(
        preview["automatic_tax"]["status"],
        "requires_location_inputs"
    );
    assert_eq!(preview["total"], 1_000);
}
