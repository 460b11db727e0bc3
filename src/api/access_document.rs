//! What programs read of a tenant's access: the body of an answer to a gateway, and the file in a
//! tenant's `ConfigMap`.

use jiff::Timestamp;
use serde::Serialize;

use super::Limits;

/// Marks the `ConfigMap`s that tell tenants' access; its value is empty.
pub const ACCESS_LABEL: &str = "tenantbilling.io/access";

/// The name of such a `ConfigMap`, without the name of the manifest before it.
pub const ACCESS_SUFFIX: &str = "-access";

/// The level of a tenant of whom nothing is known.
pub const UNKNOWN_ACCESS: &str = "Unknown";

/// What programs read of a tenant's access.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessDocument<'a> {
    /// Whose access it is.
    pub tenant_id: &'a str,
    /// `Full`, `Limited` or `Suspended`; towards gateways also `Unknown`.
    pub level: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Since when; unknown for unknown tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it will be less, unless the overdue invoice is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The plan the subscription was last brought to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<&'a str>,
    /// The plan's limits for that level; there even when there are none.
    pub limits: &'a Limits,
}
