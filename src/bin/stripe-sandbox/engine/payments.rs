//! Charging cards: which payment method pays an invoice, and what comes of it.

use serde_json::{Value, json};

use super::setups::Authentication;
use crate::api::payment_methods::declined;
use crate::model::CardBehavior;
use crate::model::charge::{Charge, Failure};
use crate::model::invoice::{Invoice, InvoicePayment, PaymentStatus};
use crate::model::payment_intent::{PaymentIntent, Status};
use crate::model::subscription::{CollectionMethod, Subscription};
use crate::state::{State, token};
use crate::wire::StripeError;

/// What an attempt to collect comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is there.
    Succeeded,
    /// The card refused, with this decline code.
    Declined(String),
    /// The customer must authenticate.
    RequiresAction,
    /// There is nothing to charge.
    NoPaymentMethod,
}

/// Decline codes after which the same card is not tried again.
const HARD: &[&str] = &[
    "authentication_required",
    "highest_risk_level",
    "incorrect_number",
    "lost_card",
    "pickup_card",
    "revocation_of_all_authorizations",
    "revocation_of_authorization",
    "stolen_card",
    "transaction_not_allowed",
];

/// The payment method a subscription's invoices are charged to: its own default, else the customer's.
pub fn default_method(state: &State, subscription: &Subscription) -> Option<String> {
    let own = subscription.default_payment_method.as_deref();
    let customer = state.customers.get(&subscription.customer);
    let theirs = || customer?.invoice_settings.default_payment_method.as_deref();
    own.or_else(theirs)
        .filter(|id| attached(state, id, &subscription.customer))
        .map(str::to_owned)
}

/// The payment method an invoice is charged to.
pub fn method_for(state: &State, invoice: &Invoice) -> Option<String> {
    let own = invoice.default_payment_method.as_deref();
    let own = own
        .filter(|id| attached(state, id, &invoice.customer))
        .map(str::to_owned);
    own.or_else(|| {
        default_method(
            state,
            state.billing.subscriptions.get(&invoice.subscription)?,
        )
    })
}

/// What charging this payment method would come to.
pub fn predict(state: &State, method: Option<&str>) -> Outcome {
    match method
        .and_then(|id| state.payment_methods.get(id))
        .map(|method| &method.on_charge)
    {
        None => Outcome::NoPaymentMethod,
        Some(CardBehavior::Success) => Outcome::Succeeded,
        Some(CardBehavior::Decline(code)) => Outcome::Declined(code.clone()),
        Some(CardBehavior::RequiresAction) => Outcome::RequiresAction,
    }
}

/// Whether retrying the same payment method is pointless.
pub fn is_hard(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Declined(code) => HARD.contains(&code.as_str()),
        Outcome::NoPaymentMethod => true,
        Outcome::Succeeded | Outcome::RequiresAction => false,
    }
}

/// The error a request gets when its payment came to nothing; `None` for a success.
pub fn error(outcome: &Outcome) -> Option<StripeError> {
    match outcome {
        Outcome::Succeeded => None,
        Outcome::Declined(code) => Some(declined(code)),
        Outcome::RequiresAction => Some(
            StripeError::invalid(
                "This payment requires additional user action before it can be completed successfully. Payment can \
                 be completed using the PaymentIntent associated with the invoice.",
            )
            .status(402)
            .code("invoice_payment_intent_requires_action"),
        ),
        Outcome::NoPaymentMethod => Some(no_payment_method()),
    }
}

/// The error about a customer whom nothing can be charged to.
pub fn no_payment_method() -> StripeError {
    StripeError::invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a default \
         payment method. For more information, visit \
         https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
    )
    .code("resource_missing")
}

/// Makes the payment intent through which a finalised invoice is to be paid.
pub fn prepare(state: &mut State, invoice: &Invoice, now: i64) {
    let method = method_for(state, invoice)
        .filter(|_| invoice.collection_method == CollectionMethod::ChargeAutomatically);
    let id = state.new_id("pi");
    let intent = PaymentIntent {
        client_secret: format!("{id}_secret_{}", token(25)),
        id: id.clone(),
        amount: invoice.amount_due(),
        currency: invoice.currency.clone(),
        customer: invoice.customer.clone(),
        invoice: invoice.id.clone(),
        status: if method.is_some() {
            Status::RequiresConfirmation
        } else {
            Status::RequiresPaymentMethod
        },
        payment_method: method,
        created: now,
        canceled_at: None,
        cancellation_reason: None,
        description: invoice
            .number
            .as_ref()
            .map(|number| format!("Payment for Invoice {number}")),
        last_payment_error: None,
        latest_charge: None,
        metadata: crate::model::Metadata::new(),
    };
    let rendered = intent.render(state);
    let payment = InvoicePayment {
        id: state.new_id("inpay"),
        invoice: invoice.id.clone(),
        payment_intent: id.clone(),
        is_default: true,
        amount: intent.amount,
        currency: intent.currency.clone(),
        created: now,
        status: PaymentStatus::Open,
        paid_at: None,
        canceled_at: None,
    };
    state.billing.payment_intents.insert(id, intent);
    state.billing.insert_payment(payment);
    state.emit("payment_intent.created", rendered, None);
}

/// The payment intent of an invoice, if it is still of use.
pub fn intent_of(state: &State, invoice: &str) -> Option<String> {
    let mut payments = state.billing.payments_of(invoice).rev();
    let payment = payments.find(|payment| payment.status == PaymentStatus::Open)?;
    Some(payment.payment_intent.clone())
}

/// Charges the payment method for the invoice's payment intent, with all events of the payment itself; the invoice is the
/// caller's business.
pub fn charge(state: &mut State, intent: &str, method: Option<&str>, now: i64) -> Outcome {
    let outcome = predict(state, method);
    let Some(mut intent) = state.billing.payment_intents.get(intent).cloned() else {
        return Outcome::NoPaymentMethod;
    };
    match (&outcome, method) {
        (Outcome::Succeeded, Some(method)) => {
            intent.latest_charge = Some(record(state, &intent, method, None, now));
            intent.status = Status::Succeeded;
            intent.payment_method = Some(method.to_owned());
            intent.last_payment_error = None;
            keep(state, intent, "payment_intent.succeeded");
        }
        (Outcome::Declined(code), Some(method)) => {
            let failure = failure(code);
            let charge = record(state, &intent, method, Some(failure.clone()), now);
            intent.last_payment_error = Some(payment_error(state, &failure, &charge, method));
            intent.latest_charge = Some(charge);
            intent.status = Status::RequiresPaymentMethod;
            intent.payment_method = None;
            keep(state, intent, "payment_intent.payment_failed");
        }
        (Outcome::RequiresAction, Some(method)) => {
            intent.status = Status::RequiresAction;
            intent.payment_method = Some(method.to_owned());
            keep(state, intent, "payment_intent.requires_action");
        }
        _ => {}
    }
    outcome
}

/// Ends the wait of a payment intent for the authentication of its card's owner, with all events of the payment itself. The
/// error is what the owner reads when it failed.
pub fn authenticate(
    state: &mut State,
    intent: &str,
    authentication: Authentication,
    now: i64,
) -> Option<StripeError> {
    let mut intent = state.billing.payment_intents.get(intent)?.clone();
    let method = intent.payment_method.clone().unwrap_or_default();
    if authentication == Authentication::Passed {
        intent.latest_charge = Some(record(state, &intent, &method, None, now));
        intent.status = Status::Succeeded;
        intent.last_payment_error = None;
        keep(state, intent, "payment_intent.succeeded");
        return None;
    }
    let error = StripeError::invalid(
        "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new \
         PaymentMethod to attempt to fulfill this PaymentIntent again.",
    )
    .status(402)
    .code("payment_intent_authentication_failure");
    let mut stored = error.body("")["error"].clone();
    if let Some(members) = stored.as_object_mut() {
        members.remove("request_log_url");
        let method = state.payment_methods.get(&method);
        members.insert(
            "payment_method".into(),
            json!(method.map(crate::model::PaymentMethod::render)),
        );
    }
    intent.last_payment_error = Some(stored);
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    keep(state, intent, "payment_intent.payment_failed");
    Some(error)
}

/// Gives up the open payments towards an invoice.
pub fn give_up(state: &mut State, invoice: &str, reason: &str, now: i64) {
    let open = state
        .billing
        .payments_of(invoice)
        .filter(|row| row.status == PaymentStatus::Open);
    let open: Vec<_> = open
        .map(|row| (row.id.clone(), row.payment_intent.clone()))
        .collect();
    for (payment, intent) in open {
        if let Some(payment) = state.billing.invoice_payments.get_mut(&payment) {
            payment.status = PaymentStatus::Canceled;
            payment.canceled_at = Some(now);
        }
        if let Some(mut intent) = state.billing.payment_intents.get(&intent).cloned() {
            intent.status = Status::Canceled;
            intent.canceled_at = Some(now);
            intent.cancellation_reason = Some(reason.to_owned());
            keep(state, intent, "payment_intent.canceled");
        }
    }
}

/// Marks the open payment towards an invoice as made.
pub fn complete(state: &mut State, invoice: &str, now: i64) {
    let mut payments = state.billing.payments_of(invoice).rev();
    let open = payments.find(|payment| payment.status == PaymentStatus::Open);
    let id = open.map(|payment| payment.id.clone()).unwrap_or_default();
    drop(payments);
    let Some(payment) = state.billing.invoice_payments.get_mut(&id) else {
        return;
    };
    payment.status = PaymentStatus::Paid;
    payment.paid_at = Some(now);
    let payment = payment.clone();
    let rendered = payment.render(state);
    state.emit("invoice_payment.paid", rendered, None);
}

fn attached(state: &State, method: &str, customer: &str) -> bool {
    state
        .payment_methods
        .get(method)
        .is_some_and(|method| method.customer.as_deref() == Some(customer))
}

fn keep(state: &mut State, intent: PaymentIntent, event: &'static str) {
    let rendered = intent.render(state);
    state
        .billing
        .payment_intents
        .insert(intent.id.clone(), intent);
    state.emit(event, rendered, None);
}

fn record(
    state: &mut State,
    intent: &PaymentIntent,
    method: &str,
    failure: Option<Failure>,
    now: i64,
) -> String {
    let event = if failure.is_none() {
        "charge.succeeded"
    } else {
        "charge.failed"
    };
    let charge = Charge {
        id: state.new_id("ch"),
        amount: intent.amount,
        currency: intent.currency.clone(),
        customer: intent.customer.clone(),
        payment_intent: intent.id.clone(),
        payment_method: method.to_owned(),
        created: now,
        description: intent.description.clone(),
        failure,
        metadata: intent.metadata.clone(),
        disputed: false,
    };
    let id = charge.id.clone();
    let rendered = charge.render(state);
    state.billing.charges.insert(id.clone(), charge);
    state.emit(event, rendered, None);
    id
}

fn failure(decline: &str) -> Failure {
    let error = declined(decline);
    Failure {
        code: error.code.unwrap_or_else(|| "card_declined".to_owned()),
        decline_code: decline.to_owned(),
        message: error.message,
    }
}

fn payment_error(state: &State, failure: &Failure, charge: &str, method: &str) -> Value {
    let page = failure.code.replace('_', "-");
    json!({
        "charge": charge,
        "code": failure.code,
        "decline_code": failure.decline_code,
        "doc_url": format!("https://stripe.com/docs/error-codes/{page}"),
        "message": failure.message,
        "payment_method": state.payment_methods.get(method).map(crate::model::PaymentMethod::render),
        "type": "card_error",
    })
}
