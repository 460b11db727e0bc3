//! A sandbox of the test's own and a client that lets no exchange pass unjudged.

use std::{
    fmt::Display,
    future::{Future, IntoFuture},
    io::{BufRead, BufReader},
    net::SocketAddr,
    pin::Pin,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{async_stripe, openapi::openapi};

/// How long anything a test waits for may take. Far above what it takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `stripe-sandbox`, ended with the value.
pub(crate) struct Sandbox {
    process: Child,
    address: SocketAddr,
}

impl Sandbox {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// # Panics
    /// When the binary does not start or does not say where it listens.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_stripe-sandbox"))
            .args(["--listen", "127.0.0.1:0"])
            // Tests are faster than Stripe lets its users be; those about the limits set their own.
            .args([
                "--rate-limit-read",
                "100000",
                "--rate-limit-write",
                "100000",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("stripe-sandbox starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("stripe-sandbox listening on http://")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("stripe-sandbox said {line:?} instead of its address"));
        Self { process, address }
    }

    pub(crate) fn get(&self, target: impl Display) -> Request<'_> {
        Request::new(self, "GET", target.to_string(), String::new())
    }

    /// `form` is the body as it goes over the wire; only `&`, `=`, `%` and `+` in values need escaping.
    pub(crate) fn post(&self, path: impl Display, form: impl Display) -> Request<'_> {
        Request::new(self, "POST", path.to_string(), form.to_string())
    }

    pub(crate) fn delete(&self, path: impl Display) -> Request<'_> {
        Request::new(self, "DELETE", path.to_string(), String::new())
    }

    /// A deletion with a form, as Stripe's clients send it.
    pub(crate) fn delete_with(&self, path: impl Display, form: impl Display) -> Request<'_> {
        Request::new(self, "DELETE", path.to_string(), form.to_string())
    }

    /// A call of the control plane, which is not Stripe's and not judged by its documents.
    pub(crate) async fn control(&self, method: &'static str, path: &str, body: Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut request = Request::new(self, method, format!("/_sandbox{path}"), body).unjudged();
        request.headers.insert(
            header::CONTENT_TYPE,
            "application/json".parse().expect("a value"),
        );
        request.headers.remove(header::AUTHORIZATION);
        let answer = request.send().await;
        assert!(
            answer.status.is_success(),
            "{method} /_sandbox{path}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.bytes.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    pub(crate) async fn settings(&self, settings: Value) {
        self.control("POST", "/settings", settings).await;
    }

    pub(crate) async fn fault(&self, fault: Value) -> String {
        text(&self.control("POST", "/faults", fault).await["id"])
    }

    /// The `/v1` requests the sandbox has logged.
    pub(crate) async fn requests(&self, filter: &str) -> Vec<Value> {
        let log = self
            .control("GET", &format!("/requests?{filter}"), Value::Null)
            .await;
        let data = log["data"].as_array().expect("a list").clone();
        assert_eq!(log["count"], data.len(), "the count is the list's");
        data
    }

    /// Moves a test clock and waits until Stripe's work for that time is done.
    pub(crate) async fn advance(&self, clock: &str, to: i64) {
        let path = format!("/v1/test_helpers/test_clocks/{clock}");
        let clock = self
            .post(format!("{path}/advance"), format!("frozen_time={to}"))
            .await;
        assert!(
            clock["status"] == "advancing" || clock["status"] == "ready",
            "{clock}"
        );
        let ready = self
            .eventually(format!("clock ready at {to}"), || async {
                let clock = self.get(&path).await;
                (clock["status"] == "ready").then_some(clock)
            })
            .await;
        assert_eq!(ready["frozen_time"], to);
    }

    /// Asks until there is an answer, up to a deadline.
    pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
        &self,
        what: impl Display,
        mut ask: impl FnMut() -> F,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "waited {PATIENCE:?} in vain for: {what}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the process as the cluster would, and waits until it is gone.
    pub(crate) fn stop(mut self) {
        let pid = self.process.id().to_string();
        let killed = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs");
        assert!(killed.success(), "SIGTERM reaches the sandbox");
        let status = self.process.wait().expect("the sandbox was started here");
        assert!(status.success(), "SIGTERM is a clean end, not {status}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Already gone after `stop`; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request being put together. Awaiting it sends it and expects success; `refused` expects an error.
pub(crate) struct Request<'a> {
    sandbox: &'a Sandbox,
    method: &'static str,
    target: String,
    body: String,
    headers: HeaderMap,
    checked: bool,
    answer_checked: bool,
}

impl<'a> Request<'a> {
    fn new(sandbox: &'a Sandbox, method: &'static str, target: String, body: String) -> Self {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &'static str| {
            headers.insert(name, value.parse().expect("a value"))
        };
        set("authorization", "Bearer sk_test_51Sandbox");
        set("stripe-version", "2026-09-30.endive");
        set("content-type", "application/x-www-form-urlencoded");
        set("host", "sandbox");
        Self {
            sandbox,
            method,
            target,
            body,
            headers,
            checked: true,
            answer_checked: true,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(name, value.parse().expect("a header value"));
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn key(self, key: &str) -> Self {
        let value = format!("Bearer {key}");
        self.header("authorization", &value)
    }

    /// For a request that is wrong on purpose. The answer is still judged.
    pub(crate) fn wrong(mut self) -> Self {
        self.checked = false;
        self
    }

    fn unjudged(mut self) -> Self {
        self.checked = false;
        self.answer_checked = false;
        self
    }

    /// Sends as a browser does, to a page that is not of Stripe's API.
    pub(crate) async fn page(self) -> Answer {
        self.unjudged().without_header("authorization").send().await
    }

    /// Sends and returns whatever was answered, or why nothing was.
    pub(crate) async fn try_send(self) -> Result<Answer, hyper::Error> {
        if self.checked {
            let verdict = openapi().check_request(self.method, &self.target, &self.body);
            verdict.unwrap_or_else(|problem| panic!("not a request to Stripe: {problem}"));
        }
        let stream = TcpStream::connect(self.sandbox.address)
            .await
            .expect("the sandbox listens");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = hyper::Request::new(Full::new(Bytes::from(self.body.clone())));
        *request.method_mut() = self.method.parse().expect("a method");
        *request.uri_mut() = self.target.parse().expect("a target");
        *request.headers_mut() = self.headers;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await?.to_bytes(),
        };
        if self.answer_checked && answer.is_json() {
            let body = answer.json();
            let status = answer.status.as_u16();
            let verdict = openapi()
                .check_response(self.method, &self.target, &self.body, status, &body)
                .and_then(|()| async_stripe::parses(&body));
            verdict
                .unwrap_or_else(|problem| panic!("not an answer of Stripe's: {problem}\n{body:#}"));
        }
        Ok(answer)
    }

    pub(crate) async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        self.try_send()
            .await
            .unwrap_or_else(|error| panic!("{what} was not answered: {error}"))
    }

    /// Sends, expects this status, and returns the `error` object.
    pub(crate) async fn refused(self, status: u16) -> Value {
        let what = format!("{} {} {}", self.method, self.target, self.body);
        let answer = self.send().await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
        answer.json()["error"].clone()
    }
}

impl<'a> IntoFuture for Request<'a> {
    type Output = Value;
    type IntoFuture = Pin<Box<dyn Future<Output = Value> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let what = format!("{} {} {}", self.method, self.target, self.body);
            let answer = self.send().await;
            assert!(
                answer.status.is_success(),
                "{what}: {} {}",
                answer.status,
                answer.text()
            );
            answer.json()
        })
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("headers are text"))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A field that must be a string.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a string"))
        .to_owned()
}

/// The `id` of an object.
pub(crate) fn id(object: &Value) -> String {
    text(&object["id"])
}

/// A field that must be an integer.
pub(crate) fn int(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("{value} is not an integer"))
}

/// The elements of a list.
pub(crate) fn data(list: &Value) -> &[Value] {
    list["data"]
        .as_array()
        .unwrap_or_else(|| panic!("{list} is not a list"))
}

/// The ids of a list's elements, in its order.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    data(list).iter().map(id).collect()
}

/// A fault for one request to a path.
pub(crate) fn fault(kind: &str, method: &str, path: &str) -> Value {
    json!({"kind": kind, "method": method, "path": path, "times": 1})
}
