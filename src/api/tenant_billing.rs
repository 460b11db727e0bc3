//! `TenantBilling`: what one tenant is to be sold.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DisputePolicy, PaymentPolicy, PlanChangePolicy, TaxPolicy, TenantBillingStatus, TenantDunning,
    Trial,
};

/// What one tenant is to be sold. The operator keeps one customer and one live subscription in
/// Stripe as this manifest says, and reports in the status what it sees there.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[kube(
    group = "tenantbilling.io",
    version = "v1alpha1",
    kind = "TenantBilling",
    plural = "tenantbillings",
    namespaced,
    shortname = "tb",
    category = "billing",
    status = "TenantBillingStatus",
    doc = "What one tenant is to be sold, and what Stripe says about it.",
    printcolumn(name = "Tenant", type_ = "string", json_path = ".status.tenantId"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.plan"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Access", type_ = "string", json_path = ".status.access.level"),
    printcolumn(
        name = "Dunning",
        type_ = "string",
        json_path = ".status.dunning.stage"
    ),
    printcolumn(
        name = "Drift",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Drifted\")].reason"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Customer",
        type_ = "string",
        json_path = ".status.stripe.customerId",
        priority = 1
    ),
    printcolumn(
        name = "Subscription",
        type_ = "string",
        json_path = ".status.stripe.subscriptionId",
        priority = 1
    ),
    printcolumn(
        name = "Change",
        type_ = "string",
        json_path = ".status.planChange.state",
        priority = 1
    ),
    printcolumn(
        name = "Trial-Ends",
        type_ = "string",
        json_path = ".status.trialEndsAt",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.tenantId) == has(oldSelf.tenantId) && (!has(self.tenantId) || self.tenantId == oldSelf.tenantId)")
        .message("tenantId is the tenant's identity in Stripe and cannot be changed; make a new TenantBilling instead"),
    validation = Rule::new("has(self.testClock) == has(oldSelf.testClock) && (!has(self.testClock) || self.testClock == oldSelf.testClock)")
        .message("testClock cannot be changed: Stripe binds a customer to a clock when the customer is created")
)]
pub struct TenantBillingSpec {
    /// Identity of the tenant in Stripe, stored in the metadata of its customer and subscription.
    /// It cannot be changed. Defaults to `<namespace>/<name>` of this manifest. Two manifests with
    /// one tenantId: the older keeps it, the newer is `Stalled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._/:@-]*[A-Za-z0-9])?$")
    )]
    pub tenant_id: Option<String>,

    /// Who is billed. Fields given here are enforced in Stripe; fields left out are not touched.
    pub customer: CustomerDetails,

    /// Name of the BillingPlan the tenant is on. Changing it changes what the tenant's one
    /// subscription sells, as `planChange` says; it never makes a second subscription.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub plan: String,

    /// How many of the plan's base fee the tenant pays, seats for instance. Included usage does not
    /// grow with it.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub quantity: i32,

    /// How changes of plan, quantity and interval are made: when, and what they may charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_change: Option<PlanChangePolicy>,

    /// Taxes on the tenant's invoices. Without it, Stripe's own setting of the subscription is left
    /// as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxPolicy>,

    /// The tenant's dunning, beside what its plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dunning: Option<TenantDunning>,

    /// What to do when the customer disputes a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputes: Option<DisputePolicy>,

    /// The tenant's own trial, instead of the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,

    /// How the tenant pays, and when a payment method has to be on file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentPolicy>,

    /// Whether the tenant is to be subscribed. `Active` (the default): yes; it also takes back a
    /// cancellation that a manifest asked for, while one that the customer asked for is respected.
    /// `CancelAtPeriodEnd`: until the end of the period or trial that is running. `Canceled`: no; a
    /// running subscription is cancelled at once.
    #[serde(default)]
    pub lifecycle: Lifecycle,

    /// What becomes of the subscription when this manifest is deleted. `CancelAtPeriodEnd` (the
    /// default): it ends with the period that is running, and applying the manifest again before
    /// that undoes it. `CancelNow`: it is cancelled at once. `Retain`: it goes on as it is, no longer
    /// looked after. The customer is kept in every case.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Id of the Stripe test clock the customer lives on (`clock_…`). Test mode only, for trying
    /// out months in minutes. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), regex(pattern = r"^clock_[A-Za-z0-9]+$"))]
    pub test_clock: Option<String>,

    /// Stop checking and changing this tenant in Stripe. Deletion is still carried out.
    #[serde(default)]
    pub suspend: bool,
}

/// Who is billed.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CustomerDetails {
    /// Full name or business name, as it is to stand on invoices.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,

    /// Where Stripe sends invoices and receipts.
    #[schemars(length(max = 254), regex(pattern = r"^[^\s@]+@[^\s@]+\.[^\s@]+$"))]
    pub email: String,

    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub phone: Option<String>,

    /// A note for people who look at the customer in the Dashboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 350))]
    pub description: Option<String>,

    /// Billing address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// A postal address. When given, it is enforced as a whole: what is left out is emptied.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Street and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub line1: Option<String>,
    /// Apartment, suite, unit or building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub line2: Option<String>,
    /// City, town or village.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub city: Option<String>,
    /// State, county, province or region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub state: Option<String>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub postal_code: Option<String>,
    /// Two-letter country code in upper case (ISO 3166-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z]{2}$"))]
    pub country: Option<String>,
}

/// Whether a tenant is to be subscribed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Subscribed. Undoes a cancellation that a manifest asked for; one that the customer asked
    /// for is respected and reported.
    #[default]
    Active,
    /// Subscribed until the end of the period (or trial) that is running.
    CancelAtPeriodEnd,
    /// Not subscribed. A running subscription is cancelled at once.
    Canceled,
}

/// What becomes of a subscription when its manifest is deleted. The customer is always kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum DeletionPolicy {
    /// It ends with the period that is running. Applying the manifest again before that undoes it.
    #[default]
    CancelAtPeriodEnd,
    /// It is cancelled at once.
    CancelNow,
    /// It goes on as it is, no longer looked after.
    Retain,
}

const fn one() -> i32 {
    1
}
