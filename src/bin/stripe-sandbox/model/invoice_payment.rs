//! Payments towards invoices.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::State;

/// Where a payment towards an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Not yet made.
    Open,
    /// Made.
    Paid,
    /// Never to be made.
    Canceled,
}

/// A payment towards an invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InvoicePayment {
    /// `inpay_…`
    pub id: String,
    /// The invoice.
    pub invoice: String,
    /// What pays it.
    pub payment_intent: String,
    /// Whether it is the one Stripe made itself.
    pub is_default: bool,
    /// Amount asked for.
    pub amount: i64,
    /// Currency.
    pub currency: String,
    /// When it was made.
    pub created: i64,
    /// Where it stands.
    pub status: PaymentStatus,
    /// When it was paid.
    pub paid_at: Option<i64>,
    /// When it was cancelled.
    pub canceled_at: Option<i64>,
}

impl InvoicePayment {
    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        json!({
            "id": self.id,
            "object": "invoice_payment",
            "amount_paid": self.paid_at.map(|_| self.amount),
            "amount_requested": self.amount,
            "created": self.created,
            "currency": self.currency,
            "invoice": self.invoice,
            "is_default": self.is_default,
            "livemode": state.livemode,
            "payment": { "payment_intent": self.payment_intent, "type": "payment_intent" },
            "status": self.status,
            "status_transitions": { "canceled_at": self.canceled_at, "paid_at": self.paid_at },
        })
    }
}
