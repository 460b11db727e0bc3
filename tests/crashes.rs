//! Whatever request is lost, and whenever the operator dies: the same end, and nothing twice.
//!
//! A tenant's whole life, told by manifests, is lived once undisturbed to learn which requests each
//! chapter makes and what Stripe holds after it. Then it is lived again and again, in a Stripe of
//! its own each time, with the n-th request of every chapter disturbed; after each chapter Stripe
//! must hold exactly what it held the first time.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use futures::future::join_all;
use serde_json::{Value, json};
use support::{
    eventually,
    process::Operator,
    world::{World, id},
};

/// Attempts of one request before the operator's own backoff begins.
const ATTEMPTS: u64 = 3;
const TENANT: &str = "acme";

/// One change of the manifests, in the order of a tenant's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chapter {
    StarterPlan,
    ProPlan,
    Onboarding,
    Rename,
    LongerTrial,
    Upgrade,
    CancelAtPeriodEnd,
    StayAfterAll,
    Cancel,
    SubscribeAgain,
    Deletion,
}

const LIFE: [Chapter; 11] = [
    Chapter::StarterPlan,
    Chapter::ProPlan,
    Chapter::Onboarding,
    Chapter::Rename,
    Chapter::LongerTrial,
    Chapter::Upgrade,
    Chapter::CancelAtPeriodEnd,
    Chapter::StayAfterAll,
    Chapter::Cancel,
    Chapter::SubscribeAgain,
    Chapter::Deletion,
];

impl Chapter {
    /// Changes the manifests.
    async fn begin(self, world: &World) {
        let lifecycle = |lifecycle| json!({"lifecycle": lifecycle});
        match self {
            Self::StarterPlan => world.plan("starter", "29.00").await,
            Self::ProPlan => world.plan("pro", "99.00").await,
            Self::Onboarding => {
                let mut manifest = world.manifest(TENANT, "starter");
                manifest["spec"]["deletionPolicy"] = json!("CancelNow");
                world.apply(manifest).await;
            }
            Self::Rename => world.edit(TENANT, renamed("Acme Ltd")).await,
            Self::LongerTrial => world.edit(TENANT, json!({"trial": {"days": 30}})).await,
            Self::Upgrade => {
                world
                    .edit(TENANT, json!({"plan": world.plan_name("pro")}))
                    .await
            }
            Self::CancelAtPeriodEnd => world.edit(TENANT, lifecycle("CancelAtPeriodEnd")).await,
            Self::Cancel => world.edit(TENANT, lifecycle("Canceled")).await,
            Self::StayAfterAll | Self::SubscribeAgain => {
                world.edit(TENANT, lifecycle("Active")).await;
            }
            Self::Deletion => world.delete(TENANT).await,
        }
    }

    /// Waits until the operator says that Stripe is as the manifests say.
    async fn reached(self, world: &World) {
        match self {
            Self::StarterPlan => drop(world.plan_reason("starter", "Succeeded").await),
            Self::ProPlan => drop(world.plan_reason("pro", "Succeeded").await),
            Self::Deletion => world.gone(TENANT).await,
            _ => drop(world.ready(TENANT).await),
        }
    }

    /// Whether there is a tenant's manifest to be edited meanwhile.
    fn has_manifest(self) -> bool {
        !matches!(self, Self::StarterPlan | Self::ProPlan | Self::Deletion)
    }

    /// What others do in Stripe after this chapter: the customer enters a card.
    async fn aftermath(self, world: &World) {
        if self == Self::Onboarding {
            let (customer, _) = world.one_of_each(TENANT, None).await;
            world.add_card(id(&customer), "pm_card_visa").await;
        }
    }
}

fn renamed(name: &str) -> Value {
    json!({"customer": {"name": name}})
}

/// How a request is disturbed.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// The operator is killed while the request is `hold_before` or `hold_after`.
    Killed(&'static str),
    /// A fault of this kind meets that many attempts in a row.
    Failed(&'static str, u64),
    /// It is carried out but never answered, until the manifest has been edited.
    UnansweredUntilEdited,
}

/// A request, so that it can be met again in another world, where ids and names differ.
#[derive(Clone, Debug)]
struct Target {
    method: String,
    /// Its path up to the first id.
    path: String,
    /// Requests of this chapter with the same method and beginning before it.
    skip: usize,
}

/// A chapter as it is when nothing disturbs it.
struct Calm {
    chapter: Chapter,
    writes: Vec<Target>,
    reads: Vec<Target>,
    after: Value,
}

async fn new_world() -> (World, Operator) {
    let mut world = World::new().await;
    // Without polls in between, a chapter makes the same reads every time.
    let flag = world
        .options
        .flags
        .iter()
        .position(|flag| flag == "--event-poll-seconds")
        .unwrap();
    world.options.flags[flag + 1] = "3600".to_owned();
    let operator = world.operator().await;
    eventually("the account is listed", async || {
        let listed = operator
            .process()
            .log()
            .contains("listed the Stripe account");
        listed.then_some(()).ok_or_else(|| "it is not".to_owned())
    })
    .await;
    (world, operator)
}

/// Lives the life undisturbed.
async fn learn() -> Vec<Calm> {
    let (world, _operator) = new_world().await;
    let mut life = Vec::new();
    for chapter in LIFE {
        world.stripe.forget_requests().await;
        chapter.begin(&world).await;
        chapter.reached(&world).await;
        let requests = world.stripe.requests().await;
        let (writes, reads) = targets(&requests);
        assert!(
            !writes.is_empty(),
            "{chapter:?} changes something in Stripe"
        );
        let after = stripe(&world).await;
        chapter.aftermath(&world).await;
        life.push(Calm {
            chapter,
            writes,
            reads,
            after,
        });
    }
    world.finish().await;
    life
}

/// The requests of a chapter, writes and reads.
fn targets(requests: &[Value]) -> (Vec<Target>, Vec<Target>) {
    let text = |request: &Value, field: &str| request[field].as_str().unwrap().to_owned();
    let mut all = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let (method, path) = (text(request, "method"), text(request, "path"));
        let path = path.split_inclusive('/').take(3).collect::<String>();
        let same = |earlier: &&Value| {
            earlier["method"] == method.as_str() && text(earlier, "path").starts_with(&path)
        };
        let skip = requests[..index].iter().filter(same).count();
        all.push(Target { method, path, skip });
    }
    all.into_iter().partition(|target| target.method != "GET")
}

/// Everything that is in Stripe, without what differs from world to world: names and ids, and
/// times except for their distances.
async fn stripe(world: &World) -> Value {
    let customers = list(world, "/v1/customers?").await;
    let mut tenants = Vec::new();
    for customer in &customers {
        let of = format!("customer={}", id(customer));
        let subscriptions = list(world, &format!("/v1/subscriptions?status=all&{of}")).await;
        let invoices = list(world, &format!("/v1/invoices?{of}")).await;
        tenants.push(json!({
            "name": customer["name"], "email": customer["email"], "metadata": customer["metadata"],
            "subscriptions": subscriptions.iter().map(subscription).collect::<Vec<_>>(),
            "invoices": invoices.iter().map(|invoice| json!({
                "total": invoice["total"], "paid": invoice["amount_paid"],
                "status": invoice["status"], "reason": invoice["billing_reason"],
            })).collect::<Vec<_>>(),
        }));
    }
    let product = |product: &Value| json!([product["name"], product["metadata"]]);
    let price = |price: &Value| json!([price["unit_amount"], price["active"], price["metadata"]]);
    let products: Vec<_> = list(world, "/v1/products?")
        .await
        .iter()
        .map(product)
        .collect();
    let prices: Vec<_> = list(world, "/v1/prices?").await.iter().map(price).collect();
    let all = json!({"customers": tenants, "products": products, "prices": prices});
    serde_json::from_str(&all.to_string().replace(&world.namespace, "NAMESPACE")).unwrap()
}

fn subscription(subscription: &Value) -> Value {
    let start = subscription["start_date"].as_i64().unwrap();
    let items = subscription["items"]["data"].as_array().unwrap();
    json!({
        "status": subscription["status"],
        "prices": items.iter().map(|item| &item["price"]["unit_amount"]).collect::<Vec<_>>(),
        "quantities": items.iter().map(|item| &item["quantity"]).collect::<Vec<_>>(),
        "cancel_at_period_end": subscription["cancel_at_period_end"],
        "trial_seconds": subscription["trial_end"].as_i64().map(|end| end - start),
        "metadata": subscription["metadata"],
    })
}

async fn list(world: &World, path: &str) -> Vec<Value> {
    let page = world.stripe.get(&format!("{path}&limit=100")).await;
    assert_eq!(page["has_more"], false, "{path}");
    page["data"].as_array().unwrap().clone()
}

/// Lives the life with the `nth` request of each chapter disturbed. Gives how many were.
async fn disturbed(
    life: &[Calm],
    targets: fn(&Calm) -> &[Target],
    nth: usize,
    how: Disturbance,
) -> usize {
    let (world, mut operator) = new_world().await;
    let mut met = 0;
    let mut edited = None;
    for calm in life {
        let chapter = calm.chapter;
        let edits = matches!(how, Disturbance::UnansweredUntilEdited);
        let target = targets(calm)
            .get(nth)
            .filter(|_| !edits || chapter.has_manifest());
        if chapter == Chapter::Rename {
            edited = None;
        }
        if let Some(target) = target {
            let fault = world.stripe.fault(fault(target, how)).await;
            chapter.begin(&world).await;
            let wanted = if edits { ATTEMPTS } else { 1 };
            if met_or_reached(&world, chapter, &fault, wanted).await {
                met += 1;
                match how {
                    Disturbance::Killed(_) => {
                        operator.kill();
                        operator = world.operator().await;
                    }
                    Disturbance::UnansweredUntilEdited => {
                        let name = format!("Acme, edited during {chapter:?}");
                        world.edit(TENANT, renamed(&name)).await;
                        edited = Some(name);
                    }
                    Disturbance::Failed(..) => {
                        chapter.reached(&world).await;
                    }
                }
            }
            world.stripe.clear_fault(&fault).await;
        } else {
            chapter.begin(&world).await;
        }
        chapter.reached(&world).await;
        let mut expected = calm.after.clone();
        if let Some(name) = &edited {
            expected["customers"][0]["name"] = json!(name);
        }
        let found = stripe(&world).await;
        assert_eq!(
            found, expected,
            "after {chapter:?}, request {nth} {how:?}: {target:?}"
        );
        chapter.aftermath(&world).await;
        if chapter == Chapter::SubscribeAgain {
            stays_so(&world).await;
        }
    }
    drop(operator);
    world.finish().await;
    met
}

fn fault(target: &Target, how: Disturbance) -> Value {
    let (kind, times) = match how {
        Disturbance::Killed(kind) => (kind, 1),
        Disturbance::Failed(kind, times) => (kind, times),
        Disturbance::UnansweredUntilEdited => ("drop_after", 0),
    };
    json!({
        "method": target.method, "path": target.path, "skip": target.skip,
        "kind": kind, "times": times, "status": 500,
    })
}

/// Waits until the fault has met that many requests. Says no if the chapter ends without it.
async fn met_or_reached(world: &World, chapter: Chapter, fault: &str, wanted: u64) -> bool {
    let met = eventually("the fault meets a request", async || {
        let hits = world.stripe.fault_hits(fault).await;
        if hits >= wanted {
            Ok(())
        } else {
            Err(format!("{hits} met so far"))
        }
    });
    tokio::select! {
        () = met => true,
        () = chapter.reached(world) => world.stripe.fault_hits(fault).await >= wanted,
    }
}

/// Another look changes nothing.
async fn stays_so(world: &World) {
    world.stripe.forget_requests().await;
    world.look_again(TENANT).await;
    let writes = world.stripe.writes().await;
    assert!(
        writes.is_empty(),
        "in sync, nothing is written: {writes:#?}"
    );
}

/// Disturbs every write of the life once.
async fn disturb_every_write(how: Disturbance) {
    let life = learn().await;
    let rounds = life.iter().map(|calm| calm.writes.len()).max().unwrap();
    let runs = (0..rounds).map(|nth| disturbed(&life, |calm| &calm.writes, nth, how));
    let met: usize = join_all(runs).await.into_iter().sum();
    let edits = matches!(how, Disturbance::UnansweredUntilEdited);
    let in_question = life
        .iter()
        .filter(|calm| !edits || calm.chapter.has_manifest());
    let writes: usize = in_question.map(|calm| calm.writes.len()).sum();
    assert_eq!(met, writes, "every write is disturbed once");
}

#[tokio::test]
async fn killed_before_a_write_was_carried_out() {
    disturb_every_write(Disturbance::Killed("hold_before")).await;
}

#[tokio::test]
async fn killed_after_a_write_was_carried_out() {
    disturb_every_write(Disturbance::Killed("hold_after")).await;
}

#[tokio::test]
async fn killed_while_reading() {
    let life = learn().await;
    let rounds = life.iter().map(|calm| calm.reads.len()).max().unwrap();
    let how = Disturbance::Killed("hold_before");
    let runs = (0..rounds).map(|nth| disturbed(&life, |calm| &calm.reads, nth, how));
    let met: usize = join_all(runs).await.into_iter().sum();
    assert!(met > LIFE.len(), "only {met} reads were met");
}

#[tokio::test]
async fn a_write_that_was_carried_out_is_not_answered() {
    disturb_every_write(Disturbance::Failed("drop_after", 1)).await;
}

#[tokio::test]
async fn a_write_that_was_carried_out_is_not_answered_however_often_it_is_repeated() {
    disturb_every_write(Disturbance::Failed("drop_after", ATTEMPTS)).await;
}

#[tokio::test]
async fn a_write_is_lost_on_its_way_again_and_again() {
    disturb_every_write(Disturbance::Failed("drop_before", ATTEMPTS)).await;
}

#[tokio::test]
async fn a_write_is_answered_with_500() {
    disturb_every_write(Disturbance::Failed("status", 1)).await;
}

#[tokio::test]
async fn the_manifest_is_edited_while_a_write_is_unanswered() {
    disturb_every_write(Disturbance::UnansweredUntilEdited).await;
}

/// A creation is carried out but not answered; then the manifest is deleted, and applied again
/// with another name.
async fn deleted_after_unanswered(path: &str, how: Disturbance) {
    let (world, mut operator) = new_world().await;
    world.plan("starter", "29.00").await;
    world.plan_reason("starter", "Succeeded").await;
    let target = Target {
        method: "POST".to_owned(),
        path: path.to_owned(),
        skip: 0,
    };
    let fault = world.stripe.fault(fault(&target, how)).await;
    let mut manifest = world.manifest(TENANT, "starter");
    manifest["spec"]["deletionPolicy"] = json!("CancelNow");
    world.apply(manifest.clone()).await;
    let unanswered = if let Disturbance::Killed(_) = how {
        1
    } else {
        ATTEMPTS
    };
    eventually("the creation is not answered", async || {
        let hits = world.stripe.fault_hits(&fault).await;
        if hits >= unanswered {
            Ok(())
        } else {
            Err(format!("{hits} met so far"))
        }
    })
    .await;
    if let Disturbance::Killed(_) = how {
        operator.kill();
        world.delete(TENANT).await;
        operator = world.operator().await;
    } else {
        world.delete(TENANT).await;
    }
    world.stripe.clear_fault(&fault).await;
    world.gone(TENANT).await;
    let subscriptions = list(&world, "/v1/subscriptions?status=all").await;
    let live = subscriptions.iter().find(|s| s["status"] != "canceled");
    assert_eq!(live, None, "{path}, {how:?}: it would be billed for ever");

    manifest["spec"]["customer"]["name"] = json!("Acme again");
    world.apply(manifest).await;
    let settled = |tenant: &Value| tenant["status"]["stripe"]["customerId"].is_string();
    world.until(TENANT, "billed again", settled).await;
    let customers = list(&world, "/v1/customers?").await;
    assert_eq!(customers.len(), 1, "{path}, {how:?}: {customers:#?}");
    drop(operator);
    world.finish().await;
}

#[tokio::test]
async fn the_manifest_is_deleted_while_a_creation_is_unanswered() {
    let mut runs = Vec::new();
    for path in ["/v1/customers", "/v1/subscriptions"] {
        for how in [
            Disturbance::UnansweredUntilEdited,
            Disturbance::Killed("hold_after"),
        ] {
            runs.push(deleted_after_unanswered(path, how));
        }
    }
    join_all(runs).await;
}
