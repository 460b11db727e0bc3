//! The tenants' `ConfigMap`s.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::support::eventually;
use super::support::world::World;

fn maps(world: &World) -> Api<ConfigMap> {
    Api::namespaced(world.admin(), &world.namespace)
}

/// Waits until a tenant's `ConfigMap` is as `check` wants it.
async fn until(world: &World, name: &str, check: impl Fn(&ConfigMap) -> bool) -> ConfigMap {
    eventually(
        &format!("the ConfigMap {name} is right"),
        async || match maps(world).get_opt(name).await.unwrap() {
            Some(map) if check(&map) => Ok(map),
            other => Err(format!("it is {other:?}")),
        },
    )
    .await
}

fn level(map: &ConfigMap) -> &str {
    map.data
        .as_ref()
        .and_then(|data| data.get("level"))
        .map_or("", String::as_str)
}

async fn until_level(world: &World, name: &str, expected: &str) -> ConfigMap {
    until(world, name, |map| level(map) == expected).await
}

fn document(map: &ConfigMap) -> Value {
    serde_json::from_str(&map.data.as_ref().unwrap()["access.json"]).unwrap()
}

async fn edit(world: &World, name: &str, patch: Value) {
    let params = PatchParams::default();
    let edited = maps(world).patch(name, &params, &Patch::Merge(patch)).await;
    edited.unwrap();
}

/// A world with tenants in order.
async fn world_with(tenants: &[&str]) -> World {
    let world = World::new().await;
    world.plan("pro", "99.00").await;
    for tenant in tenants {
        world.tenant(tenant, "pro").await;
    }
    world
}

#[tokio::test]
async fn it_says_what_the_status_says_and_belongs_to_the_manifest() {
    let world = world_with(&["acme"]).await;
    let _operator = world.operator().await;
    let tenant = world.ready("acme").await;
    let map = until_level(&world, "acme-access", "Full").await;
    let owners = map.owner_references();
    assert_eq!(owners.len(), 1);
    assert_eq!(
        (&owners[0].kind[..], &owners[0].name[..], &owners[0].uid[..]),
        (
            "TenantBilling",
            "acme",
            tenant["metadata"]["uid"].as_str().unwrap()
        ),
        "so that it goes with it"
    );
    assert_eq!(
        map.labels()["app.kubernetes.io/managed-by"],
        "tenant-billing-operator"
    );
    assert_eq!(map.labels()["tenantbilling.io/access"], "");
    let access = &tenant["status"]["access"];
    assert_eq!(
        document(&map),
        json!({
            "tenantId": world.tenant_id("acme"), "level": "Full", "reason": access["reason"],
            "since": access["since"], "plan": world.plan_name("pro"), "limits": {},
        })
    );
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    let map = until_level(&world, "acme-access", "Suspended").await;
    assert_eq!(document(&map)["reason"], "NotSubscribed");
    world.finish().await;
}

#[tokio::test]
async fn what_is_edited_or_deleted_by_hand_is_put_right_and_what_others_add_is_theirs() {
    let world = world_with(&["acme"]).await;
    let _operator = world.operator().await;
    let (name, full) = ("acme-access", "Full");
    let whole = until_level(&world, name, full).await;
    edit(
        &world,
        name,
        json!({"data": {"level": "Suspended", "note": "mine"}}),
    )
    .await;
    let map = until_level(&world, name, full).await;
    assert_eq!(map.data.as_ref().unwrap()["note"], "mine");
    edit(&world, name, json!({"data": {"access.json": null}})).await;
    until(&world, name, |map| {
        map.data.as_ref().unwrap().contains_key("access.json")
    })
    .await;
    // Without the label the watch does not see it any more.
    edit(&world, name, json!({"metadata": {"labels": null}})).await;
    until(&world, name, |map| {
        map.labels().contains_key("tenantbilling.io/access")
    })
    .await;
    let deleted = maps(&world).delete(name, &DeleteParams::default()).await;
    deleted.unwrap();
    let map = until_level(&world, name, full).await;
    assert_ne!(map.uid(), whole.uid());
    assert_eq!(document(&map), document(&whole));
    world.finish().await;
}

#[tokio::test]
async fn what_is_somebody_elses_is_left_alone_and_told_once() {
    let world = world_with(&[]).await;
    let foreign = json!({"metadata": {"name": "acme-access"}, "data": {"level": "mine"}});
    let foreign = serde_json::from_value(foreign).unwrap();
    let foreign = maps(&world)
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    let operator = world.operator().await;
    for name in ["acme", "globex"] {
        world.tenant(name, "pro").await;
        world.ready(name).await;
    }
    until_level(&world, "globex-access", "Full").await;
    let told = async || {
        let events = world.events("acme").await;
        events
            .iter()
            .filter(|event| event.1 == "AccessConfigMapTaken")
            .count()
    };
    eventually("people are told", async || match told().await {
        0 => Err("they are not".to_owned()),
        count => Ok(count),
    })
    .await;
    // Another level, another attempt, and still no more than one event.
    let taken = "tenant_billing_access_configmap_writes_total{outcome=\"taken\"}";
    let before = super::metric(&operator, taken).await;
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    eventually("another attempt", async || {
        let now = super::metric(&operator, taken).await;
        if now > before {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    assert_eq!(told().await, 1);
    let now = maps(&world).get("acme-access").await.unwrap();
    assert_eq!(
        now.resource_version(),
        foreign.resource_version(),
        "{now:?}"
    );
    let notes = world.notes("acme").await;
    let note = notes
        .iter()
        .find(|note| note["reason"] == "AccessConfigMapTaken");
    let note = note.unwrap();
    assert_eq!(note["type"], "Warning");
    assert!(note["note"].to_string().contains("acme-access"), "{note:#}");
    let deleted = maps(&world)
        .delete("acme-access", &DeleteParams::default())
        .await;
    deleted.unwrap();
    until_level(&world, "acme-access", "Suspended").await;
    world.finish().await;
}

#[tokio::test]
async fn one_of_a_manifest_that_is_gone_is_left_to_the_garbage_collector() {
    let world = world_with(&["acme"]).await;
    let operator = world.operator().await;
    let former = until_level(&world, "acme-access", "Full").await;
    world
        .edit("acme", json!({"deletionPolicy": "Retain"}))
        .await;
    world.ready("acme").await;
    world.delete("acme").await;
    world.gone("acme").await;
    world.tenant("acme", "pro").await;
    let tenant = world.ready("acme").await;
    // As the garbage collector would, which is not part of the tests' control plane.
    super::until_level(&operator, &world.tenant_id("acme"), (200, "Full")).await;
    let now = maps(&world).get("acme-access").await.unwrap();
    assert_eq!(now.resource_version(), former.resource_version());
    let deleted = maps(&world)
        .delete("acme-access", &DeleteParams::default())
        .await;
    deleted.unwrap();
    let map = until_level(&world, "acme-access", "Full").await;
    assert_eq!(
        map.owner_references()[0].uid,
        tenant["metadata"]["uid"].as_str().unwrap()
    );
    let events = world.events("acme").await;
    assert!(
        events.iter().all(|event| event.1 != "AccessConfigMapTaken"),
        "{events:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_restart_writes_nothing_where_all_is_well() {
    let tenants = ["a", "b", "c", "d"];
    let world = world_with(&tenants).await;
    let operator = world.operator().await;
    for tenant in tenants {
        until_level(&world, &format!("{tenant}-access"), "Full").await;
        world.ready(tenant).await;
    }
    let versions = async || {
        let labelled = ListParams::default().labels("tenantbilling.io/access");
        let found = maps(&world).list(&labelled).await.unwrap();
        let versions = found
            .iter()
            .map(|map| (map.name_any(), map.resource_version()));
        versions.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(operator.terminate().await.success());
    // One that is wrong shows that the new one has come to them.
    edit(&world, "a-access", json!({"data": {"level": "Suspended"}})).await;
    let before = versions().await;
    let operator = world.operator().await;
    until_level(&world, "a-access", "Full").await;
    for tenant in tenants {
        world.look_again(tenant).await;
    }
    let mut after = versions().await;
    assert_ne!(after.get("a-access"), before.get("a-access"));
    after.insert("a-access".to_owned(), before["a-access"].clone());
    assert_eq!(after, before);
    let written = "tenant_billing_access_configmap_writes_total{outcome=\"written\"}";
    assert_eq!(super::metric(&operator, written).await, Some(1.0));
    world.finish().await;
}

#[tokio::test]
async fn a_write_that_is_forbidden_delays_nothing_and_is_made_when_it_is_allowed() {
    let world = world_with(&[]).await;
    let quotas: Api<k8s_openapi::api::core::v1::ResourceQuota> =
        Api::namespaced(world.admin(), &world.namespace);
    let none = json!({"hard": {"configmaps": "0"}});
    let quota = json!({"metadata": {"name": "none"}, "spec": none});
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    // What the controller-manager would write.
    let status = json!({"status": {"hard": {"configmaps": "0"}, "used": {"configmaps": "0"}}});
    quotas
        .patch_status("none", &PatchParams::default(), &Patch::Merge(status))
        .await
        .unwrap();
    let operator = world.operator().await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let failed = "tenant_billing_access_configmap_writes_total{outcome=\"failed\"}";
    eventually("the write is forbidden", async || {
        super::metric(&operator, failed)
            .await
            .ok_or_else(|| operator.process().log())
    })
    .await;
    world.edit("acme", json!({"lifecycle": "Canceled"})).await;
    world.ready("acme").await;
    super::until_level(&operator, &world.tenant_id("acme"), (402, "Suspended")).await;
    let log = operator.process().log();
    assert!(log.contains("--access-configmaps=off"), "{log}");
    assert!(maps(&world).get_opt("acme-access").await.unwrap().is_none());
    quotas
        .delete("none", &DeleteParams::default())
        .await
        .unwrap();
    until_level(&world, "acme-access", "Suspended").await;
    world.finish().await;
}

#[tokio::test]
async fn none_are_written_where_none_are_wanted() {
    let mut world = world_with(&["acme"]).await;
    world.options = world.options.flag("--access-configmaps", "off");
    let operator = world.operator().await;
    world.ready("acme").await;
    super::until_level(&operator, &world.tenant_id("acme"), (200, "Full")).await;
    world.look_again("acme").await;
    assert!(maps(&world).get_opt("acme-access").await.unwrap().is_none());
    world.finish().await;
}
