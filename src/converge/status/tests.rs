//! What the status says about payments, disputes and access.

mod dunning;

use jiff::ToSpan as _;

use super::*;
use crate::api::AccessLevel;
use crate::converge::observed::samples::{customer, dispute, open_invoice, start, subscription};
use crate::converge::observed::{
    Awaits, DisputeStatus, Disputes, FraudWarning, Invoice, SubscriptionStatus,
};

fn seen(observed: &Observed, previous: &TenantBillingStatus) -> TenantBillingStatus {
    at(observed, previous, start() + 1.hours())
}

fn at(observed: &Observed, previous: &TenantBillingStatus, now: Timestamp) -> TenantBillingStatus {
    let account = Account {
        id: "acct_1".into(),
        livemode: false,
    };
    let limits = PlanLimits::default();
    tenant(previous, &look(&account, observed, &limits, now))
}

fn look<'a>(
    account: &'a Account,
    observed: &'a Observed,
    limits: &'a PlanLimits,
    now: Timestamp,
) -> Look<'a> {
    Look {
        generation: 1,
        tenant_id: "t1",
        now,
        outcome: Outcome::Reached("so it is".into()),
        requested_at: None,
        seen: Some(Seen {
            account,
            desired: None,
            observed,
            now,
            reverted: Vec::new(),
            reported: Vec::new(),
            agreed: None,
            change: None,
            made: None,
            setup: None,
            limits,
            enforcement: Enforcement::Free,
        }),
        glimpse: None,
        event: None,
    }
}

fn with(status: SubscriptionStatus, invoices: Vec<Invoice>) -> Observed {
    Observed {
        customers: vec![customer()],
        subscriptions: vec![subscription(status)],
        invoices,
        disputes: Some(Disputes::default()),
        ..Observed::default()
    }
}

fn condition(status: &TenantBillingStatus, kind: ConditionType) -> Option<(&str, &str, &str)> {
    let found = status
        .conditions
        .iter()
        .find(|c| c.type_ == kind.as_str())?;
    Some((&found.status, &found.reason, &found.message))
}

fn payment(status: &TenantBillingStatus) -> Option<(&str, &str)> {
    let (value, reason, _) = condition(status, ConditionType::PaymentCurrent)?;
    Some((value, reason))
}

fn disputed(status: &TenantBillingStatus) -> Option<(&str, &str)> {
    let (value, reason, _) = condition(status, ConditionType::Disputed)?;
    Some((value, reason))
}

#[test]
fn what_the_customer_has_to_do_is_in_the_status_with_the_page_the_amount_and_the_end() {
    let invoice = Invoice {
        awaits: Awaits::Action,
        tried: None,
        ..open_invoice()
    };
    let observed = with(SubscriptionStatus::Incomplete, vec![invoice]);
    let status = seen(&observed, &TenantBillingStatus::default());
    assert_eq!(payment(&status), Some(("False", "PaymentActionRequired")));
    let action = status.payment.unwrap().action_required.unwrap();
    assert_eq!(action.reason, "PaymentActionRequired");
    assert_eq!(action.url.as_deref(), Some("https://pay.example/in_1"));
    assert_eq!(action.amount.as_deref(), Some("99.00"));
    assert_eq!(action.before, Some(Time(start() + 23.hours())));
    let invoice = status.invoice.unwrap();
    assert_eq!(
        (invoice.id.as_str(), invoice.amount_due.as_str()),
        ("in_1", "99.00")
    );
}

#[test]
fn once_it_is_paid_nothing_of_it_is_left() {
    let observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    let before = seen(&observed, &TenantBillingStatus::default());
    assert_eq!(payment(&before), Some(("False", "PastDue")));
    let status = seen(&with(SubscriptionStatus::Active, Vec::new()), &before);
    assert_eq!(payment(&status), Some(("True", "NothingOverdue")));
    assert_eq!(status.payment.unwrap().action_required, None);
    assert_eq!(status.invoice, None);
}

#[test]
fn conditions_carry_neither_links_nor_amounts() {
    let mut observed = with(SubscriptionStatus::PastDue, vec![open_invoice()]);
    observed.disputes = Some(some_dispute(DisputeStatus::NeedsResponse));
    let status = seen(&observed, &TenantBillingStatus::default());
    for condition in &status.conditions {
        let message = &condition.message;
        assert!(
            !message.contains("://") && !message.contains("99"),
            "{message}"
        );
    }
}

fn some_dispute(status: DisputeStatus) -> Disputes {
    Disputes {
        disputes: vec![dispute(status)],
        warnings: Vec::new(),
    }
}

#[test]
fn a_dispute_is_shown_with_its_invoice_amount_and_deadline() {
    let mut observed = with(SubscriptionStatus::Active, Vec::new());
    observed.disputes = Some(some_dispute(DisputeStatus::NeedsResponse));
    let status = seen(&observed, &TenantBillingStatus::default());
    assert_eq!(disputed(&status), Some(("True", "DisputeOpen")));
    let (_, _, message) = condition(&status, ConditionType::Disputed).unwrap();
    assert!(
        message.contains("in_1") && message.contains("2027-01-10T00:00:00Z"),
        "{message}"
    );
    let shown = &status.disputes[0];
    assert_eq!(
        (shown.status.as_str(), shown.amount.as_str()),
        ("needs_response", "99.00")
    );
}

#[test]
fn how_the_last_dispute_ended_stays_in_the_condition() {
    for (ended, reason) in [
        (DisputeStatus::Won, "DisputeWon"),
        (DisputeStatus::Lost, "DisputeLost"),
        (DisputeStatus::WarningClosed, "NoDispute"),
        (DisputeStatus::Prevented, "NoDispute"),
    ] {
        let mut observed = with(SubscriptionStatus::Active, Vec::new());
        observed.disputes = Some(some_dispute(ended));
        let status = seen(&observed, &TenantBillingStatus::default());
        assert_eq!(disputed(&status), Some(("False", reason)));
    }
}

#[test]
fn a_fraud_warning_is_shown_until_nothing_can_be_done_about_it() {
    let mut observed = with(SubscriptionStatus::Active, Vec::new());
    let warning = FraudWarning {
        id: "issfr_1".into(),
        customer: "cus_1".into(),
        charge: "ch_1".into(),
        kind: "made_with_stolen_card".into(),
        actionable: true,
        created: start(),
    };
    observed.disputes = Some(Disputes {
        disputes: Vec::new(),
        warnings: vec![warning],
    });
    let status = seen(&observed, &TenantBillingStatus::default());
    assert_eq!(disputed(&status), Some(("True", "FraudWarning")));
    assert_eq!(status.fraud_warnings[0].charge, "ch_1");
    let status = seen(&with(SubscriptionStatus::Active, Vec::new()), &status);
    assert_eq!(disputed(&status), Some(("False", "NoDispute")));
    assert_eq!(status.fraud_warnings, []);
}

#[test]
fn disputes_that_cannot_be_read_leave_what_was_known() {
    let mut observed = with(SubscriptionStatus::Active, Vec::new());
    observed.disputes = Some(some_dispute(DisputeStatus::NeedsResponse));
    let before = seen(&observed, &TenantBillingStatus::default());
    observed.disputes = None;
    let status = seen(&observed, &before);
    assert_eq!(disputed(&status), Some(("True", "DisputeOpen")));
    assert_eq!(status.disputes, before.disputes);
}

#[test]
fn access_tells_since_when_it_is_at_its_level() {
    let first = seen(
        &with(SubscriptionStatus::Trialing, Vec::new()),
        &TenantBillingStatus::default(),
    );
    let access = first.access.clone().unwrap();
    assert_eq!(access.level, AccessLevel::Full);
    let later = start() + 9.hours();
    let same = at(&with(SubscriptionStatus::Active, Vec::new()), &first, later);
    assert_eq!(same.access.as_ref(), Some(&access));
    let gone = at(
        &with(SubscriptionStatus::Canceled, Vec::new()),
        &same,
        later,
    );
    let access = gone.access.unwrap();
    assert_eq!(access.level, AccessLevel::Suspended);
    assert_eq!(
        (access.since, access.reason.as_str()),
        (Time(later), "NotSubscribed")
    );
}
