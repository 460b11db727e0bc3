//! The marks of what people were told, in the mirror.

use super::shelf::{Shelf, dispute, served, tenant, two_tenants_and_a_stranger};
use crate::api::NoticeKind;
use crate::converge::notice::{Carrier, Channel, Mark, Sending};
use crate::stripe::{Mirror, NoticeMark};

#[tokio::test]
async fn a_mark_that_was_written_is_in_the_mirror_at_once() {
    let (stripe, shelf, session) = served(Shelf {
        disputes: vec![("du_1", dispute("du_1", "cus_a", "needs_response"))],
        payments: vec![(
            "inpay_1",
            r#"{"id":"inpay_1","invoice":"in_1","status":"paid","payment":{"payment_intent":"pi_1"}}"#.into(),
        )],
        ..two_tenants_and_a_stranger()
    })
    .await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    let carrier = Carrier::Dispute("du_1".into());
    let read = session.carried(&carrier).await.unwrap().unwrap();
    let before = read.mark(NoticeKind::Dispute, "");
    assert_eq!(before, Mark::default());

    let sent = Sending::Accepted(jiff::Timestamp::from_second(5).unwrap());
    let after = before.with(Channel::Mail, Some(sent));
    let marked = dispute("du_1", "cus_a", "needs_response").replacen(
        '{',
        r#"{"metadata":{"tenantbilling_told_dispute":"mail:sent@5"},"#,
        1,
    );
    shelf.lock().unwrap().disputes[0].1 = marked;
    let stamp = mirror.stamp(&session);
    let mark = NoticeMark {
        carrier: &carrier,
        kind: NoticeKind::Dispute,
        before: &before,
        after: &after,
    };
    let answer = session.write_mark(&mark, &tenant("acme"), 0).await.unwrap();
    let asked = stripe.received().pop().unwrap();
    assert!(asked.is("POST", "/v1/disputes/du_1"), "{}", asked.target);
    assert_eq!(
        mirror.fold_carried(answer.value.unwrap(), &stamp),
        [tenant("acme")]
    );
    let observed = mirror.observe(&tenant("acme"), None, None).unwrap();
    let known = &observed.disputes.unwrap().disputes[0];
    assert!(
        known
            .notices
            .of(NoticeKind::Dispute, "")
            .is_over(Channel::Mail)
    );
    assert_eq!(
        known.invoice.as_deref(),
        Some("in_1"),
        "which invoice it is about is not forgotten"
    );
}
