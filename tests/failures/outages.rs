//! Stripe down, slow or overloaded, and answers that get lost.

use serde_json::{Value, json};

use crate::support::{eventually, world::World};
use crate::{everything_fails, mentions, path_of, world_with_acme};

/// An edit meets a failing Stripe: the condition says so, and it is carried out by itself later.
async fn fails_and_recovers(fault: Value, reason: &str, words: &[&str]) {
    let (world, _operator) = world_with_acme().await;
    let (customer, _) = world.one_of_each("acme", None).await;
    let fault = world.stripe.fault(fault).await;
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    let message = world.reconciling("acme", reason).await;
    mentions(&message, words);
    world.stripe.clear_fault(&fault).await;
    world.ready("acme").await;
    let (same, _) = world.one_of_each("acme", None).await;
    assert_eq!(
        (&same["id"], &same["name"]),
        (&customer["id"], &json!("Renamed"))
    );
    world.finish().await;
}

#[tokio::test]
async fn stripe_down_at_the_start_is_said_and_waited_out() {
    let world = World::new().await;
    let fault = everything_fails(&world, 503).await;
    world.plan("pro", "99.00").await;
    world.tenant("acme", "pro").await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "StripeUnavailable").await;
    let message = world.reconciling("acme", "StripeUnavailable").await;
    mentions(&message, &["Stripe failed", "status 503"]);
    world.stripe.clear_fault(&fault).await;
    world.plan_reason("pro", "Succeeded").await;
    world.ready("acme").await;
    world.one_of_each("acme", None).await;
    world.finish().await;
}

#[tokio::test]
async fn no_connection_to_stripe_is_waited_out() {
    let fault = json!({"kind": "drop_before", "times": 0});
    fails_and_recovers(fault, "StripeUnavailable", &["Stripe could not be reached"]).await;
}

#[tokio::test]
async fn a_proxys_error_page_is_no_answer_of_stripes() {
    let fault = json!({"kind": "status", "status": 502, "body": "html", "times": 0});
    fails_and_recovers(
        fault,
        "StripeUnavailable",
        &["is a proxy in between?", "status 502"],
    )
    .await;
}

#[tokio::test]
async fn a_proxys_404_does_not_pass_for_a_deleted_customer() {
    let fault = json!({"kind": "status", "status": 404, "body": "html", "times": 0});
    fails_and_recovers(
        fault,
        "StripeUnavailable",
        &["is a proxy in between?", "status 404"],
    )
    .await;
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let fault = json!({"kind": "status", "status": 429, "retry_after": 1, "times": 0});
    fails_and_recovers(fault, "StripeRateLimited", &["asks for fewer requests"]).await;
}

#[tokio::test]
async fn answers_lost_after_the_deed_make_nothing_twice() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    for path in ["/v1/customers", "/v1/subscriptions"] {
        let lost = json!({"kind": "drop_after", "method": "POST", "path": path, "times": 4});
        world.stripe.fault(lost).await;
    }
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    world.one_of_each("acme", None).await;
    let customers = world.stripe.get("/v1/customers?limit=100").await;
    assert_eq!(customers["data"].as_array().unwrap().len(), 1);
    let subscriptions = world
        .stripe
        .get("/v1/subscriptions?limit=100&status=all")
        .await;
    assert_eq!(subscriptions["data"].as_array().unwrap().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn one_tenants_failure_delays_no_other() {
    let (world, _operator) = world_with_acme().await;
    world.tenant("other", "pro").await;
    world.ready("other").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    let failing = json!({"kind": "status", "status": 500, "method": "POST", "path": path_of(&customer), "times": 0});
    let fault = world.stripe.fault(failing).await;
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    world.reconciling("acme", "StripeUnavailable").await;
    world
        .edit("other", json!({"customer": {"name": "Not Delayed"}}))
        .await;
    world.ready("other").await;
    world.tenant("third", "pro").await;
    world.ready("third").await;
    world.reconciling("acme", "StripeUnavailable").await;
    world.stripe.clear_fault(&fault).await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Renamed");
    world.finish().await;
}

#[tokio::test]
async fn a_request_that_hangs_holds_up_only_its_tenant() {
    let (world, _operator) = world_with_acme().await;
    let (customer, _) = world.one_of_each("acme", None).await;
    let hanging =
        json!({"kind": "hold_before", "method": "POST", "path": path_of(&customer), "times": 0});
    let fault = world.stripe.fault(hanging).await;
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    eventually("a request hangs", async || {
        match world.stripe.fault_hits(&fault).await {
            0 => Err("none does".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    world.tenant("other", "pro").await;
    world.ready("other").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Acme Inc", "it still hangs");
    world.stripe.clear_fault(&fault).await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Renamed");
    world.finish().await;
}

/// The status of acme but for the event it last heard of: those of its own creation still come in.
async fn without_events(world: &World) -> Value {
    let mut status = world.get("acme").await["status"].take();
    status.as_object_mut().unwrap().remove("lastEvent");
    status
}

#[tokio::test]
async fn a_restart_does_not_call_in_question_what_was_ready() {
    let (world, operator) = world_with_acme().await;
    let before = without_events(&world).await;
    operator.kill();
    // The new leader cannot list the account for a while.
    let unlisted = json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0});
    let unlisted = world.stripe.fault(unlisted).await;
    let _operator = world.operator().await;
    world.tenant("newcomer", "pro").await;
    world.reason("newcomer", "Progressing").await;
    assert_eq!(without_events(&world).await, before);
    world.stripe.clear_fault(&unlisted).await;
    world.ready("newcomer").await;
    world.look_again("acme").await;
    let mut after = without_events(&world).await;
    after
        .as_object_mut()
        .unwrap()
        .remove("lastHandledReconcileAt");
    assert_eq!(after, before, "it was never written");
    world.finish().await;
}

#[tokio::test]
async fn a_tenant_that_was_fine_says_so_when_stripe_stays_out_of_sight() {
    let (world, _operator) = world_with_acme().await;
    let fault = everything_fails(&world, 503).await;
    world.reconciling("acme", "StripeUnavailable").await;
    world.stripe.clear_fault(&fault).await;
    let tenant = world.ready("acme").await;
    assert_eq!(tenant["status"]["phase"], "Trialing");
    world.finish().await;
}

#[tokio::test]
async fn a_short_failure_changes_no_status_and_costs_no_list() {
    let (world, operator) = world_with_acme().await;
    let before = without_events(&world).await;
    world.stripe.forget_requests().await;
    // More than are repeated within one poll.
    let fault = json!({"kind": "status", "status": 503, "path": "/v1/events", "times": 8});
    let fault = world.stripe.fault(fault).await;
    eventually(
        "the failures are over and events are read again",
        async || {
            let requests = world.stripe.requests().await;
            let polls = requests
                .iter()
                .filter(|request| request["path"] == "/v1/events");
            let read = polls.filter(|request| request["status"] == 200).count();
            match (world.stripe.fault_hits(&fault).await, read) {
                (8, 1..) => Ok(()),
                progress => Err(format!("{progress:?}")),
            }
        },
    )
    .await;
    let requests = world.stripe.requests().await;
    let lists = requests
        .iter()
        .filter(|request| request["path"] == "/v1/customers");
    assert_eq!(lists.count(), 0, "{}", operator.process().log());
    assert_eq!(without_events(&world).await, before);

    // What happened meanwhile has not been missed.
    let (customer, _) = world.one_of_each("acme", None).await;
    world
        .stripe
        .dashboard(&path_of(&customer), json!({"name": "Other"}))
        .await;
    eventually("drift is put right", async || {
        let (customer, _) = world.one_of_each("acme", None).await;
        if customer["name"] == "Acme Inc" {
            Ok(())
        } else {
            Err(customer["name"].to_string())
        }
    })
    .await;
    world.finish().await;
}
