//! Renewals, and payments that fail.

use super::*;

#[test]
fn a_renewal_rolls_the_period_then_waits_an_hour_and_is_paid() {
    let mut state = state();
    let id = begun(&mut state, new("pro"));
    assert_eq!(
        get(&state, &id).period(),
        Period {
            start: START,
            end: FEB_28
        }
    );
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Paid);
    run_due(&mut state, FEB_28);
    let next = Period {
        start: FEB_28,
        end: START + 59 * DAY,
    };
    assert_eq!(
        get(&state, &id).period(),
        next,
        "February 28 is followed by March 31"
    );
    let draft = latest(&state, &id);
    assert_eq!(
        (draft.status, draft.billing_reason),
        (InvoiceStatus::Draft, BillingReason::SubscriptionCycle)
    );
    assert_eq!(draft.automatically_finalizes_at, Some(FEB_28 + HOUR));
    run_due(&mut state, FEB_28 + HOUR - 1);
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Draft);
    run_due(&mut state, FEB_28 + HOUR);
    let paid = latest(&state, &id);
    assert_eq!(
        (paid.status, paid.amount_paid, paid.attempt_count),
        (InvoiceStatus::Paid, 9_900, 1)
    );
    assert_eq!(paid.number.as_deref(), Some("ABCD1234-0002"));
    assert_eq!(invoice_count(&state), 2);
}

#[test]
fn a_long_leap_does_everything_in_between_once_and_in_order() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    run_due(&mut state, START + 365 * DAY + 2 * HOUR);
    assert_eq!(invoice_count(&state), 13);
    let created: Vec<_> = state
        .billing
        .invoices
        .iter()
        .map(|invoice| invoice.created)
        .collect();
    assert!(created.is_sorted(), "{created:?}");
    assert!(
        state
            .billing
            .invoices
            .iter()
            .all(|invoice| invoice.status == InvoiceStatus::Paid)
    );
    assert_eq!(get(&state, &id).status, Status::Active);
}

#[test]
fn retries_follow_the_schedule_and_end_as_the_settings_say() {
    for (outcome, status) in [
        (PastDueOutcome::Cancel, Status::Canceled),
        (PastDueOutcome::Unpaid, Status::Unpaid),
        (PastDueOutcome::PastDue, Status::PastDue),
    ] {
        let mut state = state();
        state.settings.past_due_outcome = outcome;
        let id = begun(&mut state, new("annual"));
        card(&mut state, decline("insufficient_funds"));
        let first = START + 365 * DAY + HOUR;
        for (attempt, at) in [(1, first), (2, first + 3 * DAY), (3, first + 8 * DAY)] {
            run_due(&mut state, at);
            assert_eq!(latest(&state, &id).attempt_count, attempt);
            assert_eq!(get(&state, &id).status, Status::PastDue);
        }
        assert_eq!(
            latest(&state, &id).next_payment_attempt,
            Some(first + 15 * DAY)
        );
        run_due(&mut state, first + 15 * DAY);
        let invoice = latest(&state, &id);
        assert_eq!(
            (invoice.attempt_count, invoice.next_payment_attempt),
            (4, None)
        );
        assert_eq!(
            (invoice.status, get(&state, &id).status),
            (InvoiceStatus::Open, status)
        );
    }
}

#[test]
fn a_card_refused_for_good_is_not_charged_again_though_attempts_count() {
    let mut state = state();
    let id = begun(&mut state, new("annual"));
    card(&mut state, decline("stolen_card"));
    let first = START + 365 * DAY + HOUR;
    run_due(&mut state, first);
    let charges = state.billing.charges.len();
    run_due(&mut state, first + 3 * DAY);
    assert_eq!(latest(&state, &id).attempt_count, 2);
    assert_eq!(state.billing.charges.len(), charges);
}

#[test]
fn an_unpaid_first_invoice_expires_the_subscription_after_23_hours() {
    let mut state = state();
    card(&mut state, decline("generic_decline"));
    let id = begun(&mut state, new("pro"));
    assert_eq!(get(&state, &id).status, Status::Incomplete);
    run_due(&mut state, START + 23 * HOUR - 1);
    assert_eq!(get(&state, &id).status, Status::Incomplete);
    run_due(&mut state, START + 23 * HOUR);
    assert_eq!(get(&state, &id).status, Status::IncompleteExpired);
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Void);
}

#[test]
fn a_request_that_errors_when_incomplete_leaves_nothing() {
    let mut state = state();
    card(&mut state, decline("generic_decline"));
    let before = state.events.len();
    let wanted = NewSubscription {
        payment_behavior: PaymentBehavior::ErrorIfIncomplete,
        ..new("pro")
    };
    assert_eq!(
        subscriptions::create(&mut state, wanted, START)
            .unwrap_err()
            .status,
        402
    );
    assert_eq!(
        (
            state.billing.subscriptions.len(),
            invoice_count(&state),
            state.events.len()
        ),
        (0, 0, before)
    );
}

#[test]
fn paying_an_older_invoice_does_not_cure_but_paying_the_latest_does() {
    let mut state = state();
    state.settings.past_due_outcome = PastDueOutcome::PastDue;
    let id = begun(&mut state, new("pro"));
    card(&mut state, decline("insufficient_funds"));
    run_due(&mut state, FEB_28 + HOUR);
    let older = latest(&state, &id).id.clone();
    run_due(&mut state, START + 59 * DAY + HOUR);
    let newer = latest(&state, &id).id.clone();
    assert_ne!(older, newer);
    let now = START + 60 * DAY;
    invoices::settle(&mut state, &older, invoices::Settlement::OutOfBand, now);
    assert_eq!(get(&state, &id).status, Status::PastDue);
    invoices::settle(&mut state, &newer, invoices::Settlement::OutOfBand, now);
    assert_eq!(get(&state, &id).status, Status::Active);
}
