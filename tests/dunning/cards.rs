//! A new card pays what is open.

use serde_json::json;

use super::support::eventually;
use super::support::paying::{DAY, TENANT, invoices_of, told_once, world};
use super::{FAILS, failing, level, pays, stage};

#[tokio::test]
async fn a_new_default_card_pays_what_is_open_and_ends_the_suspension() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer, _) = failing(&world, json!({})).await;
    world.stripe.advance(&clock, FAILS + 7 * DAY).await;
    level(&world, "Suspended").await;
    world.stripe.forget_requests().await;
    world.add_card(&customer, "pm_card_visa").await;
    level(&world, "Full").await;
    assert_eq!(invoices_of(&world, &customer).await[0]["status"], "paid");
    assert_eq!(pays(&world).await, 1);
    told_once(&world, "Normal", "InvoicePaid").await;
    world.finish().await;
}

#[tokio::test]
async fn a_card_that_is_only_attached_becomes_the_default_and_pays() {
    let world = world().await;
    let _operator = world.operator().await;
    let (_, customer, _) = failing(&world, json!({})).await;
    stage(&world, Some("Reminder")).await;
    let attach = "/v1/payment_methods/pm_card_visa/attach";
    let card = world
        .stripe
        .dashboard(attach, json!({"customer": customer}))
        .await;
    stage(&world, None).await;
    let found = world.stripe.get(&format!("/v1/customers/{customer}")).await;
    let default = &found["invoice_settings"]["default_payment_method"];
    assert_eq!(default, &card["id"]);
    world.finish().await;
}

#[tokio::test]
async fn a_new_card_that_is_declined_too_is_charged_once_and_the_dunning_goes_on() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer, _) = failing(&world, json!({})).await;
    stage(&world, Some("Reminder")).await;
    world.stripe.forget_requests().await;
    world
        .add_card(&customer, "pm_card_chargeCustomerFail")
        .await;
    eventually("an attempt", async || match pays(&world).await {
        0 => Err("there was none".to_owned()),
        _ => Ok(()),
    })
    .await;
    told_once(&world, "Warning", "PaymentRefused").await;
    for _ in 0..3 {
        world.look_again(TENANT).await;
    }
    assert_eq!(pays(&world).await, 1);
    world.stripe.advance(&clock, FAILS + 3 * DAY).await;
    stage(&world, Some("Warning")).await;
    world.finish().await;
}

#[tokio::test]
async fn looking_again_at_a_tenant_that_does_not_pay_writes_nothing() {
    let world = world().await;
    let _operator = world.operator().await;
    failing(&world, json!({})).await;
    stage(&world, Some("Reminder")).await;
    world.look_again(TENANT).await;
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    let requests = world.stripe.requests().await;
    let of_tenant = requests.iter().filter(|request| {
        let path = request["path"].as_str().unwrap_or_default();
        !path.starts_with("/v1/events") && !path.contains("/test_clocks/")
    });
    let paths: Vec<_> = of_tenant.map(|request| &request["path"]).collect();
    assert_eq!(
        paths.len(),
        1,
        "the payment methods are asked for: {paths:?}"
    );
    assert!(world.stripe.writes().await.is_empty());
    world.finish().await;
}
