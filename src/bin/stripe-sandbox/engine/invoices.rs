//! An invoice's life: drafted, finalised, then paid, voided or written off.

use super::balance::Entry;
use super::calendar::{DAY, HOUR, Period};
use super::due::DRAFT_FOR;
use super::{balance, dunning, lifecycle, payments, save_customer, save_invoice, tax, usage};
use crate::model::invoice::{BilledTo, BillingReason, Invoice, Line, Status};
use crate::model::subscription::{
    AutomaticTax, CollectionMethod, PauseBehavior, Status as SubscriptionStatus, Subscription,
};
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

/// Lets a draft be finalised and collected by itself in an hour, unless collection is paused or given up.
pub fn schedule(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    let subscription = state.billing.subscriptions.get(&invoice.subscription);
    let held = subscription.is_some_and(|subscription| {
        subscription.status == SubscriptionStatus::Unpaid
            || subscription
                .pause_collection
                .is_some_and(|pause| pause.behavior == PauseBehavior::KeepAsDraft)
    });
    if held {
        return;
    }
    invoice.auto_advance = true;
    invoice.automatically_finalizes_at = Some(now + DRAFT_FOR);
    if invoice.collection_method == CollectionMethod::ChargeAutomatically {
        invoice.next_payment_attempt = Some(now + DRAFT_FOR);
    }
    save_invoice(state, invoice);
}

/// Makes a draft open: number, balance, payment intent. Nothing due means paid at once.
pub fn finalize(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    if invoice.status != Status::Draft {
        return;
    }
    usage::recount(state, &mut invoice);
    tax::assess_finally(state, &mut invoice);
    if let Some(mut customer) = state.customers.get(&invoice.customer).cloned() {
        let total = invoice.total();
        invoice.billed_to = billed_to(&customer);
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
        settle(state, id, Settlement::Payment, now);
    }
}

/// What Stripe does with a draft whose hour is over: finalises it, then collects, sends, voids or writes it off.
pub fn advance(state: &mut State, id: &str, now: i64) {
    finalize(state, id, now);
    let Some(invoice) = state.billing.invoices.get(id) else {
        return;
    };
    if invoice.status != Status::Open {
        return;
    }
    let subscription = state.billing.subscriptions.get(&invoice.subscription);
    let pause = subscription.and_then(|subscription| subscription.pause_collection);
    match pause.map(|pause| pause.behavior) {
        Some(PauseBehavior::Void) => void(state, id, now),
        Some(PauseBehavior::MarkUncollectible) => write_off(state, id, "subscription_paused", now),
        Some(PauseBehavior::KeepAsDraft) | None => {
            collect(state, id, dunning::Trigger::Schedule, None, now);
        }
    }
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
        Status::Open if invoice.expires_at.is_some_and(|at| at <= now) => void(state, id, now),
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

/// The customer as an invoice names them.
fn billed_to(customer: &Customer) -> BilledTo {
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
