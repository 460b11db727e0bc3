//! What people are told, and what the status shows of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody is told.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum NoticeKind {
    /// The trial ends soon.
    TrialEnding,
    /// A payment method is awaited.
    PaymentMethodNeeded,
    /// A payment failed.
    Reminder,
    /// A payment failed some time ago, and this comes next.
    Warning,
    /// Access is limited.
    Limited,
    /// Access is suspended.
    Suspended,
    /// What was overdue is paid; access is as before.
    Reactivated,
    /// The customer has to authenticate a payment.
    ActionRequired,
    /// A payment is disputed.
    Dispute,
    /// So many tenants would be restricted at once that none is.
    EnforcementHeld,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TrialEnding,
        Self::PaymentMethodNeeded,
        Self::Reminder,
        Self::Warning,
        Self::Limited,
        Self::Suspended,
        Self::Reactivated,
        Self::ActionRequired,
        Self::Dispute,
        Self::EnforcementHeld,
    ];

    /// As in metadata keys, names of templates and types of events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrialEnding => "trial_ending",
            Self::PaymentMethodNeeded => "payment_method_needed",
            Self::Reminder => "reminder",
            Self::Warning => "warning",
            Self::Limited => "limited",
            Self::Suspended => "suspended",
            Self::Reactivated => "reactivated",
            Self::ActionRequired => "action_required",
            Self::Dispute => "dispute",
            Self::EnforcementHeld => "enforcement_held",
        }
    }

    /// The kind with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A notice that was not delivered yet, or perhaps not.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NoticeStatus {
    /// What is told.
    pub kind: NoticeKind,
    /// The object in Stripe that it is about, as in `in_…`.
    pub about: String,
    /// Since when it was to be told.
    pub since: Time,
    /// How far it is.
    pub state: NoticeState,
    /// What stands in the way, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a notice is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum NoticeState {
    /// It is on its way, or waits for a receiver that is down.
    Pending,
    /// The operator ended while it was being sent, and nobody knows whether it arrived. It is not sent
    /// again by itself: mail is never sent twice.
    Uncertain,
    /// The receiver refused it for good, as for an address that does not exist. It is not tried again.
    Refused,
}
