//! `POST /webhooks/stripe`: takes events from Stripe, and acknowledges them once they are in memory.
//!
//! | answer | when |
//! |--------|------|
//! | 200 | the event is in the inbox, or concerns nobody here |
//! | 400 | the signature is missing, wrong or old, or the body is no event |
//! | 404 | webhooks are not set up |
//! | 408 | the body did not arrive in time |
//! | 413 | the body is larger than 256 KiB |
//! | 503 | nobody can take it now: no leader, no room, no signing secret. Stripe tries again |
//!
//! 200 before anything is read is safe because the object's state in Stripe is the truth, not the
//! event: a leader that starts lists all of it. For the same reason an event of another account or
//! mode is acknowledged: no repetition would ever make it ours, and Stripe would go on for three days.
//!
//! Nothing of a body is logged. It is read only as far as the limit, and parsed only once its
//! signature is right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::forward::{Forwarder, HOP};
use super::secrets::Secrets;
use super::webhook_metrics::{Outcome, WebhookMetrics};
use crate::api::EventSource;
use crate::controller::{Place, Reception};
use crate::stripe::{Marked, Notice, Refusal, notice, verify};

/// Where webhooks are sent to.
pub const PATH: &str = "/webhooks/stripe";
/// The header that Stripe signs in.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// The largest body that is taken. Stripe's events are a tenth of that at most.
pub const LARGEST_BODY: usize = 256 * 1024;
/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bodies that are read at once; with the limit above they take at most 64 MiB.
const READS_AT_ONCE: usize = 256;
/// When Stripe, or a load balancer, may try again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What the route needs.
#[derive(Debug)]
pub struct Endpoint {
    secrets: Secrets,
    reception: Reception,
    metrics: WebhookMetrics,
    forwarder: Forwarder,
    reads: Semaphore,
}

impl Endpoint {
    /// An endpoint that takes what is signed with one of `secrets`.
    pub fn new(secrets: Secrets, reception: Reception, metrics: WebhookMetrics) -> Self {
        Self {
            secrets,
            reception,
            metrics,
            forwarder: Forwarder::new(),
            reads: Semaphore::new(READS_AT_ONCE),
        }
    }

    /// What is wrong with the signing secrets, if anything is.
    pub(super) fn problems(&self) -> Vec<String> {
        self.secrets.problems()
    }

    async fn take(&self, request: Request) -> Result<Outcome, Denial> {
        let secrets = self.secrets.current();
        if secrets.keys.is_empty() {
            return Err(Denial::unavailable(
                "no signing secret could be read; the log and /readyz say which file is wrong",
            ));
        }
        let (parts, body) = request.into_parts();
        let body = self.read(body).await?;
        let signature = parts.headers.get(SIGNATURE);
        verify(
            signature.map(HeaderValue::as_bytes),
            &body,
            &secrets.keys,
            Timestamp::now(),
        )?;
        let event = match notice(&body)? {
            Notice::Event(event) => event,
            Notice::Thin { .. } => return Ok(Outcome::Thin),
        };
        match self.reception.place() {
            Place::Here(inbox) => match inbox.mark(&event, EventSource::Webhook) {
                Marked::Full => Err(Denial::full()),
                marked => Ok(Outcome::Marked(marked)),
            },
            Place::There(leader) => self.pass_on(&leader, &parts.headers, body).await,
            Place::Nowhere => Err(Denial::unavailable(
                "no replica leads, or the one that does tells no address for webhooks",
            )),
        }
    }

    async fn pass_on(
        &self,
        leader: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Outcome, Denial> {
        if headers.contains_key(HOP) {
            return Err(Denial::unavailable(
                "another replica leads than the one that passed this on thinks",
            ));
        }
        let signature = headers.get(SIGNATURE).ok_or(Refusal::Unsigned)?.clone();
        match self.forwarder.pass_on(leader, signature, body).await {
            Ok(StatusCode::OK) => Ok(Outcome::PassedOn),
            Ok(status) => Err(Denial {
                outcome: Outcome::PassedOn,
                status,
                message: "the replica that leads refuses it".to_owned(),
            }),
            Err(error) => {
                tracing::warn!(%error, leader, "a webhook is not passed on; Stripe sends it again");
                Err(Denial::unavailable(
                    "the replica that leads did not take it",
                ))
            }
        }
    }

    /// Reads a body, as far as one may be.
    async fn read(&self, body: Body) -> Result<Bytes, Denial> {
        // What says itself that it is too large is not read at all.
        if body.size_hint().lower() > LARGEST_BODY as u64 {
            return Err(Denial::too_large());
        }
        let Ok(_permit) = self.reads.try_acquire() else {
            return Err(Denial::unavailable("too many requests at once"));
        };
        let whole = Limited::new(body, LARGEST_BODY).collect();
        match tokio::time::timeout(READ_TIMEOUT, whole).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Denial::too_large()),
            Ok(Err(_)) => Err(Denial {
                outcome: Outcome::Refused,
                status: StatusCode::BAD_REQUEST,
                message: "the body ended early".to_owned(),
            }),
            Err(_) => Err(Denial {
                outcome: Outcome::TooSlow,
                status: StatusCode::REQUEST_TIMEOUT,
                message: format!("the body did not arrive within {READ_TIMEOUT:?}"),
            }),
        }
    }
}

/// Why a request is not acknowledged.
struct Denial {
    outcome: Outcome,
    status: StatusCode,
    message: String,
}

impl Denial {
    fn unavailable(message: &str) -> Self {
        Self {
            outcome: Outcome::Unavailable,
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: message.to_owned(),
        }
    }

    fn full() -> Self {
        Self {
            outcome: Outcome::Marked(Marked::Full),
            ..Self::unavailable("too many events wait to be looked into; send this one again")
        }
    }

    fn too_large() -> Self {
        Self {
            outcome: Outcome::TooLarge,
            status: StatusCode::PAYLOAD_TOO_LARGE,
            message: format!("the body is larger than {LARGEST_BODY} bytes"),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self {
            outcome: Outcome::Refused,
            status: StatusCode::BAD_REQUEST,
            message: refusal.to_string(),
        }
    }
}

/// The route.
pub(super) async fn receive(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let began = Instant::now();
    let (outcome, response) = match endpoint.take(request).await {
        Ok(outcome) => (outcome, json(StatusCode::OK, r#"{"received":true}"#)),
        Err(denial) => {
            let body = serde_json::json!({ "error": denial.message }).to_string();
            let mut response = json(denial.status, body);
            let headers = response.headers_mut();
            if denial.status == StatusCode::SERVICE_UNAVAILABLE {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            // The rest of a body that was not read is not waited for.
            if matches!(denial.outcome, Outcome::TooLarge | Outcome::TooSlow) {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            (denial.outcome, response)
        }
    };
    endpoint.metrics.count(outcome, began.elapsed());
    response
}

/// The route where webhooks are not set up.
pub(super) async fn not_set_up() -> Response {
    let body = r#"{"error":"webhooks are not set up; start the operator with --webhook-secret-file, and not with --events=poll"}"#;
    json(StatusCode::NOT_FOUND, body)
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.into()).into_response()
}
