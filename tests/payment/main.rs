//! Who pays, when, and by what: a payment method before a trial, the end of a trial, invoices by
//! mail. On a real control plane, under the shipped rights.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod collection;
mod gate;
mod input;
mod trials;

#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::eventually;
use support::process::Operator;
use support::world::{World, condition};

/// The tenant of most tests.
const TENANT: &str = "acme";
/// Where customers go from Stripe's page.
const RETURN_URL: &str = "https://app.example/billing";
/// Seconds.
const DAY: i64 = 86_400;
/// When test clocks begin.
const START: i64 = 1_800_000_000;

/// A world with a plan, and an operator that knows where customers go to.
async fn world() -> World {
    let mut world = World::new().await;
    let options = &mut world.options;
    options
        .flags
        .extend(["--payment-return-url".to_owned(), RETURN_URL.to_owned()]);
    world.plan("pro", "99.00").await;
    world
}

/// The manifest of [`TENANT`] with some fields of the spec.
fn manifest(world: &World, spec: &Value) -> Value {
    let mut manifest = world.manifest(TENANT, "pro");
    let fields = spec.as_object().unwrap().clone();
    manifest["spec"].as_object_mut().unwrap().extend(fields);
    manifest
}

/// Applies [`TENANT`] on a test clock of its own; gives the clock.
async fn on_clock(world: &World, spec: Value) -> String {
    let clock = world.stripe.test_clock(START).await;
    let mut manifest = manifest(world, &spec);
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    clock
}

/// Waits until the tenant is in a phase.
async fn phase(world: &World, phase: &str) -> Value {
    world
        .until(TENANT, phase, |tenant| tenant["status"]["phase"] == phase)
        .await
}

/// The customer's page for leaving a payment method, once there is one.
async fn page(world: &World) -> Value {
    world
        .until(TENANT, "a page", |tenant| {
            tenant["status"]["payment"]["setupUrl"].is_string()
        })
        .await
}

/// The Checkout session a status names.
fn session(tenant: &Value) -> &str {
    tenant["status"]["payment"]["setupSessionId"]
        .as_str()
        .unwrap()
}

/// The customer a status names.
fn customer(tenant: &Value) -> &str {
    tenant["status"]["stripe"]["customerId"].as_str().unwrap()
}

/// Whether a payment method is on file, as the condition says.
fn method_ready(tenant: &Value) -> bool {
    condition(tenant, "PaymentMethodReady")["status"] == "True"
}

/// Waits for the held request, then kills the operator and starts another one.
async fn kill_at(world: &World, fault: &str, operator: Operator) -> Operator {
    eventually("the fault meets a request", async || {
        match world.stripe.fault_hits(fault).await {
            0 => Err("it met none".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    operator.kill();
    let next = world.operator().await;
    world.stripe.clear_fault(fault).await;
    next
}
