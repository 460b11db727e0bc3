//! Changes of a customer's balance.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// Why a balance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceChange {
    /// Somebody changed it.
    Adjustment,
    /// An invoice used it up or added to it.
    AppliedToInvoice,
    /// The customer was made with it.
    Initial,
    /// An invoice that had changed it was voided.
    UnappliedFromInvoice,
}

/// A change of a customer's balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BalanceTransaction {
    /// `cbtxn_…`
    pub id: String,
    /// Negative for credit, positive for debt.
    pub amount: i64,
    /// When it was made.
    pub created: i64,
    /// Currency.
    pub currency: String,
    /// Whose balance.
    pub customer: String,
    /// Free text.
    pub description: Option<String>,
    /// The balance afterwards.
    pub ending_balance: i64,
    /// The invoice that caused it.
    pub invoice: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// Why.
    #[serde(rename = "type")]
    pub kind: BalanceChange,
}

impl BalanceTransaction {
    /// Stripe's object.
    pub fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "customer_balance_transaction",
            "amount": self.amount,
            "checkout_session": null,
            "created": self.created,
            "credit_note": null,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "ending_balance": self.ending_balance,
            "invoice": self.invoice,
            "livemode": livemode,
            "metadata": self.metadata,
            "type": self.kind,
        })
    }
}
