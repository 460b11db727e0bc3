//! What about a tenant's payments needs somebody, in the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the customer has to do.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ActionRequired {
    /// Why, as in the condition `PaymentCurrent`.
    pub reason: String,

    /// The page where the customer does it: pays the invoice, or authenticates the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// The invoice it is about (`in_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,

    /// What is to be paid, in major units of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,

    /// The currency, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,

    /// When Stripe stops waiting for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Time>,
}

/// An invoice that is not settled.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceSummary {
    /// Its id (`in_…`).
    pub id: String,

    /// Stripe's own status of it: `draft` or `open`.
    pub status: String,

    /// What is still to be paid, in major units of the currency.
    pub amount_due: String,

    /// The currency, in lower case.
    pub currency: String,

    /// When it was made.
    pub created_at: Time,

    /// How often a payment was attempted.
    #[serde(default)]
    pub attempts: i64,

    /// When Stripe attempts the next payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_payment_attempt: Option<Time>,

    /// By when the customer is to pay, when it is sent instead of charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
}
