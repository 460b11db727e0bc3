//! Payment methods: attached, made the default, detached for good.

use serde_json::{Value, json};

use crate::{
    fixtures::add_card,
    harness::{Sandbox, id, ids},
};

async fn customer(sandbox: &Sandbox) -> String {
    id(&sandbox.post("/v1/customers", "name=A").await)
}

#[tokio::test]
async fn a_card_is_attached_to_a_customer_and_listed_there() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let card = sandbox
        .post("/v1/payment_methods", "type=card&card[token]=tok_visa")
        .await;
    assert_eq!(card["customer"], Value::Null);
    assert_eq!(card["card"]["brand"], "visa");
    assert_eq!(card["card"]["last4"], "4242");
    let path = format!("/v1/payment_methods/{}", id(&card));
    let attached = sandbox
        .post(format!("{path}/attach"), format!("customer={customer}"))
        .await;
    assert_eq!(attached["customer"], customer);
    for list in [
        format!("/v1/customers/{customer}/payment_methods"),
        format!("/v1/payment_methods?customer={customer}"),
    ] {
        assert_eq!(ids(&sandbox.get(list).await), [id(&card)]);
    }
}

#[tokio::test]
async fn a_detached_card_is_never_attached_again() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let card = add_card(&sandbox, &customer).await;
    let path = format!("/v1/payment_methods/{card}");
    assert_eq!(
        sandbox.post(format!("{path}/detach"), "").await["customer"],
        Value::Null
    );
    let error = sandbox
        .post(format!("{path}/attach"), format!("customer={customer}"))
        .refused(400)
        .await;
    assert_eq!(error["type"], "invalid_request_error");
}

#[tokio::test]
async fn detaching_the_default_card_leaves_the_customer_without_one() {
    let sandbox = Sandbox::start();
    let customer = customer(&sandbox).await;
    let card = add_card(&sandbox, &customer).await;
    sandbox
        .post(format!("/v1/payment_methods/{card}/detach"), "")
        .await;
    let customer = sandbox.get(format!("/v1/customers/{customer}")).await;
    assert_eq!(
        customer["invoice_settings"]["default_payment_method"],
        Value::Null
    );
}

#[tokio::test]
async fn the_default_card_must_be_the_customers_own() {
    let sandbox = Sandbox::start();
    let [one, other] = [customer(&sandbox).await, customer(&sandbox).await];
    let card = add_card(&sandbox, &one).await;
    let form = format!("invoice_settings[default_payment_method]={card}");
    let error = sandbox
        .post(format!("/v1/customers/{other}"), form)
        .refused(400)
        .await;
    assert_eq!(error["type"], "invalid_request_error");
    let other = sandbox.get(format!("/v1/customers/{other}")).await;
    assert_eq!(
        other["invoice_settings"]["default_payment_method"],
        Value::Null
    );
}

#[tokio::test]
async fn a_card_attached_elsewhere_is_not_attached_here() {
    let sandbox = Sandbox::start();
    let [one, other] = [customer(&sandbox).await, customer(&sandbox).await];
    let card = add_card(&sandbox, &one).await;
    sandbox
        .post(
            format!("/v1/payment_methods/{card}/attach"),
            format!("customer={other}"),
        )
        .refused(400)
        .await;
}

#[tokio::test]
async fn the_default_card_can_be_set_when_the_customer_is_created() {
    let sandbox = Sandbox::start();
    let card = id(&sandbox
        .post("/v1/payment_methods", "type=card&card[token]=tok_visa")
        .await);
    let form = format!("payment_method={card}&invoice_settings[default_payment_method]={card}");
    let customer = sandbox.post("/v1/customers", form).await;
    assert_eq!(
        customer["invoice_settings"]["default_payment_method"],
        json!(card)
    );
}
