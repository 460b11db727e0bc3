//! The log of requests, for tests and the curious.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// Requests remembered; older ones are forgotten first.
const CAPACITY: usize = 200_000;

/// One `/v1` request.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// `req_…`
    pub id: String,
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query as sent.
    pub query: String,
    /// Body as sent.
    pub body: String,
    /// Query and body decoded.
    pub params: Value,
    /// Idempotency key.
    pub idempotency_key: Option<String>,
    /// Status answered; `None` when nothing was, or is yet.
    pub status: Option<u16>,
    /// Whether the answer was a stored one.
    pub replayed: bool,
    /// Fault that hit it.
    pub fault: Option<String>,
    /// Arrival in Unix milliseconds.
    pub at_ms: i64,
}

/// Requests, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// Number of the first entry kept.
    first: u64,
}

impl Log {
    /// Notes an arrival; the number returned finds the entry again.
    pub fn begin(&mut self, entry: Entry) -> u64 {
        if self.entries.len() >= CAPACITY {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
        self.first + self.entries.len() as u64 - 1
    }

    /// The entry with that number, if it is still kept.
    pub fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(at)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
    }

    /// Entries with this method and path, where given.
    pub fn render(&self, method: Option<&str>, path: Option<&str>) -> Value {
        let data: Vec<Value> = self
            .entries
            .iter()
            .filter(|entry| method.is_none_or(|it| entry.method.eq_ignore_ascii_case(it)))
            .filter(|entry| path.is_none_or(|it| entry.path == it))
            .map(render)
            .collect();
        json!({ "count": data.len(), "data": data })
    }
}

fn render(entry: &Entry) -> Value {
    json!({
        "id": entry.id, "method": entry.method, "path": entry.path, "query": entry.query,
        "body": entry.body, "params": entry.params, "idempotency_key": entry.idempotency_key,
        "status": entry.status, "replayed": entry.replayed, "fault": entry.fault, "at_ms": entry.at_ms,
    })
}
