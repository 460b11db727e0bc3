//! The end of a subscription.

use super::calendar::Period;
use super::drafts::{self, Finalizer};
use super::invoices::{self, Draft};
use super::{dunning, lines, replace_subscription, save_invoice, schedules, usage};
use crate::model::invoice::{BillingReason, Status as InvoiceStatus};
use crate::model::subscription::{Status, Subscription};
use crate::state::State;

/// What to settle when a subscription is cancelled at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Farewell {
    /// Bill usage and pending prorations with a last invoice.
    pub invoice_now: bool,
    /// Credit what was paid for beyond now.
    pub prorate: bool,
}

/// Cancels at once, on request.
pub fn now(state: &mut State, mut subscription: Subscription, farewell: Farewell, now: i64) {
    let paying = matches!(
        subscription.status,
        Status::Active | Status::PastDue | Status::Unpaid
    );
    if farewell.prorate && paying {
        let credits = lines::unused(state, &subscription, now);
        subscription.pending_lines.extend(credits);
    }
    let mut last = Vec::new();
    if farewell.invoice_now && paying {
        last = usage::accrued(state, &subscription, now);
    }
    let bill = farewell.invoice_now && !(last.is_empty() && subscription.pending_lines.is_empty());
    if bill {
        let draft = Draft {
            reason: BillingReason::SubscriptionUpdate,
            lines: last,
            period: Period {
                end: now.min(subscription.period().end),
                ..subscription.period()
            },
            proration_date: farewell.prorate.then_some(now),
        };
        let invoice = invoices::compose(state, &subscription, draft, now);
        replace_subscription(state, subscription.clone());
        let id = invoices::create(state, invoice);
        drafts::finalize(state, &id, Finalizer::Stripe, now);
        if state
            .billing
            .invoices
            .get(&id)
            .is_some_and(|invoice| invoice.status == InvoiceStatus::Open)
        {
            invoices::collect(state, &id, dunning::Trigger::Request, None, now);
        }
        subscription.pending_lines.clear();
        subscription.latest_invoice = Some(id);
    }
    let reason = "cancellation_requested".to_owned();
    subscription
        .cancellation_details
        .reason
        .get_or_insert(reason);
    subscription.canceled_at = Some(now);
    end(state, subscription, now);
}

/// Ends a subscription whose set end has come.
pub fn at_end(state: &mut State, subscription: Subscription, now: i64) {
    let closed = Period {
        end: now.min(subscription.period().end),
        ..subscription.period()
    };
    let usage = usage::of_period(state, &subscription, closed);
    let owed = !(usage.is_empty() && subscription.pending_lines.is_empty());
    if owed && subscription.status != Status::Trialing {
        let draft = Draft {
            reason: BillingReason::SubscriptionCycle,
            lines: usage,
            period: closed,
            proration_date: None,
        };
        let invoice = invoices::compose(state, &subscription, draft, now);
        let id = invoices::create(state, invoice);
        if let Some(subscription) = state.billing.subscriptions.get(&subscription.id).cloned() {
            end(state, subscription, now);
        }
        // After the end, which stops whatever was scheduled before it.
        drafts::schedule(state, &id, now);
        return;
    }
    end(state, subscription, now);
}

/// Ends a subscription, and with it the automatic collection of its customer's invoices.
pub fn end(state: &mut State, mut subscription: Subscription, now: i64) {
    subscription.status = Status::Canceled;
    subscription.paused_at = None;
    subscription.canceled_at.get_or_insert(now);
    subscription.ended_at = Some(now);
    subscription.pending_update = None;
    // Prorations not billed yet wait for the customer's next invoice.
    let left = std::mem::take(&mut subscription.pending_lines);
    if !left.is_empty() {
        state
            .billing
            .pending_lines
            .entry(subscription.customer.clone())
            .or_default()
            .extend(left);
    }
    let rendered = subscription.render(state);
    let customer = subscription.customer.clone();
    let id = subscription.id.clone();
    schedules::subscription_ended(state, &subscription, now);
    replace_subscription(state, subscription);
    let invoices: Vec<_> = state
        .billing
        .invoices
        .iter()
        .filter(|invoice| invoice.customer == customer)
        .filter(|invoice| match invoice.status {
            InvoiceStatus::Open => true,
            InvoiceStatus::Draft => invoice.subscription == id,
            _ => false,
        })
        .cloned()
        .collect();
    for mut invoice in invoices {
        invoices::stop(&mut invoice);
        save_invoice(state, invoice);
    }
    state.emit("customer.subscription.deleted", rendered, None);
}
