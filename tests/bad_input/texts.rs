//! Texts and ids that are wrong, and texts that only look so.

use serde_json::json;

use crate::support::world::refusal;
use crate::{mentions, nobody_else_notices, world_with_a_healthy_tenant};

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
