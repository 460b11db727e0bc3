//! The life of a tenant, on a real control plane, under the shipped rights.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use serde_json::{Value, json};
use support::world::{World, condition, id};

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_manifest_becomes_one_customer_and_one_subscription_with_two_writes() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    world.tenant("acme", "pro").await;

    let tenant = world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(customer["email"], "billing@acme.example");
    assert_eq!(
        customer["metadata"]["tenantbilling_owner"],
        world.namespace.as_str()
    );
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(
        subscription["items"]["data"][0]["price"]["unit_amount"],
        9900
    );
    let status = &tenant["status"];
    assert_eq!(status["phase"], "Trialing");
    assert_eq!(status["tenantId"], world.tenant_id("acme").as_str());
    assert_eq!(status["stripe"]["customerId"], customer["id"]);
    assert_eq!(status["stripe"]["subscriptionId"], subscription["id"]);
    assert_eq!(status["stripe"]["livemode"], false);
    assert_eq!(status["stripe"]["pendingCreate"], Value::Null);
    assert_eq!(status["drift"], Value::Null);
    assert_eq!(
        world.stripe.writes().await.len(),
        2,
        "a customer and a subscription"
    );

    world.stripe.forget_requests().await;
    world.look_again("acme").await;
    assert!(
        world.stripe.writes().await.is_empty(),
        "in sync, nothing is written"
    );
    assert!(operator.terminate().await.success());
    world.finish().await;
}

#[tokio::test]
async fn any_number_of_edits_and_restarts_leave_one_customer_and_one_subscription() {
    let world = World::new().await;
    for (plan, amount) in [
        ("starter", "29.00"),
        ("pro", "99.00"),
        ("enterprise", "499.00"),
    ] {
        world.plan(plan, amount).await;
    }
    let mut operator = world.operator().await;
    world.tenant("acme", "starter").await;
    world.ready("acme").await;
    let (first, _) = world.one_of_each("acme", None).await;
    let edits = [
        "pro",
        "enterprise",
        "starter",
        "enterprise",
        "pro",
        "starter",
    ];
    for (round, plan) in edits.into_iter().enumerate() {
        if round % 2 == 1 {
            operator.kill();
            operator = world.operator().await;
        }
        world
            .edit(
                "acme",
                json!({
                    "plan": world.plan_name(plan),
                    "customer": {"name": format!("Acme {round}")},
                }),
            )
            .await;
        let tenant = world.ready("acme").await;
        assert_eq!(tenant["status"]["plan"], world.plan_name(plan).as_str());
        let (customer, subscription) = world.one_of_each("acme", None).await;
        assert_eq!(customer["id"], first["id"]);
        assert_eq!(customer["name"], format!("Acme {round}"));
        let price = &subscription["items"]["data"][0]["price"];
        assert_eq!(
            price["metadata"]["tenantbilling_plan"],
            world.plan_name(plan).as_str()
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn a_trial_ends_and_the_tenant_pays() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let start = 1_800_000_000;
    let clock = world.stripe.test_clock(start).await;
    let _operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    let tenant = world.ready("acme").await;
    assert_eq!(condition(&tenant, "PaymentMethodReady")["status"], "False");
    let (customer, _) = world.one_of_each("acme", Some(&clock)).await;
    world.add_card(id(&customer), "pm_card_visa").await;
    let with_card = |tenant: &Value| condition(tenant, "PaymentMethodReady")["status"] == "True";
    world.until("acme", "a payment method", with_card).await;

    world.stripe.advance(&clock, start + 14 * DAY + 7200).await;
    let paying = |tenant: &Value| tenant["status"]["phase"] == "Active";
    let tenant = world.until("acme", "active", paying).await;
    assert_eq!(tenant["status"]["trialEndsAt"], Value::Null);
    assert_eq!(
        tenant["status"]["currentPeriod"]["start"],
        "2027-01-29T08:00:00Z"
    );
    assert_eq!(
        condition(&tenant, "PaymentCurrent")["reason"],
        "NothingOverdue"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_failing_card_shows_as_past_due_and_a_new_one_heals_it() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let start = 1_800_000_000;
    let clock = world.stripe.test_clock(start).await;
    let _operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", Some(&clock)).await;
    world
        .add_card(id(&customer), "pm_card_chargeCustomerFail")
        .await;
    world.stripe.advance(&clock, start + 14 * DAY + 7200).await;
    let overdue = |tenant: &Value| tenant["status"]["phase"] == "PastDue";
    let tenant = world.until("acme", "past due", overdue).await;
    assert_eq!(condition(&tenant, "PaymentCurrent")["reason"], "PastDue");
    assert_eq!(
        condition(&tenant, "Ready")["status"],
        "True",
        "Stripe is as the manifest says"
    );

    world.add_card(id(&customer), "pm_card_visa").await;
    world.stripe.advance(&clock, start + 18 * DAY).await;
    let paying = |tenant: &Value| tenant["status"]["phase"] == "Active";
    world.until("acme", "active", paying).await;
    world.finish().await;
}

#[tokio::test]
async fn without_a_trial_the_subscription_begins_when_a_card_is_there() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["trial"] = json!({"days": 0});
    world.apply(manifest).await;
    let tenant = world.reason("acme", "PaymentMethodMissing").await;
    assert_eq!(tenant["status"]["phase"], "AwaitingPaymentMethod");
    assert_eq!(condition(&tenant, "Reconciling")["status"], "True");
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    assert!(world.subscriptions(customer).await.is_empty());
    world.add_card(customer, "pm_card_visa").await;
    let tenant = world.ready("acme").await;
    assert_eq!(tenant["status"]["phase"], "Active");
    world.one_of_each("acme", None).await;
    world.finish().await;
}

#[tokio::test]
async fn a_lifecycle_goes_there_and_back() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let (customer, first) = world.one_of_each("acme", None).await;
    world.add_card(id(&customer), "pm_card_visa").await;
    for _ in 0..2 {
        world
            .edit("acme", json!({"lifecycle": "CancelAtPeriodEnd"}))
            .await;
        let tenant = world.ready("acme").await;
        assert_eq!(tenant["status"]["phase"], "Canceling");
        world.edit("acme", json!({"lifecycle": "Active"})).await;
        let tenant = world.ready("acme").await;
        assert_eq!(tenant["status"]["phase"], "Trialing");
        let (_, now) = world.one_of_each("acme", None).await;
        assert_eq!(
            (&now["id"], &now["cancel_at_period_end"]),
            (&first["id"], &json!(false))
        );
    }
    for _ in 0..2 {
        world.edit("acme", json!({"lifecycle": "Canceled"})).await;
        let tenant = world.ready("acme").await;
        assert_eq!(tenant["status"]["phase"], "Canceled");
        world.edit("acme", json!({"lifecycle": "Active"})).await;
        let tenant = world.ready("acme").await;
        assert_eq!(
            tenant["status"]["phase"], "Active",
            "there is one trial for each tenant"
        );
        let (same, now) = world.one_of_each("acme", None).await;
        assert_eq!(same["id"], customer["id"]);
        assert_ne!(now["id"], first["id"]);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_suspended_tenant_is_left_alone() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    world
        .edit(
            "acme",
            json!({"suspend": true, "customer": {"name": "Other"}}),
        )
        .await;
    let tenant = world.reason("acme", "Suspended").await;
    assert_eq!(condition(&tenant, "Ready")["status"], "Unknown");
    assert_eq!(
        tenant["status"]["phase"], "Trialing",
        "what was seen last stays"
    );
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Acme Inc");
    world.edit("acme", json!({"suspend": false})).await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Other");
    world.finish().await;
}

#[tokio::test]
async fn drift_is_put_right_and_shown() {
    let world = World::new().await;
    world.plan("starter", "29.00").await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.tenant("other", "starter").await;
    world.ready("acme").await;
    world.ready("other").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    let (_, other) = world.one_of_each("other", None).await;
    let right = &subscription["items"]["data"][0];
    let wrong = &other["items"]["data"][0]["price"]["id"];
    // Twice: the second correction must not be taken for a repetition of the first.
    for _ in 0..2 {
        let path = format!("/v1/customers/{}", id(&customer));
        world
            .stripe
            .dashboard(&path, json!({"email": "someone@else.example"}))
            .await;
        let path = format!("/v1/subscriptions/{}", id(&subscription));
        let change = json!({"items": [{"id": right["id"], "price": wrong}]});
        world.stripe.dashboard(&path, change).await;
        world
            .until("acme", "drift put right", |tenant| {
                condition(tenant, "Drifted")["reason"] == "DriftReverted"
            })
            .await;
        support::eventually("Stripe is as the manifest says", async || {
            let (customer, subscription) = world.one_of_each("acme", None).await;
            let price = &subscription["items"]["data"][0]["price"]["id"];
            if customer["email"] == "billing@acme.example" && *price == right["price"]["id"] {
                Ok(())
            } else {
                Err(format!("{} pays {price}", customer["email"]))
            }
        })
        .await;
    }
    let tenant = world
        .until("acme", "four reverted differences", |tenant| {
            tenant["status"]["drift"]
                .as_array()
                .is_some_and(|drift| drift.len() == 4)
        })
        .await;
    let fields: Vec<_> = tenant["status"]["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["field"])
        .collect();
    assert!(fields.contains(&&json!("customer.email")), "{fields:?}");
    assert!(fields.contains(&&json!("subscription.price")), "{fields:?}");
    world.finish().await;
}

#[tokio::test]
async fn deletion_follows_its_policy_and_applying_again_goes_on_with_the_same_customer() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    for (policy, expected) in [
        ("Retain", "trialing"),
        ("CancelAtPeriodEnd", "trialing"),
        ("CancelNow", "canceled"),
    ] {
        let name = policy.to_lowercase();
        let mut manifest = world.manifest(&name, "pro");
        manifest["spec"]["deletionPolicy"] = json!(policy);
        world.apply(manifest.clone()).await;
        world.ready(&name).await;
        let (customer, before) = world.one_of_each(&name, None).await;
        world.add_card(id(&customer), "pm_card_visa").await;
        world.delete(&name).await;
        world.gone(&name).await;
        let after = world
            .stripe
            .get(&format!("/v1/subscriptions/{}", id(&before)))
            .await;
        assert_eq!(after["status"], expected, "{policy}");
        assert_eq!(
            after["cancel_at_period_end"],
            policy == "CancelAtPeriodEnd",
            "{policy}"
        );

        world.apply(manifest).await;
        world.ready(&name).await;
        let (same, now) = world.one_of_each(&name, None).await;
        assert_eq!(same["id"], customer["id"], "{policy}");
        assert_eq!(now["cancel_at_period_end"], false, "{policy}");
        assert_eq!(now["id"] == before["id"], policy != "CancelNow", "{policy}");
    }
    world.finish().await;
}
