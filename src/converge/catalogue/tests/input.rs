//! Wrong input names the field and the cure.

use super::*;

fn refused(plan: serde_json::Value) -> (String, String) {
    let error = desired("default", "p", &spec(plan)).unwrap_err();
    (error.field, error.message)
}

#[test]
fn wrong_input_names_the_field() {
    for (json, field) in [
        (
            json!({"currency": "usd", "base": {"amount": "99.001"}}),
            "spec.base.amount",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "9,900"}}),
            "spec.base.amount",
        ),
        (
            json!({"currency": "jpy", "base": {"amount": "99.00"}}),
            "spec.base.amount",
        ),
        (
            json!({"currency": "USD", "base": {"amount": "1"}}),
            "spec.currency",
        ),
        (
            json!({"currency": "xyz", "base": {"amount": "1"}}),
            "spec.currency",
        ),
        (
            json!({"currency": "usq", "base": {"amount": "1"}}),
            "spec.currency",
        ),
        (json!({"currency": "usd", "base": {}}), "spec.base"),
        (
            json!({"currency": "usd", "base": {"amount": "1", "lookupKey": "k"}}),
            "spec.base",
        ),
        (
            json!({"currency": "usd", "base": {"interval": "Month", "lookupKey": "k"}}),
            "spec.base.interval",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "1"}, "trial": {"days": -1}}),
            "spec.trial.days",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "1"}, "displayName": ""}),
            "spec.displayName",
        ),
    ] {
        assert_eq!(refused(json).0, field);
    }
}

#[test]
fn wrong_usage_names_the_entry_and_the_field() {
    let tiers = |tiers: serde_json::Value| json!({"meter": "m", "included": 10, "tiers": tiers});
    for (entry, field, part) in [
        (json!({"meter": "m"}), "", "exactly one of"),
        (
            json!({"meter": "m", "lookupKey": "k", "overage": {"amount": "1"}}),
            "",
            "exactly one of",
        ),
        (
            json!({"meter": "m", "lookupKey": "k", "included": 1}),
            ".included",
            "its own free units",
        ),
        (
            json!({"meter": "a b", "overage": {"amount": "1"}}),
            ".meter",
            "letters, digits",
        ),
        (
            json!({"meter": "", "overage": {"amount": "1"}}),
            ".meter",
            "1 to 100",
        ),
        (
            json!({"meter": "fine", "overage": {"amount": "1"}}),
            ".meter",
            "an entry already",
        ),
        (
            json!({"meter": "m", "included": -1, "overage": {"amount": "1"}}),
            ".included",
            "between 0",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "9,900"}}),
            ".overage.amount",
            "not an amount",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "-1"}}),
            ".overage.amount",
            "not an amount",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "1e3"}}),
            ".overage.amount",
            "not an amount",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "99.999"}}),
            ".overage.amount",
            "2 decimals",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "1", "per": 0}}),
            ".overage.per",
            "between 1",
        ),
        (
            json!({"meter": "m", "overage": {"amount": "1", "per": 7}}),
            ".overage.per",
            "power of ten",
        ),
        (tiers(json!([])), ".tiers", "write 1 to 20"),
        (
            tiers(json!([{"upTo": 20, "amount": "1"}])),
            ".tiers[0].upTo",
            "leave its upTo out",
        ),
        (
            tiers(json!([{"amount": "1"}, {"amount": "1"}])),
            ".tiers[0].upTo",
            "needs the number",
        ),
        (
            tiers(json!([{"upTo": 10, "amount": "1"}, {"amount": "1"}])),
            ".tiers[0].upTo",
            "greater than 10, included",
        ),
        (
            tiers(
                json!([{"upTo": 20, "amount": "1"}, {"upTo": 20, "amount": "1"}, {"amount": "1"}]),
            ),
            ".tiers[1].upTo",
            "greater than 20, the upTo of the tier before",
        ),
        (
            tiers(json!([{"upTo": 20, "amount": "1"}, {"amount": "1.001"}])),
            ".tiers[1].amount",
            "2 decimals",
        ),
    ] {
        let fine = json!({"meter": "fine", "overage": {"amount": "1"}});
        let plan = json!({"currency": "usd", "base": {"amount": "1"}, "usage": [fine, entry]});
        let (at, message) = refused(plan);
        assert_eq!(at, format!("spec.usage[1]{field}"), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_subscription_has_room_for_nineteen_meters() {
    let usage = |count: usize| -> Vec<serde_json::Value> {
        let entry = |n| json!({"meter": format!("m{n}"), "overage": {"amount": "1"}});
        (0..count).map(entry).collect()
    };
    let plan = |count| json!({"currency": "usd", "base": {"amount": "1"}, "usage": usage(count)});
    assert_eq!(plan_of(plan(19)).usage.len(), 19);
    assert_eq!(refused(plan(20)).0, "spec.usage");
}
