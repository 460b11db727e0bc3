//! The Stripe account.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The account a key belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// `acct_…`
    pub id: String,
    /// When the sandbox made it.
    pub created: i64,
}

impl Account {
    /// Stripe's account object.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "account",
            "business_profile": {
                "annual_revenue": null, "estimated_worker_count": null, "mcc": null,
                "minority_owned_business_designation": null, "name": "Stripe sandbox",
                "product_description": null,
                "specified_commercial_transactions_act_url": null, "support_address": null, "support_email": null,
                "support_phone": null, "support_url": null, "url": null,
            },
            "business_type": null,
            "capabilities": { "card_payments": "active", "transfers": "active" },
            "charges_enabled": true,
            "controller": { "type": "account" },
            "country": "US",
            "created": self.created,
            "default_currency": "usd",
            "details_submitted": true,
            "email": "sandbox@example.com",
            "external_accounts": {
                "object": "list", "data": [], "has_more": false,
                "url": format!("/v1/accounts/{}/external_accounts", self.id),
            },
            "future_requirements": requirements(),
            "metadata": {},
            "payouts_enabled": true,
            "requirements": requirements(),
            "settings": settings(),
            "tos_acceptance": { "date": null, "ip": null, "user_agent": null },
            "type": "standard",
        })
    }
}

fn requirements() -> Value {
    json!({
        "alternatives": [], "current_deadline": null, "currently_due": [], "disabled_reason": null,
        "errors": [], "eventually_due": [], "past_due": [], "pending_verification": [],
    })
}

fn settings() -> Value {
    json!({
        "bacs_debit_payments": { "display_name": null, "service_user_number": null },
        "branding": { "icon": null, "logo": null, "primary_color": null, "secondary_color": null },
        "card_issuing": { "tos_acceptance": { "date": null, "ip": null } },
        "card_payments": {
            "decline_on": { "avs_failure": false, "cvc_failure": false },
            "statement_descriptor_prefix": null, "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": { "display_name": "Stripe sandbox", "timezone": "Etc/UTC" },
        "invoices": { "default_account_tax_ids": null, "hosted_payment_method_save": "offer" },
        "payments": {
            "statement_descriptor": "SANDBOX", "statement_descriptor_kana": null,
            "statement_descriptor_kanji": null, "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": true,
            "schedule": { "delay_days": 2, "interval": "daily" },
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}
