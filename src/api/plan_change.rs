//! Changes of a running subscription: what a manifest says about them, and what its status does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a change of plan, quantity or interval is made.
///
/// A change is an upgrade when the base fee times the quantity grows, or the interval gets longer; a
/// downgrade when it shrinks, or the interval gets shorter. During a trial every change is made at
/// once, as nothing has been paid yet.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlanChangePolicy {
    /// When an upgrade is made. `Now` (the default): at once. `AtPeriodEnd`: when the period that is
    /// paid for ends; until then, setting the manifest back withdraws it.
    #[serde(default)]
    pub upgrade: UpgradeTiming,

    /// When a downgrade is made. `AtPeriodEnd` (the default): when the period that is paid for ends;
    /// until then, setting the manifest back withdraws it. `Now`: at once.
    #[serde(default)]
    pub downgrade: DowngradeTiming,

    /// What becomes of the rest of the period when a change is made at once. `Create` (the default):
    /// the difference, to the second, is on the next invoice. `InvoiceNow`: it is invoiced and
    /// charged at once. `None`: nothing is charged or credited for it. Changing the interval, and
    /// leaving a free plan, begin a new period, which Stripe charges at once in any case.
    #[serde(default)]
    pub proration: Proration,

    /// The most that a change made at once may charge, in major units of the plan's currency, as in
    /// `"500.00"`. A change that charges more is held until the annotation
    /// `tenantbilling.io/approve-change` names its preview (`status.planChange.preview.name`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub max_charge: Option<String>,
}

/// When an upgrade is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum UpgradeTiming {
    /// At once.
    #[default]
    Now,
    /// When the period that is paid for ends.
    AtPeriodEnd,
}

/// When a downgrade is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum DowngradeTiming {
    /// When the period that is paid for ends.
    #[default]
    AtPeriodEnd,
    /// At once.
    Now,
}

/// What becomes of the rest of the period when a change is made at once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Proration {
    /// The difference is on the next invoice.
    #[default]
    Create,
    /// The difference is invoiced and charged at once.
    InvoiceNow,
    /// Nothing is charged or credited.
    None,
}

/// Whether Stripe Tax computes the tenant's taxes.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TaxPolicy {
    /// Whether Stripe computes taxes on the tenant's invoices (`automatic_tax`).
    pub automatic: bool,

    /// What to do while Stripe cannot place the customer for tax. `Block` (the default): the tenant
    /// is not subscribed, and no change that is charged is made, until the customer's address
    /// suffices. `Skip`: go on without taxes until then.
    #[serde(default)]
    pub if_no_location: IfNoLocation,
}

/// What to do while Stripe cannot place a customer for tax.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum IfNoLocation {
    /// Wait.
    #[default]
    Block,
    /// Go on without taxes.
    Skip,
}

/// The change of a subscription that is under way, or was made last.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanChangeStatus {
    /// What the tenant is on before it, as in `starter, 29.00 usd/month`.
    pub from: String,

    /// What the tenant is on after it.
    pub to: String,

    /// How far it is.
    pub state: PlanChangeState,

    /// When a scheduled change takes effect, or when one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Time>,

    /// The subscription schedule that makes it (`sub_sched_…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,

    /// What it charges, as Stripe computed it before it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<ChangePreview>,

    /// Digest of the prices and the quantity it leads to.
    pub terms: String,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum PlanChangeState {
    /// It waits for its turn in the rollout of its plan.
    Queued,
    /// It waits: for approval, or for what the condition's message says.
    Held,
    /// It is about to be made.
    Applying,
    /// Stripe makes it when the period ends. Setting the manifest back withdraws it.
    Scheduled,
    /// It was made.
    Applied,
}

/// What a change charges, as Stripe computed it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ChangePreview {
    /// Its name, for the annotation `tenantbilling.io/approve-change`.
    pub name: String,

    /// What the change charges, in major units of the currency, taxes included; negative for a
    /// credit.
    pub amount: String,

    /// The currency, in lower case.
    pub currency: String,

    /// When that is charged.
    pub charged: Charged,

    /// The instant from which Stripe prorates. The change is made with the same one, so that it
    /// charges what the preview says.
    pub proration_date: Time,

    /// When Stripe computed it.
    pub taken_at: Time,

    /// Digest of the change it is about.
    pub fingerprint: String,
}

/// When a change is charged.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Charged {
    /// At once, on an invoice of its own.
    Now,
    /// With the next invoice.
    NextInvoice,
}
