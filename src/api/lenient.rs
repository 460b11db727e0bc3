//! Objects as they may really arrive: a manifest that does not deserialise must neither stop the
//! watch for all others nor become undeletable.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    BillingPlan, BillingPlanSpec, BillingPlanStatus, TenantBilling, TenantBillingSpec,
    TenantBillingStatus,
};

/// A value that parsed, or else its raw form with the reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Lenient<T> {
    /// It parsed.
    Valid(T),
    /// It did not. Boxed: this is rare and large.
    Invalid(Box<Malformed>),
}

/// A value that did not parse.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Path of the offending field below the value, as in `trial.days`; `.` when it is the whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// The value as it came.
    pub raw: Value,
}

impl<T> Lenient<T> {
    /// The parsed value.
    pub fn as_valid(&self) -> Option<&T> {
        match self {
            Self::Valid(value) => Some(value),
            Self::Invalid(_) => None,
        }
    }
}

impl<T: Default> Default for Lenient<T> {
    fn default() -> Self {
        Self::Valid(T::default())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        Ok(match serde_path_to_error::deserialize::<_, T>(&raw) {
            Ok(value) => Self::Valid(value),
            Err(error) => Self::Invalid(Box::new(Malformed {
                path: error.path().to_string(),
                message: error.into_inner().to_string(),
                raw,
            })),
        })
    }
}

/// An object of kind `K` whose spec and status may be malformed.
///
/// Only read from the API server, never sent to it: the operator writes finalizers and status as
/// patches of their own.
#[derive(Deserialize, Clone, Debug)]
#[serde(bound = "S: DeserializeOwned, U: DeserializeOwned + Default")]
pub struct LenientObject<K, S, U> {
    /// Standard metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the user wrote.
    pub spec: Lenient<S>,
    /// What the operator wrote.
    #[serde(default)]
    pub status: Lenient<U>,
    #[serde(skip)]
    kind: std::marker::PhantomData<fn() -> K>,
}

/// A `TenantBilling` as read from the API server.
pub type TenantObject = LenientObject<TenantBilling, TenantBillingSpec, TenantBillingStatus>;
/// A `BillingPlan` as read from the API server.
pub type PlanObject = LenientObject<BillingPlan, BillingPlanSpec, BillingPlanStatus>;

impl<K: Resource<DynamicType = ()>, S, U> Resource for LenientObject<K, S, U> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<K, S, U: Default + Clone> LenientObject<K, S, U> {
    /// The status; a malformed one counts as never written, since everything in it can be found
    /// again in Stripe.
    pub fn status_or_default(&self) -> U {
        self.status.as_valid().cloned().unwrap_or_default()
    }

    /// The generation of the spec.
    pub fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }
}

/// What deletion needs to know, read even from a spec that is otherwise malformed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeletionFacts {
    /// `spec.tenantId`, when given.
    pub tenant_id: Option<String>,
    /// `spec.deletionPolicy`; the default when absent or unreadable.
    pub policy: super::DeletionPolicy,
}

impl TenantObject {
    /// `spec.tenantId` and `spec.deletionPolicy`, from a valid or a malformed spec.
    pub fn deletion_facts(&self) -> DeletionFacts {
        match &self.spec {
            Lenient::Valid(spec) => DeletionFacts {
                tenant_id: spec.tenant_id.clone(),
                policy: spec.deletion_policy,
            },
            Lenient::Invalid(malformed) => DeletionFacts {
                tenant_id: malformed
                    .raw
                    .get("tenantId")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                policy: malformed
                    .raw
                    .get("deletionPolicy")
                    .and_then(|policy| serde_json::from_value(policy.clone()).ok())
                    .unwrap_or_default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::DeletionPolicy, Lenient, TenantObject};
    use serde_json::json;

    #[test]
    fn a_malformed_spec_names_the_field_and_keeps_what_deletion_needs() {
        let object: TenantObject = serde_json::from_value(json!({
            "apiVersion": "tenantbilling.io/v1alpha1", "kind": "TenantBilling",
            "metadata": {"name": "acme", "namespace": "tenants"},
            "spec": {"tenantId": "t1", "deletionPolicy": "Retain", "plan": "pro",
                     "customer": {"name": "Acme", "email": "a@b.example"}, "trial": {"days": "ten"}},
        }))
        .unwrap();
        let Lenient::Invalid(malformed) = &object.spec else {
            panic!("parsed {object:?}")
        };
        assert_eq!(malformed.path, "trial.days");
        let facts = object.deletion_facts();
        assert_eq!(facts.tenant_id.as_deref(), Some("t1"));
        assert_eq!(facts.policy, DeletionPolicy::Retain);
    }

    #[test]
    fn a_malformed_status_counts_as_never_written() {
        let object: TenantObject = serde_json::from_value(json!({
            "metadata": {"name": "acme"},
            "spec": {"plan": "pro", "customer": {"name": "Acme", "email": "a@b.example"}},
            "status": {"phase": "Nonsense", "observedGeneration": 3},
        }))
        .unwrap();
        assert!(object.spec.as_valid().is_some());
        assert_eq!(object.status_or_default().observed_generation, -1);
    }
}
