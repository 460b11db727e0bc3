//! How a tenant pays, and its trial: what a manifest says about them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ActionRequired;

/// How the tenant pays, and when a payment method has to be on file.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.daysUntilDue) || (has(self.collection) && self.collection == 'Invoice')")
        .message("daysUntilDue goes with collection: Invoice")
)]
pub struct PaymentPolicy {
    /// When a payment method has to be on file.
    // The schema of an optional enumeration takes its description from the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<PaymentRequirement>,

    /// How invoices are paid. `Automatic` (the default): Stripe charges the payment method on file.
    /// `Invoice`: Stripe sends each invoice to the customer, who pays within `daysUntilDue`.
    #[serde(default)]
    pub collection: Collection,

    /// Days the customer has to pay an invoice; with `collection: Invoice` only. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub days_until_due: Option<i32>,

    /// Where the customer goes after leaving a payment method on Stripe's page, as in
    /// `https://app.example/billing`. Default: the operator's `--payment-return-url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000), regex(pattern = r"^https?://[^\s]+$"))]
    pub return_url: Option<String>,
}

/// When a payment method has to be on file. `BeforeTrial`: there is no subscription, and no
/// trial, until there is one. `BeforeTrialEnd` (the default): the trial begins without; what
/// happens when it ends without one is said by `trial.ifNoPaymentMethod`; without a trial the
/// subscription waits for one. `NotRequired` (the default with `collection: Invoice`): the
/// subscription begins without; its first invoice waits for the customer, for 23 hours, on the
/// page in `status.payment.actionRequired`. While a payment method is awaited, the status has a
/// link for the customer (`status.payment.setupUrl`).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum PaymentRequirement {
    /// Before anything begins.
    BeforeTrial,
    /// Before anything is charged.
    BeforeTrialEnd,
    /// Never.
    NotRequired,
}

/// How invoices are paid.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Collection {
    /// Stripe charges the payment method on file (`charge_automatically`).
    #[default]
    Automatic,
    /// Stripe sends invoices with a due date (`send_invoice`).
    Invoice,
}

/// The tenant's trial.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.days) && has(self.endsAt))")
        .message("give either days or endsAt")
)]
pub struct Trial {
    /// Length of the trial in days, counted from the start of the subscription; 0 means none.
    /// A tenant gets one trial: re-subscribing does not start another. While the trial runs,
    /// changing this number moves its end; a number of days that have passed ends it now. Default:
    /// the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 730))]
    pub days: Option<i32>,

    /// The instant the trial ends, instead of `days`. While the trial runs, changing it moves its
    /// end; a time that has passed ends it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,

    /// What happens when the trial ends and there is no payment method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_no_payment_method: Option<IfNoPaymentMethod>,

    /// How many days before the end of the trial to remind, once; 0 means never. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 60))]
    pub remind_days_before: Option<i32>,
}

/// What happens when the trial ends and there is no payment method. `Pause`: the subscription
/// stands still and goes on by itself when a payment method arrives. `Cancel`: it is cancelled.
/// `Invoice`: it goes on, and its invoice waits to be paid. Default for a new subscription:
/// `Pause`, or `Invoice` where `payment.method` is `NotRequired`; a running trial is left as it
/// is. Without meaning for `payment.collection: Invoice`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum IfNoPaymentMethod {
    /// The subscription is cancelled.
    Cancel,
    /// It stands still until there is one.
    Pause,
    /// It goes on, and its invoice waits to be paid.
    Invoice,
}

/// How a tenant pays.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PaymentStatus {
    /// Whether the customer has a default payment method.
    pub method_on_file: bool,

    /// Page on which the customer leaves a payment method; there while one is awaited. Give it to
    /// nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_url: Option<String>,

    /// When that page expires. The operator makes another one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_url_expires_at: Option<Time>,

    /// The Checkout Session behind that page (`cs_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_session_id: Option<String>,

    /// What the customer has to do, while there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_required: Option<ActionRequired>,
}
