//! What tenants may use, as others are told: gateways over HTTP, from every replica, and programs by
//! `ConfigMap`s.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

#[path = "../support/mod.rs"]
mod support;

mod endpoint;
mod maps;
mod trouble;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use support::eventually;
use support::process::Operator;
use support::sandbox::get_text;
use support::world::World;

/// What a gateway was answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }

    fn level(&self) -> (u16, &str) {
        (self.status.as_u16(), self.header("x-tenant-access"))
    }
}

/// Asks an operator as a gateway would.
async fn ask(operator: &Operator, method: &str, path: &str, tenant: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", operator.url()));
    if let Some(tenant) = tenant {
        request = request.header("x-tenant-id", tenant);
    }
    let request = request.body(Full::new(Bytes::from("{}"))).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

async fn access(operator: &Operator, tenant: &str) -> Answer {
    ask(operator, "GET", &format!("/access/{tenant}"), None).await
}

/// Waits until an operator tells gateways this status and level.
async fn until_level(operator: &Operator, tenant: &str, expected: (u16, &str)) -> Answer {
    eventually(&format!("{tenant} is {expected:?}"), async || {
        let answer = access(operator, tenant).await;
        if answer.level() == expected {
            Ok(answer)
        } else {
            Err(format!("it is {answer:?}"))
        }
    })
    .await
}

/// The value of a metric; nothing while it has none.
async fn metric(operator: &Operator, name: &str) -> Option<f64> {
    let (status, text) = get_text(&format!("{}/metrics", operator.url())).await;
    assert!(status.is_success(), "{status}: {text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map(|value| value.parse().unwrap())
}

/// Waits until a metric has a value.
async fn until_metric(operator: &Operator, name: &str, expected: f64) {
    eventually(&format!("{name} is {expected}"), async || {
        match metric(operator, name).await {
            Some(value) if (value - expected).abs() < f64::EPSILON => Ok(()),
            other => Err(format!("it is {other:?}")),
        }
    })
    .await;
}

/// Writes an access into a tenant's status, as an operator would that knows more.
async fn grant(world: &World, name: &str, level: &str) {
    let access = json!({
        "level": level, "reason": "UnderTest", "since": "2026-01-01T00:00:00Z",
        "until": "2026-02-01T00:00:00Z", "limits": {"requestsPerMinute": 60},
    });
    world
        .overwrite_status(name, json!({"plan": "pro", "access": access}))
        .await;
}
