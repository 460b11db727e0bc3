//! nginx as it is shipped in the examples, and a product behind it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::any;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};

use super::support::control_plane::repository;
use super::support::process::{Operator, Process, scratch};

/// What the gateway does without an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// As shipped.
    FailOpen,
    /// As the comment says.
    FailClosed,
}

/// A running nginx, asking operators, with a product behind it.
pub(crate) struct Nginx {
    _process: Process,
    url: String,
}

/// What a customer was answered. The product answers with the headers that it was sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

const KEY: &str = "example-key-of-acme";

impl Nginx {
    /// Starts it for the one customer that the example has, who is `tenant`.
    pub(crate) async fn start(
        operators: &[&Operator],
        tenant: &str,
        unreachable: Unreachable,
    ) -> Self {
        let address = free_address();
        let dir = scratch("nginx");
        fs::create_dir_all(&dir).unwrap();
        let addresses: Vec<_> = operators
            .iter()
            .map(|operator| operator.url().strip_prefix("http://").unwrap())
            .collect();
        let app = start_app().await;
        let mut replacements = vec![
            (
                "tenant-billing-access.tenant-billing-system.svc:8080",
                addresses.join("; server "),
            ),
            ("app.default.svc:8080", app.to_string()),
            ("listen 8080;", format!("listen {address};")),
            ("\"tenants/acme\"", format!("\"{tenant}\"")),
        ];
        if unreachable == Unreachable::FailClosed {
            replacements.push(("return 204; #", "return 503; #".to_owned()));
        }
        let shipped = repository().join("examples/gateways/nginx.conf");
        let mut config = fs::read_to_string(shipped).unwrap();
        for (shipped, replacement) in replacements {
            assert_eq!(config.matches(shipped).count(), 1, "{shipped}");
            config = config.replace(shipped, &replacement);
        }
        let config = config.replace("/tmp/", &format!("{}/", dir.display()));
        let file = dir.join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program().await);
        command.arg("-p").arg(&dir).arg("-c").arg(&file);
        // One process, which ends when it is killed.
        let foreground = "daemon off; master_process off; error_log stderr notice;";
        command.args(["-e", "stderr", "-g", foreground]);
        // Said once it listens.
        let listening = |line: &str| line.contains("event method").then(String::new);
        let (process, _) = Process::start(command, listening).await;
        Self {
            _process: process,
            url: format!("http://{address}"),
        }
    }

    /// What the customer gets.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// What the customer gets who sends more headers, or another key.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, String::new()).await
    }

    /// What the customer gets who sends something.
    pub(crate) async fn post(&self, path: &str, body: String) -> Answer {
        self.send("POST", path, &[], body).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let url = format!("{}{path}", self.url);
        let mut request = axum::http::Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

/// The program, which is fetched if the machine has none.
async fn program() -> String {
    let script = repository().join("tests/servers");
    let found = tokio::task::spawn_blocking(move || Command::new(script).arg("nginx").output());
    let found = found.await.unwrap().unwrap();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// An address that nobody listens at; nginx cannot be asked which one it took.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The product: tells as JSON what headers of the gateway's it was sent.
async fn start_app() -> SocketAddr {
    async fn told(request: Request) -> axum::response::Response {
        let headers = request.headers().iter();
        let told = headers.filter(|(name, _)| name.as_str().starts_with("x-tenant-"));
        let told: Map<String, Value> = told
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
            .collect();
        Value::from(told).to_string().into_response()
    }
    let app = Router::new()
        .route("/forbidden", any(|| async { StatusCode::FORBIDDEN }))
        .route(
            "/broken",
            any(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .fallback(told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}
