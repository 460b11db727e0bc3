//! `Ready`, `Reconciling` and `Stalled` as kstatus wants them, for both kinds.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::plan::{Hold, HoldKind};
use crate::api::{ConditionType, reason};

/// How a look at an object ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stripe is as the manifest says; the message tells what that means here.
    Reached(String),
    /// Not without a person.
    Stalled {
        /// One of [`reason`].
        reason: &'static str,
        /// What is wrong, and the cure.
        message: String,
    },
    /// Under way, waiting for the customer, or to be retried.
    Reconciling {
        /// One of [`reason`].
        reason: &'static str,
        /// What is awaited.
        message: String,
    },
    /// Not looked at, at the user's wish.
    Suspended,
}

impl From<Hold> for Outcome {
    fn from(hold: Hold) -> Self {
        match hold.kind {
            HoldKind::Stalled => Self::Stalled {
                reason: hold.reason,
                message: hold.message,
            },
            HoldKind::Waiting => Self::Reconciling {
                reason: hold.reason,
                message: hold.message,
            },
        }
    }
}

/// The value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It was not looked at.
    Unknown,
}

impl Truth {
    /// The value of `status` in the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Builds a list of conditions, keeping the transition times of those that did not change.
#[derive(Debug)]
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: i64,
    now: Timestamp,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// An empty list that follows `previous`.
    pub fn after(previous: &'a [Condition], generation: i64, now: Timestamp) -> Self {
        Self {
            previous,
            generation,
            now,
            list: Vec::new(),
        }
    }

    /// Sets one condition.
    pub fn set(&mut self, kind: ConditionType, truth: Truth, reason: &str, message: &str) {
        let since = self
            .previous
            .iter()
            .find(|c| c.type_ == kind.as_str() && c.status == truth.as_str())
            .map_or_else(|| Time(self.now), |c| c.last_transition_time.clone());
        self.list.push(Condition {
            type_: kind.as_str().to_owned(),
            status: truth.as_str().to_owned(),
            reason: reason.to_owned(),
            message: clip(message),
            last_transition_time: since,
            observed_generation: Some(self.generation),
        });
    }

    /// Keeps a condition as it was, for what was not looked at this time.
    pub fn keep(&mut self, kind: ConditionType) {
        if let Some(previous) = self.previous.iter().find(|c| c.type_ == kind.as_str()) {
            let kept = Condition {
                observed_generation: Some(self.generation),
                ..previous.clone()
            };
            self.list.push(kept);
        }
    }

    /// Sets `Ready`, and `Reconciling` or `Stalled` while they hold.
    pub fn set_outcome(&mut self, outcome: &Outcome) {
        use ConditionType::{Ready, Reconciling, Stalled};
        match outcome {
            Outcome::Reached(message) => self.set(Ready, Truth::True, reason::SUCCEEDED, message),
            Outcome::Stalled { reason, message } => {
                self.set(Ready, Truth::False, reason, message);
                self.set(Stalled, Truth::True, reason, message);
            }
            Outcome::Reconciling { reason, message } => {
                self.set(Ready, Truth::False, reason, message);
                self.set(Reconciling, Truth::True, reason, message);
            }
            Outcome::Suspended => self.set(
                Ready,
                Truth::Unknown,
                reason::SUSPENDED,
                "spec.suspend is true: nothing is checked or changed until it is false",
            ),
        }
    }

    /// The list, in the order of types, so that equal lists are equal text.
    pub fn finish(mut self) -> Vec<Condition> {
        self.list.sort_by(|a, b| a.type_.cmp(&b.type_));
        self.list
    }
}

/// Conditions take 32768 bytes; anything near that is noise to the person who reads it.
fn clip(message: &str) -> String {
    const LONGEST: usize = 1000;
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
