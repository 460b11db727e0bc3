//! Requests that are wrong, and how Stripe says so.

use serde_json::{Value, json};

use crate::{
    harness::{Sandbox, id},
    openapi::openapi,
};

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_name() {
    let sandbox = Sandbox::start();
    for (form, param) in [("nmae=A", "nmae"), ("address[steet]=x", "address[steet]")] {
        let error = sandbox
            .post("/v1/customers", form)
            .wrong()
            .refused(400)
            .await;
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["code"], "parameter_unknown");
        assert_eq!(error["param"], param);
        assert_eq!(
            error["message"],
            format!("Received unknown parameter: {param}")
        );
    }
    let error = sandbox
        .get("/v1/customers?emial=a")
        .wrong()
        .refused(400)
        .await;
    assert_eq!(error["code"], "parameter_unknown");
}

#[tokio::test]
async fn a_missing_parameter_is_named() {
    let sandbox = Sandbox::start();
    let error = sandbox.post("/v1/products", "").wrong().refused(400).await;
    assert_eq!(error["code"], "parameter_missing");
    assert_eq!(error["param"], "name");
}

#[tokio::test]
async fn a_parameter_of_the_wrong_type_is_named() {
    let sandbox = Sandbox::start();
    let product = id(&sandbox.post("/v1/products", "name=Plan").await);
    let form = format!("product={product}&currency=usd&unit_amount=ten");
    let error = sandbox.post("/v1/prices", form).wrong().refused(400).await;
    assert_eq!(error["code"], "parameter_invalid_integer");
    assert_eq!(error["param"], "unit_amount");
    let error = sandbox
        .post("/v1/products", "name=Plan&active=maybe")
        .wrong()
        .refused(400)
        .await;
    assert_eq!(error["param"], "active");
}

#[tokio::test]
async fn a_value_that_is_not_one_of_the_known_is_refused() {
    let sandbox = Sandbox::start();
    let product = id(&sandbox.post("/v1/products", "name=Plan").await);
    let form =
        format!("product={product}&currency=usd&unit_amount=1&recurring[interval]=fortnight");
    let error = sandbox.post("/v1/prices", form).wrong().refused(400).await;
    assert_eq!(error["param"], "recurring[interval]");
}

#[tokio::test]
async fn an_unknown_path_is_a_json_404() {
    let sandbox = Sandbox::start();
    for path in [
        "/v1/unheard_of",
        "/v1/customers/cus_1/unheard_of",
        "/v3/customers",
    ] {
        let answer = sandbox.get(path).wrong().send().await;
        assert_eq!(answer.status, 404);
        assert!(answer.is_json(), "{path}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert!(
            error["message"]
                .as_str()
                .expect("a message")
                .contains("Unrecognized request URL"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_request_needs_a_key_that_looks_like_one() {
    let sandbox = Sandbox::start();
    let error = sandbox
        .get("/v1/customers")
        .without_header("authorization")
        .refused(401)
        .await;
    assert_eq!(error["type"], "invalid_request_error");
    for key in ["", "nonsense", "pk_test_publishable"] {
        sandbox.get("/v1/customers").key(key).refused(401).await;
    }
}

#[tokio::test]
async fn a_key_may_come_as_a_user_name() {
    let sandbox = Sandbox::start();
    // "sk_test_51Sandbox:" in base64.
    sandbox
        .get("/v1/customers")
        .header("authorization", "Basic c2tfdGVzdF81MVNhbmRib3g6")
        .await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_until_it_is_restored() {
    let sandbox = Sandbox::start();
    let key = json!({"key": "sk_test_rolled"});
    sandbox.get("/v1/customers").key("sk_test_rolled").await;
    sandbox.control("POST", "/keys/revoke", key.clone()).await;
    let error = sandbox
        .get("/v1/customers")
        .key("sk_test_rolled")
        .refused(401)
        .await;
    assert!(
        !error.to_string().contains("sk_test_rolled"),
        "a key is not repeated: {error}"
    );
    sandbox.get("/v1/customers").key("sk_test_other").await;
    sandbox.control("POST", "/keys/restore", key).await;
    sandbox.get("/v1/customers").key("sk_test_rolled").await;
}

#[tokio::test]
async fn every_answer_names_its_request_and_its_version() {
    let sandbox = Sandbox::start();
    let answer = sandbox.get("/v1/customers").send().await;
    let first = answer
        .header("request-id")
        .expect("a request id")
        .to_owned();
    assert!(first.starts_with("req_"));
    assert_eq!(answer.header("stripe-version"), Some("2026-09-30.endive"));
    let refused = sandbox.get("/v1/customers/cus_never").send().await;
    let second = refused.header("request-id").expect("a request id");
    assert_ne!(second, first);
    let url = refused.json()["error"]["request_log_url"].clone();
    assert!(
        url == Value::Null || url.as_str().is_some_and(|url| url.contains(second)),
        "{url}"
    );
}

#[tokio::test]
async fn an_api_version_the_sandbox_does_not_speak_is_refused() {
    let sandbox = Sandbox::start();
    sandbox
        .get("/v1/customers")
        .header("stripe-version", "2017-01-01")
        .refused(400)
        .await;
    sandbox
        .get("/v1/customers")
        .without_header("stripe-version")
        .await;
}

#[tokio::test]
async fn metadata_has_limits() {
    let sandbox = Sandbox::start();
    let long = format!("metadata[{}]=v", "k".repeat(41));
    sandbox.post("/v1/customers", long).refused(400).await;
    let long = format!("metadata[k]={}", "v".repeat(501));
    sandbox.post("/v1/customers", long).refused(400).await;
    let many: Vec<_> = (0..51).map(|n| format!("metadata[k{n}]=v")).collect();
    sandbox
        .post("/v1/customers", many.join("&"))
        .refused(400)
        .await;
    sandbox.post("/v1/customers", many[..50].join("&")).await;
}

#[tokio::test]
async fn every_parameter_stripe_has_is_known_and_no_other() {
    let sandbox = Sandbox::start();
    // Not payment methods: every kind has a parameter of its name there, and the sandbox has cards only.
    let paths = [
        "/v1/billing_portal/configurations",
        "/v1/billing_portal/sessions",
        "/v1/checkout/sessions",
        "/v1/customers",
        "/v1/disputes",
        "/v1/invoices/create_preview",
        "/v1/prices",
        "/v1/products",
        "/v1/radar/early_fraud_warnings",
        "/v1/setup_intents",
        "/v1/subscription_items",
        "/v1/subscriptions",
        "/v1/test_helpers/test_clocks",
        "/v1/webhook_endpoints",
    ];
    let mut unknown = Vec::new();
    for (method, path) in paths
        .iter()
        .flat_map(|path| [("POST", path), ("GET", path)])
    {
        let Ok(parameters) = openapi().parameters(method, path) else {
            continue;
        };
        assert!(!parameters.is_empty(), "{method} {path}");
        for parameter in parameters.iter().map(String::as_str).chain(["unheard_of"]) {
            let form = format!("{parameter}=");
            let request = match method {
                "POST" => sandbox.post(path, form),
                _ => sandbox.get(format!("{path}?{form}")),
            };
            let answer = request.wrong().send().await;
            assert!(
                answer.status.as_u16() < 500,
                "{method} {path} {parameter}: {}",
                answer.text()
            );
            let refused = answer.json()["error"]["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("Received unknown parameter"));
            if refused != (parameter == "unheard_of") {
                unknown.push(format!("{method} {path} {parameter}: {}", answer.text()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
