//! The billing portal: a customer looks after cards and subscriptions without the account.

use serde_json::{Value, json};

use crate::{
    fixtures::{HOUR, Tenant, event_types, monthly, period, subscription},
    harness::{Sandbox, data, id, int, text},
};

const START: &str = "2026-01-01T00:00:00Z";
const SESSIONS: &str = "/v1/billing_portal/sessions";
const CONFIGURATIONS: &str = "/v1/billing_portal/configurations";

async fn session(sandbox: &Sandbox, customer: &str, more: &str) -> Value {
    let form = format!("customer={customer}{more}");
    sandbox.post(SESSIONS, form).await
}

async fn act(sandbox: &Sandbox, session: &Value, deed: Value) -> Value {
    let path = format!("/portal/{}", id(session));
    sandbox.control("POST", &path, deed).await
}

fn path_of(session: &Value) -> String {
    let url = text(&session["url"]);
    let path = url.strip_prefix("http://sandbox").expect("a page of ours");
    path.to_owned()
}

async fn default_of(sandbox: &Sandbox, tenant: &Tenant) -> Value {
    let customer = format!("/v1/customers/{}", tenant.customer);
    sandbox.get(customer).await["invoice_settings"]["default_payment_method"].clone()
}

#[tokio::test]
async fn a_card_left_in_the_portal_becomes_the_default() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let session = session(&sandbox, &tenant.customer, "").await;
    let page = sandbox.get(path_of(&session)).page().await;
    assert!(page.text().contains("Add card"));
    let form = "number=4000002500003155";
    let asked = sandbox.post(path_of(&session), form).page().await;
    assert!(asked.text().contains("Complete authentication"));
    assert_eq!(default_of(&sandbox, &tenant).await, Value::Null);
    let form = "authenticate=true";
    let page = sandbox.post(path_of(&session), form).page().await;
    assert!(page.text().contains("3155 (default)"), "{}", page.text());
    let card = text(&default_of(&sandbox, &tenant).await);
    let card = sandbox.get(format!("/v1/payment_methods/{card}")).await;
    assert_eq!(card["customer"], tenant.customer.as_str());
    let types = event_types(&sandbox).await;
    for kind in [
        "billing_portal.configuration.created",
        "billing_portal.session.created",
        "setup_intent.succeeded",
        "payment_method.attached",
        "customer.updated",
    ] {
        assert!(types.contains(&kind.to_owned()), "{kind}: {types:?}");
    }
}

#[tokio::test]
async fn a_customer_sent_to_leave_a_card_is_sent_on_when_they_have() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let more = "&flow_data[type]=payment_method_update&flow_data[after_completion][type]=redirect\
                &flow_data[after_completion][redirect][return_url]=https://a.example/done";
    let session = session(&sandbox, &tenant.customer, more).await;
    assert_eq!(session["flow"]["type"], "payment_method_update");
    let path = path_of(&session);
    let declined = sandbox.post(&path, "number=4000000000000002").page().await;
    assert!(declined.text().contains("Your card was declined."));
    let answer = sandbox.post(&path, "number=4242424242424242").page().await;
    assert_eq!(answer.header("location"), Some("https://a.example/done"));
    assert_ne!(default_of(&sandbox, &tenant).await, Value::Null);
}

#[tokio::test]
async fn a_customer_ends_a_subscription_with_its_period_and_may_think_better_of_it() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let session = session(&sandbox, &tenant.customer, "&return_url=https://a.example").await;
    let form = format!("cancel={}", id(&subscribed));
    let page = sandbox.post(path_of(&session), form).page().await;
    assert!(page.text().contains("Keep subscription"), "{}", page.text());
    assert!(page.text().contains("https://a.example"));
    let ending = subscription(&sandbox, &subscribed).await;
    assert_eq!(ending["cancel_at_period_end"], true);
    assert_eq!(ending["status"], "active");
    act(&sandbox, &session, json!({"keep": id(&subscribed)})).await;
    let kept = subscription(&sandbox, &subscribed).await;
    assert_eq!(kept["cancel_at_period_end"], false);
    act(&sandbox, &session, json!({"cancel": id(&subscribed)})).await;
    sandbox.advance(&tenant.clock, period(&subscribed).1).await;
    let ended = subscription(&sandbox, &subscribed).await;
    assert_eq!(ended["status"], "canceled");
}

#[tokio::test]
async fn a_configuration_says_what_customers_may_do() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let other = Tenant::with_card(&sandbox, START).await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &price, "").await;
    let foreign = other.subscribe(&sandbox, &price, "").await;
    let form = "features[subscription_cancel][enabled]=true&features[subscription_cancel][mode]=immediately\
                &features[payment_method_update][enabled]=false&business_profile[headline]=Hello&metadata[k]=v";
    let configuration = sandbox.post(CONFIGURATIONS, form).await;
    let more = format!("&configuration={}", id(&configuration));
    let session = session(&sandbox, &tenant.customer, &more).await;
    let page = sandbox.get(path_of(&session)).page().await;
    assert!(page.text().contains("Hello") && !page.text().contains("Add card"));
    let form = "number=4242424242424242";
    let refused = sandbox.post(path_of(&session), form).page().await;
    assert!(refused.text().contains("does not enable"));
    let form = format!("cancel={}", id(&foreign));
    sandbox.post(path_of(&session), form).page().await;
    assert_eq!(subscription(&sandbox, &foreign).await["status"], "active");
    act(&sandbox, &session, json!({"cancel": id(&subscribed)})).await;
    let ended = subscription(&sandbox, &subscribed).await;
    assert_eq!(ended["status"], "canceled");

    let path = format!("{CONFIGURATIONS}/{}", id(&configuration));
    let form = "features[payment_method_update][enabled]=true&name=B&active=false";
    let changed = sandbox.post(&path, form).await;
    assert_eq!(
        changed["features"]["payment_method_update"]["enabled"],
        true
    );
    assert_eq!(changed["metadata"], json!({"k": "v"}));
    assert_eq!(sandbox.get(&path).await, changed);
    let form = format!("customer={}{more}", tenant.customer);
    sandbox.post(SESSIONS, form).refused(400).await;
    let inactive = sandbox.get(format!("{CONFIGURATIONS}?active=false")).await;
    assert_eq!(data(&inactive).len(), 1);
}

#[tokio::test]
async fn a_session_is_over_soon_unless_it_is_used() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    let unvisited = session(&sandbox, &tenant.customer, "").await;
    let visited = session(&sandbox, &tenant.customer, "").await;
    assert_eq!(sandbox.get(path_of(&visited)).page().await.status, 200);
    let status = async |offset: i64, session: &Value| {
        let settings = json!({"now_offset_seconds": offset});
        sandbox.settings(settings).await;
        sandbox.get(path_of(session)).page().await.status.as_u16()
    };
    assert_eq!(status(10 * 60, &unvisited).await, 410);
    assert_eq!(status(10 * 60, &visited).await, 200);
    assert_eq!(status(2 * HOUR, &visited).await, 410);
    assert_eq!(sandbox.get("/p/session/bps_none").page().await.status, 404);
}

#[tokio::test]
async fn an_account_has_one_default_configuration() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::without_card(&sandbox, START).await;
    for _ in 0..2 {
        session(&sandbox, &tenant.customer, "").await;
    }
    let all = sandbox
        .get(format!("{CONFIGURATIONS}?is_default=true"))
        .await;
    assert_eq!(data(&all).len(), 1);
    assert!(int(&data(&all)[0]["created"]) > 0);
    let error = sandbox.post(SESSIONS, "return_url=https://a.example");
    assert_eq!(error.refused(400).await["param"], "customer");
}
