use super::*;
use serde_json::{Value, json};

use crate::api::{Address, PaymentPolicy, Trial};

fn spec() -> TenantBillingSpec {
    serde_json::from_value(serde_json::json!({
        "customer": {"name": "Acme Inc", "email": "billing@acme.example"}, "plan": "pro",
    }))
    .unwrap()
}

fn trial(written: Value) -> Trial {
    serde_json::from_value(written).unwrap()
}

fn payment(written: Value) -> PaymentPolicy {
    serde_json::from_value(written).unwrap()
}

fn refused(edit: impl FnOnce(&mut TenantBillingSpec)) -> String {
    let mut spec = spec();
    edit(&mut spec);
    check_tenant(&spec).expect_err("accepted").to_string()
}

#[test]
fn a_plain_manifest_is_accepted() {
    assert_eq!(check_tenant(&spec()), Ok(()));
}

#[test]
fn wrong_input_names_the_field() {
    type Edit = fn(&mut TenantBillingSpec);
    let cases: [(&str, Edit); 20] = [
        ("spec.tenantId", |s| s.tenant_id = Some(String::new())),
        ("spec.tenantId", |s| s.tenant_id = Some("a&b=c".into())),
        ("spec.tenantId", |s| s.tenant_id = Some("x".repeat(201))),
        ("spec.tenantId", |s| {
            s.tenant_id = Some("../../v1/customers".into());
        }),
        ("spec.customer.name", |s| s.customer.name = " ".into()),
        ("spec.customer.name", |s| s.customer.name = "a\u{0}b".into()),
        ("spec.customer.name", |s| s.customer.name = "é".repeat(257)),
        ("spec.customer.name", |s| s.customer.name = "Acme ".into()),
        ("spec.customer.email", |s| s.customer.email = "acme".into()),
        ("spec.customer.email", |s| {
            s.customer.email = "a@b@c.example".into();
        }),
        ("spec.customer.email", |s| {
            s.customer.email = "a@b..example".into();
        }),
        ("spec.customer.address.country", |s| {
            s.customer.address = Some(Address {
                country: Some("de".into()),
                ..Address::default()
            });
        }),
        ("spec.trial.days", |s| {
            s.trial = Some(trial(json!({"days": 731})));
        }),
        ("spec.trial", |s| {
            s.trial = Some(trial(json!({"days": 3, "endsAt": "2027-01-31T00:00:00Z"})));
        }),
        ("spec.trial.remindDaysBefore", |s| {
            s.trial = Some(trial(json!({"remindDaysBefore": 61})));
        }),
        ("spec.payment.daysUntilDue", |s| {
            s.payment = Some(payment(json!({"daysUntilDue": 10})));
        }),
        ("spec.payment.daysUntilDue", |s| {
            s.payment = Some(payment(json!({"collection": "Invoice", "daysUntilDue": 0})));
        }),
        ("spec.payment.returnUrl", |s| {
            s.payment = Some(payment(json!({"returnUrl": "app.example"})));
        }),
        ("spec.payment.returnUrl", |s| {
            s.payment = Some(payment(json!({"returnUrl": "javascript:alert(1)"})));
        }),
        ("spec.testClock", |s| {
            s.test_clock = Some("clock_1/../../customers".into());
        }),
    ];
    for (field, edit) in cases {
        let message = refused(edit);
        assert!(
            message.starts_with(&format!("{field}: ")),
            "{field}: {message}"
        );
    }
}

#[test]
fn hostile_text_that_is_printable_is_data() {
    let mut spec = spec();
    spec.customer.name =
        "'; DROP TABLE x; --&metadata[tenantbilling_tenant]=other {{7*7}} 💣".into();
    assert_eq!(check_tenant(&spec), Ok(()));
}

#[test]
fn the_tenant_id_defaults_to_where_the_manifest_lives() {
    assert_eq!(tenant_id(None, "tenants", "acme"), "tenants/acme");
    assert_eq!(tenant_id(Some("t1"), "tenants", "acme"), "t1");
}

#[test]
fn digests_keep_parts_apart() {
    assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    assert_eq!(digest(&["a"]).len(), 16);
}
