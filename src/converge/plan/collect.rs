//! Paying what is open with a payment method that has not failed yet, and knowing when the dunning goes
//! on.
//!
//! Stripe retries by its own schedule, and a new card does not change that. So when there is one that
//! the last attempt was not made with, the invoice is paid with it at once: with the default, or else with
//! what the customer attached last, which becomes the default first.

use jiff::Timestamp;

use super::{Ask, Attached, Case, Plan, payment};
use crate::api::Lifecycle;
use crate::converge::dunning;
use crate::converge::observed::{Awaits, Invoice, InvoiceStatus, Subscription};
use crate::converge::steps::Step;

/// Looks again when the dunning goes on, and pays what can be paid.
pub(super) fn converge(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let now = case.situation.now;
    let invoices = &case.observed.invoices;
    if let Some(due) = dunning::next_overdue(subscription, invoices, now) {
        plan.look_at(due);
    }
    let desired = case.desired;
    let recorded = case.recorded.subscription_id.as_deref();
    let judged = dunning::judge(case.observed, &desired.key, recorded, &desired.dunning, now);
    if let Some(at) = judged.as_ref().and_then(dunning::Dunning::changes_at) {
        plan.look_at(at);
    }
    if desired.lifecycle != Lifecycle::Canceled {
        pay(plan, case, subscription);
    }
}

fn pay(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let failed = |invoice: &&Invoice| {
        invoice.subscription.as_ref() == Some(&subscription.id)
            && has_failed(subscription, invoice, case.situation.now)
    };
    let failed: Vec<&Invoice> = case.observed.invoices.iter().filter(failed).collect();
    let Some(customer) = case.customer().filter(|_| !failed.is_empty()) else {
        return;
    };
    let fresh = |method: &str| {
        let untried = |invoice: &&&Invoice| !was_tried(case, invoice, method);
        failed.iter().filter(untried).copied().collect::<Vec<_>>()
    };
    let default = payment::method(Some(customer), Some(subscription));
    let payable = default.map(fresh).unwrap_or_default();
    if let Some(method) = default.filter(|_| !payable.is_empty()) {
        plan.steps
            .extend(payable.into_iter().map(|invoice| by(invoice, method)));
        return;
    }
    match &case.situation.attached {
        None => {
            plan.ask
                .get_or_insert_with(|| Ask::PaymentMethods(customer.id.clone()));
        }
        Some(Attached::Nothing) => {}
        Some(Attached::Latest(method)) => {
            let payable = fresh(method);
            if payable.is_empty() {
                return;
            }
            if customer.default_payment_method.as_ref() != Some(method) {
                plan.steps.push(Step::SetDefaultPaymentMethod {
                    customer: customer.id.clone(),
                    payment_method: method.clone(),
                });
            }
            plan.steps
                .extend(payable.into_iter().map(|invoice| by(invoice, method)));
        }
    }
}

/// Whether an attempt to charge it failed, and another payment method may help. What the customer has to
/// authenticate, the bank works on, is held back, or is sent to be paid, is not for us to charge.
fn has_failed(subscription: &Subscription, invoice: &Invoice, now: Timestamp) -> bool {
    invoice.status == InvoiceStatus::Open
        && invoice.amount > 0
        && invoice.due_date.is_none()
        && invoice.held.is_none()
        && (invoice.attempted
            || invoice.attempt_count > 0
            || dunning::overdue_since(subscription, invoice, now).is_some())
        && matches!(invoice.awaits, Awaits::Nothing | Awaits::PaymentMethod)
}

fn was_tried(case: Case<'_>, invoice: &Invoice, method: &str) -> bool {
    let refused = &case.situation.refused;
    invoice.tried.as_deref() == Some(method)
        || refused
            .iter()
            .any(|(id, with)| *id == invoice.id && with == method)
}

fn by(invoice: &Invoice, method: &str) -> Step {
    Step::PayInvoice {
        invoice: invoice.id.clone(),
        payment_method: method.to_owned(),
    }
}
