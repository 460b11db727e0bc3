//! Changes of plan, quantity and price, case by case.

use super::model::{apply, metered_item};
use super::*;

pub(super) fn enterprise() -> Desired {
    to_plan(price("enterprise", 49_900))
}

pub(super) fn starter() -> Desired {
    to_plan(price("starter", 2900))
}

pub(super) fn to_plan(base: Price) -> Desired {
    Desired {
        plan: base.plan.clone().unwrap(),
        offer: Offer {
            base,
            usage: Vec::new(),
        },
        ..desired()
    }
}

pub(super) fn on_pro() -> Recorded {
    recorded("pro", "price_pro", 1)
}

/// Plans and applies until nothing is left, as on one look after another.
pub(super) fn settle(desired: &Desired, observed: &mut Observed, recorded: &Recorded) -> Plan {
    let mut recorded = recorded.clone();
    for _ in 0..8 {
        let plan = plan_with(desired, observed, &recorded);
        let Some(step) = plan.steps.first() else {
            return plan;
        };
        recorded.schedule_begun |= step.creates() == Some(SCHEDULE);
        apply(observed, step, desired, now());
    }
    panic!("it does not settle");
}

pub(super) fn change_of(plan: &Plan) -> &ChangeUnderWay {
    plan.change.as_ref().expect("no change is under way")
}

#[test]
fn an_upgrade_asks_for_its_price_and_is_prorated_from_that_instant() {
    let observed = with(vec![active()]);
    let plan = tenant(&enterprise(), &observed, &on_pro(), &Situation::at(now()));
    assert!(
        plan.steps.is_empty(),
        "nothing happens before the price is known"
    );
    let Some(Ask::Quote(request)) = plan.ask else {
        panic!("no quote is asked for");
    };
    assert_eq!(request.proration_date, now());
    assert_eq!(request.charged, Charged::NextInvoice);
    let situation = Situation {
        quote: Some(request.answered(31_420, now())),
        ..Situation::at(now() + 5.minutes())
    };
    let plan = tenant(&enterprise(), &observed, &on_pro(), &situation);
    assert!(
        matches!(&plan.steps[..], [Step::ChangeItems { proration_date: Some(from), items, .. }]
            if *from == now() && items.len() == 1),
        "{:?}",
        plan.steps
    );
    assert_eq!(change_of(&plan).state, PlanChangeState::Applying);
}

#[test]
fn what_begins_a_new_period_is_charged_at_once() {
    let annual = to_plan(Price {
        id: "price_annual".into(),
        interval: Some(Interval::Year),
        ..price("pro-annual", 99_000)
    });
    let mut free = active();
    free.items[0].price = price("free", 0);
    for (desired, subscription) in [(annual, active()), (desired(), free)] {
        let observed = with(vec![subscription]);
        let unrecorded = Recorded::default();
        let plan = tenant(&desired, &observed, &unrecorded, &Situation::at(now()));
        assert!(
            matches!(&plan.ask, Some(Ask::Quote(request)) if request.charged == Charged::Now),
            "{plan:?}"
        );
    }
}

#[test]
fn a_charge_above_the_limit_is_held_until_its_preview_is_approved() {
    let mut desired = enterprise();
    desired.change.max_charge = Some(30_000);
    let observed = with(vec![active()]);
    let plan = tenant(&desired, &observed, &on_pro(), &Situation::at(now()));
    let Some(Ask::Quote(request)) = plan.ask else {
        panic!("no quote is asked for");
    };
    let quote = request.answered(31_420, now());
    let mut situation = Situation {
        quote: Some(quote.clone()),
        ..Situation::at(now())
    };
    let plan = tenant(&desired, &observed, &on_pro(), &situation);
    let hold = plan.hold.as_ref().expect("not held");
    assert_eq!(
        (hold.reason, hold.kind),
        (reason::PLAN_CHANGE_HELD, HoldKind::Stalled)
    );
    assert!(hold.message.contains(&quote.name()), "{}", hold.message);
    assert!(hold.message.contains("314.20 usd"), "{}", hold.message);
    assert_eq!(change_of(&plan).quote, Some(quote.clone()));
    situation.approved = Some("pv-0123456789".into());
    assert!(
        tenant(&desired, &observed, &on_pro(), &situation)
            .steps
            .is_empty()
    );
    situation.approved = Some(quote.name());
    assert_eq!(
        tenant(&desired, &observed, &on_pro(), &situation)
            .steps
            .len(),
        1
    );
}

#[test]
fn a_downgrade_waits_for_the_end_of_the_period_in_a_schedule() {
    let mut observed = with(vec![active()]);
    let plan = settle(&starter(), &mut observed, &on_pro());
    assert!(plan.hold.is_none(), "what is scheduled is as it should be");
    let change = change_of(&plan);
    assert_eq!(change.state, PlanChangeState::Scheduled);
    assert_eq!(
        (change.from.label(), change.to.label()),
        (
            "pro, 99.00 usd/month".into(),
            "starter, 29.00 usd/month".into()
        )
    );
    let subscription = &observed.subscriptions[0];
    assert_eq!(change.effective_at, Some(subscription.items[0].period_end));
    assert_eq!(subscription.items[0].price.id, "price_pro", "until then");
    assert_eq!(
        plan.agreed.unwrap().plan.as_deref(),
        Some("pro"),
        "the record stays with what is sold"
    );
}

#[test]
fn setting_the_manifest_back_withdraws_a_scheduled_downgrade() {
    let mut observed = with(vec![active()]);
    settle(&starter(), &mut observed, &on_pro());
    assert_eq!(
        described(&plan_with(&desired(), &observed, &on_pro())),
        ["- release sub_1 from sub_sched_new"]
    );
    assert_idle(&settle(&desired(), &mut observed, &on_pro()));
    assert_eq!(observed.subscriptions[0].schedule, None);
}

#[test]
fn a_schedule_is_let_go_once_it_has_done_its_work() {
    let mut observed = with(vec![active()]);
    settle(&starter(), &mut observed, &on_pro());
    observed.subscriptions[0].items[0].price = price("starter", 2900);
    assert_eq!(
        described(&plan_with(&starter(), &observed, &on_pro())),
        ["- release sub_1 from sub_sched_new"]
    );
}

#[test]
fn an_upgrade_withdraws_what_was_scheduled_even_when_it_has_to_wait() {
    let mut observed = with(vec![active()]);
    settle(&starter(), &mut observed, &on_pro());
    let plan = plan_with(&enterprise(), &observed, &on_pro());
    assert_eq!(described(&plan), ["- release sub_1 from sub_sched_new"]);
    let mut overdue = observed.clone();
    overdue.subscriptions[0].status = SubscriptionStatus::PastDue;
    settle(&enterprise(), &mut observed, &on_pro());
    assert_eq!(
        observed.subscriptions[0].items[0].price.id,
        "price_enterprise"
    );
    let plan = settle(&enterprise(), &mut overdue, &on_pro());
    assert_eq!(plan.hold.unwrap().reason, reason::PLAN_CHANGE_HELD);
    assert_eq!(overdue.subscriptions[0].schedule, None);
}

#[test]
fn another_downgrade_rewrites_the_schedule() {
    let mut observed = with(vec![active()]);
    settle(&starter(), &mut observed, &on_pro());
    let plan = plan_with(&to_plan(price("free", 0)), &observed, &on_pro());
    assert!(
        matches!(&plan.steps[..], [Step::ScheduleChange { schedule, .. }] if schedule == "sub_sched_new"),
        "{:?}",
        plan.steps
    );
}

#[test]
fn a_schedule_that_lost_its_maker_to_a_crash_is_taken_up_and_a_strangers_is_not() {
    let mut observed = with(vec![active()]);
    let plan = plan_with(&starter(), &observed, &on_pro());
    apply(&mut observed, &plan.steps[0], &starter(), now());
    let begun = Recorded {
        schedule_begun: true,
        ..on_pro()
    };
    let plan = plan_with(&starter(), &observed, &begun);
    assert!(matches!(&plan.steps[..], [Step::ScheduleChange { .. }]));
    let plan = plan_with(&starter(), &observed, &on_pro());
    assert_eq!(plan.hold.unwrap().reason, reason::SCHEDULE_ATTACHED);
    assert!(plan.steps.is_empty());
}

#[test]
fn upgrade_then_revert_within_a_minute_goes_back_when_the_paid_period_ends() {
    let mut observed = with(vec![active()]);
    settle(&enterprise(), &mut observed, &on_pro());
    let on_enterprise = recorded("enterprise", "price_enterprise", 1);
    let plan = settle(&desired(), &mut observed, &on_enterprise);
    assert_eq!(change_of(&plan).state, PlanChangeState::Scheduled);
    assert_eq!(
        observed.subscriptions[0].items[0].price.id,
        "price_enterprise"
    );
    // Unless the tenant's downgrades are made at once.
    let mut at_once = desired();
    at_once.change.downgrade = DowngradeTiming::Now;
    let plan = settle(&at_once, &mut observed, &on_enterprise);
    assert!(plan.change.is_none());
    assert_eq!(observed.subscriptions[0].items[0].price.id, "price_pro");
}

#[test]
fn during_a_trial_every_change_is_made_at_once_and_charges_nothing() {
    for desired in [enterprise(), starter()] {
        let observed = with(vec![trialing()]);
        let plan = tenant(&desired, &observed, &on_pro(), &Situation::at(now()));
        assert!(
            matches!(
                &plan.steps[..],
                [Step::ChangeItems {
                    proration: Proration::None,
                    proration_date: None,
                    ..
                }]
            ),
            "{plan:?}"
        );
    }
}

#[test]
fn a_larger_quantity_is_an_upgrade_and_a_smaller_one_a_downgrade() {
    let three = recorded("pro", "price_pro", 3);
    let mut subscription = active();
    subscription.items[0].quantity = Some(3);
    let quantity = |quantity| Desired {
        quantity,
        ..desired()
    };
    let mut observed = with(vec![subscription]);
    assert_eq!(
        described(&plan_with(&quantity(5), &observed, &three)),
        ["~ update sub_1: subscription.quantity \"3\" -> \"5\""]
    );
    let plan = settle(&quantity(2), &mut observed, &three);
    assert_eq!(change_of(&plan).to.label(), "pro, 2 x 99.00 usd/month");
    assert_eq!(change_of(&plan).state, PlanChangeState::Scheduled);
}

#[test]
fn a_longer_interval_is_an_upgrade_and_a_shorter_one_a_downgrade() {
    let annual = Price {
        id: "price_annual".into(),
        interval: Some(Interval::Year),
        ..price("pro-annual", 99_000)
    };
    let month = Terms::of_offer("pro", &desired().offer, 1);
    let year = Terms::of_offer("pro-annual", &to_plan(annual).offer, 1);
    assert!(!aim::is_downgrade(&month, &year));
    assert!(aim::is_downgrade(&year, &month));
}

#[test]
fn usage_items_follow_their_meter() {
    let mut subscription = active();
    let usage = |plan, version| usage_price(plan, "queries", version);
    subscription.items.push(metered_item(&usage("pro", "")));
    let mut desired = enterprise();
    desired.offer.usage = vec![
        usage("enterprise", ""),
        usage_price("enterprise", "storage", ""),
    ];
    let recorded = Recorded {
        terms: on_pro().terms.map(|terms| RecordedTerms {
            usage: vec!["price_usage_pro_queries".into()],
            ..terms
        }),
        ..on_pro()
    };
    let plan = plan_with(&desired, &with(vec![subscription]), &recorded);
    let [Step::ChangeItems { items, .. }] = &plan.steps[..] else {
        panic!("{:?}", plan.steps);
    };
    let update = |item: &str, price: &str, quantity| ItemChange::Update {
        item: item.into(),
        price: price.into(),
        quantity,
    };
    assert_eq!(
        *items,
        [
            update("si_sub_1", "price_enterprise", Some(1)),
            update(
                "si_price_usage_pro_queries",
                "price_usage_enterprise_queries",
                None
            ),
            ItemChange::Add {
                price: "price_usage_enterprise_storage".into(),
                quantity: None
            },
        ],
        "one update, and no quantity where Stripe meters"
    );
}
