//! Trials as manifests declare them and subscriptions remember them.

use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use crate::api::{IfNoPaymentMethod, Trial};

/// The longest trial that Stripe allows, in days.
pub const LONGEST: i64 = 730;
/// Days before its end at which a trial is reminded of when nobody says otherwise.
const REMIND_DAYS: i64 = 3;

/// A trial as somebody wrote it down: its length, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DeclaredTrial {
    /// So many days from the start of the subscription.
    Days(i64),
    /// Until an instant.
    Until(Timestamp),
}

impl DeclaredTrial {
    /// When it ends, for a subscription that began, or begins, at `start`. `None` when that is
    /// beyond all calendars.
    pub fn end(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Days(days) => start.checked_add((days.checked_mul(24)?).hours()).ok(),
            Self::Until(end) => Some(end),
        }
    }
}

/// As in metadata: a number, or an instant.
impl fmt::Display for DeclaredTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "{days}"),
            Self::Until(end) => write!(f, "{end}"),
        }
    }
}

impl FromStr for DeclaredTrial {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map_or_else(
            |_| text.parse().map(Self::Until),
            |days| Ok(Self::Days(days)),
        )
    }
}

/// A trial, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TrialTerms {
    /// The tenant's manifest: editing it moves the end of a running trial.
    Tenant(DeclaredTrial),
    /// The plan, in days: it counts when a subscription begins. Changing plans, or editing the plan,
    /// moves no trial that is running already.
    Plan(i64),
}

impl TrialTerms {
    /// What was written, wherever.
    pub const fn declared(self) -> DeclaredTrial {
        match self {
            Self::Tenant(declared) => declared,
            Self::Plan(days) => DeclaredTrial::Days(days),
        }
    }
}

/// What a manifest says about the end of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrialEnding {
    /// What happens without a payment method; `None` leaves a running trial alone.
    pub if_no_payment_method: Option<IfNoPaymentMethod>,
    /// Days before it at which to remind; 0 for never.
    pub remind_days_before: i64,
}

impl Default for TrialEnding {
    fn default() -> Self {
        Self {
            if_no_payment_method: None,
            remind_days_before: REMIND_DAYS,
        }
    }
}

impl TrialEnding {
    /// What a manifest says; without a word of it, the default.
    pub fn of(trial: Option<&Trial>) -> Self {
        let Some(trial) = trial else {
            return Self::default();
        };
        Self {
            if_no_payment_method: trial.if_no_payment_method,
            remind_days_before: trial.remind_days_before.map_or(REMIND_DAYS, i64::from),
        }
    }

    /// When to remind of a trial that ends at `end`; `None` for never.
    pub fn reminder(self, end: Timestamp) -> Option<Timestamp> {
        let days = self.remind_days_before;
        (days > 0).then(|| before(end, days))
    }

    /// From when on a payment method is asked for, in a trial that ends at `end`: with the reminder,
    /// and at least on the last day.
    pub fn asks_from(self, end: Timestamp) -> Timestamp {
        before(end, self.remind_days_before.max(1))
    }
}

fn before(end: Timestamp, days: i64) -> Timestamp {
    // Days come from a manifest and are few; a calendar's beginning would be early enough too.
    end.checked_sub((days * 24).hours())
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_remembered_as_it_was_written() {
        for trial in [
            DeclaredTrial::Days(14),
            DeclaredTrial::Days(0),
            DeclaredTrial::Until("2027-01-31T00:00:00Z".parse().unwrap()),
        ] {
            assert_eq!(trial.to_string().parse::<DeclaredTrial>().unwrap(), trial);
        }
        assert!("soon".parse::<DeclaredTrial>().is_err());
    }

    #[test]
    fn the_reminder_is_three_days_before_the_end_unless_the_manifest_says_otherwise() {
        let end: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        let at = |days| {
            let trial = Trial {
                remind_days_before: days,
                ..Trial::default()
            };
            TrialEnding::of(Some(&trial))
                .reminder(end)
                .map(|at| at.to_string())
        };
        assert_eq!(at(None).as_deref(), Some("2027-01-28T12:00:00Z"));
        assert_eq!(at(Some(7)).as_deref(), Some("2027-01-24T12:00:00Z"));
        assert_eq!(at(Some(0)), None);
        assert_eq!(
            TrialEnding::of(None).reminder(end),
            Some("2027-01-28T12:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn a_payment_method_is_asked_for_on_the_last_day_even_where_nobody_is_reminded() {
        let end: Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        let silent = TrialEnding {
            remind_days_before: 0,
            ..TrialEnding::default()
        };
        assert_eq!(silent.asks_from(end).to_string(), "2027-01-30T12:00:00Z");
        assert_eq!(
            TrialEnding::default().asks_from(end).to_string(),
            "2027-01-28T12:00:00Z"
        );
    }
}
