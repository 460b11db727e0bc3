//! Answers to gateways: headers that a gateway can pass on, and the same as JSON.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::{AccessDocument, AccessLevel, Limits, UNKNOWN_ACCESS};
use crate::controller::{Access, Unknown};

const LEVEL: HeaderName = HeaderName::from_static("x-tenant-access");
const REASON: HeaderName = HeaderName::from_static("x-tenant-access-reason");
const UNTIL: HeaderName = HeaderName::from_static("x-tenant-access-until");
const PLAN: HeaderName = HeaderName::from_static("x-tenant-plan");
const LIMITS: HeaderName = HeaderName::from_static("x-tenant-limits");

/// The answer about a tenant that is known.
pub(super) fn known(tenant_id: &str, access: &Access, denied: StatusCode) -> Response {
    let status = match access.level {
        AccessLevel::Full | AccessLevel::Limited => StatusCode::OK,
        AccessLevel::Suspended => denied,
    };
    tell(status, &access.document(tenant_id))
}

/// The answer about one that is not.
pub(super) fn unknown(tenant_id: &str, why: Unknown, status: StatusCode) -> Response {
    let document = AccessDocument {
        tenant_id,
        level: UNKNOWN_ACCESS,
        reason: why.reason(),
        since: None,
        until: None,
        plan: None,
        limits: &Limits::new(),
    };
    tell(status, &document)
}

/// The answer to a request that cannot be understood.
pub(super) fn invalid(message: &str) -> Response {
    let body = serde_json::json!({ "error": message });
    json(StatusCode::BAD_REQUEST, body.to_string())
}

fn tell(status: StatusCode, document: &AccessDocument<'_>) -> Response {
    let written = serde_json::to_string(document)
        .and_then(|body| Ok((body, serde_json::to_string(document.limits)?)));
    let (body, limits) = match written {
        Ok(written) => written,
        Err(error) => {
            let body = serde_json::json!({ "error": error.to_string() });
            return json(StatusCode::INTERNAL_SERVER_ERROR, body.to_string());
        }
    };
    let mut response = json(status, body);
    let headers = response.headers_mut();
    headers.insert(LEVEL, value(document.level));
    headers.insert(REASON, value(document.reason));
    headers.insert(LIMITS, value(&ascii(&limits)));
    if let Some(plan) = document.plan {
        headers.insert(PLAN, value(plan));
    }
    if let Some(until) = document.until {
        headers.insert(UNTIL, value(&until.to_string()));
    }
    response
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        // Access may change at any instant.
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.into()).into_response()
}

/// JSON means the same when its characters beyond ASCII are escaped, and then fits into a header.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// The operator's own words fit into a header as they are. Of what somebody else wrote into a status,
/// what doesn't fit becomes a question mark.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let fitting = |c| if matches!(c, ' '..='~') { c } else { '?' };
        let text: String = text.chars().map(fitting).collect();
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("?"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_any_name_fit_into_a_header_and_mean_the_same() {
        let limits = Limits::from([("größe \u{1f600}\u{7f}\"".to_owned(), 7)]);
        let written = ascii(&serde_json::to_string(&limits).unwrap());
        assert!(HeaderValue::from_str(&written).is_ok(), "{written}");
        assert_eq!(serde_json::from_str::<Limits>(&written).unwrap(), limits);
    }

    #[test]
    fn nothing_in_a_status_breaks_an_answer() {
        assert_eq!(value("PaymentOverdue"), "PaymentOverdue");
        assert_eq!(value("a\r\nx-admin: ü"), "a??x-admin: ?");
    }
}
