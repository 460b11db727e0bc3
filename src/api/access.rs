//! What a tenant may use: the product of it all.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits by name, as in `requestsPerMinute: 600`.
pub type Limits = BTreeMap<String, i64>;

/// What a tenant may use.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// How much.
    pub level: AccessLevel,
    /// Since when.
    pub since: Time,
    /// When it will be less, unless the overdue invoice is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Why, as in `Subscribed`, `PaymentOverdue`, `NotSubscribed` or `DisputeOpen`.
    pub reason: String,
    /// The plan's limits for that level.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// How much a tenant may use, from everything to nothing.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum AccessLevel {
    /// Everything the plan offers.
    Full,
    /// Less, as the plan's `limits.Limited` says.
    Limited,
    /// Nothing.
    Suspended,
}

impl AccessLevel {
    /// As in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::Limited => "Limited",
            Self::Suspended => "Suspended",
        }
    }
}

/// What tenants on a plan may use, by level of access.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct PlanLimits {
    /// While nothing is overdue, as in `requestsPerMinute: 600`.
    #[serde(rename = "Full", default, skip_serializing_if = "Limits::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub full: Limits,

    /// At the stage `Limited` of the dunning, as in `requestsPerMinute: 60`.
    #[serde(rename = "Limited", default, skip_serializing_if = "Limits::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub limited: Limits,

    /// While access is suspended, as in `requestsPerMinute: 0`.
    #[serde(
        rename = "Suspended",
        default,
        skip_serializing_if = "Limits::is_empty"
    )]
    #[schemars(extend("maxProperties" = 32))]
    pub suspended: Limits,
}

impl PlanLimits {
    /// Those of a level.
    pub const fn of(&self, level: AccessLevel) -> &Limits {
        match level {
            AccessLevel::Full => &self.full,
            AccessLevel::Limited => &self.limited,
            AccessLevel::Suspended => &self.suspended,
        }
    }
}
