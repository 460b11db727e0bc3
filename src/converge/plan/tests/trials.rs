//! A trial's end: moved, prepared, reminded of.

use super::*;
use crate::converge::steps::TrialStart;

/// The trial of [`trialing`] ends nine days from [`now`].
fn end() -> Timestamp {
    trialing().trial_end.unwrap()
}

fn plan_at(desired: &Desired, observed: &Observed, at: Timestamp) -> Plan {
    answered(desired, observed, &Recorded::default(), Situation::at(at))
}

fn unpayable(subscription: Subscription) -> Observed {
    let mut observed = with(vec![subscription]);
    observed.customers[0].default_payment_method = None;
    observed
}

fn until(end: Timestamp) -> Desired {
    Desired {
        trial: TrialTerms::Tenant(DeclaredTrial::Until(end)),
        ..desired()
    }
}

#[test]
fn three_days_before_its_end_a_trial_is_reminded_of_once() {
    let observed = with(vec![trialing()]);
    let at = end() - (3 * 24).hours();
    let before = plan_at(&desired(), &observed, at - 1.seconds());
    assert!(before.steps.is_empty(), "{:?}", before.steps);
    assert_eq!(before.look_at, Some(at), "the next look is at the reminder");
    let due = plan_at(&desired(), &observed, at);
    assert_eq!(
        described(&due),
        [format!(
            "the trial of sub_1 ends at {}; the payment method on file is charged from then on",
            end()
        )]
    );
    let reminded = with(vec![Subscription {
        reminded_of: Some(end()),
        ..trialing()
    }]);
    assert!(plan_at(&desired(), &reminded, at).steps.is_empty());
}

#[test]
fn an_extended_trial_is_reminded_of_again_before_its_new_end() {
    let extended = Subscription {
        trial_end: Some(end() + (30 * 24).hours()),
        reminded_of: Some(end()),
        ..trialing()
    };
    let observed = with(vec![extended]);
    assert!(plan_at(&desired(), &observed, end()).steps.is_empty());
    let plan = plan_at(&desired(), &observed, end() + (28 * 24).hours());
    assert!(matches!(plan.steps[..], [Step::RemindOfTrialEnd { .. }]));
}

#[test]
fn nobody_is_reminded_who_does_not_want_it_or_has_cancelled_or_whose_trial_is_over() {
    let at = end() - 1.hours();
    let mut silent = desired();
    silent.trial_ending.remind_days_before = 0;
    assert!(
        plan_at(&silent, &with(vec![trialing()]), at)
            .steps
            .is_empty()
    );
    let canceling = Subscription {
        cancel_at_period_end: true,
        ..trialing()
    };
    assert!(
        plan_at(&desired(), &with(vec![canceling]), at)
            .steps
            .is_empty()
    );
    assert!(
        plan_at(&desired(), &with(vec![trialing()]), end())
            .steps
            .is_empty()
    );
    assert!(
        plan_at(&desired(), &with(vec![active()]), at)
            .steps
            .is_empty()
    );
}

#[test]
fn the_reminder_says_what_happens_without_a_payment_method() {
    for (behavior, word) in [
        (Some(IfNoPaymentMethod::Cancel), "cancelled"),
        (Some(IfNoPaymentMethod::Pause), "paused"),
        (Some(IfNoPaymentMethod::Invoice), "invoice"),
        (None, "invoice"),
    ] {
        let observed = unpayable(Subscription {
            if_no_payment_method: behavior,
            ..trialing()
        });
        let plan = plan_at(&desired(), &observed, end() - 1.hours());
        let notice = plan.steps[0].to_string();
        assert!(notice.contains("no payment method on file"), "{notice}");
        assert!(notice.contains(word), "{notice}");
    }
}

#[test]
fn with_the_reminder_the_customer_gets_a_page_for_a_payment_method_and_the_tenant_stays_ready() {
    let reminded = Subscription {
        reminded_of: Some(end()),
        ..trialing()
    };
    let observed = unpayable(reminded);
    let early = plan_at(&desired(), &observed, end() - (4 * 24).hours());
    assert_idle(&early);
    let plan = plan_at(&desired(), &observed, end() - (2 * 24).hours());
    assert!(matches!(plan.steps[..], [Step::CreateSetupSession { .. }]));
    assert_eq!(plan.hold, None);
    let mut relaxed = desired();
    relaxed.payment.requirement = PaymentRequirement::NotRequired;
    assert_idle(&plan_at(&relaxed, &observed, end() - (2 * 24).hours()));
}

#[test]
fn a_card_that_was_left_during_the_trial_is_made_the_default_before_it_ends() {
    let observed = unpayable(Subscription {
        reminded_of: Some(end()),
        ..trialing()
    });
    let situation = Situation {
        attached: Some(Attached::Latest("pm_2".into())),
        ..Situation::at(end() - 1.hours())
    };
    let plan = answered(&desired(), &observed, &Recorded::default(), situation);
    assert_eq!(described(&plan), ["~ charge cus_1 by pm_2"]);
}

#[test]
fn a_trial_that_ends_at_an_instant_begins_with_it_and_moves_with_it() {
    let date = now() + (20 * 24).hours();
    let plan = plan_of(&until(date), &with(vec![]));
    assert!(
        matches!(&plan.steps[..], [Step::CreateSubscription { new, .. }]
            if new.trial == Some(TrialStart::Until(date))
                && new.declared_trial == DeclaredTrial::Until(date))
    );
    let plan = plan_of(&until(date), &with(vec![trialing()]));
    assert!(
        matches!(plan.steps[..], [Step::MoveTrialEnd { end: Some(at), declared, .. }]
            if at == date && declared == DeclaredTrial::Until(date))
    );
    let moved = Subscription {
        trial_end: Some(date),
        declared_trial: Some(DeclaredTrial::Until(date)),
        ..trialing()
    };
    assert_idle(&plan_of(&until(date), &with(vec![moved])));
}

#[test]
fn an_instant_that_has_passed_means_no_trial_or_the_end_of_the_one_that_runs() {
    let past = now() - 1.hours();
    let plan = plan_of(&until(past), &with(vec![]));
    assert!(
        matches!(&plan.steps[..], [Step::CreateSubscription { new, .. }] if new.trial.is_none())
    );
    let plan = plan_of(&until(past), &with(vec![trialing()]));
    assert!(matches!(
        plan.steps[..],
        [Step::MoveTrialEnd { end: None, .. }]
    ));
}

#[test]
fn a_trial_longer_than_stripe_allows_is_refused_by_name() {
    let date = now() + (731 * 24).hours();
    for observed in [with(vec![]), with(vec![trialing()])] {
        let hold = plan_of(&until(date), &observed).hold.unwrap();
        assert_eq!(
            (hold.reason, hold.kind),
            (reason::INVALID_SPEC, HoldKind::Stalled)
        );
        assert!(
            hold.message.starts_with("spec.trial.endsAt: "),
            "{}",
            hold.message
        );
    }
}

#[test]
fn what_happens_at_the_end_of_a_running_trial_follows_the_manifest_that_speaks_of_it() {
    let mut desired = desired();
    assert_idle(&plan_of(&desired, &with(vec![trialing()])));
    desired.trial_ending.if_no_payment_method = Some(IfNoPaymentMethod::Cancel);
    assert_eq!(
        steps(&desired, &with(vec![trialing()])),
        ["~ update sub_1: subscription.trialIfNoPaymentMethod \"Pause\" -> \"Cancel\""]
    );
    assert_idle(&plan_of(&desired, &with(vec![active()])));
}
