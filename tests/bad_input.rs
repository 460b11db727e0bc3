//! Manifests that are wrong, on a real control plane: the server refuses what its schema can
//! express, the operator says what is wrong with the rest, nothing of it reaches Stripe, and nobody
//! else notices.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use kube::api::DynamicObject;
use serde_json::{Value, json};
use support::world::{World, condition, id, refusal};

/// A world in which a tenant is fine already, and stays so.
async fn world_with_a_healthy_tenant() -> (World, support::process::Operator) {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.tenant("healthy", "pro").await;
    world.ready("healthy").await;
    world.stripe.forget_requests().await;
    (world, operator)
}

/// Asserts that nothing was written to Stripe since, and that others can still be billed.
async fn nobody_else_notices(world: World) {
    let writes = world.stripe.writes().await;
    assert!(writes.is_empty(), "{writes:#?}");
    world.tenant("neighbour", "pro").await;
    world.ready("neighbour").await;
    world
        .edit("healthy", json!({"customer": {"name": "Still Served"}}))
        .await;
    world.ready("healthy").await;
    let (customer, _) = world.one_of_each("healthy", None).await;
    assert_eq!(customer["name"], "Still Served");
    world.finish().await;
}

fn mentions(message: &str, words: &[&str]) {
    for word in words {
        assert!(
            message.contains(word),
            "\"{message}\" does not mention \"{word}\""
        );
    }
}

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
        world.plan_with(name, spec).await;
        world.tenant(name, name).await;
        let message = world.plan_stalled(name, "InvalidSpec").await;
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

#[tokio::test]
async fn a_test_clock_has_to_be_one() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    for clock in [
        "clock_",
        "cus_1",
        "clock_1/../../customers",
        "clock_a b",
        "",
    ] {
        let mut manifest = world.manifest("acme", "pro");
        manifest["spec"]["testClock"] = json!(clock);
        mentions(
            &refusal(world.try_apply(manifest).await),
            &["spec.testClock"],
        );
    }
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["testClock"] = json!("clock_1NobodyMadeThis");
    world.apply(manifest).await;
    let message = world.stalled("acme", "InvalidSpec").await;
    mentions(
        &message,
        &["spec.testClock: ", "no test clock clock_1NobodyMadeThis"],
    );
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn texts_that_are_too_long_are_refused_and_the_longest_arrive_whole() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let longest = "é".repeat(256);
    for (field, value) in [
        ("name", "é".repeat(257)),
        ("name", String::new()),
        ("email", format!("{}@b.example", "a".repeat(250))),
        ("email", "nobody".to_owned()),
        ("phone", "1".repeat(21)),
        ("description", "d".repeat(351)),
    ] {
        let mut manifest = world.manifest("acme", "pro");
        manifest["spec"]["customer"][field] = json!(value);
        let message = refusal(world.try_apply(manifest).await);
        mentions(&message, &[&format!("spec.customer.{field}")]);
    }
    assert!(world.stripe.writes().await.is_empty());
    let mut manifest = world.manifest("acme", "pro");
    manifest["spec"]["customer"]["name"] = json!(longest);
    world.apply(manifest).await;
    world.ready("acme").await;
    let (customer, _) = world.one_of_each("acme", None).await;
    assert_eq!(customer["name"], longest);
    world.finish().await;
}

#[tokio::test]
async fn what_the_schema_cannot_see_stalls_the_tenant_and_names_the_field() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let cases = [
        (
            "name",
            "bell\u{7}",
            "contains the control character U+0007; remove it",
        ),
        (
            "name",
            "nul\u{0}byte",
            "contains the control character U+0000; remove it",
        ),
        ("name", "   ", "is empty; give a value"),
        ("name", " Acme", "begins or ends with a blank"),
        (
            "description",
            "two\nlines",
            "contains the control character U+000A; remove it",
        ),
        ("phone", "\t555", "begins or ends with a blank"),
        ("email", "a@b..example", "is not an e-mail address"),
    ];
    for (at, (field, value, words)) in cases.into_iter().enumerate() {
        let name = format!("acme-{at}");
        let mut manifest = world.manifest(&name, "pro");
        manifest["spec"]["customer"][field] = json!(value);
        world.apply(manifest).await;
        let message = world.stalled(&name, "InvalidSpec").await;
        assert!(
            message.starts_with(&format!("spec.customer.{field}: ")),
            "{message}"
        );
        mentions(&message, &[words]);
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    assert!(world.stripe.writes().await.is_empty());
    world
        .edit("acme-0", json!({"customer": {"name": "Bell Inc"}}))
        .await;
    world.ready("acme-0").await;
    world.stripe.forget_requests().await;
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn hostile_text_is_data_and_arrives_unchanged_with_one_customer() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let texts = [
        r#"O'Hara "Quotes" & Sons \ Co; DROP TABLE customers; --"#,
        "&metadata[tenantbilling_tenant]=other&email=evil@else.example",
        "name]=x&metadata[a",
        "{{7*7}} ${jndi:ldap} <script>alert(1)</script> %00%0A %s",
        "💣👩‍👩‍👧 Ünïcödé 日本語",
        "\u{202e}desrever \u{200f}RTL\u{2066}",
        "null",
        "0",
        "+49 = 100%",
    ];
    for (at, text) in texts.into_iter().enumerate() {
        let name = format!("acme-{at}");
        let mut manifest = world.manifest(&name, "pro");
        manifest["spec"]["customer"]["name"] = json!(text);
        manifest["spec"]["customer"]["description"] = json!(text);
        manifest["spec"]["customer"]["address"] = json!({"line1": text, "country": "DE"});
        world.apply(manifest).await;
    }
    for (at, text) in texts.into_iter().enumerate() {
        let name = format!("acme-{at}");
        world.ready(&name).await;
        let (customer, subscription) = world.one_of_each(&name, None).await;
        assert_eq!(customer["name"], text);
        assert_eq!(customer["description"], text);
        assert_eq!(customer["address"]["line1"], text);
        assert_eq!(customer["email"], "billing@acme.example");
        let identity = json!({
            "tenantbilling_owner": world.namespace, "tenantbilling_tenant": world.tenant_id(&name),
        });
        assert_eq!(customer["metadata"], identity, "{text}");
        assert_eq!(
            subscription["metadata"]["tenantbilling_tenant"],
            world.tenant_id(&name).as_str()
        );
    }
    world.stripe.forget_requests().await;
    for at in 0..texts.len() {
        world.look_again(&format!("acme-{at}")).await;
    }
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn hostile_tenant_ids_are_refused_by_the_server() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    for tenant_id in [
        "",
        "a&b=c",
        "../../v1/customers",
        "a b",
        "ä",
        "x".repeat(201).as_str(),
        "a\n",
    ] {
        let mut manifest = world.manifest("acme", "pro");
        manifest["spec"]["tenantId"] = json!(tenant_id);
        mentions(
            &refusal(world.try_apply(manifest).await),
            &["spec.tenantId"],
        );
    }
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn the_tenant_id_cannot_be_changed() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let changed = json!({"tenantId": "somebody-else"});
    let answer = world.try_edit("healthy", changed).await;
    if answer.is_err() {
        // A server that knows CEL.
        mentions(&refusal(answer), &["tenantId", "cannot be changed"]);
    } else {
        let message = world.stalled("healthy", "InvalidSpec").await;
        let before = format!("set it back to \"{}\"", world.tenant_id("healthy"));
        mentions(&message, &["spec.tenantId: ", "cannot be changed", &before]);
        let tenant = world.get("healthy").await;
        assert_eq!(
            tenant["status"]["tenantId"],
            world.tenant_id("healthy").as_str()
        );
        world
            .edit("healthy", json!({"customer": {"name": "Not Yet"}}))
            .await;
        world.stalled("healthy", "InvalidSpec").await;
        let (customer, _) = world.one_of_each("healthy", None).await;
        assert_eq!(customer["name"], "Acme Inc");
        world
            .edit(
                "healthy",
                json!({"tenantId": null, "customer": {"name": "Acme Inc"}}),
            )
            .await;
    }
    world.ready("healthy").await;
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn of_two_manifests_with_one_tenant_id_the_older_bills_and_the_newer_waits() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    world.stripe.forget_requests().await;
    let mut copy = world.manifest("copy", "pro");
    copy["spec"]["tenantId"] = json!(world.tenant_id("acme"));
    copy["spec"]["deletionPolicy"] = json!("CancelNow");
    copy["spec"]["customer"]["name"] = json!("Copy Inc");
    world.apply(copy.clone()).await;
    let message = world.stalled("copy", "TenantIdConflict").await;
    let holder = format!("{}/acme", world.namespace);
    mentions(
        &message,
        &["spec.tenantId: ", &holder, "delete one of the two"],
    );

    world.delete("copy").await;
    world.gone("copy").await;
    world.look_again("acme").await;
    world.ready("acme").await;
    let (same, unchanged) = world.one_of_each("acme", None).await;
    assert_eq!(
        (&same, &unchanged),
        (&customer, &subscription),
        "nothing was touched"
    );
    nobody_else_notices(world).await;
}

#[tokio::test]
async fn when_the_older_of_two_manifests_goes_the_newer_carries_on_with_the_same_subscription() {
    let (world, _operator) = world_with_a_healthy_tenant().await;
    let mut acme = world.manifest("acme", "pro");
    acme["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(acme).await;
    world.ready("acme").await;
    let (customer, subscription) = world.one_of_each("acme", None).await;
    let mut copy = world.manifest("copy", "pro");
    copy["spec"]["tenantId"] = json!(world.tenant_id("acme"));
    world.apply(copy).await;
    world.stalled("copy", "TenantIdConflict").await;
    world.stripe.forget_requests().await;

    world.delete("acme").await;
    world.gone("acme").await;
    let tenant = world.ready("copy").await;
    assert_eq!(tenant["status"]["stripe"]["customerId"], customer["id"]);
    assert_eq!(
        tenant["status"]["stripe"]["subscriptionId"],
        subscription["id"]
    );
    let (_, now) = world.one_of_each("acme", None).await;
    assert_eq!(now, subscription, "nothing was cancelled");
    nobody_else_notices(world).await;
}

// The server's schema lets no spec through that the Rust types refuse; `controller::tenant` has a test for
// those. A status is another matter: the server takes any offset that looks like one.
#[tokio::test]
async fn a_status_that_cannot_be_read_counts_as_never_written_and_is_found_again_in_stripe() {
    let (world, operator) = world_with_a_healthy_tenant().await;
    let (customer, subscription) = world.one_of_each("healthy", None).await;
    assert!(operator.terminate().await.success());
    world
        .overwrite_status(
            "healthy",
            json!({"trialEndsAt": "2027-01-01T00:00:00+99:99"}),
        )
        .await;
    let broken = world.get("healthy").await;
    assert_eq!(broken["status"]["trialEndsAt"], "2027-01-01T00:00:00+99:99");

    let _operator = world.operator().await;
    let rewritten = |tenant: &Value| {
        tenant["status"]["trialEndsAt"]
            .as_str()
            .is_some_and(|end| end.ends_with('Z'))
            && condition(tenant, "Ready")["status"] == "True"
    };
    let tenant = world
        .until("healthy", "a status written anew", rewritten)
        .await;
    assert_eq!(tenant["status"]["stripe"]["customerId"], customer["id"]);
    assert_eq!(
        tenant["status"]["stripe"]["subscriptionId"],
        subscription["id"]
    );
    nobody_else_notices(world).await;
}
