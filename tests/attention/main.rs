//! Nothing waits for a person to find it: first payments, authentication, drafts that are never
//! finalised, disputes. On a real control plane, under the shipped rights.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod disputes;
mod first_payments;
mod holds;
mod invoices;

#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;
use support::paying::{
    DAY, FEBRUARY, HOUR, MARCH, START, TENANT, invoices_of, paying, told_once, until, until_march,
    with_card, world,
};
use support::world::{World, id};

/// No event about the tenant carries a link, nor one about what it owes an amount.
async fn assert_discreet(world: &World) {
    for event in world.notes(TENANT).await {
        let note = event["note"].as_str().unwrap_or_default();
        let sold = event["reason"] == "SubscriptionCreated";
        assert!(!note.contains("://"), "{note}");
        assert!(sold || !note.contains("99.00"), "{note}");
    }
}

/// The tenant's one live subscription.
async fn subscription(world: &World, clock: &str) -> Value {
    world.one_of_each(TENANT, Some(clock)).await.1
}

/// Asks the operator to look, and asserts that it writes nothing in Stripe.
async fn assert_settled(world: &World) {
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    let writes = world.stripe.writes().await;
    assert!(
        writes.is_empty(),
        "in order, nothing is written: {writes:#?}"
    );
}

/// The id of the invoice that the tenant's status shows.
fn shown_invoice(tenant: &Value) -> &str {
    id(&tenant["status"]["invoice"])
}
