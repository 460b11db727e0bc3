//! An invoice's life: drafted, finalised (see [`super::drafts`]), then paid, voided or written off.

use super::balance::Entry;
use super::calendar::Period;
use super::{balance, dunning, lifecycle, payments, save_customer, save_invoice, tax};
use crate::model::invoice::{BilledTo, BillingReason, Invoice, Line, Status};
use crate::model::subscription::{AutomaticTax, CollectionMethod, PauseBehavior, Subscription};
use crate::model::{BalanceChange, Customer, Metadata};
use crate::state::State;

/// What an invoice is to be made of.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is made for.
    pub reason: BillingReason,
    /// Its lines; the subscription's pending ones come before them.
    pub lines: Vec<Line>,
    /// The time its usage is from.
    pub period: Period,
    /// Instant of its prorations.
    pub proration_date: Option<i64>,
}

/// What settles an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// A payment, or nothing was due.
    Payment,
    /// Money that did not pass through Stripe.
    OutOfBand,
}

/// The invoice a draft makes for the subscription as it is now. Changes nothing: previews end here.
pub fn compose(state: &State, subscription: &Subscription, draft: Draft, now: i64) -> Invoice {
    let customer = state.customers.get(&subscription.customer);
    let left = state.billing.pending_lines.get(&subscription.customer);
    let mut lines: Vec<Line> = left.cloned().unwrap_or_default();
    lines.extend_from_slice(&subscription.pending_lines);
    lines.extend(draft.lines);
    let automatic_tax = tax::assess(state, subscription.automatic_tax, customer, &mut lines);
    Invoice {
        id: crate::state::new_id("in"),
        number: None,
        customer: subscription.customer.clone(),
        billed_to: customer.map(billed_to).unwrap_or_default(),
        subscription: subscription.id.clone(),
        subscription_metadata: subscription.metadata.clone(),
        proration_date: draft.proration_date,
        status: Status::Draft,
        billing_reason: draft.reason,
        collection_method: subscription.collection_method,
        created: now,
        currency: subscription.currency.clone(),
        period: draft.period,
        lines,
        starting_balance: customer.map_or(0, |customer| customer.balance),
        ending_balance: None,
        amount_paid: 0,
        paid_out_of_band: false,
        auto_advance: false,
        automatically_finalizes_at: None,
        attempt_count: 0,
        attempted: false,
        next_payment_attempt: None,
        due_date: None,
        days_until_due: subscription.days_until_due,
        finalized_at: None,
        paid_at: None,
        voided_at: None,
        marked_uncollectible_at: None,
        uncollectible_reason: None,
        default_payment_method: None,
        description: None,
        footer: None,
        metadata: Metadata::new(),
        test_clock: subscription.test_clock.clone(),
        expires_at: None,
        refused_payment_method: None,
        overdue: false,
        created_event: None,
        automatic_tax,
        last_finalization_error: None,
        resumes: None,
        refuses_finalization: None,
    }
}

/// Makes out an invoice to a customer who is not, or not quite, the one that is kept, as previews do.
pub fn address(
    state: &State,
    invoice: &mut Invoice,
    customer: Option<&Customer>,
    setting: AutomaticTax,
) {
    invoice.billed_to = customer.map(billed_to).unwrap_or_default();
    invoice.automatic_tax = tax::assess(state, setting, customer, &mut invoice.lines);
}

/// Makes the invoice, as a draft nobody advances, and the subscription's latest. Takes up the pending lines.
pub fn create(state: &mut State, invoice: Invoice) -> String {
    let id = invoice.id.clone();
    if let Some(mut subscription) = state
        .billing
        .subscriptions
        .get(&invoice.subscription)
        .cloned()
    {
        subscription.pending_lines.clear();
        subscription.latest_invoice = Some(id.clone());
        super::save_subscription(state, subscription);
    }
    state.billing.pending_lines.remove(&invoice.customer);
    let rendered = invoice.render(state);
    state.emit("invoice.created", rendered, None);
    let created_event = state
        .events
        .iter()
        .next_back()
        .map(|event| event.id.clone());
    save_invoice(
        state,
        Invoice {
            created_event,
            ..invoice
        },
    );
    id
}

/// Tries to collect an open invoice that is charged automatically, or, on request, any.
pub fn collect(
    state: &mut State,
    id: &str,
    trigger: dunning::Trigger,
    method: Option<String>,
    now: i64,
) {
    let Some(invoice) = state.billing.invoices.get(id) else {
        return;
    };
    if !matches!(invoice.status, Status::Open | Status::Uncollectible) {
        // Its finalisation failed.
        return;
    }
    if trigger == dunning::Trigger::Schedule
        && invoice.collection_method == CollectionMethod::SendInvoice
    {
        let rendered = invoice.render(state);
        state.emit("invoice.sent", rendered, None);
        return;
    }
    dunning::attempt(state, id, trigger, method, now);
}

/// Marks an invoice paid, and lets its subscription know.
pub fn settle(state: &mut State, id: &str, settlement: Settlement, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    invoice.status = Status::Paid;
    invoice.amount_paid = invoice.amount_due();
    invoice.paid_at = Some(now);
    invoice.attempted = true;
    invoice.auto_advance = false;
    invoice.next_payment_attempt = None;
    invoice.expires_at = None;
    invoice.uncollectible_reason = None;
    invoice.paid_out_of_band = settlement == Settlement::OutOfBand;
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    state.emit("invoice.paid", rendered.clone(), None);
    if settlement == Settlement::OutOfBand {
        payments::give_up(state, id, "abandoned", now);
    }
    state.emit("invoice.payment_succeeded", rendered, None);
    lifecycle::invoice_settled(state, id, now);
}

/// Makes an open or written-off invoice void, and gives back the credit it had used.
pub fn void(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    payments::give_up(state, id, "void_invoice", now);
    if let (Some(ending), Some(mut customer)) = (
        invoice.ending_balance,
        state.customers.get(&invoice.customer).cloned(),
    ) {
        let back = invoice.starting_balance - ending;
        if back != 0 {
            let kind = BalanceChange::UnappliedFromInvoice;
            let entry = Entry::of_invoice(kind, back, &invoice.id, &invoice.currency);
            balance::enter(state, &mut customer, entry);
        }
        save_customer(state, customer);
    }
    invoice.status = Status::Void;
    invoice.voided_at = Some(now);
    stop(&mut invoice);
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    state.emit("invoice.voided", rendered, None);
    lifecycle::invoice_given_up(state, id, now);
}

/// Voids or writes off what was billed while collection is paused.
pub fn set_aside(state: &mut State, id: &str, pause: PauseBehavior, now: i64) {
    match pause {
        PauseBehavior::Void => void(state, id, now),
        PauseBehavior::MarkUncollectible => write_off(state, id, "subscription_paused", now),
        PauseBehavior::KeepAsDraft => {}
    }
}

/// Writes an open invoice off. It can be paid still.
pub fn write_off(state: &mut State, id: &str, reason: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    invoice.status = Status::Uncollectible;
    invoice.marked_uncollectible_at = Some(now);
    invoice.uncollectible_reason = Some(reason.to_owned());
    stop(&mut invoice);
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    state.emit("invoice.marked_uncollectible", rendered, None);
    lifecycle::invoice_given_up(state, id, now);
}

/// Ends automatic finalisation and collection.
pub fn stop(invoice: &mut Invoice) {
    invoice.auto_advance = false;
    invoice.automatically_finalizes_at = None;
    invoice.next_payment_attempt = None;
    invoice.expires_at = None;
}

/// The customer as an invoice names them.
pub fn billed_to(customer: &Customer) -> BilledTo {
    BilledTo {
        address: customer.address.clone(),
        email: customer.email.clone(),
        name: customer.name.clone(),
        phone: customer.phone.clone(),
        shipping: customer.shipping.clone(),
        tax_exempt: customer.tax_exempt.clone(),
        tax_ids: customer.tax_ids.clone(),
    }
}
