//! Previews name to the cent what is billed afterwards: whatever the plans, dates, currencies and behaviors.

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    fixtures::{HOUR, Tenant, add_card, at, item, period, product},
    harness::{Sandbox, id},
    previews::{PATH, details, money},
};

const START: &str = "2026-01-31T06:00:00Z";

async fn price(sandbox: &Sandbox, currency: &str, amount: i64, interval: &str) -> String {
    let form = format!(
        "product={}&currency={currency}&unit_amount={amount}&recurring[interval]={interval}",
        product(sandbox).await
    );
    id(&sandbox.post("/v1/prices", form).await)
}

#[derive(Clone, Debug)]
struct Plan {
    amount: i64,
    interval: &'static str,
    quantity: u8,
}

fn plans() -> impl Strategy<Value = Plan> {
    let amount = prop_oneof![Just(0_i64), 1_i64..20, 100_i64..1_000_000];
    let interval = prop_oneof![3 => Just("month"), 1 => Just("year")];
    (amount, interval, 1_u8..5).prop_map(|(amount, interval, quantity)| Plan {
        amount,
        interval,
        quantity,
    })
}

#[derive(Clone, Debug)]
struct Case {
    currency: &'static str,
    first: Plan,
    changes: Vec<(Plan, &'static str, f64)>,
    balance: i64,
    percent: u8,
}

fn cases() -> impl Strategy<Value = Case> {
    let behavior = prop_oneof![
        Just("create_prorations"),
        Just("always_invoice"),
        Just("none")
    ];
    let change = (plans(), behavior, 0.0..1.0_f64);
    (
        prop_oneof![Just("usd"), Just("jpy"), Just("kwd")],
        plans(),
        prop::collection::vec(change, 1..4),
        prop_oneof![Just(0_i64), -50_000_i64..50_000],
        prop_oneof![Just(0_u8), Just(19_u8)],
    )
        .prop_map(|(currency, first, changes, balance, percent)| Case {
            currency,
            first,
            changes,
            balance,
            percent,
        })
}

/// Makes the changes one after the other, each at its share of what is left of the period, and holds every preview to
/// the invoice that follows it.
async fn hold(sandbox: &Sandbox, case: &Case) {
    let settings = serde_json::json!({"tax_percent": case.percent});
    sandbox.settings(settings).await;
    let tenant = Tenant::without_card(sandbox, START).await;
    add_card(sandbox, &tenant.customer).await;
    let form = format!("address[country]=DE&balance={}", case.balance);
    sandbox
        .post(format!("/v1/customers/{}", tenant.customer), form)
        .await;
    let first = price(
        sandbox,
        case.currency,
        case.first.amount,
        case.first.interval,
    )
    .await;
    let items = format!(
        "items[0][price]={first}&items[0][quantity]={}",
        case.first.quantity
    );
    let customer = &tenant.customer;
    let form = format!(
        "customer={customer}&automatic_tax[enabled]=true&{}",
        details(&items)
    );
    let preview = sandbox.post(PATH, form).await;
    let form = format!("customer={customer}&automatic_tax[enabled]=true&{items}");
    let mut subscribed = sandbox.post("/v1/subscriptions", form).await;
    let made = tenant.invoices(sandbox).await.swap_remove(0);
    assert_eq!(money(&preview), money(&made), "the first: {case:?}");
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let mut now = at(START);
    for (plan, behavior, share) in &case.changes {
        let (start, end) = period(&subscribed);
        if end - now < 4 * HOUR {
            // An hour later the period might be over, and with it what was previewed.
            break;
        }
        let from = now.max(start);
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let date = (from + ((end - from) as f64 * share) as i64).min(end - 2 * HOUR);
        if date > now {
            sandbox.advance(&tenant.clock, date).await;
            now = date;
        }
        let price = price(sandbox, case.currency, plan.amount, plan.interval).await;
        let form = format!(
            "items[0][id]={}&items[0][price]={price}&items[0][quantity]={}&proration_behavior={behavior}\
             &proration_date={date}",
            id(item(&subscribed)),
            plan.quantity
        );
        let preview = format!("subscription={}&{}", id(&subscribed), details(&form));
        let preview = sandbox.post(PATH, preview).await;
        let before = tenant.invoices(sandbox).await.len();
        now += HOUR;
        sandbox.advance(&tenant.clock, now).await;
        subscribed = sandbox.post(&path, form).await;
        let invoices = tenant.invoices(sandbox).await;
        if invoices.len() > before {
            let (preview, made) = (money(&preview), money(&invoices[0]));
            let same_instant = |fields: Vec<(String, Value)>| -> Vec<(String, Value)> {
                // A new period begins when the change is made, an hour after the preview.
                fields
                    .into_iter()
                    .filter(|(name, _)| name != "line period")
                    .collect()
            };
            assert_eq!(same_instant(preview), same_instant(made), "{case:?}");
        } else {
            let again = format!("subscription={}", id(&subscribed));
            let again = sandbox.post(PATH, again).await;
            assert_eq!(money(&preview), money(&again), "the next bill: {case:?}");
        }
    }
    let preview = format!("subscription={}", id(&subscribed));
    let preview = sandbox.post(PATH, preview).await;
    let before = tenant.invoices(sandbox).await.len();
    let (_, end) = period(&subscribed);
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let invoices = tenant.invoices(sandbox).await;
    assert_eq!(invoices.len(), before + 1);
    assert_eq!(
        money(&preview),
        money(&invoices[0]),
        "the renewal: {case:?}"
    );
}

#[test]
fn every_preview_is_the_invoice_that_follows() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sandbox = Sandbox::start();
    let config = ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(case in cases())| runtime.block_on(hold(&sandbox, &case)));
}

/// A phase to come: what it is, how it is prorated, and its begin as a share of the current period.
type Turn = (Plan, &'static str, f64);

fn turns() -> impl Strategy<Value = (Plan, Turn)> {
    let behavior = prop_oneof![
        Just("create_prorations"),
        Just("always_invoice"),
        Just("none")
    ];
    let share = prop_oneof![Just(1.0), 0.05..0.95_f64];
    (plans(), (plans(), behavior, share))
}

/// Plans a phase and holds the preview to the invoice that comes first.
async fn hold_schedule(sandbox: &Sandbox, case: &(Plan, Turn)) {
    let (first, (then, behavior, share)) = case;
    let tenant = Tenant::with_card(sandbox, START).await;
    let old = price(sandbox, "usd", first.amount, first.interval).await;
    let more = format!("&items[0][quantity]={}", first.quantity);
    let subscribed = tenant.subscribe(sandbox, &old, &more).await;
    let new = price(sandbox, "usd", then.amount, then.interval).await;
    let (start, end) = period(&subscribed);
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    let turn = start + ((end - start) as f64 * share) as i64;
    let form = format!("from_subscription={}", id(&subscribed));
    let schedule = id(&sandbox.post("/v1/subscription_schedules", form).await);
    let form = format!(
        "phases[0][items][0][price]={old}&phases[0][items][0][quantity]={}&phases[0][start_date]={start}\
         &phases[0][end_date]={turn}&phases[1][items][0][price]={new}&phases[1][items][0][quantity]={}\
         &phases[1][proration_behavior]={behavior}&phases[1][duration][interval]=year\
         &phases[1][duration][interval_count]=5",
        first.quantity, then.quantity
    );
    sandbox
        .post(format!("/v1/subscription_schedules/{schedule}"), form)
        .await;
    let preview = sandbox.post(PATH, format!("schedule={schedule}")).await;
    sandbox.advance(&tenant.clock, turn + HOUR).await;
    if tenant.invoices(sandbox).await.len() == 1 {
        sandbox.advance(&tenant.clock, end + HOUR).await;
    }
    let made = tenant.invoices(sandbox).await.swap_remove(0);
    assert_eq!(money(&preview), money(&made), "{case:?}");
}

#[test]
fn every_schedules_preview_is_the_invoice_that_follows() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let sandbox = Sandbox::start();
    let config = ProptestConfig {
        cases: 30,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(case in turns())| runtime.block_on(hold_schedule(&sandbox, &case)));
}
