//! Keys that are revoked, malformed, or of another account or mode.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{
    sandbox::API_KEY,
    world::{World, assert_stalled},
};
use crate::{mentions, nothing_written, path_of, use_key, world_with_acme};

#[tokio::test]
async fn a_revoked_key_is_said_and_its_successor_is_taken_up_without_a_restart() {
    let world = World::new().await;
    use_key(&world, "sk_test_first");
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    world
        .stripe
        .control(
            Method::POST,
            "/keys/revoke",
            json!({"key": "sk_test_first"}),
        )
        .await;
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    let message = world.reconciling("acme", "StripeUnauthorized").await;
    mentions(&message, &["Stripe does not accept the key", "status 401"]);
    assert!(!message.contains("sk_test_first"), "{message}");

    use_key(&world, "sk_test_second");
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], "Renamed");
    world.finish().await;
}

#[tokio::test]
async fn what_is_no_key_is_said_and_never_sent() {
    let world = World::new().await;
    use_key(&world, "pk_test_publishable");
    world.plan("pro", "99.00").await;
    world.tenant("acme", "pro").await;
    let _operator = world.operator().await;
    let message = world.reconciling("acme", "StripeUnauthorized").await;
    mentions(&message, &["not a secret (sk_…) or restricted (rk_…) key"]);
    assert!(!message.contains("publishable"), "{message}");
    assert!(world.stripe.requests().await.is_empty());
    use_key(&world, API_KEY);
    world.ready("acme").await;
    world.finish().await;
}

/// The operator is given a key of somebody else's account, or of the other mode.
async fn refuses_to_act_with(key: &str, words: &[&str], elsewhere: &str) {
    let (world, _operator) = world_with_acme().await;
    let before = world.one_of_each("acme", None).await;
    let other = json!({"key": "sk_test_other", "account": "acct_1Other"});
    world
        .stripe
        .control(Method::POST, "/keys/account", other)
        .await;
    world.stripe.forget_requests().await;
    use_key(&world, key);
    let message = world.plan_stalled("pro", "WrongAccount").await;
    mentions(&message, &["the right key"]);
    let message = world.stalled("acme", "WrongAccount").await;
    mentions(&message, &["nothing is touched", "the right key"]);
    mentions(&message, words);
    world
        .edit("acme", json!({"customer": {"name": "Renamed"}}))
        .await;
    world.stalled("acme", "WrongAccount").await;
    world.tenant("newcomer", "pro").await;
    world.reconciling("newcomer", "PlanNotReady").await;
    nothing_written(&world).await;
    assert_eq!(world.one_of_each("acme", None).await, before);
    let counts = world
        .stripe
        .control(Method::GET, "/state", Value::Null)
        .await;
    let there = &counts["accounts"][elsewhere];
    assert_eq!(
        (&there["customers"], &there["products"]),
        (&json!(0), &json!(0)),
        "{counts:#}"
    );

    use_key(&world, API_KEY);
    world.plan_reason("pro", "Succeeded").await;
    world.ready("acme").await;
    world.ready("newcomer").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(
        (&customer["id"], &customer["name"]),
        (&before.0["id"], &json!("Renamed"))
    );
    assert_eq!(subscription["id"], before.1["id"]);
    world.finish().await;
}

#[tokio::test]
async fn a_key_of_another_account_touches_nothing_in_either() {
    refuses_to_act_with("sk_test_other", &["acct_1Other"], "acct_1Other/test").await;
}

#[tokio::test]
async fn a_live_key_touches_no_tenant_of_test_mode() {
    refuses_to_act_with(
        "sk_live_tests",
        &["(test mode)", "(live mode)"],
        "acct_1SandboxDefault00/live",
    )
    .await;
}

#[tokio::test]
async fn a_deletion_with_the_wrong_key_waits_for_the_right_one() {
    let (world, _operator) = world_with_acme().await;
    world
        .edit("acme", json!({"deletionPolicy": "CancelNow"}))
        .await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    use_key(&world, "sk_live_tests");
    world.stalled("acme", "WrongAccount").await;
    world.stripe.forget_requests().await;
    world.delete("acme").await;
    let deleting = |tenant: &Value| tenant["metadata"]["deletionTimestamp"].is_string();
    let tenant = world.until("acme", "deleting", deleting).await;
    assert_stalled(&tenant, "WrongAccount");
    nothing_written(&world).await;
    use_key(&world, API_KEY);
    world.gone("acme").await;
    let after = world.stripe.get(&path_of(&subscription)).await;
    assert_eq!(after["status"], "canceled");
    world.finish().await;
}
