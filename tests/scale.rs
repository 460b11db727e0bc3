//! A fleet of tenants: what it costs in requests to take it up, to find it in order again, and to
//! share an account with strangers.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use support::{
    eventually,
    process::Operator,
    sandbox::get_text,
    world::{World, condition, id},
};

const TENANTS: usize = 500;
/// Manifests of one team's first day.
const NEWCOMERS: usize = 25;
const STRANGERS: usize = 300;
/// Objects on a page of a list.
const PAGE: usize = 100;
/// Longer than the test: what it waits for must not come of polls.
const NEVER: &str = "86400";

/// A world whose operator asks Stripe only when the test makes it, and which has the lease it ships
/// with: the API server is busy here.
async fn quiet_world() -> World {
    let mut world = World::new().await;
    world.options.set_flag("--event-poll-seconds", NEVER);
    world.options.set_flag("--lease-duration-seconds", "15");
    world
        .options
        .flags
        .extend(["--resync-seconds".to_owned(), NEVER.to_owned()]);
    world
}

/// The sum of a counter over those of its labels that contain `labels`.
async fn counter(operator: &Operator, name: &str, labels: &str) -> usize {
    let (status, text) = get_text(&format!("{}/metrics", operator.url())).await;
    assert!(status.is_success(), "{status}: {text}");
    let lines = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(labels));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum()
}

/// Waits until an operator has made that many complete lists of the account.
async fn until_listed(operator: &Operator, wanted: usize) {
    eventually("the account is listed", async || {
        let found = counter(operator, "tenant_billing_list_duration_seconds_count", "").await;
        if found >= wanted {
            Ok(())
        } else {
            Err(format!("{found} times so far"))
        }
    })
    .await;
}

/// Waits until an operator has looked at tenants that often.
async fn until_looked(operator: &Operator, wanted: usize) {
    eventually("all tenants are looked at", async || {
        let labels = "kind=\"TenantBilling\",result=\"success\"";
        let found = counter(operator, "tenant_billing_reconciles_total", labels).await;
        if found >= wanted {
            Ok(())
        } else {
            Err(format!("{found} looks of {wanted}"))
        }
    })
    .await;
}

fn is_ready(tenant: &Value) -> bool {
    condition(tenant, "Ready")["status"] == "True"
}

/// Waits until that many tenants are ready, and gives all.
async fn until_ready(world: &World, wanted: usize) -> Vec<Value> {
    eventually("the fleet is ready", async || {
        let tenants = world.list().await;
        let ready = tenants.iter().filter(|tenant| is_ready(tenant)).count();
        if ready == wanted {
            Ok(tenants)
        } else {
            Err(format!("{ready} of {wanted} are"))
        }
    })
    .await
}

async fn apply_fleet(world: &World, tenants: usize) {
    let applied = (0..tenants).map(|n| async move { world.tenant(&name(n), "pro").await });
    stream::iter(applied)
        .buffer_unordered(8)
        .collect::<()>()
        .await;
}

fn name(n: usize) -> String {
    format!("tenant-{n:04}")
}

/// Makes customers as somebody else would, and gives them.
async fn make_customers(
    world: &World,
    count: usize,
    metadata: impl Fn(usize) -> Value,
) -> Vec<Value> {
    let made = (0..count).map(|n| {
        let metadata = metadata(n);
        let customer = json!({
            "name": "Acme Inc", "email": "billing@acme.example", "metadata": metadata,
        });
        world.stripe.dashboard("/v1/customers", customer)
    });
    stream::iter(made).buffered(8).collect().await
}

/// Makes in Stripe what the manifests of a fleet ask for, as an earlier cluster would have left it.
async fn make_fleet(world: &World, price: &str) {
    let identity = |n: usize| {
        let tenant = world.tenant_id(&name(n));
        json!({"tenantbilling_owner": world.namespace, "tenantbilling_tenant": tenant})
    };
    let customers = make_customers(world, TENANTS, identity).await;
    let subscribed = customers.iter().map(|customer| {
        let mut metadata = customer["metadata"].clone();
        metadata["tenantbilling_trial_days"] = json!("14");
        let subscription = json!({
            "customer": customer["id"], "items": [{"price": price}], "trial_period_days": "14",
            "metadata": metadata,
        });
        world.stripe.dashboard("/v1/subscriptions", subscription)
    });
    stream::iter(subscribed)
        .buffered(8)
        .collect::<Vec<_>>()
        .await;
}

/// Requests that the event list may take at a start: its newest event, and the pages that nobody has
/// read, up to a limit. An account with more is compared as a whole anyway.
const ALLOWED_FOR_EVENTS: usize = 1 + 20;

/// Requests that a complete check of the fleet may take beside `strangers`.
fn allowed(strangers: usize) -> usize {
    3 * TENANTS.div_ceil(PAGE) + 10 + strangers.div_ceil(PAGE)
}

/// Asserts that since the log was emptied the fleet was checked, within the limit. Gives what was
/// written.
async fn writes_of_check(world: &World, strangers: usize, what: &str) -> Vec<Value> {
    let requests = world.stripe.requests().await;
    let is_list = |request: &&Value| request["path"] == "/v1/customers";
    let pages = requests.iter().filter(is_list).count();
    assert!(
        pages >= (TENANTS + strangers).div_ceil(PAGE),
        "{what}: {pages} pages of customers"
    );
    let (of_events, mut requests): (Vec<_>, Vec<_>) = requests
        .into_iter()
        .partition(|request| request["path"] == "/v1/events");
    assert!(
        (1..=ALLOWED_FOR_EVENTS).contains(&of_events.len()),
        "{what}: {} requests for events",
        of_events.len()
    );
    let limit = allowed(strangers);
    assert!(
        requests.len() <= limit,
        "{what}: {} of {limit}: {requests:#?}",
        requests.len()
    );
    requests.retain(|request| request["method"] != "GET");
    requests
}

#[tokio::test]
async fn a_fleet_in_order_is_checked_with_few_requests_and_no_write() {
    let mut world = quiet_world().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    assert!(operator.terminate().await.success());
    let prices = world.stripe.get("/v1/prices").await;
    make_fleet(&world, id(&prices["data"][0])).await;
    apply_fleet(&world, TENANTS).await;

    // Manifests for what is there already: it is taken up as it is.
    world.stripe.forget_requests().await;
    let operator = world.operator().await;
    until_ready(&world, TENANTS).await;
    assert_eq!(
        writes_of_check(&world, 0, "taking up").await,
        [Value::Null; 0]
    );
    assert!(operator.terminate().await.success());

    // A restart finds everything as it was, and says nothing new of it.
    let before = versions(&world).await;
    world.stripe.forget_requests().await;
    let operator = world.operator().await;
    until_listed(&operator, 1).await;
    until_looked(&operator, TENANTS).await;
    assert_eq!(
        writes_of_check(&world, 0, "restart").await,
        [Value::Null; 0]
    );
    assert_eq!(versions(&world).await, before);
    assert!(operator.terminate().await.success());

    // Strangers cost the pages they are on.
    make_customers(&world, STRANGERS, |_| json!({})).await;
    world.stripe.forget_requests().await;
    world.options.set_flag("--resync-seconds", "8");
    let operator = world.operator().await;
    until_listed(&operator, 1).await;
    until_looked(&operator, TENANTS).await;
    assert_eq!(
        writes_of_check(&world, STRANGERS, "among strangers").await,
        [Value::Null; 0]
    );
    assert_eq!(versions(&world).await, before);

    // The next check, while running, comes upon the one tenant that is not in order.
    world.stripe.forget_requests().await;
    let tenant = world.get(&name(TENANTS / 2)).await;
    let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    world
        .stripe
        .dashboard(&path, json!({"email": "someone@else.example"}))
        .await;
    until_listed(&operator, 2).await;
    eventually("the drift is put right", async || {
        let writes = world.stripe.writes().await;
        if writes.is_empty() {
            Err("nothing is written".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    let writes = writes_of_check(&world, STRANGERS, "while running").await;
    assert_eq!(writes.len(), 1, "{writes:#?}");
    assert_eq!(
        (&writes[0]["path"], writes[0]["status"].as_i64()),
        (&json!(path), Some(200))
    );
    until_ready(&world, TENANTS).await;
    world.finish().await;
}

/// The version of every tenant's manifest and status.
async fn versions(world: &World) -> Vec<Value> {
    world
        .list()
        .await
        .iter()
        .map(|tenant| tenant["metadata"]["resourceVersion"].clone())
        .collect()
}

#[tokio::test]
async fn taking_up_a_tenant_costs_two_writes() {
    let world = quiet_world().await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    world.plan_reason("pro", "Succeeded").await;
    until_listed(&operator, 1).await;
    world.stripe.forget_requests().await;
    apply_fleet(&world, NEWCOMERS).await;
    until_ready(&world, NEWCOMERS).await;
    let writes = world.stripe.writes().await;
    for path in ["/v1/customers", "/v1/subscriptions"] {
        let made = writes.iter().filter(|write| write["path"] == path).count();
        assert_eq!(made, NEWCOMERS, "{path}");
    }
    assert_eq!(writes.len(), 2 * NEWCOMERS);
    world.finish().await;
}
