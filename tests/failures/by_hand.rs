//! What people do to a tenant in the Dashboard, and payments that fail.

use serde_json::{Value, json};

use crate::support::{
    eventually,
    world::{World, condition, id},
};
use crate::{dashboard_delete, mentions, nothing_written, path_of, world_with_acme};

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
