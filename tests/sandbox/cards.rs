//! What a card does, as Stripe's own test cards and the control plane say.

use serde_json::Value;

use crate::{
    fixtures::{Tenant, add_card, cards, monthly, subscription},
    harness::{Sandbox, id, text},
};

const START: &str = "2026-01-01T00:00:00Z";

#[tokio::test]
async fn a_decline_names_its_reason_and_fails_the_payment() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    cards(&sandbox, &tenant.customer, "decline:expired_card").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let invoice = text(&subscribed["latest_invoice"]);
    let payments = sandbox
        .get(format!("/v1/invoice_payments?invoice={invoice}"))
        .await;
    let intent = text(&payments["data"][0]["payment"]["payment_intent"]);
    let intent = sandbox.get(format!("/v1/payment_intents/{intent}")).await;
    assert_eq!(intent["status"], "requires_payment_method");
    let error = &intent["last_payment_error"];
    assert_eq!(error["type"], "card_error");
    // This decline has a code of its own; most others are `card_declined` with a decline code.
    assert!(
        error["code"] == "expired_card" || error["decline_code"] == "expired_card",
        "{error}"
    );
}

#[tokio::test]
async fn stripes_own_failing_card_attaches_and_is_declined_when_charged() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let form = format!("customer={}", tenant.customer);
    let card = sandbox
        .post(
            "/v1/payment_methods/pm_card_chargeCustomerFail/attach",
            form,
        )
        .await;
    let form = format!("invoice_settings[default_payment_method]={}", id(&card));
    sandbox
        .post(format!("/v1/customers/{}", tenant.customer), form)
        .await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    assert_eq!(subscribed["status"], "incomplete");
}

#[tokio::test]
async fn the_subscriptions_card_goes_before_the_customers() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    cards(&sandbox, &tenant.customer, "decline:generic_decline").await;
    let own = sandbox
        .post(
            "/v1/payment_methods/pm_card_visa/attach",
            format!("customer={}", tenant.customer),
        )
        .await;
    let more = format!("&default_payment_method={}", id(&own));
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, &more)
        .await;
    assert_eq!(subscribed["status"], "active");
    assert_eq!(subscribed["default_payment_method"], id(&own));
}

#[tokio::test]
async fn an_off_session_charge_that_wants_its_owner_fails_a_renewal() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    cards(&sandbox, &tenant.customer, "requires_action").await;
    let end = crate::fixtures::period(&subscribed).1;
    sandbox
        .advance(&tenant.clock, end + crate::fixtures::HOUR)
        .await;
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "past_due"
    );
    let types = crate::fixtures::event_types(&sandbox).await;
    assert!(
        types.contains(&"invoice.payment_action_required".to_owned()),
        "{types:?}"
    );
}

#[tokio::test]
async fn one_card_of_several_can_be_told_to_fail() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let second = add_card(&sandbox, &tenant.customer).await;
    let behavior =
        serde_json::json!({"payment_method": second, "behavior": "decline:generic_decline"});
    sandbox.control("POST", "/cards", behavior).await;
    let price = monthly(&sandbox, 1_000).await;
    assert_eq!(
        tenant.subscribe(&sandbox, &price, "").await["status"],
        "incomplete"
    );
    let customer = sandbox
        .get(format!("/v1/customers/{}", tenant.customer))
        .await;
    assert_eq!(
        customer["invoice_settings"]["default_payment_method"],
        Value::from(second)
    );
}
