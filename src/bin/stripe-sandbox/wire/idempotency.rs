//! Idempotency keys: an answer is kept once carrying out its request began, and replayed from then on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Params, StripeError};
use crate::state::State;

/// Keys may be forgotten after a day.
const KEPT_SECONDS: i64 = 24 * 3600;

/// Longest key.
const LONGEST: usize = 255;

/// The answer to the first request with a key, replayed to every later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// Path of the request.
    pub path: String,
    /// Its parsed parameters, in canonical order.
    pub params: String,
    /// HTTP status.
    pub status: u16,
    /// Body, byte for byte.
    pub body: String,
    /// `Request-Id` of the first request.
    pub request_id: String,
    /// When it was answered.
    pub created: i64,
}

/// Parameters in an order that does not depend on how they were sent.
pub(super) fn canonical(params: &Params) -> String {
    Value::Object(params.0.clone()).to_string()
}

/// The answer kept for a key, unless it is too old.
pub(super) fn find<'a>(state: &'a State, key: &str) -> Option<&'a StoredAnswer> {
    let oldest = state.wall_clock() - KEPT_SECONDS;
    state
        .answers
        .get(key)
        .filter(|answer| answer.created >= oldest)
}

/// Refuses a key's use for another request than its first.
pub(super) fn check_same(
    stored: &StoredAnswer,
    key: &str,
    path: &str,
    params: &Params,
) -> Result<(), StripeError> {
    let message = if stored.path != path {
        format!(
            "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{path}' \
             vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
            stored.path
        )
    } else if stored.params != canonical(params) {
        format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
             using a key other than '{key}' if you meant to execute a different request."
        )
    } else {
        return Ok(());
    };
    Err(StripeError {
        kind: "idempotency_error",
        ..StripeError::validation("", message)
    }
    .without_param())
}

/// Refuses keys Stripe would not take.
pub(super) fn check_key(key: &str) -> Result<(), StripeError> {
    if key.is_empty() || key.len() > LONGEST {
        let message = format!("Idempotency keys must be between 1 and {LONGEST} characters long.");
        return Err(StripeError {
            kind: "idempotency_error",
            ..StripeError::validation("", message)
        }
        .without_param());
    }
    Ok(())
}

/// The error for a key whose first request is still going.
pub(super) fn in_use(key: &str) -> StripeError {
    let error = StripeError::invalid(format!(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted \
         twice, and the other request is still going through): {key}. Please try again later."
    ))
    .code("idempotency_key_in_use")
    .status(409);
    StripeError {
        kind: "idempotency_error",
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(form: &str) -> StoredAnswer {
        StoredAnswer {
            path: "/v1/customers".into(),
            params: canonical(&Params::decode(form)),
            status: 200,
            body: String::new(),
            request_id: "req_1".into(),
            created: 0,
        }
    }

    #[test]
    fn parameters_compare_parsed_so_their_order_does_not_matter() {
        let first = stored("name=a&metadata[x]=1&metadata[y]=2");
        let again = Params::decode("metadata[y]=2&metadata[x]=1&name=a");
        assert_eq!(check_same(&first, "k", "/v1/customers", &again), Ok(()));
    }

    #[test]
    fn another_request_under_the_same_key_is_an_idempotency_error() {
        let first = stored("name=a");
        for (path, form) in [("/v1/customers", "name=b"), ("/v1/products", "name=a")] {
            let error = check_same(&first, "k", path, &Params::decode(form)).unwrap_err();
            assert_eq!(
                (error.status, error.kind, error.param),
                (400, "idempotency_error", None)
            );
        }
    }
}
