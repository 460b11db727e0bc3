//! Meters: shared by plans, and never changed.

use super::cases::{hold, steps};
use super::*;
use crate::api::reason;

type Edit = fn(&mut Meter);

#[test]
fn a_meter_with_other_settings_is_a_conflict_and_one_that_sleeps_is_woken() {
    let desired = with_queries();
    let with = |edit: fn(&mut Meter)| {
        let mut observed = converged(&desired);
        edit(
            observed
                .meters
                .iter_mut()
                .find(|m| m.event_name == "storage")
                .unwrap(),
        );
        observed
    };
    let cases: [(Edit, [&str; 2]); 3] = [
        (
            |m| m.window = None,
            [
                "the last of all events",
                "the last of the last events of each day",
            ],
        ),
        (
            |m| m.formula = "sum".into(),
            ["the sum of", "the plan wants the last of"],
        ),
        (
            |m| m.value_key = "bytes".into(),
            ["mtr_storage", "\"bytes\""],
        ),
    ];
    for (edit, parts) in cases {
        let (reason, message) = hold(&desired, &with(edit));
        assert_eq!(reason, reason::METER_CONFLICT);
        assert!(message.starts_with("spec.usage[1].meter: "), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    assert_eq!(
        steps(
            &desired,
            &with(|m| {
                m.active = false;
                m.display_name = "Disk".into();
            })
        ),
        [
            "~ activate meter mtr_storage",
            "~ update meter mtr_storage: display name \"Storage\"",
        ]
    );
    let mut observed = converged(&desired);
    observed.meters[0].display_name = "Somebody's".into();
    assert_eq!(
        steps(&desired, &observed),
        Vec::<String>::new(),
        "no name is given"
    );
}

#[test]
fn of_two_plans_that_claim_a_meter_the_older_decides() {
    let claim = |name: &str, created: Option<usize>, granularity: &str, display: &str| Claim {
        created: created.map(second),
        plan: DesiredPlan {
            name: name.into(),
            ..plan_of(json!({
                "currency": "usd", "base": {"amount": "1.00"},
                "usage": [{"meter": "queries", "granularity": granularity, "displayName": display,
                           "overage": {"amount": "1.00"}}],
            }))
        },
    };
    let settled = |all: &[Claim], index: usize| {
        let mut plan = all[index].plan.clone();
        settle(&mut plan, all).map(|()| plan.usage[0].meter.display_name.clone().unwrap())
    };
    let all = [
        claim("new", Some(2), "Day", "N"),
        claim("old", Some(1), "Hour", "O"),
        claim("alike", Some(3), "Hour", "A"),
    ];
    let conflict = settled(&all, 0).unwrap_err();
    assert_eq!(conflict.reason, reason::METER_CONFLICT);
    assert!(conflict.message.starts_with("spec.usage[0].meter: "));
    assert!(
        conflict.message.contains("BillingPlan old"),
        "{}",
        conflict.message
    );
    assert_eq!(settled(&all, 1).unwrap(), "O");
    assert_eq!(
        settled(&all, 2).unwrap(),
        "O",
        "they never rename it back and forth"
    );
    let twins = [
        claim("b", Some(1), "Day", "B"),
        claim("a", Some(1), "Hour", "A"),
    ];
    assert!(settled(&twins, 0).is_err() && settled(&twins, 1).is_ok());
}
