//! Plans that cannot be sold, and tenants on plans that do not exist.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::support::world::{World, id, refusal};
use crate::{mentions, nobody_else_notices, world_with_a_healthy_tenant};

/// What a wrong plan is told, by a server that knows CEL or else by the operator.
async fn plan_refused(
    world: &World,
    name: &str,
    answer: Result<DynamicObject, kube::Error>,
) -> String {
    match answer {
        Ok(_) => world.plan_stalled(name, "InvalidSpec").await,
        refused => refusal(refused),
    }
}

#[tokio::test]
async fn a_tenant_on_an_unknown_plan_is_told_so_and_served_once_the_plan_exists() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    world.tenant("acme", "gold").await;
    let message = world.stalled("acme", "PlanNotFound").await;
    mentions(
        &message,
        &[
            "spec.plan: ",
            &world.plan_name("gold"),
            "there are: ",
            &world.plan_name("pro"),
        ],
    );
    assert!(world.stripe.writes().await.is_empty());
    assert!(world.customers("acme", None).await.is_empty());

    world.plan("gold", "199.00").await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(
        subscription["items"]["data"][0]["price"]["unit_amount"],
        19900
    );
    world.finish().await;
}

#[tokio::test]
async fn a_tenant_whose_plan_is_deleted_keeps_what_it_has_and_is_told_so() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    world.delete_plan("pro").await;
    let message = world.stalled("healthy", "PlanNotFound").await;
    mentions(&message, &["spec.plan: ", "there are: none"]);
    assert!(world.stripe.writes().await.is_empty());
    let (_, subscription) = world.one_of_each("healthy", None).await;
    assert_eq!(subscription["status"], "trialing");
    world.plan("pro", "99.00").await;
    world.ready("healthy").await;
    assert!(
        world.stripe.writes().await.is_empty(),
        "the plan comes back to the price it had"
    );
    world.finish().await;
}

#[tokio::test]
async fn money_that_is_no_number_is_refused_by_the_server() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    for amount in [
        "99,00", "-1.00", "$99", "99.", ".99", "1e3", "", " 99.00", "٩٩",
    ] {
        let spec = json!({"currency": "usd", "base": {"amount": amount, "interval": "Month"}});
        let message = refusal(world.try_plan_with("odd", spec).await);
        mentions(&message, &["spec.base.amount"]);
    }
    for currency in ["USD", "us", "dollars", ""] {
        let spec = json!({"currency": currency, "base": {"amount": "99.00"}});
        mentions(
            &refusal(world.try_plan_with("odd", spec).await),
            &["spec.currency"],
        );
    }
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn money_with_digits_its_currency_does_not_have_stalls_the_plan_until_it_is_corrected() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let cases = [
        (
            "fine",
            "usd",
            "99.001",
            "more than the 2 decimals that usd has",
        ),
        (
            "yen",
            "jpy",
            "500.00",
            "more than the 0 decimals that jpy has",
        ),
        ("dinar", "kwd", "1.255", "third decimal is 0"),
        ("huge", "usd", "1000000.00", "more than Stripe takes"),
    ];
    for (name, currency, amount, words) in cases {
        let spec = json!({"currency": currency, "base": {"amount": amount, "interval": "Month"}});
        world.tenant(name, name).await;
        let message = match world.try_plan_with(name, spec).await {
            Ok(_) => world.plan_stalled(name, "InvalidSpec").await,
            // A server that knows CEL counts decimals itself.
            refused => {
                mentions(&refusal(refused), &["decimals"]);
                continue;
            }
        };
        mentions(&message, &["spec.base.amount: ", amount, words]);
        let message = world.reconciling(name, "PlanNotReady").await;
        mentions(
            &message,
            &[&world.plan_name(name), "spec.base.amount: ", words],
        );
    }
    assert!(world.stripe.writes().await.is_empty());

    let spec = json!({"currency": "jpy", "base": {"amount": "500", "interval": "Month"}, "trial": {"days": 7}});
    world.plan_with("yen", spec).await;
    world.ready("yen").await;
    let (_, subscription) = world.one_of_each("yen", None).await;
    assert_eq!(
        subscription["items"]["data"][0]["price"]["unit_amount"],
        500
    );
    world.stripe.forget_requests().await;
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn a_plan_names_either_an_amount_or_a_price() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let words = ["spec.base", "set exactly one of amount", "lookupKey"];
    for (name, base) in [
        ("neither", json!({"interval": "Month"})),
        ("both", json!({"amount": "99.00", "lookupKey": "gold"})),
    ] {
        let answer = world
            .try_plan_with(name, json!({"currency": "usd", "base": base}))
            .await;
        mentions(&plan_refused(&world, name, answer).await, &words);
    }
    let spec = json!({"currency": "usd", "base": {"lookupKey": "gold", "interval": "Year"}});
    let answer = world.try_plan_with("interval", spec).await;
    let message = plan_refused(&world, "interval", answer).await;
    mentions(&message, &["spec.base", "interval", "goes with amount"]);
    nobody_else_notices(world).await;
}

/// A recurring monthly price made by a person.
async fn price(world: &World, product: &str, currency: &str, lookup_key: &str) -> Value {
    let price = json!({
        "product": product, "currency": currency, "unit_amount": 4900,
        "recurring": {"interval": "month"},
        "lookup_key": lookup_key, "transfer_lookup_key": true,
    });
    world.stripe.dashboard("/v1/prices", price).await
}

#[tokio::test]
async fn a_price_named_by_its_lookup_key_has_to_exist_and_to_fit() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let spec = json!({"currency": "usd", "base": {"lookupKey": "gold"}, "trial": {"days": 14}});
    world.plan_with("gold", spec).await;
    world.tenant("acme", "gold").await;
    let message = world.plan_stalled("gold", "PriceNotFound").await;
    mentions(
        &message,
        &["spec.base.lookupKey: ", "gold", "correct the key"],
    );
    let message = world.reconciling("acme", "PlanNotReady").await;
    mentions(
        &message,
        &[&world.plan_name("gold"), "spec.base.lookupKey: "],
    );

    let product = world
        .stripe
        .dashboard("/v1/products", json!({"name": "Gold"}))
        .await;
    let euros = price(&world, id(&product), "eur", "gold").await;
    let message = world.plan_stalled("gold", "PriceMismatch").await;
    mentions(
        &message,
        &[
            "spec.base.lookupKey: ",
            id(&euros),
            "is in eur, but spec.currency is usd",
        ],
    );
    assert!(world.stripe.writes().await.is_empty());

    let dollars = price(&world, id(&product), "usd", "gold").await;
    world.plan_reason("gold", "Succeeded").await;
    world.ready("acme").await;
    let (_, subscription) = world.one_of_each("acme", None).await;
    assert_eq!(
        subscription["items"]["data"][0]["price"]["id"],
        dollars["id"]
    );
    assert_eq!(
        world.stripe.writes().await.len(),
        2,
        "a customer and a subscription, no price"
    );
    world.finish().await;
}
