//! One manifest as a reconcile sees it.

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;

use super::index::TenantRef;
use crate::api::{
    APPROVE_CHANGE_ANNOTATION, LastEvent, Lenient, RECONCILE_ANNOTATION, TenantBillingSpec,
    TenantBillingStatus, TenantObject,
};
use crate::converge::desired::{self, InvalidSpec};
use crate::converge::observed::TenantKey;

/// One manifest as a reconcile sees it.
pub(super) struct Tenant {
    pub(super) object: Arc<TenantObject>,
    pub(super) namespace: String,
    /// Whose objects in Stripe these are.
    pub(super) key: TenantKey,
    pub(super) status: TenantBillingStatus,
    /// The event that led to this look, if one did.
    pub(super) heard: Option<LastEvent>,
}

impl Tenant {
    pub(super) fn new(object: Arc<TenantObject>, owner: &str) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let explicit = object.deletion_facts().tenant_id;
        let tenant = desired::tenant_id(explicit.as_deref(), &namespace, &object.name_any());
        let key = TenantKey {
            owner: owner.to_owned(),
            tenant,
        };
        let status = object.status_or_default();
        Self {
            object,
            namespace,
            key,
            status,
            heard: None,
        }
    }

    pub(super) fn reference(&self) -> TenantRef {
        ObjectRef::from_obj(self.object.as_ref())
    }

    /// The spec, if it can be read and is right by itself.
    pub(super) fn spec(&self) -> Result<&TenantBillingSpec, InvalidSpec> {
        let spec = match &self.object.spec {
            Lenient::Valid(spec) => spec,
            Lenient::Invalid(malformed) => {
                let field = match malformed.path.as_str() {
                    "." | "?" => "spec".to_owned(),
                    path => format!("spec.{path}"),
                };
                return Err(InvalidSpec::new(field, malformed.message.clone()));
            }
        };
        desired::check_tenant(spec)?;
        self.check_immutable(spec)?;
        Ok(spec)
    }

    /// What a server without CEL lets pass.
    fn check_immutable(&self, spec: &TenantBillingSpec) -> Result<(), InvalidSpec> {
        let Some(stripe) = &self.status.stripe else {
            return Ok(());
        };
        if let Some(recorded) = self
            .status
            .tenant_id
            .as_ref()
            .filter(|id| **id != self.key.tenant)
        {
            return Err(InvalidSpec::new(
                "spec.tenantId",
                format!(
                    "cannot be changed; set it back to \"{recorded}\", or make a new TenantBilling"
                ),
            ));
        }
        if stripe.customer_id.is_some() && stripe.test_clock != spec.test_clock {
            let recorded = stripe.test_clock.as_deref().unwrap_or("none");
            return Err(InvalidSpec::new(
                "spec.testClock",
                format!(
                    "cannot be changed: Stripe bound the customer to a clock at creation; set it back to {recorded}"
                ),
            ));
        }
        Ok(())
    }

    /// The customer the status records.
    pub(super) fn customer_id(&self) -> Option<&str> {
        self.status.stripe.as_ref()?.customer_id.as_deref()
    }

    /// The clock the tenant lives on.
    pub(super) fn test_clock(&self) -> Option<&str> {
        let recorded = self
            .status
            .stripe
            .as_ref()
            .and_then(|stripe| stripe.test_clock.as_deref());
        recorded.or_else(|| self.object.spec.as_valid()?.test_clock.as_deref())
    }

    /// The preview whose charge a person has approved.
    pub(super) fn approved_change(&self) -> Option<String> {
        self.object
            .annotations()
            .get(APPROVE_CHANGE_ANNOTATION)
            .cloned()
    }

    /// The value of the annotation that asks for an immediate look.
    pub(super) fn requested_at(&self) -> Option<String> {
        self.object.annotations().get(RECONCILE_ANNOTATION).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DeletionPolicy;

    #[test]
    fn a_spec_that_cannot_be_read_names_its_field_and_can_still_be_deleted() {
        let object: TenantObject = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "acme", "namespace": "tenants"},
            "spec": {"tenantId": "t1", "deletionPolicy": "CancelNow", "plan": "pro",
                     "customer": {"name": "Acme", "email": "a@b.example"}, "trial": {"days": "ten"}},
            "status": {"observedGeneration": 1, "tenantId": "t1",
                       "stripe": {"accountId": "acct_1", "livemode": false, "customerId": "cus_1"}},
        }))
        .unwrap();
        let tenant = Tenant::new(Arc::new(object), "default");
        let message = tenant.spec().expect_err("it was read").to_string();
        assert!(message.starts_with("spec.trial.days: "), "{message}");
        assert_eq!(tenant.key.tenant, "t1");
        assert_eq!(tenant.customer_id(), Some("cus_1"));
        assert_eq!(
            tenant.object.deletion_facts().policy,
            DeletionPolicy::CancelNow
        );
    }
}
