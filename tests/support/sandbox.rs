//! The Stripe stand-in as a process, and a client for the two APIs it serves: Stripe's under `/v1`
//! and its own controls under `/_sandbox`.

use std::{process::Command, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::process::Process;

/// The key the tests use unless they are about keys.
pub(crate) const API_KEY: &str = "sk_test_tests";

/// A running stripe-sandbox with an account of its own.
#[derive(Debug)]
pub(crate) struct Sandbox {
    process: Process,
    url: String,
}

impl Sandbox {
    /// Starts an empty sandbox on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a sandbox with more arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stripe-sandbox"));
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let (process, url) = Process::start(command, |line| {
            line.strip_prefix("stripe-sandbox listening on ")
                .map(str::to_owned)
        })
        .await;
        Self { process, url }
    }

    /// Its base URL, which stands for Stripe's.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process, to pause it or read its log.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// `GET /v1/...`, as somebody else with the same key would; must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.v1(Method::GET, path, &[]).await
    }

    /// `POST /v1/...` with a form; must succeed.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.v1(Method::POST, path, form).await
    }

    /// Any request under `/v1`; must succeed.
    pub(crate) async fn v1(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.try_v1(method.clone(), path, form).await;
        assert!(status.is_success(), "{method} {path}: {status} {body}");
        body
    }

    /// Any request under `/v1`, whatever comes of it.
    pub(crate) async fn try_v1(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {API_KEY}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        send(request, body).await
    }

    /// A request under `/_sandbox` with a JSON body, `null` for none; must succeed.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("{}/_sandbox{path}", self.url))
            .header(header::CONTENT_TYPE, "application/json");
        let (status, answer) = send(request, text).await;
        assert!(
            status.is_success(),
            "{method} /_sandbox{path}: {status} {answer}"
        );
        answer
    }

    /// Every `/v1` request since the start or [`Sandbox::forget_requests`], oldest first.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let mut answer = self.control(Method::GET, "/requests", Value::Null).await;
        serde_json::from_value(answer["data"].take()).expect("a list of requests")
    }

    /// The requests that were meant to change something.
    pub(crate) async fn writes(&self) -> Vec<Value> {
        let mut requests = self.requests().await;
        requests.retain(|request| request["method"] != "GET");
        requests
    }

    /// Empties the request log.
    pub(crate) async fn forget_requests(&self) {
        self.control(Method::DELETE, "/requests", Value::Null).await;
    }

    /// Makes requests go wrong; gives the fault's id.
    pub(crate) async fn fault(&self, fault: Value) -> String {
        let answer = self.control(Method::POST, "/faults", fault).await;
        answer["id"].as_str().expect("a fault id").to_owned()
    }

    /// How many requests the fault has met.
    pub(crate) async fn fault_hits(&self, id: &str) -> u64 {
        let answer = self.control(Method::GET, "/faults", Value::Null).await;
        let faults = answer
            .as_array()
            .or_else(|| answer["data"].as_array())
            .expect("faults");
        let fault = faults
            .iter()
            .find(|fault| fault["id"] == id)
            .expect("the fault");
        fault["hits"].as_u64().expect("a count")
    }

    /// Ends a fault.
    pub(crate) async fn clear_fault(&self, id: &str) {
        self.control(Method::DELETE, &format!("/faults/{id}"), Value::Null)
            .await;
    }

    /// A change somebody makes by hand in Stripe's Dashboard.
    pub(crate) async fn dashboard(&self, path: &str, params: Value) -> Value {
        let change = json!({"method": "POST", "path": path, "params": params});
        self.control(Method::POST, "/dashboard", change).await
    }

    /// From now on of a hundred webhooks so many come twice, so many never, and each after up to `max_delay`; the
    /// same seed does the same to the same events.
    pub(crate) async fn chaos(
        &self,
        seed: u64,
        duplicate_percent: u8,
        lose_percent: u8,
        max_delay: Duration,
    ) {
        let body = json!({
            "mode": "chaos",
            "seed": seed,
            "duplicate_percent": duplicate_percent,
            "lose_percent": lose_percent,
            "max_delay_ms": max_delay.as_millis(),
        });
        self.control(Method::POST, "/webhooks", body).await;
    }

    /// Webhooks are delivered as soon as there are any, once.
    pub(crate) async fn deliver_normally(&self) {
        self.control(Method::POST, "/webhooks", json!({"mode": "normal"}))
            .await;
    }

    /// The customer leaves this test card (such as `pm_card_visa`) on the page of a Checkout session, and
    /// authenticates it if asked; gives the session.
    pub(crate) async fn complete_checkout(&self, session: &str, card: &str) -> Value {
        let path = format!("/checkout/{session}");
        let body = json!({"card": card, "authenticate": true});
        self.control(Method::POST, &path, body).await
    }

    /// The customer pays an open invoice on its page with this test card, and authenticates it if asked; gives the
    /// invoice.
    pub(crate) async fn pay_hosted(&self, invoice: &str, card: &str) -> Value {
        let path = format!("/invoices/{invoice}/pay");
        let body = json!({"card": card, "authenticate": true});
        self.control(Method::POST, &path, body).await
    }

    /// The customer proves who they are for a payment that awaits it; gives the invoice.
    pub(crate) async fn authenticate_payment(&self, invoice: &str) -> Value {
        let path = format!("/invoices/{invoice}/pay");
        self.control(Method::POST, &path, json!({"authenticate": true}))
            .await
    }

    /// The customer leaves this test card in a portal session, where it becomes their default; gives the customer.
    pub(crate) async fn leave_card_in_portal(&self, session: &str, card: &str) -> Value {
        let path = format!("/portal/{session}");
        let body = json!({"card": card, "authenticate": true});
        self.control(Method::POST, &path, body).await
    }

    /// The newest charge of a customer is disputed; `status` is `needs_response`, or `warning_needs_response` for an
    /// inquiry. Gives the dispute.
    pub(crate) async fn open_dispute(&self, customer: &str, status: &str) -> Value {
        let body = json!({"customer": customer, "reason": "fraudulent", "status": status});
        self.control(Method::POST, "/disputes", body).await
    }

    /// Moves a dispute on (`under_review`, `won`, `lost`, `warning_closed`, ...); gives the dispute.
    pub(crate) async fn set_dispute_status(&self, dispute: &str, status: &str) -> Value {
        let path = format!("/disputes/{dispute}");
        self.control(Method::POST, &path, json!({"status": status}))
            .await
    }

    /// The card issuer warns of fraud in the newest charge of a customer; gives the warning.
    pub(crate) async fn early_fraud_warning(&self, customer: &str) -> Value {
        self.control(
            Method::POST,
            "/early_fraud_warnings",
            json!({"customer": customer}),
        )
        .await
    }

    /// Creates a test clock that shows `frozen_time`, in Unix seconds; gives its id.
    pub(crate) async fn test_clock(&self, frozen_time: i64) -> String {
        let clock = self
            .post(
                "/v1/test_helpers/test_clocks",
                &[("frozen_time", &frozen_time.to_string())],
            )
            .await;
        clock["id"].as_str().expect("a clock id").to_owned()
    }

    /// Moves a test clock on, and waits until Stripe has done what falls due until then.
    pub(crate) async fn advance(&self, clock: &str, frozen_time: i64) {
        let path = format!("/v1/test_helpers/test_clocks/{clock}");
        self.post(
            &format!("{path}/advance"),
            &[("frozen_time", &frozen_time.to_string())],
        )
        .await;
        super::eventually("the test clock is ready", async || {
            match self.get(&path).await["status"].as_str() {
                Some("ready") => Ok(()),
                other => Err(format!("its status is {other:?}")),
            }
        })
        .await;
    }
}

/// A GET of a text, such as the operator's metrics or health.
pub(crate) async fn get_text(url: &str) -> (StatusCode, String) {
    let request = Request::get(url).body(Full::default()).expect("a request");
    let (status, body) = exchange(request).await;
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

async fn send(request: hyper::http::request::Builder, body: String) -> (StatusCode, Value) {
    let request = request
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let (status, body) = exchange(request).await;
    let text = String::from_utf8_lossy(&body);
    (
        status,
        serde_json::from_slice(&body).unwrap_or_else(|_| json!(text)),
    )
}

/// On a connection of its own: tests stop and restart the other side.
async fn exchange(request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
    let what = format!("{} {}", request.method(), request.uri());
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(request)
        .await
        .unwrap_or_else(|e| panic!("{what}: {e:?}"));
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .unwrap_or_else(|e| panic!("{what}: {e:?}"));
    (status, body.to_bytes())
}
