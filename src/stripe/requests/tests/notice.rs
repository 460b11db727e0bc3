//! Marks of notices, as requests.

use jiff::Timestamp;

use super::*;
use crate::api::NoticeKind;
use crate::converge::notice::{Carrier, Channel, Mark, Sending};
use crate::stripe::idempotency::{IdempotencyKey, key_for_notice_mark};

fn mark(sending: Option<Sending>, by: &str) -> Mark {
    let mut mark = Mark::default().with(Channel::Mail, sending);
    by.clone_into(&mut mark.by);
    mark
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn invoice(id: &str) -> Carrier {
    Carrier::Invoice(id.into())
}

fn key_of(carrier: &Carrier, before: &Mark, after: &Mark) -> IdempotencyKey {
    let mark = NoticeMark {
        carrier,
        kind: NoticeKind::Warning,
        before,
        after,
    };
    let request = for_notice_mark(&mark).unwrap();
    key_for_notice_mark(&mark, &request, &acme(), 0)
}

#[test]
fn a_mark_is_written_where_its_notice_is_about_and_leaves_other_metadata_alone() {
    let after = mark(Some(Sending::Begun(at(5))), "3f9a");
    for (carrier, target, expanded) in [
        (invoice("in_1"), "invoices/in_1", INVOICE_EXPAND),
        (
            Carrier::Subscription("sub_1".into()),
            "subscriptions/sub_1",
            EXPAND,
        ),
        (
            Carrier::Customer("cus_1".into()),
            "customers/cus_1",
            CUSTOMER_EXPAND,
        ),
        (Carrier::Dispute("du_1".into()), "disputes/du_1", CHARGE),
    ] {
        let mark = NoticeMark {
            carrier: &carrier,
            kind: NoticeKind::Warning,
            before: &Mark::default(),
            after: &after,
        };
        let (sent_to, body) = shown(&for_notice_mark(&mark).unwrap());
        assert_eq!(sent_to, format!("POST /{target}"));
        let text = "metadata[tenantbilling_told_warning]=mail:sending@5 by:3f9a";
        assert_eq!(body, [&format!("expand[0]={expanded}"), text]);
    }
}

#[test]
fn a_mark_without_a_word_is_taken_away() {
    let carrier = invoice("in_1");
    let mark = NoticeMark {
        carrier: &carrier,
        kind: NoticeKind::Warning,
        before: &mark(Some(Sending::Begun(at(5))), "3f9a"),
        after: &Mark {
            occasion: "7".into(),
            ..Mark::default()
        },
    };
    let (_, body) = shown(&for_notice_mark(&mark).unwrap());
    assert_eq!(body[1], "metadata[tenantbilling_told_warning]=");
}

#[test]
fn what_concerns_all_tenants_is_on_no_object() {
    let mark = NoticeMark {
        carrier: &Carrier::Cluster,
        kind: NoticeKind::EnforcementHeld,
        before: &Mark::default(),
        after: &Mark::default(),
    };
    assert!(for_notice_mark(&mark).is_err());
}

#[test]
fn two_processes_that_begin_from_the_same_mark_send_the_same_key() {
    let nothing = Mark::default();
    let one = mark(Some(Sending::Begun(at(5))), "one");
    let other = mark(Some(Sending::Begun(at(6))), "other");
    let begin = |before: &Mark, after: &Mark| key_of(&invoice("in_1"), before, after);
    assert_eq!(begin(&nothing, &one), begin(&nothing, &other));
    assert_ne!(begin(&nothing, &one), begin(&other, &one), "another basis");
    assert_ne!(
        begin(&nothing, &one),
        key_of(&invoice("in_2"), &nothing, &one)
    );
    let sent = |second| mark(Some(Sending::Accepted(at(second))), "");
    assert_ne!(begin(&one, &sent(5)), begin(&one, &sent(6)));
}
