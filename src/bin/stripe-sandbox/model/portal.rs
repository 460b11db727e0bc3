//! The billing portal: where a customer looks after their cards and subscriptions, and what they may do there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;
use crate::state::State;

/// What customers may do in the portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortalConfiguration {
    /// `bpc_…`
    pub id: String,
    /// Whether sessions may use it.
    pub active: bool,
    /// Creation.
    pub created: i64,
    /// Last change.
    pub updated: i64,
    /// Whether sessions use it that name none.
    pub is_default: bool,
    /// Where the way back leads, unless a session says otherwise.
    pub default_return_url: Option<String>,
    /// Headline.
    pub headline: Option<String>,
    /// Link to a privacy policy.
    pub privacy_policy_url: Option<String>,
    /// Link to terms of service.
    pub terms_of_service_url: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Metadata.
    pub metadata: Metadata,
    /// What is allowed, as rendered.
    pub features: Value,
}

impl PortalConfiguration {
    /// Stripe's object.
    pub fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.configuration",
            "active": self.active,
            "application": null,
            "business_profile": {
                "headline": self.headline,
                "privacy_policy_url": self.privacy_policy_url,
                "terms_of_service_url": self.terms_of_service_url,
            },
            "created": self.created,
            "default_return_url": self.default_return_url,
            "features": self.features,
            "is_default": self.is_default,
            "livemode": livemode,
            "login_page": { "enabled": false, "url": null },
            "metadata": self.metadata,
            "name": self.name,
            "updated": self.updated,
        })
    }

    /// Whether a feature, such as `subscription_cancel`, is on.
    pub fn allows(&self, feature: &str) -> bool {
        self.features[feature]["enabled"] == true
    }
}

/// The features of a configuration that turns nothing on.
pub fn no_features() -> Value {
    json!({
        "customer_update": { "allowed_updates": [], "enabled": false },
        "invoice_history": { "enabled": false },
        "payment_method_update": { "enabled": false, "payment_method_configuration": null },
        "subscription_cancel": {
            "cancellation_reason": { "enabled": false, "feedback_options": null, "options": [] },
            "enabled": false, "mode": "at_period_end", "proration_behavior": "none",
        },
        "subscription_update": {
            "billing_cycle_anchor": null, "default_allowed_updates": [], "enabled": false, "products": null,
            "proration_behavior": "none", "schedule_at_period_end": { "conditions": [] },
            "trial_update_behavior": "end_trial",
        },
    })
}

/// What follows once a customer has done what they were sent to the portal for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterFlow {
    /// They may do other things.
    PortalHomepage,
    /// They are told so, perhaps in the account's words.
    HostedConfirmation(Option<String>),
    /// They are sent elsewhere.
    Redirect(String),
}

/// One customer's way into the portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PortalSession {
    /// `bps_…`
    pub id: String,
    /// What may be done.
    pub configuration: String,
    /// When it was made, by the wall clock.
    pub created: i64,
    /// Until when it can be used, by the wall clock.
    pub usable_until: i64,
    /// Whose it is.
    pub customer: String,
    /// Language.
    pub locale: Option<String>,
    /// Where the way back leads.
    pub return_url: Option<String>,
    /// What follows, if they were sent to leave a card and nothing else.
    pub after_card: Option<AfterFlow>,
    /// The setup of a card that awaits its owner's authentication.
    pub setup_intent: Option<String>,
}

impl PortalSession {
    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.session",
            "configuration": self.configuration,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "flow": self.after_card.as_ref().map(AfterFlow::render),
            "livemode": state.livemode,
            "locale": self.locale,
            "on_behalf_of": null,
            "return_url": self.return_url,
            "url": format!("{}/p/session/{}", state.base_url, self.id),
        })
    }
}

impl AfterFlow {
    fn render(&self) -> Value {
        let (kind, confirmation, redirect) = match self {
            Self::PortalHomepage => ("portal_homepage", Value::Null, Value::Null),
            Self::HostedConfirmation(message) => (
                "hosted_confirmation",
                json!({ "custom_message": message }),
                Value::Null,
            ),
            Self::Redirect(url) => ("redirect", Value::Null, json!({ "return_url": url })),
        };
        json!({
            "after_completion": {
                "hosted_confirmation": confirmation, "redirect": redirect, "type": kind,
            },
            "customer_update": null,
            "subscription_cancel": null,
            "subscription_update": null,
            "subscription_update_confirm": null,
            "type": "payment_method_update",
        })
    }
}
