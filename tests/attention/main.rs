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

use serde_json::{Value, json};
use support::eventually;
use support::world::{World, condition, id};

/// The tenant of all tests.
const TENANT: &str = "acme";
/// Seconds.
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// When test clocks begin: the first of January 2027.
const START: i64 = 1_798_761_600;
/// Ends of the first periods.
const FEBRUARY: i64 = START + 31 * DAY;
const MARCH: i64 = FEBRUARY + 28 * DAY;

/// A world with a plan without a trial.
async fn world() -> World {
    let world = World::new().await;
    let plan = json!({"currency": "usd", "base": {"amount": "99.00", "interval": "Month"}});
    world.plan_with("pro", plan).await;
    world
}

/// Applies the tenant, and gives its customer a card as soon as there is a customer; gives the
/// customer's id.
async fn with_card(world: &World, spec: Value, card: &str) -> String {
    let mut manifest = world.manifest(TENANT, "pro");
    let fields = spec.as_object().unwrap().clone();
    manifest["spec"].as_object_mut().unwrap().extend(fields);
    world.apply(manifest).await;
    let tenant = world.reason(TENANT, "PaymentMethodMissing").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(customer, card).await;
    customer.to_owned()
}

/// The tenant on a test clock, subscribed and paid; gives the clock and the customer.
async fn paying(world: &World, mut spec: Value) -> (String, String) {
    let clock = world.stripe.test_clock(START).await;
    spec["testClock"] = json!(clock);
    let customer = with_card(world, spec, "pm_card_visa").await;
    world.ready(TENANT).await;
    (clock, customer)
}

/// Waits until a condition of the tenant has a value and a reason.
async fn until(world: &World, kind: &str, value: &str, reason: &str) -> Value {
    world
        .until(TENANT, &format!("{kind}={value} {reason}"), |tenant| {
            let found = condition(tenant, kind);
            found["status"] == value && found["reason"] == reason
        })
        .await
}

/// Waits until an event about the tenant has been written, and asserts that it was written once.
async fn told_once(world: &World, tone: &str, reason: &str) {
    let wanted = (tone.to_owned(), reason.to_owned());
    let times = eventually(&format!("the event {reason}"), async || {
        let events = world.events(TENANT).await;
        match events.iter().filter(|event| **event == wanted).count() {
            0 => Err(format!("there are {events:?}")),
            times => Ok(times),
        }
    })
    .await;
    assert_eq!(times, 1, "{reason}");
}

/// The invoices of a customer, the newest first.
async fn invoices_of(world: &World, customer: &str) -> Vec<Value> {
    let path = format!("/v1/invoices?customer={customer}&limit=100");
    let list = world.stripe.get(&path).await;
    list["data"].as_array().unwrap().clone()
}

/// No event about the tenant carries a link, nor one about what it owes an amount.
async fn assert_discreet(world: &World) {
    for event in world.notes(TENANT).await {
        let note = event["note"].as_str().unwrap_or_default();
        let sold = event["reason"] == "SubscriptionCreated";
        assert!(!note.contains("://"), "{note}");
        assert!(sold || !note.contains("99.00"), "{note}");
    }
}

/// Lives through February and the first hours of March, which is as far as a clock goes at a time.
async fn until_march(world: &World, clock: &str) {
    world.stripe.advance(clock, FEBRUARY + 2 * HOUR).await;
    world.stripe.advance(clock, MARCH + 2 * HOUR).await;
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
