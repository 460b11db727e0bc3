//! Two months of a fleet, a day at a time, on a real control plane and the shipped rights: cards that
//! work, decline for a while, or for good, customers who come back, authenticate or promise to pay,
//! support that voids and writes off, and an operator that is killed at any moment.
//!
//! After each day, every tenant's status is compared with what [`model`] says by Stripe's records
//! alone: nobody who has paid is restricted, and nobody who hasn't escapes. Chance decides who does
//! what when; the seed is printed, and `TWO_MONTHS_SEED` sets it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod customers;
mod day;
mod model;
mod told;

#[path = "../support/mod.rs"]
mod support;

use std::fs;

use fastrand::Rng;
use futures::stream::{self, StreamExt as _};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use support::control_plane::{ControlPlane, SYSTEM_NAMESPACE};
use support::eventually;
use support::paying::{DAY, START};
use support::process::{Operator, scratch};
use support::world::{World, id, is_current};

use crate::customers::{Habit, Tenant};
use crate::day::Course;
use crate::told::Receiver;

const TENANTS: usize = 200;
const DAYS: i64 = 61;
/// Requests of the test's own at the same time.
const AT_ONCE: usize = 8;

/// The world, and what is needed to start its operator again.
struct Stage {
    world: World,
    clock: String,
    operator: Option<Operator>,
    /// The endpoint of its webhooks in Stripe.
    endpoint: String,
    /// Where it tells people.
    receiver: Receiver,
    /// May do anything in the cluster.
    admin: Client,
}

impl Stage {
    async fn new() -> Self {
        let mut world = World::new().await;
        let receiver = Receiver::start().await;
        let flags = [
            // With this many customers who do not pay, the breaker would hold, rightly.
            ("--max-restricted-percent", "100"),
            ("--resync-seconds", "86400"),
            ("--access-configmaps", "off"),
            ("--notify-url", &receiver.url),
        ];
        for (flag, value) in flags {
            world.options = world.options.flag(flag, value);
        }
        // Longer than a busy machine lets a replica wait.
        world.options.set_flag("--lease-duration-seconds", "60");
        let plan = json!({
            "currency": "usd",
            "base": {"amount": "99.00", "interval": "Month"},
        });
        world.plan_with("pro", plan).await;
        // Whom Stripe gives up on is still to pay.
        let settings = json!({"past_due_outcome": "past_due"});
        world
            .stripe
            .control(hyper::Method::POST, "/settings", settings)
            .await;
        let endpoint = [("url", "http://127.0.0.1:9/"), ("enabled_events[]", "*")];
        let endpoint = world.stripe.post("/v1/webhook_endpoints", &endpoint).await;
        let secret = scratch("webhook-secret");
        fs::write(&secret, endpoint["secret"].as_str().unwrap()).unwrap();
        let secret = secret.to_str().unwrap();
        world.options = world.options.flag("--webhook-secret-file", secret);
        let clock = world.stripe.test_clock(START).await;
        let mut stage = Self {
            endpoint: id(&endpoint).to_owned(),
            receiver,
            admin: ControlPlane::shared().await.admin().await,
            world,
            clock,
            operator: None,
        };
        stage.start().await;
        stage
    }

    /// Starts the operator, and has Stripe send its webhooks there.
    async fn start(&mut self) {
        let operator = self.world.operator().await;
        let path = format!("/v1/webhook_endpoints/{}", self.endpoint);
        let endpoint = [("url", &*operator.webhook_url()), ("disabled", "false")];
        self.world.stripe.post(&path, &endpoint).await;
        self.operator = Some(operator);
    }

    /// Has Stripe send nothing until the next start: an endpoint that does not answer would have it
    /// hold back each invoice for seconds of real time.
    async fn disable_endpoint(&self) {
        let path = format!("/v1/webhook_endpoints/{}", self.endpoint);
        let endpoint = [("disabled", "true")];
        self.world.stripe.post(&path, &endpoint).await;
    }

    /// Kills the operator, and has its lease be over.
    async fn kill(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.kill();
            let leases: Api<Lease> = Api::namespaced(self.admin.clone(), SYSTEM_NAMESPACE);
            let lease = &self.world.options.lease_name;
            leases
                .delete(lease, &DeleteParams::default())
                .await
                .unwrap();
        }
    }

    /// Makes the fleet. Everybody has a trial of some days, so that nobody's bills come at once.
    async fn fleet(&self, rng: &mut Rng) -> Vec<Tenant> {
        let mut tenants: Vec<Tenant> = (0..TENANTS)
            .map(|n| Tenant::new(format!("tenant-{n:03}"), Habit::any(rng), rng.i64(1..=28)))
            .collect();
        let applied = tenants.iter().map(|tenant| {
            let mut manifest = self.world.manifest(&tenant.name, "pro");
            manifest["spec"]["testClock"] = json!(self.clock);
            manifest["spec"]["trial"] = json!({"days": tenant.trial_days});
            if let Some(days) = tenant.habit.days_until_due() {
                manifest["spec"]["payment"] =
                    json!({"collection": "Invoice", "daysUntilDue": days});
            }
            self.world.apply(manifest)
        });
        stream::iter(applied)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
        let found = eventually("everybody is subscribed", async || {
            let found = self.world.list().await;
            let subscribed = |tenant: &&Value| {
                is_current(tenant) && tenant["status"]["stripe"]["subscriptionId"].is_string()
            };
            let count = found.iter().filter(subscribed).count();
            if count == TENANTS {
                Ok(found)
            } else {
                Err(format!("{count} are"))
            }
        })
        .await;
        for tenant in &mut tenants {
            let own = found
                .iter()
                .find(|it| it["metadata"]["name"] == *tenant.name);
            let customer = &own.unwrap()["status"]["stripe"]["customerId"];
            tenant.customer = customer.as_str().unwrap().to_owned();
        }
        let carded = tenants
            .iter()
            .filter(|it| it.habit.days_until_due().is_none());
        let carded = carded.map(|tenant| self.world.add_card(&tenant.customer, "pm_card_visa"));
        stream::iter(carded)
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        tenants
    }
}

fn seed() -> u64 {
    match std::env::var("TWO_MONTHS_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_customers_do_for_two_months_every_tenant_is_every_day_where_its_bills_say() {
    let seed = seed();
    println!("TWO_MONTHS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let mut stage = Stage::new().await;
    let tenants = stage.fleet(&mut rng).await;
    let mut course = Course::new(tenants, rng);
    for day in 1..=DAYS {
        course
            .live_through(&mut stage, day, START + day * DAY)
            .await;
    }
    course.assert_told(&stage.receiver);
    stage.world.finish().await;
}
