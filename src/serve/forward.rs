//! Passing a webhook on to the replica that leads.

use std::time::Duration;

use axum::http::{HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::webhook::{PATH, SIGNATURE};

/// Present on a request that another replica has passed on: it is not passed on again.
pub(super) const HOP: &str = "tenant-billing-passed-on";

/// How long the other replica may take. Stripe waits longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection is kept without use; shorter than the other side does.
const IDLE: Duration = Duration::from_secs(5);
/// The other's answer is not read further than this.
const LONGEST_ANSWER: usize = 4096;

/// Why the other replica did not take a request. The request is not lost: Stripe is told to try again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the lease names no usable address: {0}")]
    Address(#[from] axum::http::Error),
    #[error("the replica that leads cannot be reached: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
    #[error("the replica that leads did not answer within {PATIENCE:?}")]
    TooSlow,
    #[error("the replica that leads answered {0}")]
    Refused(StatusCode),
}

/// Sends requests to other replicas, over connections that are kept.
#[derive(Clone, Debug)]
pub(super) struct Forwarder(Client<HttpConnector, Full<Bytes>>);

impl Forwarder {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        connector.set_nodelay(true);
        // Before the other side does: a request on a connection that is just being closed is lost.
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self(client)
    }

    /// Passes a request on as it came. Gives the status that the other answered, when that is an
    /// answer for Stripe.
    pub(super) async fn pass_on(
        &self,
        address: &str,
        signature: HeaderValue,
        body: Bytes,
    ) -> Result<StatusCode, Failure> {
        let request = Request::post(format!("http://{address}{PATH}"))
            .header(SIGNATURE, signature)
            .header(header::CONTENT_TYPE, "application/json")
            .header(HOP, "1")
            .body(Full::new(body))?;
        let exchange = async {
            let response = self.0.request(request).await?;
            let status = response.status();
            // Read to its end, or the connection could not be used again.
            let _ = Limited::new(response.into_body(), LONGEST_ANSWER)
                .collect()
                .await;
            Ok::<_, Failure>(status)
        };
        let status = tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| Failure::TooSlow)??;
        match status {
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Ok(status),
            // Whoever that is, it has not taken the event.
            other => Err(Failure::Refused(other)),
        }
    }
}
