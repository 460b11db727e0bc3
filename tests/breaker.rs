//! Enforcement is held when many tenants are about to lose access at once, is told of, and is let go by a
//! person or by itself, also across a crash of the operator.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use support::{
    control_plane::{ControlPlane, SYSTEM_NAMESPACE},
    eventually,
    paying::{DAY, HOUR, START},
    process::Operator,
    sandbox::get_text,
    world::{World, condition},
};

const RELEASE: &str = "tenantbilling.io/release-enforcement";

/// The breaker's record of a world's operator.
struct Record {
    maps: Api<ConfigMap>,
    events: Api<Event>,
    name: String,
}

impl Record {
    async fn of(world: &World) -> Self {
        let admin = ControlPlane::shared().await.admin().await;
        Self {
            maps: Api::namespaced(admin.clone(), SYSTEM_NAMESPACE),
            events: Api::namespaced(admin, SYSTEM_NAMESPACE),
            name: format!("{}-enforcement", world.namespace),
        }
    }

    async fn field(&self, field: &str) -> Option<String> {
        let map = self.maps.get_opt(&self.name).await.unwrap()?;
        map.data.unwrap_or_default().get(field).cloned()
    }

    /// Waits until the record is in a state.
    async fn until(&self, wanted: &str) {
        eventually(&format!("enforcement is {wanted}"), async || {
            match self.field("state").await {
                Some(state) if state == wanted => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Annotates it as a person does.
    async fn release(&self, hold: &str) {
        let patch = json!({"metadata": {"annotations": {RELEASE: hold}}});
        let params = PatchParams::default();
        let patched = self
            .maps
            .patch(&self.name, &params, &Patch::Merge(patch))
            .await;
        patched.unwrap();
    }

    /// How often an event of a reason was written about it.
    async fn told(&self, reason: &str) -> usize {
        let events = self.events.list(&ListParams::default()).await.unwrap();
        let own = events.items.iter().filter(|event| {
            let name = event.regarding.as_ref().and_then(|it| it.name.as_deref());
            event.reason.as_deref() == Some(reason) && name == Some(&*self.name)
        });
        own.count()
    }
}

/// What a tenant has at a stage from which it is limited so many minutes from now.
fn overdue(minutes: i64) -> Value {
    let now = Timestamp::now();
    let then = |hours: i64| (now + SignedDuration::from_hours(hours)).to_string();
    let until = (now + SignedDuration::from_mins(minutes)).to_string();
    json!({
        "access": {"level": "Full", "since": then(-900), "until": until, "reason": "PaymentOverdue"},
        "dunning": {
            "stage": "Warning", "day": 6, "since": then(-143), "invoice": "in_1", "amountDue": "99.00",
            "currency": "usd", "overdueInvoices": 1, "attempts": 1, "nextStage": "Limited",
            "nextStageAt": until, "message": "It is overdue.",
        },
    })
}

/// A world with suspended tenants, which no look changes anything about, this many of which will be
/// limited soon.
async fn about_to_lose_access(tenants: usize) -> World {
    let world = World::new().await;
    for n in 0..tenants {
        let name = format!("tenant-{n}");
        let mut manifest = world.manifest(&name, "pro");
        manifest["spec"]["suspend"] = json!(true);
        world.apply(manifest).await;
        world.overwrite_status(&name, overdue(30)).await;
    }
    world
}

async fn gauge(operator: &Operator, name: &str) -> i64 {
    let (status, text) = get_text(&format!("{}/metrics", operator.url())).await;
    assert!(status.is_success(), "{status}: {text}");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_hold_is_told_survives_a_crash_and_ends_for_the_person_who_names_it() {
    let world = about_to_lose_access(6).await;
    let record = Record::of(&world).await;
    let operator = world.operator().await;
    record.until("Held").await;
    let hold = record.field("hold").await.unwrap();
    assert_eq!(record.field("limit").await.unwrap(), "5");
    let message = record.field("message").await.unwrap();
    let command = format!(
        "kubectl annotate configmap {} --namespace {SYSTEM_NAMESPACE} --overwrite {RELEASE}={hold}",
        record.name
    );
    assert!(message.ends_with(&command), "{message}");
    assert_eq!(gauge(&operator, "tenant_billing_enforcement_held").await, 1);
    eventually("an event tells of it", async || {
        match record.told("EnforcementHeld").await {
            1 => Ok(()),
            told => Err(format!("{told} do")),
        }
    })
    .await;

    // The next leader goes on with it, and does not tell again of what is known.
    operator.kill();
    record.release("another").await;
    let operator = world.operator().await;
    eventually("the next leader holds", async || {
        match gauge(&operator, "tenant_billing_enforcement_held").await {
            1 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    assert_eq!(record.field("hold").await.unwrap(), hold);
    assert_eq!(record.told("EnforcementHeld").await, 1);

    record.release(&hold).await;
    record.until("Released").await;
    assert_eq!(record.field("allowed").await.unwrap(), "6");
    assert_eq!(gauge(&operator, "tenant_billing_enforcement_held").await, 0);
    eventually("an event tells of the release", async || {
        match record.told("EnforcementReleased").await {
            1 => Ok(()),
            told => Err(format!("{told} do")),
        }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_hold_ends_by_itself_when_enough_have_paid_and_a_deleted_record_is_written_again() {
    let world = about_to_lose_access(7).await;
    let record = Record::of(&world).await;
    let operator = world.operator().await;
    record.until("Held").await;
    let hold = record.field("hold").await.unwrap();
    record
        .maps
        .delete(&record.name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    record.until("Held").await;
    assert_eq!(record.field("hold").await.unwrap(), hold);
    for n in 0..2 {
        let paid = json!({"access": {"until": null, "reason": "Subscribed"}, "dunning": null});
        world.overwrite_status(&format!("tenant-{n}"), paid).await;
    }
    record.until("Clear").await;
    assert_eq!(gauge(&operator, "tenant_billing_enforcement_held").await, 0);
    assert_eq!(record.field("hold").await, None);
    world.finish().await;
}

#[tokio::test]
async fn the_flags_say_how_many_may_lose_access() {
    let mut world = about_to_lose_access(6).await;
    let flags = ["--max-restricted", "2", "--max-restricted-percent", "60"];
    world.options.flags.extend(flags.map(str::to_owned));
    let record = Record::of(&world).await;
    let operator = world.operator().await;
    record.until("Held").await;
    assert_eq!(record.field("limit").await.unwrap(), "3");
    assert!(operator.terminate().await.success());
    world.options.set_flag("--max-restricted", "6");
    let _operator = world.operator().await;
    record.until("Clear").await;
    world.finish().await;
}

/// A world whose tenants' first payments fail at [`FAILED`], and their clock.
async fn failing(tenants: usize) -> (World, Operator, String) {
    let world = World::new().await;
    let plan = json!({"currency": "usd", "base": {"amount": "99.00", "interval": "Month"}});
    world.plan_with("pro", plan).await;
    let operator = world.operator().await;
    let clock = world.stripe.test_clock(START).await;
    for n in 0..tenants {
        let name = format!("tenant-{n}");
        let mut manifest = world.manifest(&name, "pro");
        manifest["spec"]["testClock"] = json!(clock);
        manifest["spec"]["trial"] = json!({"days": 1});
        world.apply(manifest).await;
        let tenant = world.ready(&name).await;
        let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
        world.add_card(customer, "pm_card_chargeCustomerFail").await;
    }
    world.stripe.advance(&clock, FAILED + 60).await;
    (world, operator, clock)
}

/// An hour after the trial's end.
const FAILED: i64 = START + DAY + HOUR;

/// Waits until so many tenants have limited access and so many wait to.
async fn until_split(world: &World, limited: usize, waiting: usize) -> Vec<Value> {
    eventually(
        &format!("{limited} are limited and {waiting} wait"),
        async || {
            let tenants = world.list().await;
            let level = |tenant: &&Value| tenant["status"]["access"]["level"] == "Limited";
            let waits = |tenant: &&Value| condition(tenant, "EnforcementHeld")["status"] == "True";
            let found = (
                tenants.iter().filter(level).count(),
                tenants.iter().filter(waits).count(),
            );
            if found == (limited, waiting) {
                Ok(tenants)
            } else {
                Err(format!("{found:?}"))
            }
        },
    )
    .await
}

#[tokio::test]
async fn when_many_payments_fail_no_more_than_the_limit_lose_access_until_a_person_lets_them() {
    let (world, _operator, clock) = failing(8).await;
    let record = Record::of(&world).await;
    until_split(&world, 0, 0).await;
    world.stripe.advance(&clock, FAILED + 6 * DAY).await;
    record.until("Held").await;
    let tenants = until_split(&world, 5, 3).await;
    for tenant in &tenants {
        let held = condition(tenant, "EnforcementHeld");
        let level = if held.is_null() { "Limited" } else { "Full" };
        assert_eq!(tenant["status"]["access"]["level"], level);
        assert_eq!(
            tenant["status"]["dunning"]["stage"], "Limited",
            "{tenant:#}"
        );
    }
    let hold = record.field("hold").await.unwrap();
    record.release(&hold).await;
    record.until("Released").await;
    until_split(&world, 8, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn who_pays_while_everybody_is_held_waits_no_more_and_may_end_the_hold() {
    let (world, _operator, clock) = failing(6).await;
    let record = Record::of(&world).await;
    world.stripe.advance(&clock, FAILED + 6 * DAY).await;
    record.until("Held").await;
    let tenants = until_split(&world, 5, 1).await;
    let waits = |tenant: &&Value| !condition(tenant, "EnforcementHeld").is_null();
    let waiting = tenants.iter().find(waits).unwrap();
    let invoice = waiting["status"]["dunning"]["invoice"].as_str().unwrap();
    world.stripe.pay_hosted(invoice, "pm_card_visa").await;
    record.until("Clear").await;
    until_split(&world, 5, 0).await;
    world.finish().await;
}
