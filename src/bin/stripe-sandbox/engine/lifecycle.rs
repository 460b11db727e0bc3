//! What happens to a subscription by itself: its trial ends, it renews, it expires, its invoices are paid or not.
//!
//! ```text
//! incomplete --first invoice paid--> active          incomplete --23 h--> incomplete_expired
//! trialing   --trial ends----------> active | paused | canceled
//! active     --attempt failed------> past_due        past_due --retries used up--> canceled | unpaid | past_due
//! past_due, unpaid --latest finalised invoice paid, voided or written off--> active
//! paused     --resumption paid-----> active          (see [`super::resumption`])
//! ```

use super::due::{INCOMPLETE_FOR, TRIAL_REMINDER};
use super::invoices;
use super::resumption::ResumeWhen;
use super::schedules::{self, Step};
use super::{cancel, next_due, payments, renewals, save_customer, save_subscription};
use crate::model::invoice::{Invoice, Status as InvoiceStatus};
use crate::model::subscription::{CollectionMethod, MissingPaymentMethod, Status, Subscription};
use crate::state::State;

/// Does what is due for a subscription.
pub fn run_due(state: &mut State, id: &str, now: i64) {
    let Some(mut subscription) = state.billing.subscriptions.get(id).cloned() else {
        return;
    };
    let resumes_at = subscription
        .pause_collection
        .and_then(|pause| pause.resumes_at);
    if resumes_at.is_some_and(|at| at <= now) {
        subscription.pause_collection = None;
        let next = next_due(state, &subscription);
        save_subscription(state, subscription.clone());
        // The same instant may end the period, too.
        if next != Some(now) {
            return;
        }
    }
    let subscription = match schedules::step(state, subscription, now) {
        Step::GoOn(subscription) => *subscription,
        Step::Done => return,
    };
    match subscription.status {
        Status::Incomplete => expire(state, subscription, now),
        _ if subscription.cancel_at.is_some_and(|at| at <= now) => {
            cancel::at_end(state, subscription, now);
        }
        Status::Trialing if subscription.trial_end.is_some_and(|end| end > now) => {
            remind(state, subscription);
        }
        Status::Trialing => end_trial(state, subscription, now),
        Status::Active | Status::PastDue | Status::Unpaid => renewals::renew(state, &subscription),
        Status::Paused | Status::Canceled | Status::IncompleteExpired => {}
    }
}

/// Announces the end of a trial, once, if it is near.
pub fn remind_if_near(state: &mut State, id: &str, now: i64) {
    let Some(subscription) = state.billing.subscriptions.get(id).cloned() else {
        return;
    };
    let near = subscription
        .trial_end
        .is_some_and(|end| end - TRIAL_REMINDER <= now);
    if subscription.status == Status::Trialing && near && !subscription.trial_reminded {
        remind(state, subscription);
    }
}

fn remind(state: &mut State, mut subscription: Subscription) {
    subscription.trial_reminded = true;
    let rendered = subscription.render(state);
    save_subscription(state, subscription);
    state.emit("customer.subscription.trial_will_end", rendered, None);
}

fn expire(state: &mut State, subscription: Subscription, now: i64) {
    if now < subscription.created + INCOMPLETE_FOR {
        return;
    }
    match subscription.latest_invoice.clone() {
        // Voiding the first invoice expires the subscription.
        Some(invoice) => invoices::void(state, &invoice, now),
        None => incomplete_expired(state, subscription, now),
    }
}

fn incomplete_expired(state: &mut State, mut subscription: Subscription, now: i64) {
    subscription.status = Status::IncompleteExpired;
    subscription.ended_at = Some(now);
    save_subscription(state, subscription);
}

/// What the end of a trial makes of a subscription that nothing can be charged to; `None` if there is nothing special.
pub fn without_payment_method(
    state: &State,
    subscription: &Subscription,
) -> Option<MissingPaymentMethod> {
    let charged = subscription.collection_method == CollectionMethod::ChargeAutomatically;
    let missing = charged && payments::default_method(state, subscription).is_none();
    let what = subscription.missing_payment_method;
    let special = match what {
        MissingPaymentMethod::Cancel => true,
        // A subscription whose collection is paused does not become `paused`.
        MissingPaymentMethod::Pause => subscription.pause_collection.is_none(),
        MissingPaymentMethod::CreateInvoice => false,
    };
    (missing && special).then_some(what)
}

/// Pauses a subscription at its trial's end.
pub fn pause(state: &mut State, mut subscription: Subscription) {
    subscription.status = Status::Paused;
    subscription.paused_at = Some(state.now(subscription.test_clock.as_deref()));
    let rendered = subscription.render(state);
    save_subscription(state, subscription);
    state.emit("customer.subscription.paused", rendered, None);
}

fn end_trial(state: &mut State, mut subscription: Subscription, now: i64) {
    match without_payment_method(state, &subscription) {
        Some(MissingPaymentMethod::Cancel) => return cancel::end(state, subscription, now),
        Some(MissingPaymentMethod::Pause) => {
            let id = subscription.id.clone();
            pause(state, subscription);
            return schedules::catch_up(state, &id, now);
        }
        _ => {}
    }
    subscription.status = Status::Active;
    renewals::renew(state, &subscription);
}

/// The invoice that decides whether a subscription is in good standing.
fn latest_finalized<'a>(state: &'a State, subscription: &Subscription) -> Option<&'a Invoice> {
    let counts = |invoice: &&Invoice| {
        invoice.finalized_at.is_some() && invoice.status != InvoiceStatus::Void
    };
    let latest = subscription
        .latest_invoice
        .as_ref()
        .and_then(|id| state.billing.invoices.get(id));
    latest.filter(counts).or_else(|| {
        let invoices = state.billing.invoices.iter().rev();
        invoices
            .filter(|invoice| invoice.subscription == subscription.id)
            .find(counts)
    })
}

fn of_invoice(state: &State, id: &str) -> Option<(Invoice, Subscription)> {
    let invoice = state.billing.invoices.get(id)?;
    let subscription = state.billing.subscriptions.get(&invoice.subscription)?;
    (!subscription.status.is_final()).then(|| (invoice.clone(), subscription.clone()))
}

/// An invoice was paid.
pub fn invoice_settled(state: &mut State, id: &str, now: i64) {
    let Some((invoice, mut subscription)) = of_invoice(state, id) else {
        return;
    };
    if let Some(mut customer) = state.customers.get(&invoice.customer).cloned() {
        customer.delinquent = false;
        save_customer(state, customer);
    }
    let pending = subscription
        .pending_update
        .take_if(|update| update.invoice == invoice.id);
    if let Some(update) = pending {
        super::change::apply_pending(&mut subscription, &update);
        schedules::follow(state, &subscription, now);
        let rendered = subscription.render(state);
        save_subscription(state, subscription.clone());
        state.emit(
            "customer.subscription.pending_update_applied",
            rendered,
            None,
        );
    }
    keep_payment_method(state, &mut subscription, &invoice);
    let latest = subscription.latest_invoice.as_deref() == Some(id);
    match subscription.status {
        Status::Incomplete => subscription.status = Status::Active,
        Status::Paused if latest && invoice.amount_due() > 0 => {
            return resumed(state, subscription);
        }
        Status::PastDue | Status::Unpaid => recover(state, &mut subscription),
        _ => {}
    }
    save_subscription(state, subscription);
    remind_if_near(state, &invoice.subscription, now);
}

/// Puts a paused subscription back to work.
pub fn resumed(state: &mut State, subscription: Subscription) {
    back_at_work(state, subscription, Status::Active);
}

fn back_at_work(state: &mut State, mut subscription: Subscription, status: Status) {
    subscription.status = status;
    subscription.paused_at = None;
    let rendered = subscription.render(state);
    save_subscription(state, subscription);
    state.emit("customer.subscription.resumed", rendered, None);
}

/// An attempt to collect an invoice failed.
pub fn invoice_unpaid(state: &mut State, id: &str) {
    let Some((invoice, mut subscription)) = of_invoice(state, id) else {
        return;
    };
    let resumes = invoice.resumes == Some(ResumeWhen::PaymentAttempt);
    if subscription.status == Status::Paused && resumes {
        return back_at_work(state, subscription, Status::PastDue);
    }
    // Of an invoice that was written off nobody waits for the payment.
    let latest = latest_finalized(state, &subscription)
        .is_some_and(|latest| latest.id == id && latest.status == InvoiceStatus::Open);
    if subscription.status == Status::Active && latest && subscription.pending_update.is_none() {
        subscription.status = Status::PastDue;
        save_subscription(state, subscription);
    }
}

/// A sent invoice's due date has passed.
pub fn invoice_overdue(state: &mut State, id: &str, _now: i64) {
    invoice_unpaid(state, id);
}

/// An invoice was voided or written off.
pub fn invoice_given_up(state: &mut State, id: &str, now: i64) {
    let Some((invoice, mut subscription)) = of_invoice(state, id) else {
        return;
    };
    if subscription
        .pending_update
        .take_if(|update| update.invoice == invoice.id)
        .is_some()
    {
        let rendered = subscription.render(state);
        save_subscription(state, subscription);
        state.emit(
            "customer.subscription.pending_update_expired",
            rendered,
            None,
        );
        return;
    }
    let void = invoice.status == InvoiceStatus::Void;
    let latest = subscription.latest_invoice.as_deref() == Some(id);
    match subscription.status {
        Status::Incomplete if void => incomplete_expired(state, subscription, now),
        Status::Incomplete => {
            subscription.status = Status::Active;
            save_subscription(state, subscription);
        }
        Status::Paused if latest && !void => resumed(state, subscription),
        Status::PastDue | Status::Unpaid => {
            recover(state, &mut subscription);
            save_subscription(state, subscription);
        }
        _ => {}
    }
}

fn recover(state: &State, subscription: &mut Subscription) {
    let owed = latest_finalized(state, subscription)
        .is_some_and(|invoice| invoice.status == InvoiceStatus::Open);
    if !owed {
        subscription.status = Status::Active;
    }
}

fn keep_payment_method(state: &State, subscription: &mut Subscription, invoice: &Invoice) {
    if subscription.payment_settings["save_default_payment_method"] != "on_subscription" {
        return;
    }
    let payments = state.billing.payments_of(&invoice.id).rev();
    let intent = payments
        .filter(|payment| payment.paid_at.is_some())
        .find_map(|payment| state.billing.payment_intents.get(&payment.payment_intent));
    if let Some(method) = intent.and_then(|intent| intent.payment_method.clone()) {
        subscription.default_payment_method = Some(method);
    }
}
