//! What keeps a change from being made, case by case.

use super::changes::{change_of, enterprise, on_pro, settle, starter, to_plan};
use super::*;

#[test]
fn while_a_payment_is_overdue_an_upgrade_waits_and_a_downgrade_is_scheduled() {
    for status in [SubscriptionStatus::PastDue, SubscriptionStatus::Unpaid] {
        let mut observed = with(vec![subscription("sub_1", status)]);
        let plan = plan_with(&enterprise(), &observed, &on_pro());
        let hold = plan.hold.expect("not held");
        assert_eq!(
            (hold.reason, hold.kind),
            (reason::PLAN_CHANGE_HELD, HoldKind::Waiting)
        );
        assert!(plan.steps.is_empty() && plan.ask.is_none());
        let plan = settle(&starter(), &mut observed, &on_pro());
        assert_eq!(change_of(&plan).state, PlanChangeState::Scheduled);
    }
}

#[test]
fn while_the_first_payment_is_open_nothing_is_changed() {
    let observed = with(vec![subscription("sub_1", SubscriptionStatus::Incomplete)]);
    for desired in [enterprise(), starter()] {
        assert_eq!(hold(&desired, &observed), reason::AWAITING_PAYMENT);
        assert!(steps(&desired, &observed).is_empty());
    }
}

#[test]
fn a_subscription_that_is_ending_gets_no_schedule() {
    let ending = Subscription {
        cancel_at_period_end: true,
        ..active()
    };
    let plan = plan_with(&starter(), &with(vec![ending]), &on_pro());
    assert_eq!(plan.hold.unwrap().reason, reason::PLAN_CHANGE_HELD);
    assert!(plan.steps.is_empty());
}

#[test]
fn more_items_than_stripe_allows_are_refused_here() {
    let mut desired = enterprise();
    desired.offer.usage = (0..20)
        .map(|n| usage_price("enterprise", &format!("m{n}"), ""))
        .collect();
    assert_eq!(
        hold(&desired, &with(vec![active()])),
        reason::TOO_MANY_ITEMS
    );
}

#[test]
fn discounts_go_on_and_one_on_an_item_keeps_a_change_from_being_scheduled() {
    let discounted = Subscription {
        discounts: vec!["di_1".into()],
        ..active()
    };
    let mut observed = with(vec![discounted]);
    settle(&starter(), &mut observed, &on_pro());
    let plan = plan_with(&to_plan(price("free", 0)), &observed, &on_pro());
    assert!(
        matches!(&plan.steps[..], [Step::ScheduleChange { discounts, .. }] if discounts == &["di_1"]),
        "{:?}",
        plan.steps
    );
    let mut on_an_item = active();
    on_an_item.items[0].discounted = true;
    let plan = plan_with(&starter(), &with(vec![on_an_item]), &on_pro());
    assert_eq!(plan.hold.unwrap().reason, reason::PLAN_CHANGE_HELD);
    assert!(plan.steps.is_empty());
}

#[test]
fn who_keeps_older_prices_in_another_currency_can_still_change_the_quantity() {
    let mut desired = to_plan(Price {
        id: "price_pro_eur".into(),
        currency: "eur".into(),
        ..price("pro", 9900)
    });
    desired.quantity = 2;
    let mut observed = with(vec![active()]);
    let plan = settle(&desired, &mut observed, &on_pro());
    assert_eq!(plan.hold, None);
    let item = &observed.subscriptions[0].items[0];
    assert_eq!(
        (item.price.id.as_str(), item.quantity),
        ("price_pro", Some(2))
    );
    // Drift is put right in the old currency, too.
    observed.subscriptions[0].items[0].price = price("starter", 2900);
    let plan = settle(&desired, &mut observed, &recorded("pro", "price_pro", 2));
    assert_eq!(plan.hold, None);
    assert_eq!(observed.subscriptions[0].items[0].price.id, "price_pro");
    // The new terms themselves are out of reach.
    desired.rollout.existing = Existing::Now;
    assert_eq!(hold(&desired, &observed), reason::CURRENCY_LOCKED);
}
