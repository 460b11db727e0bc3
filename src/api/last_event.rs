//! What Stripe last told of a tenant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event in Stripe that led to a look at a tenant. What the look found is the rest of the status;
/// nothing is ever taken from the event itself.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LastEvent {
    /// The event (`evt_…`).
    pub id: String,

    /// Its type, as in `customer.subscription.updated`.
    #[serde(rename = "type")]
    pub kind: String,

    /// When it happened, by Stripe's clock.
    pub created_at: Time,

    /// How it came here first.
    pub via: EventSource,
}

/// How an event came here.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum EventSource {
    /// Stripe sent it to the operator's endpoint.
    Webhook,
    /// The operator found it in Stripe's list of events.
    Poll,
}

impl LastEvent {
    /// Whether this is the newer one of two. Events of one second are told apart by their ids, so
    /// that the order in which they arrive makes no difference.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.created_at.0, &self.id) > (other.created_at.0, &other.id)
    }

    /// The newer one of two, if there is any.
    pub fn newest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.is_newer_than(&one) => Some(other),
            (one, other) => one.or(other),
        }
    }
}
