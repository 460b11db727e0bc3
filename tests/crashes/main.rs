//! Whatever request is lost, and whenever the operator dies: the same end, and nothing twice.
//!
//! A tenant's whole life, told by manifests, is lived once undisturbed to learn which requests each
//! chapter makes and what Stripe holds after it. Then it is lived again and again, in a Stripe of
//! its own each time, with the n-th request of every chapter disturbed; after each chapter Stripe
//! must hold exactly what it held the first time.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod life;
#[path = "../support/mod.rs"]
mod support;

use futures::future::join_all;
use life::{Calm, Chapter, LIFE, TENANT, Target, learn, list, new_world, renamed, stripe};
use serde_json::{Value, json};
use support::{eventually, world::World};

/// Attempts of one request before the operator's own backoff begins.
const ATTEMPTS: u64 = 3;

/// How a request is disturbed.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// The operator is killed while the request is `hold_before` or `hold_after`.
    Killed(&'static str),
    /// A fault of this kind meets that many attempts in a row.
    Failed(&'static str, u64),
    /// It is carried out but never answered, until the manifest has been edited.
    UnansweredUntilEdited,
}

/// Lives the life with the `nth` request of each chapter disturbed. Gives how many were.
async fn disturbed(
    life: &[Calm],
    targets: fn(&Calm) -> &[Target],
    nth: usize,
    how: Disturbance,
) -> usize {
    let (world, mut operator) = new_world().await;
    let mut met = 0;
    let mut edited = None;
    for calm in life {
        let chapter = calm.chapter;
        let edits = matches!(how, Disturbance::UnansweredUntilEdited);
        let target = targets(calm)
            .get(nth)
            .filter(|_| !edits || chapter.has_manifest());
        if chapter == Chapter::Rename {
            edited = None;
        }
        if let Some(target) = target {
            let fault = world.stripe.fault(fault(target, how)).await;
            chapter.begin(&world).await;
            let wanted = if edits { ATTEMPTS } else { 1 };
            if met_or_reached(&world, chapter, &fault, wanted).await {
                met += 1;
                match how {
                    Disturbance::Killed(_) => {
                        operator.kill();
                        operator = world.operator().await;
                    }
                    Disturbance::UnansweredUntilEdited => {
                        let name = format!("Acme, edited during {chapter:?}");
                        world.edit(TENANT, renamed(&name)).await;
                        edited = Some(name);
                    }
                    Disturbance::Failed(..) => {
                        chapter.reached(&world).await;
                    }
                }
            }
            world.stripe.clear_fault(&fault).await;
        } else {
            chapter.begin(&world).await;
        }
        chapter.reached(&world).await;
        let mut expected = calm.after.clone();
        if let Some(name) = &edited {
            expected["customers"][0]["name"] = json!(name);
        }
        let found = stripe(&world).await;
        assert_eq!(
            found, expected,
            "after {chapter:?}, request {nth} {how:?}: {target:?}"
        );
        chapter.aftermath(&world).await;
        if chapter == Chapter::SubscribeAgain {
            stays_so(&world).await;
        }
    }
    drop(operator);
    world.finish().await;
    met
}

fn fault(target: &Target, how: Disturbance) -> Value {
    let (kind, times) = match how {
        Disturbance::Killed(kind) => (kind, 1),
        Disturbance::Failed(kind, times) => (kind, times),
        Disturbance::UnansweredUntilEdited => ("drop_after", 0),
    };
    json!({
        "method": target.method, "path": target.path, "skip": target.skip,
        "kind": kind, "times": times, "status": 500,
    })
}

/// Waits until the fault has met that many requests. Says no if the chapter ends without it.
async fn met_or_reached(world: &World, chapter: Chapter, fault: &str, wanted: u64) -> bool {
    let met = eventually("the fault meets a request", async || {
        let hits = world.stripe.fault_hits(fault).await;
        if hits >= wanted {
            Ok(())
        } else {
            Err(format!("{hits} met so far"))
        }
    });
    tokio::select! {
        () = met => true,
        () = chapter.reached(world) => world.stripe.fault_hits(fault).await >= wanted,
    }
}

/// Another look changes nothing.
async fn stays_so(world: &World) {
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    let writes = world.stripe.writes().await;
    assert!(
        writes.is_empty(),
        "in sync, nothing is written: {writes:#?}"
    );
}

/// Disturbs every write of the life once.
async fn disturb_every_write(how: Disturbance) {
    let life = learn().await;
    let rounds = life.iter().map(|calm| calm.writes.len()).max().unwrap();
    let runs = (0..rounds).map(|nth| disturbed(&life, |calm| &calm.writes, nth, how));
    let met: usize = join_all(runs).await.into_iter().sum();
    let edits = matches!(how, Disturbance::UnansweredUntilEdited);
    let in_question = life
        .iter()
        .filter(|calm| !edits || calm.chapter.has_manifest());
    let writes: usize = in_question.map(|calm| calm.writes.len()).sum();
    assert_eq!(met, writes, "every write is disturbed once");
}

#[tokio::test]
async fn killed_before_a_write_was_carried_out() {
    disturb_every_write(Disturbance::Killed("hold_before")).await;
}

#[tokio::test]
async fn killed_after_a_write_was_carried_out() {
    disturb_every_write(Disturbance::Killed("hold_after")).await;
}

#[tokio::test]
async fn killed_while_reading() {
    let life = learn().await;
    let rounds = life.iter().map(|calm| calm.reads.len()).max().unwrap();
    let how = Disturbance::Killed("hold_before");
    let runs = (0..rounds).map(|nth| disturbed(&life, |calm| &calm.reads, nth, how));
    let met: usize = join_all(runs).await.into_iter().sum();
    assert!(met > LIFE.len(), "only {met} reads were met");
}

#[tokio::test]
async fn a_write_that_was_carried_out_is_not_answered() {
    disturb_every_write(Disturbance::Failed("drop_after", 1)).await;
}

#[tokio::test]
async fn a_write_that_was_carried_out_is_not_answered_however_often_it_is_repeated() {
    disturb_every_write(Disturbance::Failed("drop_after", ATTEMPTS)).await;
}

#[tokio::test]
async fn a_write_is_lost_on_its_way_again_and_again() {
    disturb_every_write(Disturbance::Failed("drop_before", ATTEMPTS)).await;
}

#[tokio::test]
async fn a_write_is_answered_with_500() {
    disturb_every_write(Disturbance::Failed("status", 1)).await;
}

#[tokio::test]
async fn the_manifest_is_edited_while_a_write_is_unanswered() {
    disturb_every_write(Disturbance::UnansweredUntilEdited).await;
}

/// A creation is carried out but not answered; then the manifest is deleted, and applied again
/// with another name.
async fn deleted_after_unanswered(path: &str, how: Disturbance) {
    let (world, mut operator) = new_world().await;
    world.plan("starter", "29.00").await;
    world.plan_reason("starter", "Succeeded").await;
    let target = Target {
        method: "POST".to_owned(),
        path: path.to_owned(),
        skip: 0,
    };
    let fault = world.stripe.fault(fault(&target, how)).await;
    let mut manifest = world.manifest(TENANT, "starter");
    manifest["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(manifest.clone()).await;
    let unanswered = if let Disturbance::Killed(_) = how {
        1
    } else {
        ATTEMPTS
    };
    eventually("the creation is not answered", async || {
        let hits = world.stripe.fault_hits(&fault).await;
        if hits >= unanswered {
            Ok(())
        } else {
            Err(format!("{hits} met so far"))
        }
    })
    .await;
    if let Disturbance::Killed(_) = how {
        operator.kill();
        world.delete(TENANT).await;
        operator = world.operator().await;
    } else {
        world.delete(TENANT).await;
    }
    world.stripe.clear_fault(&fault).await;
    world.gone(TENANT).await;
    let subscriptions = list(&world, "/v1/subscriptions?status=all").await;
    let live = subscriptions.iter().find(|s| s["status"] != "canceled");
    assert_eq!(live, None, "{path}, {how:?}: it would be billed for ever");

    manifest["spec"]["customer"]["name"] = json!("Acme again");
    world.apply(manifest).await;
    let settled = |tenant: &Value| tenant["status"]["stripe"]["customerId"].is_string();
    world.until(TENANT, "billed again", settled).await;
    let customers = list(&world, "/v1/customers?").await;
    assert_eq!(customers.len(), 1, "{path}, {how:?}: {customers:#?}");
    drop(operator);
    world.finish().await;
}

#[tokio::test]
async fn the_manifest_is_deleted_while_a_creation_is_unanswered() {
    let mut runs = Vec::new();
    for path in ["/v1/customers", "/v1/subscriptions"] {
        for how in [
            Disturbance::UnansweredUntilEdited,
            Disturbance::Killed("hold_after"),
        ] {
            runs.push(deleted_after_unanswered(path, how));
        }
    }
    join_all(runs).await;
}

#[tokio::test]
async fn a_customer_on_a_test_clock_of_the_past_is_found_again() {
    let (world, _operator) = new_world().await;
    world.plan("starter", "29.00").await;
    world.plan_reason("starter", "Succeeded").await;
    let clock = world.stripe.test_clock(1_500_000_000).await;
    let target = Target {
        method: "POST".to_owned(),
        path: "/v1/customers".to_owned(),
        skip: 0,
    };
    let fault = world
        .stripe
        .fault(fault(&target, Disturbance::UnansweredUntilEdited))
        .await;
    let mut manifest = world.manifest(TENANT, "starter");
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    assert!(met_or_reached(&world, Chapter::Onboarding, &fault, ATTEMPTS).await);
    world.edit(TENANT, renamed("Acme Ltd")).await;
    world.stripe.clear_fault(&fault).await;
    world.ready(TENANT).await;
    let (customer, _) = world.one_of_each(TENANT, Some(&clock)).await;
    assert_eq!(customer["name"], "Acme Ltd");
    world.finish().await;
}
