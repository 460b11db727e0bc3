//! The rules that servers which know CEL enforce at `kubectl apply`, evaluated without a server.

use kube::core::cel::{validate_cel, validate_cel_update};
use serde_json::{Value, json};

use super::{BillingPlan, OnDispute, TenantBilling, crds};

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

fn plan_with(spec: &Value) -> BillingPlan {
    let mut plan = json!({
        "apiVersion": "tenantbilling.io/v1alpha1", "kind": "BillingPlan", "metadata": {"name": "pro"},
        "spec": {"currency": "usd", "base": {"amount": "1.00"}},
    });
    let fields = spec.as_object().unwrap().clone();
    plan["spec"].as_object_mut().unwrap().extend(fields);
    serde_json::from_value(plan).unwrap()
}

#[test]
fn usage_is_charged_in_exactly_one_way() {
    let rate = json!({"amount": "0.80", "per": 1000});
    let entry = |fields: Value| {
        let mut entry = json!({"meter": "queries"});
        let fields = fields.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(fields);
        plan_with(&json!({"usage": [entry]}))
    };
    let last = json!({"amount": "0.50"});
    let tier = |up_to: i64| json!({"upTo": up_to, "amount": "0.80"});
    for fields in [
        json!({"overage": rate}),
        json!({"overage": rate, "included": 100}),
        json!({"lookupKey": "k"}),
        json!({"tiers": [last]}),
        json!({"tiers": [tier(10), tier(20), last], "included": 9}),
    ] {
        assert!(validate_cel(&entry(fields.clone())).is_ok(), "{fields}");
    }
    for (fields, part) in [
        (json!({}), "exactly one of"),
        (json!({"overage": rate, "lookupKey": "k"}), "exactly one of"),
        (json!({"overage": rate, "tiers": [last]}), "exactly one of"),
        (
            json!({"lookupKey": "k", "included": 1}),
            "goes with overage",
        ),
        (
            json!({"tiers": [tier(10), last], "included": 10}),
            "greater than included",
        ),
        (json!({"tiers": [tier(10)]}), "the last has none"),
        (json!({"tiers": [last, last]}), "the last has none"),
        (
            json!({"tiers": [tier(10), tier(10), last]}),
            "have to increase",
        ),
        (
            json!({"tiers": [tier(20), tier(10), last]}),
            "have to increase",
        ),
    ] {
        let refused = validate_cel(&entry(fields.clone()))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(part), "{fields}: {refused}");
    }
}

#[test]
fn a_meter_is_charged_for_once() {
    let usage = |meters: &[&str]| {
        let entry = |meter: &&str| json!({"meter": meter, "overage": {"amount": "1.00"}});
        plan_with(&json!({"usage": meters.iter().map(entry).collect::<Vec<_>>()}))
    };
    assert!(validate_cel(&usage(&["a", "b"])).is_ok());
    let refused = validate_cel(&usage(&["a", "b", "a"])).unwrap_err();
    assert!(refused.to_string().contains("name one meter"), "{refused}");
}

#[test]
fn amounts_have_the_decimals_of_the_currency() {
    let plan = |currency: &str, base: &str, rate: &str, tier: &str| {
        plan_with(&json!({
            "currency": currency, "base": {"amount": base},
            "usage": [
                {"meter": "a", "overage": {"amount": rate}},
                {"meter": "b", "tiers": [{"amount": tier}]},
            ],
        }))
    };
    for (currency, right, wrong) in [
        ("usd", "1.25", "1.255"),
        ("usd", "0", "125"),
        ("jpy", "500", "500.0"),
        ("kwd", "1.250", "1.2500"),
    ] {
        assert!(
            validate_cel(&plan(currency, right, right, right)).is_ok(),
            "{currency}"
        );
        for (base, rate, tier) in [
            (wrong, right, right),
            (right, wrong, right),
            (right, right, wrong),
        ] {
            let refused = validate_cel(&plan(currency, base, rate, tier));
            assert!(
                refused.unwrap_err().to_string().contains("decimals"),
                "{currency}"
            );
        }
    }
    assert!(validate_cel(&plan_with(&json!({"base": {"lookupKey": "k"}}))).is_ok());
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

#[test]
fn a_trial_has_one_end_and_days_to_pay_go_with_invoices() {
    let date = "2027-01-31T00:00:00Z";
    for spec in [
        json!({"trial": {"days": 14}}),
        json!({"trial": {"endsAt": date, "ifNoPaymentMethod": "Cancel"}}),
        json!({"trial": {"remindDaysBefore": 0}}),
        json!({"payment": {"method": "BeforeTrial"}}),
        json!({"payment": {"collection": "Invoice", "daysUntilDue": 14}}),
    ] {
        assert!(validate_cel(&tenant(&spec)).is_ok(), "{spec}");
    }
    for (spec, part) in [
        (
            json!({"trial": {"days": 14, "endsAt": date}}),
            "either days or endsAt",
        ),
        (
            json!({"payment": {"daysUntilDue": 14}}),
            "goes with collection: Invoice",
        ),
        (
            json!({"payment": {"collection": "Automatic", "daysUntilDue": 14}}),
            "goes with collection: Invoice",
        ),
    ] {
        let refused = validate_cel(&tenant(&spec)).unwrap_err().to_string();
        assert!(refused.contains(part), "{spec}: {refused}");
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

#[test]
fn a_dispute_is_only_reported_unless_the_manifest_says_more() {
    let on_open = |spec: Value| tenant(&spec).spec.disputes.unwrap_or_default().on_open;
    assert_eq!(on_open(json!({})), OnDispute::Report);
    assert_eq!(on_open(json!({"disputes": {}})), OnDispute::Report);
    let hold = json!({"disputes": {"onOpen": "Hold"}});
    assert_eq!(on_open(hold), OnDispute::Hold);

    let [_, crd] = crds();
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let policy = &schema["spec"]["properties"]["disputes"]["properties"]["onOpen"];
    assert_eq!(policy["enum"], json!(["Report", "Hold", "Suspend"]));
    assert_eq!(policy["default"], "Report");
    let access = &schema["status"]["properties"]["access"]["properties"]["level"];
    assert_eq!(access["enum"], json!(["Full", "Limited", "Suspended"]));
    let columns = &crd["spec"]["versions"][0]["additionalPrinterColumns"];
    let columns = columns.as_array().unwrap().iter();
    let names: Vec<&Value> = columns.map(|column| &column["name"]).collect();
    assert!(names.contains(&&json!("Access")), "{names:?}");
}

#[test]
fn stages_of_the_dunning_are_ordered_and_named_once() {
    let plan = |stages: Value| plan_with(&json!({"dunning": {"stages": stages}}));
    let day = |stage: &str, day: i64| json!({"stage": stage, "day": day});
    let attempts = |stage: &str, attempts: i64| json!({"stage": stage, "attempts": attempts});
    for stages in [
        json!([day("Suspended", 3)]),
        json!([day("Suspended", 9), day("Reminder", 1), day("Limited", 4)]),
        json!([attempts("Reminder", 1), attempts("Suspended", 3)]),
    ] {
        assert!(validate_cel(&plan(stages.clone())).is_ok(), "{stages}");
    }
    for (stages, part) in [
        (json!([{"stage": "Reminder"}]), "exactly one of"),
        (
            json!([{"stage": "Reminder", "day": 1, "attempts": 1}]),
            "exactly one of",
        ),
        (
            json!([day("Reminder", 1), attempts("Warning", 2)]),
            "give every stage a day",
        ),
        (
            json!([day("Reminder", 1), day("Reminder", 2)]),
            "named twice",
        ),
        (
            json!([day("Warning", 4), day("Limited", 4)]),
            "later than the milder",
        ),
        (
            json!([day("Suspended", 3), day("Warning", 4)]),
            "later than the milder",
        ),
    ] {
        let refused = validate_cel(&plan(stages.clone())).unwrap_err().to_string();
        assert!(refused.contains(part), "{stages}: {refused}");
    }
}
