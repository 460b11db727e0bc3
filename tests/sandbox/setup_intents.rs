//! Setup intents: how a card comes to a customer without being charged.

use serde_json::{Value, json};

use crate::{
    fixtures::{add_card, cards},
    harness::{Sandbox, id},
};

async fn customer(sandbox: &Sandbox) -> String {
    id(&sandbox.post("/v1/customers", "name=A").await)
}

#[tokio::test]
async fn a_confirmed_setup_intent_attaches_the_card() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let intent = sandbox
        .post(
            "/v1/setup_intents",
            format!("customer={customer}&usage=off_session"),
        )
        .await;
    assert_eq!(intent["status"], "requires_payment_method");
    let path = format!("/v1/setup_intents/{}", id(&intent));
    let intent = sandbox
        .post(format!("{path}/confirm"), "payment_method=pm_card_visa")
        .await;
    assert_eq!(intent["status"], "succeeded");
    let card = intent["payment_method"].as_str().expect("an id");
    assert_eq!(
        sandbox.get(format!("/v1/payment_methods/{card}")).await["customer"],
        customer
    );
    assert_eq!(sandbox.get(&path).await, intent);
}

#[tokio::test]
async fn a_card_that_wants_its_owner_leaves_the_intent_waiting() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let card = add_card(&sandbox, &customer).await;
    cards(&sandbox, &customer, "requires_action").await;
    let form = format!(
        "customer={customer}&payment_method={card}&confirm=true&return_url=https://tenant.example"
    );
    let intent = sandbox.post("/v1/setup_intents", form).await;
    assert_eq!(intent["status"], "requires_action");
    assert_ne!(intent["next_action"], Value::Null);
}

#[tokio::test]
async fn a_declined_card_fails_the_confirmation_and_can_be_replaced() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let card = add_card(&sandbox, &customer).await;
    cards(&sandbox, &customer, "decline:do_not_honor").await;
    let intent = sandbox
        .post(
            "/v1/setup_intents",
            format!("customer={customer}&payment_method={card}"),
        )
        .await;
    assert_eq!(intent["status"], "requires_confirmation");
    let path = format!("/v1/setup_intents/{}", id(&intent));
    let error = sandbox
        .post(format!("{path}/confirm"), "")
        .refused(402)
        .await;
    assert_eq!(error["type"], "card_error");
    assert_eq!(error["code"], "card_declined");
    assert_eq!(error["decline_code"], "do_not_honor");
    assert_eq!(
        sandbox.get(&path).await["status"],
        "requires_payment_method"
    );
}

#[tokio::test]
async fn a_canceled_intent_stays_canceled() {
    let sandbox = Sandbox::start();
    let path = format!(
        "/v1/setup_intents/{}",
        id(&sandbox.post("/v1/setup_intents", "").await)
    );
    assert_eq!(
        sandbox.post(format!("{path}/cancel"), "").await["status"],
        "canceled"
    );
    let error = sandbox
        .post(format!("{path}/confirm"), "payment_method=pm_card_visa")
        .refused(400)
        .await;
    assert_eq!(error["code"], "setup_intent_unexpected_state");
}

#[tokio::test]
async fn the_parameter_this_api_version_renamed_is_unknown() {
    let sandbox = Sandbox::start();
    let error = sandbox
        .post("/v1/setup_intents", "payment_method_types[]=card")
        .wrong()
        .refused(400)
        .await;
    assert_eq!(error["code"], "parameter_unknown");
    let intent = sandbox
        .post("/v1/setup_intents", "allowed_payment_method_types[]=card")
        .await;
    assert_eq!(intent["allowed_payment_method_types"], json!(["card"]));
}
