//! Previews name to the cent what is billed afterwards: cases picked by hand.

use serde_json::Value;

use crate::{
    fixtures::{DAY, HOUR, Tenant, at, item, monthly, period, product, recurring},
    harness::{Sandbox, data, id, int, text},
};

const START: &str = "2026-01-31T06:00:00Z";
pub(crate) const PATH: &str = "/v1/invoices/create_preview";

/// What an invoice says of money, but for what its payment changed.
pub(crate) fn money(invoice: &Value) -> Vec<(String, Value)> {
    let mut money: Vec<_> = [
        "currency",
        "subtotal",
        "subtotal_excluding_tax",
        "total",
        "total_excluding_tax",
        "total_taxes",
        "amount_due",
        "starting_balance",
        "ending_balance",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), invoice[name].clone()))
    .collect();
    for line in data(&invoice["lines"]) {
        let fields = ["amount", "quantity", "period", "taxes", "description"];
        money.extend(fields.map(|name| (format!("line {name}"), line[name].clone())));
        let price = line["pricing"]["price_details"]["price"].clone();
        money.push(("line price".to_owned(), price));
        let details = &line["parent"]["subscription_item_details"];
        money.push(("line proration".to_owned(), details["proration"].clone()));
    }
    money
}

/// `subscription_details` with the parameters of an update.
pub(crate) fn details(form: &str) -> String {
    let parts = form.split('&').map(|part| {
        let (name, value) = part.split_once('=').expect("a pair");
        let (head, rest) = name
            .split_once('[')
            .map_or((name, ""), |(head, rest)| (head, rest));
        let rest = if rest.is_empty() {
            String::new()
        } else {
            format!("[{rest}")
        };
        format!("subscription_details[{head}]{rest}={value}")
    });
    parts.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn several_items_change_at_once_in_preview_and_in_truth() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let [base, seats, storage] = [
        monthly(&sandbox, 2_900).await,
        monthly(&sandbox, 1_000).await,
        monthly(&sandbox, 500).await,
    ];
    let more = format!("&items[1][price]={seats}&items[1][quantity]=3");
    let subscribed = tenant.subscribe(&sandbox, &base, &more).await;
    let items = data(&subscribed["items"]).to_vec();
    let date = at(START) + 11 * DAY + 4_321;
    sandbox.advance(&tenant.clock, date).await;
    let form = format!(
        "items[0][id]={}&items[0][deleted]=true&items[1][id]={}&items[1][quantity]=5&items[2][price]={storage}\
         &items[2][quantity]=2&proration_behavior=always_invoice&proration_date={date}",
        id(&items[0]),
        id(&items[1])
    );
    let preview = format!("subscription={}&{}", id(&subscribed), details(&form));
    let preview = sandbox.post(PATH, preview).await;
    let changed = sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    let prices: Vec<_> = data(&changed["items"])
        .iter()
        .map(|item| (text(&item["price"]["id"]), int(&item["quantity"])))
        .collect();
    assert_eq!(prices, [(seats, 5), (storage, 2)]);
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(data(&invoice["lines"]).len(), 4, "two credits, two charges");
    assert_eq!(money(&preview), money(&invoice));
}

#[tokio::test]
async fn a_credit_is_a_share_of_what_was_charged_not_of_the_price() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let [small, large] = [
        monthly(&sandbox, 3_100).await,
        monthly(&sandbox, 31_000).await,
    ];
    let subscribed = tenant.subscribe(&sandbox, &small, "").await;
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let swap = |price: &str, behavior: &str| {
        let item = id(item(&subscribed));
        format!("items[0][id]={item}&items[0][price]={price}&proration_behavior={behavior}")
    };
    sandbox.post(&path, swap(&large, "none")).await;
    let (start, _) = period(&subscribed);
    sandbox.advance(&tenant.clock, start + 21 * DAY).await;
    sandbox.post(&path, swap(&small, "always_invoice")).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    let amounts: Vec<_> = data(&invoice["lines"])
        .iter()
        .map(|line| int(&line["amount"]))
        .collect();
    assert_eq!(amounts, [-1_000, 1_000], "31.00 were charged, never 310.00");
    let credited = &data(&invoice["lines"])[0]["parent"]["subscription_item_details"]["proration_details"]
        ["credited_items"];
    assert_eq!(
        credited["invoice"],
        tenant.invoices(&sandbox).await[1]["id"]
    );
}

#[tokio::test]
async fn a_schedule_is_previewed_with_the_phase_to_come() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 5_000).await, "")
        .await;
    let yearly = recurring(&sandbox, 44_000, "year").await;
    let (start, end) = period(&subscribed);
    let form = format!("from_subscription={}", id(&subscribed));
    let schedule = id(&sandbox.post("/v1/subscription_schedules", form).await);
    let phases = |at: &str| {
        let name = |rest: &str| {
            if at.is_empty() {
                format!("phases{rest}")
            } else {
                format!("{at}[phases]{rest}")
            }
        };
        format!(
            "{}={}&{}={start}&{}={end}&{}={yearly}&{}=none",
            name("[0][items][0][price]"),
            text(&item(&subscribed)["price"]["id"]),
            name("[0][start_date]"),
            name("[0][end_date]"),
            name("[1][items][0][price]"),
            name("[1][proration_behavior]"),
        )
    };
    let planned = format!("schedule={schedule}&{}", phases("schedule_details"));
    let before = sandbox.post(PATH, planned).await;
    sandbox
        .post(format!("/v1/subscription_schedules/{schedule}"), phases(""))
        .await;
    let by_schedule = sandbox.post(PATH, format!("schedule={schedule}")).await;
    let by_subscription = sandbox
        .post(PATH, format!("subscription={}", id(&subscribed)))
        .await;
    let by_customer = sandbox
        .post(PATH, format!("customer={}", tenant.customer))
        .await;
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let made = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(made["total"], 44_000);
    for preview in [before, by_schedule, by_subscription, by_customer] {
        assert_eq!(money(&preview), money(&made));
    }
}

#[tokio::test]
async fn a_preview_leaves_no_trace() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 5_000).await, "")
        .await;
    let product = product(&sandbox).await;
    let before = (
        sandbox.get("/v1/prices?limit=100").await,
        sandbox.get("/v1/events?limit=100").await,
    );
    let form = format!(
        "subscription={}&subscription_details[items][0][price_data][product]={product}\
         &subscription_details[items][0][price_data][currency]=usd\
         &subscription_details[items][0][price_data][unit_amount]=700\
         &subscription_details[items][0][price_data][recurring][interval]=month\
         &subscription_details[proration_behavior]=always_invoice",
        id(&subscribed)
    );
    let preview = sandbox.post(PATH, form).await;
    assert_eq!(preview["total"], 700);
    let after = (
        sandbox.get("/v1/prices?limit=100").await,
        sandbox.get("/v1/events?limit=100").await,
    );
    assert_eq!(before, after);
}

#[tokio::test]
async fn what_has_no_next_invoice_has_no_preview() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let customer = format!("customer={}", tenant.customer);
    let error = sandbox.post(PATH, &customer).refused(400).await;
    assert_eq!(error["code"], "invoice_upcoming_none");
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 5_000).await, "")
        .await;
    let form = format!(
        "subscription={}&subscription_details[cancel_at_period_end]=true",
        id(&subscribed)
    );
    let error = sandbox.post(PATH, form).refused(400).await;
    assert_eq!(error["code"], "invoice_upcoming_none");
    assert_eq!(sandbox.post(PATH, customer).await["total"], 5_000);
    let form = format!("subscription={}&schedule=sub_sched_1", id(&subscribed));
    sandbox.post(PATH, form).refused(400).await;
}

#[tokio::test]
async fn the_end_of_a_trial_is_previewed_as_it_is_billed() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 2_500).await;
    let trial = at(START) + 10 * DAY;
    let items = format!("items[0][price]={price}&items[0][quantity]=2&trial_end={trial}");
    let form = format!("customer={}&{}", tenant.customer, details(&items));
    let preview = sandbox.post(PATH, form).await;
    let form = format!("customer={}&{items}", tenant.customer);
    let trialing = sandbox.post("/v1/subscriptions", form).await;
    let made = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(money(&preview), money(&made));
    let of = format!("subscription={}", id(&trialing));
    let at_its_end = sandbox.post(PATH, &of).await;
    assert_eq!(at_its_end["total"], 5_000);
    assert_eq!(data(&at_its_end["lines"])[0]["period"]["start"], trial);
    let form = format!("{of}&subscription_details[trial_end]=now");
    let preview = sandbox.post(PATH, form).await;
    let path = format!("/v1/subscriptions/{}", id(&trialing));
    sandbox.post(path, "trial_end=now").await;
    let made = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(made["total"], 5_000);
    assert_eq!(money(&preview), money(&made));
}
