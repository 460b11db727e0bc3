use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::converge::observed::samples::{open_invoice, start, subscription};

mod cases;
mod killbill;
mod properties;
mod schedule;

fn hours(hours: i64) -> Timestamp {
    start() + SignedDuration::from_hours(hours)
}

/// An invoice of the subscription whose first attempt failed so many hours after the start.
fn failed(id: &str, at: i64) -> Invoice {
    Invoice {
        id: id.into(),
        created: hours(at - 1),
        finalized: Some(hours(at)),
        ..open_invoice()
    }
}

/// An invoice that was sent and was due so many hours after the start.
fn due(id: &str, at: i64) -> Invoice {
    Invoice {
        due_date: Some(hours(at)),
        attempted: false,
        attempt_count: 0,
        ..failed(id, at - 30 * 24)
    }
}

fn observed(invoices: Vec<Invoice>) -> Observed {
    of_status(SubscriptionStatus::PastDue, invoices)
}

fn of_status(status: SubscriptionStatus, invoices: Vec<Invoice>) -> Observed {
    Observed {
        subscriptions: vec![subscription(status)],
        invoices,
        ..Observed::default()
    }
}

fn key() -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: "t1".into(),
    }
}

fn terms(policy: serde_json::Value) -> DunningTerms {
    let policy = serde_json::from_value(policy).unwrap();
    DunningTerms {
        schedule: Schedule::read(Some(&policy)).unwrap(),
        hold_until: None,
    }
}

fn by_attempts() -> DunningTerms {
    terms(json!({"stages": [
        {"stage": "Reminder", "attempts": 1},
        {"stage": "Warning", "attempts": 2},
        {"stage": "Suspended", "attempts": 4},
    ]}))
}

fn judged<'a>(observed: &'a Observed, terms: &DunningTerms, now: Timestamp) -> Option<Dunning<'a>> {
    judge(observed, &key(), None, terms, now)
}

/// The stage under the default schedule; `None` while nothing is overdue.
fn stage(observed: &Observed, now: Timestamp) -> Option<DunningStage> {
    judged(observed, &DunningTerms::default(), now).and_then(|dunning| dunning.stage)
}
