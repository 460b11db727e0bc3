//! Invoices that are never finalised, or cannot be; payments that fail later.

use hyper::Method;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::world::{condition, id};
use super::{
    DAY, FEBRUARY, HOUR, TENANT, assert_settled, invoices_of, paying, shown_invoice, subscription,
    told_once, until, world,
};

#[tokio::test]
async fn a_draft_that_is_never_finalised_is_found_and_forgotten_once_it_is() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, json!({})).await;
    let keep = |keep: bool| {
        let settings = json!({"keep_drafts": keep});
        world.stripe.control(Method::POST, "/settings", settings)
    };
    keep(true).await;
    world.stripe.advance(&clock, FEBRUARY + HOUR / 2).await;
    world.look_again(TENANT).await;
    let tenant = world.get(TENANT).await;
    assert_eq!(condition(&tenant, "PaymentCurrent")["status"], "True");
    assert_eq!(tenant["status"]["invoice"], Value::Null, "it is not late");

    world.stripe.advance(&clock, FEBRUARY + 4 * DAY).await;
    world.look_again(TENANT).await;
    let tenant = until(&world, "PaymentCurrent", "False", "InvoiceStuckInDraft").await;
    let draft = &invoices_of(&world, &customer).await[0];
    assert_eq!(shown_invoice(&tenant), id(draft));
    assert_eq!(tenant["status"]["invoice"]["status"], "draft");
    assert_eq!(tenant["status"]["payment"]["actionRequired"], Value::Null);
    told_once(&world, "Warning", "InvoiceStuckInDraft").await;

    keep(false).await;
    world
        .stripe
        .post(&format!("/v1/invoices/{}/finalize", id(draft)), &[])
        .await;
    world
        .stripe
        .advance(&clock, FEBRUARY + 4 * DAY + 2 * HOUR)
        .await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    told_once(&world, "Normal", "PaymentRecovered").await;
    assert_settled(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn an_invoice_that_cannot_be_finalised_carries_stripes_words() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, json!({})).await;
    world.stripe.advance(&clock, FEBRUARY).await;
    let draft = invoices_of(&world, &customer).await.swap_remove(0);
    let path = format!("/invoices/{}/finalization", id(&draft));
    let error = json!({"code": "tax_id_invalid", "message": "The tax id is not valid."});
    world.stripe.control(Method::POST, &path, error).await;
    world.stripe.advance(&clock, FEBRUARY + 2 * HOUR).await;
    let tenant = until(&world, "PaymentCurrent", "False", "InvoiceNotFinalized").await;
    let message = condition(&tenant, "PaymentCurrent")["message"].to_string();
    assert!(message.contains("The tax id is not valid."), "{message}");
    told_once(&world, "Warning", "InvoiceNotFinalized").await;

    world
        .stripe
        .control(Method::DELETE, &path, Value::Null)
        .await;
    let finalize = format!("/v1/invoices/{}/finalize", id(&draft));
    world.stripe.post(&finalize, &[]).await;
    world.stripe.advance(&clock, FEBRUARY + DAY).await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    world.finish().await;
}

#[tokio::test]
async fn taxes_that_fail_for_want_of_a_place_are_cured_by_correcting_the_address() {
    let world = world().await;
    let settings = json!({"tax_percent": 10, "unknown_tax_location": "fails"});
    world
        .stripe
        .control(Method::POST, "/settings", settings)
        .await;
    let _operator = world.operator().await;
    let spec = json!({"tax": {"automatic": true, "ifNoLocation": "Skip"}});
    let (clock, customer) = paying(&world, spec).await;
    // The manifest says nothing of the address, so support can give one, and take it away.
    let path = format!("/v1/customers/{customer}");
    let known = json!({"address": {"country": "DE"}});
    world.stripe.dashboard(&path, known).await;
    eventually("taxes are computed", async || {
        let subscription = subscription(&world, &clock).await;
        match &subscription["automatic_tax"]["enabled"] {
            Value::Bool(true) => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let unknown = json!({"address": "", "tax": {"validate_location": "deferred"}});
    world.stripe.dashboard(&path, unknown).await;
    world.stripe.advance(&clock, FEBRUARY + 2 * HOUR).await;
    let tenant = until(&world, "PaymentCurrent", "False", "TaxLocationUnknown").await;
    let message = condition(&tenant, "PaymentCurrent")["message"].to_string();
    assert!(message.contains("spec.customer.address"), "{message}");
    told_once(&world, "Warning", "TaxLocationUnknown").await;

    world
        .edit(TENANT, json!({"customer": {"address": {"country": "DE"}}}))
        .await;
    world.ready(TENANT).await;
    world.stripe.advance(&clock, FEBRUARY + 2 * DAY).await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    let paid = &invoices_of(&world, &customer).await[0];
    assert_eq!(
        (&paid["status"], &paid["total"]),
        (&json!("paid"), &json!(10_890))
    );
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_that_is_declined_tells_when_stripe_tries_again_and_where_to_pay() {
    let world = world().await;
    let _operator = world.operator().await;
    let (clock, customer) = paying(&world, json!({})).await;
    world
        .add_card(&customer, "pm_card_chargeCustomerFail")
        .await;
    world.stripe.advance(&clock, FEBRUARY + 2 * HOUR).await;
    let tenant = until(&world, "PaymentCurrent", "False", "PastDue").await;
    let status = &tenant["status"];
    assert_eq!(status["phase"], "PastDue");
    assert_eq!(status["access"]["level"], "Full", "late is not suspended");
    let next = status["invoice"]["nextPaymentAttempt"].as_str().unwrap();
    let message = condition(&tenant, "PaymentCurrent")["message"].to_string();
    assert!(message.contains(next), "{message}");
    assert!(status["payment"]["actionRequired"]["url"].is_string());
    told_once(&world, "Warning", "PastDue").await;

    // The next attempt fails too: the same trouble, told once.
    world.stripe.advance(&clock, FEBRUARY + 8 * DAY).await;
    let attempts = |tenant: &Value| tenant["status"]["invoice"]["attempts"].as_i64() > Some(1);
    let tenant = world.until(TENANT, "another attempt", attempts).await;
    world
        .stripe
        .pay_hosted(shown_invoice(&tenant), "pm_card_visa")
        .await;
    until(&world, "PaymentCurrent", "True", "NothingOverdue").await;
    told_once(&world, "Warning", "PastDue").await;
    told_once(&world, "Normal", "PaymentRecovered").await;
    world.finish().await;
}
