//! Stripe down, slow or refusing, keys revoked or mixed up, and people who change things by hand:
//! what the operator says, what it leaves alone, and how it gets back.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod deletion;
mod keys;
mod outages;

use std::fs;

use hyper::Method;
use serde_json::{Value, json};
use support::process::Operator;
use support::world::{World, id};

/// A world with one tenant that is fine.
async fn world_with_acme() -> (World, Operator) {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    (world, operator)
}

fn mentions(message: &str, words: &[&str]) {
    for word in words {
        assert!(
            message.contains(word),
            "\"{message}\" does not mention \"{word}\""
        );
    }
}

/// Every answer of Stripe's is this from now on; gives the fault's id.
async fn everything_fails(world: &World, status: u16) -> String {
    world
        .stripe
        .fault(json!({"kind": "status", "status": status, "times": 0}))
        .await
}

async fn nothing_written(world: &World) {
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
}

fn path_of(object: &Value) -> String {
    let kind = object["object"].as_str().unwrap();
    format!("/v1/{kind}s/{}", id(object))
}

/// What somebody does in the Dashboard other than changing something.
async fn dashboard_delete(world: &World, object: &Value) {
    let deletion = json!({"method": "DELETE", "path": path_of(object), "params": {}});
    world
        .stripe
        .control(Method::POST, "/dashboard", deletion)
        .await;
}

/// Puts a key into the operator's key file, as a mounted secret changes: all at once.
fn use_key(world: &World, key: &str) {
    let file = &world.options.stripe_key_file;
    let next = file.with_extension("next");
    fs::write(&next, key).unwrap();
    fs::rename(&next, file).unwrap();
}
