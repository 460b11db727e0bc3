//! What `--state` keeps across a restart.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, Tenant, at, meter, metered, monthly, period, subscription, usage},
    harness::{Sandbox, id},
};

/// A file of the test's own, gone with the value.
struct StateFile(PathBuf);

impl StateFile {
    fn new(name: &str) -> Self {
        Self(
            std::env::temp_dir().join(format!("stripe-sandbox-{}-{name}.json", std::process::id())),
        )
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::start_with(&["--state", self.0.to_str().expect("a UTF-8 path")])
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        // A test that failed early may have left none.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let file = StateFile::new("restart");
    let sandbox = file.sandbox();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let form = format!(
        "mode=setup&currency=usd&success_url=https://a.example&customer={}",
        tenant.customer
    );
    sandbox.post("/v1/checkout/sessions", form).await;
    let form = format!("customer={}", tenant.customer);
    sandbox.post("/v1/billing_portal/sessions", form).await;
    for path in ["/early_fraud_warnings", "/disputes"] {
        let body = json!({"customer": tenant.customer});
        sandbox.control("POST", path, body).await;
    }
    let targets = [
        "/v1/account".to_owned(),
        "/v1/billing_portal/configurations".to_owned(),
        "/v1/checkout/sessions".to_owned(),
        "/v1/disputes".to_owned(),
        "/v1/radar/early_fraud_warnings".to_owned(),
        format!("/v1/customers/{}", tenant.customer),
        format!(
            "/v1/subscriptions/{}?expand[]=latest_invoice.payments",
            id(&subscribed)
        ),
        format!("/v1/invoices?customer={}", tenant.customer),
        format!("/v1/payment_methods?customer={}", tenant.customer),
        format!("/v1/test_helpers/test_clocks/{}", tenant.clock),
        "/v1/events?limit=100".to_owned(),
    ];
    let mut before = Vec::new();
    for target in &targets {
        before.push(sandbox.get(target).await);
    }
    sandbox.stop();
    let sandbox = file.sandbox();
    for (target, before) in targets.iter().zip(&before) {
        assert_eq!(&sandbox.get(target).await, before, "{target}");
    }
}

#[tokio::test]
async fn billing_goes_on_after_a_restart() {
    let file = StateFile::new("billing");
    let sandbox = file.sandbox();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    sandbox.stop();
    let sandbox = file.sandbox();
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + DAY)
        .await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "paid");
    assert_eq!(
        subscription(&sandbox, &subscribed).await["status"],
        "active"
    );
}

#[tokio::test]
async fn usage_and_balances_outlive_a_restart() {
    let file = StateFile::new("usage");
    let sandbox = file.sandbox();
    let start = at("2026-01-01T00:00:00Z");
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let meter = meter(&sandbox, "calls", "&event_time_window=day").await;
    let price = metered(&sandbox, &meter, "unit_amount=2").await;
    let subscribed = tenant.subscribe(&sandbox, &price, "").await;
    let event = usage(&tenant.customer, "calls", "40", start) + "&identifier=a";
    sandbox.post("/v1/billing/meter_events", &event).await;
    let path = format!("/v1/customers/{}/balance_transactions", tenant.customer);
    sandbox.post(&path, "amount=-30&currency=usd").await;
    let targets = [
        "/v1/billing/meters".to_owned(),
        format!(
            "/v1/billing/meters/{meter}/event_summaries?customer={}&start_time={start}&end_time={}",
            tenant.customer,
            start + DAY
        ),
        path,
    ];
    let mut before = Vec::new();
    for target in &targets {
        before.push(sandbox.get(target).await);
    }
    sandbox.stop();
    let sandbox = file.sandbox();
    for (target, before) in targets.iter().zip(&before) {
        assert_eq!(&sandbox.get(target).await, before, "{target}");
    }
    sandbox
        .post("/v1/billing/meter_events", &event)
        .refused(400)
        .await;
    sandbox
        .advance(&tenant.clock, period(&subscribed).1 + DAY)
        .await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(
        (&invoice["total"], &invoice["amount_paid"]),
        (&80.into(), &50.into())
    );
}

#[tokio::test]
async fn idempotency_keys_are_remembered_across_a_restart() {
    let file = StateFile::new("idempotency");
    let sandbox = file.sandbox();
    let first = sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .send()
        .await;
    sandbox.stop();
    let sandbox = file.sandbox();
    let second = sandbox
        .post("/v1/customers", "name=A")
        .idempotency_key("k")
        .send()
        .await;
    assert_eq!(second.bytes, first.bytes);
}

#[tokio::test]
async fn what_was_saved_last_survives_a_kill() {
    let file = StateFile::new("kill");
    let sandbox = file.sandbox();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let saved = || async {
        std::fs::read_to_string(&file.0)
            .is_ok_and(|text| text.contains(&customer))
            .then_some(())
    };
    sandbox.eventually("the customer in the file", saved).await;
    drop(sandbox);
    let sandbox = file.sandbox();
    assert_eq!(
        sandbox.get(format!("/v1/customers/{customer}")).await["name"],
        "A"
    );
}

#[tokio::test]
async fn without_a_state_file_every_start_is_the_first() {
    let sandbox = Sandbox::start();
    sandbox.post("/v1/customers", "name=A").await;
    sandbox.stop();
    let sandbox = Sandbox::start();
    assert_eq!(
        sandbox.get("/v1/customers").await["data"],
        Value::Array(Vec::new())
    );
}

#[tokio::test]
async fn a_schedule_takes_its_turn_after_a_restart() {
    let file = StateFile::new("schedule");
    let sandbox = file.sandbox();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let [large, small] = [monthly(&sandbox, 1_000).await, monthly(&sandbox, 400).await];
    let subscribed = tenant.subscribe(&sandbox, &large, "").await;
    let form = format!("from_subscription={}", id(&subscribed));
    let schedule = id(&sandbox.post("/v1/subscription_schedules", form).await);
    let path = format!("/v1/subscription_schedules/{schedule}");
    let (start, end) = period(&subscribed);
    let form = format!(
        "phases[0][items][0][price]={large}&phases[0][start_date]={start}&phases[0][end_date]={end}\
         &phases[1][items][0][price]={small}"
    );
    let planned = sandbox.post(&path, form).await;
    sandbox.stop();
    let sandbox = file.sandbox();
    assert_eq!(sandbox.get(&path).await, planned);
    sandbox.advance(&tenant.clock, end).await;
    let renewed = subscription(&sandbox, &subscribed).await;
    assert_eq!(renewed["items"]["data"][0]["price"]["id"], small);
}
