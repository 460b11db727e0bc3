//! Renewals: when a period ends, what the next one is, and when it is billed.

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, event_types, monthly, period, recurring, subscription},
    harness::{Sandbox, data, id},
};

#[tokio::test]
async fn a_renewal_is_a_draft_for_an_hour_and_then_paid() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let (_, end) = period(&subscribed);

    sandbox.advance(&tenant.clock, end).await;
    let renewed = subscription(&sandbox, &subscribed).await;
    assert_eq!(
        period(&renewed),
        (end, at("2026-03-01T00:00:00Z")),
        "the period rolls before the bill"
    );
    let draft = &tenant.invoices(&sandbox).await[0];
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["billing_reason"], "subscription_cycle");
    assert_eq!(draft["automatically_finalizes_at"], end + HOUR);
    assert_eq!(draft["attempt_count"], 0);
    assert_eq!(draft["period_start"], at("2026-01-01T00:00:00Z"));
    assert_eq!(draft["period_end"], end);

    sandbox.advance(&tenant.clock, end + HOUR - 1).await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "draft");
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let paid = &tenant.invoices(&sandbox).await[0];
    assert_eq!(paid["status"], "paid");
    assert_eq!(paid["status_transitions"]["finalized_at"], end + HOUR);
    assert_eq!(paid["status_transitions"]["paid_at"], end + HOUR);
    assert_eq!(paid["attempt_count"], 1);
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn a_renewal_tells_the_new_period_before_the_bill() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let before = event_types(&sandbox).await.len();
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + HOUR)
        .await;
    let types = event_types(&sandbox).await.split_off(before);
    let place = |kind: &str| {
        types
            .iter()
            .position(|other| other == kind)
            .unwrap_or_else(|| panic!("no {kind} in {types:?}"))
    };
    let told = [
        "customer.subscription.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
    ];
    assert!(told.map(place).is_sorted(), "{types:?}");
    place("invoice.payment_succeeded");
}

#[tokio::test]
async fn an_anchor_on_the_31st_is_kept_through_shorter_months() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-31T10:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    for end in [
        "2026-02-28T10:00:00Z",
        "2026-03-31T10:00:00Z",
        "2026-04-30T10:00:00Z",
        "2026-05-31T10:00:00Z",
    ] {
        let current = subscription(&sandbox, &subscribed).await;
        assert_eq!(period(&current).1, at(end));
        sandbox.advance(&tenant.clock, at(end)).await;
    }
}

#[tokio::test]
async fn an_anchor_on_a_leap_day_is_kept_through_common_years() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2028-02-29T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &recurring(&sandbox, 1_000, "year").await, "")
        .await;
    assert_eq!(period(&subscribed).1, at("2029-02-28T00:00:00Z"));
    sandbox
        .advance(&tenant.clock, at("2029-02-28T00:00:00Z"))
        .await;
    assert_eq!(
        period(&subscription(&sandbox, &subscribed).await).1,
        at("2030-02-28T00:00:00Z")
    );
}

#[tokio::test]
async fn weeks_and_days_are_exact() {
    let sandbox = Sandbox::start();
    for (interval, length) in [("day", DAY), ("week", 7 * DAY)] {
        let tenant = Tenant::with_card(&sandbox, "2026-03-28T00:00:00Z").await;
        let subscribed = tenant
            .subscribe(&sandbox, &recurring(&sandbox, 100, interval).await, "")
            .await;
        let (start, end) = period(&subscribed);
        assert_eq!(end - start, length, "{interval}");
    }
}

#[tokio::test]
async fn two_periods_passed_in_one_advance_are_two_bills() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    sandbox
        .advance(&tenant.clock, at("2026-03-01T00:00:00Z"))
        .await;
    let invoices = tenant.invoices(&sandbox).await;
    let statuses: Vec<_> = invoices
        .iter()
        .map(|invoice| invoice["status"].as_str().expect("a status"))
        .collect();
    assert_eq!(
        statuses,
        ["draft", "paid", "paid"],
        "newest first; the older renewal is long paid"
    );
    assert_eq!(invoices[1]["created"], at("2026-02-01T00:00:00Z"));
    assert_eq!(
        period(&subscription(&sandbox, &subscribed).await).0,
        at("2026-03-01T00:00:00Z")
    );
}

#[tokio::test]
async fn a_chosen_anchor_makes_a_first_period_of_its_own_length() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-11T00:00:00Z").await;
    let anchor = at("2026-02-01T00:00:00Z");
    let more = format!("&billing_cycle_anchor={anchor}");
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 3_100).await, &more)
        .await;
    assert_eq!(period(&subscribed), (at("2026-01-11T00:00:00Z"), anchor));
    // 21 of the 31 days up to the anchor.
    assert_eq!(tenant.invoices(&sandbox).await[0]["total"], 2_100);
    sandbox.advance(&tenant.clock, anchor + HOUR).await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["total"], 3_100);
}

#[tokio::test]
async fn a_renewals_line_is_for_the_coming_period() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &price, "").await;
    let (_, end) = period(&subscribed);
    sandbox.advance(&tenant.clock, end).await;
    let invoice = &tenant.invoices(&sandbox).await[0];
    let lines = sandbox
        .get(format!("/v1/invoices/{}/lines", id(invoice)))
        .await;
    let [line] = data(&lines) else {
        panic!("{lines}")
    };
    assert_eq!(line["period"]["start"], end);
    assert_eq!(line["period"]["end"], at("2026-03-01T00:00:00Z"));
    assert_eq!(line["amount"], 1_000);
    assert_eq!(line["pricing"]["price_details"]["price"], price);
    assert_eq!(
        line["parent"]["subscription_item_details"]["proration"],
        false
    );
}

#[tokio::test]
async fn without_a_test_clock_the_wall_clock_bills() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    crate::fixtures::add_card(&sandbox, &customer).await;
    let price = monthly(&sandbox, 1_000).await;
    let form = format!("customer={customer}&items[0][price]={price}");
    let subscribed = sandbox.post("/v1/subscriptions", form).await;
    sandbox
        .settings(serde_json::json!({"now_offset_seconds": 32 * DAY}))
        .await;
    let invoices = sandbox
        .get(format!("/v1/invoices?customer={customer}"))
        .await;
    assert_eq!(data(&invoices).len(), 2);
    assert_eq!(data(&invoices)[0]["status"], "paid");
    assert_eq!(
        period(&subscription(&sandbox, &subscribed).await).0,
        period(&subscribed).1
    );
}
