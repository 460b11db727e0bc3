//! The first payment: declined, to be authenticated, never made.

use serde_json::{Value, json};

use super::support::world::condition;
use super::{
    DAY, START, TENANT, assert_discreet, assert_settled, shown_invoice, told_once, until,
    with_card, world,
};

#[tokio::test]
async fn a_first_payment_that_is_declined_shows_where_to_pay_and_until_when() {
    let world = world().await;
    let _operator = world.operator().await;
    with_card(&world, json!({}), "pm_card_chargeCustomerFail").await;
    let tenant = until(&world, "PaymentCurrent", "False", "AwaitingPayment").await;
    let status = &tenant["status"];
    assert_eq!(status["phase"], "AwaitingPayment");
    assert_eq!(status["access"]["level"], "Suspended");
    let action = &status["payment"]["actionRequired"];
    assert_eq!(action["reason"], "AwaitingPayment");
    assert_eq!(action["amount"], "99.00");
    assert_eq!(action["currency"], "usd");
    assert_eq!(action["invoice"], shown_invoice(&tenant));
    assert_eq!(status["invoice"]["status"], "open");
    assert_eq!(status["invoice"]["attempts"], 1);
    assert!(action["before"].is_string());
    let invoice = format!("/v1/invoices/{}", shown_invoice(&tenant));
    let invoice = world.stripe.get(&invoice).await;
    assert_eq!(action["url"], invoice["hosted_invoice_url"]);
    told_once(&world, "Warning", "AwaitingPayment").await;
    assert_settled(&world).await;

    world
        .stripe
        .pay_hosted(shown_invoice(&tenant), "pm_card_visa")
        .await;
    let tenant = until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    let status = &tenant["status"];
    assert_eq!(status["payment"]["actionRequired"], Value::Null);
    assert_eq!(status["invoice"], Value::Null);
    let tenant = world.ready(TENANT).await;
    assert_eq!(tenant["status"]["phase"], "Active");
    assert_eq!(tenant["status"]["access"]["level"], "Full");
    told_once(&world, "Normal", "PaymentRecovered").await;
    told_once(&world, "Warning", "AwaitingPayment").await;
    assert_discreet(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_payment_that_has_to_be_authenticated_says_so_until_it_is() {
    let world = world().await;
    let _operator = world.operator().await;
    with_card(&world, json!({}), "pm_card_authenticationRequired").await;
    let tenant = until(&world, "PaymentCurrent", "False", "PaymentActionRequired").await;
    let action = &tenant["status"]["payment"]["actionRequired"];
    assert_eq!(action["reason"], "PaymentActionRequired");
    assert!(action["url"].as_str().unwrap().starts_with("http"));
    told_once(&world, "Warning", "PaymentActionRequired").await;
    world
        .stripe
        .authenticate_payment(shown_invoice(&tenant))
        .await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    world.ready(TENANT).await;
    told_once(&world, "Normal", "PaymentRecovered").await;
    assert_discreet(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_first_payment_that_is_never_made_expires_and_says_how_to_begin_again() {
    let world = world().await;
    let _operator = world.operator().await;
    let clock = world.stripe.test_clock(START).await;
    let spec = json!({"testClock": clock});
    let card = "pm_card_chargeCustomerFail";
    let customer = with_card(&world, spec, card).await;
    let tenant = until(&world, "PaymentCurrent", "False", "AwaitingPayment").await;
    let action = &tenant["status"]["payment"]["actionRequired"];
    assert_eq!(action["before"], "2027-01-01T23:00:00Z");

    world.stripe.advance(&clock, START + DAY).await;
    let tenant = until(&world, "PaymentCurrent", "False", "SubscriptionExpired").await;
    assert_eq!(tenant["status"]["payment"]["actionRequired"], Value::Null);
    assert_eq!(tenant["status"]["invoice"], Value::Null);
    let message = world.stalled(TENANT, "SubscriptionExpired").await;
    assert!(message.contains("spec.lifecycle"), "{message}");
    told_once(&world, "Warning", "SubscriptionExpired").await;

    // As the message says: the end is acknowledged, and with a card that works it begins again.
    world.edit(TENANT, json!({"lifecycle": "Canceled"})).await;
    let tenant = world.ready(TENANT).await;
    assert_eq!(condition(&tenant, "PaymentCurrent"), Value::Null);
    world.add_card(&customer, "pm_card_visa").await;
    world.edit(TENANT, json!({"lifecycle": "Active"})).await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    world.ready(TENANT).await;
    world.finish().await;
}
