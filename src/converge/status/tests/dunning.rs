//! Dunning and access in the status, and what is told of them.

use super::*;
use crate::api::DunningState;
use crate::converge::news::{self, Tone};

fn past_due(now: Timestamp, previous: &TenantBillingStatus) -> TenantBillingStatus {
    let observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    at(&observed, previous, now)
}

fn held(now: Timestamp, previous: &TenantBillingStatus) -> TenantBillingStatus {
    let observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    let limits = PlanLimits::default();
    let account = Account {
        id: "acct_1".into(),
        livemode: false,
    };
    let mut look = look(&account, &observed, &limits, now);
    if let Some(seen) = &mut look.seen {
        seen.enforcement = Enforcement::Held("too many; release with kubectl".into());
    }
    tenant(previous, &look)
}

fn level(status: &TenantBillingStatus) -> (AccessLevel, &str) {
    let access = status.access.as_ref().unwrap();
    (access.level, access.reason.as_str())
}

fn told(before: &TenantBillingStatus, after: &TenantBillingStatus) -> Vec<(Tone, String)> {
    let news = news::of(before, after);
    news.into_iter().map(|n| (n.tone, n.reason)).collect()
}

#[test]
fn the_status_says_where_it_stands_why_and_what_comes_next() {
    let status = past_due(start() + 80.hours(), &TenantBillingStatus::default());
    let dunning = status.dunning.unwrap();
    assert_eq!(dunning.stage, DunningState::Warning);
    assert_eq!((dunning.day, dunning.invoice.as_str()), (4, "in_1"));
    assert_eq!(
        (dunning.amount_due.as_str(), dunning.attempts),
        ("99.00", 1)
    );
    assert_eq!(dunning.next_stage_at.unwrap().0, start() + 144.hours());
    assert_eq!(
        dunning.message,
        "a payment of in_1 failed at 2027-01-01T00:00:00Z (day 4, attempt 1). Unless it is \
         paid: Limited at 2027-01-07T00:00:00Z, Suspended at 2027-01-08T00:00:00Z"
    );
    let access = status.access.unwrap();
    assert_eq!(access.level, AccessLevel::Full);
    assert_eq!(access.until.unwrap().0, start() + 144.hours());
}

#[test]
fn each_stage_is_told_once_and_payment_ends_it_all_in_one_look() {
    let mut status = past_due(start(), &TenantBillingStatus::default());
    for (hours, expected) in [
        (72, (Tone::Warning, "DunningWarning")),
        (144, (Tone::Warning, "AccessLimited")),
        (168, (Tone::Warning, "AccessSuspended")),
    ] {
        let then = past_due(start() + hours.hours(), &status);
        assert_eq!(told(&status, &then), [(expected.0, expected.1.to_owned())]);
        let again = past_due(start() + hours.hours() + 1.hours(), &then);
        assert_eq!(told(&then, &again), []);
        status = again;
    }
    assert_eq!(
        level(&status),
        (AccessLevel::Suspended, reason::PAYMENT_OVERDUE)
    );
    let paid = with(SubscriptionStatus::Active, vec![]);
    let paid = at(&paid, &status, start() + 170.hours());
    assert_eq!(level(&paid), (AccessLevel::Full, reason::SUBSCRIBED));
    assert_eq!(paid.dunning, None);
    let granted = (Tone::Normal, "AccessGranted".to_owned());
    assert!(told(&status, &paid).contains(&granted));
}

#[test]
fn while_the_enforcement_is_held_access_stays_and_the_condition_says_why() {
    let warned = past_due(start() + 80.hours(), &TenantBillingStatus::default());
    let kept = held(start() + 200.hours(), &warned);
    assert_eq!(level(&kept), (AccessLevel::Full, reason::TOO_MANY_AT_ONCE));
    assert_eq!(
        kept.dunning.as_ref().unwrap().stage,
        DunningState::Suspended
    );
    let kind = ConditionType::EnforcementHeld;
    let condition_of = condition(&kept, kind).map(|(value, reason, _)| (value, reason));
    assert_eq!(condition_of, Some(("True", reason::TOO_MANY_AT_ONCE)));
    let let_go = past_due(start() + 201.hours(), &kept);
    assert_eq!(
        level(&let_go),
        (AccessLevel::Suspended, reason::PAYMENT_OVERDUE)
    );
    assert_eq!(condition(&let_go, kind), None);
}

#[test]
fn a_held_enforcement_takes_nothing_more_from_who_is_limited_already() {
    let limited = past_due(start() + 150.hours(), &TenantBillingStatus::default());
    assert_eq!(level(&limited).0, AccessLevel::Limited);
    let kept = held(start() + 200.hours(), &limited);
    assert_eq!(level(&kept).0, AccessLevel::Limited);
}

#[test]
fn limits_are_those_of_the_level() {
    let mut limits = PlanLimits::default();
    limits.full.insert("requestsPerMinute".into(), 600);
    limits.suspended.insert("requestsPerMinute".into(), 0);
    let account = Account {
        id: "acct_1".into(),
        livemode: false,
    };
    let observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    for (hours, expected) in [(0, Some(&600)), (150, None), (200, Some(&0))] {
        let look = look(&account, &observed, &limits, start() + hours.hours());
        let status = tenant(&TenantBillingStatus::default(), &look);
        let access = status.access.unwrap();
        assert_eq!(access.limits.get("requestsPerMinute"), expected, "{hours}");
    }
}

#[test]
fn what_was_not_further_before_is_read_again_before_it_is_believed() {
    let observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    let escalates = |hours: i64, previous: &TenantBillingStatus| {
        let judged = Judged {
            observed: &observed,
            desired: None,
            now: start() + hours.hours(),
        };
        judged.escalates(previous)
    };
    let nothing = TenantBillingStatus::default();
    assert!(escalates(0, &nothing));
    let reminded = past_due(start(), &nothing);
    assert!(!escalates(10, &reminded));
    assert!(escalates(72, &reminded));
    let suspended = past_due(start() + 200.hours(), &reminded);
    assert!(!escalates(201, &suspended));
}

/// A look at a tenant whose manifest cannot be read.
fn glimpsed(previous: &TenantBillingStatus, observed: &Observed) -> TenantBillingStatus {
    let mut limits = PlanLimits::default();
    limits.full.insert("requestsPerMinute".into(), 600);
    let look = Look {
        generation: 2,
        tenant_id: "t1",
        now: start() + 300.hours(),
        outcome: Outcome::Stalled {
            reason: reason::INVALID_SPEC,
            message: "spec.trial.days: no".into(),
        },
        requested_at: None,
        seen: None,
        glimpse: Some(Glimpse {
            observed,
            now: Timestamp::MAX,
            limits: &limits,
        }),
        event: None,
    };
    tenant(previous, &look)
}

#[test]
fn a_manifest_that_cannot_be_read_keeps_nobody_from_being_let_in_again_and_takes_nothing() {
    let suspended = past_due(start() + 200.hours(), &TenantBillingStatus::default());
    let paid = with(SubscriptionStatus::Active, vec![]);
    let relieved = glimpsed(&suspended, &paid);
    assert_eq!(level(&relieved), (AccessLevel::Full, reason::SUBSCRIBED));
    assert_eq!(relieved.access.as_ref().unwrap().limits.len(), 1);
    assert_eq!(relieved.dunning, None);
    let notice = &relieved.notices[0];
    assert_eq!(
        (notice.kind, notice.about.as_str()),
        (crate::api::NoticeKind::Reactivated, "in_1")
    );

    let unpaid = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    let warned = past_due(start() + 80.hours(), &TenantBillingStatus::default());
    let kept = glimpsed(&warned, &unpaid);
    assert_eq!((kept.access, kept.dunning), (warned.access, warned.dunning));
    let still = glimpsed(&suspended, &unpaid);
    assert_eq!(level(&still).0, AccessLevel::Suspended);
}

#[test]
fn who_was_restricted_for_another_reason_is_not_let_in_by_a_glimpse() {
    let paused = with(SubscriptionStatus::Paused, vec![]);
    let paused = at(&paused, &TenantBillingStatus::default(), start());
    let paid = with(SubscriptionStatus::Active, vec![]);
    assert_eq!(level(&glimpsed(&paused, &paid)).0, AccessLevel::Suspended);
}
