//! Test clocks: time that moves when told to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How far an advance has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advance {
    /// Asked for; nothing done yet.
    Requested,
    /// All that was due is done; not yet announced.
    Done,
}

/// A test clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestClock {
    /// `clock_…`
    pub id: String,
    /// When it was made, in real time.
    pub created: i64,
    /// Its time.
    pub frozen_time: i64,
    /// Label.
    pub name: Option<String>,
    /// Under way towards this time.
    pub advancing: Option<(i64, Advance)>,
}

impl TestClock {
    /// Stripe's object.
    pub fn render(&self, livemode: bool) -> Value {
        let target = self.advancing.map(|(target, _)| target);
        let details = target.map_or_else(
            || json!({}),
            |target| json!({ "advancing": { "target_frozen_time": target } }),
        );
        json!({
            "id": self.id,
            "object": "test_helpers.test_clock",
            "created": self.created,
            "deletes_after": self.created + 30 * 86_400,
            "frozen_time": self.frozen_time,
            "livemode": livemode,
            "name": self.name,
            "status": if target.is_some() { "advancing" } else { "ready" },
            "status_details": details,
        })
    }
}
