//! What the planner decides, case by case, and that applying it converges from anywhere.

use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;
use crate::api::{Address, CustomerDetails, Interval};
use crate::converge::desired::TrialTerms;
use crate::converge::observed::{Customer, Item, Price, SubscriptionStatus};

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    "2027-01-15T12:00:00Z".parse().unwrap()
}

fn key() -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: "t1".into(),
    }
}

fn price(plan: &str, amount: i64) -> Price {
    Price {
        id: format!("price_{plan}"),
        product: format!("tb_{plan}"),
        owner: Some("default".into()),
        plan: Some(plan.into()),
        currency: "usd".into(),
        unit_amount: Some(amount),
        interval: Some(Interval::Month),
        interval_count: 1,
        active: true,
        ..Price::default()
    }
}

fn desired() -> Desired {
    Desired {
        key: key(),
        customer: CustomerDetails {
            name: "Acme Inc".into(),
            email: "billing@acme.example".into(),
            ..CustomerDetails::default()
        },
        plan: "pro".into(),
        price: price("pro", 9900),
        trial: TrialTerms::Plan(14),
        lifecycle: Lifecycle::Active,
        test_clock: None,
    }
}

fn customer() -> Customer {
    Customer {
        id: "cus_1".into(),
        key: Some(key()),
        name: Some("Acme Inc".into()),
        email: Some("billing@acme.example".into()),
        default_payment_method: Some("pm_1".into()),
        ..Customer::default()
    }
}

fn subscription(id: &str, status: SubscriptionStatus) -> Subscription {
    let start = now() - (5 * 24).hours();
    Subscription {
        id: id.into(),
        customer: "cus_1".into(),
        key: Some(key()),
        status,
        currency: "usd".into(),
        items: vec![Item {
            id: format!("si_{id}"),
            price: price("pro", 9900),
            quantity: Some(1),
            period_start: start,
            period_end: start + (30 * 24).hours(),
        }],
        cancel_at_period_end: false,
        cancel_at: None,
        start_date: start,
        created: start,
        trial_start: None,
        trial_end: None,
        schedule: None,
        canceled_by_manifest: false,
        trial_days: Some(14),
        default_payment_method: None,
        test_clock: None,
    }
}

fn trialing() -> Subscription {
    let base = subscription("sub_1", SubscriptionStatus::Trialing);
    Subscription {
        trial_start: Some(base.start_date),
        trial_end: Some(base.start_date + (14 * 24).hours()),
        ..base
    }
}

fn active() -> Subscription {
    subscription("sub_1", SubscriptionStatus::Active)
}

fn with(subscriptions: Vec<Subscription>) -> Observed {
    Observed {
        customers: vec![customer()],
        subscriptions,
        ..Observed::default()
    }
}

fn plan_of(desired: &Desired, observed: &Observed) -> Plan {
    tenant(desired, observed, &Recorded::default(), now())
}

fn steps(desired: &Desired, observed: &Observed) -> Vec<String> {
    plan_of(desired, observed)
        .steps
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn hold(desired: &Desired, observed: &Observed) -> &'static str {
    plan_of(desired, observed).hold.expect("no hold").reason
}

#[test]
fn a_new_tenant_gets_a_customer_and_a_subscription_with_its_trial() {
    assert_eq!(
        steps(&desired(), &Observed::default()),
        [
            "+ create customer",
            "+ subscribe the new customer to pro (price_pro, 99.00 usd, trial 14 days)",
        ]
    );
}

#[test]
fn without_a_trial_the_subscription_waits_for_a_payment_method() {
    let mut desired = desired();
    desired.trial = TrialTerms::Plan(0);
    let plan = plan_of(&desired, &Observed::default());
    assert_eq!(plan.steps.len(), 1, "only the customer is made");
    assert_eq!(plan.hold.unwrap().kind, HoldKind::Waiting);
    assert_eq!(
        steps(&desired, &with(vec![])),
        ["+ subscribe cus_1 to pro (price_pro, 99.00 usd)"]
    );
    desired.price.unit_amount = Some(0);
    let plan = plan_of(&desired, &Observed::default());
    assert_eq!(
        (plan.steps.len(), plan.hold),
        (2, None),
        "a free plan needs no payment method"
    );
}

#[test]
fn in_sync_there_is_nothing_to_do() {
    assert_eq!(
        plan_of(&desired(), &with(vec![trialing()])),
        Plan::default()
    );
    assert_eq!(plan_of(&desired(), &with(vec![active()])), Plan::default());
}

#[test]
fn declared_customer_fields_are_enforced_and_others_left_alone() {
    let mut desired = desired();
    desired.customer.address = Some(Address {
        country: Some("DE".into()),
        ..Address::default()
    });
    let mut observed = with(vec![active()]);
    observed.customers[0].email = Some("old@acme.example".into());
    observed.customers[0].phone = Some("+1".into());
    assert_eq!(
        steps(&desired, &observed),
        ["~ update cus_1: customer.email, customer.address"]
    );
}

#[test]
fn a_plan_change_is_one_item_update() {
    let mut desired = desired();
    desired.plan = "enterprise".into();
    desired.price = price("enterprise", 49_900);
    assert_eq!(
        steps(&desired, &with(vec![active()])),
        [
            "~ update sub_1: subscription.price \"pro (price_pro 99.00 usd)\" -> \"enterprise (price_enterprise 499.00 usd)\""
        ]
    );
}

#[test]
fn a_plan_change_moves_no_trial_that_the_plan_granted() {
    let mut desired = desired();
    desired.trial = TrialTerms::Plan(0);
    assert!(steps(&desired, &with(vec![trialing()])).is_empty());
}

#[test]
fn new_terms_of_a_plan_are_for_new_subscribers() {
    let mut desired = desired();
    desired.price = Price {
        id: "price_pro_2".into(),
        ..price("pro", 10_900)
    };
    let recorded = Recorded {
        subscription_id: Some("sub_1".into()),
        plan: Some("pro".into()),
        price_id: Some("price_pro".into()),
        ..Recorded::default()
    };
    let observed = with(vec![active()]);
    assert!(
        tenant(&desired, &observed, &recorded, now())
            .steps
            .is_empty()
    );
    assert!(
        steps(&desired, &observed).is_empty(),
        "even when the status was lost"
    );
    // Drift away from the older price goes back to it, not to the new one.
    let mut drifted = observed;
    drifted.subscriptions[0].items[0].price = price("starter", 2900);
    let plan = tenant(&desired, &drifted, &recorded, now());
    assert!(matches!(&plan.steps[..], [Step::SwapPrice { price, .. }] if price == "price_pro"));
}

#[test]
fn what_was_recorded_of_an_ended_subscription_says_nothing_about_its_successor() {
    let recorded = Recorded {
        subscription_id: Some("sub_0".into()),
        plan: Some("pro".into()),
        price_id: Some("price_old".into()),
        ..Recorded::default()
    };
    let plan = tenant(&desired(), &with(vec![active()]), &recorded, now());
    assert_eq!(plan, Plan::default());
}

#[test]
fn ending_a_subscription_acknowledges_one_that_ended_by_itself_after_it_began() {
    let mut desired = desired();
    desired.lifecycle = Lifecycle::Canceled;
    let later = Subscription {
        created: now(),
        ..subscription("sub_2", SubscriptionStatus::IncompleteExpired)
    };
    assert_eq!(
        steps(&desired, &with(vec![active(), later])),
        [
            "~ note on sub_1 that the manifest ends it",
            "- cancel sub_1 now",
            "~ note on sub_2 that the manifest ends it",
        ]
    );
}

#[test]
fn another_currency_is_held_not_sent() {
    let mut desired = desired();
    desired.plan = "pro-eur".into();
    desired.price = Price {
        currency: "eur".into(),
        ..price("pro-eur", 9900)
    };
    let observed = with(vec![active()]);
    assert_eq!(hold(&desired, &observed), reason::CURRENCY_LOCKED);
    assert!(steps(&desired, &observed).is_empty());
}

#[test]
fn two_live_subscriptions_are_reported_and_not_touched() {
    let two = vec![active(), subscription("sub_2", SubscriptionStatus::PastDue)];
    assert_eq!(
        hold(&desired(), &with(two.clone())),
        reason::DUPLICATE_SUBSCRIPTIONS
    );
    assert!(steps(&desired(), &with(two)).is_empty());
}

#[test]
fn two_customers_are_reported_and_nothing_is_done() {
    let mut observed = with(vec![]);
    observed.customers.push(Customer {
        id: "cus_2".into(),
        ..customer()
    });
    assert_eq!(hold(&desired(), &observed), reason::DUPLICATE_CUSTOMERS);
    assert!(steps(&desired(), &observed).is_empty());
}

#[test]
fn a_subscription_made_by_someone_else_blocks_a_second_one() {
    let foreign = Subscription {
        key: None,
        ..subscription("sub_9", SubscriptionStatus::Active)
    };
    assert_eq!(
        hold(&desired(), &with(vec![foreign])),
        reason::FOREIGN_SUBSCRIPTION
    );
}

#[test]
fn a_recorded_subscription_stays_the_tenants_when_its_metadata_are_edited() {
    let edited = Subscription {
        key: None,
        ..active()
    };
    let recorded = Recorded {
        subscription_id: Some("sub_1".into()),
        ..Recorded::default()
    };
    let plan = tenant(&desired(), &with(vec![edited]), &recorded, now());
    assert!(
        matches!(&plan.steps[..], [Step::RestoreIdentity { .. }]),
        "{plan:?}"
    );
}

#[test]
fn what_the_customer_cancelled_is_respected() {
    let ended = subscription("sub_1", SubscriptionStatus::Canceled);
    let observed = with(vec![ended]);
    assert_eq!(hold(&desired(), &observed), reason::CANCELED_IN_STRIPE);
    assert!(steps(&desired(), &observed).is_empty());
    let ending = Subscription {
        cancel_at_period_end: true,
        ..active()
    };
    let plan = plan_of(&desired(), &with(vec![ending]));
    assert!(plan.steps.is_empty() && plan.hold.is_none());
    assert_eq!(plan.reported[0].field, "subscription.cancelAtPeriodEnd");
}

#[test]
fn what_ended_with_a_deleted_customer_holds_up_nobody() {
    let mut desired = desired();
    desired.trial = TrialTerms::Plan(0);
    let mut observed = with(vec![subscription("sub_1", SubscriptionStatus::Canceled)]);
    observed.customers[0].id = "cus_2".into();
    observed.customers[0].default_payment_method = Some("pm_1".into());
    let plan = plan_of(&desired, &observed);
    assert!(plan.hold.is_none(), "{:?}", plan.hold);
    assert!(
        matches!(&plan.steps[..], [Step::CreateSubscription { .. }]),
        "{:?}",
        plan.steps
    );
}

#[test]
fn the_price_of_a_subscription_that_ended_says_nothing_about_its_successor() {
    let recorded = Recorded {
        subscription_id: Some("sub_0".into()),
        plan: Some("pro".into()),
        price_id: Some("price_old".into()),
        ..Recorded::default()
    };
    let plan = tenant(&desired(), &with(vec![active()]), &recorded, now());
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
}

#[test]
fn acknowledging_a_cancellation_opens_the_way_to_subscribe_again_without_a_trial() {
    let mut desired = desired();
    let ended = Subscription {
        trial_start: Some(now()),
        ..subscription("sub_1", SubscriptionStatus::Canceled)
    };
    desired.lifecycle = Lifecycle::Canceled;
    assert_eq!(
        steps(&desired, &with(vec![ended.clone()])),
        ["~ note on sub_1 that the manifest ends it"]
    );
    desired.lifecycle = Lifecycle::Active;
    let acknowledged = Subscription {
        canceled_by_manifest: true,
        ..ended
    };
    assert_eq!(
        steps(&desired, &with(vec![acknowledged])),
        ["+ subscribe cus_1 to pro (price_pro, 99.00 usd)"]
    );
}

#[test]
fn what_the_manifest_cancelled_the_manifest_takes_back() {
    let mut desired = desired();
    desired.lifecycle = Lifecycle::CancelAtPeriodEnd;
    assert_eq!(
        steps(&desired, &with(vec![active()])),
        ["- cancel sub_1 at the end of its period"]
    );
    let ending = Subscription {
        cancel_at_period_end: true,
        canceled_by_manifest: true,
        ..active()
    };
    assert!(steps(&desired, &with(vec![ending.clone()])).is_empty());
    desired.lifecycle = Lifecycle::Active;
    assert_eq!(
        steps(&desired, &with(vec![ending])),
        ["~ update sub_1: subscription.cancelAtPeriodEnd \"true\" -> \"false\""]
    );
}

#[test]
fn cancelling_now_marks_before_it_cancels() {
    let mut desired = desired();
    desired.lifecycle = Lifecycle::Canceled;
    assert_eq!(
        steps(&desired, &with(vec![active()])),
        [
            "~ note on sub_1 that the manifest ends it",
            "- cancel sub_1 now"
        ]
    );
}

#[test]
fn a_cancelled_tenant_that_never_was_needs_nothing() {
    let desired = Desired {
        lifecycle: Lifecycle::Canceled,
        ..desired()
    };
    assert_eq!(plan_of(&desired, &Observed::default()), Plan::default());
}

#[test]
fn a_deleted_customer_is_not_silently_replaced() {
    let observed = Observed {
        deleted_customer: Some("cus_1".into()),
        ..Observed::default()
    };
    assert_eq!(hold(&desired(), &observed), reason::CUSTOMER_DELETED);
    let canceled = Desired {
        lifecycle: Lifecycle::Canceled,
        ..desired()
    };
    assert_eq!(plan_of(&canceled, &observed), Plan::default());
}

#[test]
fn editing_the_trial_moves_its_end_and_an_extension_in_the_dashboard_stands() {
    let mut desired = desired();
    desired.trial = TrialTerms::Tenant(30);
    let plan = plan_of(&desired, &with(vec![trialing()]));
    let end = trialing().start_date + (30 * 24).hours();
    assert!(matches!(plan.steps[..], [Step::MoveTrialEnd { end: Some(at), .. }] if at == end));
    desired.trial = TrialTerms::Tenant(14);
    let extended = Subscription {
        trial_end: Some(now() + (60 * 24).hours()),
        ..trialing()
    };
    assert!(steps(&desired, &with(vec![extended])).is_empty());
}

#[test]
fn a_trial_cut_to_the_past_ends_now_but_only_if_somebody_can_pay() {
    let mut desired = desired();
    desired.trial = TrialTerms::Tenant(3);
    let mut observed = with(vec![trialing()]);
    assert!(matches!(
        plan_of(&desired, &observed).steps[..],
        [Step::MoveTrialEnd { end: None, .. }]
    ));
    observed.customers[0].default_payment_method = None;
    assert_eq!(hold(&desired, &observed), reason::PAYMENT_METHOD_MISSING);
}

#[test]
fn someone_elses_schedule_is_not_fought() {
    let mut desired = desired();
    desired.plan = "starter".into();
    desired.price = price("starter", 2900);
    let scheduled = Subscription {
        schedule: Some("sub_sched_1".into()),
        ..active()
    };
    assert_eq!(
        hold(&desired, &with(vec![scheduled.clone()])),
        reason::SCHEDULE_ATTACHED
    );
    assert!(steps(&desired, &with(vec![scheduled])).is_empty());
}

#[test]
fn an_open_first_payment_is_waited_for() {
    let incomplete = subscription("sub_1", SubscriptionStatus::Incomplete);
    assert_eq!(
        hold(&desired(), &with(vec![incomplete])),
        reason::AWAITING_PAYMENT
    );
    let expired = subscription("sub_1", SubscriptionStatus::IncompleteExpired);
    assert_eq!(
        hold(&desired(), &with(vec![expired])),
        reason::SUBSCRIPTION_EXPIRED
    );
}

#[test]
fn deletion_follows_its_policy_for_the_tenants_own_live_subscriptions() {
    let foreign = Subscription {
        key: None,
        ..subscription("sub_9", SubscriptionStatus::Active)
    };
    let ended = subscription("sub_0", SubscriptionStatus::Canceled);
    let observed = with(vec![active(), foreign, ended]);
    let steps = |policy| -> Vec<String> {
        let steps = deletion(policy, &key(), &observed, &Recorded::default());
        steps.iter().map(ToString::to_string).collect()
    };
    assert!(steps(DeletionPolicy::Retain).is_empty());
    assert_eq!(
        steps(DeletionPolicy::CancelAtPeriodEnd),
        ["- cancel sub_1 at the end of its period"]
    );
    assert_eq!(
        steps(DeletionPolicy::CancelNow),
        [
            "~ note on sub_1 that the manifest ends it",
            "- cancel sub_1 now"
        ]
    );
}

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
            let target = if *price == desired.price.id {
                desired.price.clone()
            } else {
                Price {
                    id: price.clone(),
                    plan: Some(desired.plan.clone()),
                    ..desired.price.clone()
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
        let mut desired = Desired { plan: plan.into(), price, lifecycle, ..desired() };
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
        made.schedule = scheduled.then(|| "sub_sched_1".to_owned());
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
