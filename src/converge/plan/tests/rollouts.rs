//! New terms of a plan, and taxes, case by case.

use super::changes::{change_of, on_pro, settle, to_plan};
use super::*;

fn new_terms(existing: Existing) -> Desired {
    Desired {
        rollout: Rollout {
            existing,
            ..Rollout::default()
        },
        ..to_plan(Price {
            id: "price_pro_2".into(),
            ..price("pro", 10_900)
        })
    }
}

#[test]
fn a_rollout_at_renewal_schedules_and_one_now_changes() {
    let mut observed = with(vec![active()]);
    let plan = settle(&new_terms(Existing::AtRenewal), &mut observed, &on_pro());
    assert_eq!(change_of(&plan).state, PlanChangeState::Scheduled);
    // Back to keeping the price they have.
    assert_idle(&settle(
        &new_terms(Existing::Grandfather),
        &mut observed,
        &on_pro(),
    ));
    let plan = settle(&new_terms(Existing::Now), &mut observed, &on_pro());
    assert!(plan.change.is_none());
    assert_eq!(observed.subscriptions[0].items[0].price.id, "price_pro_2");
}

#[test]
fn in_a_rollout_everybody_waits_for_their_turn() {
    let observed = with(vec![active()]);
    let at = now() + 3.hours();
    for existing in [Existing::AtRenewal, Existing::Now] {
        let desired = new_terms(existing);
        let look = |turn| {
            let situation = Situation {
                turn,
                ..Situation::at(now())
            };
            tenant(&desired, &observed, &on_pro(), &situation)
        };
        assert_eq!(look(Turn::Unasked).ask, Some(Ask::Turn));
        let waiting = look(Turn::Later(Some(at)));
        assert!(waiting.steps.is_empty() && waiting.hold.is_none() && waiting.ask.is_none());
        assert_eq!(change_of(&waiting).state, PlanChangeState::Queued);
        assert_eq!(change_of(&waiting).effective_at, Some(at));
        assert_eq!(waiting.agreed.unwrap().base.id, "price_pro");
        assert_eq!(
            change_of(&look(Turn::Later(None))).effective_at,
            None,
            "paused"
        );
    }
}

#[test]
fn the_quantity_is_not_kept_waiting_by_a_rollout() {
    let mut desired = new_terms(Existing::AtRenewal);
    desired.quantity = 2;
    let mut observed = with(vec![active()]);
    let plan = settle(&desired, &mut observed, &on_pro());
    let item = &observed.subscriptions[0].items[0];
    assert_eq!(
        (item.price.id.as_str(), item.quantity),
        ("price_pro", Some(2))
    );
    assert_eq!(change_of(&plan).to.label(), "pro, 2 x 109.00 usd/month");
}

#[test]
fn taxes_need_a_place() {
    let mut desired = desired();
    let policy = |if_no_location| {
        Some(TaxPolicy {
            automatic: true,
            if_no_location,
        })
    };
    let mut observed = with(vec![]);
    observed.customers[0].tax_location = Some(TaxLocation::Unknown("unrecognized_location".into()));
    desired.tax = policy(IfNoLocation::Block);
    assert_eq!(hold(&desired, &observed), reason::TAX_LOCATION_UNKNOWN);
    assert!(steps(&desired, &observed).is_empty());
    let taxed = |plan: &Plan| match &plan.steps[..] {
        [Step::CreateSubscription { new, .. }] => new.automatic_tax,
        steps => panic!("{steps:?}"),
    };
    desired.tax = policy(IfNoLocation::Skip);
    assert!(!taxed(&plan_of(&desired, &observed)));
    observed.customers[0].tax_location = Some(TaxLocation::Known);
    assert!(taxed(&plan_of(&desired, &observed)));
    // Once the place is known, a subscription that went without is taxed.
    observed.subscriptions = vec![active()];
    assert_eq!(
        steps(&desired, &observed),
        ["~ update sub_1: subscription.automaticTax \"false\" -> \"true\""]
    );
    desired.tax = None;
    assert!(steps(&desired, &observed).is_empty(), "left alone");
}
