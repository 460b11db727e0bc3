//! Holding back what a subscription charges, as requests.

use super::*;
use crate::converge::observed::HoldMark;
use crate::converge::steps::{Cause, CollectionStep};

fn mark() -> HoldMark {
    HoldMark {
        by: "du_1".into(),
        since: "2027-01-15T08:00:00Z".parse().unwrap(),
    }
}

fn hold() -> Step {
    Step::Collection(CollectionStep::Hold {
        subscription: "sub_1".into(),
        mark: mark(),
        cause: Cause::Wanted,
        changes: Vec::new(),
    })
}

fn resume() -> Step {
    Step::Collection(CollectionStep::Resume {
        subscription: "sub_1".into(),
        mark: mark(),
        changes: Vec::new(),
    })
}

fn release(invoice: &str) -> Step {
    Step::Collection(CollectionStep::ReleaseInvoice {
        invoice: invoice.into(),
        mark: mark(),
    })
}

fn unmark() -> Step {
    Step::Collection(CollectionStep::Unmark {
        subscription: "sub_1".into(),
        mark: mark(),
    })
}

#[track_caller]
fn sent(step: &Step) -> (String, Vec<String>) {
    shown(&for_step(step, &acme(), None).unwrap())
}

#[test]
fn a_hold_pauses_and_marks_in_one_request() {
    let (target, body) = sent(&hold());
    assert_eq!(target, "POST /subscriptions/sub_1");
    assert_eq!(
        body,
        [
            "expand[0]=schedule",
            "metadata[tenantbilling_held_by]=du_1@1800000000",
            "pause_collection[behavior]=keep_as_draft",
        ]
    );
}

#[test]
fn resuming_unsets_the_pause_and_leaves_the_mark() {
    let (target, body) = sent(&resume());
    assert_eq!(target, "POST /subscriptions/sub_1");
    assert_eq!(body, ["expand[0]=schedule", "pause_collection="]);
}

#[test]
fn an_invoice_is_kept_back_with_a_mark_and_released_by_letting_stripe_collect_it() {
    let hold = Step::Collection(CollectionStep::HoldInvoice {
        invoice: "in_1".into(),
        mark: mark(),
    });
    let (target, body) = sent(&hold);
    assert_eq!(target, "POST /invoices/in_1");
    assert_eq!(
        body,
        [
            "auto_advance=false",
            "metadata[tenantbilling_held_by]=du_1@1800000000"
        ]
    );
    let (target, body) = sent(&release("in_1"));
    assert_eq!(target, "POST /invoices/in_1");
    assert_eq!(
        body,
        ["auto_advance=true", "metadata[tenantbilling_held_by]="]
    );
    assert!(for_step(&release("in_1/pay"), &acme(), None).is_err());
}

#[test]
fn the_mark_is_taken_away_by_the_empty_text() {
    let (_, body) = sent(&unmark());
    assert_eq!(
        body,
        ["expand[0]=schedule", "metadata[tenantbilling_held_by]="]
    );
}

#[test]
fn each_hold_has_keys_of_its_own() {
    let later = HoldMark {
        since: mark().since + jiff::Span::new().hours(1),
        ..mark()
    };
    let again = Step::Collection(CollectionStep::Resume {
        subscription: "sub_1".into(),
        mark: later,
        changes: Vec::new(),
    });
    let key = |step: &Step| {
        let request = for_step(step, &acme(), None).unwrap();
        key_for_step(step, &request, &acme(), 0)
    };
    assert_eq!(key(&resume()), key(&resume()));
    assert_ne!(key(&resume()), key(&again));
}
