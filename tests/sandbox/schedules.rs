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
struct Scheduled {
    sandbox: Sandbox,
    tenant: Tenant,
    subscription: Value,
    schedule: Value,
}

impl Scheduled {
    async fn at(price: i64) -> Self {
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

    fn path(&self) -> String {
        format!("/v1/subscription_schedules/{}", id(&self.schedule))
    }

    /// The first phase as it is, then another with this price; `more` belongs to that one.
    async fn then(&self, price: &str, more: &str) -> Value {
        self.sandbox
            .post(self.path(), format!("{}{more}", self.phases(price)))
            .await
    }

    fn phases(&self, price: &str) -> String {
        let current = item(&self.subscription);
        let (start, end) = period(&self.subscription);
        format!(
            "phases[0][items][0][price]={}&phases[0][items][0][quantity]=1&phases[0][start_date]={start}\
             &phases[0][end_date]={end}&phases[1][items][0][price]={price}",
            text(&current["price"]["id"])
        )
    }

    async fn schedule(&self) -> Value {
        self.sandbox.get(self.path()).await
    }

    async fn subscription(&self) -> Value {
        subscription(&self.sandbox, &self.subscription).await
    }

    async fn invoice(&self) -> Value {
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
async fn a_subscription_has_one_schedule_and_its_creation_takes_nothing_else() {
    let it = Scheduled::at(1_000).await;
    let path = "/v1/subscription_schedules";
    let form = format!("from_subscription={}", id(&it.subscription));
    let error = it.sandbox.post(path, &form).refused(400).await;
    let message = text(&error["message"]);
    assert!(
        message.contains("already attached to a schedule"),
        "{message}"
    );
    let form = format!("{form}&end_behavior=cancel");
    let error = it.sandbox.post(path, form).refused(400).await;
    assert_eq!(error["param"], "end_behavior");
    let form = "from_subscription=sub_none";
    let error = it.sandbox.post(path, form).refused(400).await;
    assert_eq!(error["code"], "resource_missing");
    let error = it
        .sandbox
        .post(
            it.path(),
            format!("{}&phases[1][iterations]=1", it.phases("p")),
        )
        .wrong()
        .refused(400)
        .await;
    assert_eq!(error["code"], "parameter_unknown");
    assert_eq!(error["param"], "phases[1][iterations]");
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
async fn a_managed_subscriptions_end_is_the_schedules_business() {
    let it = Scheduled::at(1_000).await;
    let path = format!("/v1/subscriptions/{}", id(&it.subscription));
    for form in [
        "cancel_at_period_end=true",
        "cancel_at=1800000000",
        "cancel_at=min_period_end",
    ] {
        let error = it.sandbox.post(&path, form).refused(400).await;
        assert_eq!(
            error["message"],
            format!(
                "The subscription is managed by the subscription schedule `{}`, and updating any cancelation behavior \
                 directly is not allowed. Please update the schedule instead.",
                id(&it.schedule)
            )
        );
    }
    let changed = it.sandbox.post(&path, "metadata[a]=b").await;
    assert_eq!(changed["metadata"]["a"], "b");
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
async fn a_released_subscription_goes_on_as_it_is() {
    let it = Scheduled::at(1_000).await;
    it.then(&monthly(&it.sandbox, 2_000).await, "&end_behavior=cancel")
        .await;
    assert_ne!(it.subscription().await["cancel_at"], Value::Null);
    let released = it.sandbox.post(format!("{}/release", it.path()), "").await;
    assert_eq!(released["status"], "released");
    assert_eq!(released["subscription"], Value::Null);
    assert_eq!(released["released_subscription"], it.subscription["id"]);
    assert_ne!(released["released_at"], Value::Null);
    let free = it.subscription().await;
    assert_eq!(free["schedule"], Value::Null);
    assert_eq!(free["cancel_at"], Value::Null);
    let (_, end) = period(&it.subscription);
    it.sandbox.advance(&it.tenant.clock, end + HOUR).await;
    assert_eq!(it.invoice().await["total"], 1_000);
    let error = it
        .sandbox
        .post(format!("{}/release", it.path()), "")
        .refused(400)
        .await;
    assert!(text(&error["message"]).contains("`released` status"));
    it.sandbox
        .post(it.path(), "end_behavior=cancel")
        .refused(400)
        .await;
}

#[tokio::test]
async fn a_schedule_and_its_subscription_end_together() {
    let it = Scheduled::at(3_100).await;
    it.sandbox
        .advance(&it.tenant.clock, period(&it.subscription).0 + 10 * DAY)
        .await;
    let canceled = it.sandbox.post(format!("{}/cancel", it.path()), "").await;
    assert_eq!(canceled["status"], "canceled");
    assert_ne!(canceled["canceled_at"], Value::Null);
    assert_eq!(it.subscription().await["status"], "canceled");
    assert_eq!(
        it.invoice().await["total"],
        -2_100,
        "unused time is credited"
    );
    let other = Scheduled::at(1_000).await;
    let path = format!("/v1/subscriptions/{}", id(&other.subscription));
    other.sandbox.delete(path).await;
    assert_eq!(other.schedule().await["status"], "canceled");
    assert!(
        event_types(&other.sandbox)
            .await
            .contains(&"subscription_schedule.canceled".to_owned())
    );
}

#[tokio::test]
async fn phases_follow_each_other_and_those_begun_keep_their_beginning() {
    let it = Scheduled::at(1_000).await;
    let price = text(&item(&it.subscription)["price"]["id"]);
    let (start, end) = period(&it.subscription);
    let items = |n: usize| format!("phases[{n}][items][0][price]={price}");
    let cases = [
        (
            format!("{}&phases[0][end_date]={end}", items(0)),
            "is missing at least one phase with a `start_date`",
        ),
        (
            format!(
                "{}&phases[0][start_date]={}&phases[0][end_date]={end}",
                items(0),
                start + DAY
            ),
            "can not modify the start date of the current phase",
        ),
        (
            format!(
                "{}&phases[0][start_date]={start}&phases[0][end_date]={end}&{}&phases[1][start_date]={}",
                items(0),
                items(1),
                end + DAY
            ),
            "must be contiguous",
        ),
        (
            format!(
                "{}&phases[0][start_date]={start}&phases[0][end_date]={start}",
                items(0)
            ),
            "must be after its start date",
        ),
    ];
    for (form, message) in cases {
        let error = it.sandbox.post(it.path(), form).refused(400).await;
        let said = text(&error["message"]);
        assert!(said.contains(message), "{said}");
    }
    assert_eq!(it.schedule().await["phases"], it.schedule["phases"]);
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
async fn a_customer_keeps_one_currency_while_a_schedule_waits() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let dollars = monthly(&sandbox, 1_500).await;
    let product = crate::fixtures::product(&sandbox).await;
    let form = format!("product={product}&currency=eur&unit_amount=900&recurring[interval]=month");
    let euros = id(&sandbox.post("/v1/prices", form).await);
    let form = format!(
        "customer={}&start_date={}&phases[0][items][0][price]={dollars}",
        tenant.customer,
        at(START) + DAY
    );
    let waiting = sandbox.post("/v1/subscription_schedules", form).await;
    let subscribe = format!("customer={}&items[0][price]={euros}", tenant.customer);
    let error = sandbox
        .post("/v1/subscriptions", &subscribe)
        .refused(400)
        .await;
    let message = text(&error["message"]);
    assert!(
        message.starts_with("You cannot combine currencies on a single customer.")
            && message.ends_with("with currency usd"),
        "{message}"
    );
    let cancel = format!("/v1/subscription_schedules/{}/cancel", id(&waiting));
    sandbox.post(cancel, "").await;
    sandbox.post("/v1/subscriptions", subscribe).await;
    let customer = format!("/v1/customers/{}", tenant.customer);
    assert_eq!(sandbox.get(customer).await["currency"], "eur");
}
