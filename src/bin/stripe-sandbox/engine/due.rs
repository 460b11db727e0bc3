//! When something is next to be done by Stripe itself, object by object.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, HOUR};
use crate::model::invoice::{Invoice, Status as InvoiceStatus};
use crate::model::subscription::{CollectionMethod, Status, Subscription};

/// How long a first invoice may stay unpaid.
pub const INCOMPLETE_FOR: i64 = 23 * HOUR;
/// How long before its end a trial is announced to end.
pub const TRIAL_REMINDER: i64 = 3 * DAY;
/// How long a renewal's invoice stays a draft.
pub const DRAFT_FOR: i64 = HOUR;

/// Objects in the order they become due; each at most once. Invoices sort before subscriptions due at the same instant, so
/// that what a period left behind is dealt with before the next begins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DueQueue {
    // The clock is the empty string for objects that live by the wall clock.
    queue: BTreeSet<(String, i64, String)>,
    entries: HashMap<String, (String, i64)>,
}

impl DueQueue {
    /// Sets when the object is due; `None` takes it out.
    pub fn set(&mut self, clock: Option<&str>, id: &str, at: Option<i64>) {
        if let Some((clock, at)) = self.entries.remove(id) {
            self.queue.remove(&(clock, at, id.to_owned()));
        }
        if let Some(at) = at {
            let clock = clock.unwrap_or_default().to_owned();
            self.entries.insert(id.to_owned(), (clock.clone(), at));
            self.queue.insert((clock, at, id.to_owned()));
        }
    }

    /// When the object is due.
    pub fn at(&self, id: &str) -> Option<i64> {
        self.entries.get(id).map(|(_, at)| *at)
    }

    /// The first object due on a clock, or by the wall clock.
    pub fn next(&self, clock: Option<&str>) -> Option<(i64, String)> {
        let clock = clock.unwrap_or_default();
        let from = (clock.to_owned(), i64::MIN, String::new());
        let (of, at, id) = self.queue.range(from..).next()?;
        (of == clock).then(|| (*at, id.clone()))
    }
}

/// When a subscription next changes by itself.
pub fn subscription_due(subscription: &Subscription) -> Option<i64> {
    let next = match subscription.status {
        Status::Canceled | Status::IncompleteExpired => return None,
        Status::Incomplete => return Some(subscription.created + INCOMPLETE_FOR),
        Status::Paused => None,
        Status::Trialing if subscription.trial_reminded => subscription.trial_end,
        Status::Trialing => subscription.trial_end.map(|end| end - TRIAL_REMINDER),
        Status::Active | Status::PastDue | Status::Unpaid => Some(subscription.period().end),
    };
    let resumes_at = subscription
        .pause_collection
        .and_then(|pause| pause.resumes_at);
    [next, subscription.cancel_at, resumes_at]
        .into_iter()
        .flatten()
        .min()
}

/// When an invoice next changes by itself.
pub fn invoice_due(invoice: &Invoice) -> Option<i64> {
    match invoice.status {
        InvoiceStatus::Draft if invoice.auto_advance => invoice.automatically_finalizes_at,
        InvoiceStatus::Open => {
            let overdue = invoice.due_date.filter(|_| {
                invoice.collection_method == CollectionMethod::SendInvoice && !invoice.overdue
            });
            [invoice.next_payment_attempt, invoice.expires_at, overdue]
                .into_iter()
                .flatten()
                .min()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clock_has_its_own_order_and_an_object_one_place() {
        let mut due = DueQueue::default();
        due.set(None, "sub_1", Some(30));
        due.set(Some("clock_1"), "sub_2", Some(10));
        due.set(None, "sub_3", Some(20));
        assert_eq!(due.next(None), Some((20, "sub_3".into())));
        due.set(None, "sub_3", Some(40));
        assert_eq!(due.next(None), Some((30, "sub_1".into())));
        due.set(None, "sub_1", None);
        due.set(None, "sub_3", None);
        assert_eq!(due.next(None), None);
        assert_eq!(due.next(Some("clock_1")), Some((10, "sub_2".into())));
        assert_eq!(due.next(Some("clock_0")), None);
    }

    #[test]
    fn an_invoice_goes_before_a_subscription_due_at_the_same_instant() {
        let mut due = DueQueue::default();
        due.set(None, "sub_1", Some(5));
        due.set(None, "in_9", Some(5));
        assert_eq!(due.next(None), Some((5, "in_9".into())));
    }
}
