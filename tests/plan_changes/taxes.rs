//! Taxes, and customers whom Stripe Tax cannot place.

use serde_json::{Value, json};

use crate::payer::dollars;
use crate::support::world::World;

const GERMANY: &str = "DE";

async fn world() -> World {
    let world = World::new().await;
    let mut plan = dollars("99.00", "Month");
    plan["trial"] = json!({"days": 14});
    world.plan_with("pro", plan).await;
    world
}

fn taxed(world: &World, name: &str, tax: Value, address: Value) -> Value {
    let mut manifest = world.manifest(name, "pro");
    manifest["spec"]["tax"] = tax;
    if !address.is_null() {
        manifest["spec"]["customer"]["address"] = address;
    }
    manifest
}

async fn is_taxed(world: &World, name: &str) -> Value {
    let (_, subscription) = world.one_of_each(name, None).await;
    subscription["automatic_tax"]["enabled"].clone()
}

#[tokio::test]
async fn without_a_place_for_taxes_nobody_is_subscribed_until_there_is_one() {
    let world = world().await;
    let _operator = world.operator().await;
    world
        .apply(taxed(
            &world,
            "acme",
            json!({"automatic": true}),
            Value::Null,
        ))
        .await;
    let message = world.stalled("acme", "TaxLocationUnknown").await;
    assert!(message.contains("spec.customer.address"), "{message}");
    let customers = world.customers("acme", None).await;
    let customer = customers[0]["id"].as_str().unwrap();
    assert!(world.subscriptions(customer).await.is_empty());
    let address =
        json!({"line1": "Main 1", "postalCode": "10115", "city": "Berlin", "country": GERMANY});
    world
        .edit("acme", json!({"customer": {"address": address}}))
        .await;
    world.ready("acme").await;
    assert_eq!(is_taxed(&world, "acme").await, true);
    world.finish().await;
}

#[tokio::test]
async fn skipping_goes_on_without_taxes_and_takes_them_up_later() {
    let world = world().await;
    let _operator = world.operator().await;
    let skip = json!({"automatic": true, "ifNoLocation": "Skip"});
    world.apply(taxed(&world, "acme", skip, Value::Null)).await;
    world.ready("acme").await;
    assert_eq!(is_taxed(&world, "acme").await, false);
    let address = json!({"postalCode": "10115", "country": GERMANY});
    world
        .edit("acme", json!({"customer": {"address": address}}))
        .await;
    world.ready("acme").await;
    assert_eq!(is_taxed(&world, "acme").await, true);
    world
        .edit("acme", json!({"tax": {"automatic": false}}))
        .await;
    world.ready("acme").await;
    assert_eq!(is_taxed(&world, "acme").await, false);
    world.finish().await;
}
