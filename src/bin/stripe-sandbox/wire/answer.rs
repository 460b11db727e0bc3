//! Answers and their headers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::fault::{self, Spec};
use super::idempotency::StoredAnswer;
use super::{API_VERSION, StripeError};

/// An answer, before it is one of HTTP.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// Request that got this answer first, when it is a stored one.
    pub(super) original_request: Option<String>,
    html: bool,
    retry_after: Option<u64>,
    should_retry: Option<bool>,
    /// Which limit was hit, for 429.
    limited: bool,
}

impl Answer {
    fn new(status: u16, body: String) -> Self {
        Self {
            status,
            body,
            original_request: None,
            html: false,
            retry_after: None,
            should_retry: should_retry(status),
            limited: status == 429,
        }
    }

    pub(super) fn ok(value: &Value) -> Self {
        Self::new(200, pretty(value))
    }

    pub(super) fn error(error: &StripeError, request_id: &str) -> Self {
        let answer = Self::new(error.status, pretty(&error.body(request_id)));
        let lock_timeout = error.code.as_deref() == Some("lock_timeout");
        Self {
            should_retry: if lock_timeout {
                Some(true)
            } else {
                answer.should_retry
            },
            limited: answer.limited && !lock_timeout,
            ..answer
        }
    }

    pub(super) fn fault(spec: &Spec, request_id: &str) -> Self {
        let html = spec.body == fault::Body::Html;
        let body = if html {
            let status = StatusCode::from_u16(spec.status).unwrap_or(StatusCode::BAD_GATEWAY);
            format!(
                "<html>\n<head><title>{status}</title></head>\n<body><h1>{status}</h1></body>\n</html>\n"
            )
        } else {
            pretty(&StripeError::for_status(spec.status).body(request_id))
        };
        let answer = Self::new(spec.status, body);
        Self {
            html,
            retry_after: spec.retry_after,
            should_retry: spec.should_retry.or(answer.should_retry.filter(|_| !html)),
            ..answer
        }
    }

    pub(super) fn replayed(stored: &StoredAnswer) -> Self {
        Self {
            original_request: Some(stored.request_id.clone()),
            ..Self::new(stored.status, stored.body.clone())
        }
    }

    pub(super) fn response(
        self,
        request_id: &str,
        idempotency_key: Option<&str>,
    ) -> Response<Body> {
        let mut headers: Vec<(&str, String)> = vec![
            ("request-id", request_id.to_owned()),
            ("stripe-version", API_VERSION.to_owned()),
            ("cache-control", "no-cache, no-store".to_owned()),
        ];
        let mut add = |name: &'static str, value: Option<String>| {
            headers.extend(value.map(|value| (name, value)));
        };
        add("idempotency-key", idempotency_key.map(str::to_owned));
        add(
            "idempotent-replayed",
            self.original_request.as_ref().map(|_| "true".to_owned()),
        );
        add("original-request", self.original_request);
        add(
            "retry-after",
            self.retry_after.map(|seconds| seconds.to_string()),
        );
        add(
            "stripe-should-retry",
            self.should_retry.map(|retry| retry.to_string()),
        );
        add(
            "stripe-rate-limited-reason",
            self.limited.then(|| "global-rate".to_owned()),
        );
        let kind = if self.html {
            "text/html"
        } else {
            "application/json"
        };
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in headers {
            // Only a caller's own idempotency key could fail here, and it came in as a header.
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Stripe's word on repeating a request: conflicts and its own failures yes, refusals no, rate limits unsaid.
fn should_retry(status: u16) -> Option<bool> {
    match status {
        409 | 500.. => Some(true),
        400..=428 => Some(false),
        _ => None,
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
