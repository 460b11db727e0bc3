//! The operator dies around the payment by a new card.

use serde_json::{Value, json};

use super::support::eventually;
use super::support::paying::{invoices_of, world};
use super::{failing, stage};

/// What the request for the payment meets, with the operator killed then.
async fn pays_once_although(fault: Value) {
    let world = world().await;
    let operator = world.operator().await;
    let (_, customer, invoice) = failing(&world, json!({})).await;
    stage(&world, Some("Reminder")).await;
    let mut what = json!({"method": "POST", "path": format!("/v1/invoices/{invoice}/pay")});
    what.as_object_mut()
        .unwrap()
        .extend(fault.as_object().unwrap().clone());
    let fault = world.stripe.fault(what).await;
    world.add_card(&customer, "pm_card_visa").await;
    eventually("the request for the payment", async || {
        match world.stripe.fault_hits(&fault).await {
            0 => Err("it was not made".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    operator.kill();
    let _operator = world.operator().await;
    world.stripe.clear_fault(&fault).await;
    stage(&world, None).await;
    let paid = &invoices_of(&world, &customer).await[0];
    assert_eq!(
        (&paid["status"], &paid["amount_paid"]),
        (&json!("paid"), &json!(9900))
    );
    let charges = world
        .stripe
        .get(&format!(
            "/v1/payment_intents?customer={customer}&limit=100"
        ))
        .await;
    let paid = charges["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|intent| intent["status"] == "succeeded");
    assert_eq!(paid.count(), 2, "January and February, once each");
    world.finish().await;
}

#[tokio::test]
async fn killed_before_the_payment_is_made_the_next_one_makes_it() {
    pays_once_although(json!({"kind": "hold_before"})).await;
}

#[tokio::test]
async fn killed_with_the_payment_made_and_unanswered_it_is_not_made_again() {
    pays_once_although(json!({"kind": "hold_after"})).await;
}
