//! Answers kept for idempotency keys.

use serde::{Deserialize, Serialize};

/// The answer to the first request with a key, replayed to every later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// Method, path and parsed parameters: a key means one request only.
    pub fingerprint: String,
    /// HTTP status.
    pub status: u16,
    /// Body, byte for byte.
    pub body: String,
    /// `Request-Id` of the first request.
    pub request_id: String,
}
