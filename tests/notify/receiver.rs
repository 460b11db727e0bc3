//! A receiver of events, which checks signatures with an HMAC of openssl's.

use std::collections::VecDeque;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use super::support::eventually;

/// An event as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Came {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether one of the signatures is that of the key, in hexadecimal digits.
    pub(crate) fn is_signed_with(&self, key: &str) -> bool {
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let script = "openssl dgst -sha256 -mac HMAC -macopt hexkey:$0 -binary | openssl base64 -A";
        let mut openssl = Command::new("sh")
            .args(["-c", script, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = openssl.stdin.take().unwrap();
        stdin.write_all(format!("{id}.{at}.").as_bytes()).unwrap();
        stdin.write_all(&self.body).unwrap();
        drop(stdin);
        let output = openssl.wait_with_output().unwrap();
        let expected = format!("v1,{}", String::from_utf8(output.stdout).unwrap());
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|signature| signature == expected)
    }
}

#[derive(Clone, Default)]
struct Shared {
    came: Arc<Mutex<Vec<Came>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

/// A listening receiver. It answers 204 unless told otherwise.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Shared,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let shared = Shared::default();
        let router = Router::new()
            .route("/notices", post(receive))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/notices", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// The next events are answered so, one each.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        self.shared.answers.lock().unwrap().extend(statuses);
    }

    /// What has come.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.shared.came.lock().unwrap().clone()
    }

    /// The events of a type, once there is one.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        eventually(&format!("an event of {kind}"), async || {
            let events: Vec<Value> = self.came().iter().map(Came::event).collect();
            let (found, others): (Vec<Value>, Vec<Value>) = events
                .into_iter()
                .partition(|event| event["type"] == format!("io.tenantbilling.notice.{kind}"));
            if found.is_empty() {
                Err(format!("there are {others:#?}"))
            } else {
                Ok(found)
            }
        })
        .await
    }
}

async fn receive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    shared.came.lock().unwrap().push(Came { headers, body });
    let answer = shared.answers.lock().unwrap().pop_front().unwrap_or(204);
    let status = StatusCode::from_u16(answer).unwrap();
    if status.is_redirection() {
        return (status, [("location", "/notices")]).into_response();
    }
    let long = "no, ".repeat(100_000);
    (
        status,
        if status.is_success() {
            String::new()
        } else {
            long
        },
    )
        .into_response()
}
