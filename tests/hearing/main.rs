//! Hearing from Stripe: the endpoint for webhooks, the place in the event list, and that it makes no
//! difference which of them brings what, how often and in which order.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../../fuzz/property.rs"]
mod property;

mod burst;
mod cursor;
mod endpoint;
mod modes;
mod order;
mod replicas;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::process::{Operator, scratch};
use support::sandbox::get_text;
use support::{eventually, world::World};
use tenant_billing::stripe::SigningSecret;

/// The signing secret of an endpoint that the tests themselves send to.
const SECRET: &str = "whsec_tests";
/// Longer than any test.
const NEVER: &str = "86400";

/// A world whose operator takes webhooks signed with [`SECRET`], in one of the modes of `--events`.
async fn listening_world(events: &str) -> (World, PathBuf) {
    let mut world = World::new().await;
    let file = scratch("webhook-secrets");
    fs::write(&file, SECRET).unwrap();
    let flags = [
        ("--events", events),
        ("--webhook-secret-file", file.to_str().unwrap()),
        ("--resync-seconds", NEVER),
    ];
    for (name, value) in flags {
        world.options = world.options.flag(name, value);
    }
    (world, file)
}

/// What the operator answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: hyper::HeaderMap,
    body: String,
}

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends a body with this signature, if any, and waits for the answer.
async fn post(http: &Http, url: &str, signature: Option<&str>, body: impl Into<Bytes>) -> Answer {
    let mut request = Request::post(url).header("content-type", "application/json");
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let response = http.request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// Signs as Stripe does, now.
fn signed(secret: &str, body: &[u8]) -> String {
    let secret = SigningSecret::new(secret).unwrap();
    secret.sign(body, Timestamp::now())
}

/// Delivers a body as Stripe would.
async fn deliver(operator: &Operator, body: &str) -> Answer {
    let signature = signed(SECRET, body.as_bytes());
    post(
        &http(),
        &operator.webhook_url(),
        Some(&signature),
        body.to_owned(),
    )
    .await
}

/// An event as Stripe sends it, about an object.
fn event(id: &str, kind: &str, object: &Value) -> String {
    let event = json!({
        "id": id, "object": "event", "type": kind, "created": Timestamp::now().as_second(),
        "livemode": false, "api_version": "2026-09-30.endive", "pending_webhooks": 1,
        "data": {"object": object}, "request": {"id": null, "idempotency_key": null},
    });
    format!("{event:#}")
}

/// The value of a metric; 0 while it has none.
async fn metric(operator: &Operator, name: &str) -> u64 {
    let (_, text) = get_text(&format!("{}/metrics", operator.url())).await;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map_or(0, |value| value.parse().unwrap())
}

/// How many webhooks came to this end.
async fn outcomes(operator: &Operator, outcome: &str) -> u64 {
    let name = format!("tenant_billing_webhook_events_total{{outcome=\"{outcome}\"}}");
    metric(operator, &name).await
}

async fn until_leads(operator: &Operator) {
    until_metric(operator, "tenant_billing_leader").await;
    until_metric(operator, "tenant_billing_list_duration_seconds_count").await;
}

async fn until_metric(operator: &Operator, name: &str) {
    eventually(name, async || match metric(operator, name).await {
        0 => Err("it is 0".to_owned()),
        _ => Ok(()),
    })
    .await;
}

/// Every event that the sandbox knows, newest first.
async fn events(world: &World) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let after = found.last().and_then(|last| last["id"].as_str());
        let after = after.map_or(String::new(), |id| format!("&starting_after={id}"));
        let page = world
            .stripe
            .get(&format!("/v1/events?limit=100{after}"))
            .await;
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] != true {
            return found;
        }
    }
}

/// The newest event about a customer, or the clock it lives on, among those that lead to a look. Events
/// of one second are told apart by their ids.
fn newest_about(events: &[Value], ids: &[&str]) -> Value {
    let kinds = [
        "customer",
        "subscription",
        "invoice",
        "payment_method",
        "setup_intent",
        "checkout.session",
        "test_helpers.test_clock",
    ];
    let about = events.iter().filter(|event| {
        let object = &event["data"]["object"];
        let named = [&object["id"], &object["customer"]];
        kinds.iter().any(|kind| object["object"] == *kind)
            && named
                .iter()
                .any(|named| ids.iter().any(|id| **named == *id))
    });
    let newest = about.max_by_key(|event| (event["created"].as_i64(), event["id"].as_str()));
    newest.unwrap().clone()
}

/// What somebody changes in the Dashboard about a tenant's customer.
async fn change_customer(world: &World, tenant: &str, params: Value) {
    let status = world.get(tenant).await["status"].take();
    let customer = status["stripe"]["customerId"].as_str().unwrap();
    let path = format!("/v1/customers/{customer}");
    world.stripe.dashboard(&path, params).await;
}

/// Waits until a tenant was told of an event of this type, and gives what it was told.
async fn heard(world: &World, tenant: &str, kind: &str) -> Value {
    let told = |tenant: &Value| tenant["status"]["lastEvent"]["type"] == kind;
    let mut tenant = world.until(tenant, kind, told).await;
    tenant["status"]["lastEvent"].take()
}

thread_local! {
    static TARGET: property::Target = property::Target::new();
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_and_nothing_panics(
        header in proptest::collection::vec(any::<u8>(), 0..200),
        body in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        TARGET.with(|target| target.check(&header, &body));
    }

    #[test]
    fn nor_by_bytes_that_nearly_are_what_stripe_sends(
        header in "t=[0-9]{0,12},(v[01]=[0-9a-f]{60,66},?){0,3}",
        body in r#"\{("(id|object|type|created|data)":("(evt|event|v2.core.event)"|[0-9]{1,20}|null|\{\}|\[\[),?){0,6}\}?"#,
    ) {
        TARGET.with(|target| target.check(header.as_bytes(), body.as_bytes()));
    }
}

/// Waits until the name that the manifest gives is back in Stripe.
async fn until_put_right(world: &World) {
    eventually("drift is put right", async || {
        let (customer, _) = world.one_of_each("acme", None).await;
        if customer["name"] == "Acme Inc" {
            Ok(())
        } else {
            Err(customer["name"].to_string())
        }
    })
    .await;
}
