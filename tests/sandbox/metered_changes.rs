//! Metered prices that are replaced, added and removed within a period, and periods that are cut short.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, at, item, monthly, period},
    harness::{data, id, int},
    metered::{Metered, START, lines},
};

/// Ten units at the old price, then a swap on January 16, then seven at the new one.
async fn swapped(m: &Metered, proration: &str) -> Value {
    let subscribed = m.subscribe("").await;
    m.report(10, at(START)).await;
    m.advance(at(START) + 15 * DAY).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={}&proration_behavior={proration}",
        id(item(&subscribed)),
        m.three
    );
    m.update(&subscribed, &form).await;
    m.report(7, at(START) + 15 * DAY).await;
    subscribed
}

#[tokio::test]
async fn each_price_bills_what_was_used_while_it_was_in_effect() {
    let m = Metered::new().await;
    let subscribed = swapped(&m, "create_prorations").await;
    let expected = [(10, 20, 0, 15), (7, 21, 15, 31)];
    assert_eq!(lines(&m.preview(&subscribed, "").await), expected);
    m.advance(period(&subscribed).1 + HOUR).await;
    assert_eq!(lines(&m.newest().await), expected);
    m.advance(at("2026-03-01T01:00:00Z")).await;
    assert_eq!(lines(&m.newest().await), [(0, 0, 31, 59)]);
}

#[tokio::test]
async fn a_replaced_prices_usage_is_billed_at_once_or_never_on_request() {
    let m = Metered::new().await;
    let subscribed = swapped(&m, "always_invoice").await;
    let invoice = m.newest().await;
    assert_eq!(lines(&invoice), [(10, 20, 0, 15)]);
    assert_eq!(invoice["status"], "paid");
    let next = m.preview(&subscribed, "").await;
    assert_eq!(lines(&next), [(7, 21, 15, 31)]);
    let m = Metered::new().await;
    let subscribed = swapped(&m, "none").await;
    assert!(m.tenant.invoices(&m.sandbox).await.is_empty());
    let next = m.preview(&subscribed, "").await;
    assert_eq!(lines(&next), [(7, 21, 15, 31)]);
}

#[tokio::test]
async fn an_item_that_is_removed_bills_its_usage_and_one_that_is_added_begins_with_none() {
    let m = Metered::new().await;
    let base = monthly(&m.sandbox, 1_000).await;
    let subscribed = m.tenant.subscribe(&m.sandbox, &base, "").await;
    m.report(10, at(START)).await;
    m.advance(at(START) + 10 * DAY).await;
    let form = format!(
        "items[0][price]={}&proration_behavior=always_invoice",
        m.two
    );
    let invoices = m.tenant.invoices(&m.sandbox).await.len();
    let with = m.update(&subscribed, &form).await;
    assert_eq!(m.tenant.invoices(&m.sandbox).await.len(), invoices);
    m.report(4, at(START) + 10 * DAY).await;
    let next = m.preview(&subscribed, "").await;
    assert_eq!(lines(&next), [(4, 8, 10, 31), (1, 1_000, 31, 59)]);
    m.advance(at(START) + 20 * DAY).await;
    let path = format!("/v1/subscription_items/{}", id(&data(&with["items"])[1]));
    m.sandbox.delete(path).await;
    let next = m.preview(&subscribed, "").await;
    assert_eq!(lines(&next), [(4, 8, 10, 20), (1, 1_000, 31, 59)]);
}

#[tokio::test]
async fn licensed_items_are_prorated_and_metered_ones_beside_them_are_not() {
    let m = Metered::new().await;
    let base = monthly(&m.sandbox, 3_100).await;
    let more = format!("&items[1][price]={base}");
    let subscribed = m.subscribe(&more).await;
    m.report(10, at(START)).await;
    m.advance(at(START) + 15 * DAY).await;
    let licensed = id(&data(&subscribed["items"])[1]);
    let form =
        format!("items[0][id]={licensed}&items[0][quantity]=2&proration_behavior=always_invoice");
    m.update(&subscribed, &form).await;
    let invoice = m.newest().await;
    let amounts: Vec<_> = data(&invoice["lines"])
        .iter()
        .map(|line| int(&line["amount"]))
        .collect();
    assert_eq!(amounts, [-1_600, 3_200]);
}

#[tokio::test]
async fn a_period_that_is_cut_short_bills_what_was_used_in_it() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    m.report(10, at(START)).await;
    m.advance(at(START) + 10 * DAY).await;
    m.update(&subscribed, "billing_cycle_anchor[type]=now")
        .await;
    assert_eq!(lines(&m.newest().await), [(10, 20, 0, 10)]);
    m.report(3, at(START) + 10 * DAY).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(3, 6, 10, 41)]);
}
