//! A real nginx with the shipped `examples/gateways/nginx.conf` in front of a product: what the status
//! says is enforced within a second, and what happens without the operator is as the file says.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "../support/mod.rs"]
mod support;

mod examples;
mod nginx;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::eventually;
use support::paying::{DAY, FEBRUARY, HOUR, TENANT, invoices_of, paying, with_card, world};
use support::process::Operator;
use support::webhooks;
use support::world::{World, id};

use nginx::{Answer, Nginx, Unreachable};

/// When the payment of February's invoice is attempted.
const FAILS: i64 = FEBRUARY + HOUR;
/// How long enforcement may lag behind the status.
const LAG: Duration = Duration::from_secs(1);

/// Waits until the status has a level, and then asserts that the gateway follows within a second.
async fn enforced(world: &World, nginx: &Nginx, level: &str, status: u16) -> Answer {
    world
        .until(TENANT, level, |tenant| {
            tenant["status"]["access"]["level"] == level
        })
        .await;
    let seen = Instant::now();
    let answer = until(nginx, status).await;
    assert!(seen.elapsed() < LAG, "it took {:?}", seen.elapsed());
    answer
}

/// Waits until the gateway answers the tenant's requests so.
async fn until(nginx: &Nginx, status: u16) -> Answer {
    eventually(&format!("the gateway answers {status}"), async || {
        let answer = nginx.get("/orders").await;
        if answer.status == status {
            Ok(answer)
        } else {
            Err(format!("it answers {answer:?}"))
        }
    })
    .await
}

async fn gateway(world: &World, operators: &[&Operator], unreachable: Unreachable) -> Nginx {
    Nginx::start(operators, &world.tenant_id(TENANT), unreachable).await
}

#[tokio::test]
async fn a_tenant_is_out_within_a_second_of_its_day_and_in_within_a_second_of_paying() {
    let mut world = world().await;
    let limits = json!({
        "Full": {"requestsPerMinute": 600}, "Limited": {"requestsPerMinute": 60},
    });
    let plan = json!({"currency": "usd", "base": {"amount": "99.00"}, "limits": limits});
    world.plan_with("pro", plan).await;
    let secret = webhooks::listen(&mut world);
    let operator = world.operator().await;
    webhooks::connect(&world, &operator, &secret).await;
    let nginx = gateway(&world, &[&operator], Unreachable::FailClosed).await;
    let (clock, customer) = paying(&world, json!({})).await;
    enforced(&world, &nginx, "Full", 200).await;
    world
        .add_card(&customer, "pm_card_chargeCustomerFail")
        .await;
    world.stripe.advance(&clock, FAILS + 60).await;
    world.stripe.advance(&clock, FAILS + 6 * DAY).await;
    let limited = enforced(&world, &nginx, "Limited", 200).await;
    assert_eq!(limited.body["x-tenant-access"], "Limited");
    assert_eq!(
        limited.body["x-tenant-limits"],
        "{\"requestsPerMinute\":60}"
    );

    world.stripe.advance(&clock, FAILS + 7 * DAY).await;
    let day_8 = Instant::now();
    let refused = until(&nginx, 402).await;
    assert!(day_8.elapsed() < LAG, "out after {:?}", day_8.elapsed());
    assert_eq!(refused.body["reason"], "PaymentOverdue");
    let invoice = invoices_of(&world, &customer).await.swap_remove(0);
    world.stripe.pay_hosted(id(&invoice), "pm_card_visa").await;
    let paid = Instant::now();
    let passed = until(&nginx, 200).await;
    assert!(paid.elapsed() < LAG, "in after {:?}", paid.elapsed());
    assert_eq!(passed.body["x-tenant-access"], "Full");
    world.finish().await;
}

#[tokio::test]
async fn who_does_not_pay_is_out_and_who_pays_is_in_within_a_second() {
    let world = world().await;
    let operator = world.operator().await;
    let nginx = gateway(&world, &[&operator], Unreachable::FailClosed).await;
    with_card(&world, json!({}), "pm_card_chargeCustomerFail").await;
    let tenant = world
        .until(TENANT, "its first payment is awaited", |tenant| {
            tenant["status"]["access"]["reason"] == "AwaitingPayment"
        })
        .await;
    let refused = enforced(&world, &nginx, "Suspended", 402).await;
    assert_eq!(refused.body["error"], "payment_required");
    let invoice = id(&tenant["status"]["invoice"]).to_owned();
    world.stripe.pay_hosted(&invoice, "pm_card_visa").await;
    let passed = enforced(&world, &nginx, "Full", 200).await;
    assert_eq!(passed.body["x-tenant-access"], "Full");
    world.edit(TENANT, json!({"lifecycle": "Canceled"})).await;
    enforced(&world, &nginx, "Suspended", 402).await;
    world.finish().await;
}

#[tokio::test]
async fn a_dispute_that_suspends_does_so_at_the_gateway_until_it_is_decided() {
    let world = world().await;
    let operator = world.operator().await;
    let nginx = gateway(&world, &[&operator], Unreachable::FailClosed).await;
    let spec = json!({"disputes": {"onOpen": "Suspend"}});
    let customer = with_card(&world, spec, "pm_card_visa").await;
    enforced(&world, &nginx, "Full", 200).await;
    let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
    let refused = enforced(&world, &nginx, "Suspended", 402).await;
    assert_eq!(refused.body["reason"], "DisputeOpen");
    world.stripe.set_dispute_status(id(&dispute), "won").await;
    enforced(&world, &nginx, "Full", 200).await;
    world.finish().await;
}

#[tokio::test]
async fn the_app_is_told_the_limits_by_the_gateway_and_by_nobody_else() {
    let world = world().await;
    let operator = world.operator().await;
    let nginx = gateway(&world, &[&operator], Unreachable::FailClosed).await;
    // Nothing is known of it yet, and so nothing is refused.
    let unknown = until(&nginx, 200).await;
    assert_eq!(unknown.body["x-tenant-access"], "Unknown");

    world.apply(world.manifest(TENANT, "missing")).await;
    world.stalled(TENANT, "PlanNotFound").await;
    let access = json!({
        "level": "Limited", "reason": "PaymentOverdue", "since": "2026-01-01T00:00:00Z",
        "until": "2026-02-01T00:00:00Z", "limits": {"requestsPerMinute": 60, "größe": 1},
    });
    let status = json!({"plan": "pro", "access": access});
    world.overwrite_status(TENANT, status).await;
    let spoofed = [
        ("x-tenant-access", "Full"),
        ("x-tenant-limits", "{}"),
        ("x-tenant-id", "somebody-else"),
    ];
    let passed = eventually("the app is told", async || {
        let answer = nginx.get_with("/orders", &spoofed).await;
        let told = answer.body["x-tenant-access"] == "Limited";
        if told {
            Ok(answer)
        } else {
            Err(format!("{answer:?}"))
        }
    })
    .await;
    let limits = passed.body["x-tenant-limits"].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(limits).unwrap(),
        json!({"requestsPerMinute": 60, "größe": 1})
    );
    assert_eq!(passed.body["x-tenant-id"], world.tenant_id(TENANT).as_str());
    assert_eq!(passed.body["x-tenant-plan"], "pro");
    assert_eq!(passed.body["x-tenant-access-reason"], "PaymentOverdue");
    assert_eq!(passed.body["x-tenant-access-until"], "2026-02-01T00:00:00Z");
    // What the app itself refuses is not taken for the operator's refusal, whatever the method.
    assert_eq!(nginx.get("/forbidden").await.status, 403);
    assert_eq!(nginx.get("/broken").await.status, 500);
    assert_eq!(nginx.post("/orders", "x".repeat(100_000)).await.status, 200);
    // Who is nobody does not even get to the question.
    let stranger = nginx
        .get_with("/orders", &[("authorization", "Bearer x")])
        .await;
    assert_eq!(stranger.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn any_replica_answers_and_without_one_the_gateway_does_as_it_was_told() {
    let world = world().await;
    let (leader, standby) = (world.operator().await, world.operator().await);
    let replicas = [&leader, &standby];
    let open = gateway(&world, &replicas, Unreachable::FailOpen).await;
    let closed = gateway(&world, &replicas, Unreachable::FailClosed).await;
    world.apply(world.manifest(TENANT, "missing")).await;
    // The first look has to be over, or it would write over this.
    world.stalled(TENANT, "PlanNotFound").await;
    let access = json!({"level": "Suspended", "reason": "Unpaid", "since": "2026-01-01T00:00:00Z"});
    world
        .overwrite_status(TENANT, json!({"access": access}))
        .await;
    for nginx in [&open, &closed] {
        until(nginx, 402).await;
    }
    leader.kill();
    for nginx in [&open, &closed] {
        for _ in 0..20 {
            assert_eq!(nginx.get("/orders").await.status, 402);
        }
    }
    standby.kill();
    let passed = until(&open, 200).await;
    assert_eq!(
        passed.body["x-tenant-access"],
        Value::Null,
        "nobody said so"
    );
    let refused = until(&closed, 503).await;
    assert_eq!(refused.body, json!({"error": "access_unknown"}));
    world.finish().await;
}
