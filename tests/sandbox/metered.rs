//! Metered prices: when their usage is billed, for which time, and at what price.

use serde_json::{Value, json};

use crate::{
    fixtures::{
        DAY, HOUR, Tenant, at, item, meter, metered, monthly, period, report, subscription,
    },
    harness::{Sandbox, data, id, int, text},
};

pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// A tenant with a card, a meter for `calls`, and prices of 2 and of 3 cents for each.
pub(crate) struct Metered {
    pub(crate) sandbox: Sandbox,
    pub(crate) tenant: Tenant,
    pub(crate) two: String,
    pub(crate) three: String,
}

impl Metered {
    pub(crate) async fn new() -> Self {
        let sandbox = Sandbox::start();
        let tenant = Tenant::with_card(&sandbox, START).await;
        let meter = meter(&sandbox, "calls", "").await;
        let two = metered(&sandbox, &meter, "unit_amount=2").await;
        let three = metered(&sandbox, &meter, "unit_amount=3").await;
        Self {
            sandbox,
            tenant,
            two,
            three,
        }
    }

    pub(crate) async fn subscribe(&self, more: &str) -> Value {
        self.tenant.subscribe(&self.sandbox, &self.two, more).await
    }

    pub(crate) async fn report(&self, value: i64, time: i64) {
        report(&self.sandbox, &self.tenant.customer, "calls", value, time).await;
    }

    pub(crate) async fn advance(&self, time: i64) {
        self.sandbox.advance(&self.tenant.clock, time).await;
    }

    pub(crate) async fn update(&self, subscription: &Value, form: &str) -> Value {
        let path = format!("/v1/subscriptions/{}", id(subscription));
        self.sandbox.post(path, form).await
    }

    pub(crate) async fn newest(&self) -> Value {
        self.tenant.invoices(&self.sandbox).await.swap_remove(0)
    }

    pub(crate) async fn preview(&self, subscription: &Value, more: &str) -> Value {
        let form = format!("subscription={}{more}", id(subscription));
        self.sandbox.post("/v1/invoices/create_preview", form).await
    }
}

/// Quantity, amount, and days from the start that a line begins and ends.
pub(crate) fn lines(invoice: &Value) -> Vec<(i64, i64, i64, i64)> {
    let lines = data(&invoice["lines"]).iter();
    lines
        .map(|line| {
            let day = |bound: &str| (int(&line["period"][bound]) - at(START)) / DAY;
            assert_eq!(
                line["parent"]["subscription_item_details"]["proration"], false,
                "{line:#}"
            );
            let quantity = int(&line["quantity"]);
            (quantity, int(&line["amount"]), day("start"), day("end"))
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_billed_in_advance() {
    let m = Metered::new().await;
    let alone = m.subscribe("").await;
    assert_eq!(alone["status"], "active");
    assert_eq!(alone["latest_invoice"], Value::Null);
    assert_eq!(item(&alone).get("quantity"), None);
    assert_eq!(m.tenant.invoices(&m.sandbox).await, Vec::<Value>::new());
    let base = monthly(&m.sandbox, 1_000).await;
    m.subscribe(&format!("&items[1][price]={base}")).await;
    let first = m.newest().await;
    assert_eq!(lines(&first), [(1, 1_000, 0, 31)]);
    assert_eq!(first["status"], "paid");
}

#[tokio::test]
async fn a_renewal_bills_the_period_that_is_over_and_the_one_that_begins() {
    let m = Metered::new().await;
    let base = monthly(&m.sandbox, 1_000).await;
    let subscribed = m.subscribe(&format!("&items[1][price]={base}")).await;
    let end = int(&data(&subscribed["items"])[0]["current_period_end"]);
    m.report(40, at(START)).await;
    m.advance(end - 1).await;
    m.report(2, end - 1).await;
    // The first instant of the next period is the next period's.
    m.report(500, end).await;
    m.advance(end + HOUR).await;
    let renewal = m.newest().await;
    assert_eq!(lines(&renewal), [(42, 84, 0, 31), (1, 1_000, 31, 59)]);
    assert_eq!(renewal["amount_paid"], 1_084);
    assert_eq!(data(&renewal["lines"])[0]["quantity_decimal"], "42");
    assert_eq!(
        data(&renewal["lines"])[0]["pricing"]["unit_amount_decimal"],
        "2"
    );
    m.advance(at("2026-03-01T01:00:00Z")).await;
    assert_eq!(lines(&m.newest().await)[0], (500, 1_000, 31, 59));
}

#[tokio::test]
async fn a_period_without_usage_has_a_line_of_nothing() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    m.advance(period(&subscribed).1 + HOUR).await;
    let renewal = m.newest().await;
    assert_eq!(lines(&renewal), [(0, 0, 0, 31)]);
    assert_eq!(renewal["status"], "paid");
}

#[tokio::test]
async fn usage_reported_while_the_renewal_is_a_draft_is_on_it() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    let end = period(&subscribed).1;
    m.report(10, at(START)).await;
    m.advance(end).await;
    let draft = m.newest().await;
    assert_eq!(lines(&draft), [(10, 20, 0, 31)]);
    m.report(5, end - DAY).await;
    m.advance(end + HOUR).await;
    let paid = m.newest().await;
    assert_eq!(lines(&paid), [(15, 30, 0, 31)]);
    assert_eq!(paid["amount_paid"], 30);
    assert_eq!(
        data(&paid["lines"])[0]["id"],
        data(&draft["lines"])[0]["id"]
    );
    // What comes after that is lost: the invoice is final, and the time is not the next one's.
    m.report(100, end - DAY).await;
    assert_eq!(lines(&m.newest().await), [(15, 30, 0, 31)]);
    let next = m.preview(&subscribed, "").await;
    assert_eq!(lines(&next), [(0, 0, 31, 59)]);
}

#[tokio::test]
async fn a_preview_shows_the_usage_so_far() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    m.report(10, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(10, 20, 0, 31)]);
    m.report(-3, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(7, 14, 0, 31)]);
    m.report(-30, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(0, 0, 0, 31)]);
}

#[tokio::test]
async fn usage_that_does_not_show_yet_is_billed_all_the_same() {
    let m = Metered::new().await;
    m.sandbox.settings(json!({"meter_lag_seconds": 600})).await;
    let subscribed = m.subscribe("").await;
    m.report(10, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(0, 0, 0, 31)]);
    m.advance(period(&subscribed).1 + HOUR).await;
    assert_eq!(lines(&m.newest().await), [(10, 20, 0, 31)]);
}

#[tokio::test]
async fn metered_items_have_no_quantity() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    let (customer, two) = (&m.tenant.customer, &m.two);
    let item = id(item(&subscribed));
    let subscription = id(&subscribed);
    for (path, form) in [
        (
            "/v1/subscriptions".to_owned(),
            format!("customer={customer}&items[0][price]={two}&items[0][quantity]=1"),
        ),
        (
            format!("/v1/subscriptions/{subscription}"),
            format!("items[0][id]={item}&items[0][quantity]=1"),
        ),
        (
            format!("/v1/subscription_items/{item}"),
            "quantity=1".to_owned(),
        ),
        (
            "/v1/subscription_items".to_owned(),
            format!("subscription={subscription}&price={}&quantity=0", m.three),
        ),
        (
            "/v1/invoices/create_preview".to_owned(),
            format!(
                "subscription={subscription}&subscription_details[items][0][id]={item}\
                 &subscription_details[items][0][quantity]=1"
            ),
        ),
    ] {
        let error = m.sandbox.post(&path, form).refused(400).await;
        assert!(text(&error["message"]).contains("`metered`"), "{path}");
    }
}

#[tokio::test]
async fn an_immediate_cancellation_bills_usage_only_if_asked() {
    for (form, expected) in [("invoice_now=true", Some(20)), ("", None)] {
        let m = Metered::new().await;
        let subscribed = m.subscribe("").await;
        m.report(10, at(START)).await;
        m.advance(at(START) + 15 * DAY).await;
        // Not used yet, and never to be billed.
        m.report(1, at(START) + 15 * DAY + 60).await;
        let path = format!("/v1/subscriptions/{}", id(&subscribed));
        m.sandbox.delete_with(path, form).await;
        let invoices = m.tenant.invoices(&m.sandbox).await;
        let paid: Vec<_> = invoices.iter().map(|it| int(&it["amount_paid"])).collect();
        assert_eq!(paid, Vec::from_iter(expected), "{form}");
        if let Some(invoice) = invoices.first() {
            assert_eq!(lines(invoice), [(10, 20, 0, 15)]);
        }
    }
}

#[tokio::test]
async fn a_cancellation_without_usage_makes_no_invoice() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("").await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    m.sandbox.delete_with(path, "invoice_now=true").await;
    assert!(m.tenant.invoices(&m.sandbox).await.is_empty());
}

#[tokio::test]
async fn a_subscription_that_ends_with_its_period_bills_its_last_usage() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("&cancel_at_period_end=true").await;
    let end = period(&subscribed).1;
    m.report(10, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(10, 20, 0, 31)]);
    m.advance(end).await;
    assert_eq!(
        subscription(&m.sandbox, &subscribed).await["status"],
        "canceled"
    );
    m.report(1, end - 1).await;
    m.advance(end + HOUR).await;
    let last = m.newest().await;
    assert_eq!(lines(&last), [(11, 22, 0, 31)]);
    assert_eq!(last["status"], "paid");
}

#[tokio::test]
async fn usage_in_a_trial_is_listed_and_free() {
    let m = Metered::new().await;
    let subscribed = m.subscribe("&trial_period_days=10").await;
    assert_eq!(subscribed["latest_invoice"], Value::Null);
    m.report(10, at(START)).await;
    let trial_end = period(&subscribed).1;
    m.advance(trial_end + HOUR).await;
    let invoice = m.newest().await;
    assert_eq!(lines(&invoice), [(10, 0, 0, 10)]);
    assert!(
        text(&data(&invoice["lines"])[0]["description"]).starts_with("Free trial for 10 ×"),
        "{invoice:#}"
    );
    m.report(3, trial_end).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(3, 6, 10, 41)]);
}

#[tokio::test]
async fn a_trial_that_is_ended_now_leaves_its_usage_free() {
    let m = Metered::new().await;
    let base = monthly(&m.sandbox, 1_000).await;
    let more = format!("&items[1][price]={base}&trial_period_days=10");
    let subscribed = m.subscribe(&more).await;
    m.report(10, at(START)).await;
    m.advance(at(START) + 5 * DAY).await;
    m.update(&subscribed, "trial_end=now").await;
    let invoice = m.newest().await;
    assert_eq!(lines(&invoice), [(10, 0, 0, 5), (1, 1_000, 5, 36)]);
}

#[tokio::test]
async fn usage_is_counted_for_each_customer_alone() {
    let m = Metered::new().await;
    let other = Tenant::with_card(&m.sandbox, START).await;
    let subscribed = m.subscribe("").await;
    report(&m.sandbox, &other.customer, "calls", 99, at(START)).await;
    m.report(1, at(START)).await;
    assert_eq!(lines(&m.preview(&subscribed, "").await), [(1, 2, 0, 31)]);
}

#[tokio::test]
async fn a_metered_price_needs_an_active_meter_and_a_licensed_one_takes_none() {
    let sandbox = Sandbox::start();
    let meter = meter(&sandbox, "calls", "").await;
    let product = crate::fixtures::product(&sandbox).await;
    let create = |recurring: &str| {
        let form = format!(
            "product={product}&currency=usd&unit_amount=1&recurring[interval]=month{recurring}"
        );
        sandbox.post("/v1/prices", form)
    };
    let metered = "&recurring[usage_type]=metered";
    let backed = format!("{metered}&recurring[meter]={meter}");
    let price = create(&backed).await;
    assert_eq!(price["recurring"]["meter"], json!(meter));
    let listed = sandbox
        .get(format!("/v1/prices?recurring[meter]={meter}"))
        .await;
    assert_eq!(data(&listed).len(), 1);
    let unknown = format!("{metered}&recurring[meter]=mtr_unheard_of");
    let licensed = format!("&recurring[meter]={meter}");
    for wrong in [metered, &unknown, &licensed] {
        let error = create(wrong).refused(400).await;
        assert_eq!(error["param"], "recurring[meter]", "{wrong}");
    }
    sandbox
        .post(format!("/v1/billing/meters/{meter}/deactivate"), "")
        .await;
    let error = create(&backed).refused(400).await;
    assert_eq!(error["param"], "recurring[meter]");
}
