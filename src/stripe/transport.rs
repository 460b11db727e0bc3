//! One HTTP exchange with Stripe: pooled connections, a time limit, a size limit, and everything
//! the response headers say. Whether to try again is decided in [`super::session`].

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::error::{Class, Error};
use super::idempotency::IdempotencyKey;

/// A list page of 100 large objects has under 2 MB; what is longer is not an answer.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Longer than Stripe keeps an idle connection would only make stale ones.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections to one API base.
pub(super) struct Transport {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
}

/// An answer with status 2xx.
pub(super) struct RawAnswer {
    pub(super) body: Bytes,
    pub(super) status: u16,
    pub(super) request_id: Option<Box<str>>,
    pub(super) replayed: bool,
}

/// A failed exchange, and what Stripe says about repeating it.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) should_retry: Option<bool>,
    pub(super) retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            should_retry: None,
            retry_after: None,
        }
    }
}

impl Transport {
    /// Connections to `base`, as in `https://api.stripe.com`.
    pub(super) fn new(base: &str) -> Result<Self, Error> {
        let base = base.trim_end_matches('/').to_owned();
        let uri: Uri = base
            .parse()
            .map_err(|_| Error::new(Class::Invalid, format!("\"{base}\" is not a URL")))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| Error::new(Class::Network, error.to_string()))?;
        let connector = match uri.scheme_str() {
            Some("https") => tls.https_only(),
            Some("http") => tls.https_or_http(),
            _ => {
                let message = format!("\"{base}\" begins neither with https:// nor with http://");
                return Err(Error::new(Class::Invalid, message));
            }
        }
        .enable_http1()
        .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector);
        Ok(Self { http, base })
    }

    /// Whether what is sent can be read on the way: plain HTTP to another machine.
    pub(super) fn is_exposed(&self) -> bool {
        let Some(rest) = self.base.strip_prefix("http://") else {
            return false;
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        !matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Sends a request once.
    pub(super) async fn exchange(
        &self,
        request: &RequestBuilder,
        secret: &str,
        key: Option<&IdempotencyKey>,
        timeout: Duration,
        attempt: u32,
    ) -> Result<RawAnswer, Failure> {
        let message = self.message(request, secret, key)?;
        let started = Instant::now();
        let outcome = tokio::time::timeout(timeout, self.round_trip(message))
            .await
            .unwrap_or_else(|_| {
                let message = format!("no complete answer within {} s", timeout.as_secs_f32());
                Err(Error::new(Class::Timeout, message).into())
            });
        let (status, request_id, class) = match &outcome {
            Ok(answer) => (Some(answer.status), answer.request_id.as_deref(), None),
            Err(Failure { error, .. }) => {
                (error.status, error.request_id.as_deref(), Some(error.class))
            }
        };
        tracing::debug!(
            method = method(request.method).as_str(),
            path = request.path,
            status,
            request_id,
            failure = class.map(tracing::field::debug),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            attempt,
            "stripe request"
        );
        outcome
    }

    fn message(
        &self,
        request: &RequestBuilder,
        secret: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        check_path(&request.path)?;
        let mut target = format!("{}/v1{}", self.base, request.path);
        if let Some(query) = request.query.as_ref().filter(|query| !query.is_empty()) {
            target.push('?');
            target.push_str(query);
        }
        let malformed = |what: &str| Error::new(Class::Invalid, format!("malformed {what}"));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {secret}"))
            .map_err(|_| malformed("Stripe key"))?;
        bearer.set_sensitive(true);
        let mut message = Request::builder()
            .method(method(request.method))
            .uri(target)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")),
            )
            .header("stripe-version", stripe_shared::version::VERSION.as_str());
        if let Some(key) = key {
            message = message.header("idempotency-key", key.as_str());
        }
        let body = request.body.clone().unwrap_or_default();
        if !body.is_empty() {
            message = message.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        message
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| malformed("request"))
    }

    async fn round_trip(&self, message: Request<Full<Bytes>>) -> Result<RawAnswer, Failure> {
        let response = self.http.request(message).await.map_err(|error| {
            let mut failure = Error::new(Class::Network, chain(&error));
            // Without a connection nothing was sent.
            failure.maybe_executed = !error.is_connect();
            failure
        })?;
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let request_id = text(&head.headers, "request-id");
        let replayed = text(&head.headers, "idempotent-replayed") == Some("true");
        let body = Limited::new(body, LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| {
                let class = if error.is::<LengthLimitError>() {
                    Class::Unreadable
                } else {
                    Class::Network
                };
                let mut failure = Error::new(class, chain(error.as_ref()));
                failure.status = Some(status);
                failure.request_id = request_id.map(Into::into);
                failure.maybe_executed = true;
                failure
            })?
            .to_bytes();
        if head.status.is_success() {
            return Ok(RawAnswer {
                body,
                status,
                request_id: request_id.map(Into::into),
                replayed,
            });
        }
        Err(Failure {
            error: Error::from_answer(status, &body, request_id, replayed),
            should_retry: match text(&head.headers, "stripe-should-retry") {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            },
            retry_after: text(&head.headers, RETRY_AFTER.as_str())
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        })
    }
}

/// async-stripe puts ids into paths as they are. Most are checked where they come from; this is
/// the last line: no id, whoever supplied it, makes a request another one.
fn check_path(path: &str) -> Result<(), Error> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let parts = path.strip_prefix('/').map(|rest| rest.split('/'));
    if parts.is_some_and(|mut parts| parts.all(|p| !p.is_empty() && p.bytes().all(plain))) {
        Ok(())
    } else {
        Err(Error::new(
            Class::Invalid,
            format!("\"{path}\" is not a path of Stripe's API; an id in it is malformed"),
        ))
    }
}

const fn method(method: StripeMethod) -> Method {
    match method {
        StripeMethod::Get => Method::GET,
        StripeMethod::Post => Method::POST,
        StripeMethod::Delete => Method::DELETE,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// An error with its causes: hyper's own says only "client error".
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_the_path() {
        for good in [
            "/customers",
            "/customers/cus_1",
            "/test_helpers/test_clocks/clock_1",
        ] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "customers",
            "/customers/",
            "/customers/../x",
            "/customers/a?b",
            "/customers/a b",
            "/c/é",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_plain_http_to_another_machine_is_exposed() {
        for (base, exposed) in [
            ("https://example.com", false),
            ("http://127.0.0.1:12111/", false),
            ("http://localhost", false),
            ("http://[::1]:80", false),
            ("http://sandbox.tenants.svc:12111", true),
        ] {
            assert_eq!(
                Transport::new(base).unwrap().is_exposed(),
                exposed,
                "{base}"
            );
        }
        assert!(Transport::new("ftp://example.com").is_err());
        assert!(Transport::new("not a url").is_err());
    }
}
