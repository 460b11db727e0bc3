//! What gateways are told.

use serde_json::json;

use super::support::sandbox::get_text;
use super::support::world::World;
use super::{access, ask, grant, metric, until_level, until_metric};

#[tokio::test]
async fn every_replica_tells_what_the_status_says_by_path_and_by_header() {
    let world = World::new().await;
    let (leader, standby) = (world.operator().await, world.operator().await);
    world.plan("pro", "99.00").await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let id = world.tenant_id("acme");
    for operator in [&leader, &standby] {
        let answer = until_level(operator, &id, (200, "Full")).await;
        assert_eq!(answer.header("x-tenant-access-reason"), "Subscribed");
        assert_eq!(answer.header("x-tenant-plan"), world.plan_name("pro"));
        assert_eq!(answer.header("x-tenant-limits"), "{}");
        assert_eq!(answer.body["tenantId"], id.as_str());
    }
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    for operator in [&leader, &standby] {
        let answer = until_level(operator, &id, (402, "Suspended")).await;
        assert_eq!(answer.header("x-tenant-access-reason"), "NotSubscribed");
        let encoded = id.replace('/', "%2F");
        let denied = ask(
            operator,
            "GET",
            &format!("/access/{encoded}?denied=403"),
            None,
        )
        .await;
        assert_eq!(denied.level(), (403, "Suspended"));
        // As Envoy asks: the original method, and the original path with its query below the prefix.
        for path in [
            "/ext-authz/orders/7?denied=200",
            "/ext-authz/",
            "/ext-authz//x%2F..",
            "/ext-authz",
        ] {
            for method in ["POST", "GET", "DELETE", "OPTIONS"] {
                let answer = ask(operator, method, path, Some(&id)).await;
                assert_eq!(answer.level(), (402, "Suspended"), "{method} {path}");
            }
        }
        let denied = ask(operator, "GET", "/ext-authz?denied=401", Some(&id)).await;
        assert_eq!(denied.level(), (401, "Suspended"));
        for (path, tenant, named) in [
            ("/ext-authz/orders", None, "x-tenant-id is missing"),
            (
                "/ext-authz/orders",
                Some("a b"),
                "x-tenant-id is no tenantId",
            ),
            ("/access/", None, "/access/"),
            ("/access/a?denied=500", None, "denied"),
        ] {
            let answer = ask(operator, "GET", path, tenant).await;
            let message = answer.body["error"].to_string();
            assert!(
                answer.status == 400 && message.contains(named),
                "{path}: {answer:?}"
            );
        }
        let lookups = "tenant_billing_access_lookups_total";
        assert!(metric(operator, &format!("{lookups}{{answer=\"Suspended\"}}")).await > Some(17.0));
        assert_eq!(
            metric(operator, &format!("{lookups}{{answer=\"Invalid\"}}")).await,
            Some(4.0)
        );
        until_metric(operator, "tenant_billing_access_tenants", 1.0).await;
    }
    let (_, ready) = get_text(&format!("{}/readyz", standby.url())).await;
    assert_eq!(ready, "ok\n");
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_not_known_passes_or_not_as_the_flag_says() {
    let mut world = World::new().await;
    let lenient = world.operator().await;
    world.options = world.options.flag("--access-unknown", "deny");
    let strict = world.operator().await;
    for (operator, status) in [(&lenient, 200), (&strict, 402)] {
        let answer = until_level(operator, "nobody", (status, "Unknown")).await;
        // As long as nothing is listed that is the reason.
        let reason = answer.header("x-tenant-access-reason");
        assert!(
            ["NoSuchTenant", "NotListedYet"].contains(&reason),
            "{reason}"
        );
        until_metric(operator, "tenant_billing_access_listed", 1.0).await;
        let answer = access(operator, "nobody").await;
        assert_eq!(answer.header("x-tenant-access-reason"), "NoSuchTenant");
    }
    world.finish().await;
}

#[tokio::test]
async fn of_two_manifests_with_one_tenant_id_the_older_is_told_until_it_is_gone() {
    let world = World::new().await;
    let operator = world.operator().await;
    let shared = format!("{}.shared", world.namespace);
    for name in ["older", "newer"] {
        let mut manifest = world.manifest(name, "missing");
        manifest["spec"]["tenantId"] = json!(shared);
        world.apply(manifest).await;
        // Creation times have whole seconds, and then the name decides: the older is to be older.
        let created = world.get(name).await["metadata"]["creationTimestamp"].clone();
        super::eventually("the next second", async || {
            let now = jiff::Timestamp::now().as_second();
            let created: jiff::Timestamp = created.as_str().unwrap().parse().unwrap();
            if now > created.as_second() {
                Ok(())
            } else {
                Err(now.to_string())
            }
        })
        .await;
    }
    world.stalled("older", "PlanNotFound").await;
    world.stalled("newer", "TenantIdConflict").await;
    grant(&world, "newer", "Full").await;
    grant(&world, "older", "Limited").await;
    let answer = until_level(&operator, &shared, (200, "Limited")).await;
    assert_eq!(
        answer.header("x-tenant-access-until"),
        "2026-02-01T00:00:00Z"
    );
    assert_eq!(
        answer.header("x-tenant-limits"),
        r#"{"requestsPerMinute":60}"#
    );
    world.delete("older").await;
    world.gone("older").await;
    until_level(&operator, &shared, (200, "Full")).await;
    world.delete("newer").await;
    until_level(&operator, &shared, (200, "Unknown")).await;
    world.finish().await;
}
