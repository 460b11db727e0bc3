//! Drafts: how long they wait, what makes them final, and what keeps them from it.

use super::balance::Entry;
use super::calendar::{DAY, HOUR};
use super::due::DRAFT_FOR;
use super::invoices::{self, Settlement};
use super::{balance, dunning, lifecycle, payments, save_customer, save_invoice, tax, usage};
use crate::model::BalanceChange;
use crate::model::invoice::{FinalizationError, Invoice, Status};
use crate::model::subscription::{CollectionMethod, PauseBehavior, Status as SubscriptionStatus};
use crate::model::tax::InvoiceTax;
use crate::state::State;

/// How a subscription's collection is paused, if it is.
pub fn paused(state: &State, subscription: &str) -> Option<PauseBehavior> {
    let subscription = state.billing.subscriptions.get(subscription)?;
    Some(subscription.pause_collection?.behavior)
}

/// Lets a draft be finalised and collected by itself in an hour, unless collection is paused or given up.
pub fn schedule(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    let subscription = state.billing.subscriptions.get(&invoice.subscription);
    let unpaid = subscription.is_some_and(|it| it.status == SubscriptionStatus::Unpaid);
    let held = paused(state, &invoice.subscription) == Some(PauseBehavior::KeepAsDraft);
    if unpaid || held {
        return;
    }
    invoice.auto_advance = true;
    invoice.automatically_finalizes_at = Some(now + DRAFT_FOR);
    if invoice.collection_method == CollectionMethod::ChargeAutomatically {
        invoice.next_payment_attempt = Some(now + DRAFT_FOR);
    }
    save_invoice(state, invoice);
}

/// Who wants a draft to be final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// The account, by a request for just that.
    Request,
    /// Stripe, by itself or in the course of something else.
    Stripe,
}

/// Makes a draft open: number, balance, payment intent. Nothing due means paid at once. If it cannot be, it stays a draft
/// that says why.
pub fn finalize(state: &mut State, id: &str, finalizer: Finalizer, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    if invoice.status != Status::Draft {
        return;
    }
    usage::recount(state, &mut invoice);
    tax::assess_finally(state, &mut invoice, finalizer);
    if let Some(problem) = problem(&invoice) {
        return fail(state, invoice, problem, now);
    }
    invoice.last_finalization_error = None;
    if let Some(mut customer) = state.customers.get(&invoice.customer).cloned() {
        let total = invoice.total();
        invoice.billed_to = invoices::billed_to(&customer);
        invoice.number = Some(format!(
            "{}-{:04}",
            customer.invoice_prefix, customer.next_invoice_sequence
        ));
        customer.next_invoice_sequence += 1;
        invoice.starting_balance = customer.balance;
        // What the balance neither covers nor swells is due; a credit that exceeds the total stays a credit.
        let used = total - invoice.amount_due();
        if used != 0 {
            let kind = BalanceChange::AppliedToInvoice;
            let entry = Entry::of_invoice(kind, used, &invoice.id, &invoice.currency);
            balance::enter(state, &mut customer, entry);
        }
        invoice.ending_balance = Some(customer.balance);
        save_customer(state, customer);
    }
    invoice.status = Status::Open;
    invoice.finalized_at = Some(now);
    invoice.automatically_finalizes_at = None;
    invoice.next_payment_attempt = None;
    if invoice.collection_method == CollectionMethod::SendInvoice {
        invoice.due_date = Some(now + i64::from(invoice.days_until_due.unwrap_or(0)) * DAY);
    }
    let owed = invoice.amount_due() > 0;
    if owed {
        payments::prepare(state, &invoice, now);
    }
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    state.emit("invoice.finalized", rendered, None);
    if !owed {
        invoices::settle(state, id, Settlement::Payment, now);
    }
}

/// What keeps a draft from being final.
fn problem(invoice: &Invoice) -> Option<FinalizationError> {
    if invoice.refuses_finalization.is_some() {
        return invoice.refuses_finalization.clone();
    }
    (invoice.automatic_tax == InvoiceTax::RequiresLocationInputs).then(|| FinalizationError {
        code: "customer_tax_location_invalid".to_owned(),
        message: tax::LOCATION_UNKNOWN.to_owned(),
    })
}

/// How long after a failure Stripe tries again by itself. Its documents do not say; this is the sandbox's own.
const TRIED_AGAIN_AFTER: i64 = DAY;

fn fail(state: &mut State, mut invoice: Invoice, problem: FinalizationError, now: i64) {
    invoice.last_finalization_error = Some(problem);
    if invoice.auto_advance {
        let later = now + TRIED_AGAIN_AFTER;
        invoice.automatically_finalizes_at = Some(later);
        invoice.next_payment_attempt = invoice.next_payment_attempt.map(|_| later);
    }
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    state.emit("invoice.finalization_failed", rendered, None);
}

/// What Stripe does with a draft whose hour is over: finalises it, then collects, sends, voids or writes it off.
pub fn advance(state: &mut State, id: &str, now: i64) {
    finalize(state, id, Finalizer::Stripe, now);
    let Some(invoice) = state.billing.invoices.get(id) else {
        return;
    };
    if invoice.status != Status::Open {
        return;
    }
    match paused(state, &invoice.subscription) {
        // What was let go nonetheless is collected.
        Some(PauseBehavior::KeepAsDraft) | None => {
            invoices::collect(state, id, dunning::Trigger::Schedule, None, now);
        }
        Some(pause) => invoices::set_aside(state, id, pause, now),
    }
}

/// Longest time an endpoint that does not acknowledge an invoice's creation holds it back.
const HELD_AT_MOST: i64 = 72 * HOUR;
/// Wall-clock seconds within which an endpoint in good health acknowledges.
const ON_ITS_WAY: i64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Every endpoint acknowledged the invoice's creation, or was given up.
    Heard,
    /// The webhooks have only just been sent.
    OnItsWay,
    /// An endpoint does not acknowledge.
    Unheard,
}

fn news(state: &State, invoice: &Invoice) -> News {
    let event = invoice
        .created_event
        .as_ref()
        .and_then(|id| state.events.get(id));
    match event.filter(|event| event.pending_webhooks > 0 && !event.undelivered) {
        None => News::Heard,
        Some(event) if state.wall_clock() <= event.created + ON_ITS_WAY => News::OnItsWay,
        Some(_) => News::Unheard,
    }
}

/// Whether an invoice that is due must wait for webhooks only just sent: time stands still for them, since a clock that is
/// advanced passes an hour in no time at all.
pub fn awaits_webhooks(state: &State, id: &str) -> bool {
    let invoice = state
        .billing
        .invoices
        .get(id)
        .filter(|invoice| invoice.status == Status::Draft);
    invoice.is_some_and(|invoice| news(state, invoice) == News::OnItsWay)
}

/// Does what is due for an invoice.
pub fn run_due(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    match invoice.status {
        Status::Draft if state.settings.keep_drafts => {
            let clock = invoice.test_clock.as_deref();
            state.billing.due.set(clock, id, Some(now + DRAFT_FOR));
        }
        Status::Draft => match news(state, &invoice) {
            News::Heard => advance(state, id, now),
            _ if now >= invoice.created + HELD_AT_MOST => advance(state, id, now),
            News::OnItsWay | News::Unheard => {
                let later = (now + DRAFT_FOR).min(invoice.created + HELD_AT_MOST);
                invoice.automatically_finalizes_at = Some(later);
                invoice.next_payment_attempt = invoice.next_payment_attempt.map(|_| later);
                save_invoice(state, invoice);
            }
        },
        Status::Open if invoice.expires_at.is_some_and(|at| at <= now) => {
            invoices::void(state, id, now);
        }
        Status::Open if invoice.next_payment_attempt.is_some_and(|at| at <= now) => {
            dunning::retry(state, id, now);
        }
        Status::Open => {
            invoice.overdue = true;
            save_invoice(state, invoice);
            lifecycle::invoice_overdue(state, id, now);
        }
        Status::Paid | Status::Uncollectible | Status::Void => {}
    }
}
