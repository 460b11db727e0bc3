//! Webhook endpoints.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// Where events are sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookEndpoint {
    /// `we_…`
    pub id: String,
    /// API version payloads are rendered in.
    pub api_version: Option<String>,
    /// Creation.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// Description.
    pub description: Option<String>,
    /// Event types wanted, `*` for all.
    pub enabled_events: Vec<String>,
    /// Metadata.
    pub metadata: Metadata,
    /// Whether nothing is sent.
    pub disabled: bool,
    /// Address.
    pub url: String,
    /// Signing secret, shown once.
    pub secret: String,
}

impl WebhookEndpoint {
    /// Whether events of this type are sent here.
    pub fn wants(&self, event_type: &str) -> bool {
        !self.disabled
            && self
                .enabled_events
                .iter()
                .any(|wanted| wanted == "*" || wanted == event_type)
    }

    /// Stripe's webhook endpoint object, without the secret.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": self.livemode,
            "metadata": self.metadata,
            "status": if self.disabled { "disabled" } else { "enabled" },
            "url": self.url,
        })
    }
}
