//! A payment fails, and what becomes of the tenant: day by day, on a real control plane, under the
//! shipped rights.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod cards;
mod input;
mod kills;
mod policies;
mod stages;

#[path = "../support/mod.rs"]
mod support;

use jiff::Timestamp;
use serde_json::{Value, json};
use support::paying::{FEBRUARY, HOUR, TENANT, invoices_of, paying};
use support::world::{World, id};

/// When the first payment of February's invoice is attempted: an hour after it was made.
const FAILS: i64 = FEBRUARY + HOUR;
/// A card that is declined whenever it is charged.
const DECLINED: &str = "pm_card_chargeCustomerFail";

/// The tenant on a test clock whose payment of February fails; gives the clock, the customer and the
/// invoice.
async fn failing(world: &World, spec: Value) -> (String, String, String) {
    let (clock, customer) = paying(world, spec).await;
    world.add_card(&customer, DECLINED).await;
    world.stripe.advance(&clock, FAILS + 60).await;
    let invoice = invoices_of(world, &customer).await.swap_remove(0);
    assert_eq!(invoice["status"], "open");
    (clock, customer, id(&invoice).to_owned())
}

/// Waits until the status shows a stage of the dunning, or none.
async fn stage(world: &World, stage: Option<&str>) -> Value {
    let what = format!("the stage {stage:?}");
    let shows = |tenant: &Value| tenant["status"]["dunning"]["stage"].as_str() == stage;
    let tenant = world.until(TENANT, &what, shows).await;
    tenant["status"].clone()
}

/// Waits until the status shows a level of access.
async fn level(world: &World, level: &str) -> Value {
    let what = format!("access {level}");
    let shows = |tenant: &Value| tenant["status"]["access"]["level"] == level;
    let tenant = world.until(TENANT, &what, shows).await;
    tenant["status"].clone()
}

/// As in a status.
fn time(second: i64) -> Value {
    json!(Timestamp::from_second(second).unwrap().to_string())
}

/// How often the operator asked to have invoices paid.
async fn pays(world: &World) -> usize {
    let writes = world.stripe.writes().await;
    let paths = writes.iter().filter_map(|write| write["path"].as_str());
    paths.filter(|path| path.ends_with("/pay")).count()
}
