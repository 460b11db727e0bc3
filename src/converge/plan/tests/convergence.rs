//! From any state, with a crash after any step, applying a plan converges.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::holds::{any_disputed, held_or_let_go};
use super::model::{apply, metered_item};
use super::*;

const DAY: i64 = 86_400;

prop_compose! {
    fn any_change_policy()(
        upgrade in prop::sample::select(vec![UpgradeTiming::Now, UpgradeTiming::AtPeriodEnd]),
        downgrade in prop::sample::select(vec![DowngradeTiming::Now, DowngradeTiming::AtPeriodEnd]),
        proration in prop::sample::select(vec![Proration::Create, Proration::InvoiceNow, Proration::None]),
        max_charge in prop::option::weighted(0.2, Just(-1)),
    ) -> ChangePolicy {
        ChangePolicy { upgrade, downgrade, proration, max_charge }
    }
}

prop_compose! {
    fn any_payment()(
        requirement in prop::sample::select(vec![PaymentRequirement::BeforeTrial, PaymentRequirement::BeforeTrialEnd, PaymentRequirement::NotRequired]),
        collection in prop::option::of(any_collection()),
        return_url in prop::option::of(Just("https://app.example".to_owned())),
    ) -> PaymentTerms {
        PaymentTerms { requirement, collection, return_url }
    }
}

fn any_collection() -> impl Strategy<Value = CollectionMethod> {
    prop::sample::select(vec![
        CollectionMethod::Automatic,
        CollectionMethod::Invoice { days_until_due: 10 },
    ])
}

prop_compose! {
    fn any_desired()(
        plan in prop::sample::select(vec!["starter", "pro", "free", "pro-eur", "annual"]),
        version in prop::sample::select(vec!["", "_2"]),
        meters in prop::sample::subsequence(vec!["queries", "storage"], 0..=2),
        quantity in 1_i64..4,
        change in any_change_policy(),
        existing in prop::sample::select(vec![Existing::Grandfather, Existing::AtRenewal, Existing::Now]),
        tax in prop::option::weighted(0.3, (any::<bool>(), prop::sample::select(vec![IfNoLocation::Block, IfNoLocation::Skip]))),
        days in prop::sample::select(vec![0_i64, 3, 14, 30]),
        own_trial in any::<bool>(),
        until in any::<bool>(),
        if_no_payment_method in prop::option::of(prop::sample::select(vec![IfNoPaymentMethod::Cancel, IfNoPaymentMethod::Pause, IfNoPaymentMethod::Invoice])),
        remind_days_before in 0_i64..5,
        payment in any_payment(),
        lifecycle in prop::sample::select(vec![Lifecycle::Active, Lifecycle::Active, Lifecycle::CancelAtPeriodEnd, Lifecycle::Canceled]),
        phone in prop::option::of("[0-9]{3}"),
        on_dispute in prop::sample::select(vec![OnDispute::Report, OnDispute::Hold, OnDispute::Suspend]),
    ) -> Desired {
        let mut base = price(plan, match plan { "free" => 0, "starter" => 2900, _ => 9900 });
        base.id.push_str(version);
        match plan {
            "pro-eur" => base.currency = "eur".into(),
            "annual" => base.interval = Some(Interval::Year),
            _ => {}
        }
        let usage = meters.into_iter().map(|meter| usage_price(plan, meter, version)).collect();
        let mut desired = Desired {
            plan: plan.into(),
            offer: Offer { base, usage },
            quantity,
            change,
            rollout: Rollout { existing, ..Rollout::default() },
            tax: tax.map(|(automatic, if_no_location)| TaxPolicy { automatic, if_no_location }),
            lifecycle,
            on_dispute,
            ..desired()
        };
        let own = if until { DeclaredTrial::Until(now() + (days * 24 - 100).hours()) } else { DeclaredTrial::Days(days) };
        desired.trial = if own_trial { TrialTerms::Tenant(own) } else { TrialTerms::Plan(days) };
        desired.trial_ending = TrialEnding { if_no_payment_method, remind_days_before };
        desired.payment = payment;
        desired.customer.phone = phone;
        desired
    }
}

prop_compose! {
    fn any_subscription(id: &'static str)(
        status in prop::sample::select(vec![
            SubscriptionStatus::Trialing, SubscriptionStatus::Active, SubscriptionStatus::Incomplete,
            SubscriptionStatus::IncompleteExpired, SubscriptionStatus::PastDue, SubscriptionStatus::Unpaid,
            SubscriptionStatus::Paused, SubscriptionStatus::Canceled, SubscriptionStatus::Other("new".into()),
        ]),
        own in prop::bool::weighted(0.8),
        plan in prop::sample::select(vec!["starter", "pro", "free", "gone"]),
        quantity in prop::sample::select(vec![Some(1), Some(2), Some(5)]),
        cancel_at_period_end in any::<bool>(),
        canceled_by_manifest in any::<bool>(),
        schedule in any_schedule(),
        meters in prop::sample::subsequence(vec!["queries", "storage"], 0..=2),
        by_hand in prop::bool::weighted(0.2),
        declared_trial in prop::option::of(0_i64..40),
        collection in any_collection(),
        pause in prop::sample::select(vec![None, Some(Pause::TrialEnded), Some(Pause::Other)]),
        started_days_ago in 0_i64..40,
    ) -> Subscription {
        let start = now() - (started_days_ago * 24).hours();
        let mut made = subscription(id, status.clone());
        made.key = own.then(key);
        made.start_date = start;
        made.created = start;
        if status == SubscriptionStatus::Trialing {
            made.trial_start = Some(start);
            made.trial_end = Some(now() + 1.hours());
        }
        made.items[0].price = price(plan, 2900);
        made.items[0].quantity = quantity;
        made.cancel_at_period_end = cancel_at_period_end;
        made.canceled_by_manifest = canceled_by_manifest;
        made.schedule = schedule;
        made.items.extend(meters.into_iter().map(|meter| metered_item(&usage_price(plan, meter, ""))));
        if by_hand {
            let stranger = Price { id: "price_support".into(), owner: None, plan: None, ..price("support", 500) };
            made.items.push(Item { quantity: Some(2), ..metered_item(&stranger) });
        }
        made.declared_trial = declared_trial.map(DeclaredTrial::Days);
        made.collection = collection;
        made.pause = pause.filter(|_| status == SubscriptionStatus::Paused);
        made
    }
}

prop_compose! {
    pub(super) fn any_observed()(
        exists in prop::bool::weighted(0.8),
        has_key in prop::bool::weighted(0.9),
        payment_method in prop::option::of(Just("pm_1".to_owned())),
        name in prop::option::of("[A-Z][a-z]{0,4}"),
        one in prop::option::of(any_subscription("sub_1")),
        two in prop::option::weighted(0.3, any_subscription("sub_2")),
    ) -> Observed {
        if !exists {
            return Observed::default();
        }
        let customer = Customer {
            key: has_key.then(key),
            name,
            default_payment_method: payment_method,
            ..customer()
        };
        Observed {
            customers: vec![customer],
            subscriptions: one.into_iter().chain(two).collect(),
            ..Observed::default()
        }
    }
}

prop_compose! {
    fn any_recorded()(
        subscription_id in prop::option::of(prop::sample::select(vec!["sub_1", "sub_2", "sub_gone"])),
        terms in prop::option::of((
            prop::sample::select(vec!["starter", "pro"]),
            prop::sample::select(vec!["price_starter", "price_pro", "price_old"]),
            prop::sample::subsequence(vec!["price_usage_pro_queries", "price_usage_old"], 0..=2),
            1_i64..4,
        )),
        schedule_begun in any::<bool>(),
    ) -> Recorded {
        Recorded {
            subscription_id: subscription_id.map(str::to_owned),
            terms: terms.map(|(plan, base, usage, quantity)| RecordedTerms {
                plan: plan.into(),
                base: base.into(),
                usage: usage.into_iter().map(str::to_owned).collect(),
                quantity,
            }),
            schedule_begun,
            applied_digest: None,
            setup: None,
        }
    }
}

prop_compose! {
    fn any_schedule()(
        kind in 0..8,
        phases in 1_i64..3,
    ) -> Option<Schedule> {
        let phase = |n: i64| Phase {
            start: now() + (n * 30 * 24).hours(),
            end: now() + ((n + 1) * 30 * 24).hours(),
            items: vec![PhaseItem { price: "price_starter".into(), quantity: Some(1) }],
        };
        let schedule = Schedule {
            id: "sub_sched_1".into(),
            key: (kind == 0).then(key),
            phases: (0..phases).map(phase).collect(),
        };
        match kind {
            0 | 1 => Some(schedule),
            2 => Some(foreign_schedule()),
            _ => None,
        }
    }
}

/// What reached means for the subscription.
fn reached(
    desired: &Desired,
    plan: &Plan,
    subscription: &Subscription,
) -> Result<(), TestCaseError> {
    let agreed = plan.agreed.as_ref().expect("nothing was agreed");
    let sold = |id: &str| subscription.items.iter().find(|item| item.price.id == id);
    prop_assert_eq!(
        sold(&agreed.base.id).map(|item| item.quantity.unwrap_or(1)),
        Some(agreed.quantity)
    );
    for price in &agreed.usage {
        prop_assert_eq!(sold(&price.id).map(|item| item.quantity), Some(None));
    }
    let offer = Terms::of_offer(&desired.plan, &desired.offer, desired.quantity);
    if let Some(change) = &plan.change {
        // Scheduled: by the operator's own schedule, which leads to the offer or keeps old prices.
        prop_assert_eq!(change.state, PlanChangeState::Scheduled);
        let schedule = subscription
            .schedule
            .as_ref()
            .expect("nothing is scheduled");
        prop_assert_eq!(schedule.key.as_ref(), Some(&desired.key));
        let last = schedule.phases.last().unwrap();
        prop_assert!(
            last.items
                .iter()
                .any(|item| item.price == change.to.base.id
                    && item.quantity == Some(desired.quantity))
        );
    } else {
        let own = subscription
            .schedule
            .as_ref()
            .is_some_and(|s| s.key.is_some());
        prop_assert!(!own, "a schedule is left over");
        prop_assert_eq!(agreed.quantity, desired.quantity);
        let kept = desired.rollout.existing == Existing::Grandfather
            && agreed.plan.as_ref() == Some(&desired.plan);
        prop_assert!(kept || agreed.same(&offer));
    }
    Ok(())
}

fn strangers_untouched(before: &Observed, after: &Observed) -> Result<(), TestCaseError> {
    for (before, after) in before.subscriptions.iter().zip(&after.subscriptions) {
        let by_hand = |s: &Subscription| {
            let items = s
                .items
                .iter()
                .filter(|item| item.price.id == "price_support");
            items.cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(by_hand(before), by_hand(after), "an item added by hand");
        let foreign = before
            .schedule
            .as_ref()
            .filter(|s| s.key.is_none() && s.phases.len() != 1);
        if foreign.is_some() && after.status.is_live() {
            prop_assert_eq!(foreign, after.schedule.as_ref(), "someone else's schedule");
        }
    }
    Ok(())
}

fn live(observed: &Observed) -> usize {
    observed
        .subscriptions
        .iter()
        .filter(|s| s.status.is_live())
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn from_anywhere_with_a_crash_after_any_step_planning_again_gives_nothing(
        desired in any_desired(),
        mut observed in any_disputed(),
        recorded in any_recorded(),
        crash_after in 0_usize..6,
        attached in prop::sample::select(vec![Attached::Nothing, Attached::Latest("pm_2".into())]),
    ) {
        let live_before = live(&observed);
        let before = observed.clone();
        let mut recorded = recorded;
        let mut again = Plan::default();
        // A crash is nothing but planning again; the note that a schedule begins outlives it.
        for round in 0..16 {
            let lost = round == crash_after && !recorded.schedule_begun;
            if lost {
                recorded = Recorded::default();
            }
            let situation = Situation { attached: Some(attached.clone()), ..Situation::at(now()) };
            again = answered(&desired, &observed, &recorded, situation);
            let Some(step) = again.steps.first() else { break };
            recorded.schedule_begun |= step.creates() == Some(SCHEDULE);
            if matches!(step, Step::CreateSetupSession { .. }) {
                recorded.setup = Some(link(now() + 24.hours()));
            }
            apply(&mut observed, step, &desired, now());
        }
        prop_assert!(again.steps.is_empty(), "planned again: {:?}", again.steps);
        prop_assert!(observed.customers.len() <= 1, "a second customer");
        prop_assert!(live(&observed) <= live_before.max(1), "a second live subscription");
        strangers_untouched(&before, &observed)?;
        held_or_let_go(&desired, &before, &observed, &recorded)?;
        if desired.lifecycle == Lifecycle::Active && again.hold.is_none() {
            let own: Vec<&Subscription> = observed.subscriptions.iter().filter(|s| {
                s.status.is_live() && (s.key.is_some() || Some(&s.id) == recorded.subscription_id.as_ref())
            }).collect();
            prop_assert_eq!(own.len(), 1, "reached means subscribed");
            reached(&desired, &again, own[0])?;
        }
    }

    #[test]
    fn deletion_converges_and_touches_no_stranger(
        observed in any_observed(),
        recorded in any_recorded(),
        policy in prop::sample::select(vec![DeletionPolicy::CancelAtPeriodEnd, DeletionPolicy::CancelNow, DeletionPolicy::Retain]),
        crash_after in 0_usize..6,
    ) {
        let mut observed = observed;
        for subscription in &mut observed.subscriptions {
            // Someone else's schedule is in the way until that person releases it.
            subscription.schedule = subscription.schedule.take().filter(|schedule| schedule.key.is_some());
        }
        let mut after = observed.clone();
        for step in deletion(policy, &key(), &after, &recorded).iter().take(crash_after) {
            apply(&mut after, step, &desired(), now());
        }
        for step in &deletion(policy, &key(), &after, &recorded) {
            apply(&mut after, step, &desired(), now());
        }
        prop_assert!(deletion(policy, &key(), &after, &recorded).is_empty());
        for (before, after) in observed.subscriptions.iter().zip(&after.subscriptions) {
            let ours = before.key.is_some() || Some(&before.id) == recorded.subscription_id.as_ref();
            if !ours || policy == DeletionPolicy::Retain {
                prop_assert_eq!(before, after);
            } else if before.status.is_live() {
                prop_assert!(after.cancel_at_period_end || !after.status.is_live());
            }
        }
    }

    #[test]
    fn a_trial_end_is_moved_to_a_whole_number_of_days_after_the_start(
        desired in any_desired(),
        observed in any_observed(),
    ) {
        for step in plan_of(&desired, &observed).steps {
            if let Step::MoveTrialEnd { end: Some(end), declared: DeclaredTrial::Days(_), .. } = step {
                prop_assert!(end > now());
                let start = observed.subscriptions.iter().find(|s| s.status.is_live()).unwrap().start_date;
                prop_assert_eq!((end.as_second() - start.as_second()) % DAY, 0);
            }
        }
    }
}
