//! Changes of a running subscription, and what they cost.

use super::calendar::Period;
use super::drafts::{self, Finalizer};
use super::due::INCOMPLETE_FOR;
use super::invoices::{self, Draft};
use super::payments::{self, Outcome};
use super::subscriptions::{PaymentBehavior, ProrationBehavior};
use super::{cancel, dunning, lifecycle, lines, save_subscription, schedules, usage};
use crate::model::invoice::{BillingReason, Invoice, Line};
use crate::model::subscription::{
    CollectionMethod, Item, MissingPaymentMethod, PauseBehavior, PendingUpdate, Status,
    Subscription,
};
use crate::state::State;
use crate::wire::StripeError;

/// A new end for a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// At once.
    Now,
    /// At an instant in the future.
    At(i64),
}

/// What the periods are to be aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The time of the change.
    Now,
    /// Whatever the change implies.
    Implied,
}

/// A change to a subscription; its parameters have been checked one by one.
#[derive(Clone, Debug)]
pub struct Change {
    /// The subscription with its attributes and items as they are to be, but periods, trial and status as they are.
    pub after: Subscription,
    /// A new end of the trial.
    pub trial_end: Option<TrialEnd>,
    /// A new alignment.
    pub anchor: Anchor,
    /// What becomes of the difference.
    pub proration: ProrationBehavior,
    /// The instant differences are computed for.
    pub proration_date: i64,
    /// What follows a failed payment.
    pub payment_behavior: PaymentBehavior,
}

/// A change worked out: the subscription after it, and the invoice it makes at once, if any.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The subscription after the change.
    pub after: Subscription,
    /// What is billed at once.
    pub bill: Option<Vec<Line>>,
}

/// Works out a change without making it.
pub fn plan(state: &State, before: &Subscription, change: &Change, now: i64) -> Planned {
    let mut after = change.after.clone();
    let at = change.proration_date;
    usage::begin(&before.items, &mut after.items, at);
    let credits = |proration| match proration {
        ProrationBehavior::None => Vec::new(),
        _ => lines::unused(state, before, at),
    };
    let bill = match (change.trial_end, before.status) {
        (Some(TrialEnd::At(end)), Status::Trialing) => {
            move_trial(&mut after, before.period().start, end);
            None
        }
        (Some(TrialEnd::At(end)), _) => {
            let mut bill = credits(change.proration);
            bill.extend(usage::accrued(state, before, now));
            after.trial_start = Some(now);
            move_trial(&mut after, now, end);
            bill.extend(lines::trial(state, &after, after.period()));
            (!bill.is_empty()).then_some(bill)
        }
        (Some(TrialEnd::Now), Status::Trialing) => {
            after.trial_end = Some(now);
            after.status = Status::Active;
            let used = usage::of_trial(state, before, now);
            Some([used, restarted(state, &mut after, now)].concat())
        }
        // Nothing is paid for in a trial or a pause, so there is nothing to prorate.
        (_, Status::Trialing | Status::Paused) => {
            after.set_period(before.period());
            None
        }
        _ if change.anchor == Anchor::Now || restarts(state, before, &after) => {
            let mut bill = credits(change.proration);
            let used = usage::closing(state, before, &after.items, change.proration, now);
            bill.extend(used);
            bill.extend(restarted(state, &mut after, now));
            Some(bill)
        }
        _ => {
            after.set_period(before.period());
            prorate(state, before, &mut after, change)
        }
    };
    if after.cancel_at_period_end {
        after.cancel_at = Some(after.period().end);
    }
    Planned { after, bill }
}

/// The invoice a worked-out change makes at once.
pub fn invoice(
    state: &State,
    before: &Subscription,
    planned: &Planned,
    change: &Change,
    now: i64,
) -> Option<Invoice> {
    let draft = Draft {
        reason: BillingReason::SubscriptionUpdate,
        lines: planned.bill.clone()?,
        period: before.period(),
        proration_date: Some(change.proration_date),
    };
    Some(invoices::compose(state, &planned.after, draft, now))
}

/// Makes a change.
pub fn apply(state: &mut State, change: &Change, now: i64) -> Result<(), StripeError> {
    let id = change.after.id.clone();
    let before = state.billing.subscriptions.get(&id).cloned();
    let before = before.ok_or_else(|| StripeError::not_found("subscription", &id))?;
    let planned = plan(state, &before, change, now);
    if change.trial_end == Some(TrialEnd::Now) && before.status == Status::Trialing {
        let mut ending = change.after.clone();
        match lifecycle::without_payment_method(state, &ending) {
            Some(MissingPaymentMethod::Cancel) => {
                ending.trial_end = Some(now);
                cancel::end(state, ending, now);
                return Ok(());
            }
            Some(MissingPaymentMethod::Pause) => {
                ending.trial_end = Some(now);
                lifecycle::pause(state, ending);
                return Ok(());
            }
            _ => {}
        }
    }
    let Some(invoice) = invoice(state, &before, &planned, change, now) else {
        schedules::follow(state, &planned.after, now);
        save_subscription(state, planned.after);
        lifecycle::remind_if_near(state, &id, now);
        return Ok(());
    };
    if let Some(outcome) = shortfall(state, &planned.after, &invoice) {
        match (change.payment_behavior, payments::error(&outcome)) {
            (PaymentBehavior::DefaultIncomplete, _) => {}
            (PaymentBehavior::PendingIfIncomplete, _) => {
                hold(state, before, &planned.after, invoice, now);
                return Ok(());
            }
            (PaymentBehavior::ErrorIfIncomplete, Some(error)) => return Err(error),
            (_, Some(error)) if outcome == Outcome::NoPaymentMethod => return Err(error),
            _ => {}
        }
    }
    schedules::follow(state, &planned.after, now);
    save_subscription(state, planned.after);
    bill(state, invoice, change.payment_behavior, now);
    lifecycle::remind_if_near(state, &id, now);
    Ok(())
}

/// Makes a change nobody waits for, as a schedule does: what it bills is collected like a renewal, after an hour.
pub fn apply_by_itself(state: &mut State, before: &Subscription, change: &Change, now: i64) {
    let planned = plan(state, before, change, now);
    let invoice = invoice(state, before, &planned, change, now);
    save_subscription(state, planned.after);
    if let Some(invoice) = invoice {
        let id = invoices::create(state, invoice);
        drafts::schedule(state, &id, now);
    }
}

/// Carries out a change whose invoice has been paid.
pub fn apply_pending(subscription: &mut Subscription, update: &PendingUpdate) {
    subscription.items.clone_from(&update.items);
    if let Some(anchor) = update.billing_cycle_anchor {
        subscription.billing_cycle_anchor = anchor;
    }
    if let Some(end) = update.trial_end {
        subscription.trial_end = Some(end);
        if subscription.status == Status::Trialing && end <= subscription.period().start {
            subscription.status = Status::Active;
        }
    }
    if subscription.cancel_at_period_end {
        subscription.cancel_at = Some(subscription.period().end);
    }
}

/// Why the invoice could not be collected now; `None` if it can, or needs not.
fn shortfall(state: &State, after: &Subscription, invoice: &Invoice) -> Option<Outcome> {
    let collected = after.collection_method == CollectionMethod::ChargeAutomatically
        && after.pause_collection.is_none();
    if invoice.amount_due() == 0 || !collected {
        return None;
    }
    let method = payments::default_method(state, after);
    let outcome = payments::predict(state, method.as_deref());
    (outcome != Outcome::Succeeded).then_some(outcome)
}

fn bill(state: &mut State, invoice: Invoice, behavior: PaymentBehavior, now: i64) {
    let owed = invoice.amount_due() > 0;
    let sent = invoice.collection_method == CollectionMethod::SendInvoice;
    let pause = drafts::paused(state, &invoice.subscription).filter(|_| owed);
    let id = invoices::create(state, invoice);
    if pause == Some(PauseBehavior::KeepAsDraft) {
        return;
    }
    if owed && sent {
        drafts::schedule(state, &id, now);
        return;
    }
    drafts::finalize(state, &id, Finalizer::Stripe, now);
    if let Some(pause) = pause {
        invoices::set_aside(state, &id, pause, now);
    } else if owed && behavior == PaymentBehavior::DefaultIncomplete {
        lifecycle::invoice_unpaid(state, &id);
    } else if owed {
        invoices::collect(state, &id, dunning::Trigger::Request, None, now);
    }
}

/// Keeps the subscription as it is until the invoice is paid, for at most 23 hours.
fn hold(
    state: &mut State,
    mut before: Subscription,
    after: &Subscription,
    mut invoice: Invoice,
    now: i64,
) {
    let expires_at = now + INCOMPLETE_FOR;
    invoice.expires_at = Some(expires_at);
    before.pending_update = Some(PendingUpdate {
        expires_at,
        invoice: invoice.id.clone(),
        items: after.items.clone(),
        changes_items: before.items != after.items,
        trial_end: after
            .trial_end
            .filter(|_| after.trial_end != before.trial_end),
        billing_cycle_anchor: (after.billing_cycle_anchor != before.billing_cycle_anchor)
            .then_some(after.billing_cycle_anchor),
    });
    save_subscription(state, before);
    bill(state, invoice, PaymentBehavior::PendingIfIncomplete, now);
}

fn move_trial(after: &mut Subscription, start: i64, end: i64) {
    after.status = Status::Trialing;
    after.trial_end = Some(end);
    after.trial_reminded = false;
    after.billing_cycle_anchor = end;
    after.set_period(Period { start, end });
}

/// Aligns the subscription to now, and charges for the period that begins.
fn restarted(state: &State, after: &mut Subscription, now: i64) -> Vec<Line> {
    after.billing_cycle_anchor = now;
    let period = lines::cadence_of(state, &after.items).period_containing(now, now);
    after.set_period(period);
    lines::charges(state, after, period, period)
}

/// Whether a change of items begins a new period: another interval, or something to pay after nothing.
fn restarts(state: &State, before: &Subscription, after: &Subscription) -> bool {
    let cost = |items: &[Item]| lines::recurring_amount(state, items);
    let was_free = cost(&before.items) == 0 && !usage::any(state, &before.items);
    lines::cadence_of(state, &before.items) != lines::cadence_of(state, &after.items)
        || (was_free && cost(&after.items) > 0)
}

fn prorate(
    state: &State,
    before: &Subscription,
    after: &mut Subscription,
    change: &Change,
) -> Option<Vec<Line>> {
    let lines = || {
        let at = change.proration_date;
        let mut lines = usage::removed(state, before, &after.items, at);
        lines.extend(lines::prorations(state, before, &after.items, at));
        lines
    };
    match change.proration {
        ProrationBehavior::None => None,
        ProrationBehavior::CreateProrations => {
            let lines = lines();
            after.pending_lines.extend(lines);
            None
        }
        ProrationBehavior::AlwaysInvoice => Some(lines()).filter(|lines| !lines.is_empty()),
    }
}
