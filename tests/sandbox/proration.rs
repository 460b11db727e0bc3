//! Changes within a period, to the cent, against a calculation of the test's own.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, item, monthly, period, subscription},
    harness::{Sandbox, data, id, int},
};

const START: &str = "2026-01-01T00:00:00Z";

/// The share of `amount` for what is left of the period at `now`, to the nearest cent, halves away from zero.
fn remaining(amount: i64, (start, end): (i64, i64), now: i64) -> i64 {
    let numerator = i128::from(amount) * i128::from(end - now);
    let denominator = i128::from(end - start);
    i64::try_from((2 * numerator + denominator) / (2 * denominator)).expect("cents")
}

fn amounts(invoice: &Value) -> Vec<i64> {
    let mut amounts: Vec<_> = data(&invoice["lines"])
        .iter()
        .map(|line| int(&line["amount"]))
        .collect();
    amounts.sort_unstable();
    amounts
}

/// Switches to another price at a time and returns the subscription as changed.
async fn switch(
    sandbox: &Sandbox,
    tenant: &Tenant,
    subscribed: &Value,
    to: &str,
    now: i64,
    more: &str,
) -> Value {
    sandbox.advance(&tenant.clock, now).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={to}{more}",
        id(item(subscribed))
    );
    sandbox
        .post(format!("/v1/subscriptions/{}", id(subscribed)), form)
        .await
}

#[tokio::test]
async fn a_change_invoiced_at_once_credits_the_unused_and_charges_the_remaining_time() {
    let sandbox = Sandbox::start();
    let [small, large] = [
        monthly(&sandbox, 1_999).await,
        monthly(&sandbox, 4_999).await,
    ];
    for (day, second) in [(0, 1), (9, 12_345), (15, 43_200), (30, 86_399)] {
        let tenant = Tenant::with_card(&sandbox, START).await;
        let subscribed = tenant.subscribe(&sandbox, &small, "").await;
        let period = period(&subscribed);
        let now = period.0 + day * DAY + second;
        let more = "&proration_behavior=always_invoice";
        switch(&sandbox, &tenant, &subscribed, &large, now, more).await;
        let [credit, debit] = [
            -remaining(1_999, period, now),
            remaining(4_999, period, now),
        ];
        let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
        assert_eq!(amounts(&invoice), [credit, debit], "day {day}");
        assert_eq!(invoice["total"], credit + debit);
        assert_eq!(invoice["amount_paid"], credit + debit);
        assert_eq!(invoice["billing_reason"], "subscription_update");
        for line in data(&invoice["lines"]) {
            assert_eq!(line["period"]["start"], now);
            assert_eq!(line["period"]["end"], period.1);
            let parent = &line["parent"];
            let details = [
                &parent["invoice_item_details"],
                &parent["subscription_item_details"],
            ];
            assert!(
                details.iter().any(|details| details["proration"] == true),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn a_change_waits_for_the_next_bill_unless_told_otherwise() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let period = period(&subscribed);
    let now = period.0 + 10 * DAY;
    let large = monthly(&sandbox, 3_000).await;
    switch(&sandbox, &tenant, &subscribed, &large, now, "").await;
    assert_eq!(tenant.invoices(&sandbox).await.len(), 1);
    sandbox.advance(&tenant.clock, period.1 + HOUR).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    let [credit, debit] = [
        -remaining(1_000, period, now),
        remaining(3_000, period, now),
    ];
    let mut expected = [credit, debit, 3_000];
    expected.sort_unstable();
    assert_eq!(amounts(&invoice), expected);
    assert_eq!(invoice["amount_paid"], credit + debit + 3_000);
}

#[tokio::test]
async fn a_change_without_proration_only_shows_in_the_next_period() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let period = period(&subscribed);
    let large = monthly(&sandbox, 3_000).await;
    switch(
        &sandbox,
        &tenant,
        &subscribed,
        &large,
        period.0 + 10 * DAY,
        "&proration_behavior=none",
    )
    .await;
    sandbox.advance(&tenant.clock, period.1 + HOUR).await;
    assert_eq!(amounts(&tenant.invoices(&sandbox).await[0]), [3_000]);
}

#[tokio::test]
async fn a_downgrade_becomes_credit_that_the_next_bill_uses_and_no_refund() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 9_000).await, "")
        .await;
    let period = period(&subscribed);
    let now = period.0 + 10 * DAY;
    let small = monthly(&sandbox, 3_000).await;
    switch(
        &sandbox,
        &tenant,
        &subscribed,
        &small,
        now,
        "&proration_behavior=always_invoice",
    )
    .await;
    let credit = remaining(3_000, period, now) - remaining(9_000, period, now);
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["total"], credit);
    assert_eq!(invoice["amount_due"], 0);
    assert_eq!(invoice["status"], "paid");
    let customer = format!("/v1/customers/{}", tenant.customer);
    assert_eq!(sandbox.get(&customer).await["balance"], credit);
    sandbox.advance(&tenant.clock, period.1 + HOUR).await;
    let renewal = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(renewal["total"], 3_000);
    assert_eq!(renewal["starting_balance"], credit);
    // What the credit leaves over of one bill is there for the next.
    assert_eq!(renewal["amount_due"], (3_000 + credit).max(0));
    assert_eq!(
        sandbox.get(&customer).await["balance"],
        (3_000 + credit).min(0)
    );
}

#[tokio::test]
async fn more_seats_are_charged_for_the_remaining_time() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(
            &sandbox,
            &monthly(&sandbox, 1_000).await,
            "&items[0][quantity]=2",
        )
        .await;
    let period = period(&subscribed);
    let now = period.0 + 3 * DAY + 7;
    sandbox.advance(&tenant.clock, now).await;
    let form = format!(
        "items[0][id]={}&items[0][quantity]=5&proration_behavior=always_invoice",
        id(item(&subscribed))
    );
    sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(
        amounts(&invoice),
        [
            -remaining(2_000, period, now),
            remaining(5_000, period, now)
        ]
    );
}

#[tokio::test]
async fn a_preview_names_the_cents_the_change_then_costs() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_999).await, "")
        .await;
    let period = period(&subscribed);
    let date = period.0 + 9 * DAY + 12_345;
    let large = monthly(&sandbox, 4_999).await;
    sandbox.advance(&tenant.clock, date).await;
    let preview = sandbox
        .post(
            "/v1/invoices/create_preview",
            format!(
                "subscription={}&subscription_details[items][0][id]={}&subscription_details[items][0][price]={large}\
                 &subscription_details[proration_behavior]=always_invoice&subscription_details[proration_date]={date}",
                id(&subscribed),
                id(item(&subscribed)),
            ),
        )
        .await;
    assert_eq!(
        item(&subscription(&sandbox, &subscribed).await),
        item(&subscribed),
        "a preview changes nothing"
    );
    assert_eq!(tenant.invoices(&sandbox).await.len(), 1);
    let later = date + 5 * HOUR;
    let more = format!("&proration_behavior=always_invoice&proration_date={date}");
    switch(&sandbox, &tenant, &subscribed, &large, later, &more).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(amounts(&invoice), amounts(&preview));
    assert_eq!(invoice["total"], preview["total"]);
    assert_eq!(
        invoice["total"],
        remaining(4_999, period, date) - remaining(1_999, period, date)
    );
}

#[tokio::test]
async fn a_preview_without_a_change_is_the_next_renewal() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_500).await, "")
        .await;
    let preview = sandbox
        .post(
            "/v1/invoices/create_preview",
            format!("subscription={}", id(&subscribed)),
        )
        .await;
    assert_eq!(preview["total"], 1_500);
    assert_eq!(
        data(&preview["lines"])[0]["period"]["start"],
        period(&subscribed).1
    );
}

#[tokio::test]
async fn from_free_to_paid_starts_a_new_cycle_and_is_billed_at_once() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 0).await, "")
        .await;
    let now = at("2026-01-12T00:00:00Z");
    let paid = monthly(&sandbox, 2_000).await;
    let changed = switch(&sandbox, &tenant, &subscribed, &paid, now, "").await;
    assert_eq!(period(&changed), (now, at("2026-02-12T00:00:00Z")));
    let invoice = &tenant.invoices(&sandbox).await[0];
    assert_eq!(invoice["total"], 2_000);
    assert_eq!(invoice["status"], "paid");
}
