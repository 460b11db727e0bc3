use jiff::ToSpan as _;

use super::*;
use crate::converge::observed::samples::{open_invoice as open, start, subscription};
use crate::converge::observed::{CollectionPause, FinalizationError};

fn at(hours: i64) -> Timestamp {
    start() + hours.hours()
}

fn draft() -> Invoice {
    Invoice {
        status: InvoiceStatus::Draft,
        attempt_count: 0,
        hosted_url: None,
        awaits: Awaits::Nothing,
        finalizes_at: Some(at(1)),
        ..open()
    }
}

fn matters(status: SubscriptionStatus, invoices: &[Invoice], now: Timestamp) -> Vec<Matter> {
    let found = concerns(&subscription(status), invoices, now);
    found.iter().map(|concern| concern.matter).collect()
}

use SubscriptionStatus::{Active, Canceled, Incomplete, IncompleteExpired, PastDue, Trialing};

#[test]
fn who_owes_nothing_is_of_no_concern() {
    assert_eq!(matters(Active, &[], at(9)), []);
    assert_eq!(matters(Trialing, &[], at(9)), []);
}

#[test]
fn the_first_payment_is_awaited_until_23_hours_after_the_creation() {
    let invoices = [open()];
    let subscription = subscription(Incomplete);
    let found = concerns(&subscription, &invoices, at(1));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matter, Matter::AwaitingPayment);
    assert_eq!(found[0].before, Some(at(23)));
    assert_eq!(found[0].invoice, Some(&invoices[0]));
    assert!(found[0].message.contains("2027-01-01T23:00:00Z"));
}

#[test]
fn a_first_payment_is_awaited_even_while_its_invoice_was_not_seen() {
    assert_eq!(matters(Incomplete, &[], at(1)), [Matter::AwaitingPayment]);
}

#[test]
fn a_payment_that_waits_for_authentication_says_so_whatever_the_subscription_is() {
    let action = Invoice {
        awaits: Awaits::Action,
        ..open()
    };
    for status in [Incomplete, Active, PastDue] {
        let found = matters(status, std::slice::from_ref(&action), at(1));
        assert_eq!(found, [Matter::ActionRequired]);
    }
}

#[test]
fn an_expired_subscription_says_so_unless_the_manifest_has_ended_it() {
    assert_eq!(matters(IncompleteExpired, &[], at(30)), [Matter::Expired]);
    let acknowledged = Subscription {
        canceled_by_manifest: true,
        ..subscription(IncompleteExpired)
    };
    assert_eq!(concerns(&acknowledged, &[], at(30)), []);
    // Its invoice is void, or about to be.
    let expired = subscription(IncompleteExpired);
    let invoices = [open()];
    let found = concerns(&expired, &invoices, at(30));
    assert_eq!(found.len(), 1);
    assert_eq!(foremost(&expired, &invoices, &found), None);
}

#[test]
fn a_failed_payment_tells_when_the_next_attempt_is() {
    let subscription = subscription(PastDue);
    let retried = [Invoice {
        next_payment_attempt: Some(at(72)),
        ..open()
    }];
    let found = concerns(&subscription, &retried, at(1));
    assert_eq!(found[0].matter, Matter::PastDue);
    assert!(
        found[0]
            .message
            .contains("tries again at 2027-01-04T00:00:00Z")
    );
    let last = [open()];
    let found = concerns(&subscription, &last, at(1));
    assert!(found[0].message.contains("does not try again by itself"));
}

#[test]
fn an_open_invoice_is_no_concern_before_its_first_attempt_nor_while_the_bank_takes_its_time() {
    let fresh = Invoice {
        attempt_count: 0,
        ..open()
    };
    assert_eq!(matters(Active, &[fresh], at(1)), []);
    let processing = Invoice {
        awaits: Awaits::Processing,
        ..open()
    };
    assert_eq!(matters(Active, &[processing], at(1)), []);
}

#[test]
fn an_invoice_that_was_sent_is_late_from_its_due_date_on() {
    let sent = [Invoice {
        attempt_count: 0,
        due_date: Some(at(10)),
        ..open()
    }];
    assert_eq!(matters(Active, &sent, at(9)), []);
    assert_eq!(matters(Active, &sent, at(10)), [Matter::PastDue]);
    let subscription = subscription(Active);
    assert_eq!(next_change(&subscription, &sent, at(9)), Some(at(10)));
    assert_eq!(next_change(&subscription, &sent, at(10)), None);
}

#[test]
fn invoices_of_nothing_are_no_concern() {
    let free = [
        Invoice {
            amount: 0,
            ..open()
        },
        Invoice {
            amount: 0,
            ..draft()
        },
    ];
    assert_eq!(matters(Trialing, &free, at(500)), []);
}

#[test]
fn what_a_person_bills_besides_is_that_persons_business() {
    let by_hand = Invoice {
        subscription: None,
        ..open()
    };
    let of_another = Invoice {
        subscription: Some("sub_2".into()),
        ..open()
    };
    assert_eq!(matters(Active, &[by_hand, of_another], at(500)), []);
}

#[test]
fn a_draft_is_stuck_two_hours_after_it_should_have_been_finalised() {
    let subscription = subscription(Active);
    assert_eq!(matters(Active, &[draft()], at(2)), []);
    assert_eq!(next_change(&subscription, &[draft()], at(2)), Some(at(3)));
    assert_eq!(matters(Active, &[draft()], at(3)), [Matter::StuckInDraft]);
}

#[test]
fn a_draft_that_nobody_is_going_to_finalise_is_stuck_after_72_hours() {
    let left = [Invoice {
        auto_advance: false,
        finalizes_at: None,
        ..draft()
    }];
    assert_eq!(matters(Active, &left, at(71)), []);
    assert_eq!(matters(Active, &left, at(72)), [Matter::StuckInDraft]);
}

#[test]
fn drafts_of_a_pause_or_of_a_subscription_that_stripe_gave_up_on_are_not_stuck() {
    let paused = Subscription {
        collection_paused: Some(CollectionPause {
            behavior: "keep_as_draft".into(),
            resumes_at: None,
        }),
        ..subscription(Active)
    };
    assert_eq!(concerns(&paused, &[draft()], at(500)), []);
    let unpaid = matters(SubscriptionStatus::Unpaid, &[draft()], at(500));
    assert_eq!(unpaid, [Matter::Unpaid]);
}

#[test]
fn an_invoice_that_could_not_be_finalised_carries_stripes_words() {
    let failed = [Invoice {
        finalization_error: Some(Box::new(FinalizationError {
            code: "invoice_too_old".into(),
            message: "The invoice is too old.".into(),
        })),
        ..draft()
    }];
    let subscription = subscription(Active);
    let found = concerns(&subscription, &failed, at(1));
    assert_eq!(found[0].matter, Matter::NotFinalized);
    assert!(found[0].message.ends_with("The invoice is too old."));
}

#[test]
fn taxes_without_a_location_name_the_field_that_cures_them() {
    let failed = [Invoice {
        tax: InvoiceTax::LocationMissing,
        ..draft()
    }];
    let subscription = subscription(Active);
    let found = concerns(&subscription, &failed, at(1));
    assert_eq!(found[0].matter, Matter::TaxLocationUnknown);
    assert!(found[0].message.contains("spec.customer.address"));
}

#[test]
fn the_worst_comes_first_and_of_the_same_the_oldest() {
    let older = Invoice {
        id: "in_0".into(),
        ..open()
    };
    let stuck = Invoice {
        id: "in_2".into(),
        ..draft()
    };
    let action = Invoice {
        id: "in_3".into(),
        awaits: Awaits::Action,
        ..open()
    };
    let invoices = [older, open(), stuck, action];
    let subscription = subscription(PastDue);
    let found = concerns(&subscription, &invoices, at(100));
    let ids: Vec<&str> = found
        .iter()
        .map(|c| c.invoice.unwrap().id.as_str())
        .collect();
    assert_eq!(ids, ["in_3", "in_0", "in_1", "in_2"]);
    let foremost = foremost(&subscription, &invoices, &found).unwrap();
    assert_eq!(foremost.id, "in_3");
}

#[test]
fn what_was_never_paid_stays_a_concern_after_the_end() {
    assert_eq!(matters(Canceled, &[open()], at(1)), [Matter::Unpaid]);
    assert_eq!(matters(Canceled, &[draft()], at(500)), []);
}

#[test]
fn what_was_held_when_the_subscription_ended_is_for_a_person_to_decide() {
    let ended = Subscription {
        held: Some(crate::converge::observed::HoldMark::read("du_1@0")),
        ..subscription(Canceled)
    };
    let drafts = [draft()];
    let found = concerns(&ended, &drafts, at(1));
    assert_eq!(found[0].matter, Matter::StuckInDraft);
    assert!(found[0].message.contains("held back for a dispute"));
}

#[test]
fn messages_carry_neither_links_nor_amounts() {
    let all = [open(), draft()];
    let statuses = [
        Incomplete,
        PastDue,
        SubscriptionStatus::Unpaid,
        Canceled,
        Active,
    ];
    for status in statuses {
        for concern in concerns(&subscription(status), &all, at(500)) {
            assert!(!concern.message.contains("http"), "{}", concern.message);
            assert!(!concern.message.contains("99"), "{}", concern.message);
        }
    }
}
