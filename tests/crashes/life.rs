//! A tenant's life, told by manifests, and what Stripe holds after each chapter of it.

use serde_json::{Value, json};

use crate::support::{
    eventually,
    process::Operator,
    world::{World, id},
};

/// The tenant.
pub(crate) const TENANT: &str = "acme";

/// One change of the manifests, in the order of a tenant's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chapter {
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
    MoreSeats,
    Downgrade,
    Withdrawal,
    Deletion,
}

pub(crate) const LIFE: [Chapter; 14] = [
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
    Chapter::MoreSeats,
    Chapter::Downgrade,
    Chapter::Withdrawal,
    Chapter::Deletion,
];

impl Chapter {
    /// Changes the manifests.
    pub(crate) async fn begin(self, world: &World) {
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
            Self::Upgrade | Self::Withdrawal => {
                world
                    .edit(TENANT, json!({"plan": world.plan_name("pro")}))
                    .await;
            }
            Self::MoreSeats => world.edit(TENANT, json!({"quantity": 3})).await,
            Self::Downgrade => {
                world
                    .edit(TENANT, json!({"plan": world.plan_name("starter")}))
                    .await;
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
    pub(crate) async fn reached(self, world: &World) {
        match self {
            Self::StarterPlan => drop(world.plan_reason("starter", "Succeeded").await),
            Self::ProPlan => drop(world.plan_reason("pro", "Succeeded").await),
            Self::Deletion => world.gone(TENANT).await,
            _ => drop(world.ready(TENANT).await),
        }
    }

    /// Whether there is a tenant's manifest to be edited meanwhile.
    pub(crate) fn has_manifest(self) -> bool {
        !matches!(self, Self::StarterPlan | Self::ProPlan | Self::Deletion)
    }

    /// What others do in Stripe after this chapter: the customer enters a card.
    pub(crate) async fn aftermath(self, world: &World) {
        if self == Self::Onboarding {
            let (customer, _) = world.one_of_each(TENANT, None).await;
            world.add_card(id(&customer), "pm_card_visa").await;
        }
    }
}

pub(crate) fn renamed(name: &str) -> Value {
    json!({"customer": {"name": name}})
}

/// A request, so that it can be met again in another world, where ids and names differ.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) method: String,
    /// Its path up to the first id.
    pub(crate) path: String,
    /// Requests of this chapter with the same method and beginning before it.
    pub(crate) skip: usize,
}

/// A chapter as it is when nothing disturbs it.
pub(crate) struct Calm {
    pub(crate) chapter: Chapter,
    pub(crate) writes: Vec<Target>,
    pub(crate) reads: Vec<Target>,
    pub(crate) after: Value,
}

pub(crate) async fn new_world() -> (World, Operator) {
    let mut world = World::new().await;
    // Without polls in between, a chapter makes the same reads every time.
    world.options.set_flag("--event-poll-seconds", "3600");
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
pub(crate) async fn learn() -> Vec<Calm> {
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
pub(crate) async fn stripe(world: &World) -> Value {
    let customers = list(world, "/v1/customers?").await;
    let mut tenants = Vec::new();
    for customer in &customers {
        let of = format!("customer={}", id(customer));
        let subscriptions = list(world, &format!("/v1/subscriptions?status=all&{of}")).await;
        let invoices = list(world, &format!("/v1/invoices?{of}")).await;
        let schedules = list(world, &format!("/v1/subscription_schedules?{of}")).await;
        tenants.push(json!({
            "name": customer["name"], "email": customer["email"], "metadata": customer["metadata"],
            "subscriptions": subscriptions.iter().map(subscription).collect::<Vec<_>>(),
            "prorations": prorations(world, &subscriptions).await,
            "schedules": schedules.iter().map(schedule).collect::<Vec<_>>(),
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

/// How many lines the next invoice has for changes within the period.
async fn prorations(world: &World, subscriptions: &[Value]) -> usize {
    let Some(live) = subscriptions.iter().find(|s| s["status"] == "active") else {
        return 0;
    };
    let form = [("subscription", id(live))];
    let preview = world
        .stripe
        .post("/v1/invoices/create_preview", &form)
        .await;
    let lines = preview["lines"]["data"].as_array().unwrap();
    let proration = |line: &&Value| {
        line["parent"]["subscription_item_details"]["proration"] == true
            || line["parent"]["invoice_item_details"]["proration"] == true
    };
    lines.iter().filter(proration).count()
}

fn schedule(schedule: &Value) -> Value {
    let phases = schedule["phases"].as_array().unwrap();
    json!({"status": schedule["status"], "phases": phases.len(), "metadata": schedule["metadata"]})
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
        "scheduled": subscription["schedule"].is_string(),
    })
}

pub(crate) async fn list(world: &World, path: &str) -> Vec<Value> {
    let page = world.stripe.get(&format!("{path}&limit=100")).await;
    assert_eq!(page["has_more"], false, "{path}");
    page["data"].as_array().unwrap().clone()
}
