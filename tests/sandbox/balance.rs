//! Customers' balances and the transactions that make them up.

use serde_json::Value;

use crate::{
    fixtures::{HOUR, Tenant, item, monthly, period},
    harness::{Sandbox, data, id, int, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// Type, amount and ending balance of the customer's transactions, newest first.
async fn transactions(sandbox: &Sandbox, customer: &str) -> Vec<(String, i64, i64)> {
    let path = format!("/v1/customers/{customer}/balance_transactions");
    let list = sandbox.get(path).await;
    let row = |it: &Value| {
        let amount = int(&it["amount"]);
        (text(&it["type"]), amount, int(&it["ending_balance"]))
    };
    data(&list).iter().map(row).collect()
}

fn row(kind: &str, amount: i64, ending: i64) -> (String, i64, i64) {
    (kind.to_owned(), amount, ending)
}

async fn balance(sandbox: &Sandbox, customer: &str) -> i64 {
    int(&sandbox.get(format!("/v1/customers/{customer}")).await["balance"])
}

#[tokio::test]
async fn a_transaction_changes_the_balance_and_can_be_annotated() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let path = format!("/v1/customers/{customer}/balance_transactions");
    let form = "amount=-500&currency=usd&description=Goodwill&metadata[ticket]=7";
    let credit = sandbox.post(&path, form).await;
    assert_eq!(credit["type"], "adjustment");
    assert_eq!(credit["ending_balance"], -500);
    assert_eq!(credit["metadata"]["ticket"], "7");
    sandbox.post(&path, "amount=200&currency=usd").await;
    assert_eq!(balance(&sandbox, &customer).await, -300);
    let own = format!("{path}/{}", id(&credit));
    let noted = sandbox
        .post(&own, "description=Sorry&metadata[ticket]=")
        .await;
    assert_eq!(noted["description"], "Sorry");
    assert_eq!(sandbox.get(&own).await, noted);
    assert_eq!(noted["amount"], -500);
    let fixed = sandbox.post(&own, "amount=1").wrong().refused(400).await;
    assert_eq!(fixed["code"], "parameter_unknown");
    assert_eq!(
        transactions(&sandbox, &customer).await,
        [row("adjustment", 200, -300), row("adjustment", -500, -500)]
    );
    let expanded = format!("/v1/customers/{customer}?expand[]=invoice_credit_balance");
    let expanded = sandbox.get(expanded).await;
    assert_eq!(expanded["invoice_credit_balance"]["usd"], -300);
}

#[tokio::test]
async fn a_balance_has_the_customers_currency() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let path = format!("/v1/customers/{customer}/balance_transactions");
    sandbox.post(&path, "amount=-1&currency=eur").await;
    let known = sandbox.get(format!("/v1/customers/{customer}")).await;
    assert_eq!(known["currency"], "eur");
    let error = sandbox
        .post(&path, "amount=-1&currency=usd")
        .refused(400)
        .await;
    assert_eq!(error["param"], "currency");
    sandbox
        .post(
            "/v1/customers/cus_nobody/balance_transactions",
            "amount=-1&currency=eur",
        )
        .refused(404)
        .await;
}

#[tokio::test]
async fn a_balance_that_is_set_leaves_a_transaction_too() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "balance=-700").await);
    let path = format!("/v1/customers/{customer}");
    sandbox.post(&path, "balance=-200&name=A").await;
    sandbox.post(&path, "name=B").await;
    assert_eq!(
        transactions(&sandbox, &customer).await,
        [row("adjustment", 500, -200), row("initial", -700, -700)]
    );
}

#[tokio::test]
async fn an_invoice_takes_credit_up_when_it_is_finalized() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/customers/{}/balance_transactions", tenant.customer);
    sandbox.post(&path, "amount=-1300&currency=usd").await;
    let end = period(&subscribed).1;
    sandbox.advance(&tenant.clock, end).await;
    assert_eq!(balance(&sandbox, &tenant.customer).await, -1_300);
    sandbox.advance(&tenant.clock, end + HOUR).await;
    let invoice = tenant.invoices(&sandbox).await.swap_remove(0);
    assert_eq!(invoice["starting_balance"], -1_300);
    assert_eq!(invoice["ending_balance"], -300);
    assert_eq!(
        (&invoice["amount_due"], &invoice["status"]),
        (&0.into(), &"paid".into())
    );
    let own = format!("{path}?invoice={}", id(&invoice));
    let applied = sandbox.get(own).await;
    let [applied] = data(&applied) else {
        panic!("{applied}")
    };
    assert_eq!(applied["type"], "applied_to_invoice");
    assert_eq!(applied["amount"], 1_000);
    assert_eq!(balance(&sandbox, &tenant.customer).await, -300);
}

#[tokio::test]
async fn an_invoice_below_nothing_becomes_credit() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let dear = monthly(&sandbox, 3_100).await;
    let cheap = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &dear, "").await;
    let item = id(item(&subscribed));
    let form =
        format!("items[0][id]={item}&items[0][price]={cheap}&proration_behavior=always_invoice");
    sandbox
        .post(format!("/v1/subscriptions/{}", id(&subscribed)), form)
        .await;
    assert_eq!(
        transactions(&sandbox, &tenant.customer).await,
        [row("applied_to_invoice", -2_100, -2_100)]
    );
}

#[tokio::test]
async fn a_void_invoice_gives_credit_back_with_a_transaction() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let path = format!("/v1/customers/{}/balance_transactions", tenant.customer);
    sandbox.post(&path, "amount=-400&currency=usd").await;
    sandbox.advance(&tenant.clock, period(&subscribed).1).await;
    let invoice = id(&tenant.invoices(&sandbox).await[0]);
    for action in ["finalize", "void"] {
        sandbox
            .post(format!("/v1/invoices/{invoice}/{action}"), "")
            .await;
    }
    assert_eq!(
        transactions(&sandbox, &tenant.customer).await,
        [
            row("unapplied_from_invoice", -400, -400),
            row("applied_to_invoice", 400, 0),
            row("adjustment", -400, -400),
        ]
    );
}
