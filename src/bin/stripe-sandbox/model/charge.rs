//! Charges: single attempts at a card.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;
use crate::state::State;

/// A charge, successful or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// Amount.
    pub amount: i64,
    /// Currency.
    pub currency: String,
    /// Who was charged.
    pub customer: String,
    /// What it was for.
    pub payment_intent: String,
    /// What was charged.
    pub payment_method: String,
    /// When.
    pub created: i64,
    /// Shown in the Dashboard.
    pub description: Option<String>,
    /// `code` and `decline_code` of a refusal.
    pub failure: Option<Failure>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// Whether it was ever disputed.
    #[serde(default)]
    pub disputed: bool,
}

/// Why a charge was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stripe's code.
    pub code: String,
    /// The issuer's.
    pub decline_code: String,
    /// For people.
    pub message: String,
}

impl Charge {
    /// Stripe's object, without `refunds`.
    pub fn render(&self, state: &State) -> Value {
        let failure = self.failure.as_ref();
        let paid = failure.is_none();
        let method = state.payment_methods.get(&self.payment_method);
        json!({
            "id": self.id,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": if paid { self.amount } else { 0 },
            "amount_refunded": 0,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": method.map(|method| &method.billing_details),
            "calculated_statement_descriptor": "SANDBOX",
            "captured": paid,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": self.description,
            "disputed": self.disputed,
            "failure_balance_transaction": null,
            "failure_code": failure.map(|failure| &failure.code),
            "failure_message": failure.map(|failure| &failure.message),
            "fraud_details": {},
            "livemode": state.livemode,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "outcome": self.render_outcome(),
            "paid": paid,
            "payment_intent": self.payment_intent,
            "payment_method": self.payment_method,
            "payment_method_details": {
                "card": method.map(|method| self.render_card(&method.render()["card"])),
                "type": "card",
            },
            "radar_options": {},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": paid.then(|| format!("https://pay.stripe.com/receipts/invoices/{}", self.id)),
            "refunded": false,
            "review": null,
            "shipping": null,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if paid { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn render_outcome(&self) -> Value {
        let Some(failure) = &self.failure else {
            return json!({
                "advice_code": null, "network_advice_code": null, "network_decline_code": null,
                "network_status": "approved_by_network", "reason": null, "risk_level": "normal",
                "risk_score": 1, "seller_message": "Payment complete.", "type": "authorized",
            });
        };
        json!({
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": "declined_by_network", "reason": failure.decline_code,
            "risk_level": "normal", "risk_score": 1, "seller_message": failure.message,
            "type": "issuer_declined",
        })
    }

    fn render_card(&self, card: &Value) -> Value {
        json!({
            "amount_authorized": if self.failure.is_none() { Some(self.amount) } else { None },
            "authorization_code": null,
            "brand": card["brand"],
            "checks": card["checks"],
            "country": card["country"],
            "electronic_commerce_indicator": null,
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": { "status": "disabled" },
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": { "status": "unavailable" },
            "installments": null,
            "last4": card["last4"],
            "mandate": null,
            "multicapture": { "status": "unavailable" },
            "network": card["brand"],
            "network_token": { "used": false },
            "network_transaction_id": null,
            "overcapture": { "maximum_amount_capturable": self.amount, "status": "unavailable" },
            "regulated_status": "unregulated",
            "three_d_secure": null,
            "transaction_link_id": null,
            "wallet": null,
        })
    }
}
