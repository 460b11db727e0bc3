//! What schedules forbid, and how they and their subscriptions part.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, event_types, item, monthly, period},
    harness::{Sandbox, id, text},
    schedules::Scheduled,
};

const START: &str = "2026-01-01T00:00:00Z";

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

#[tokio::test]
async fn retries_used_up_abort_the_schedule_with_its_subscription() {
    let it = Scheduled::at(1_000).await;
    let more = "&phases[1][duration][interval]=year";
    it.then(&monthly(&it.sandbox, 2_000).await, more).await;
    crate::fixtures::cards(
        &it.sandbox,
        &it.tenant.customer,
        "decline:insufficient_funds",
    )
    .await;
    let (_, end) = period(&it.subscription);
    it.sandbox.advance(&it.tenant.clock, end + 20 * DAY).await;
    assert_eq!(it.subscription().await["status"], "canceled");
    assert_eq!(it.schedule().await["status"], "canceled");
    let events = event_types(&it.sandbox).await;
    assert!(events.contains(&"subscription_schedule.aborted".to_owned()));
}

#[tokio::test]
async fn a_cancel_date_set_by_a_schedule_may_outlive_it() {
    let it = Scheduled::at(1_000).await;
    let (_, end) = period(&it.subscription);
    it.sandbox.post(it.path(), "end_behavior=cancel").await;
    let release = format!("{}/release", it.path());
    it.sandbox.post(release, "preserve_cancel_date=true").await;
    assert_eq!(it.subscription().await["cancel_at"], end);
    it.sandbox.advance(&it.tenant.clock, end).await;
    assert_eq!(it.subscription().await["status"], "canceled");
}

#[tokio::test]
async fn a_phase_begins_although_the_trial_before_it_ends_in_a_pause() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let [large, small] = [
        monthly(&sandbox, 2_000).await,
        monthly(&sandbox, 1_000).await,
    ];
    let more = "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let subscription = tenant.subscribe(&sandbox, &large, more).await;
    let form = format!("from_subscription={}", id(&subscription));
    let schedule = sandbox.post("/v1/subscription_schedules", form).await;
    let end = at(START) + 7 * DAY;
    assert_eq!(schedule["phases"][0]["trial_end"], end);
    let it = Scheduled {
        sandbox,
        tenant,
        subscription,
        schedule,
    };
    let more = "&phases[0][trial_end]=1767830400&phases[1][duration][interval]=year";
    it.then(&small, more).await;
    it.sandbox.advance(&it.tenant.clock, end + DAY).await;
    let paused = it.subscription().await;
    assert_eq!(paused["status"], "paused");
    assert_eq!(item(&paused)["price"]["id"], small);
    assert_eq!(it.schedule().await["current_phase"]["start_date"], end);
}
