//! What the operator says that a change will charge is what it charges, to the cent: over plans,
//! dates, intervals, quantities and currencies, through the operator's own calls.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config as RunnerConfig, TestCaseError, TestRunner};
use serde_json::Value;
use support::sandbox::{API_KEY, Sandbox};
use tenant_billing::api::{Charged, Proration};
use tenant_billing::converge::observed::TenantKey;
use tenant_billing::converge::quote::QuoteRequest;
use tenant_billing::converge::steps::{Cause, ItemChange, Step};
use tenant_billing::stripe::{Client, Config, KeySource, Secret, Session};

/// The first of November 2026.
const START: i64 = 1_793_491_200;

/// What the meter counts.
const EVENT: &str = "calls";

#[derive(Clone, Debug)]
struct Terms {
    amount: i64,
    interval: &'static str,
    quantity: i64,
}

#[derive(Clone, Debug)]
struct Case {
    currency: &'static str,
    before: Terms,
    after: Terms,
    proration: Proration,
    /// How far into its period the change is made.
    elapsed: f64,
    /// Another change before it, whose prorations are still pending.
    earlier: bool,
    /// Units used so far, on a metered price that changes along.
    used: Option<i64>,
}

fn terms() -> impl Strategy<Value = Terms> {
    let amount = prop_oneof![4 => 1_i64..200_000, 1 => Just(0)];
    let interval = prop::sample::select(vec!["month", "month", "year"]);
    (amount, interval, 1_i64..6).prop_map(|(amount, interval, quantity)| Terms {
        // Stripe takes only multiples of ten of the smallest unit of currencies with three decimals.
        amount: amount * 10,
        interval,
        quantity,
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let currency = prop::sample::select(vec!["usd", "eur", "jpy", "kwd"]);
    let proration = prop::sample::select(vec![
        Proration::Create,
        Proration::InvoiceNow,
        Proration::None,
    ]);
    let all = (
        currency,
        terms(),
        terms(),
        proration,
        0.0..0.99_f64,
        any::<bool>(),
        prop::option::of(0_i64..5000),
    );
    all.prop_map(
        |(currency, before, after, proration, elapsed, earlier, used)| Case {
            currency,
            before,
            after,
            proration,
            elapsed,
            earlier,
            used,
        },
    )
}

#[test]
fn a_preview_is_the_charge_that_follows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (sandbox, meter, session) = runtime.block_on(async {
        let unlimited = [
            "--rate-limit-read",
            "100000",
            "--rate-limit-write",
            "100000",
        ];
        let sandbox = Sandbox::start_with(&unlimited).await;
        let key = KeySource::Value(Secret::new(API_KEY));
        let config = Config {
            max_requests_per_second: Some(1000),
            ..Config::new(sandbox.url(), key)
        };
        let session = Client::new(config).unwrap().session().await.unwrap();
        let form = [
            ("display_name", "Calls"),
            ("event_name", EVENT),
            ("default_aggregation[formula]", "sum"),
        ];
        let meter = sandbox.post("/v1/billing/meters", &form).await;
        (sandbox, text(&meter["id"]), session)
    });
    let cases_wanted = std::env::var("PROPTEST_CASES").map_or(60, |count| count.parse().unwrap());
    let config = RunnerConfig {
        cases: cases_wanted,
        failure_persistence: None,
        ..RunnerConfig::default()
    };
    TestRunner::new(config)
        .run(&cases(), |case| {
            runtime.block_on(check(&sandbox, &meter, &session, &case))
        })
        .unwrap();
}

async fn check(
    sandbox: &Sandbox,
    meter: &str,
    session: &Session,
    case: &Case,
) -> Result<(), TestCaseError> {
    let payer = Payer::subscribe(sandbox, meter, case).await;
    let (start, end) = payer.period().await;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "some second of the period"
    )]
    let now = start + ((end - start) as f64 * case.elapsed) as i64;
    if case.earlier && now > start + 10 {
        payer.at(start + (now - start) / 2).await;
        payer
            .change_quantity_by_hand(case.before.quantity + 1)
            .await;
    }
    payer.at(now).await;
    if let Some(units) = case.used {
        payer.report(units, start.max(now - 10 * 86_400)).await;
    }

    let price = payer.price(&case.after).await;
    let mut items = vec![ItemChange::Update {
        item: payer.item().await,
        price,
        quantity: Some(case.after.quantity),
    }];
    if case.used.is_some() {
        items.push(ItemChange::Update {
            item: payer.metered_item().await,
            price: payer.metered_price(case.after.interval, "0.25").await,
            quantity: None,
        });
    }
    let before = if case.earlier && now > start + 10 {
        case.before.quantity + 1
    } else {
        case.before.quantity
    } * case.before.amount;
    // With a meter it was never free.
    let leaves_free = before == 0 && case.used.is_none() && case.after.amount > 0;
    let begins_anew = case.before.interval != case.after.interval || leaves_free;
    if case.proration == Proration::None && !begins_anew {
        return Ok(());
    }
    let charged = if begins_anew || case.proration == Proration::InvoiceNow {
        Charged::Now
    } else {
        Charged::NextInvoice
    };
    let at = Timestamp::from_second(now).unwrap();
    let request = QuoteRequest {
        subscription: payer.subscription.clone(),
        items: items.clone(),
        proration: case.proration,
        proration_date: at,
        charged,
        currency: case.currency.to_owned(),
        fingerprint: String::new(),
    };
    let quote = session.quote(&request, at).await.unwrap();
    let invoices = payer.invoices().await.len();
    let step = Step::ChangeItems {
        subscription: payer.subscription.clone(),
        items,
        proration: case.proration,
        proration_date: (case.proration != Proration::None).then_some(at),
        cause: Cause::Wanted,
        changes: Vec::new(),
    };
    let key = TenantKey {
        owner: "default".to_owned(),
        tenant: payer.customer.clone(),
    };
    session.run_step(&step, &key, None, 0).await.unwrap();

    let after = payer.invoices().await;
    match charged {
        Charged::Now => {
            // A change that comes to nothing may make no invoice at all.
            let billed: i64 = after[invoices..].iter().map(total).sum();
            prop_assert_eq!(quote.amount, billed);
        }
        Charged::NextInvoice => {
            prop_assert_eq!(after.len(), invoices, "nothing is charged now");
            let pending = payer.pending_since(now).await;
            prop_assert_eq!(quote.amount, pending);
            let (_, end) = payer.period().await;
            payer.at(end + 7200).await;
            let renewal = payer.invoices().await.pop().unwrap();
            let lines = renewal["lines"]["data"].as_array().unwrap();
            let billed = prorated_since(lines, now);
            prop_assert_eq!(quote.amount, billed, "on the renewal's invoice");
        }
    }
    Ok(())
}

fn total(invoice: &Value) -> i64 {
    invoice["total"].as_i64().unwrap()
}

/// What the lines that prorate from a time come to.
fn prorated_since(lines: &[Value], start: i64) -> i64 {
    let is_proration = |line: &Value| {
        let parent = &line["parent"];
        ["subscription_item_details", "invoice_item_details"]
            .iter()
            .any(|details| parent[details]["proration"] == true)
    };
    lines
        .iter()
        .filter(|line| is_proration(line) && line["period"]["start"] == start)
        .map(|line| line["amount"].as_i64().unwrap())
        .sum()
}

/// A customer on a clock of its own.
struct Payer<'a> {
    sandbox: &'a Sandbox,
    clock: String,
    customer: String,
    subscription: String,
    product: String,
    meter: &'a str,
    currency: &'static str,
}

impl<'a> Payer<'a> {
    async fn subscribe(sandbox: &'a Sandbox, meter: &'a str, case: &Case) -> Self {
        let clock = sandbox.test_clock(START).await;
        let form = [
            ("test_clock", clock.as_str()),
            ("payment_method", "pm_card_visa"),
            ("invoice_settings[default_payment_method]", "pm_card_visa"),
        ];
        let customer = sandbox.post("/v1/customers", &form).await;
        let product = sandbox.post("/v1/products", &[("name", "Plan")]).await;
        let mut payer = Self {
            sandbox,
            clock,
            customer: text(&customer["id"]),
            subscription: String::new(),
            product: text(&product["id"]),
            meter,
            currency: case.currency,
        };
        let price = payer.price(&case.before).await;
        let quantity = case.before.quantity.to_string();
        let mut form = vec![
            ("customer", payer.customer.as_str()),
            ("items[0][price]", price.as_str()),
            ("items[0][quantity]", quantity.as_str()),
        ];
        let metered;
        if case.used.is_some() {
            metered = payer.metered_price(case.before.interval, "0.5").await;
            form.push(("items[1][price]", metered.as_str()));
        }
        let subscription = sandbox.post("/v1/subscriptions", &form).await;
        payer.subscription = text(&subscription["id"]);
        payer
    }

    async fn price(&self, terms: &Terms) -> String {
        let amount = terms.amount.to_string();
        let form = [
            ("product", self.product.as_str()),
            ("currency", self.currency),
            ("unit_amount", amount.as_str()),
            ("recurring[interval]", terms.interval),
        ];
        text(&self.sandbox.post("/v1/prices", &form).await["id"])
    }

    /// A price for each call, in the smallest units of the currency.
    async fn metered_price(&self, interval: &str, amount: &str) -> String {
        let form = [
            ("product", self.product.as_str()),
            ("currency", self.currency),
            ("unit_amount_decimal", amount),
            ("recurring[interval]", interval),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", self.meter),
        ];
        text(&self.sandbox.post("/v1/prices", &form).await["id"])
    }

    async fn report(&self, units: i64, at: i64) {
        let (units, at) = (units.to_string(), at.to_string());
        let form = [
            ("event_name", EVENT),
            ("payload[stripe_customer_id]", self.customer.as_str()),
            ("payload[value]", units.as_str()),
            ("timestamp", at.as_str()),
        ];
        self.sandbox.post("/v1/billing/meter_events", &form).await;
    }

    async fn items(&self) -> Vec<Value> {
        let path = format!("/v1/subscriptions/{}", self.subscription);
        let mut subscription = self.sandbox.get(&path).await;
        serde_json::from_value(subscription["items"]["data"].take()).unwrap()
    }

    async fn find(&self, usage_type: &str) -> Value {
        let items = self.items().await;
        let found = items
            .into_iter()
            .find(|item| item["price"]["recurring"]["usage_type"] == usage_type);
        found.unwrap()
    }

    async fn read(&self) -> Value {
        self.find("licensed").await
    }

    async fn item(&self) -> String {
        text(&self.read().await["id"])
    }

    async fn metered_item(&self) -> String {
        text(&self.find("metered").await["id"])
    }

    async fn period(&self) -> (i64, i64) {
        let item = self.read().await;
        let at = |field: &str| item[field].as_i64().unwrap();
        (at("current_period_start"), at("current_period_end"))
    }

    async fn change_quantity_by_hand(&self, quantity: i64) {
        let item = self.item().await;
        let quantity = quantity.to_string();
        let form = [("quantity", quantity.as_str())];
        self.sandbox
            .post(&format!("/v1/subscription_items/{item}"), &form)
            .await;
    }

    async fn at(&self, time: i64) {
        let clock = self
            .sandbox
            .get(&format!("/v1/test_helpers/test_clocks/{}", self.clock))
            .await;
        if clock["frozen_time"].as_i64().unwrap() < time {
            self.sandbox.advance(&self.clock, time).await;
        }
    }

    /// Every invoice, oldest first.
    async fn invoices(&self) -> Vec<Value> {
        let path = format!("/v1/invoices?limit=100&customer={}", self.customer);
        let mut page = self.sandbox.get(&path).await;
        let mut invoices: Vec<Value> = serde_json::from_value(page["data"].take()).unwrap();
        invoices.reverse();
        invoices
    }

    /// What waits for the next invoice since a time.
    async fn pending_since(&self, start: i64) -> i64 {
        let form = [("subscription", self.subscription.as_str())];
        let preview = self
            .sandbox
            .post("/v1/invoices/create_preview", &form)
            .await;
        let lines = preview["lines"]["data"].as_array().unwrap();
        prorated_since(lines, start)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
