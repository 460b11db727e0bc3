//! Subscription schedules: what they plan, when it happens, and what it costs.

use serde_json::{Value, json};

use crate::{
    fixtures::{
        DAY, HOUR, Tenant, at, event_types, item, monthly, period, recurring, subscription,
    },
    harness::{Sandbox, data, id, ids, int, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// A tenant with a subscription and a schedule for it.
pub(crate) struct Scheduled {
    pub(crate) sandbox: Sandbox,
    pub(crate) tenant: Tenant,
    pub(crate) subscription: Value,
    pub(crate) schedule: Value,
}

impl Scheduled {
    pub(crate) async fn at(price: i64) -> Self {
        let sandbox = Sandbox::start();
        let tenant = Tenant::with_card(&sandbox, START).await;
        let price = monthly(&sandbox, price).await;
        let subscription = tenant.subscribe(&sandbox, &price, "").await;
        let form = format!("from_subscription={}", id(&subscription));
        let schedule = sandbox.post("/v1/subscription_schedules", form).await;
        Self {
            sandbox,
            tenant,
            subscription,
            schedule,
        }
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/subscription_schedules/{}", id(&self.schedule))
    }

    /// The first phase as it is, then another with this price; `more` belongs to that one.
    pub(crate) async fn then(&self, price: &str, more: &str) -> Value {
        self.sandbox
            .post(self.path(), format!("{}{more}", self.phases(price)))
            .await
    }

    pub(crate) fn phases(&self, price: &str) -> String {
        let current = item(&self.subscription);
        let (start, end) = period(&self.subscription);
        format!(
            "phases[0][items][0][price]={}&phases[0][items][0][quantity]=1&phases[0][start_date]={start}\
             &phases[0][end_date]={end}&phases[1][items][0][price]={price}",
            text(&current["price"]["id"])
        )
    }

    pub(crate) async fn schedule(&self) -> Value {
        self.sandbox.get(self.path()).await
    }

    pub(crate) async fn subscription(&self) -> Value {
        subscription(&self.sandbox, &self.subscription).await
    }

    pub(crate) async fn invoice(&self) -> Value {
        self.tenant.invoices(&self.sandbox).await.swap_remove(0)
    }
}

#[tokio::test]
async fn a_schedule_from_a_subscription_is_its_current_period() {
    let it = Scheduled::at(1_000).await;
    let (start, end) = period(&it.subscription);
    assert_eq!(it.schedule["status"], "active");
    assert_eq!(it.schedule["end_behavior"], "release");
    assert_eq!(it.schedule["subscription"], it.subscription["id"]);
    assert_eq!(
        it.schedule["current_phase"],
        json!({"start_date": start, "end_date": end})
    );
    let phases = it.schedule["phases"].as_array().expect("phases");
    assert_eq!(phases.len(), 1);
    let planned = &phases[0]["items"][0];
    assert_eq!(planned["price"], item(&it.subscription)["price"]["id"]);
    assert_eq!(planned["plan"], planned["price"]);
    assert_eq!(planned["quantity"], 1);
    assert_eq!(it.subscription().await["schedule"], it.schedule["id"]);
    let path = format!(
        "/v1/subscriptions?customer={}&expand[]=data.schedule",
        it.tenant.customer
    );
    let listed = it.sandbox.get(path).await;
    assert_eq!(data(&listed)[0]["schedule"], it.schedule().await);
    assert!(
        event_types(&it.sandbox)
            .await
            .contains(&"subscription_schedule.created".to_owned())
    );
}

#[tokio::test]
async fn a_downgrade_at_the_periods_end_is_renewed_at_the_new_price_without_prorations() {
    let it = Scheduled::at(5_000).await;
    let small = monthly(&it.sandbox, 2_000).await;
    let more = "&phases[1][duration][interval]=month&phases[1][duration][interval_count]=2\
                &phases[1][proration_behavior]=none&phases[1][metadata][plan]=small&metadata[owner]=us";
    let planned = it.then(&small, more).await;
    let (_, end) = period(&it.subscription);
    assert_eq!(planned["metadata"], json!({"owner": "us"}));
    assert_eq!(planned["phases"][1]["start_date"], end);
    assert_eq!(planned["phases"][1]["end_date"], at("2026-04-01T00:00:00Z"));
    assert_eq!(
        item(&it.subscription().await)["price"],
        item(&it.subscription)["price"],
        "nothing happens before its time"
    );
    it.sandbox.advance(&it.tenant.clock, end).await;
    let renewed = it.subscription().await;
    assert_eq!(item(&renewed)["price"]["id"], small);
    assert_eq!(renewed["metadata"]["plan"], "small");
    assert_eq!(period(&renewed), (end, at("2026-03-01T00:00:00Z")));
    let schedule = it.schedule().await;
    assert_eq!(schedule["current_phase"]["start_date"], end);
    it.sandbox.advance(&it.tenant.clock, end + HOUR).await;
    let invoice = it.invoice().await;
    assert_eq!(invoice["billing_reason"], "subscription_cycle");
    assert_eq!(invoice["total"], 2_000);
    assert_eq!(data(&invoice["lines"]).len(), 1);
    assert_eq!(invoice["status"], "paid");
}

#[tokio::test]
async fn after_its_last_phase_a_schedule_lets_the_subscription_go() {
    let it = Scheduled::at(5_000).await;
    let small = monthly(&it.sandbox, 2_000).await;
    it.then(&small, "&phases[1][proration_behavior]=none").await;
    it.sandbox
        .advance(&it.tenant.clock, at("2026-02-22T00:00:00Z"))
        .await;
    it.sandbox
        .advance(&it.tenant.clock, at("2026-03-01T02:00:00Z"))
        .await;
    let schedule = it.schedule().await;
    assert_eq!(schedule["status"], "completed");
    assert_eq!(schedule["completed_at"], at("2026-03-01T00:00:00Z"));
    assert_eq!(schedule["subscription"], Value::Null);
    assert_eq!(schedule["released_subscription"], it.subscription["id"]);
    assert_eq!(schedule["current_phase"], Value::Null);
    let free = it.subscription().await;
    assert_eq!(free["schedule"], Value::Null);
    assert_eq!(free["status"], "active");
    assert_eq!(period(&free).0, at("2026-03-01T00:00:00Z"));
    assert_eq!(it.tenant.invoices(&it.sandbox).await.len(), 3);
    let events = event_types(&it.sandbox).await;
    for event in ["expiring", "completed"] {
        let event = format!("subscription_schedule.{event}");
        assert_eq!(
            events.iter().filter(|it| **it == event).count(),
            1,
            "{event}"
        );
    }
}

#[tokio::test]
async fn a_schedule_may_end_its_subscription() {
    let it = Scheduled::at(5_000).await;
    let (_, end) = period(&it.subscription);
    let ending = it.sandbox.post(it.path(), "end_behavior=cancel").await;
    assert_eq!(ending["end_behavior"], "cancel");
    assert_eq!(it.subscription().await["cancel_at"], end);
    it.sandbox.advance(&it.tenant.clock, end + HOUR).await;
    assert_eq!(it.subscription().await["status"], "canceled");
    let over = it.schedule().await;
    assert_eq!(over["status"], "completed");
    assert_eq!(it.tenant.invoices(&it.sandbox).await.len(), 1);
}

#[tokio::test]
async fn from_month_to_year_at_the_periods_end_begins_a_year() {
    let it = Scheduled::at(5_000).await;
    let yearly = recurring(&it.sandbox, 50_000, "year").await;
    it.then(&yearly, "&phases[1][proration_behavior]=none")
        .await;
    let (_, end) = period(&it.subscription);
    it.sandbox.advance(&it.tenant.clock, end + HOUR).await;
    let renewed = it.subscription().await;
    assert_eq!(period(&renewed), (end, at("2027-02-01T00:00:00Z")));
    assert_eq!(renewed["billing_cycle_anchor"], end);
    assert_eq!(it.invoice().await["total"], 50_000);
    assert_eq!(
        it.schedule().await["phases"][1]["end_date"],
        at("2027-02-01T00:00:00Z")
    );
}

#[tokio::test]
async fn a_phase_within_a_period_is_prorated_as_it_says() {
    for (behavior, invoices) in [("none", 1), ("create_prorations", 1), ("always_invoice", 2)] {
        let it = Scheduled::at(3_100).await;
        let large = monthly(&it.sandbox, 6_200).await;
        let (start, _) = period(&it.subscription);
        let turn = start + 10 * DAY;
        let old = text(&item(&it.subscription)["price"]["id"]);
        let form = format!(
            "phases[0][items][0][price]={old}&phases[0][start_date]={start}&phases[0][end_date]={turn}\
             &phases[1][items][0][price]={large}&phases[1][end_date]={}\
             &phases[1][proration_behavior]={behavior}",
            start + 60 * DAY
        );
        it.sandbox.post(it.path(), form).await;
        it.sandbox.advance(&it.tenant.clock, turn + 2 * HOUR).await;
        let changed = it.subscription().await;
        assert_eq!(item(&changed)["price"]["id"], large);
        assert_eq!(period(&changed), period(&it.subscription));
        let all = it.tenant.invoices(&it.sandbox).await;
        assert_eq!(all.len(), invoices, "{behavior}");
        if behavior == "always_invoice" {
            assert_eq!(all[0]["total"], 2_100, "21 of 31 days at 31.00 more");
            assert_eq!(all[0]["status"], "paid");
        }
    }
}

#[tokio::test]
async fn a_direct_change_of_items_lasts_until_the_next_phase() {
    let it = Scheduled::at(1_000).await;
    let next = monthly(&it.sandbox, 2_000).await;
    it.then(&next, "&phases[1][proration_behavior]=none").await;
    let (start, end) = period(&it.subscription);
    let now = start + 5 * DAY;
    it.sandbox.advance(&it.tenant.clock, now).await;
    let path = format!("/v1/subscriptions/{}", id(&it.subscription));
    let form = format!(
        "items[0][id]={}&items[0][quantity]=4&proration_behavior=none",
        id(item(&it.subscription))
    );
    it.sandbox.post(path, form).await;
    let schedule = it.schedule().await;
    let phases = schedule["phases"].as_array().expect("phases");
    assert_eq!(phases.len(), 3, "the current phase is in two: {phases:?}");
    assert_eq!(phases[0]["end_date"], now);
    assert_eq!(phases[1]["items"][0]["quantity"], 4);
    assert_eq!(schedule["current_phase"]["start_date"], now);
    it.sandbox.advance(&it.tenant.clock, end).await;
    let renewed = it.subscription().await;
    assert_eq!(item(&renewed)["price"]["id"], next);
    assert_eq!(item(&renewed)["quantity"], 1);
}

#[tokio::test]
async fn an_update_of_the_current_phase_is_a_change_now() {
    let it = Scheduled::at(3_100).await;
    let (start, end) = period(&it.subscription);
    let large = monthly(&it.sandbox, 6_200).await;
    it.sandbox.advance(&it.tenant.clock, start + 10 * DAY).await;
    let form = format!(
        "phases[0][items][0][price]={large}&phases[0][start_date]={start}&phases[0][end_date]={end}\
         &proration_behavior=always_invoice"
    );
    it.sandbox.post(it.path(), form).await;
    assert_eq!(item(&it.subscription().await)["price"]["id"], large);
    assert_eq!(it.invoice().await["total"], 2_100);
    assert_eq!(
        it.schedule().await["phases"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_schedule_of_its_own_makes_its_subscription_when_it_starts() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_500).await;
    let form = |start: &str| {
        format!(
            "customer={}&start_date={start}&phases[0][items][0][price]={price}&phases[0][items][0][quantity]=2\
             &phases[0][metadata][k]=v",
            tenant.customer
        )
    };
    let path = "/v1/subscription_schedules";
    let later = at(START) + 3 * DAY;
    let waiting = sandbox.post(path, form(&later.to_string())).await;
    assert_eq!(waiting["status"], "not_started");
    assert_eq!(waiting["subscription"], Value::Null);
    let list = format!("{path}?customer={}&scheduled=true", tenant.customer);
    assert_eq!(ids(&sandbox.get(&list).await), [id(&waiting)]);
    let now = sandbox.post(path, form("now")).await;
    assert_eq!(now["status"], "active");
    let subscribed = sandbox
        .get(format!("/v1/subscriptions/{}", text(&now["subscription"])))
        .await;
    assert_eq!(subscribed["schedule"], now["id"]);
    assert_eq!(subscribed["metadata"], json!({"k": "v"}));
    sandbox.advance(&tenant.clock, later + HOUR).await;
    let started = sandbox.get(format!("{path}/{}", id(&waiting))).await;
    assert_eq!(started["status"], "active");
    assert_eq!(int(&started["current_phase"]["start_date"]), later);
    let paid = tenant.invoices(&sandbox).await;
    assert_eq!(paid.len(), 2);
    assert!(paid.iter().all(|invoice| invoice["status"] == "paid"));
    assert!(paid.iter().all(|invoice| invoice["total"] == 3_000));
}

#[tokio::test]
async fn a_phase_that_is_over_need_not_be_named_and_cannot_be_changed() {
    let it = Scheduled::at(5_000).await;
    let small = monthly(&it.sandbox, 2_000).await;
    let more = "&phases[1][duration][interval]=month&phases[1][duration][interval_count]=6";
    it.then(&small, more).await;
    let (_, end) = period(&it.subscription);
    it.sandbox.advance(&it.tenant.clock, end + HOUR).await;
    let error = it
        .sandbox
        .post(
            it.path(),
            it.phases(&small).replacen("quantity]=1", "quantity]=2", 1),
        )
        .refused(400)
        .await;
    assert!(text(&error["message"]).contains("already ended"));
    let form = format!(
        "phases[0][items][0][price]={small}&phases[0][start_date]={end}&phases[0][end_date]={}",
        at("2026-03-01T00:00:00Z")
    );
    let shorter = it.sandbox.post(it.path(), form).await;
    let phases = shorter["phases"].as_array().expect("phases");
    assert_eq!(phases.len(), 2);
    assert_eq!(phases[0]["end_date"], end);
    assert_eq!(phases[1]["end_date"], at("2026-03-01T00:00:00Z"));
}

#[tokio::test]
async fn a_phase_can_be_ended_now_for_the_next_to_begin() {
    let it = Scheduled::at(3_100).await;
    let (start, end) = period(&it.subscription);
    let large = monthly(&it.sandbox, 6_200).await;
    let now = start + 10 * DAY;
    it.sandbox.advance(&it.tenant.clock, now).await;
    let old = text(&item(&it.subscription)["price"]["id"]);
    let form = format!(
        "phases[0][items][0][price]={old}&phases[0][start_date]={start}&phases[0][end_date]=now\
         &phases[1][items][0][price]={large}&phases[1][end_date]={end}&phases[1][metadata][k]=v\
         &phases[1][proration_behavior]=always_invoice"
    );
    let changed = it.sandbox.post(it.path(), form).await;
    assert_eq!(changed["current_phase"]["start_date"], now);
    let subscribed = it.subscription().await;
    assert_eq!(item(&subscribed)["price"]["id"], large);
    assert_eq!(subscribed["metadata"]["k"], "v");
    assert_eq!(it.invoice().await["total"], 2_100);
}

#[tokio::test]
async fn a_change_a_card_refuses_leaves_schedule_and_subscription_as_they_were() {
    let it = Scheduled::at(3_100).await;
    let (start, end) = period(&it.subscription);
    let large = monthly(&it.sandbox, 6_200).await;
    it.sandbox.advance(&it.tenant.clock, start + 10 * DAY).await;
    let cards = format!("/v1/payment_methods?customer={}", it.tenant.customer);
    let card = ids(&it.sandbox.get(cards).await).swap_remove(0);
    it.sandbox
        .post(format!("/v1/payment_methods/{card}/detach"), "")
        .await;
    let form = format!(
        "phases[0][items][0][price]={large}&phases[0][start_date]={start}&phases[0][end_date]={end}\
         &proration_behavior=always_invoice"
    );
    it.sandbox.post(it.path(), form).refused(400).await;
    assert_eq!(it.schedule().await, it.schedule);
    assert_eq!(item(&it.subscription().await), item(&it.subscription));
}
