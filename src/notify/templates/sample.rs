//! Notices that never were, to try templates with.

use jiff::{Timestamp, ToSpan as _};

use crate::api::{DunningStage, Limits, NoticeKind};
use crate::converge::notice::{Notice, Recipient};

/// 4 March 2027, 10:00 UTC.
fn start() -> Timestamp {
    Timestamp::from_second(1_804_154_400).unwrap_or_default()
}

/// A notice that has everything a notice of its kind can have, and more.
pub(in crate::notify) fn full(kind: NoticeKind) -> Notice {
    let day = |day: i64| Some(start() + (24 * day).hours());
    Notice {
        tenant_id: "tenant_001".into(),
        manifest: "tenants/acme".into(),
        customer: Some(acme()),
        plan: Some("pro".into()),
        amount_due: Some("99.00".into()),
        currency: Some("USD".into()),
        url: Some("https://pay.example/in_1?a=1&b=2".into()),
        day: Some(4),
        next_stage: Some(DunningStage::Limited),
        next_stage_at: day(3),
        suspend_at: day(4),
        next_payment_attempt: day(1),
        until: day(2),
        limits: Some(Limits::from([("requestsPerMinute".into(), 60)])),
        message: Some("12 of 20 tenants would be restricted within an hour".into()),
        ..sparse(kind)
    }
}

/// A notice that has nothing but what all of its kind have.
pub(in crate::notify) fn sparse(kind: NoticeKind) -> Notice {
    let (about, is_about_money) = match kind {
        NoticeKind::TrialEnding => ("sub_1", false),
        NoticeKind::PaymentMethodNeeded | NoticeKind::Reactivated => ("cus_1", false),
        NoticeKind::Dispute => ("du_1", true),
        NoticeKind::EnforcementHeld => ("", false),
        NoticeKind::Reminder
        | NoticeKind::Warning
        | NoticeKind::Limited
        | NoticeKind::Suspended
        | NoticeKind::ActionRequired => ("in_1", true),
    };
    let mut notice = Notice::new("acct_1", kind, about, "", start());
    if kind != NoticeKind::EnforcementHeld {
        notice.tenant_id = "tenant_001".into();
        notice.manifest = "tenants/acme".into();
        notice.customer = Some(acme());
    }
    if is_about_money {
        notice.amount_due = Some("99.00".into());
        notice.currency = Some("USD".into());
    }
    notice
}

fn acme() -> Recipient {
    Recipient {
        name: "Acme & Sons".into(),
        email: "billing@acme.example".into(),
    }
}
