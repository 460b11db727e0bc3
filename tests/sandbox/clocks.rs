//! Test clocks: whose time they keep, and how they move it.

use serde_json::json;

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, monthly, recurring, subscription},
    harness::{Sandbox, data, id, ids},
};

const START: &str = "2026-01-01T00:00:00Z";

#[tokio::test]
async fn a_clock_moves_only_forward() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let path = format!("/v1/test_helpers/test_clocks/{}/advance", tenant.clock);
    for time in [at(START) - 1, at(START)] {
        let error = sandbox
            .post(&path, format!("frozen_time={time}"))
            .refused(400)
            .await;
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_clock_moves_at_most_two_of_its_shortest_intervals_at_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    tenant
        .subscribe(&sandbox, &recurring(&sandbox, 100, "week").await, "")
        .await;
    let path = format!("/v1/test_helpers/test_clocks/{}/advance", tenant.clock);
    sandbox
        .post(&path, format!("frozen_time={}", at(START) + 14 * DAY + 1))
        .refused(400)
        .await;
    sandbox.advance(&tenant.clock, at(START) + 14 * DAY).await;
}

#[tokio::test]
async fn the_objects_of_a_clock_are_dated_by_it_and_its_events_are_not() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    assert_eq!(subscribed["created"], at(START));
    assert_eq!(subscribed["start_date"], at(START));
    assert_eq!(subscribed["test_clock"], tenant.clock);
    let event = &sandbox
        .get("/v1/events?type=customer.subscription.created")
        .await["data"][0];
    let now = jiff::Timestamp::now().as_second();
    assert!(
        (now - crate::harness::int(&event["created"])).abs() < 60,
        "{event}"
    );
}

#[tokio::test]
async fn lists_leave_out_what_a_clock_keeps_unless_they_name_the_clock_or_the_customer() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = id(&tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await);
    let real = id(&sandbox
        .post("/v1/customers", "email=a@tenant.example")
        .await);
    let listed = async |target: String| ids(&sandbox.get(target).await);
    let nothing = Vec::<String>::new();
    assert_eq!(listed("/v1/customers".to_owned()).await, [real]);
    assert_eq!(
        listed(format!("/v1/customers?test_clock={}", tenant.clock)).await,
        [tenant.customer.as_str()]
    );
    assert_eq!(
        listed("/v1/subscriptions?status=all".to_owned()).await,
        nothing
    );
    assert_eq!(
        listed(format!("/v1/subscriptions?test_clock={}", tenant.clock)).await,
        [subscribed.as_str()]
    );
    assert_eq!(
        listed(format!("/v1/subscriptions?customer={}", tenant.customer)).await,
        [subscribed]
    );
    assert_eq!(listed("/v1/invoices".to_owned()).await, nothing);
}

#[tokio::test]
async fn a_clock_moves_only_its_own_customers() {
    let sandbox = Sandbox::start();
    let [one, other] = [
        Tenant::with_card(&sandbox, START).await,
        Tenant::with_card(&sandbox, START).await,
    ];
    let price = monthly(&sandbox, 1_000).await;
    let [moved, still] = [
        one.subscribe(&sandbox, &price, "").await,
        other.subscribe(&sandbox, &price, "").await,
    ];
    sandbox.advance(&one.clock, at(START) + 32 * DAY).await;
    assert_eq!(one.invoices(&sandbox).await.len(), 2);
    assert_eq!(other.invoices(&sandbox).await.len(), 1);
    assert_ne!(
        subscription(&sandbox, &moved).await["items"],
        moved["items"]
    );
    assert_eq!(
        subscription(&sandbox, &still).await["items"],
        still["items"]
    );
}

#[tokio::test]
async fn a_deleted_clock_takes_its_customers_and_subscriptions_with_it() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/test_helpers/test_clocks/{}", tenant.clock);
    let tombstone =
        json!({"id": tenant.clock, "object": "test_helpers.test_clock", "deleted": true});
    assert_eq!(sandbox.delete(&path).await, tombstone);
    sandbox.get(&path).refused(404).await;
    assert_eq!(
        sandbox
            .get(format!("/v1/customers/{}", tenant.customer))
            .await["deleted"],
        true
    );
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "canceled"
    );
}

#[tokio::test]
async fn clocks_are_listed_and_say_when_they_are_deleted_by_themselves() {
    let sandbox = Sandbox::start();
    let clock = sandbox
        .post(
            "/v1/test_helpers/test_clocks",
            format!("frozen_time={}&name=t", at(START)),
        )
        .await;
    assert_eq!(clock["status"], "ready");
    assert_eq!(clock["name"], "t");
    assert!(
        crate::harness::int(&clock["deletes_after"])
            > crate::harness::int(&clock["created"]) + HOUR
    );
    assert_eq!(
        data(&sandbox.get("/v1/test_helpers/test_clocks").await),
        [clock]
    );
}

#[tokio::test]
async fn an_advance_is_told_when_it_begins_and_when_it_is_done() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    sandbox.advance(&tenant.clock, at(START) + DAY).await;
    let types = crate::fixtures::event_types(&sandbox).await;
    let place = |kind: &str| types.iter().position(|other| other == kind);
    let [begun, done] = [
        "test_helpers.test_clock.advancing",
        "test_helpers.test_clock.ready",
    ]
    .map(place);
    assert!(begun.is_some() && begun < done, "{types:?}");
}

#[tokio::test]
async fn a_clock_can_take_over_a_customer_that_has_none() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let form = format!("frozen_time={}&customer={customer}", at(START));
    let clock = id(&sandbox.post("/v1/test_helpers/test_clocks", form).await);
    let path = format!("/v1/customers/{customer}");
    assert_eq!(sandbox.get(&path).await["test_clock"], clock);
    let error = sandbox
        .post(&path, "test_clock=")
        .wrong()
        .refused(400)
        .await;
    assert_eq!(
        error["code"], "parameter_unknown",
        "a customer never leaves its clock"
    );
}
