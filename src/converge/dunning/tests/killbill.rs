//! What went wrong in Kill Bill's overdue engine, as its own issues tell it.

use super::*;
use DunningStage::{Limited, Reminder, Suspended, Warning};

/// killbill#2297: with several invoices unpaid, paying the oldest moved the state straight to the last
/// one.
#[test]
fn killbill_2297_paying_the_oldest_of_several_moves_back_to_the_stage_of_the_next() {
    let both = observed(vec![failed("in_1", 0), failed("in_2", 100)]);
    assert_eq!(stage(&both, hours(150)), Some(Limited));
    let one = observed(vec![failed("in_2", 100)]);
    assert_eq!(stage(&one, hours(150)), Some(Reminder));
    // And from there on by that invoice's own days, one stage after the other.
    let days: Vec<_> = (0..8)
        .map(|day| stage(&one, hours(150 + 24 * day)))
        .collect();
    let (r, w, l, s) = (
        Some(Reminder),
        Some(Warning),
        Some(Limited),
        Some(Suspended),
    );
    assert_eq!(days, [r, w, w, w, l, s, s, s]);
}

/// killbill#782: the state depended on when, and how often, it was computed.
#[test]
fn killbill_782_the_stage_is_the_same_however_often_and_in_whatever_order_it_is_judged() {
    let mut invoices = vec![failed("in_1", 0), failed("in_2", 60), due("in_3", 20)];
    let expected = stage(&observed(invoices.clone()), hours(100));
    for _ in 0..3 {
        invoices.rotate_left(1);
        for _ in 0..2 {
            assert_eq!(stage(&observed(invoices.clone()), hours(100)), expected);
        }
    }
    // Judged for the first time long after the fact it is what it would be anyway.
    assert_eq!(stage(&observed(invoices), hours(1000)), Some(Suspended));
}

/// killbill#472: an account stayed blocked after its balance was settled.
#[test]
fn killbill_472_who_owes_nothing_is_at_no_stage_whatever_was_before() {
    let unpaid = observed(vec![failed("in_1", 0)]);
    assert_eq!(stage(&unpaid, hours(500)), Some(Suspended));
    let settled = Invoice {
        status: InvoiceStatus::Paid,
        amount: 0,
        ..failed("in_1", 0)
    };
    let settled = of_status(SubscriptionStatus::Active, vec![settled]);
    assert_eq!(judged(&settled, &DunningTerms::default(), hours(500)), None);
}

/// killbill#687: a payment that came in at the moment of the next stage lost the race against it.
#[test]
fn killbill_687_a_payment_at_the_very_moment_of_a_stage_wins() {
    let moment = hours(168);
    assert_eq!(
        stage(&observed(vec![failed("in_1", 0)]), moment),
        Some(Suspended)
    );
    let paid = Invoice {
        status: InvoiceStatus::Paid,
        amount: 0,
        ..failed("in_1", 0)
    };
    assert_eq!(stage(&observed(vec![paid]), moment), None);
}
