//! How a tenant pays, and whether it has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Seen, subscription_of};
use crate::api::{
    ActionRequired, ConditionType, InvoiceSummary, PaymentStatus, TenantBillingStatus, reason,
};
use crate::converge::concern::{self, Concern, Matter};
use crate::converge::conditions::{Conditions, Truth};
use crate::converge::money;
use crate::converge::observed::{Customer, Invoice, Observed, Subscription};
use crate::converge::payment::SetupLink;

/// The status once a page was made on which the customer can leave a payment method.
pub fn with_setup(previous: &TenantBillingStatus, link: &SetupLink) -> TenantBillingStatus {
    let mut status = previous.clone();
    let payment = status.payment.get_or_insert_default();
    payment.setup_url = Some(link.url.clone());
    payment.setup_url_expires_at = Some(Time(link.expires_at));
    payment.setup_session_id = Some(link.session.clone());
    status
}

/// Sets `status.payment` and `status.invoice`.
pub(super) fn record(status: &mut TenantBillingStatus, seen: &Seen<'_>) {
    let observed = seen.observed;
    let subscription = own_subscription(status, observed);
    let concerns = concerns(subscription, seen);
    status.payment = observed.customers.first().map(|customer| PaymentStatus {
        method_on_file: has_method(customer, subscription),
        setup_url: seen.setup.map(|link| link.url.clone()),
        setup_url_expires_at: seen.setup.map(|link| Time(link.expires_at)),
        setup_session_id: seen.setup.map(|link| link.session.clone()),
        action_required: action_required(&concerns),
    });
    status.invoice = subscription
        .and_then(|of| concern::foremost(of, &observed.invoices, &concerns))
        .map(summary);
}

/// Sets `PaymentMethodReady` and `PaymentCurrent`.
pub(super) fn conditions(
    conditions: &mut Conditions<'_>,
    seen: &Seen<'_>,
    status: &TenantBillingStatus,
) {
    let Some(customer) = seen.observed.customers.first() else {
        return;
    };
    let subscription = own_subscription(status, seen.observed);
    let live = subscription.filter(|s| s.status.is_live());
    let method = has_method(customer, subscription);
    let (why, message) = if method {
        (
            reason::PAYMENT_METHOD_ON_FILE,
            "there is a default payment method".to_owned(),
        )
    } else {
        let message = format!("{} has no default payment method", customer.id);
        (reason::PAYMENT_METHOD_MISSING, message)
    };
    conditions.set(
        ConditionType::PaymentMethodReady,
        method.into(),
        why,
        &message,
    );
    let concerns = concerns(subscription, seen);
    if let Some(worst) = concerns.first() {
        let messages: Vec<&str> = concerns.iter().map(|c| c.message.as_str()).collect();
        conditions.set(
            ConditionType::PaymentCurrent,
            Truth::False,
            worst.matter.reason(),
            &messages.join("; "),
        );
    } else if live.is_some() {
        conditions.set(
            ConditionType::PaymentCurrent,
            Truth::True,
            reason::NOTHING_OVERDUE,
            "no payment is overdue",
        );
    }
}

fn has_method(customer: &Customer, subscription: Option<&Subscription>) -> bool {
    let live = subscription.filter(|s| s.status.is_live());
    customer.default_payment_method.is_some()
        || live.is_some_and(|s| s.default_payment_method.is_some())
}

fn own_subscription<'a>(
    status: &TenantBillingStatus,
    observed: &'a Observed,
) -> Option<&'a Subscription> {
    let recorded = status.stripe.as_ref();
    let recorded = recorded.and_then(|stripe| stripe.subscription_id.as_ref());
    subscription_of(observed, recorded)
}

fn concerns<'a>(subscription: Option<&Subscription>, seen: &Seen<'a>) -> Vec<Concern<'a>> {
    let of = |subscription| concern::concerns(subscription, &seen.observed.invoices, seen.now);
    subscription.map(of).unwrap_or_default()
}

/// What the customer can do: pay, or authenticate.
fn action_required(concerns: &[Concern<'_>]) -> Option<ActionRequired> {
    let concern = concerns.iter().find(|concern| {
        matches!(
            concern.matter,
            Matter::Unpaid | Matter::ActionRequired | Matter::AwaitingPayment | Matter::PastDue
        )
    })?;
    let invoice = concern.invoice;
    Some(ActionRequired {
        reason: concern.matter.reason().to_owned(),
        url: invoice.and_then(|invoice| invoice.hosted_url.clone()),
        invoice: invoice.map(|invoice| invoice.id.clone()),
        amount: invoice.map(amount),
        currency: invoice.map(|invoice| invoice.currency.clone()),
        before: concern.before.map(Time),
    })
}

fn summary(invoice: &Invoice) -> InvoiceSummary {
    InvoiceSummary {
        id: invoice.id.clone(),
        status: invoice.status.as_str().to_owned(),
        amount_due: amount(invoice),
        currency: invoice.currency.clone(),
        created_at: Time(invoice.created),
        attempts: invoice.attempt_count,
        next_payment_attempt: invoice.next_payment_attempt.map(Time),
        due_at: invoice.due_date.map(Time),
    }
}

fn amount(invoice: &Invoice) -> String {
    money::format(invoice.amount, &invoice.currency)
}
