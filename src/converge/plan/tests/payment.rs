//! Whether and how a tenant gets on without a payment method.

use super::*;
use crate::converge::notice::Marks;
use crate::converge::observed::{Awaits, Invoice, InvoiceStatus, InvoiceTax};
use crate::converge::steps::{FirstPayment, NewSubscription, TrialStart};

fn without_method() -> Observed {
    let mut observed = with(vec![]);
    observed.customers[0].default_payment_method = None;
    observed
}

fn requiring(requirement: PaymentRequirement) -> Desired {
    let mut desired = desired();
    desired.payment.requirement = requirement;
    desired
}

/// The plan when the customer has left nothing but what `attached` says.
fn plan_having(desired: &Desired, observed: &Observed, attached: Attached) -> Plan {
    let situation = Situation {
        attached: Some(attached),
        ..Situation::at(now())
    };
    answered(desired, observed, &Recorded::default(), situation)
}

fn created(plan: &Plan) -> &NewSubscription {
    match &plan.steps[..] {
        [Step::CreateSubscription { new, .. }] => new,
        steps => panic!("{steps:?}"),
    }
}

#[test]
fn before_a_trial_nothing_begins_without_a_payment_method_and_the_customer_gets_a_page() {
    let desired = requiring(PaymentRequirement::BeforeTrial);
    let plan = plan_of(&desired, &without_method());
    assert_eq!(
        described(&plan),
        ["+ make a page for cus_1 to leave a payment method (status.payment.setupUrl)"]
    );
    let hold = plan.hold.unwrap();
    assert_eq!(hold.reason, reason::PAYMENT_METHOD_MISSING);
    assert_eq!(hold.kind, HoldKind::Waiting);
    assert!(
        hold.message.contains("status.payment.setupUrl"),
        "{}",
        hold.message
    );
}

#[test]
fn what_payment_methods_there_are_is_asked_before_a_page_is_made() {
    let desired = requiring(PaymentRequirement::BeforeTrial);
    let plan = tenant(
        &desired,
        &without_method(),
        &Recorded::default(),
        &Situation::at(now()),
    );
    assert_eq!(plan.ask, Some(Ask::PaymentMethods("cus_1".into())));
    assert!(plan.steps.is_empty());
}

#[test]
fn a_page_that_is_still_good_is_kept_and_one_that_expired_is_replaced() {
    let desired = requiring(PaymentRequirement::BeforeTrial);
    let with_link = |expires_at| Recorded {
        setup: Some(link(expires_at)),
        ..Recorded::default()
    };
    let good = now() + 1.hours();
    let plan = plan_with(&desired, &without_method(), &with_link(good));
    assert_eq!((plan.steps.len(), plan.setup), (0, Some(link(good))));
    assert_eq!(plan.look_at, Some(good), "it is replaced when it expires");
    let plan = plan_with(&desired, &without_method(), &with_link(now()));
    assert_eq!(plan.setup, None);
    assert!(matches!(&plan.steps[..], [Step::CreateSetupSession { basis, .. }] if basis == "cs_1"));
}

#[test]
fn pages_expire_by_the_wall_clock_whatever_clock_the_tenant_lives_on() {
    let desired = requiring(PaymentRequirement::BeforeTrial);
    let recorded = Recorded {
        setup: Some(link(now() + 1.hours())),
        ..Recorded::default()
    };
    let later = Situation {
        attached: Some(Attached::Nothing),
        wall: now(),
        ..Situation::at(now() + (24 * 60).hours())
    };
    let plan = tenant(&desired, &without_method(), &recorded, &later);
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert!(plan.setup.is_some());
}

#[test]
fn a_card_left_on_the_page_becomes_the_one_that_is_charged_and_then_the_trial_begins() {
    let desired = requiring(PaymentRequirement::BeforeTrial);
    let mut observed = without_method();
    let plan = plan_having(&desired, &observed, Attached::Latest("pm_2".into()));
    assert_eq!(described(&plan), ["~ charge cus_1 by pm_2"]);
    observed.customers[0].default_payment_method = Some("pm_2".into());
    let plan = plan_of(&desired, &observed);
    assert_eq!(created(&plan).trial, Some(TrialStart::Days(14)));
    assert_eq!((plan.hold, plan.setup), (None, None));
}

#[test]
fn without_an_address_to_return_to_the_message_says_what_is_missing() {
    let mut desired = requiring(PaymentRequirement::BeforeTrial);
    desired.payment.return_url = None;
    let plan = plan_of(&desired, &without_method());
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    let message = plan.hold.unwrap().message;
    assert!(message.contains("spec.payment.returnUrl"), "{message}");
    assert!(message.contains("--payment-return-url"), "{message}");
}

#[test]
fn a_trial_needs_no_payment_method_unless_the_manifest_says_so() {
    for requirement in [
        PaymentRequirement::BeforeTrialEnd,
        PaymentRequirement::NotRequired,
    ] {
        let plan = plan_of(&requiring(requirement), &without_method());
        assert_eq!(created(&plan).trial, Some(TrialStart::Days(14)));
    }
}

#[test]
fn where_none_is_required_the_first_payment_is_the_customers() {
    let mut desired = requiring(PaymentRequirement::NotRequired);
    desired.trial = TrialTerms::Plan(0);
    let plan = plan_of(&desired, &without_method());
    assert_eq!(created(&plan).first_payment, FirstPayment::ByCustomer);
    assert_eq!(created(&plan).trial, None);
    let plan = plan_of(&desired, &with(vec![]));
    assert_eq!(created(&plan).first_payment, FirstPayment::OnFile);
}

#[test]
fn a_free_plan_needs_a_payment_method_only_where_the_manifest_asks_for_it_before_everything() {
    let free = |requirement| {
        let mut desired = requiring(requirement);
        desired.trial = TrialTerms::Plan(0);
        desired.offer.base.unit_amount = Some(0);
        plan_of(&desired, &without_method())
    };
    assert_eq!(free(PaymentRequirement::BeforeTrialEnd).hold, None);
    assert!(free(PaymentRequirement::BeforeTrial).hold.is_some());
}

#[test]
fn tenants_who_get_invoices_begin_without_a_payment_method() {
    let mut desired = desired();
    desired.trial = TrialTerms::Plan(0);
    desired.payment.requirement = PaymentRequirement::BeforeTrialEnd;
    desired.payment.collection = Some(CollectionMethod::Invoice { days_until_due: 30 });
    let plan = plan_of(&desired, &without_method());
    let collection = created(&plan).collection;
    assert_eq!(collection, CollectionMethod::Invoice { days_until_due: 30 });
}

#[test]
fn the_collection_of_a_running_subscription_follows_the_manifest_that_speaks_of_it() {
    let mut desired = desired();
    let sent = Subscription {
        collection: CollectionMethod::Invoice { days_until_due: 30 },
        ..active()
    };
    assert!(steps(&desired, &with(vec![sent.clone()])).is_empty());
    desired.payment.collection = Some(CollectionMethod::Automatic);
    assert_eq!(
        steps(&desired, &with(vec![sent.clone()])),
        ["~ update sub_1: subscription.collection \"Invoice, 30 days\" -> \"Automatic\""]
    );
    let governed = Subscription {
        schedule: Some(foreign_schedule()),
        ..sent
    };
    assert_eq!(
        hold(&desired, &with(vec![governed])),
        reason::SCHEDULE_ATTACHED
    );
}

#[test]
fn a_paused_subscription_goes_on_by_itself_when_a_card_arrives() {
    let paused = Subscription {
        status: SubscriptionStatus::Paused,
        ..trialing()
    };
    let mut observed = with(vec![paused]);
    observed.customers[0].default_payment_method = None;
    let plan = plan_of(&desired(), &observed);
    assert_eq!(
        plan.hold.as_ref().unwrap().reason,
        reason::PAYMENT_METHOD_MISSING
    );
    assert!(matches!(plan.steps[..], [Step::CreateSetupSession { .. }]));
    let plan = plan_having(&desired(), &observed, Attached::Latest("pm_2".into()));
    assert_eq!(described(&plan), ["~ charge cus_1 by pm_2"]);
    observed.customers[0].default_payment_method = Some("pm_2".into());
    assert_eq!(steps(&desired(), &observed), ["~ resume sub_1"]);
}

#[test]
fn a_subscription_that_somebody_paused_is_left_alone_and_reported() {
    let paused = Subscription {
        status: SubscriptionStatus::Paused,
        pause: Some(Pause::Other),
        ..active()
    };
    let plan = plan_of(&desired(), &with(vec![paused]));
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.reported[0].field, "subscription.status");
}

#[test]
fn a_resumption_that_is_not_paid_is_waited_for_and_not_repeated() {
    let paused = Subscription {
        status: SubscriptionStatus::Paused,
        ..trialing()
    };
    let mut observed = with(vec![paused]);
    observed.invoices = vec![open_invoice("sub_1")];
    let plan = plan_of(&desired(), &observed);
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.hold.unwrap().reason, reason::AWAITING_PAYMENT);
    observed.invoices = vec![open_invoice("sub_another")];
    assert_eq!(steps(&desired(), &observed), ["~ resume sub_1"]);
}

pub(super) fn open_invoice(subscription: &str) -> Invoice {
    Invoice {
        id: "in_1".into(),
        customer: "cus_1".into(),
        subscription: Some(subscription.into()),
        status: InvoiceStatus::Open,
        amount: 9900,
        currency: "usd".into(),
        billing_reason: "subscription_update".into(),
        created: now(),
        auto_advance: true,
        finalizes_at: None,
        finalized: None,
        attempted: true,
        attempt_count: 1,
        next_payment_attempt: None,
        due_date: None,
        hosted_url: None,
        finalization_error: None,
        tax: InvoiceTax::default(),
        awaits: Awaits::PaymentMethod,
        tried: Some("pm_1".into()),
        held: None,
        notices: Marks::default(),
    }
}
