//! Collecting what is owed: attempts, the retry schedule, and what follows the last retry.

use super::calendar::DAY;
use super::payments::{self, Outcome};
use super::resumption::ResumeWhen;
use super::setups::Authentication;
use super::{
    cancel, disputes, invoices, lifecycle, save_customer, save_invoice, save_subscription,
};
use crate::model::invoice::{Invoice, Status};
use crate::model::payment_intent::Status as IntentStatus;
use crate::model::subscription::Status as SubscriptionStatus;
use crate::state::{PastDueOutcome, State};
use crate::wire::StripeError;

/// Who wants the money now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Stripe's own schedule: counts as an attempt, and a failure schedules the next.
    Schedule,
    /// A request: counts only as the first attempt, and leaves the schedule alone.
    Request,
}

/// Charges an open invoice and lets it take the consequences.
pub fn attempt(
    state: &mut State,
    id: &str,
    trigger: Trigger,
    method: Option<String>,
    now: i64,
) -> Outcome {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return Outcome::NoPaymentMethod;
    };
    let method = method.or_else(|| payments::method_for(state, &invoice));
    if payments::intent_of(state, id).is_none() {
        payments::prepare(state, &invoice, now);
    }
    let Some(intent) = payments::intent_of(state, id) else {
        return Outcome::NoPaymentMethod;
    };
    let outcome = payments::charge(state, &intent, method.as_deref(), now);
    count(&mut invoice, trigger);
    invoice.attempted = true;
    if invoice.resumes == Some(ResumeWhen::PaymentAttempt) {
        // It was to be void for want of an attempt only.
        invoice.expires_at = None;
    }
    if outcome == Outcome::Succeeded {
        paid(state, invoice, now);
        return outcome;
    }
    if payments::is_hard(&outcome) {
        invoice.refused_payment_method = Some(method.unwrap_or_default());
    }
    let exhausted = plan_retry(state, &mut invoice, trigger, now);
    failed(state, invoice, &outcome);
    lifecycle::invoice_unpaid(state, id);
    if exhausted {
        give_up(state, id, now);
    }
    outcome
}

fn paid(state: &mut State, mut invoice: Invoice, now: i64) {
    let id = invoice.id.clone();
    invoice.refused_payment_method = None;
    save_invoice(state, invoice);
    payments::complete(state, &id, now);
    invoices::settle(state, &id, invoices::Settlement::Payment, now);
    disputes::follow(state, &id);
}

/// Whether a payment towards an invoice awaits the authentication of the card's owner.
pub fn awaits_authentication(state: &State, invoice: &str) -> bool {
    let intent = payments::intent_of(state, invoice);
    let intent = intent.and_then(|id| state.billing.payment_intents.get(&id));
    intent.is_some_and(|intent| intent.status == IntentStatus::RequiresAction)
}

/// Ends that wait: the payment is made, or fails without counting as an attempt.
pub fn authenticate(
    state: &mut State,
    id: &str,
    authentication: Authentication,
    now: i64,
) -> Result<(), StripeError> {
    let invoice = state.billing.invoices.get(id).cloned();
    let waiting = awaits_authentication(state, id);
    let (Some(invoice), Some(intent), true) = (invoice, payments::intent_of(state, id), waiting)
    else {
        return Err(StripeError::invalid(
            "No payment towards this invoice awaits authentication.",
        ));
    };
    match payments::authenticate(state, &intent, authentication, now) {
        None => {
            paid(state, invoice, now);
            Ok(())
        }
        Some(error) => {
            let failure = "payment_intent_authentication_failure".to_owned();
            failed(state, invoice, &Outcome::Declined(failure));
            Err(error)
        }
    }
}

/// A retry by schedule. A payment method that was refused for good is not charged again, but the attempt counts.
pub fn retry(state: &mut State, id: &str, now: i64) {
    let Some(mut invoice) = state.billing.invoices.get(id).cloned() else {
        return;
    };
    let method = payments::method_for(state, &invoice).unwrap_or_default();
    if invoice.refused_payment_method.as_deref() != Some(method.as_str()) {
        attempt(state, id, Trigger::Schedule, None, now);
        return;
    }
    count(&mut invoice, Trigger::Schedule);
    let exhausted = plan_retry(state, &mut invoice, Trigger::Schedule, now);
    save_invoice(state, invoice);
    if exhausted {
        give_up(state, id, now);
    }
}

fn count(invoice: &mut Invoice, trigger: Trigger) {
    if trigger == Trigger::Schedule || invoice.attempt_count == 0 {
        invoice.attempt_count += 1;
    }
}

/// Sets the next attempt; true if there is none left.
fn plan_retry(state: &State, invoice: &mut Invoice, trigger: Trigger, now: i64) -> bool {
    if trigger == Trigger::Request || !invoice.auto_advance {
        return false;
    }
    let failures = usize::try_from(invoice.attempt_count).unwrap_or(usize::MAX);
    let wait = failures
        .checked_sub(1)
        .and_then(|retry| state.settings.retry_days.get(retry));
    invoice.next_payment_attempt = wait.map(|days| now + days * DAY);
    invoice.next_payment_attempt.is_none()
}

fn failed(state: &mut State, invoice: Invoice, outcome: &Outcome) {
    if let Some(mut customer) = state.customers.get(&invoice.customer).cloned() {
        customer.delinquent = true;
        save_customer(state, customer);
    }
    let rendered = invoice.render(state);
    save_invoice(state, invoice);
    if *outcome == Outcome::RequiresAction {
        state.emit("invoice.payment_action_required", rendered.clone(), None);
    }
    state.emit("invoice.payment_failed", rendered, None);
}

/// What the account's settings say of a subscription whose retries are used up.
fn give_up(state: &mut State, id: &str, now: i64) {
    let Some(invoice) = state.billing.invoices.get(id) else {
        return;
    };
    let Some(mut subscription) = state
        .billing
        .subscriptions
        .get(&invoice.subscription)
        .cloned()
    else {
        return;
    };
    if invoice.status != Status::Open || subscription.status != SubscriptionStatus::PastDue {
        return;
    }
    match state.settings.past_due_outcome {
        PastDueOutcome::Cancel => {
            subscription.cancellation_details.reason = Some("payment_failed".to_owned());
            cancel::end(state, subscription, now);
        }
        PastDueOutcome::Unpaid => {
            subscription.status = SubscriptionStatus::Unpaid;
            save_subscription(state, subscription);
        }
        PastDueOutcome::PastDue => {}
    }
}
