//! What about a tenant's payments needs somebody: the customer, or the person who bills.
//!
//! Judged from the subscription and its unsettled invoices alone, each time anew. A trial's invoice of
//! nothing is no concern, nor is a payment that Stripe is about to collect.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::observed::{
    Awaits, Invoice, InvoiceStatus, InvoiceTax, Subscription, SubscriptionStatus,
};
use crate::api::reason;

/// How long Stripe waits for the first payment of a subscription.
const FIRST_PAYMENT_WITHIN: SignedDuration = SignedDuration::from_hours(23);
/// Stripe finalises in batches. Later than this it is late.
const FINALIZES_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// The longest that Stripe itself puts off the finalising of an invoice, while an endpoint fails to
/// acknowledge that it was created, or as a grace period for usage.
const DRAFT_AT_MOST: SignedDuration = SignedDuration::from_hours(72);

/// What is the matter, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// The first payment was not made in time; Stripe has ended the subscription.
    Expired,
    /// Stripe gave up collecting.
    Unpaid,
    /// Stripe Tax cannot place the customer, so that the invoice cannot be finalised.
    TaxLocationUnknown,
    /// The invoice cannot be finalised for another reason.
    NotFinalized,
    /// The customer has to authenticate the payment.
    ActionRequired,
    /// The first payment is open.
    AwaitingPayment,
    /// A payment failed, or is late.
    PastDue,
    /// A draft should have been finalised and was not.
    StuckInDraft,
}

impl Matter {
    /// The reason it is in conditions.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => reason::SUBSCRIPTION_EXPIRED,
            Self::Unpaid => reason::UNPAID,
            Self::TaxLocationUnknown => reason::TAX_LOCATION_UNKNOWN,
            Self::NotFinalized => reason::INVOICE_NOT_FINALIZED,
            Self::ActionRequired => reason::PAYMENT_ACTION_REQUIRED,
            Self::AwaitingPayment => reason::AWAITING_PAYMENT,
            Self::PastDue => reason::PAST_DUE,
            Self::StuckInDraft => reason::INVOICE_STUCK_IN_DRAFT,
        }
    }
}

/// Something about a tenant's payments that needs somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern<'a> {
    /// What is the matter.
    pub matter: Matter,
    /// What is the case, and the cure. It names objects, but neither amounts nor links, so that it may
    /// go into events and logs.
    pub message: String,
    /// The invoice it is about.
    pub invoice: Option<&'a Invoice>,
    /// Until when it can be put right.
    pub before: Option<Timestamp>,
}

/// Everything that needs somebody, the worst first; of the same, the oldest invoice first.
pub fn concerns<'a>(
    subscription: &Subscription,
    invoices: &'a [Invoice],
    now: Timestamp,
) -> Vec<Concern<'a>> {
    let own: Vec<&Invoice> = own(subscription, invoices).collect();
    let mut found: Vec<Concern<'_>> = own
        .iter()
        .filter_map(|invoice| of_invoice(subscription, invoice, now))
        .collect();
    found.extend(of_subscription(subscription, &own, &found));
    found.sort_by_key(|concern| concern.matter);
    found
}

/// When the judgement may change without anything having happened in Stripe.
pub fn next_change(
    subscription: &Subscription,
    invoices: &[Invoice],
    now: Timestamp,
) -> Option<Timestamp> {
    own(subscription, invoices)
        .filter_map(|invoice| match invoice.status {
            InvoiceStatus::Draft => late_after(subscription, invoice),
            InvoiceStatus::Open => invoice.due_date,
            _ => None,
        })
        .filter(|at| *at > now)
        .min()
}

/// The invoice that the status shows: the one of the worst concern, else the oldest that is to be
/// paid.
pub fn foremost<'a>(
    subscription: &Subscription,
    invoices: &'a [Invoice],
    concerns: &[Concern<'a>],
) -> Option<&'a Invoice> {
    let of_concern = concerns.iter().find_map(|concern| concern.invoice);
    of_concern.or_else(|| own(subscription, invoices).find(|invoice| is_payable(invoice)))
}

/// The invoices of a subscription, the oldest first. What a person bills besides is that person's
/// business; and the first invoice of one that has expired Stripe voids, if it hasn't yet.
fn own<'a>(
    subscription: &Subscription,
    invoices: &'a [Invoice],
) -> impl Iterator<Item = &'a Invoice> {
    let id = subscription.id.clone();
    let expired = subscription.status == SubscriptionStatus::IncompleteExpired;
    let own = move |invoice: &&Invoice| !expired && invoice.subscription.as_ref() == Some(&id);
    invoices.iter().filter(own)
}

fn is_payable(invoice: &Invoice) -> bool {
    invoice.status == InvoiceStatus::Open && invoice.amount > 0
}

fn of_invoice<'a>(
    subscription: &Subscription,
    invoice: &'a Invoice,
    now: Timestamp,
) -> Option<Concern<'a>> {
    match invoice.status {
        InvoiceStatus::Draft => of_draft(subscription, invoice, now),
        InvoiceStatus::Open if is_payable(invoice) => of_open(subscription, invoice, now),
        _ => None,
    }
}

fn of_draft<'a>(
    subscription: &Subscription,
    invoice: &'a Invoice,
    now: Timestamp,
) -> Option<Concern<'a>> {
    let (matter, message) = not_finalized(invoice).or_else(|| {
        late_after(subscription, invoice).filter(|late| *late <= now)?;
        Some((Matter::StuckInDraft, stuck(subscription, invoice)))
    })?;
    Some(Concern {
        matter,
        message,
        invoice: Some(invoice),
        before: None,
    })
}

/// What keeps a draft from being finalised, if anything is known to.
fn not_finalized(invoice: &Invoice) -> Option<(Matter, String)> {
    let id = &invoice.id;
    if invoice.tax == InvoiceTax::LocationMissing {
        let message = format!(
            "{id} cannot be finalised: Stripe Tax cannot place the customer. Correct \
             spec.customer.address (country and postal code); if Stripe does not finalise the invoice by \
             itself after that, finalise it in the Dashboard"
        );
        return Some((Matter::TaxLocationUnknown, message));
    }
    let why = match &invoice.finalization_error {
        Some(error) if error.message.is_empty() => &error.code,
        Some(error) => &error.message,
        None if invoice.tax == InvoiceTax::Failed => "its taxes could not be computed",
        None => return None,
    };
    let message = format!(
        "{id} cannot be finalised, so that nothing is charged; put that right in Stripe and finalise it \
         there. Stripe says: {why}"
    );
    Some((Matter::NotFinalized, message))
}

fn stuck(subscription: &Subscription, invoice: &Invoice) -> String {
    if !subscription.status.is_live() {
        return format!(
            "{} was held back for a dispute when {} ended, and is not charged by itself; finalise or \
             delete it in Stripe",
            invoice.id, subscription.id
        );
    }
    format!(
        "{} is a draft since {} and should have been finalised by now. Look in Stripe whether a webhook \
         endpoint fails, or its automatic collection is off, and finalise it there",
        invoice.id, invoice.created
    )
}

/// From when on a draft is late; `None` for one that nobody expects to be finalised.
fn late_after(subscription: &Subscription, invoice: &Invoice) -> Option<Timestamp> {
    // Of a subscription that ended while it was held, nobody ever lets the drafts go.
    if !subscription.status.is_live() && subscription.held.is_some() && invoice.amount > 0 {
        return Some(invoice.created);
    }
    // Drafts are what collection paused, and a subscription that Stripe gave up on, leave behind.
    let expected = subscription.collection_paused.is_some()
        || subscription.status == SubscriptionStatus::Unpaid
        || !subscription.status.is_live()
        || invoice.amount <= 0;
    if expected {
        return None;
    }
    let at = invoice.finalizes_at.map(|at| at + FINALIZES_WITHIN);
    Some(at.unwrap_or(invoice.created + DRAFT_AT_MOST))
}

fn of_open<'a>(
    subscription: &Subscription,
    invoice: &'a Invoice,
    now: Timestamp,
) -> Option<Concern<'a>> {
    let first = subscription.status == SubscriptionStatus::Incomplete;
    let before = first.then(|| subscription.created + FIRST_PAYMENT_WITHIN);
    let (matter, message) =
        waiting(subscription, invoice, before).or_else(|| late(invoice, now))?;
    Some(Concern {
        matter,
        message,
        invoice: Some(invoice),
        before,
    })
}

/// What waits for the customer, because Stripe can do no more about it by itself.
fn waiting(
    subscription: &Subscription,
    invoice: &Invoice,
    before: Option<Timestamp>,
) -> Option<(Matter, String)> {
    let id = &invoice.id;
    if !subscription.status.is_live() {
        let message = format!(
            "{id} was never paid, and {} has ended: Stripe does not collect it by itself any more. Have \
             the customer pay it at the link in status.payment.actionRequired, or void it in Stripe",
            subscription.id
        );
        return Some((Matter::Unpaid, message));
    }
    if invoice.awaits == Awaits::Action {
        let mut message = format!(
            "the payment of {id} waits for the customer to authenticate it (3-D Secure); send the \
             customer the link in status.payment.actionRequired"
        );
        if let Some(before) = before {
            // Writing to a String cannot fail.
            let _ = write!(message, ". Stripe gives up at {before}");
        }
        return Some((Matter::ActionRequired, message));
    }
    match subscription.status {
        SubscriptionStatus::Incomplete => {
            Some((Matter::AwaitingPayment, awaiting(subscription, id)))
        }
        SubscriptionStatus::Unpaid => {
            let message = format!(
                "Stripe gave up collecting {id}; have the customer pay it at the link in \
                 status.payment.actionRequired"
            );
            Some((Matter::Unpaid, message))
        }
        _ => None,
    }
}

/// A payment that failed and is retried, or is past its due date.
fn late(invoice: &Invoice, now: Timestamp) -> Option<(Matter, String)> {
    let id = &invoice.id;
    if let Some(due) = invoice.due_date {
        let message = format!(
            "{id} was due at {due} and is not paid; the customer can pay it at the link in \
             status.payment.actionRequired"
        );
        return (due <= now).then_some((Matter::PastDue, message));
    }
    // An invoice is open for a moment before Stripe charges it, and while the bank takes its time.
    if invoice.attempt_count == 0 || invoice.awaits == Awaits::Processing {
        return None;
    }
    let next = match (&invoice.held, invoice.next_payment_attempt) {
        (Some(mark), _) => format!("it is not tried again while {} is open", mark.by),
        (None, Some(at)) => format!("Stripe tries again at {at}"),
        (None, None) => "Stripe does not try again by itself".to_owned(),
    };
    let message = format!(
        "a payment of {id} failed; {next}. The customer can pay it at the link in \
         status.payment.actionRequired, or give another payment method"
    );
    Some((Matter::PastDue, message))
}

fn awaiting(subscription: &Subscription, what: &str) -> String {
    format!(
        "the first payment of {what} failed or is yet to be made; have the customer pay it at the link in \
         status.payment.actionRequired. Stripe waits until {} and then ends {}",
        subscription.created + FIRST_PAYMENT_WITHIN,
        subscription.id
    )
}

/// What the subscription says by itself, for when no invoice says it better.
fn of_subscription<'a>(
    subscription: &Subscription,
    own: &[&'a Invoice],
    found: &[Concern<'a>],
) -> Option<Concern<'a>> {
    let id = &subscription.id;
    let is_said = |matters: &[Matter]| found.iter().any(|c| matters.contains(&c.matter));
    let payment = [
        Matter::AwaitingPayment,
        Matter::ActionRequired,
        Matter::PastDue,
        Matter::Unpaid,
    ];
    let (matter, message) = match subscription.status {
        SubscriptionStatus::IncompleteExpired if !subscription.canceled_by_manifest => {
            let message = format!(
                "the first payment of {id} was not completed within 23 hours, and Stripe has ended it"
            );
            (Matter::Expired, message)
        }
        SubscriptionStatus::Incomplete if !is_said(&payment) => {
            (Matter::AwaitingPayment, awaiting(subscription, id))
        }
        SubscriptionStatus::PastDue if !is_said(&payment) => {
            let message = format!("a payment of {id} failed; Stripe is retrying it");
            (Matter::PastDue, message)
        }
        SubscriptionStatus::Unpaid if !is_said(&payment[3..]) => {
            let message = format!(
                "Stripe gave up retrying a payment of {id}; have the customer pay its open invoices"
            );
            (Matter::Unpaid, message)
        }
        _ => return None,
    };
    Some(Concern {
        matter,
        message,
        invoice: own.iter().find(|invoice| is_payable(invoice)).copied(),
        before: (matter == Matter::AwaitingPayment)
            .then(|| subscription.created + FIRST_PAYMENT_WITHIN),
    })
}

#[cfg(test)]
mod tests;
