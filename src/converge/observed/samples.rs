//! Objects for tests: the plainest there are.

use jiff::Timestamp;

use super::{
    Awaits, Customer, Dispute, DisputeStatus, Invoice, InvoiceStatus, InvoiceTax, Subscription,
    SubscriptionStatus, TenantKey,
};
use crate::converge::notice::Marks;
use crate::converge::payment::CollectionMethod;

/// When they were all made.
pub(in crate::converge) fn start() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

fn key() -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: "t1".into(),
    }
}

pub(in crate::converge) fn customer() -> Customer {
    Customer {
        id: "cus_1".into(),
        key: Some(key()),
        ..Customer::default()
    }
}

pub(in crate::converge) fn subscription(status: SubscriptionStatus) -> Subscription {
    Subscription {
        id: "sub_1".into(),
        customer: "cus_1".into(),
        key: Some(key()),
        status,
        currency: "usd".into(),
        items: Vec::new(),
        cancel_at_period_end: false,
        cancel_at: None,
        start_date: start(),
        created: start(),
        trial_start: None,
        trial_end: None,
        schedule: None,
        automatic_tax: false,
        discounts: Vec::new(),
        canceled_by_manifest: false,
        declared_trial: None,
        reminded_of: None,
        if_no_payment_method: None,
        collection: CollectionMethod::Automatic,
        pause: None,
        collection_paused: None,
        held: None,
        default_payment_method: None,
        test_clock: None,
        notices: Marks::default(),
    }
}

/// An open invoice of that subscription, whose payment was declined once.
pub(in crate::converge) fn open_invoice() -> Invoice {
    Invoice {
        id: "in_1".into(),
        customer: "cus_1".into(),
        subscription: Some("sub_1".into()),
        status: InvoiceStatus::Open,
        amount: 9900,
        currency: "usd".into(),
        billing_reason: "subscription_cycle".into(),
        created: start(),
        auto_advance: true,
        finalizes_at: None,
        finalized: Some(start()),
        attempted: true,
        attempt_count: 1,
        next_payment_attempt: None,
        due_date: None,
        hosted_url: Some("https://pay.example/in_1".into()),
        finalization_error: None,
        tax: InvoiceTax::Fine,
        awaits: Awaits::PaymentMethod,
        tried: Some("pm_1".into()),
        held: None,
        notices: Marks::default(),
    }
}

pub(in crate::converge) fn dispute(status: DisputeStatus) -> Dispute {
    Dispute {
        id: "du_1".into(),
        customer: "cus_1".into(),
        invoice: Some("in_1".into()),
        status,
        reason: "fraudulent".into(),
        amount: 9900,
        currency: "usd".into(),
        created: start(),
        evidence_due_by: Some("2027-01-10T00:00:00Z".parse().unwrap()),
        notices: Marks::default(),
    }
}
