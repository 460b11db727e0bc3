//! Changes that are made at once, and what they charge.

use serde_json::{Value, json};

use crate::payer::{ACME, DAY, PERIOD, Payer, cents, share};
use crate::support::world::{condition, id};

#[tokio::test]
async fn an_upgrade_charges_on_the_next_invoice_what_its_preview_said() {
    let payer = Payer::on("pro", json!({})).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    let change = payer.change("Applied").await;
    assert_eq!(
        change["to"],
        format!("{}, 499.00 usd/month", payer.world.plan_name("enterprise"))
    );
    let rest = PERIOD - 10 * DAY;
    let difference = share(49_900, rest, PERIOD) - share(9900, rest, PERIOD);
    assert_eq!(cents(&change["preview"]["amount"]), difference);
    assert_eq!(change["preview"]["charged"], "NextInvoice");
    assert_eq!(change["preview"]["prorationDate"], "2026-11-11T00:00:00Z");
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    assert_eq!(payer.totals().await, [9900], "nothing is charged yet");

    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 49_900 + difference]);
    payer.finish().await;
}

#[tokio::test]
async fn an_upgrade_invoiced_now_charges_what_its_preview_said() {
    let spec = json!({"planChange": {"proration": "InvoiceNow"}});
    let payer = Payer::on("pro", spec).await;
    payer.at(7 * DAY + 12_345).await;
    payer.world.stripe.forget_requests().await;
    payer
        .edit(json!({"plan": "enterprise", "quantity": 2}))
        .await;
    let change = payer.change("Applied").await;
    assert_eq!(change["preview"]["charged"], "Now");
    let totals = payer.totals().await;
    assert_eq!(totals[1..], [cents(&change["preview"]["amount"])]);
    let invoices = payer.invoices().await;
    assert_eq!(invoices[1]["status"], "paid");
    let writes: Vec<Value> = payer.world.stripe.writes().await;
    let paths: Vec<&str> = writes.iter().map(|w| w["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 2, "one preview and one update: {paths:?}");
    assert_eq!(paths[0], "/v1/invoices/create_preview");
    payer.finish().await;
}

#[tokio::test]
async fn without_proration_nothing_is_charged_in_between() {
    let spec = json!({"planChange": {"proration": "None"}});
    let payer = Payer::on("pro", spec).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    let change = payer.change("Applied").await;
    assert_eq!(
        change["preview"],
        Value::Null,
        "there is nothing to preview"
    );
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 49_900]);
    payer.finish().await;
}

#[tokio::test]
async fn a_longer_interval_begins_at_once_and_charges_what_its_preview_said() {
    let payer = Payer::on("pro", json!({})).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "annual"})).await;
    let change = payer.change("Applied").await;
    assert_eq!(change["preview"]["charged"], "Now");
    let credit = share(9900, PERIOD - 10 * DAY, PERIOD);
    assert_eq!(cents(&change["preview"]["amount"]), 99_000 - credit);
    assert_eq!(payer.totals().await, [9900, 99_000 - credit]);
    payer.finish().await;
}

#[tokio::test]
async fn a_charge_above_the_limit_waits_for_its_preview_to_be_approved() {
    let spec = json!({"planChange": {"maxCharge": "100.00"}});
    let payer = Payer::on("pro", spec).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    let message = payer.world.stalled(ACME, "PlanChangeHeld").await;
    let change = payer.change("Held").await;
    let name = change["preview"]["name"].as_str().unwrap();
    assert!(message.contains(name), "{message}");
    assert_eq!(payer.sold().await, ("pro".into(), 1));

    // Another name approves nothing, a look does not rename it, and time does not change what it
    // charges.
    payer
        .world
        .annotate(ACME, "tenantbilling.io/approve-change", "pv-0123456789")
        .await;
    payer.at(12 * DAY).await;
    payer.world.look_again(ACME).await;
    assert_eq!(payer.change("Held").await["preview"]["name"], name);
    payer
        .world
        .annotate(ACME, "tenantbilling.io/approve-change", name)
        .await;
    let applied = payer.change("Applied").await;
    assert_eq!(applied["preview"]["name"], name);
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    payer.at(PERIOD + 7200).await;
    let difference = cents(&applied["preview"]["amount"]);
    assert_eq!(payer.totals().await, [9900, 49_900 + difference]);
    payer.finish().await;
}

#[tokio::test]
async fn raising_the_limit_or_setting_the_plan_back_ends_the_hold() {
    let spec = json!({"planChange": {"maxCharge": "100.00"}});
    let payer = Payer::on("pro", spec).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    payer.world.stalled(ACME, "PlanChangeHeld").await;
    payer.edit(json!({"plan": "pro"})).await;
    let tenant = payer.settled().await;
    assert_eq!(tenant["status"]["planChange"], Value::Null, "withdrawn");
    payer
        .edit(json!({"plan": "enterprise", "planChange": {"maxCharge": "500.00"}}))
        .await;
    payer.change("Applied").await;
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    payer.finish().await;
}

#[tokio::test]
async fn an_upgrade_set_back_within_a_minute_costs_nothing_when_downgrades_are_made_at_once() {
    let spec = json!({"planChange": {"downgrade": "Now"}});
    let payer = Payer::on("pro", spec).await;
    payer.at(10 * DAY).await;
    payer.edit(json!({"plan": "enterprise"})).await;
    payer.change("Applied").await;
    payer.edit(json!({"plan": "pro"})).await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("pro".into(), 1));
    payer.at(PERIOD + 7200).await;
    assert_eq!(payer.totals().await, [9900, 9900], "the two cancel out");
    payer.finish().await;
}

#[tokio::test]
async fn during_a_trial_every_change_is_made_at_once_and_free_of_charge() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    let mut manifest = world.manifest("newcomer", "pro");
    manifest["spec"]["trial"] = json!({"days": 14});
    world.apply(manifest).await;
    world.ready("newcomer").await;
    for plan in ["enterprise", "starter", "annual"] {
        world
            .edit("newcomer", json!({"plan": world.plan_name(plan)}))
            .await;
        let tenant = world.ready("newcomer").await;
        assert_eq!(tenant["status"]["phase"], "Trialing");
        let (customer, subscription) = world.one_of_each("newcomer", None).await;
        let price = &subscription["items"]["data"][0]["price"];
        assert_eq!(
            price["metadata"]["tenantbilling_plan"],
            world.plan_name(plan)
        );
        let invoices = world
            .stripe
            .get(&format!("/v1/invoices?customer={}", id(&customer)))
            .await;
        let totals: Vec<_> = invoices["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| &i["total"])
            .collect();
        assert!(totals.iter().all(|total| **total == 0), "{totals:?}");
    }
    payer.finish().await;
}

#[tokio::test]
async fn while_a_payment_is_overdue_an_upgrade_waits_for_it() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    world
        .add_card(&payer.customer, "pm_card_chargeCustomerFail")
        .await;
    payer.at(PERIOD + 7200).await;
    world
        .until(ACME, "past due", |tenant| {
            tenant["status"]["phase"] == "PastDue"
        })
        .await;
    payer.edit(json!({"plan": "enterprise"})).await;
    let message = world.reconciling(ACME, "PlanChangeHeld").await;
    assert!(message.contains("overdue"), "{message}");
    assert_eq!(payer.sold().await, ("pro".into(), 1));
    world.add_card(&payer.customer, "pm_card_visa").await;
    let open = payer.invoices().await.pop().unwrap();
    world
        .stripe
        .post(&format!("/v1/invoices/{}/pay", id(&open)), &[])
        .await;
    payer.settled().await;
    assert_eq!(payer.sold().await, ("enterprise".into(), 1));
    payer.finish().await;
}

#[tokio::test]
async fn while_the_first_payment_is_open_a_change_waits_for_it() {
    let payer = Payer::on("pro", json!({})).await;
    let world = &payer.world;
    let mut manifest = world.manifest("newcomer", "pro");
    manifest["spec"]["testClock"] = json!(payer.clock);
    world.apply(manifest).await;
    let tenant = world.reason("newcomer", "PaymentMethodMissing").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    world.add_card(customer, "pm_card_chargeCustomerFail").await;
    world.reconciling("newcomer", "AwaitingPayment").await;
    world
        .edit("newcomer", json!({"plan": world.plan_name("enterprise")}))
        .await;
    world.reconciling("newcomer", "AwaitingPayment").await;
    let live = world.subscriptions(customer).await;
    assert_eq!(live[0]["status"], "incomplete");
    world.add_card(customer, "pm_card_visa").await;
    let invoice = live[0]["latest_invoice"].as_str().unwrap();
    world
        .stripe
        .post(&format!("/v1/invoices/{invoice}/pay"), &[])
        .await;
    let tenant = world.ready("newcomer").await;
    assert_eq!(condition(&tenant, "Ready")["status"], "True");
    let subscriptions = world.subscriptions(customer).await;
    assert_eq!(subscriptions.len(), 1);
    let price = &subscriptions[0]["items"]["data"][0]["price"];
    assert_eq!(
        price["metadata"]["tenantbilling_plan"],
        world.plan_name("enterprise")
    );
    payer.finish().await;
}

#[tokio::test]
async fn another_currency_is_refused_with_the_reason() {
    let payer = Payer::on("pro", json!({})).await;
    let euros = json!({"currency": "eur", "base": {"amount": "99.00"}});
    payer.world.plan_with("pro-eur", euros).await;
    payer.edit(json!({"plan": "pro-eur"})).await;
    let message = payer.world.stalled(ACME, "CurrencyLocked").await;
    assert!(
        message.contains("usd") && message.contains("eur"),
        "{message}"
    );
    assert_eq!(payer.sold().await, ("pro".into(), 1));
    payer.finish().await;
}
