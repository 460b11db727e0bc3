//! Collection that is paused, and what the operator notes when it was the operator.

use jiff::Timestamp;

/// How the invoices of a subscription are not collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionPause {
    /// Stripe's word for what becomes of them, as in `keep_as_draft`.
    pub behavior: String,
    /// When it is over by itself.
    pub resumes_at: Option<Timestamp>,
}

/// What the operator notes on a subscription whose collection it has paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldMark {
    /// The dispute that it was paused for (`du_…`).
    pub by: String,
    /// When that was, by the clock of the subscription.
    pub since: Timestamp,
}

/// As in metadata: the dispute, `@`, Unix seconds.
impl std::fmt::Display for HoldMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.by, self.since.as_second())
    }
}

impl HoldMark {
    /// Reads a mark. One that somebody has edited still tells that the operator paused: since for
    /// ever, then, so that no draft of the pause is left behind.
    pub fn read(text: &str) -> Self {
        let (by, since) = text.split_once('@').unwrap_or((text, ""));
        let since = since.parse().ok();
        let since = since.and_then(|second| Timestamp::from_second(second).ok());
        Self {
            by: by.to_owned(),
            since: since.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}
