//! Every transition.

use super::*;
use crate::converge::observed::HoldMark;
use DunningStage::{Limited, Reminder, Suspended, Warning};

#[test]
fn each_stage_begins_to_the_second_and_the_last_one_stays() {
    let observed = observed(vec![failed("in_1", 0)]);
    let second = SignedDuration::from_secs(1);
    for (at, before, from) in [
        (0, None, Reminder),
        (72, Some(Reminder), Warning),
        (144, Some(Warning), Limited),
        (168, Some(Limited), Suspended),
    ] {
        if at > 0 {
            assert_eq!(
                stage(&observed, hours(at) - second),
                before,
                "before {at} h"
            );
        }
        assert_eq!(stage(&observed, hours(at)), Some(from), "at {at} h");
    }
    assert_eq!(stage(&observed, hours(24 * 400)), Some(Suspended));
}

#[test]
fn it_says_what_comes_next_and_when_and_from_which_day() {
    let observed = observed(vec![failed("in_1", 0)]);
    for (at, day, next, restricts) in [
        (0, 1, Some((Warning, Some(hours(72)))), Some(hours(144))),
        (71, 3, Some((Warning, Some(hours(72)))), Some(hours(144))),
        (72, 4, Some((Limited, Some(hours(144)))), Some(hours(144))),
        (
            144,
            7,
            Some((Suspended, Some(hours(168)))),
            Some(hours(168)),
        ),
        (168, 8, None, None),
        (500, 21, None, None),
    ] {
        let now = hours(at);
        let dunning = judged(&observed, &DunningTerms::default(), now).unwrap();
        assert_eq!(dunning.day, day, "{at} h");
        assert_eq!(dunning.next, next, "{at} h");
        assert_eq!(dunning.restricts_at, restricts, "{at} h");
        assert_eq!(dunning.suspend_at, Some(hours(168)), "{at} h");
    }
}

#[test]
fn paying_clears_every_stage_at_once() {
    for at in [0, 72, 144, 168, 1000] {
        let paid = Invoice {
            status: InvoiceStatus::Paid,
            amount: 0,
            ..failed("in_1", 0)
        };
        assert_eq!(
            judged(&observed(vec![paid]), &DunningTerms::default(), hours(at)),
            None
        );
        assert_eq!(
            judged(&observed(vec![]), &DunningTerms::default(), hours(at)),
            None
        );
    }
}

#[test]
fn what_nobody_failed_to_pay_is_not_overdue() {
    let draft = Invoice {
        status: InvoiceStatus::Draft,
        ..failed("in_1", 0)
    };
    let void = Invoice {
        status: InvoiceStatus::Void,
        ..failed("in_1", 0)
    };
    let nothing = Invoice {
        amount: 0,
        ..failed("in_1", 0)
    };
    let about_to_be_charged = Invoice {
        attempted: false,
        attempt_count: 0,
        auto_advance: false,
        ..failed("in_1", 0)
    };
    let with_the_bank = Invoice {
        awaits: Awaits::Processing,
        ..failed("in_1", 0)
    };
    let held_for_a_dispute = Invoice {
        held: Some(HoldMark::read("du_1@0")),
        ..failed("in_1", 0)
    };
    let somebody_elses = Invoice {
        subscription: Some("sub_other".into()),
        ..failed("in_1", 0)
    };
    let by_hand = Invoice {
        subscription: None,
        ..failed("in_1", 0)
    };
    for invoice in [
        draft,
        void,
        nothing,
        about_to_be_charged,
        with_the_bank,
        held_for_a_dispute,
        somebody_elses,
        by_hand,
    ] {
        let observed = observed(vec![invoice.clone()]);
        assert_eq!(stage(&observed, hours(500)), None, "{invoice:?}");
    }
}

/// Whether it counts as an attempt that there was no payment method, Stripe does not say.
#[test]
fn an_invoice_that_was_passed_over_counts_as_failed_once_an_attempt_has_had_its_time() {
    let invoice = Invoice {
        attempted: false,
        attempt_count: 0,
        ..failed("in_1", 0)
    };
    let late = observed(vec![invoice.clone()]);
    assert_eq!(stage(&late, hours(0)), None);
    let next = next_overdue(&late.subscriptions[0], &late.invoices, hours(0));
    assert_eq!(next, Some(hours(1)));
    assert_eq!(stage(&late, hours(1)), Some(Reminder));
    assert_eq!(stage(&late, hours(168)), Some(Suspended));
    let current = of_status(SubscriptionStatus::Active, vec![invoice]);
    assert_eq!(stage(&current, hours(168)), None, "nothing has failed");
}

#[test]
fn an_invoice_that_is_sent_is_overdue_from_its_due_date_on() {
    let observed = of_status(SubscriptionStatus::Active, vec![due("in_1", 240)]);
    assert_eq!(stage(&observed, hours(239)), None);
    let subscription = &observed.subscriptions[0];
    let next = next_overdue(subscription, &observed.invoices, hours(239));
    assert_eq!(next, Some(hours(240)));
    assert_eq!(
        next_overdue(subscription, &observed.invoices, hours(240)),
        None
    );
    assert_eq!(stage(&observed, hours(240)), Some(Reminder));
    assert_eq!(stage(&observed, hours(240 + 168)), Some(Suspended));
}

#[test]
fn a_payment_that_the_customer_has_to_authenticate_has_failed() {
    let invoice = Invoice {
        awaits: Awaits::Action,
        ..failed("in_1", 0)
    };
    assert_eq!(stage(&observed(vec![invoice]), hours(1)), Some(Reminder));
}

#[test]
fn a_bank_that_refuses_the_second_attempt_slowly_changes_nothing() {
    let invoice = Invoice {
        awaits: Awaits::Processing,
        attempt_count: 2,
        ..failed("in_1", 0)
    };
    assert_eq!(stage(&observed(vec![invoice]), hours(80)), Some(Warning));
}

#[test]
fn a_subscription_that_was_never_paid_for_has_no_dunning() {
    for status in [
        SubscriptionStatus::Incomplete,
        SubscriptionStatus::IncompleteExpired,
    ] {
        let observed = of_status(status, vec![failed("in_1", 0)]);
        assert_eq!(stage(&observed, hours(500)), None);
    }
}

#[test]
fn stripe_giving_up_does_not_bring_a_day_forward_nor_puts_it_off() {
    for status in [SubscriptionStatus::Unpaid, SubscriptionStatus::PastDue] {
        for invoice in [InvoiceStatus::Open, InvoiceStatus::Uncollectible] {
            let invoice = Invoice {
                status: invoice,
                ..failed("in_1", 0)
            };
            let observed = of_status(status.clone(), vec![invoice]);
            assert_eq!(stage(&observed, hours(80)), Some(Warning));
            assert_eq!(stage(&observed, hours(168)), Some(Suspended));
        }
    }
}

#[test]
fn a_debt_of_the_tenants_last_subscription_counts() {
    let mut observed = observed(vec![failed("in_1", 0)]);
    observed.subscriptions[0].status = SubscriptionStatus::Canceled;
    let mut again = subscription(SubscriptionStatus::Active);
    again.id = "sub_2".into();
    observed.subscriptions.push(again);
    assert_eq!(stage(&observed, hours(168)), Some(Suspended));
}

#[test]
fn a_subscription_that_lost_its_metadata_is_still_dunned_if_it_is_recorded() {
    let mut observed = observed(vec![failed("in_1", 0)]);
    observed.subscriptions[0].key = None;
    assert_eq!(stage(&observed, hours(168)), None);
    let terms = DunningTerms::default();
    let judged = judge(&observed, &key(), Some("sub_1"), &terms, hours(168));
    assert_eq!(judged.unwrap().stage, Some(Suspended));
}

#[test]
fn attempts_count_instead_of_days_where_the_plan_says_so() {
    let attempted = |count, next| Invoice {
        attempt_count: count,
        next_payment_attempt: next,
        ..failed("in_1", 0)
    };
    for (count, next, expected, then) in [
        (
            1,
            Some(hours(72)),
            Reminder,
            Some((Warning, Some(hours(72)))),
        ),
        (2, Some(hours(200)), Warning, Some((Suspended, None))),
        (
            3,
            Some(hours(300)),
            Warning,
            Some((Suspended, Some(hours(300)))),
        ),
        (3, None, Warning, Some((Suspended, None))),
        (4, None, Suspended, None),
        (9, None, Suspended, None),
    ] {
        let observed = observed(vec![attempted(count, next)]);
        let dunning = judged(&observed, &by_attempts(), hours(71)).unwrap();
        assert_eq!(dunning.stage, Some(expected), "{count}");
        assert_eq!(dunning.next, then, "{count}");
    }
}

#[test]
fn attempts_are_over_when_stripe_gives_up() {
    let observed = of_status(SubscriptionStatus::Unpaid, vec![failed("in_1", 0)]);
    let dunning = judged(&observed, &by_attempts(), hours(1)).unwrap();
    assert_eq!(dunning.stage, Some(Suspended));
}

#[test]
fn an_attempt_without_a_payment_method_counts_as_the_first() {
    let invoice = Invoice {
        attempted: true,
        attempt_count: 0,
        ..failed("in_1", 0)
    };
    let observed = observed(vec![invoice]);
    assert_eq!(stage(&observed, hours(0)), Some(Reminder));
    let dunning = judged(&observed, &by_attempts(), hours(0)).unwrap();
    assert_eq!(dunning.stage, Some(Reminder));
}

#[test]
fn an_invoice_that_is_sent_goes_by_the_default_days_where_attempts_count() {
    let observed = observed(vec![due("in_1", 0)]);
    let at = |hour| {
        judged(&observed, &by_attempts(), hours(hour))
            .unwrap()
            .stage
    };
    assert_eq!(at(0), Some(Reminder));
    assert_eq!(at(144), Some(Limited));
    assert_eq!(at(168), Some(Suspended));
}

#[test]
fn stages_that_the_plan_leaves_out_are_skipped() {
    let terms = terms(
        json!({"stages": [{"stage": "Warning", "day": 3}, {"stage": "Suspended", "day": 31}]}),
    );
    let observed = observed(vec![failed("in_1", 0)]);
    let at = |hour| judged(&observed, &terms, hours(hour)).unwrap();
    assert_eq!(at(0).stage, None);
    assert_eq!(at(0).next, Some((Warning, Some(hours(48)))));
    assert_eq!(at(48).stage, Some(Warning));
    assert_eq!(at(719).stage, Some(Warning));
    assert_eq!(at(719).restricts_at, Some(hours(720)));
    assert_eq!(at(720).stage, Some(Suspended));
}

#[test]
fn a_plan_that_only_reminds_never_suspends() {
    let terms = terms(json!({"stages": [{"stage": "Reminder", "day": 1}]}));
    let observed = observed(vec![failed("in_1", 0)]);
    let dunning = judged(&observed, &terms, hours(9000)).unwrap();
    assert_eq!(dunning.stage, Some(Reminder));
    assert_eq!(
        (dunning.next, dunning.suspend_at, dunning.restricts_at),
        (None, None, None)
    );
}

#[test]
fn while_the_manifest_holds_no_stage_is_in_force_and_afterwards_the_one_that_was_reached() {
    let terms = DunningTerms {
        hold_until: Some(hours(400)),
        ..DunningTerms::default()
    };
    let observed = observed(vec![failed("in_1", 0)]);
    let at = |hour| judged(&observed, &terms, hours(hour)).unwrap();
    for hour in [0, 80, 399] {
        let dunning = at(hour);
        assert_eq!(dunning.stage, None);
        assert_eq!(dunning.held_until, Some(hours(400)));
        assert_eq!(dunning.next, Some((Suspended, Some(hours(400)))));
        assert_eq!(dunning.suspend_at, Some(hours(400)));
        assert_eq!(dunning.restricts_at, Some(hours(400)));
        assert_eq!(dunning.level(), AccessLevel::Full);
    }
    assert_eq!(at(400).stage, Some(Suspended));
    assert_eq!(at(400).held_until, None);
}

#[test]
fn a_hold_that_ends_before_the_next_stage_puts_nothing_off() {
    let terms = DunningTerms {
        hold_until: Some(hours(100)),
        ..DunningTerms::default()
    };
    let observed = observed(vec![failed("in_1", 90)]);
    let dunning = judged(&observed, &terms, hours(91)).unwrap();
    assert_eq!(dunning.next, Some((Reminder, Some(hours(100)))));
    assert_eq!(dunning.restricts_at, Some(hours(90 + 144)));
    let dunning = judged(&observed, &terms, hours(100)).unwrap();
    assert_eq!(dunning.stage, Some(Reminder));
}

#[test]
fn the_invoice_that_is_overdue_for_longest_decides_and_the_amount_is_that_of_all() {
    let observed = observed(vec![
        failed("in_2", 100),
        failed("in_1", 0),
        due("in_3", 30),
    ]);
    let dunning = judged(&observed, &DunningTerms::default(), hours(150)).unwrap();
    assert_eq!(dunning.anchor.id, "in_1");
    assert_eq!(dunning.stage, Some(Limited));
    assert_eq!((dunning.overdue, dunning.amount), (3, 3 * 9900));
}

#[test]
fn what_may_be_used_at_each_stage() {
    let levels = [Reminder, Warning, Limited, Suspended].map(level);
    let expected = [
        AccessLevel::Full,
        AccessLevel::Full,
        AccessLevel::Limited,
        AccessLevel::Suspended,
    ];
    assert_eq!(levels, expected);
}
