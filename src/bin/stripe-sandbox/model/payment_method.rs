//! Payment methods: cards, and what each does when it is used.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// What a card does when it is charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardBehavior {
    /// Pays.
    #[default]
    Success,
    /// Refuses with this decline code.
    Decline(String),
    /// Wants the customer to authenticate.
    RequiresAction,
}

/// What follows once a card has paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aftermath {
    /// Nothing.
    #[default]
    Nothing,
    /// Its owner disputes the charge as fraudulent.
    Fraudulent,
    /// Its owner disputes the charge, for nothing was received.
    NotReceived,
    /// Its issuer inquires.
    Inquiry,
    /// Its issuer warns of fraud.
    Warning,
}

/// A payment method of type `card`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// `pm_…`
    pub id: String,
    /// Creation.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// Customer it is attached to.
    pub customer: Option<String>,
    /// A detached one can never be attached again.
    pub detached: bool,
    /// `always`, `limited` or `unspecified`.
    pub allow_redisplay: String,
    /// Billing details, as rendered.
    pub billing_details: Value,
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// `credit` or `debit`.
    pub funding: String,
    /// Last four digits.
    pub last4: String,
    /// Month of expiry.
    pub exp_month: i64,
    /// Year of expiry.
    pub exp_year: i64,
    /// Same for the same card number.
    pub fingerprint: String,
    /// Metadata.
    pub metadata: Metadata,
    /// What it does when set up or attached.
    pub on_setup: CardBehavior,
    /// What it does when charged.
    pub on_charge: CardBehavior,
    /// What follows once it has paid.
    #[serde(default)]
    pub aftermath: Aftermath,
}

impl PaymentMethod {
    /// Stripe's payment method object.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": self.allow_redisplay,
            "billing_details": self.billing_details,
            "card": self.render_card(),
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": self.livemode,
            "metadata": self.metadata,
            "type": "card",
        })
    }

    fn render_card(&self) -> Value {
        json!({
            "brand": self.brand,
            "checks": {
                "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": self.brand,
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "fingerprint": self.fingerprint,
            "funding": self.funding,
            "generated_from": null,
            "last4": self.last4,
            "networks": { "available": [self.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        })
    }
}
