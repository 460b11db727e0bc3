//! A payment method that has to be there before anything begins.

use hyper::Method;
use serde_json::{Value, json};

use super::support::world::{World, condition, id};
use super::{
    DAY, RETURN_URL, TENANT, customer, kill_at, manifest, method_ready, page, phase, session, world,
};

async fn apply_gated(world: &World) {
    let spec = json!({"payment": {"method": "BeforeTrial"}});
    world.apply(manifest(world, &spec)).await;
}

/// Every Checkout session.
async fn sessions(world: &World) -> Vec<Value> {
    let page = world.stripe.get("/v1/checkout/sessions?limit=100").await;
    page["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn nothing_begins_until_the_customer_leaves_a_card_and_then_it_does_by_itself() {
    let world = world().await;
    let _operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    world.stripe.forget_requests().await;
    apply_gated(&world).await;

    page(&world).await;
    let waiting = world.reason(TENANT, "PaymentMethodMissing").await;
    assert_eq!(waiting["status"]["phase"], "AwaitingPaymentMethod");
    assert_eq!(condition(&waiting, "Reconciling")["status"], "True");
    assert!(!method_ready(&waiting));
    assert!(world.subscriptions(customer(&waiting)).await.is_empty());
    assert_eq!(
        world.stripe.writes().await.len(),
        2,
        "a customer and a page"
    );
    let made = world
        .stripe
        .get(&format!("/v1/checkout/sessions/{}", session(&waiting)))
        .await;
    assert_eq!(made["mode"], "setup");
    assert_eq!(made["success_url"], RETURN_URL);
    assert_eq!(made["url"], waiting["status"]["payment"]["setupUrl"]);

    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    assert!(
        world.stripe.writes().await.is_empty(),
        "waiting writes nothing"
    );

    world
        .stripe
        .complete_checkout(session(&waiting), "pm_card_visa")
        .await;
    let tenant = phase(&world, "Trialing").await;
    assert!(method_ready(&tenant));
    let payment = &tenant["status"]["payment"];
    assert_eq!(
        (&payment["methodOnFile"], &payment["setupUrl"]),
        (&json!(true), &Value::Null)
    );
    world.ready(TENANT).await;
    let (_, subscription) = world.one_of_each(TENANT, None).await;
    assert_eq!(subscription["status"], "trialing");
    assert_eq!(sessions(&world).await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_page_that_expires_is_replaced() {
    let world = world().await;
    let _operator = world.operator().await;
    // A page is good for a day of Stripe's; by this clock it was made nearly one ago.
    let behind = json!({"now_offset_seconds": 5 - DAY});
    world
        .stripe
        .control(Method::POST, "/settings", behind)
        .await;
    apply_gated(&world).await;
    let first = page(&world).await;
    let on_time = json!({"now_offset_seconds": 0});
    world
        .stripe
        .control(Method::POST, "/settings", on_time)
        .await;
    let second = world
        .until(TENANT, "another page", |tenant| {
            let now = &tenant["status"]["payment"]["setupSessionId"];
            now.is_string() && *now != first["status"]["payment"]["setupSessionId"]
        })
        .await;
    world
        .stripe
        .complete_checkout(session(&second), "pm_card_visa")
        .await;
    phase(&world, "Trialing").await;
    assert_eq!(sessions(&world).await.len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_card_whose_authentication_is_not_completed_begins_nothing() {
    let world = world().await;
    let _operator = world.operator().await;
    apply_gated(&world).await;
    let waiting = page(&world).await;
    let path = format!("/checkout/{}", session(&waiting));
    let left = json!({"card": "pm_card_authenticationRequiredOnSetup"});
    world.stripe.control(Method::POST, &path, left).await;
    world.look_again(TENANT).await;
    let tenant = world.get(TENANT).await;
    assert_eq!(tenant["status"]["phase"], "AwaitingPaymentMethod");
    assert_eq!(
        session(&tenant),
        session(&waiting),
        "the page is still good"
    );
    assert!(world.subscriptions(customer(&tenant)).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn without_an_address_to_return_to_the_status_says_so_and_a_card_from_elsewhere_counts() {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let _operator = world.operator().await;
    apply_gated(&world).await;
    let message = world.reconciling(TENANT, "PaymentMethodMissing").await;
    assert!(message.contains("spec.payment.returnUrl"), "{message}");
    assert!(sessions(&world).await.is_empty());
    let tenant = world.get(TENANT).await;
    world.add_card(customer(&tenant), "pm_card_visa").await;
    phase(&world, "Trialing").await;
    world.finish().await;
}

#[tokio::test]
async fn where_none_is_required_the_first_invoice_waits_for_the_customer() {
    let world = world().await;
    let _operator = world.operator().await;
    let spec = json!({"payment": {"method": "NotRequired"}, "trial": {"days": 0}});
    world.apply(manifest(&world, &spec)).await;
    let tenant = world.reason(TENANT, "AwaitingPayment").await;
    assert_eq!(tenant["status"]["phase"], "AwaitingPayment");
    let subscriptions = world.subscriptions(customer(&tenant)).await;
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(subscriptions[0]["status"], "incomplete");
    let tenant = world
        .until(TENANT, "what the customer has to do", |tenant| {
            tenant["status"]["payment"]["actionRequired"]["url"].is_string()
        })
        .await;
    let action = &tenant["status"]["payment"]["actionRequired"];
    assert_eq!(action["reason"], "AwaitingPayment");
    assert_eq!(action["amount"], "99.00");
    let invoice = action["invoice"].as_str().unwrap();
    assert_eq!(subscriptions[0]["latest_invoice"], invoice);
    world.stripe.pay_hosted(invoice, "pm_card_visa").await;
    let tenant = phase(&world, "Active").await;
    assert_eq!(tenant["status"]["payment"]["actionRequired"], Value::Null);
    world.ready(TENANT).await;
    world.finish().await;
}

/// One request that is held while the operator is killed.
struct Kill {
    method: &'static str,
    path: &'static str,
    skip: u32,
    kind: &'static str,
}

/// Gates a tenant, leaves a card, and kills the operator at one of its writes.
async fn begun_with_a_kill(kill: &Kill) {
    let world = world().await;
    let operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    let fault = json!({
        "method": kill.method, "path": kill.path, "skip": kill.skip, "kind": kill.kind, "times": 1,
    });
    let fault = world.stripe.fault(fault).await;
    apply_gated(&world).await;
    // The first two writes come before the card, the others after it.
    let before_card = matches!(kill.path, "/v1/checkout/sessions")
        || (kill.path == "/v1/customers" && kill.skip == 0);
    let operator = if before_card {
        kill_at(&world, &fault, operator).await
    } else {
        operator
    };
    let waiting = page(&world).await;
    world
        .stripe
        .complete_checkout(session(&waiting), "pm_card_visa")
        .await;
    let operator = if before_card {
        operator
    } else {
        kill_at(&world, &fault, operator).await
    };
    phase(&world, "Trialing").await;
    world.ready(TENANT).await;
    world.one_of_each(TENANT, None).await;
    let made = sessions(&world).await;
    assert_eq!(made.len(), 1, "{} {}: {made:#?}", kill.kind, kill.path);
    assert_eq!(id(&made[0]), session(&waiting));
    drop(operator);
    world.finish().await;
}

#[tokio::test]
async fn killed_at_any_write_of_a_gated_beginning_nothing_is_doubled() {
    let kills = ["hold_before", "hold_after"].into_iter().flat_map(|kind| {
        [
            ("/v1/customers", 0),
            ("/v1/checkout/sessions", 0),
            // The card becomes the default.
            ("/v1/customers", 1),
            ("/v1/subscriptions", 0),
        ]
        .map(|(path, skip)| Kill {
            method: "POST",
            path,
            skip,
            kind,
        })
    });
    for kill in kills {
        begun_with_a_kill(&kill).await;
    }
}
