//! Events.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::API_VERSION;

/// The request that caused an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRequest {
    /// `None` when nobody's request did.
    pub id: Option<String>,
    /// Its idempotency key.
    pub idempotency_key: Option<String>,
}

/// An event: the object as it was then, for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// `customer.created`, …
    pub kind: String,
    /// Wall-clock time, also for objects on a test clock.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// The object, rendered.
    pub object: Value,
    /// For updates: values before.
    pub previous_attributes: Option<Value>,
    /// Cause.
    pub request: EventRequest,
    /// Endpoints that have not acknowledged it.
    pub pending_webhooks: i64,
    /// Whether an endpoint failed to take it for good.
    pub undelivered: bool,
}

impl Event {
    /// Stripe's event object.
    pub fn render(&self) -> Value {
        let mut data = json!({ "object": self.object });
        if let Some(previous) = &self.previous_attributes {
            data["previous_attributes"] = previous.clone();
        }
        json!({
            "id": self.id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.created,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": self.pending_webhooks,
            "request": { "id": self.request.id, "idempotency_key": self.request.idempotency_key },
            "type": self.kind,
        })
    }
}
