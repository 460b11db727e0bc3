//! The objects most tests begin with.

use serde_json::{Value, json};

use crate::harness::{Sandbox, data, id, int};

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Unix seconds of an RFC 3339 time.
pub(crate) fn at(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>()
        .unwrap_or_else(|error| panic!("{time}: {error}"))
        .as_second()
}

/// A customer whose time a test clock keeps.
pub(crate) struct Tenant {
    pub(crate) clock: String,
    pub(crate) customer: String,
}

impl Tenant {
    /// With a card that is charged without asking.
    pub(crate) async fn with_card(sandbox: &Sandbox, now: &str) -> Self {
        let tenant = Self::without_card(sandbox, now).await;
        add_card(sandbox, &tenant.customer).await;
        tenant
    }

    pub(crate) async fn without_card(sandbox: &Sandbox, now: &str) -> Self {
        let clock = id(&sandbox
            .post(
                "/v1/test_helpers/test_clocks",
                format!("frozen_time={}", at(now)),
            )
            .await);
        let form = format!("email=a@tenant.example&test_clock={clock}");
        let customer = id(&sandbox.post("/v1/customers", form).await);
        Self { clock, customer }
    }

    /// Subscribes to one price; `more` is appended to the form.
    pub(crate) async fn subscribe(&self, sandbox: &Sandbox, price: &str, more: &str) -> Value {
        let form = format!("customer={}&items[0][price]={price}{more}", self.customer);
        sandbox.post("/v1/subscriptions", form).await
    }

    /// The customer's invoices, newest first.
    pub(crate) async fn invoices(&self, sandbox: &Sandbox) -> Vec<Value> {
        data(
            &sandbox
                .get(format!("/v1/invoices?limit=100&customer={}", self.customer))
                .await,
        )
        .to_vec()
    }
}

/// Attaches a card that works and makes it the customer's default.
pub(crate) async fn add_card(sandbox: &Sandbox, customer: &str) -> String {
    let card = sandbox
        .post(
            "/v1/payment_methods/pm_card_visa/attach",
            format!("customer={customer}"),
        )
        .await;
    let card = id(&card);
    let form = format!("invoice_settings[default_payment_method]={card}");
    sandbox
        .post(format!("/v1/customers/{customer}"), form)
        .await;
    card
}

/// What the customer's cards do from now on.
pub(crate) async fn cards(sandbox: &Sandbox, customer: &str, behavior: &str) {
    sandbox
        .control(
            "POST",
            "/cards",
            json!({"customer": customer, "behavior": behavior}),
        )
        .await;
}

pub(crate) async fn product(sandbox: &Sandbox) -> String {
    id(&sandbox.post("/v1/products", "name=Plan").await)
}

/// A price in US cents each month.
pub(crate) async fn monthly(sandbox: &Sandbox, amount: i64) -> String {
    recurring(sandbox, amount, "month").await
}

pub(crate) async fn recurring(sandbox: &Sandbox, amount: i64, interval: &str) -> String {
    let product = product(sandbox).await;
    let form = format!(
        "product={product}&currency=usd&unit_amount={amount}&recurring[interval]={interval}"
    );
    id(&sandbox.post("/v1/prices", form).await)
}

pub(crate) async fn subscription(sandbox: &Sandbox, subscription: &Value) -> Value {
    sandbox
        .get(format!("/v1/subscriptions/{}", id(subscription)))
        .await
}

/// The only item of a subscription.
pub(crate) fn item(subscription: &Value) -> &Value {
    let items = data(&subscription["items"]);
    assert_eq!(items.len(), 1, "{items:?}");
    &items[0]
}

/// The current period of a subscription's only item.
pub(crate) fn period(subscription: &Value) -> (i64, i64) {
    let item = item(subscription);
    (
        int(&item["current_period_start"]),
        int(&item["current_period_end"]),
    )
}

/// The types of the account's events, oldest first.
pub(crate) async fn event_types(sandbox: &Sandbox) -> Vec<String> {
    let events = sandbox.get("/v1/events?limit=100").await;
    data(&events)
        .iter()
        .rev()
        .map(|event| event["type"].as_str().expect("a type").to_owned())
        .collect()
}

/// A meter for events of this name; `more` is appended to the form.
pub(crate) async fn meter(sandbox: &Sandbox, event_name: &str, more: &str) -> String {
    let form = format!(
        "display_name=Usage&event_name={event_name}&default_aggregation[formula]=sum{more}"
    );
    id(&sandbox.post("/v1/billing/meters", form).await)
}

/// A price in US dollars for what a meter counts in a month.
pub(crate) async fn metered(sandbox: &Sandbox, meter: &str, terms: &str) -> String {
    let product = product(sandbox).await;
    let form = format!(
        "product={product}&currency=usd&recurring[interval]=month&recurring[usage_type]=metered\
         &recurring[meter]={meter}&{terms}"
    );
    id(&sandbox.post("/v1/prices", form).await)
}

/// The form of a meter event.
pub(crate) fn usage(customer: &str, event_name: &str, value: &str, time: i64) -> String {
    format!(
        "event_name={event_name}&payload[stripe_customer_id]={customer}&payload[value]={value}&timestamp={time}"
    )
}

/// Reports usage.
pub(crate) async fn report(
    sandbox: &Sandbox,
    customer: &str,
    event_name: &str,
    value: i64,
    time: i64,
) -> Value {
    let form = usage(customer, event_name, &value.to_string(), time);
    sandbox.post("/v1/billing/meter_events", form).await
}
