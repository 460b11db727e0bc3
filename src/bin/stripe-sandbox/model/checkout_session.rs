//! Checkout sessions: pages of Stripe's on which a customer leaves a card. The sandbox has those in setup mode.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;
use crate::state::State;

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStatus {
    /// Its page can be used.
    #[default]
    Open,
    /// Done. Final.
    Complete,
    /// Out of time, or ended by the account. Final.
    Expired,
}

/// A Checkout session in setup mode, on a page of Stripe's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckoutSession {
    /// `cs_test_…` or `cs_live_…`
    pub id: String,
    /// Creation, by the wall clock.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// Where it stands.
    pub status: CheckoutStatus,
    /// When its page ends, by the wall clock.
    pub expires_at: i64,
    /// Payment method types the caller allowed.
    pub allowed_payment_method_types: Option<Vec<String>>,
    /// Whether the page asks for an address.
    pub billing_address_collection: Option<String>,
    /// Where the page's way back leads.
    pub cancel_url: Option<String>,
    /// The caller's name for it.
    pub client_reference_id: Option<String>,
    /// Currency.
    pub currency: String,
    /// Who is to have the card.
    pub customer: Option<String>,
    /// The page's language.
    pub locale: Option<String>,
    /// Metadata.
    pub metadata: Metadata,
    /// Whether the card may be offered again, if the caller says so.
    pub allow_redisplay: Option<String>,
    /// What sets the card up.
    pub setup_intent: String,
    /// Where the customer goes when done.
    pub success_url: String,
}

impl CheckoutSession {
    /// Stripe's object. Its `url` is there as long as the page can be used.
    pub fn render(&self, state: &State) -> Value {
        let open = self.status == CheckoutStatus::Open;
        let mut session = json!({
            "id": self.id,
            "object": "checkout.session",
            "allowed_payment_method_types": self.allowed_payment_method_types,
            "billing_address_collection": self.billing_address_collection,
            "cancel_url": self.cancel_url,
            "client_reference_id": self.client_reference_id,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_details": self.render_customer(state),
            "expires_at": self.expires_at,
            "livemode": self.livemode,
            "locale": self.locale,
            "metadata": self.metadata,
            "mode": "setup",
            "payment_method_types": ["card"],
            "payment_status": "no_payment_required",
            "setup_intent": self.setup_intent,
            "status": self.status,
            "success_url": self.success_url,
            "ui_mode": "hosted_page",
            "url": open.then(|| format!("{}/c/pay/{}", state.base_url, self.id)),
        });
        if let (Value::Object(session), Value::Object(rest)) = (&mut session, unused()) {
            session.extend(rest);
        }
        session
    }

    /// The customer as the page knows them.
    fn render_customer(&self, state: &State) -> Value {
        let Some(customer) = self
            .customer
            .as_ref()
            .and_then(|id| state.customers.get(id))
        else {
            return Value::Null;
        };
        json!({
            "address": customer.address,
            "business_name": customer.business_name,
            "email": customer.email,
            "individual_name": customer.individual_name,
            "name": customer.name,
            "phone": customer.phone,
            "tax_exempt": customer.tax_exempt,
            "tax_ids": null,
        })
    }
}

/// What a session in setup mode shows of the other modes and of what the sandbox does not model.
fn unused() -> Value {
    json!({
        "adaptive_pricing": null,
        "after_expiration": null,
        "allow_promotion_codes": null,
        "amount_subtotal": null,
        "amount_total": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "branding_settings": {
            "background_color": "#ffffff", "border_style": "rounded", "button_color": "#0074d4",
            "display_name": "Stripe sandbox", "font_family": "default", "icon": null, "logo": null,
        },
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null,
            "terms_of_service_acceptance": null,
        },
        "customer_account": null,
        "customer_creation": null,
        "customer_email": null,
        "discounts": null,
        "integration_identifier": null,
        "invoice": null,
        "invoice_creation": null,
        "managed_payments": null,
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_collection": "always",
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "submit_type": null,
        "subscription": null,
        "total_details": null,
        "wallet_options": null,
    })
}
