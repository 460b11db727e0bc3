//! Putting a paused subscription back to work.
//!
//! ```text
//! nothing owed ------------------------------------> active
//! on payment success: tried in the request, then by schedule --paid--> active, else paused; void after a year
//! on payment attempt: not tried in the request --paid--> active, --refused--> past_due; void after 23 hours untried
//! ```
//!
//! Stripe's page on pausing subscriptions says so. It does not say what a second resumption does while the first one's invoice
//! is open: here it is refused, so that nobody is charged twice.

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, Period};
use super::drafts::{self, Finalizer};
use super::due::INCOMPLETE_FOR;
use super::dunning::Trigger;
use super::invoices::{self, Draft};
use super::subscriptions::ProrationBehavior;
use super::{lifecycle, lines, payments, save_subscription, usage};
use crate::model::invoice::{BillingReason, Invoice, Status as InvoiceStatus};
use crate::model::subscription::Subscription;
use crate::state::State;
use crate::wire::StripeError;

/// How long an invoice is tried whose payment resumes a subscription.
const TRIED_FOR: i64 = 365 * DAY;

/// How a paused subscription is to be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// What periods are aligned to from now on.
    pub anchor: ResumeAnchor,
    /// Whether the rest of the running period is charged when the anchor stays.
    pub proration: ProrationBehavior,
    /// When the subscription becomes active.
    pub when: ResumeWhen,
}

/// What a resumed subscription's periods are aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeAnchor {
    /// The resumption.
    Now,
    /// What they were aligned to.
    Unchanged,
}

/// When a resumed subscription is back at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeWhen {
    /// When its invoice is paid, which is tried at once and again.
    PaymentSuccess,
    /// When somebody tries to pay its invoice, whatever comes of it.
    PaymentAttempt,
}

/// Resumes a paused subscription, as far as that needs no payment.
pub fn resume(
    state: &mut State,
    mut subscription: Subscription,
    how: Resumption,
    now: i64,
) -> Result<(), StripeError> {
    check_unresumed(state, &subscription)?;
    if how.anchor == ResumeAnchor::Now {
        subscription.billing_cycle_anchor = now;
    }
    let invoice = bill(state, &mut subscription, how, now);
    if invoice.lines.is_empty() && usage::any(state, &subscription.items) {
        lifecycle::resumed(state, subscription);
        return Ok(());
    }
    if invoice.amount_due() == 0 {
        lifecycle::resumed(state, subscription);
        let id = invoices::create(state, invoice);
        drafts::finalize(state, &id, Finalizer::Stripe, now);
        return Ok(());
    }
    let tried = how.when == ResumeWhen::PaymentSuccess;
    if tried && payments::default_method(state, &subscription).is_none() {
        return Err(payments::no_payment_method());
    }
    save_subscription(state, subscription);
    let lasts = if tried { TRIED_FOR } else { INCOMPLETE_FOR };
    let invoice = Invoice {
        auto_advance: tried,
        expires_at: Some(now + lasts),
        resumes: Some(how.when),
        ..invoice
    };
    let id = invoices::create(state, invoice);
    drafts::finalize(state, &id, Finalizer::Stripe, now);
    if tried {
        invoices::collect(state, &id, Trigger::Schedule, None, now);
    }
    Ok(())
}

/// Works out the periods from now on, and what is owed for the first.
fn bill(state: &State, subscription: &mut Subscription, how: Resumption, now: i64) -> Invoice {
    let cadence = lines::cadence_of(state, &subscription.items);
    let natural = cadence.period_containing(subscription.billing_cycle_anchor, now);
    let period = Period {
        start: now,
        end: natural.end,
    };
    let closed = subscription.period();
    subscription.set_period(period);
    let free = how.proration == ProrationBehavior::None && period != natural;
    let lines = if free {
        Vec::new()
    } else {
        lines::charges(state, subscription, period, natural)
    };
    let draft = Draft {
        reason: BillingReason::SubscriptionUpdate,
        lines,
        period: closed,
        proration_date: None,
    };
    invoices::compose(state, subscription, draft, now)
}

fn check_unresumed(state: &State, subscription: &Subscription) -> Result<(), StripeError> {
    let latest = subscription.latest_invoice.as_ref();
    let latest = latest.and_then(|id| state.billing.invoices.get(id));
    let pending = latest.filter(|invoice| {
        invoice.resumes.is_some()
            && matches!(invoice.status, InvoiceStatus::Draft | InvoiceStatus::Open)
    });
    match pending {
        None => Ok(()),
        Some(invoice) => Err(StripeError::invalid(format!(
            "This subscription is being resumed already: pay or void the invoice {}.",
            invoice.id
        ))),
    }
}
