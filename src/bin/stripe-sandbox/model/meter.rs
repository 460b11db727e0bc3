//! Billing meters and what is reported to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How a meter makes one number of many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// The values added up.
    Sum,
    /// How many events there are.
    Count,
    /// The latest value.
    Last,
}

/// What time one event stands for, where events are aggregated before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

impl Window {
    /// Its length in seconds. Unix time puts the bounds of hours and UTC days at multiples of it.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// `mtr_…`
    pub id: String,
    /// When it was made.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// Name for staff; the only thing that can be changed.
    pub display_name: String,
    /// What its events are called.
    pub event_name: String,
    /// How events are aggregated.
    pub formula: Formula,
    /// The time one event stands for; `None` where each event counts by itself.
    pub event_time_window: Option<Window>,
    /// Where an event's payload has the customer.
    pub customer_key: String,
    /// Where an event's payload has the value.
    pub value_key: String,
    /// When it was deactivated; `None` while it is active.
    pub deactivated_at: Option<i64>,
}

impl Meter {
    /// Whether it takes events.
    pub fn is_active(&self) -> bool {
        self.deactivated_at.is_none()
    }

    /// Stripe's object.
    pub fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "billing.meter",
            "created": self.created,
            "customer_mapping": { "event_payload_key": self.customer_key, "type": "by_id" },
            "default_aggregation": { "formula": self.formula },
            "display_name": self.display_name,
            "event_name": self.event_name,
            "event_time_window": self.event_time_window,
            "livemode": livemode,
            "status": if self.is_active() { "active" } else { "inactive" },
            "status_transitions": { "deactivated_at": self.deactivated_at },
            "updated": self.updated,
            "value_settings": { "event_payload_key": self.value_key },
        })
    }
}

/// An event as it was reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterEvent {
    /// The caller's name for it, or one made up.
    pub identifier: String,
    /// Its meter's event name.
    pub event_name: String,
    /// When it was received, in the time of its customer.
    pub created: i64,
    /// When it was received, by Stripe's own clock.
    pub received: i64,
    /// When it happened.
    pub timestamp: i64,
    /// What was said.
    pub payload: BTreeMap<String, String>,
    /// What it counts for; 0 where the meter only counts events.
    pub value: i64,
    /// Whether an adjustment has taken it back.
    pub canceled: bool,
}

impl MeterEvent {
    /// Stripe's object.
    pub fn render(&self, livemode: bool) -> Value {
        json!({
            "object": "billing.meter_event",
            "created": self.created,
            "event_name": self.event_name,
            "identifier": self.identifier,
            "livemode": livemode,
            "payload": self.payload,
            "timestamp": self.timestamp,
        })
    }
}
