//! Any permutation, duplication and loss of the event stream ends in the same status.

use std::collections::{BTreeMap, HashSet};

use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::process::Operator;
use crate::support::world::{World, id};
use crate::{SECRET, events, http, listening_world, newest_about, post, signed, until_leads};

const DAY: i64 = 86_400;
const START: i64 = 1_800_000_000;
/// Streams that are spoilt each in its own way.
const CASES: usize = 4;
/// The lives of tenants: what happens to each in Stripe.
const LIVES: [&str; 5] = ["pays", "declines", "recovers", "canceled", "edited"];
/// Who fell behind in what.
const STAGES: usize = 3;

/// A tenant on a clock of its own.
struct Life {
    name: String,
    kind: &'static str,
    clock: String,
    customer: String,
    subscription: String,
}

async fn begin(world: &World, case: &str, kind: &'static str) -> Life {
    let name = format!("{case}-{kind}");
    let clock = world.stripe.test_clock(START).await;
    let mut manifest = world.manifest(&name, "pro");
    manifest["spec"]["testClock"] = json!(clock);
    world.apply(manifest).await;
    let tenant = world.ready(&name).await;
    let stripe = &tenant["status"]["stripe"];
    let text = |field: &str| stripe[field].as_str().unwrap().to_owned();
    Life {
        customer: text("customerId"),
        subscription: text("subscriptionId"),
        name,
        kind,
        clock,
    }
}

async fn happen(world: &World, life: &Life, stage: usize) {
    let fails = matches!(life.kind, "declines" | "recovers");
    match (stage, life.kind) {
        (0, "edited") => {
            world.add_card(&life.customer, "pm_card_visa").await;
            let path = format!("/v1/customers/{}", life.customer);
            world
                .stripe
                .dashboard(&path, json!({"name": "Other"}))
                .await;
        }
        (0, _) => {
            let card = if fails {
                "pm_card_chargeCustomerFail"
            } else {
                "pm_card_visa"
            };
            world.add_card(&life.customer, card).await;
        }
        (1, _) => {
            world
                .stripe
                .advance(&life.clock, START + 14 * DAY + 7200)
                .await;
        }
        (2, "recovers") => {
            world.add_card(&life.customer, "pm_card_visa").await;
            let path = format!("/v1/invoices?status=open&customer={}", life.customer);
            let open = world.stripe.get(&path).await;
            let invoice = id(&open["data"][0]).to_owned();
            world
                .stripe
                .post(&format!("/v1/invoices/{invoice}/pay"), &[])
                .await;
        }
        (2, "canceled") => {
            let path = format!("/v1/subscriptions/{}", life.subscription);
            let cancel = json!({"method": "DELETE", "path": path, "params": {}});
            world
                .stripe
                .control(hyper::Method::POST, "/dashboard", cancel)
                .await;
        }
        _ => {}
    }
}

/// Takes an event stream apart and delivers what is left of it.
struct Mischief {
    random: fastrand::Rng,
    seen: HashSet<String>,
    /// Deliveries that are still to come.
    held: Vec<Value>,
    /// The newest event about each object, and whether it was delivered after it happened.
    newest: BTreeMap<String, (Value, bool)>,
}

impl Mischief {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            seen: HashSet::new(),
            held: Vec::new(),
            newest: BTreeMap::new(),
        }
    }

    /// Takes in what has happened since the last time, oldest first.
    async fn listen(&mut self, world: &World) -> usize {
        let mut fresh = events(world).await;
        fresh.reverse();
        fresh.retain(|event| self.seen.insert(id(event).to_owned()));
        for event in &fresh {
            let object = &event["data"]["object"];
            let key = format!("{} {}", object["object"], object["id"]);
            self.newest.insert(key, (event.clone(), false));
            // A third is lost, a third comes once, a third two or three times.
            for _ in 0..[0, 1, 2 + self.random.usize(..2)][self.random.usize(..3)] {
                self.held.push(event.clone());
            }
        }
        fresh.len()
    }

    /// Delivers some of what is held, in any order, and some of it at the same time.
    async fn deliver(&mut self, operator: &Operator, most: usize) {
        self.random.shuffle(&mut self.held);
        let now = self.held.split_off(self.held.len().saturating_sub(most));
        for (event, delivered) in self.newest.values_mut() {
            *delivered |= now.iter().any(|sent| sent["id"] == event["id"]);
        }
        send(operator, now).await;
    }

    /// Delivers the rest, and of every object whose newest event was lost that one.
    async fn end(&mut self, operator: &Operator) {
        let lost = self.newest.values().filter(|(_, delivered)| !delivered);
        let lost: Vec<Value> = lost.map(|(event, _)| event.clone()).collect();
        self.held.extend(lost);
        self.deliver(operator, usize::MAX).await;
    }
}

async fn send(operator: &Operator, events: Vec<Value>) {
    let http = http();
    let url = operator.webhook_url();
    let sent = events.into_iter().map(|event| {
        let (http, url) = (&http, &url);
        async move {
            let body = event.to_string();
            let signature = signed(SECRET, body.as_bytes());
            let answer = post(http, url, Some(&signature), body).await;
            assert!(answer.status.is_success(), "{answer:?}");
        }
    });
    stream::iter(sent).buffer_unordered(8).collect::<()>().await;
}

/// What a status says, without what may differ: ids, names of the test's own, and instants of the
/// clock on the wall.
fn meaning(status: &Value, world: &World, life: &Life) -> Value {
    match status {
        Value::Object(fields) => {
            let dropped = ["lastEvent", "lastTransitionTime", "since", "appliedDigest"];
            let kept = fields
                .iter()
                .filter(|(name, _)| !dropped.contains(&name.as_str()));
            let kept = kept.map(|(name, value)| (name.clone(), meaning(value, world, life)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|item| meaning(item, world, life))
            .collect(),
        Value::String(text) => {
            let text = text
                .replace(world.stripe.url(), "STRIPE")
                .replace(&world.namespace, "NAMESPACE")
                .replace(&life.name, "NAME");
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let mut meant = String::new();
            for token in text.split_inclusive(|c| !in_word(c)) {
                match token.split_once('_') {
                    Some((
                        kind @ ("cus" | "sub" | "in" | "price" | "clock" | "pm" | "prod"),
                        _,
                    )) => {
                        meant.push_str(kind);
                        meant.extend(token.chars().rev().take(1).filter(|c| !in_word(*c)));
                    }
                    _ => meant.push_str(token),
                }
            }
            Value::String(meant)
        }
        other => other.clone(),
    }
}

async fn meaning_of(world: &World, life: &Life) -> Value {
    let tenant = world.get(&life.name).await;
    meaning(&tenant["status"], world, life)
}

/// How each life ends when Stripe's list is polled.
async fn expected() -> BTreeMap<&'static str, Value> {
    let (world, _) = listening_world("poll").await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    let mut lives = Vec::new();
    for kind in LIVES {
        lives.push(begin(&world, "polled", kind).await);
    }
    for stage in 0..STAGES {
        for life in &lives {
            happen(&world, life, stage).await;
        }
    }
    let mut ends = BTreeMap::new();
    for life in &lives {
        let phase = match life.kind {
            "declines" => "PastDue",
            "canceled" => "Canceled",
            _ => "Active",
        };
        let settled = |tenant: &Value| tenant["status"]["phase"] == phase;
        world.until(&life.name, phase, settled).await;
    }
    // Until the last event is heard of, there may be more to say.
    let all = events(&world).await;
    for life in &lives {
        let last = newest_about(&all, &[&life.customer, &life.clock]);
        let told = |tenant: &Value| tenant["status"]["lastEvent"]["id"] == last["id"];
        world.until(&life.name, "the last event", told).await;
        ends.insert(life.kind, meaning_of(&world, life).await);
    }
    world.finish().await;
    ends
}

#[tokio::test]
async fn any_order_any_repetition_and_any_loss_of_webhooks_ends_as_polling_does() {
    let expected = expected().await;
    assert_eq!(expected.len(), LIVES.len());
    let (world, _) = listening_world("webhook").await;
    world.plan("pro", "99.00").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut mischief = Mischief::new(seed);
    let mut lives = Vec::new();
    for case in 0..CASES {
        for kind in LIVES {
            lives.push(begin(&world, &format!("case{case}"), kind).await);
        }
    }
    for stage in 0..STAGES {
        // In another order each time, with events coming in between.
        mischief.random.shuffle(&mut lives);
        for life in &lives {
            happen(&world, life, stage).await;
            if mischief.random.u8(..4) == 0 {
                mischief.listen(&world).await;
                let some = mischief.held.len() / 2;
                mischief.deliver(&operator, some).await;
            }
        }
    }
    // What the operator itself changes is heard of, too.
    eventually("it comes to rest", async || {
        let fresh = mischief.listen(&world).await;
        mischief.end(&operator).await;
        let mut differing = Vec::new();
        for life in &lives {
            let found = meaning_of(&world, life).await;
            if found != expected[life.kind] {
                differing.push((life.name.clone(), found, expected[life.kind].clone()));
            }
        }
        match differing.first() {
            None if fresh == 0 => Ok(()),
            None => Err(format!("{fresh} more events")),
            Some((name, found, expected)) => Err(format!(
                "{} differ (seed {seed}); {name} is {found:#}\ninstead of {expected:#}",
                differing.len()
            )),
        }
    })
    .await;
    world.finish().await;
}
