//! What users write: the custom resources, their schemas and rules, and the names that are part of
//! the product's contract (finalizer, metadata keys, condition types and reasons).
//!
//! Rustdoc in this module is what `kubectl explain` prints, so it speaks to the person who writes
//! manifests. Nothing here does IO.

mod access;
mod access_document;
mod attention;
mod billing_plan;
mod condition;
mod dispute;
mod dunning;
mod last_event;
mod lenient;
mod notice;
mod payment;
mod plan_change;
mod tenant_billing;
mod tenant_status;

pub use access::{AccessLevel, AccessStatus, Limits, PlanLimits};
pub use access_document::{ACCESS_LABEL, ACCESS_SUFFIX, AccessDocument, UNKNOWN_ACCESS};
pub use attention::{ActionRequired, InvoiceSummary};
pub use billing_plan::{
    Aggregation, BasePrice, BillingPlan, BillingPlanSpec, BillingPlanStatus, CurrentPrice,
    Existing, Granularity, Interval, OlderPrice, PlanMeter, PlanPrice, PlanTrial, Rate, Rollout,
    RolloutStatus, TaxBehavior, UsagePrice, UsageTier,
};
pub use condition::{ConditionType, reason};
pub use dispute::{DisputePolicy, DisputeSummary, FraudWarningSummary, OnDispute};
pub use dunning::{
    DunningPolicy, DunningStage, DunningState, DunningStatus, StageRule, TenantDunning,
};
pub use last_event::{EventSource, LastEvent};
pub use lenient::{Lenient, LenientObject, PlanObject, TenantObject};
pub use notice::{NoticeKind, NoticeState, NoticeStatus};
pub use payment::{
    Collection, IfNoPaymentMethod, PaymentPolicy, PaymentRequirement, PaymentStatus, Trial,
};
pub use plan_change::{
    ChangePreview, Charged, DowngradeTiming, IfNoLocation, PlanChangePolicy, PlanChangeState,
    PlanChangeStatus, Proration, TaxPolicy, UpgradeTiming,
};
pub use tenant_billing::{
    Address, CustomerDetails, DeletionPolicy, Lifecycle, TenantBilling, TenantBillingSpec,
};
pub use tenant_status::{
    Drift, DriftClass, PendingCreate, Period, Phase, StripeStatus, TenantBillingStatus,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// API group of every kind.
pub const GROUP: &str = "tenantbilling.io";

/// Keeps a tenant's manifest until its deletion policy has been carried out in Stripe.
pub const FINALIZER: &str = "tenantbilling.io/stripe";

/// Setting this annotation to a new value asks for an immediate check of that object.
pub const RECONCILE_ANNOTATION: &str = "tenantbilling.io/reconcile-requested-at";

/// Allows a tenant's plan change that is held because of what it charges; its value is the name of
/// the preview in the status.
pub const APPROVE_CHANGE_ANNOTATION: &str = "tenantbilling.io/approve-change";

/// Allows a plan's new prices that are held because they differ so much from the old ones; its value
/// is the name in the message.
pub const APPROVE_PRICES_ANNOTATION: &str = "tenantbilling.io/approve-prices";

/// On the lease: where the replica that leads takes webhooks (`HOST:PORT`), so that the others can pass
/// theirs on.
pub const WEBHOOK_ADDRESS_ANNOTATION: &str = "tenantbilling.io/webhook-address";

/// On the ConfigMap that tells of held enforcement: its value is the name of the hold, and lets the
/// tenants go that wait to be restricted.
pub const RELEASE_ANNOTATION: &str = "tenantbilling.io/release-enforcement";

/// Every annotation that calls for another look when it changes.
pub const ANNOTATIONS: [&str; 3] = [
    RECONCILE_ANNOTATION,
    APPROVE_CHANGE_ANNOTATION,
    APPROVE_PRICES_ANNOTATION,
];

/// Field manager and event reporter name of the operator.
pub const MANAGER: &str = "tenant-billing-operator";

/// Keys the operator writes into the metadata of Stripe objects.
pub mod metadata {
    /// The operator installation (`--owner`) an object belongs to.
    pub const OWNER: &str = "tenantbilling_owner";
    /// The tenant (`tenantId`) a customer or subscription belongs to.
    pub const TENANT: &str = "tenantbilling_tenant";
    /// The `BillingPlan` a product or price was made for.
    pub const PLAN: &str = "tenantbilling_plan";
    /// The part of the plan that a price is for: `base`, or `usage/` and the meter's event name.
    pub const COMPONENT: &str = "tenantbilling_component";
    /// The trial that was last brought about on a subscription: a number of days, or the instant of
    /// its end.
    pub const TRIAL: &str = "tenantbilling_trial";
    /// The end of the trial that was reminded of.
    pub const TRIAL_REMINDER: &str = "tenantbilling_trial_reminder";
    /// Present on a subscription whose cancellation a manifest asked for, as opposed to one that
    /// the customer or a person in the Dashboard cancelled.
    pub const CANCELED_BY: &str = "tenantbilling_canceled_by";
    /// Present on a subscription whose collection the operator has paused: the dispute it was paused
    /// for, `@`, and since when, in Unix seconds.
    pub const HELD_BY: &str = "tenantbilling_held_by";
    /// Begins the keys under which objects carry what people were told about them: the rest is the
    /// kind of notice.
    pub const NOTICE_PREFIX: &str = "tenantbilling_told_";
}

/// The definitions of both kinds, in the order in which they are to be applied.
///
/// A new object gets `status: {observedGeneration: -1}` from the server, so that tools following
/// kstatus never take an object for current that nobody has looked at. No field is nullable: a
/// field that is left out and one that is null would be two ways to say one thing, and CEL rules
/// could not tell a null from a string.
pub fn crds() -> [CustomResourceDefinition; 2] {
    [finished(BillingPlan::crd()), finished(TenantBilling::crd())]
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        remove_nullable(schema);
        if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
        }
    }
    crd
}

fn remove_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        remove_nullable(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        remove_nullable(items);
    }
}

#[cfg(test)]
mod tests;
