//! Checkout sessions in setup mode: a page on which a customer leaves a card, and what the account sees of it.

use serde_json::{Value, json};

use crate::{
    fixtures::{DAY, HOUR, event_types},
    harness::{Answer, Sandbox, data, id, ids, int, text},
};

const FORM: &str =
    "mode=setup&currency=usd&success_url=https://a.example/done?session={CHECKOUT_SESSION_ID}";

async fn customer(sandbox: &Sandbox) -> String {
    id(&sandbox
        .post("/v1/customers", "name=A&email=a@tenant.example")
        .await)
}

/// A customer and an open session for them; `more` is appended to the form.
async fn session(sandbox: &Sandbox, more: &str) -> (String, Value) {
    let customer = customer(sandbox).await;
    let form = format!("{FORM}&customer={customer}{more}");
    let session = sandbox.post("/v1/checkout/sessions", form).await;
    assert_eq!(session["status"], "open");
    (customer, session)
}

async fn read(sandbox: &Sandbox, session: &Value) -> Value {
    let path = format!(
        "/v1/checkout/sessions/{}?expand[]=setup_intent",
        id(session)
    );
    sandbox.get(path).await
}

async fn complete(sandbox: &Sandbox, session: &Value, body: Value) -> Value {
    let path = format!("/checkout/{}", id(session));
    sandbox.control("POST", &path, body).await
}

fn path_of(session: &Value) -> String {
    let url = text(&session["url"]);
    url.strip_prefix("http://sandbox")
        .unwrap_or_else(|| panic!("{url} is not where the request was sent to"))
        .to_owned()
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").expect("a way to go")
}

#[tokio::test]
async fn a_card_left_on_the_page_is_attached_and_not_made_the_default() {
    let sandbox = Sandbox::start();
    let (customer, session) = session(&sandbox, "").await;
    assert!(id(&session).starts_with("cs_test_"));
    complete(&sandbox, &session, json!({"card": "pm_card_visa"})).await;
    let after = read(&sandbox, &session).await;
    assert_eq!(after["status"], "complete");
    assert_eq!(after["url"], Value::Null);
    assert_eq!(after["setup_intent"]["status"], "succeeded");
    let cards = sandbox
        .get(format!("/v1/customers/{customer}/payment_methods"))
        .await;
    assert_eq!(
        ids(&cards),
        [text(&after["setup_intent"]["payment_method"])]
    );
    let owner = sandbox.get(format!("/v1/customers/{customer}")).await;
    assert_eq!(
        owner["invoice_settings"]["default_payment_method"],
        Value::Null
    );
    assert_eq!(
        event_types(&sandbox).await[1..],
        [
            "setup_intent.created",
            "payment_method.attached",
            "setup_intent.succeeded",
            "checkout.session.completed"
        ]
    );
}

#[tokio::test]
async fn a_person_can_do_it_in_a_browser() {
    let sandbox = Sandbox::start();
    let (_, session) = session(&sandbox, "&cancel_url=https://a.example/back?a=1%26b=2").await;
    let page = sandbox.get(path_of(&session)).page().await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("https://a.example/back?a=1&amp;b=2"));
    let answer = sandbox
        .post(path_of(&session), "number=4242+4242+4242+4242")
        .page()
        .await;
    let done = format!("https://a.example/done?session={}", id(&session));
    assert_eq!(location(&answer), done);
    let again = sandbox.get(path_of(&session)).page().await;
    assert_eq!(location(&again), done, "the page is over");
}

#[tokio::test]
async fn a_card_that_wants_its_owner_leads_to_a_second_page() {
    let sandbox = Sandbox::start();
    let (_, session) = session(&sandbox, "").await;
    let path = path_of(&session);
    let form = "number=4000002500003155";
    let asked = sandbox.post(&path, form).page().await;
    assert!(asked.text().contains("Complete authentication"));
    let waiting = read(&sandbox, &session).await;
    assert_eq!(waiting["status"], "open");
    assert_eq!(waiting["setup_intent"]["status"], "requires_action");
    let failed = sandbox.post(&path, "authenticate=false").page().await;
    assert!(
        failed.text().contains("authentication failed"),
        "{}",
        failed.text()
    );
    let failed = read(&sandbox, &session).await;
    assert_eq!(failed["setup_intent"]["status"], "requires_payment_method");
    assert_eq!(
        failed["setup_intent"]["last_setup_error"]["code"],
        "setup_intent_authentication_failure"
    );
    sandbox.post(&path, form).page().await;
    location(&sandbox.post(&path, "authenticate=true").page().await);
    assert_eq!(read(&sandbox, &session).await["status"], "complete");
    let types = event_types(&sandbox).await;
    for kind in ["requires_action", "setup_failed", "succeeded"] {
        let kind = format!("setup_intent.{kind}");
        assert!(types.contains(&kind), "{kind} is not in {types:?}");
    }
}

#[tokio::test]
async fn a_declined_card_is_refused_and_another_may_be_tried() {
    let sandbox = Sandbox::start();
    let (_, session) = session(&sandbox, "").await;
    let answer = sandbox
        .post(path_of(&session), "card=4000000000000002")
        .page()
        .await;
    assert!(answer.text().contains("Your card was declined."));
    let open = read(&sandbox, &session).await;
    assert_eq!(open["status"], "open");
    assert_eq!(
        open["setup_intent"]["last_setup_error"]["code"],
        "card_declined"
    );
    complete(&sandbox, &session, json!({"card": "pm_card_visa"})).await;
}

#[tokio::test]
async fn a_session_expires_by_the_wall_clock_after_a_day_or_when_it_was_told_to() {
    let sandbox = Sandbox::start();
    let (_, day) = session(&sandbox, "").await;
    let now = int(&day["created"]);
    assert_eq!(int(&day["expires_at"]), now + DAY);
    let (_, hour) = session(&sandbox, &format!("&expires_at={}", now + HOUR)).await;
    for (at, refused) in [(now + HOUR / 4, "at least"), (now + 2 * DAY, "less than")] {
        let form = format!("{FORM}&expires_at={at}");
        let error = sandbox
            .post("/v1/checkout/sessions", form)
            .refused(400)
            .await;
        assert!(text(&error["message"]).contains(refused), "{error}");
    }
    sandbox
        .settings(json!({"now_offset_seconds": HOUR + 60}))
        .await;
    let expired = read(&sandbox, &hour).await;
    assert_eq!(expired["status"], "expired");
    assert_eq!(expired["url"], Value::Null);
    assert_eq!(expired["setup_intent"]["status"], "canceled");
    assert_eq!(read(&sandbox, &day).await["status"], "open");
    let page = sandbox.get(path_of(&hour)).page().await;
    assert_eq!(page.status, 410);
    let expired = sandbox
        .get("/v1/events?type=checkout.session.expired")
        .await;
    assert_eq!(data(&expired).len(), 1);
}

#[tokio::test]
async fn an_account_can_end_a_session_once() {
    let sandbox = Sandbox::start();
    let (_, session) = session(&sandbox, "").await;
    let path = format!("/v1/checkout/sessions/{}/expire", id(&session));
    assert_eq!(sandbox.post(&path, "").await["status"], "expired");
    sandbox.post(&path, "").refused(400).await;
    let answer = sandbox
        .post(path_of(&session), "card=4242424242424242")
        .page()
        .await;
    assert_eq!(answer.status, 410);
}

#[tokio::test]
async fn nobody_leaves_a_card_for_a_deleted_customer() {
    let sandbox = Sandbox::start();
    let (customer, session) = session(&sandbox, "").await;
    sandbox.delete(format!("/v1/customers/{customer}")).await;
    let answer = sandbox
        .post(path_of(&session), "card=4242424242424242")
        .page()
        .await;
    assert!(answer.text().contains("No such customer"));
    assert_eq!(read(&sandbox, &session).await["status"], "open");
}

#[tokio::test]
async fn its_setup_intent_is_the_sessions_alone() {
    let sandbox = Sandbox::start();
    let (_, session) = session(&sandbox, "").await;
    let path = format!("/v1/setup_intents/{}", text(&session["setup_intent"]));
    for (action, form) in [("cancel", ""), ("confirm", "payment_method=pm_card_visa")] {
        let path = format!("{path}/{action}");
        let error = sandbox.post(path, form).refused(400).await;
        assert_eq!(error["code"], "setup_intent_unexpected_state");
    }
}

#[tokio::test]
async fn a_session_keeps_what_it_was_given() {
    let sandbox = Sandbox::start();
    let more = "&metadata[k]=v&client_reference_id=a/b&locale=de&setup_intent_data[metadata][s]=t\
                &setup_intent_data[description]=Card&allowed_payment_method_types[]=card\
                &payment_method_data[allow_redisplay]=always&expand[]=setup_intent";
    let (_, session) = session(&sandbox, more).await;
    assert_eq!(session["metadata"], json!({"k": "v"}));
    assert_eq!(session["client_reference_id"], "a/b");
    assert_eq!(session["locale"], "de");
    assert_eq!(session["customer_details"]["email"], "a@tenant.example");
    assert_eq!(session["setup_intent"]["metadata"], json!({"s": "t"}));
    assert_eq!(session["setup_intent"]["description"], "Card");
    let path = format!("/v1/checkout/sessions/{}", id(&session));
    let updated = sandbox.post(&path, "metadata[l]=w").await;
    assert_eq!(updated["metadata"], json!({"k": "v", "l": "w"}));
    complete(&sandbox, &session, json!({"card": "pm_card_visa"})).await;
    let card = text(&read(&sandbox, &session).await["setup_intent"]["payment_method"]);
    let card = sandbox.get(format!("/v1/payment_methods/{card}")).await;
    assert_eq!(card["allow_redisplay"], "always");
}

#[tokio::test]
async fn sessions_are_listed_by_customer_and_status() {
    let sandbox = Sandbox::start();
    let (customer, first) = session(&sandbox, "").await;
    let (_, other) = session(&sandbox, "").await;
    complete(&sandbox, &other, json!({"card": "pm_card_visa"})).await;
    for (filter, expected) in [
        (format!("customer={customer}"), vec![id(&first)]),
        ("status=complete".to_owned(), vec![id(&other)]),
        (
            "customer_details[email]=a@tenant.example".to_owned(),
            vec![id(&other), id(&first)],
        ),
        ("subscription=sub_1".to_owned(), vec![]),
    ] {
        let listed = sandbox.get(format!("/v1/checkout/sessions?{filter}")).await;
        assert_eq!(ids(&listed), expected, "{filter}");
    }
}

#[tokio::test]
async fn what_setup_mode_needs_is_missed_and_other_modes_are_refused() {
    let sandbox = Sandbox::start();
    for (form, param) in [
        ("currency=usd&success_url=https://a.example", "mode"),
        ("mode=setup&success_url=https://a.example", "currency"),
        ("mode=setup&currency=usd", "success_url"),
        (
            "mode=payment&currency=usd&success_url=https://a.example",
            "mode",
        ),
    ] {
        let error = sandbox
            .post("/v1/checkout/sessions", form)
            .refused(400)
            .await;
        assert_eq!(error["param"], param, "{error}");
    }
    let form = format!("{FORM}&customer=cus_nobody");
    let error = sandbox
        .post("/v1/checkout/sessions", form)
        .refused(400)
        .await;
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(
        sandbox.get("/c/pay/cs_test_unknown").page().await.status,
        404
    );
}
