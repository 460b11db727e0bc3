//! What the planner decides, case by case.

use super::*;
use crate::api::Address;

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
    desired.offer.base.unit_amount = Some(0);
    let plan = plan_of(&desired, &Observed::default());
    assert_eq!(
        (plan.steps.len(), plan.hold),
        (2, None),
        "a free plan needs no payment method"
    );
}

#[test]
fn in_sync_there_is_nothing_to_do() {
    assert_idle(&plan_of(&desired(), &with(vec![trialing()])));
    assert_idle(&plan_of(&desired(), &with(vec![active()])));
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
    desired.offer.base = price("enterprise", 49_900);
    assert_eq!(
        steps(&desired, &with(vec![active()])),
        [
            "~ update sub_1: subscription.price \"pro, 99.00 usd/month (price_pro)\" -> \"enterprise, 499.00 usd/month (price_enterprise)\""
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
    desired.offer.base = Price {
        id: "price_pro_2".into(),
        ..price("pro", 10_900)
    };
    let recorded = recorded("pro", "price_pro", 1);
    let observed = with(vec![active()]);
    assert!(plan_with(&desired, &observed, &recorded).steps.is_empty());
    assert!(
        steps(&desired, &observed).is_empty(),
        "even when the status was lost"
    );
    // Drift away from the older price goes back to it, not to the new one.
    let mut drifted = observed;
    drifted.subscriptions[0].items[0].price = price("starter", 2900);
    let plan = plan_with(&desired, &drifted, &recorded);
    assert_eq!(
        described(&plan),
        [
            "~ update sub_1: subscription.price \"starter, 29.00 usd/month (price_starter)\" -> \"pro (price_pro)\""
        ]
    );
}

#[test]
fn what_was_recorded_of_an_ended_subscription_says_nothing_about_its_successor() {
    let recorded = Recorded {
        subscription_id: Some("sub_0".into()),
        ..recorded("pro", "price_old", 1)
    };
    let plan = plan_with(&desired(), &with(vec![active()]), &recorded);
    assert_idle(&plan);
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
    desired.offer.base = Price {
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
    let plan = plan_with(&desired(), &with(vec![edited]), &recorded);
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
        ..recorded("pro", "price_old", 1)
    };
    let plan = plan_with(&desired(), &with(vec![active()]), &recorded);
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
    assert_idle(&plan_of(&desired, &Observed::default()));
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
    assert_idle(&plan_of(&canceled, &observed));
}

#[test]
fn editing_the_trial_moves_its_end_and_an_extension_in_the_dashboard_stands() {
    let mut desired = desired();
    desired.trial = TrialTerms::Tenant(DeclaredTrial::Days(30));
    let plan = plan_of(&desired, &with(vec![trialing()]));
    let end = trialing().start_date + (30 * 24).hours();
    assert!(matches!(plan.steps[..], [Step::MoveTrialEnd { end: Some(at), .. }] if at == end));
    desired.trial = TrialTerms::Tenant(DeclaredTrial::Days(14));
    let extended = Subscription {
        trial_end: Some(now() + (60 * 24).hours()),
        ..trialing()
    };
    assert!(steps(&desired, &with(vec![extended])).is_empty());
}

#[test]
fn a_trial_cut_to_the_past_ends_now_but_only_if_somebody_can_pay() {
    let mut desired = desired();
    desired.trial = TrialTerms::Tenant(DeclaredTrial::Days(3));
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
    desired.offer.base = price("starter", 2900);
    let scheduled = Subscription {
        schedule: Some(foreign_schedule()),
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
