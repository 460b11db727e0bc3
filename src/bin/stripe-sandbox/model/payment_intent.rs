//! Payment intents. The sandbox makes them for invoices only.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;
use crate::state::State;

/// Where a payment intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No payment method, or the last one refused.
    RequiresPaymentMethod,
    /// There is a payment method, nothing was attempted.
    RequiresConfirmation,
    /// The customer must authenticate.
    RequiresAction,
    /// Paid. Final.
    Succeeded,
    /// Given up. Final.
    Canceled,
}

/// A payment intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`
    pub id: String,
    /// Amount.
    pub amount: i64,
    /// Currency.
    pub currency: String,
    /// Who pays.
    pub customer: String,
    /// The invoice it pays.
    pub invoice: String,
    /// Payment method last used or to be used.
    pub payment_method: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// When it was made.
    pub created: i64,
    /// When it was given up.
    pub canceled_at: Option<i64>,
    /// Why it was given up.
    pub cancellation_reason: Option<String>,
    /// For the browser.
    pub client_secret: String,
    /// Shown in the Dashboard.
    pub description: Option<String>,
    /// Why the last attempt failed.
    pub last_payment_error: Option<Value>,
    /// Last charge.
    pub latest_charge: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
}

impl PaymentIntent {
    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        let paid = self.status == Status::Succeeded;
        let next_action = (self.status == Status::RequiresAction).then(|| {
            json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "type": "three_d_secure_redirect", "source": self.id },
            })
        });
        json!({
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": null,
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_details": { "tip": {} },
            "amount_received": if paid { self.amount } else { 0 },
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": self.canceled_at,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": "automatic",
            "client_secret": self.client_secret,
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "last_payment_error": self.last_payment_error,
            "latest_charge": self.latest_charge,
            "livemode": state.livemode,
            "managed_payments": null,
            "metadata": self.metadata,
            "next_action": next_action,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {
                "card": {
                    "installments": null, "mandate_options": null, "network": null,
                    "request_three_d_secure": "automatic",
                },
            },
            "payment_method_types": ["card"],
            "payment_record": null,
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": "off_session",
            "shipping": null,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": self.status,
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}
