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
            json!({"currency": "USD", "base": {"amount": "1.00"}}),
            "spec.currency",
        ),
        (
            json!({"currency": "xyz", "base": {"amount": "1.00"}}),
            "spec.currency",
        ),
        (
            json!({"currency": "usq", "base": {"amount": "1.00"}}),
            "spec.currency",
        ),
        (json!({"currency": "usd", "base": {}}), "spec.base"),
        (
            json!({"currency": "usd", "base": {"amount": "1.00", "lookupKey": "k"}}),
            "spec.base",
        ),
        (
            json!({"currency": "usd", "base": {"interval": "Month", "lookupKey": "k"}}),
            "spec.base.interval",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "1.00"}, "trial": {"days": -1}}),
            "spec.trial.days",
        ),
        (
            json!({"currency": "usd", "base": {"amount": "1.00"}, "displayName": ""}),
            "spec.displayName",
        ),
    ] {
        assert_eq!(refused(json).0, field);
    }
}

type Case = (serde_json::Value, &'static str, &'static str);

fn assert_entries_are_refused(cases: impl IntoIterator<Item = Case>) {
    for (entry, field, part) in cases {
        let fine = json!({"meter": "fine", "overage": {"amount": "1.00"}});
        let plan = json!({"currency": "usd", "base": {"amount": "1.00"}, "usage": [fine, entry]});
        let (at, message) = refused(plan);
        assert_eq!(at, format!("spec.usage[1]{field}"), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn wrong_usage_names_the_entry_and_the_field() {
    let with = |field: &str, value: serde_json::Value| {
        let mut entry = json!({"meter": "m", "overage": {"amount": "1.00"}});
        entry[field] = value;
        entry
    };
    let existing = |included: i64| json!({"meter": "m", "lookupKey": "k", "included": included});
    assert_entries_are_refused([
        (json!({"meter": "m"}), "", "exactly one of"),
        (with("lookupKey", json!("k")), "", "exactly one of"),
        (existing(1), ".included", "its own free units"),
        (with("meter", json!("a b")), ".meter", "letters, digits"),
        (with("meter", json!("")), ".meter", "1 to 100"),
        (with("meter", json!("fine")), ".meter", "an entry already"),
        (with("included", json!(-1)), ".included", "between 0"),
    ]);
}

#[test]
fn wrong_rates_name_the_amount_or_the_number_of_units() {
    let rate =
        |amount: &str, per: i64| json!({"meter": "m", "overage": {"amount": amount, "per": per}});
    assert_entries_are_refused([
        (rate("9,900", 1), ".overage.amount", "not an amount"),
        (rate("-1", 1), ".overage.amount", "not an amount"),
        (rate("1e3", 1), ".overage.amount", "not an amount"),
        (rate("99.999", 1), ".overage.amount", "2 decimals"),
        (rate("1.00", 0), ".overage.per", "between 1"),
        (rate("1.00", 7), ".overage.per", "power of ten"),
    ]);
}

#[test]
fn wrong_tiers_name_the_tier() {
    let tiers = |tiers: serde_json::Value| json!({"meter": "m", "included": 10, "tiers": tiers});
    let to = |up_to: i64| json!({"upTo": up_to, "amount": "1.00"});
    let last = || json!({"amount": "1.00"});
    let before = "greater than 20, the upTo of the tier before";
    let odd = json!({"amount": "1.001"});
    assert_entries_are_refused([
        (tiers(json!([])), ".tiers", "write 1 to 20"),
        (
            tiers(json!([to(20)])),
            ".tiers[0].upTo",
            "leave its upTo out",
        ),
        (
            tiers(json!([last(), last()])),
            ".tiers[0].upTo",
            "needs the number",
        ),
        (
            tiers(json!([to(10), last()])),
            ".tiers[0].upTo",
            "greater than 10, included",
        ),
        (
            tiers(json!([to(20), to(20), last()])),
            ".tiers[1].upTo",
            before,
        ),
        (
            tiers(json!([to(20), odd])),
            ".tiers[1].amount",
            "2 decimals",
        ),
    ]);
}

#[test]
fn a_subscription_has_room_for_nineteen_meters() {
    let usage = |count: usize| -> Vec<serde_json::Value> {
        let entry = |n| json!({"meter": format!("m{n}"), "overage": {"amount": "1.00"}});
        (0..count).map(entry).collect()
    };
    let plan =
        |count| json!({"currency": "usd", "base": {"amount": "1.00"}, "usage": usage(count)});
    assert_eq!(plan_of(plan(19)).usage.len(), 19);
    assert_eq!(refused(plan(20)).0, "spec.usage");
}
