//! What a tenant may use: the product of it all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a tenant may use.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// How much.
    pub level: AccessLevel,
    /// Since when.
    pub since: Time,
    /// Why, as in `Subscribed`, `NotSubscribed` or `DisputeOpen`.
    pub reason: String,
}

/// How much a tenant may use.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum AccessLevel {
    /// Everything the plan offers.
    Full,
    /// Nothing.
    Suspended,
}
