//! Setup intents.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// Where a setup intent stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupIntentStatus {
    /// No payment method, or the last one was refused.
    #[default]
    RequiresPaymentMethod,
    /// To be confirmed.
    RequiresConfirmation,
    /// The customer must authenticate.
    RequiresAction,
    /// Canceled.
    Canceled,
    /// Done: the payment method can be charged later.
    Succeeded,
}

/// A setup intent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetupIntent {
    /// `seti_…`
    pub id: String,
    /// Secret for the browser.
    pub client_secret: String,
    /// Creation.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// Whether Stripe chose the payment method types.
    pub automatic_payment_methods: Option<Value>,
    /// Payment method types the caller allowed.
    pub allowed_payment_method_types: Option<Vec<String>>,
    /// Why it was canceled.
    pub cancellation_reason: Option<String>,
    /// Customer.
    pub customer: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Error of the last attempt.
    pub last_setup_error: Option<Value>,
    /// Last attempt.
    pub latest_attempt: Option<String>,
    /// Metadata.
    pub metadata: Metadata,
    /// Payment method.
    pub payment_method: Option<String>,
    /// Where the customer returns to after authenticating.
    pub return_url: Option<String>,
    /// Status.
    pub status: SetupIntentStatus,
    /// `off_session` or `on_session`.
    pub usage: String,
}

impl SetupIntent {
    /// Stripe's setup intent object.
    pub fn render(&self) -> Value {
        let options = json!({
            "card": { "mandate_options": null, "network": null, "request_three_d_secure": "automatic" },
        });
        json!({
            "id": self.id,
            "object": "setup_intent",
            "allowed_payment_method_types": self.allowed_payment_method_types,
            "application": null,
            "automatic_payment_methods": self.automatic_payment_methods,
            "cancellation_reason": self.cancellation_reason,
            "client_secret": self.client_secret,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "flow_directions": null,
            "last_setup_error": self.last_setup_error,
            "latest_attempt": self.latest_attempt,
            "livemode": self.livemode,
            "managed_payments": null,
            "mandate": null,
            "metadata": self.metadata,
            "next_action": self.render_next_action(),
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": options,
            "payment_method_types": ["card"],
            "single_use_mandate": null,
            "status": self.status,
            "usage": self.usage,
        })
    }

    fn render_next_action(&self) -> Value {
        if self.status != SetupIntentStatus::RequiresAction {
            return Value::Null;
        }
        json!({
            "type": "redirect_to_url",
            "redirect_to_url": {
                "return_url": self.return_url,
                "url": format!("https://hooks.stripe.com/3d_secure_2/hosted?setup_intent={}", self.id),
            },
        })
    }
}
