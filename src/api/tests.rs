//! The rules that servers which know CEL enforce at `kubectl apply`, evaluated without a server.

use kube::core::cel::{validate_cel, validate_cel_update};
use serde_json::{Value, json};

use super::{BillingPlan, TenantBilling, crds};

fn plan(base: &Value) -> BillingPlan {
    serde_json::from_value(json!({
        "apiVersion": "tenantbilling.io/v1alpha1", "kind": "BillingPlan", "metadata": {"name": "pro"},
        "spec": {"currency": "usd", "base": base},
    }))
    .unwrap()
}

fn tenant(spec: &Value) -> TenantBilling {
    let mut manifest = json!({
        "apiVersion": "tenantbilling.io/v1alpha1", "kind": "TenantBilling",
        "metadata": {"name": "acme", "namespace": "tenants"},
        "spec": {"customer": {"name": "Acme", "email": "a@b.example"}, "plan": "pro"},
    });
    manifest["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    serde_json::from_value(manifest).unwrap()
}

#[test]
fn a_plan_has_an_amount_or_a_lookup_key() {
    for base in [
        json!({"amount": "1.00"}),
        json!({"amount": "1.00", "interval": "Year"}),
        json!({"lookupKey": "k"}),
    ] {
        assert!(validate_cel(&plan(&base)).is_ok(), "{base}");
    }
    for base in [
        json!({}),
        json!({"interval": "Month"}),
        json!({"amount": "1.00", "lookupKey": "k"}),
        json!({"lookupKey": "k", "interval": "Month"}),
    ] {
        assert!(validate_cel(&plan(&base)).is_err(), "{base}");
    }
}

#[test]
fn what_identifies_a_tenant_in_stripe_cannot_be_changed_added_or_removed() {
    for field in ["tenantId", "testClock"] {
        let value = |value: &str| tenant(&json!({field: value}));
        let none = || tenant(&json!({}));
        assert!(validate_cel(&value("clock_1")).is_ok(), "{field}");
        assert!(
            validate_cel_update(&value("clock_1"), &value("clock_1")).is_ok(),
            "{field}"
        );
        assert!(validate_cel_update(&none(), &none()).is_ok(), "{field}");
        for (new, old) in [
            (value("clock_2"), value("clock_1")),
            (none(), value("clock_1")),
            (value("clock_1"), none()),
        ] {
            let refused = validate_cel_update(&new, &old).unwrap_err().to_string();
            assert!(refused.contains(field), "{refused}");
        }
    }
}

/// A server from 1.25 on checks the types of CEL expressions and refuses a definition in which a
/// string is compared with null; the evaluation above does not.
#[test]
fn no_field_is_nullable_and_no_rule_speaks_of_null() {
    for crd in crds() {
        let text = serde_json::to_string(&crd).unwrap();
        assert!(!text.contains("\"nullable\""), "{}", crd.spec.names.kind);
        assert!(!text.contains("null"), "{}", crd.spec.names.kind);
    }
}
