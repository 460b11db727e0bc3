//! Every request the operator makes is one that Stripe's own OpenAPI document allows.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "support/openapi.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "shared with tests that use all of it, and only by tests"
)]
mod openapi;
mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::world::{World, id};

/// Judges the log; gives the kinds of requests in it.
async fn judged(world: &World) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for request in world.stripe.requests().await {
        let field = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let (method, path, query) = (field("method"), field("path"), field("query"));
        let verdict =
            openapi::openapi().check_request(&method, &format!("{path}?{query}"), &field("body"));
        assert_eq!(verdict, Ok(()), "{request:#}");
        let kind = path.split('/').take(3).collect::<Vec<_>>().join("/");
        kinds.insert(format!("{method} {kind}"));
    }
    kinds
}

/// Takes a tenant through everything that makes the operator write, then judges the log.
#[tokio::test]
async fn every_request_of_a_tenants_life_is_one_that_stripe_documents() {
    let world = World::new().await;
    world.plan("starter", "29.00").await;
    world.plan("pro", "99.00").await;
    let clock = world.stripe.test_clock(1_800_000_000).await;
    let _operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["testClock"] = json!(clock);
    manifest["spec"]["customer"] = json!({
        "name": "Acme & Söhne", "email": "billing@acme.example", "phone": "+49 1", "description": "d",
        "address": {"line1": "1", "line2": "2", "city": "c", "state": "s", "postalCode": "p", "country": "DE"},
    });
    world.apply(manifest).await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", Some(&clock)).await;
    world.add_card(id(&customer), "pm_card_visa").await;
    for edit in [
        json!({"plan": world.plan_name("starter")}),
        json!({"trial": {"days": 20}}),
        json!({"customer": {"name": "Other", "phone": "+49 2"}}),
        json!({"lifecycle": "CancelAtPeriodEnd"}),
        json!({"lifecycle": "Active"}),
        json!({"trial": {"days": 0}}),
        json!({"lifecycle": "Canceled"}),
        json!({"lifecycle": "Active"}),
        json!({"plan": world.plan_name("pro"), "quantity": 2}),
        json!({"plan": world.plan_name("starter")}),
        json!({"plan": world.plan_name("pro")}),
        json!({"tax": {"automatic": true}}),
    ] {
        world.edit("acme", edit).await;
        world.ready("acme").await;
    }
    let path = format!("/v1/customers/{}", id(&customer));
    let change = json!({"metadata": {"tenantbilling_tenant": ""}});
    world.stripe.dashboard(&path, change).await;
    world
        .until("acme", "its identity is restored", |tenant| {
            let drift = tenant["status"]["drift"].as_array();
            drift.is_some_and(|drift| drift.iter().any(|d| d["field"] == "customer.metadata"))
        })
        .await;
    world.delete("acme").await;
    world.gone("acme").await;
    assert_ne!(subscription["id"], Value::Null);

    let kinds = judged(&world).await;
    for kind in [
        "POST /v1/customers",
        "POST /v1/subscriptions",
        "DELETE /v1/subscriptions",
        "POST /v1/invoices",
        "POST /v1/subscription_schedules",
        "POST /v1/products",
        "POST /v1/prices",
        "GET /v1/events",
        "GET /v1/account",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    world.finish().await;
}

/// Takes plans through everything that makes the operator write, then judges the log.
#[tokio::test]
async fn every_request_of_a_plans_life_is_one_that_stripe_documents() {
    let world = World::new().await;
    let _operator = world.operator().await;
    let plan = |rate: &str, name: &str| {
        json!({
            "displayName": name, "currency": "usd", "taxBehavior": "Inclusive",
            "base": {"amount": "99.00"},
            "usage": [
                {"meter": "queries", "displayName": name, "included": 1000,
                 "tiers": [{"upTo": 5000, "amount": rate, "per": 1000}, {"amount": "0.50", "per": 1000}]},
                {"meter": "storage", "overage": {"amount": "0.05", "per": 100},
                 "granularity": "Day", "aggregation": "Last"},
            ],
        })
    };
    for (rate, name) in [("0.80", "Pro"), ("0.90", "Professional"), ("0.80", "Pro")] {
        world.plan_with("pro", plan(rate, name)).await;
        world.plan_reason("pro", "Succeeded").await;
        let older = |plan: &Value| plan["status"]["olderPriceCount"] == 0;
        support::eventually("no older price is left", async || {
            let plan = world.get_plan("pro").await;
            older(&plan)
                .then_some(())
                .ok_or_else(|| format!("it is {plan:#}"))
        })
        .await;
    }
    let kinds = judged(&world).await;
    for kind in [
        "POST /v1/billing",
        "POST /v1/products",
        "POST /v1/prices",
        "GET /v1/billing",
        "GET /v1/prices",
        "GET /v1/subscriptions",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    world.finish().await;
}

/// Takes a tenant through a declined payment, a dispute and a fraud warning, then judges the log.
#[tokio::test]
async fn every_request_about_what_is_owed_and_disputed_is_one_that_stripe_documents() {
    let world = World::new().await;
    let spec = json!({"currency": "usd", "base": {"amount": "99.00"}});
    world.plan_with("pro", spec).await;
    let operator = world.operator().await;
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["disputes"] = json!({"onOpen": "Hold"});
    let clock = world.stripe.test_clock(1_800_000_000).await;
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    let tenant = world.reason("acme", "PaymentMethodMissing").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(customer, "pm_card_chargeCustomerFail").await;
    let tenant = world.reason("acme", "AwaitingPayment").await;
    // A start lists what is open.
    assert!(operator.terminate().await.success());
    let _operator = world.operator().await;
    let invoice = id(&tenant["status"]["invoice"]);
    world.stripe.pay_hosted(invoice, "pm_card_visa").await;
    world.ready("acme").await;
    world.stripe.early_fraud_warning(customer).await;
    let dispute = world.stripe.open_dispute(customer, "needs_response").await;
    let held = |tenant: &Value| tenant["status"]["disputes"][0]["status"] == "needs_response";
    world.until("acme", "disputed", held).await;
    world
        .stripe
        .advance(&clock, 1_800_000_000 + 32 * 86_400)
        .await;
    world.stripe.set_dispute_status(id(&dispute), "won").await;
    support::eventually("the draft is released", async || {
        let writes = world.stripe.writes().await;
        let released = |write: &&Value| {
            let body = write["body"].as_str().unwrap_or_default();
            body.contains("auto_advance=true")
        };
        match writes.iter().find(released) {
            Some(_) => Ok(()),
            None => Err(format!("{writes:#?}")),
        }
    })
    .await;
    world.ready("acme").await;

    let kinds = judged(&world).await;
    for kind in [
        "GET /v1/invoices",
        "GET /v1/invoice_payments",
        "GET /v1/disputes",
        "GET /v1/radar",
        "POST /v1/invoices",
    ] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }
    world.finish().await;
}

/// The marks of what people were told, on everything that carries some.
#[test]
fn every_mark_of_a_notice_is_a_request_that_stripe_documents() {
    use tenant_billing::api::NoticeKind;
    use tenant_billing::converge::notice::{Carrier, Channel, Mark, Sending};
    use tenant_billing::stripe::{NoticeMark, for_notice_mark};
    let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let begun = Mark::default().with(Channel::Mail, Some(Sending::Begun(at)));
    for carrier in [
        Carrier::Invoice("in_1".into()),
        Carrier::Subscription("sub_1".into()),
        Carrier::Customer("cus_1".into()),
        Carrier::Dispute("du_1".into()),
    ] {
        for (before, after) in [(&Mark::default(), &begun), (&begun, &Mark::default())] {
            let mark = NoticeMark {
                carrier: &carrier,
                kind: NoticeKind::Warning,
                before,
                after,
            };
            let request = for_notice_mark(&mark).unwrap();
            let path = format!("/v1{}", request.path);
            let body = request.body.unwrap();
            let verdict = openapi::openapi().check_request("POST", &path, &body);
            assert_eq!(verdict, Ok(()), "{path} {body}");
        }
    }
}
