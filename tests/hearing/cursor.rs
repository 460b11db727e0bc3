//! The place in Stripe's event list, kept in the cluster.

use hyper::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::control_plane::{ControlPlane, SYSTEM_NAMESPACE};
use crate::support::{eventually, world::World};
use crate::{
    NEVER, change_customer, events, listening_world, newest_about, until_leads, until_put_right,
};

/// What is kept for a world's operator.
struct Kept {
    maps: Api<ConfigMap>,
    events: Api<Event>,
    name: String,
}

impl Kept {
    async fn of(world: &World) -> Self {
        let admin: Client = ControlPlane::shared().await.admin().await;
        Self {
            maps: Api::namespaced(admin.clone(), SYSTEM_NAMESPACE),
            events: Api::namespaced(admin, SYSTEM_NAMESPACE),
            name: format!("{}-events", world.options.lease_name),
        }
    }

    /// What the map says.
    async fn data(&self) -> Value {
        let map = self.maps.get_opt(&self.name).await.unwrap();
        json!(map.and_then(|map| map.data))
    }

    /// Waits until the place is the newest event.
    async fn until_newest(&self, world: &World) {
        eventually("the newest event is kept", async || {
            let newest = events(world).await.remove(0);
            let data = self.data().await;
            if data["lastEvent"] == newest["id"] {
                Ok(())
            } else {
                Err(format!("{data} instead of {}", newest["id"]))
            }
        })
        .await;
    }

    /// Waits for a Kubernetes event about the place; gives its note.
    async fn told(&self, reason: &str) -> String {
        eventually(reason, async || {
            let events = self.events.list(&ListParams::default()).await.unwrap();
            let about = events.items.into_iter().find(|event| {
                let regarding = event.regarding.clone().unwrap_or_default();
                regarding.name.as_ref() == Some(&self.name)
                    && event.reason.as_deref() == Some(reason)
            });
            about.and_then(|event| event.note).ok_or("none".to_owned())
        })
        .await
    }
}

/// A world with one tenant that is fine, and a place that was kept by an operator which is gone. The
/// next one reads the list only at its start.
async fn left_by_an_operator() -> (World, Kept) {
    let (mut world, _) = listening_world("poll").await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    world.tenant("acme", "pro").await;
    world.ready("acme").await;
    let kept = Kept::of(&world).await;
    kept.until_newest(&world).await;
    // What was read of the list is told of a moment later.
    let tenant = world.get("acme").await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    let newest = newest_about(&events(&world).await, &[customer]);
    world
        .until("acme", "the newest event", |tenant| {
            tenant["status"]["lastEvent"]["id"] == newest["id"]
        })
        .await;
    assert!(operator.terminate().await.success());
    // Of two events of one second the one with the greater id passes for the newer.
    let created = newest["created"].as_i64().unwrap();
    eventually("the next second", async || {
        let now = jiff::Timestamp::now().as_second();
        (now > created).then_some(()).ok_or(now.to_string())
    })
    .await;
    world.options.set_flag("--event-poll-seconds", NEVER);
    (world, kept)
}

#[tokio::test]
async fn what_happened_while_nobody_ran_is_put_right_and_told_of() {
    let (world, kept) = left_by_an_operator().await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let all = events(&world).await;
    let (change, before) = all.split_first().unwrap();
    let operator = world.operator().await;
    until_put_right(&world).await;
    world
        .until("acme", "what was missed", |tenant| {
            // The change, or what the operator itself did about it a moment later.
            let told = &tenant["status"]["lastEvent"];
            told["via"] == "Poll" && before.iter().all(|old| told["id"] != old["id"])
        })
        .await;
    eventually("the place has moved", async || {
        let data = kept.data().await;
        if data["lastEvent"] == change["id"] {
            Ok(())
        } else {
            Err(data.to_string())
        }
    })
    .await;
    assert_eq!(kept.data().await["livemode"], "false");
    assert!(operator.terminate().await.success());
    world.finish().await;
}

#[tokio::test]
async fn events_that_have_expired_are_told_of_and_everything_is_compared_instead() {
    let (world, kept) = left_by_an_operator().await;
    // A month passes in Stripe.
    let later = json!({"now_offset_seconds": 31 * 86_400});
    world.stripe.control(Method::POST, "/settings", later).await;
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let place = kept.data().await;
    let operator = world.operator().await;
    until_put_right(&world).await;
    let note = kept.told("EventsExpired").await;
    for word in [
        place["lastEvent"].as_str().unwrap(),
        "30 days",
        "compared with the manifests instead",
    ] {
        assert!(note.contains(word), "{note}");
    }
    eventually("the place is a new one", async || {
        let data = kept.data().await;
        if data == place {
            Err("it is not".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    assert!(operator.terminate().await.success());
    world.finish().await;
}

#[tokio::test]
async fn a_place_that_is_spoilt_or_deleted_by_hand_is_written_anew() {
    let (mut world, kept) = left_by_an_operator().await;
    let spoilt = Patch::Merge(json!({"data": {"lastEvent": "nonsense", "livemode": "perhaps"}}));
    kept.maps
        .patch(&kept.name, &PatchParams::default(), &spoilt)
        .await
        .unwrap();
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    world.options.set_flag("--event-poll-seconds", "1");
    let operator = world.operator().await;
    until_put_right(&world).await;
    let note = kept.told("EventCursorInvalid").await;
    assert!(
        note.contains("data.livemode is neither true nor false"),
        "{note}"
    );
    kept.until_newest(&world).await;

    kept.maps
        .delete(&kept.name, &DeleteParams::default())
        .await
        .unwrap();
    change_customer(&world, "acme", json!({"name": "Another"})).await;
    until_put_right(&world).await;
    kept.until_newest(&world).await;
    assert!(operator.terminate().await.success());
    world.finish().await;
}

#[tokio::test]
async fn a_place_in_the_list_of_another_account_is_not_gone_on_from() {
    let (world, kept) = left_by_an_operator().await;
    let foreign = Patch::Merge(json!({"data": {"account": "acct_other"}}));
    kept.maps
        .patch(&kept.name, &PatchParams::default(), &foreign)
        .await
        .unwrap();
    let operator = world.operator().await;
    eventually("the place is one of this account", async || {
        let data = kept.data().await;
        if data["account"] == "acct_other" {
            Err("not yet".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    assert!(
        operator
            .process()
            .log()
            .contains("one of another account or mode")
    );
    world.finish().await;
}

#[tokio::test]
async fn only_the_leader_keeps_the_place_and_the_next_one_goes_on_from_it() {
    let (mut world, kept) = left_by_an_operator().await;
    world.options.set_flag("--event-poll-seconds", "1");
    let leader = world.operator().await;
    until_leads(&leader).await;
    let standby = world.operator().await;
    kept.until_newest(&world).await;
    leader.kill();
    change_customer(&world, "acme", json!({"name": "Other"})).await;
    let change = events(&world).await.remove(0);
    until_leads(&standby).await;
    until_put_right(&world).await;
    kept.until_newest(&world).await;
    let told = world.get("acme").await["status"]["lastEvent"].take();
    assert_eq!(told["type"], "customer.updated");
    assert!(
        told["createdAt"].as_str().unwrap().len() > 10,
        "{told}, after {}",
        change["id"]
    );
    world.finish().await;
}
