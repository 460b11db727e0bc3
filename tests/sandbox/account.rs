//! The account: one for all keys, unless a key is given another.

use serde_json::json;

use crate::harness::{Sandbox, data, id};

#[tokio::test]
async fn the_account_is_the_same_for_every_key() {
    let sandbox = Sandbox::start();
    let account = sandbox.get("/v1/account").await;
    assert!(id(&account).starts_with("acct_"));
    assert_eq!(
        sandbox.get("/v1/account").key("rk_test_other").await,
        account
    );
}

#[tokio::test]
async fn a_key_of_another_account_sees_another_world() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    let other = json!({"key": "sk_test_other", "account": "acct_other"});
    sandbox.control("POST", "/keys/account", other).await;
    assert_eq!(
        id(&sandbox.get("/v1/account").key("sk_test_other").await),
        "acct_other"
    );
    sandbox
        .get(format!("/v1/customers/{customer}"))
        .key("sk_test_other")
        .refused(404)
        .await;
    assert_eq!(
        data(&sandbox.get("/v1/customers").key("sk_test_other").await).len(),
        0
    );
    sandbox
        .post("/v1/customers", "name=B")
        .key("sk_test_other")
        .await;
    assert_eq!(data(&sandbox.get("/v1/customers").await).len(), 1);
}

#[tokio::test]
async fn a_live_key_sees_live_objects_when_the_sandbox_plays_live() {
    let sandbox = Sandbox::start_with(&["--live-mode"]);
    let customer = sandbox
        .post("/v1/customers", "name=A")
        .key("sk_live_51Sandbox")
        .await;
    assert_eq!(customer["livemode"], true);
}
