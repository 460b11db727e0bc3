//! Changes within a period, trials and anchors.

use super::*;

#[test]
fn an_upgrade_waits_for_the_next_invoice_to_the_cent() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    let change = to(&state, &id, "pro");
    change::apply(&mut state, &change, START + 14 * DAY).unwrap();
    assert_eq!(invoice_count(&state), 1);
    run_due(&mut state, FEB_28);
    let amounts: Vec<_> = latest(&state, &id)
        .lines
        .iter()
        .map(|line| line.amount)
        .collect();
    assert_eq!(amounts, [-500, 4_950, 9_900]);
}

#[test]
fn a_preview_and_the_change_come_to_the_same_cent() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    let at = START + 5 * DAY + 7_777;
    let change = Change {
        proration: ProrationBehavior::AlwaysInvoice,
        proration_date: at,
        ..to(&state, &id, "pro")
    };
    let planned = change::plan(&state, get(&state, &id), &change, at);
    let preview = change::invoice(&state, get(&state, &id), &planned, &change, at).unwrap();
    // Some hours later, with the same proration date.
    change::apply(&mut state, &change, at + 5 * HOUR).unwrap();
    assert_eq!(latest(&state, &id).total(), preview.total());
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Paid);
}

#[test]
fn another_interval_and_the_first_paid_price_start_a_new_cycle_billed_at_once() {
    for (from, target, total) in [("pro", "annual", 99_000 - 4_950), ("free", "pro", 9_900)] {
        let mut state = state();
        let id = begun(&mut state, new(from));
        let now = START + 14 * DAY;
        let change = to(&state, &id, target);
        change::apply(&mut state, &change, now).unwrap();
        assert_eq!(get(&state, &id).billing_cycle_anchor, now);
        assert_eq!(get(&state, &id).period().start, now);
        assert_eq!(
            (latest(&state, &id).total(), latest(&state, &id).status),
            (total, InvoiceStatus::Paid)
        );
    }
}

#[test]
fn a_trial_without_a_card_ends_as_it_was_told_to() {
    for (behavior, status) in [
        (MissingPaymentMethod::Cancel, Status::Canceled),
        (MissingPaymentMethod::Pause, Status::Paused),
        (MissingPaymentMethod::CreateInvoice, Status::PastDue),
    ] {
        let mut state = state();
        state.payment_methods.remove("pm_1");
        let end = START + 14 * DAY;
        let wanted = NewSubscription {
            trial_end: Some(end),
            missing_payment_method: behavior,
            ..new("pro")
        };
        let id = begun(&mut state, wanted);
        assert_eq!(
            latest(&state, &id).status,
            InvoiceStatus::Paid,
            "the trial's invoice is for nothing"
        );
        run_due(&mut state, end + HOUR);
        assert_eq!(get(&state, &id).status, status);
    }
}

#[test]
fn the_end_of_a_trial_is_announced_once() {
    let mut state = state();
    let end = START + 14 * DAY;
    begun(
        &mut state,
        NewSubscription {
            trial_end: Some(end),
            ..new("pro")
        },
    );
    let announced = |state: &State| {
        let kind = "customer.subscription.trial_will_end";
        state
            .events
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    };
    run_due(&mut state, end - 3 * DAY - 1);
    assert_eq!(announced(&state), 0);
    run_due(&mut state, end - 3 * DAY);
    run_due(&mut state, end + DAY);
    assert_eq!(announced(&state), 1);
}

#[test]
fn a_trial_ended_now_is_billed_now_from_now() {
    let mut state = state();
    let id = begun(
        &mut state,
        NewSubscription {
            trial_end: Some(START + 14 * DAY),
            ..new("pro")
        },
    );
    let now = START + DAY;
    let change = Change {
        trial_end: Some(TrialEnd::Now),
        proration_date: now,
        ..to(&state, &id, "pro")
    };
    change::apply(&mut state, &change, now).unwrap();
    assert_eq!(get(&state, &id).status, Status::Active);
    assert_eq!(get(&state, &id).billing_cycle_anchor, now);
    assert_eq!(latest(&state, &id).amount_paid, 9_900);
}

#[test]
fn time_before_a_chosen_anchor_is_charged_in_part_or_not_at_all() {
    let anchor = START + 7 * DAY;
    // The whole period would be the 31 days from January 7.
    for (proration, total) in [
        (ProrationBehavior::CreateProrations, 2_235),
        (ProrationBehavior::None, 0),
    ] {
        let mut state = state();
        let wanted = NewSubscription {
            billing_cycle_anchor: Some(anchor),
            proration,
            ..new("pro")
        };
        let id = begun(&mut state, wanted);
        assert_eq!(
            get(&state, &id).period(),
            Period {
                start: START,
                end: anchor
            }
        );
        assert_eq!(latest(&state, &id).total(), total);
        run_due(&mut state, anchor);
        assert_eq!(latest(&state, &id).total(), 9_900);
    }
}
