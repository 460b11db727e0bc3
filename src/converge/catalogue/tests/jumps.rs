//! The guard against jumps of the price, and what a plan is sold at meanwhile.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;
use crate::api::reason;

fn monthly(amount: &str) -> DesiredPlan {
    plan_of(json!({"currency": "usd", "base": {"amount": amount}}))
}

fn metered(included: i64, amount: &str) -> DesiredPlan {
    plan_of(json!({
        "currency": "usd", "base": {"amount": "99.00"},
        "usage": [{"meter": "queries", "included": included, "overage": {"amount": amount, "per": 1000}}],
    }))
}

/// The message that holds the change from one plan to the other.
fn jump(old: &DesiredPlan, new: &DesiredPlan) -> Option<String> {
    let observed = converged(old);
    let sold = plan(old, &observed, &circumstances()).sold;
    let recorded = Circumstances {
        recorded: ids(&sold).into_iter().map(str::to_owned).collect(),
        ..circumstances()
    };
    let result = plan(new, &observed, &recorded);
    let hold = result.hold?;
    assert_eq!(hold.reason, reason::PRICE_CHANGE_HELD);
    assert_eq!(result.steps, []);
    Some(hold.message)
}

#[test]
fn more_than_so_many_times_the_price_is_held_in_both_directions() {
    for (old, new, held) in [
        ("99.00", "9900.00", true),
        ("99.00", "495.00", false),
        ("99.00", "495.01", true),
        ("99.00", "19.80", false),
        ("99.00", "19.79", true),
        ("0", "1.00", true),
        ("1.00", "0", true),
        ("0", "0.00", false),
    ] {
        assert_eq!(
            jump(&monthly(old), &monthly(new)).is_some(),
            held,
            "{old} {new}"
        );
    }
    let message = jump(&monthly("99.00"), &monthly("9900.00")).unwrap();
    assert!(
        message.contains("would pay 9900.00 usd a month instead of 99.00 usd"),
        "{message}"
    );
    assert!(message.contains("kubectl annotate billingplan pro tenantbilling.io/approve-prices="));
}

#[test]
fn usage_is_compared_wherever_it_may_fall() {
    assert_eq!(
        jump(&metered(100_000, "0.80"), &metered(100_000, "1.60")),
        None
    );
    let message = jump(&metered(100_000, "0.80"), &metered(100_000, "80.00")).unwrap();
    assert!(
        message.contains(" queries a month, a tenant would pay"),
        "{message}"
    );
    // No tier ends anywhere, and the base fee hides a small usage.
    assert!(jump(&metered(0, "0.01"), &metered(0, "0.10")).is_some());
    assert!(jump(&metered(1_000_000, "0.80"), &metered(10, "0.80")).is_some());
    assert!(
        jump(&monthly("99.00"), &metered(100_000, "0.80")).is_some(),
        "usage was free"
    );
    assert!(
        jump(&metered(100_000, "0.80"), &monthly("99.00")).is_some(),
        "usage becomes free"
    );
}

#[test]
fn a_year_is_compared_by_the_month_and_currencies_not_at_all() {
    let yearly = |amount: &str| {
        plan_of(json!({"currency": "usd", "base": {"amount": amount, "interval": "Year"}}))
    };
    assert_eq!(jump(&monthly("99.00"), &yearly("990.00")), None);
    assert!(jump(&monthly("99.00"), &yearly("99.00")).is_some());
    let euros = plan_of(json!({"currency": "eur", "base": {"amount": "99.00"}}));
    let message = jump(&monthly("99.00"), &euros).unwrap();
    assert!(message.contains("from usd to eur"), "{message}");
}

#[test]
fn a_held_change_leaves_the_plan_sold_as_it_was_until_it_is_approved() {
    let (old, new) = (monthly("99.00"), monthly("9900.00"));
    let mut observed = converged(&old);
    let held = plan(&new, &observed, &archiving());
    assert_eq!(ids(&held.sold), ["price_1"]);
    assert_eq!(
        held.resolve(&new).unwrap().offer.base.unit_amount,
        Some(9900)
    );
    let message = held.hold.unwrap().message;
    let terms = message.split("approve-prices=").nth(1).unwrap();
    let terms = terms.split_whitespace().next().unwrap();
    let wrong = Circumstances {
        approved: Some("0123456789".into()),
        ..circumstances()
    };
    assert!(plan(&new, &observed, &wrong).hold.is_some());
    let approved = Circumstances {
        approved: Some(terms.to_owned()),
        ..circumstances()
    };
    let result = converge(&new, &mut observed, &approved);
    assert_eq!(
        (ids(&result.sold), ids(&result.older)),
        (vec!["price_2"], vec!["price_1"])
    );
    let dearer = plan(
        &monthly("99000.00"),
        &observed,
        &Circumstances {
            recorded: vec!["price_2".into()],
            ..approved
        },
    );
    assert!(
        dearer.hold.is_some(),
        "an approval is for exactly its terms"
    );
}

#[test]
fn what_is_sold_follows_from_the_status_and_without_it_from_stripe() {
    let (old, new) = (monthly("99.00"), monthly("120.00"));
    let mut observed = converged(&old);
    converge(&new, &mut observed, &circumstances());
    let recorded = |id: &str| Circumstances {
        recorded: vec![id.to_owned()],
        ..circumstances()
    };
    let dear = monthly("9900.00");
    assert_eq!(
        ids(&plan(&dear, &observed, &recorded("price_1")).sold),
        ["price_1"]
    );
    assert_eq!(
        ids(&plan(&dear, &observed, &recorded("price_gone")).sold),
        ["price_2"]
    );
    assert_eq!(
        ids(&plan(&dear, &observed, &circumstances()).sold),
        ["price_2"],
        "the newest"
    );
    // Its price is there for these terms, and so it was approved once.
    let back = plan(&old, &observed, &circumstances());
    assert_eq!((ids(&back.sold), back.hold), (vec!["price_1"], None));
}

#[test]
fn a_price_sold_meanwhile_is_kept_usable() {
    let mut observed = converged(&monthly("99.00"));
    observed.prices[0].price.active = false;
    let recorded = Circumstances {
        recorded: vec!["price_1".into()],
        ..circumstances()
    };
    let held = plan(&monthly("9900.00"), &observed, &recorded);
    assert_eq!(held.steps, [CatalogueStep::ActivatePrice("price_1".into())]);
}

/// Unit by unit, as the words of the documentation say.
fn by_hand(tiers: &[Tier], units: i64) -> Decimal {
    (1..=units)
        .map(|unit| {
            let tier = tiers
                .iter()
                .find(|t| t.up_to.is_none_or(|up_to| unit <= up_to));
            tier.unwrap().unit
        })
        .sum()
}

proptest! {
    #[test]
    fn tiers_cost_what_their_units_cost(
        steps in prop::collection::vec((1_i64..40, 0_i64..500), 0..5),
        last in 0_i64..500,
        included in 0_i64..20,
        units in 0_i64..300,
    ) {
        let mut up_to = included;
        let mut tiers = Vec::new();
        for (width, unit) in steps {
            up_to += width;
            tiers.push(Tier::new(Some(up_to), Decimal::new(unit, 2)));
        }
        tiers.push(Tier::new(None, Decimal::new(last, 2)));
        let rates = Rates::graduated(included, tiers.clone());
        let mut all = vec![Tier::new(Some(included), Decimal::ZERO)];
        all.extend(tiers);
        prop_assert_eq!(rates.cost(units), by_hand(&all, units));
    }

    #[test]
    fn nothing_overflows(
        included in 0_i64..=1_000_000_000_000,
        minor in 0_i64..=99_999_999,
        per in prop::sample::select(vec![1_i64, 1000, 1_000_000_000]),
    ) {
        let amount = crate::converge::money::format(minor, "usd");
        let plan_at = |included: i64| plan_of(json!({
            "currency": "usd", "base": {"amount": "999999.99"},
            "usage": [{"meter": "m", "included": included, "overage": {"amount": amount, "per": per}}],
        }));
        let most = Circumstances { max_jump: 1000.into(), ..circumstances() };
        let (old, new) = (plan_at(included), plan_at(0));
        let result = plan(&new, &converged(&old), &most);
        prop_assert!(result.hold.is_some() || !result.steps.is_empty() || old == new);
    }
}
