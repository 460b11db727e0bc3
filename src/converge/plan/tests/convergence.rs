//! From any state, with a crash after any step, applying a plan converges.

use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

/// What Stripe would hold after a step, by Stripe's rules.
#[expect(clippy::too_many_lines, reason = "one arm a step")]
fn apply(observed: &mut Observed, step: &Step, desired: &Desired, now: Timestamp) {
    match step {
        Step::CreateCustomer {
            details,
            test_clock,
        } => observed.customers.push(Customer {
            id: "cus_new".into(),
            key: Some(desired.key.clone()),
            name: Some(details.name.clone()),
            email: Some(details.email.clone()),
            phone: details.phone.clone(),
            address: details.address.clone(),
            test_clock: test_clock.clone(),
            ..Customer::default()
        }),
        Step::UpdateCustomer { update, .. } => {
            let customer = &mut observed.customers[0];
            customer.name = update.name.clone().or(customer.name.take());
            customer.email = update.email.clone().or(customer.email.take());
            customer.phone = update.phone.clone().or(customer.phone.take());
            customer.address = update.address.clone().or(customer.address.take());
            if update.restore_identity {
                customer.key = Some(desired.key.clone());
            }
        }
        Step::CreateSubscription {
            price,
            trial_days,
            declared_trial_days,
            ..
        } => {
            let trial_end = (*trial_days > 0).then(|| now + (*trial_days * 24).hours());
            let status = if *trial_days > 0 {
                SubscriptionStatus::Trialing
            } else {
                SubscriptionStatus::Active
            };
            let mut made = subscription("sub_new", status);
            made.customer.clone_from(&observed.customers[0].id);
            made.start_date = now;
            made.created = now;
            made.trial_start = trial_end.map(|_| now);
            made.trial_end = trial_end;
            made.trial_days = Some(*declared_trial_days);
            made.items[0].price = (**price).clone();
            made.currency.clone_from(&price.currency);
            observed.subscriptions.push(made);
        }
        Step::SwapPrice {
            subscription,
            item,
            price,
            ..
        } => {
            let target = if *price == desired.offer.base.id {
                desired.offer.base.clone()
            } else {
                Price {
                    id: price.clone(),
                    plan: Some(desired.plan.clone()),
                    ..desired.offer.base.clone()
                }
            };
            let item_ = find(observed, subscription)
                .items
                .iter_mut()
                .find(|i| i.id == *item)
                .unwrap();
            item_.price = target;
            item_.quantity = Some(1);
        }
        Step::MoveTrialEnd {
            subscription,
            end,
            declared_trial_days,
            ..
        } => {
            let subscription = find(observed, subscription);
            subscription.trial_end = Some(end.unwrap_or(now));
            subscription.trial_days = Some(*declared_trial_days);
            if end.is_none() {
                subscription.status = SubscriptionStatus::Active;
            }
        }
        Step::CancelAtPeriodEnd { subscription } => {
            let subscription = find(observed, subscription);
            subscription.cancel_at_period_end = true;
            subscription.canceled_by_manifest = true;
        }
        Step::UndoCancellation { subscription, .. } => {
            let subscription = find(observed, subscription);
            subscription.cancel_at_period_end = false;
            subscription.cancel_at = None;
            subscription.canceled_by_manifest = false;
        }
        Step::MarkCanceled { subscription } => {
            find(observed, subscription).canceled_by_manifest = true;
        }
        Step::CancelNow { subscription } => {
            find(observed, subscription).status = SubscriptionStatus::Canceled;
        }
        Step::RestoreIdentity {
            subscription,
            declared_trial_days,
            ..
        } => {
            let subscription = find(observed, subscription);
            subscription.key = Some(desired.key.clone());
            subscription.trial_days = Some(*declared_trial_days);
        }
    }
}

fn find<'a>(observed: &'a mut Observed, id: &str) -> &'a mut Subscription {
    observed
        .subscriptions
        .iter_mut()
        .find(|s| s.id == id)
        .expect("an unknown subscription")
}

prop_compose! {
    fn any_desired()(
        plan in prop::sample::select(vec!["starter", "pro", "free", "pro-eur"]),
        days in prop::sample::select(vec![0_i64, 3, 14, 30]),
        own_trial in any::<bool>(),
        lifecycle in prop::sample::select(vec![Lifecycle::Active, Lifecycle::CancelAtPeriodEnd, Lifecycle::Canceled]),
        phone in prop::option::of("[0-9]{3}"),
    ) -> Desired {
        let mut price = price(plan, if plan == "free" { 0 } else { 2900 });
        if plan == "pro-eur" {
            price.currency = "eur".into();
        }
        let offer = Offer { base: price, usage: Vec::new() };
        let mut desired = Desired { plan: plan.into(), offer, lifecycle, ..desired() };
        desired.trial = if own_trial { TrialTerms::Tenant(days) } else { TrialTerms::Plan(days) };
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
        quantity in prop::sample::select(vec![Some(1), Some(5), None]),
        cancel_at_period_end in any::<bool>(),
        canceled_by_manifest in any::<bool>(),
        scheduled in prop::bool::weighted(0.1),
        trial_days in prop::option::of(0_i64..40),
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
        made.schedule = scheduled.then(foreign_schedule);
        made.trial_days = trial_days;
        made
    }
}

prop_compose! {
    fn any_observed()(
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
        plan in prop::option::of(prop::sample::select(vec!["starter", "pro"])),
        price_id in prop::option::of(prop::sample::select(vec!["price_starter", "price_pro", "price_old"])),
    ) -> Recorded {
        Recorded {
            subscription_id: subscription_id.map(str::to_owned),
            plan: plan.map(str::to_owned),
            price_id: price_id.map(str::to_owned),
            applied_digest: None,
        }
    }
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
        mut observed in any_observed(),
        recorded in any_recorded(),
        crash_after in 0_usize..6,
    ) {
        let live_before = live(&observed);
        for step in tenant(&desired, &observed, &recorded, now()).steps.iter().take(crash_after) {
            apply(&mut observed, step, &desired, now());
        }
        for step in &tenant(&desired, &observed, &recorded, now()).steps {
            apply(&mut observed, step, &desired, now());
        }
        let again = tenant(&desired, &observed, &recorded, now());
        prop_assert!(again.steps.is_empty(), "planned again: {:?}", again.steps);
        prop_assert!(observed.customers.len() <= 1, "a second customer");
        prop_assert!(live(&observed) <= live_before.max(1), "a second live subscription");
        if desired.lifecycle == Lifecycle::Active && again.hold.is_none() {
            let own = observed.subscriptions.iter().filter(|s| {
                s.status.is_live() && (s.key.is_some() || Some(&s.id) == recorded.subscription_id.as_ref())
            });
            prop_assert_eq!(own.count(), 1, "reached means subscribed");
        }
    }

    #[test]
    fn deletion_converges_and_touches_no_stranger(
        observed in any_observed(),
        recorded in any_recorded(),
        policy in prop::sample::select(vec![DeletionPolicy::CancelAtPeriodEnd, DeletionPolicy::CancelNow, DeletionPolicy::Retain]),
        crash_after in 0_usize..6,
    ) {
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
        for step in tenant(&desired, &observed, &Recorded::default(), now()).steps {
            if let Step::MoveTrialEnd { end: Some(end), .. } = step {
                prop_assert!(end > now());
                let start = observed.subscriptions.iter().find(|s| s.status.is_live()).unwrap().start_date;
                prop_assert_eq!((end.as_second() - start.as_second()) % DAY, 0);
            }
        }
    }
}
