//! Invoices and their payments, as answered.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::{ListView, MetadataView, filled, id_of, optional_time, require, time};
use crate::converge::observed::{
    FinalizationError, Invoice, InvoiceStatus, InvoiceTax, OpenPayment,
};
use crate::stripe::error::Error;

/// An invoice.
#[derive(Deserialize)]
pub(in crate::stripe) struct InvoiceView {
    id: String,
    customer: Option<Value>,
    parent: Option<ParentView>,
    status: Option<String>,
    amount_due: Option<i64>,
    amount_remaining: Option<i64>,
    currency: Option<String>,
    billing_reason: Option<String>,
    created: Option<i64>,
    auto_advance: Option<bool>,
    automatically_finalizes_at: Option<i64>,
    status_transitions: Option<TransitionsView>,
    attempted: Option<bool>,
    attempt_count: Option<i64>,
    next_payment_attempt: Option<i64>,
    due_date: Option<i64>,
    hosted_invoice_url: Option<String>,
    last_finalization_error: Option<FinalizationErrorView>,
    automatic_tax: Option<TaxView>,
    metadata: Option<MetadataView>,
    /// Only there when it was asked for (`expand[]=payments`).
    payments: Option<ListView<InvoicePaymentView>>,
}

#[derive(Deserialize)]
struct TransitionsView {
    finalized_at: Option<i64>,
}

#[derive(Deserialize)]
struct ParentView {
    subscription_details: Option<SubscriptionDetailsView>,
}

#[derive(Deserialize)]
struct SubscriptionDetailsView {
    subscription: Option<Value>,
}

#[derive(Deserialize)]
struct FinalizationErrorView {
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct TaxView {
    status: Option<String>,
    disabled_reason: Option<String>,
}

/// A payment of an invoice.
#[derive(Deserialize)]
pub(in crate::stripe) struct InvoicePaymentView {
    id: String,
    invoice: Option<Value>,
    status: Option<String>,
    payment: Option<PaymentView>,
}

#[derive(Deserialize)]
struct PaymentView {
    payment_intent: Option<Value>,
}

impl InvoiceView {
    pub(in crate::stripe) fn id(&self) -> &str {
        &self.id
    }
}

impl InvoicePaymentView {
    pub(in crate::stripe) fn id(&self) -> &str {
        &self.id
    }

    /// The invoice it is of.
    pub(in crate::stripe) fn invoice(self) -> Option<String> {
        id_of(self.invoice)
    }

    /// How far it is, if it is open.
    pub(in crate::stripe) fn open(&self) -> Option<OpenPayment> {
        if self.status.as_deref() != Some("open") {
            return None;
        }
        let Some(Value::Object(intent)) = self.payment.as_ref()?.payment_intent.as_ref() else {
            return None;
        };
        let awaits = match intent.get("status") {
            Some(Value::String(status)) => status.as_str().into(),
            _ => return None,
        };
        let tried = match intent.get("last_payment_error") {
            Some(Value::Object(error)) => tried_with(error.get("payment_method")),
            _ => None,
        };
        Some(OpenPayment { awaits, tried })
    }
}

/// The payment method of a failed attempt: an object, or its id.
fn tried_with(method: Option<&Value>) -> Option<String> {
    match method? {
        Value::Object(method) => match method.get("id") {
            Some(Value::String(id)) => Some(id.clone()),
            _ => None,
        },
        Value::String(id) => Some(id.clone()),
        _ => None,
    }
}

/// A code of finalisation errors: the customer's address does not suffice for taxes.
const NO_TAX_LOCATION: &str = "customer_tax_location_invalid";

fn tax(view: Option<&TaxView>, error: Option<&FinalizationError>) -> InvoiceTax {
    let status = view.and_then(|tax| tax.status.as_deref());
    let disabled = view.and_then(|tax| tax.disabled_reason.as_deref());
    let code = error.map(|error| error.code.as_str());
    match (status, disabled, code) {
        (Some("requires_location_inputs"), ..)
        | (_, Some("finalization_requires_location_inputs"), _)
        | (.., Some(NO_TAX_LOCATION)) => InvoiceTax::LocationMissing,
        (Some("failed"), ..) | (_, Some(_), _) => InvoiceTax::Failed,
        _ => InvoiceTax::Fine,
    }
}

/// `None` for an invoice of nobody: an account can bill itself.
impl TryFrom<InvoiceView> for Option<Invoice> {
    type Error = Error;

    fn try_from(view: InvoiceView) -> Result<Self, Error> {
        let id = view.id;
        let Some(customer) = id_of(view.customer) else {
            return Ok(None);
        };
        let status: InvoiceStatus = require(&id, "status", view.status)?.as_str().into();
        let amount = match status {
            InvoiceStatus::Draft => view.amount_due,
            _ => view.amount_remaining,
        };
        let mut metadata = view.metadata.unwrap_or_default();
        let details = view.parent.and_then(|parent| parent.subscription_details);
        let finalization_error = view.last_finalization_error.map(|error| {
            Box::new(FinalizationError {
                code: error.code.unwrap_or_default(),
                message: error.message.unwrap_or_default(),
            })
        });
        let payment = view
            .payments
            .iter()
            .flat_map(|payments| &payments.data)
            .find_map(InvoicePaymentView::open)
            .unwrap_or_default();
        let finalized = view.status_transitions.and_then(|at| at.finalized_at);
        Ok(Some(Invoice {
            customer,
            subscription: details.and_then(|details| id_of(details.subscription)),
            amount: require(&id, "amount_due", amount)?,
            currency: require(&id, "currency", view.currency)?,
            billing_reason: view.billing_reason.unwrap_or_default(),
            created: time(&id, "created", require(&id, "created", view.created)?)?,
            auto_advance: view.auto_advance == Some(true),
            finalizes_at: optional_time(
                &id,
                "automatically_finalizes_at",
                view.automatically_finalizes_at,
            )?,
            finalized: optional_time(&id, "status_transitions.finalized_at", finalized)?,
            attempted: view.attempted == Some(true),
            attempt_count: view.attempt_count.unwrap_or_default(),
            next_payment_attempt: optional_time(
                &id,
                "next_payment_attempt",
                view.next_payment_attempt,
            )?,
            due_date: optional_time(&id, "due_date", view.due_date)?,
            hosted_url: filled(view.hosted_invoice_url),
            tax: tax(view.automatic_tax.as_ref(), finalization_error.as_deref()),
            finalization_error,
            awaits: payment.awaits,
            tried: payment.tried,
            held: metadata.held(),
            notices: metadata.notices(),
            status,
            id,
        }))
    }
}
