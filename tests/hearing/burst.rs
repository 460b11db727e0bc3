//! Killed in the middle of a burst of webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;

use crate::support::eventually;
use crate::support::world::{World, condition};
use crate::{Http, SECRET, events, http, listening_world, signed, until_leads};

const TENANTS: usize = 200;
const REQUESTS: usize = 5000;
/// So many are answered when the operator is killed.
const KILLED_AFTER: usize = 2000;
const AT_ONCE: usize = 32;

fn name(n: usize) -> String {
    format!("tenant-{n:04}")
}

fn has_card(tenant: &Value) -> bool {
    condition(tenant, "PaymentMethodReady")["status"] == "True"
}

async fn until_all(world: &World, what: &str, check: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually(what, async || {
        let tenants = world.list().await;
        let right = tenants.iter().filter(|tenant| check(tenant)).count();
        if right == TENANTS {
            Ok(tenants)
        } else {
            Err(format!("{right} of {TENANTS}"))
        }
    })
    .await
}

/// Gives these tenants a card.
async fn give_cards(world: &World, tenants: &[Value]) {
    let given = tenants.iter().map(|tenant| {
        let customer = tenant["status"]["stripe"]["customerId"].as_str().unwrap();
        world.add_card(customer, "pm_card_visa")
    });
    stream::iter(given)
        .buffer_unordered(8)
        .collect::<Vec<_>>()
        .await;
}

/// Sends one request; whether it was acknowledged.
async fn try_send(http: &Http, url: &str, body: &str) -> bool {
    let request = Request::post(url)
        .header("stripe-signature", signed(SECRET, body.as_bytes()))
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    http.request(request)
        .await
        .is_ok_and(|response| response.status().is_success())
}

fn is_ready(tenant: &Value) -> bool {
    condition(tenant, "Ready")["status"] == "True"
}

/// Tenants that are fine.
async fn a_fleet(world: &World) -> Vec<Value> {
    let applied = (0..TENANTS).map(|n| async move { world.tenant(&name(n), "pro").await });
    stream::iter(applied)
        .buffer_unordered(8)
        .collect::<()>()
        .await;
    until_all(world, "the fleet is ready", is_ready).await
}

#[tokio::test]
async fn a_leader_killed_in_a_burst_leaves_every_status_true_in_the_end() {
    let (world, _) = listening_world("webhook").await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    let tenants = a_fleet(&world).await;

    let before = events(&world).await.len();
    let (first, second) = tenants.split_at(TENANTS / 2);
    give_cards(&world, first).await;
    let mut caused = events(&world).await;
    caused.truncate(caused.len() - before);
    let bodies: Vec<String> = caused.iter().map(Value::to_string).collect();
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut burst: Vec<usize> = (0..REQUESTS).map(|n| n % bodies.len()).collect();
    random.shuffle(&mut burst);

    let answered = Arc::new(AtomicUsize::new(0));
    let (http, url) = (http(), operator.webhook_url());
    let killed = tokio::sync::Notify::new();
    let sending = stream::iter(&burst).for_each_concurrent(AT_ONCE, |n| {
        let (answered, http, url, body, killed) = (&answered, &http, &url, &bodies[*n], &killed);
        async move {
            if try_send(http, url, body).await
                && answered.fetch_add(1, Ordering::SeqCst) + 1 == KILLED_AFTER
            {
                killed.notify_one();
            }
        }
    });
    let killing = async {
        killed.notified().await;
        operator.kill();
    };
    tokio::join!(sending, killing);
    let answered = answered.load(Ordering::SeqCst);
    assert!(
        (KILLED_AFTER..REQUESTS).contains(&answered),
        "{answered} were answered"
    );

    // Nobody hears of these.
    give_cards(&world, second).await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    let tenants = until_all(&world, "every card is seen", has_card).await;
    for tenant in &tenants {
        assert!(is_ready(tenant), "{tenant:#}");
    }
    world.finish().await;
}
