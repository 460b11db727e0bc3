//! A tenant that pays, on a test clock: where tests of late payments, dunning and disputes begin.

use serde_json::{Value, json};

use super::eventually;
use super::world::{World, condition};

/// The tenant of all tests.
pub(crate) const TENANT: &str = "acme";
/// Seconds.
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// When test clocks begin: the first of January 2027.
pub(crate) const START: i64 = 1_798_761_600;
/// Ends of the first periods.
pub(crate) const FEBRUARY: i64 = START + 31 * DAY;
pub(crate) const MARCH: i64 = FEBRUARY + 28 * DAY;

/// A world with a plan without a trial.
pub(crate) async fn world() -> World {
    let world = World::new().await;
    let plan = json!({"currency": "usd", "base": {"amount": "99.00", "interval": "Month"}});
    world.plan_with("pro", plan).await;
    world
}

/// Applies the tenant, and gives its customer a card as soon as there is a customer; gives the
/// customer's id.
pub(crate) async fn with_card(world: &World, spec: Value, card: &str) -> String {
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
pub(crate) async fn paying(world: &World, mut spec: Value) -> (String, String) {
    let clock = world.stripe.test_clock(START).await;
    spec["testClock"] = json!(clock);
    let customer = with_card(world, spec, "pm_card_visa").await;
    world.ready(TENANT).await;
    (clock, customer)
}

/// Waits until a condition of the tenant has a value and a reason.
pub(crate) async fn until(world: &World, kind: &str, value: &str, reason: &str) -> Value {
    world
        .until(TENANT, &format!("{kind}={value} {reason}"), |tenant| {
            let found = condition(tenant, kind);
            found["status"] == value && found["reason"] == reason
        })
        .await
}

/// Waits until an event about the tenant has been written, and asserts that it was written once.
pub(crate) async fn told_once(world: &World, tone: &str, reason: &str) {
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
pub(crate) async fn invoices_of(world: &World, customer: &str) -> Vec<Value> {
    let path = format!("/v1/invoices?customer={customer}&limit=100");
    let list = world.stripe.get(&path).await;
    list["data"].as_array().unwrap().clone()
}

/// Lives through February and the first hours of March, which is as far as a clock goes at a time.
pub(crate) async fn until_march(world: &World, clock: &str) {
    world.stripe.advance(clock, FEBRUARY + 2 * HOUR).await;
    world.stripe.advance(clock, MARCH + 2 * HOUR).await;
}
