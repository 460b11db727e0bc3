//! Disputes: what a manifest says about them, and what the status shows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do when the tenant's customer disputes a payment. Nothing is ever refunded.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DisputePolicy {
    /// While a dispute or inquiry is open: `Report` (the default) shows it in the status and as an event.
    /// `Hold` also pauses the collection of the subscription, so that its next invoices stay drafts,
    /// and stops the collection of those it has; when the last dispute is decided, collection resumes and
    /// what was held back is charged.
    /// `Suspend` is `Hold`, and suspends the tenant's access. Deleting the manifest while a dispute is
    /// open leaves the collection paused.
    #[serde(default)]
    pub on_open: OnDispute,
}

/// What to do while a dispute is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum OnDispute {
    /// Show it.
    #[default]
    Report,
    /// Charge nothing more.
    Hold,
    /// Charge nothing more, and suspend access.
    Suspend,
}

/// A dispute, or an inquiry that may become one.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DisputeSummary {
    /// Its id (`du_…`).
    pub id: String,

    /// Stripe's own status of it, as in `needs_response` or `won`.
    pub status: String,

    /// Why the customer disputes, in Stripe's word, as in `fraudulent`.
    pub reason: String,

    /// What is disputed, in major units of the currency.
    pub amount: String,

    /// The currency, in lower case.
    pub currency: String,

    /// The invoice that the payment was for (`in_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,

    /// When it was opened.
    pub created_at: Time,

    /// By when evidence has to be submitted in Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_due_by: Option<Time>,
}

/// A card network's early warning that a payment may be fraudulent. Refunding it can prevent a
/// dispute.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FraudWarningSummary {
    /// Its id (`issfr_…`).
    pub id: String,

    /// The charge it is about (`ch_…`).
    pub charge: String,

    /// What kind of fraud, in Stripe's word, as in `made_with_stolen_card`.
    pub kind: String,

    /// When it came.
    pub created_at: Time,
}
