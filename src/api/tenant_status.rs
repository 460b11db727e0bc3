//! The status of a `TenantBilling`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccessStatus, DisputeSummary, DunningStatus, FraudWarningSummary, InvoiceSummary, LastEvent,
    NoticeStatus, PaymentStatus, PlanChangeStatus,
};

/// What the operator sees in Stripe for a tenant.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantBillingStatus {
    /// The generation of the manifest that this status describes; -1 before the first look.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,

    /// The tenant's identity in Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,

    /// Where the tenant stands, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// What the tenant may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessStatus>,

    /// The plan the subscription was last brought to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,

    /// The change of plan, quantity or price that is under way, or was made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_change: Option<PlanChangeStatus>,

    /// When the running trial ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_ends_at: Option<Time>,

    /// The period that is being billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_period: Option<Period>,

    /// How the tenant pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentStatus>,

    /// The unsettled invoice that matters most: the one that needs somebody, else the oldest that is
    /// to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<InvoiceSummary>,

    /// Where the dunning stands; there while an invoice is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dunning: Option<DunningStatus>,

    /// What people are to be told and were not told yet, or perhaps not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub notices: Vec<NoticeStatus>,

    /// The disputes of the last 180 days, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub disputes: Vec<DisputeSummary>,

    /// Early fraud warnings that can be acted on, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub fraud_warnings: Vec<FraudWarningSummary>,

    /// The tenant's objects in Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe: Option<StripeStatus>,

    /// Differences between Stripe and the manifest that the manifest did not cause: those put
    /// right within the last day, and those that stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub drift: Vec<Drift>,

    /// The newest event in Stripe that has led to a look at this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<LastEvent>,

    /// Value of the annotation `tenantbilling.io/reconcile-requested-at` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// `Ready`, `PaymentMethodReady`, `PaymentCurrent`, `Disputed`, `Drifted`, and `Reconciling`, `Stalled` or
    /// `EnforcementHeld` while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl Default for TenantBillingStatus {
    fn default() -> Self {
        Self {
            observed_generation: never_observed(),
            tenant_id: None,
            phase: None,
            access: None,
            plan: None,
            plan_change: None,
            trial_ends_at: None,
            current_period: None,
            payment: None,
            invoice: None,
            dunning: None,
            notices: Vec::new(),
            disputes: Vec::new(),
            fraud_warnings: Vec::new(),
            stripe: None,
            drift: Vec::new(),
            last_event: None,
            last_handled_reconcile_at: None,
            conditions: Vec::new(),
        }
    }
}

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is in Stripe yet.
    Pending,
    /// The customer exists; the subscription waits for a payment method.
    AwaitingPaymentMethod,
    /// The subscription waits for its first payment, or for something to be put right first.
    AwaitingPayment,
    /// In the trial.
    Trialing,
    /// Subscribed and paid.
    Active,
    /// A payment failed; Stripe retries it.
    PastDue,
    /// Stripe gave up retrying a payment.
    Unpaid,
    /// The trial ended without a payment method and the subscription is paused.
    Paused,
    /// Subscribed until the end of the period, then cancelled.
    Canceling,
    /// Not subscribed.
    Canceled,
}

/// A span of time.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Period {
    /// Its first instant.
    pub start: Time,
    /// The instant it is over.
    pub end: Time,
}

/// A tenant's objects in Stripe.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StripeStatus {
    /// The account the tenant lives in. A key for another account is refused for this tenant.
    pub account_id: String,

    /// Whether that is live mode (real money) rather than test mode.
    pub livemode: bool,

    /// The customer (`cus_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,

    /// The subscription (`sub_…`): the live one, or else the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,

    /// Stripe's own status of the subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_status: Option<String>,

    /// The price of the base fee that the tenant pays (`price_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_id: Option<String>,

    /// The metered prices that the tenant pays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub usage_price_ids: Vec<String>,

    /// How many of the base fee the tenant pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,

    /// The test clock the customer lives on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_clock: Option<String>,

    /// Digest of the desired state that was last brought about. While it stays the same, a
    /// difference in Stripe is drift and not an edit of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_digest: Option<String>,

    /// A creation that was begun and whose outcome is not recorded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_create: Option<PendingCreate>,
}

/// A creation that was begun. It is written before the request is sent, so that a crash or a lost
/// answer makes the next attempt look for the object first.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PendingCreate {
    /// What was being created: `Customer` or `Subscription`.
    pub object: String,
    /// When it was begun, by the operator's clock.
    pub since: Time,
}

/// One difference between Stripe and the manifest that the manifest did not cause.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// What differs, as in `customer.email` or `subscription.price`.
    pub field: String,
    /// What the manifest asks for.
    pub desired: String,
    /// What was found in Stripe.
    pub observed: String,
    /// What was done about it.
    pub class: DriftClass,
    /// When it was first seen.
    pub since: Time,
}

/// What was done about a difference.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum DriftClass {
    /// Stripe was put right.
    Reverted,
    /// It stands, because it is the customer's or another person's decision.
    Reported,
}

const fn never_observed() -> i64 {
    -1
}
