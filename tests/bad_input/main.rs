//! Manifests that are wrong, on a real control plane: the server refuses what its schema can
//! express, the operator says what is wrong with the rest, nothing of it reaches Stripe, and nobody
//! else notices.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "../support/mod.rs"]
mod support;

mod identity;
mod plans;
mod texts;
mod unreadable;

use serde_json::json;
use support::world::World;

/// A world in which a tenant is fine already, and stays so.
async fn world_with_a_healthy_tenant() -> (World, support::process::Operator) {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.tenant("healthy", "pro").await;
    world.ready("healthy").await;
    world.stripe.forget_requests().await;
    (world, operator)
}

/// Asserts that nothing was written to Stripe since, and that others can still be billed.
async fn nobody_else_notices(world: World) {
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
    world.tenant("neighbour", "pro").await;
    world.ready("neighbour").await;
    world
        .edit("healthy", json!({"customer": {"name": "Still Served"}}))
        .await;
    world.ready("healthy").await;
    let (customer, _) = world.one_of_each("healthy", None).await;
    assert_eq!(customer["name"], "Still Served");
    world.finish().await;
}

fn mentions(message: &str, words: &[&str]) {
    for word in words {
        assert!(
            message.contains(word),
            "\"{message}\" does not mention \"{word}\""
        );
    }
}
