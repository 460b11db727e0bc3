//! Stripe down, slow or refusing, keys revoked or mixed up, and people who change things by hand:
//! what the operator says, what it leaves alone, and how it gets back.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use std::fs;

use hyper::Method;
use serde_json::{Value, json};
use support::{
    eventually,
    process::Operator,
    world::{World, assert_stalled, condition, id},
};

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

#[tokio::test]
async fn a_revoked_key_is_said_and_its_successor_is_taken_up_without_a_restart() {
    let world = World::new().await;
    use_key(&world, "sk_test_first");
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    world
        .stripe
        .control(
            Method::POST,
            "/keys/revoke",
            json!({"key": "sk_test_first"}),
        )
        .await;
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    let message = world.reconciling("acme", "StripeUnauthorized").await;
    mentions(&message, &["Stripe does not accept the key", "status 401"]);
    assert!(!message.contains("sk_test_first"), "{message}");

    use_key(&world, "sk_test_second");
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Renamed");
    world.finish().await;
}

#[tokio::test]
async fn what_is_no_key_is_said_and_never_sent() {
    let world = World::new().await;
    use_key(&world, "pk_test_publishable");
    world.plan("pro", "99.00").await;
    world.tenant("acme", "pro").await;
    let _operator = world.operator().await;
    let message = world.reconciling("acme", "StripeUnauthorized").await;
    mentions(&message, &["not a secret (sk_…) or restricted (rk_…) key"]);
    assert!(!message.contains("publishable"), "{message}");
    assert!(world.stripe.requests().await.is_empty());
    use_key(&world, support::sandbox::API_KEY);
    world.ready("acme").await;
    world.finish().await;
}

/// The operator is given a key of somebody else's account, or of the other mode.
async fn refuses_to_act_with(key: &str, words: &[&str], elsewhere: &str) {
    let (world, _operator) = world_with_acme().await;
    let before = world.one_of_each("acme", None).await;
    let other = json!({"key": "sk_test_other", "account": "acct_1Other"});
    world
        .stripe
        .control(Method::POST, "/keys/account", other)
        .await;
    world.stripe.forget_requests().await;
    use_key(&world, key);
    let message = world.plan_stalled("pro", "WrongAccount").await;
    mentions(&message, &["the right key"]);
    let message = world.stalled("acme", "WrongAccount").await;
    mentions(&message, &["nothing is touched", "the right key"]);
    mentions(&message, words);
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    world.stalled("acme", "WrongAccount").await;
    world.tenant("newcomer", "pro").await;
    world.reconciling("newcomer", "PlanNotReady").await;
    nothing_written(&world).await;
    assert_eq!(world.one_of_each("acme", None).await, before);
    let counts = world
        .stripe
        .control(Method::GET, "/state", Value::Null)
        .await;
    let there = &counts["accounts"][elsewhere];
    assert_eq!(
        (&there["customers"], &there["products"]),
        (&json!(0), &json!(0)),
        "{counts:#}"
    );

    use_key(&world, support::sandbox::API_KEY);
    world.plan_reason("pro", "Succeeded").await;
    world.ready("acme").await;
    world.ready("newcomer").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(
        (&customer["id"], &customer["name"]),
        (&before.0["id"], &json!("Renamed"))
    );
    assert_eq!(subscription["id"], before.1["id"]);
    world.finish().await;
}

#[tokio::test]
async fn a_key_of_another_account_touches_nothing_in_either() {
    refuses_to_act_with("sk_test_other", &["acct_1Other"], "acct_1Other/test").await;
}

#[tokio::test]
async fn a_live_key_touches_no_tenant_of_test_mode() {
    refuses_to_act_with(
        "sk_live_tests",
        &["(test mode)", "(live mode)"],
        "acct_1SandboxDefault00/live",
    )
    .await;
}

#[tokio::test]
async fn two_live_subscriptions_of_one_tenant_are_both_left_alone() {
    let (world, _operator) = world_with_acme().await;
    let (customer, first) = world.one_of_each("acme", None).await;
    let second = json!({
        "customer": customer["id"], "trial_period_days": 14, "metadata": first["metadata"],
        "items": [{"price": first["items"]["data"][0]["price"]["id"]}],
    });
    let second = world.stripe.dashboard("/v1/subscriptions", second).await;
    let message = world.stalled("acme", "DuplicateSubscriptions").await;
    mentions(&message, &[id(&first), id(&second), "Cancel all but one"]);
    world.stripe.forget_requests().await;
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    world.stalled("acme", "DuplicateSubscriptions").await;
    world.look_again("acme").await;
    nothing_written(&world).await;
    world.edit("acme", json!({"lifecycle": "Active"})).await;
    world.stalled("acme", "DuplicateSubscriptions").await;

    dashboard_delete(&world, &second).await;
    world.ready("acme").await;
    let (_, left) = world.one_of_each("acme", None).await;
    assert_eq!(left["id"], first["id"]);
    nothing_written(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_subscription_somebody_else_made_is_not_doubled() {
    let (world, _operator) = world_with_acme().await;
    let (customer, own) = world.one_of_each("acme", None).await;
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    world.ready("acme").await;
    let foreign = json!({
        "customer": customer["id"], "trial_period_days": 14,
        "items": [{"price": own["items"]["data"][0]["price"]["id"]}],
    });
    let foreign = world.stripe.dashboard("/v1/subscriptions", foreign).await;
    world.add_card(id(&customer), "pm_card_visa").await;
    world.stripe.forget_requests().await;
    world.edit("acme", json!({"lifecycle": "Active"})).await;
    let message = world.stalled("acme", "ForeignSubscription").await;
    mentions(
        &message,
        &[id(&foreign), "would bill twice", "Cancel it in Stripe"],
    );
    world.look_again("acme").await;
    nothing_written(&world).await;

    dashboard_delete(&world, &foreign).await;
    world.ready("acme").await;
    let (same, now) = world.one_of_each("acme", None).await;
    assert_eq!(same["id"], customer["id"]);
    assert_eq!(
        now["metadata"]["tenantbilling_tenant"],
        world.tenant_id("acme").as_str()
    );
    world.finish().await;
}

#[tokio::test]
async fn a_cancellation_in_the_dashboard_is_respected_until_the_manifest_says_otherwise() {
    let (world, mut operator) = world_with_acme().await;
    let (customer, first) = world.one_of_each("acme", None).await;
    world.add_card(id(&customer), "pm_card_visa").await;
    dashboard_delete(&world, &first).await;
    let message = world.stalled("acme", "CanceledInStripe").await;
    mentions(&message, &[id(&first), "set spec.lifecycle to Canceled"]);
    world.stripe.forget_requests().await;
    for _ in 0..2 {
        operator.kill();
        operator = world.operator().await;
        world.look_again("acme").await;
        world.stalled("acme", "CanceledInStripe").await;
    }
    nothing_written(&world).await;

    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    world.ready("acme").await;
    world.edit("acme", json!({"lifecycle": "Active"})).await;
    world.ready("acme").await;
    let (same, second) = world.one_of_each("acme", None).await;
    assert_eq!(same["id"], customer["id"]);
    assert_ne!(second["id"], first["id"]);
    world.finish().await;
}

#[tokio::test]
async fn a_deleted_customer_is_not_replaced_before_somebody_asks_for_it() {
    let (world, _operator) = world_with_acme().await;
    let (first, _) = world.one_of_each("acme", None).await;
    world.stripe.forget_requests().await;
    dashboard_delete(&world, &first).await;
    let message = world.stalled("acme", "CustomerDeleted").await;
    mentions(
        &message,
        &[
            id(&first),
            "set spec.lifecycle to Canceled",
            "then set it to Active",
        ],
    );
    world.look_again("acme").await;
    nothing_written(&world).await;

    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    world.ready("acme").await;
    world.edit("acme", json!({"lifecycle": "Active"})).await;
    // There is one trial for each tenant, so the new customer needs a card first.
    let tenant = world
        .until("acme", "another customer", |tenant| {
            let customer = &tenant["status"]["stripe"]["customerId"];
            customer.is_string() && *customer != first["id"]
        })
        .await;
    let second = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(second, "pm_card_visa").await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(id(&customer), second);
    world.finish().await;
}

#[tokio::test]
async fn a_cancellation_at_period_end_in_the_dashboard_is_reported_and_stands() {
    let (world, _operator) = world_with_acme().await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    world.stripe.forget_requests().await;
    world
        .stripe
        .dashboard(
            &path_of(&subscription),
            json!({"cancel_at_period_end": true}),
        )
        .await;
    let reported = |tenant: &Value| condition(tenant, "Drifted")["reason"] == "DriftReported";
    let tenant = world.until("acme", "a reported difference", reported).await;
    assert_eq!(condition(&tenant, "Drifted")["status"], "True");
    assert_eq!(condition(&tenant, "Ready")["status"], "True");
    assert_eq!(tenant["status"]["phase"], "Canceling");
    assert_eq!(
        tenant["status"]["drift"][0]["field"],
        "subscription.cancelAtPeriodEnd"
    );
    world.look_again("acme").await;
    nothing_written(&world).await;

    world
        .stripe
        .dashboard(
            &path_of(&subscription),
            json!({"cancel_at_period_end": false}),
        )
        .await;
    let settled = |tenant: &Value| condition(tenant, "Drifted")["status"] == "False";
    let tenant = world.until("acme", "no difference", settled).await;
    assert_eq!(tenant["status"]["phase"], "Trialing");
    nothing_written(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn metadata_removed_by_hand_comes_back_and_nothing_is_made_twice() {
    let (world, operator) = world_with_acme().await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    let mut operator = Some(operator);
    let none = json!({"metadata": {"tenantbilling_owner": "", "tenantbilling_tenant": ""}});
    // Seen while it happens, and seen only at the next start.
    for is_running in [true, false] {
        if !is_running {
            operator.take().unwrap().kill();
        }
        world
            .stripe
            .dashboard(&path_of(&customer), none.clone())
            .await;
        world
            .stripe
            .dashboard(&path_of(&subscription), none.clone())
            .await;
        if !is_running {
            operator = Some(world.operator().await);
        }
        eventually("both carry the identity again", async || {
            for path in [path_of(&customer), path_of(&subscription)] {
                let metadata = world.stripe.get(&path).await["metadata"].take();
                if metadata["tenantbilling_tenant"] != world.tenant_id("acme").as_str()
                    || metadata["tenantbilling_owner"] != world.namespace.as_str()
                {
                    return Err(format!("{path} has {metadata}"));
                }
            }
            Ok(())
        })
        .await;
        world.look_again("acme").await;
        world.ready("acme").await;
    }
    let customers = world.stripe.get("/v1/customers?limit=100").await;
    assert_eq!(customers["data"].as_array().unwrap().len(), 1);
    let subscriptions = world
        .stripe
        .get("/v1/subscriptions?limit=100&status=all")
        .await;
    assert_eq!(subscriptions["data"].as_array().unwrap().len(), 1);
    drop(operator);
    world.finish().await;
}

#[tokio::test]
async fn a_plan_in_another_currency_is_refused_and_nothing_changes() {
    let (world, _operator) = world_with_acme().await;
    let spec = json!({"currency": "eur", "base": {"amount": "89.00", "interval": "Month"}});
    world.plan_with("euro", spec).await;
    world.plan_reason("euro", "Succeeded").await;
    let before = world.one_of_each("acme", None).await;
    world.stripe.forget_requests().await;
    world
        .edit("acme", json!({"plan": world.plan_name("euro")}))
        .await;
    let message = world.stalled("acme", "CurrencyLocked").await;
    mentions(&message, &["is in usd", "in eur", "Choose a plan in usd"]);
    nothing_written(&world).await;
    assert_eq!(world.one_of_each("acme", None).await, before);
    world
        .edit("acme", json!({"plan": world.plan_name("pro")}))
        .await;
    world.ready("acme").await;
    nothing_written(&world).await;
    world.finish().await;
}

#[tokio::test]
async fn a_declined_first_payment_waits_for_the_customer_and_goes_on_when_it_is_paid() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["trial"] = json!({"days": 0});
    world.apply(manifest).await;
    let tenant = world.reason("acme", "PaymentMethodMissing").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(customer, "pm_card_chargeCustomerFail").await;
    let message = world.reconciling("acme", "AwaitingPayment").await;
    mentions(&message, &["the first payment of sub_", "23 hours"]);
    let (_, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(subscription["status"], "incomplete");
    world.stripe.forget_requests().await;
    world.look_again("acme").await;
    nothing_written(&world).await;

    world.add_card(customer, "pm_card_visa").await;
    let invoice = subscription["latest_invoice"].as_str().unwrap();
    world
        .stripe
        .dashboard(&format!("/v1/invoices/{invoice}/pay"), json!({}))
        .await;
    let tenant = world.ready("acme").await;
    assert_eq!(tenant["status"]["phase"], "Active");
    let (_, same) = world.one_of_each("acme", None).await;
    assert_eq!(same["id"], subscription["id"]);
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_while_stripe_is_down_waits_and_is_carried_out_afterwards() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    let fault = everything_fails(&world, 503).await;
    world.delete("acme").await;
    let message = world.reconciling("acme", "StripeUnavailable").await;
    mentions(&message, &["Stripe failed", "status 503"]);
    assert!(world.get("acme").await["metadata"]["deletionTimestamp"].is_string());
    world.stripe.clear_fault(&fault).await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_needs_neither_a_plan_nor_a_valid_spec() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    world.delete_plan("pro").await;
    world.stalled("acme", "PlanNotFound").await;
    world
        .edit("acme", json!({"customer": {"name": "bell\u{7}"}}))
        .await;
    world.stalled("acme", "InvalidSpec").await;
    world.delete("acme").await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_with_the_wrong_key_waits_for_the_right_one() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    use_key(&world, "sk_live_tests");
    world.stalled("acme", "WrongAccount").await;
    world.stripe.forget_requests().await;
    world.delete("acme").await;
    let deleting = |tenant: &Value| tenant["metadata"]["deletionTimestamp"].is_string();
    let tenant = world.until("acme", "deleting", deleting).await;
    assert_stalled(&tenant, "WrongAccount");
    nothing_written(&world).await;
    use_key(&world, support::sandbox::API_KEY);
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn the_deletion_of_a_tenant_that_was_never_billed_needs_no_stripe() {
    let world = World::new().await;
    // Plans work, but the account cannot be listed: the tenant gets as far as its finalizer.
    world.stripe.fault(json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0})).await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    world.tenant("acme", "pro").await;
    let held = |tenant: &Value| !tenant["metadata"]["finalizers"].is_null();
    world.until("acme", "a finalizer", held).await;
    world.reconciling("acme", "Progressing").await;
    everything_fails(&world, 503).await;
    world.delete("acme").await;
    world.gone("acme").await;
    world.finish().await;
}

#[tokio::test]
async fn a_deletion_after_a_crash_waits_until_all_that_was_made_is_known() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    let hanging =
        json!({"kind": "hold_after", "method": "POST", "path": "/v1/subscriptions", "times": 0});
    let hanging = world.stripe.fault(hanging).await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(manifest).await;
    eventually(
        "a subscription whose answer is awaited",
        async || match world.stripe.fault_hits(&hanging).await {
            0 => Err("there is none".to_owned()),
            _ => Ok(()),
        },
    )
    .await;
    operator.kill();
    world.stripe.clear_fault(&hanging).await;
    let (_, subscription) = world.one_of_each("acme", None).await;

    let unlisted = json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0});
    let unlisted = world.stripe.fault(unlisted).await;
    world.delete("acme").await;
    let _operator = world.operator().await;
    let message = world.reconciling("acme", "Progressing").await;
    mentions(&message, &["are being listed"]);
    world.stripe.clear_fault(&unlisted).await;
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}

#[tokio::test]
async fn a_restart_does_not_call_in_question_what_was_ready() {
    let (world, operator) = world_with_acme().await;
    let before = world.get("acme").await["status"].take();
    operator.kill();
    // The new leader cannot list the account for a while.
    let unlisted = json!({"kind": "status", "status": 503, "method": "GET", "path": "/v1/customers", "times": 0});
    let unlisted = world.stripe.fault(unlisted).await;
    let _operator = world.operator().await;
    world.tenant("newcomer", "pro").await;
    world.reason("newcomer", "Progressing").await;
    assert_eq!(world.get("acme").await["status"], before);
    world.stripe.clear_fault(&unlisted).await;
    world.ready("newcomer").await;
    world.look_again("acme").await;
    let mut after = world.get("acme").await["status"].take();
    after
        .as_object_mut()
        .unwrap()
        .remove("lastHandledReconcileAt");
    assert_eq!(after, before, "it was never written");
    world.finish().await;
}
