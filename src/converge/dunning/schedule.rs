//! When the stages begin: what a plan's `dunning` says, checked.

use jiff::Timestamp;

use super::{DAY, GivenUp, Overdue, day};
use crate::api::{DunningPolicy, DunningStage, TenantDunning};
use crate::converge::desired::InvalidSpec;

/// The default, and for invoices that are sent whatever the plan says of attempts.
const DEFAULT: [(DunningStage, i64); 4] = [
    (DunningStage::Reminder, 1),
    (DunningStage::Warning, 4),
    (DunningStage::Limited, 7),
    (DunningStage::Suspended, 8),
];

/// What decides about a tenant's dunning besides its invoices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DunningTerms {
    /// When the stages begin.
    pub schedule: Schedule,
    /// None is in force before.
    pub hold_until: Option<Timestamp>,
}

impl DunningTerms {
    /// What a plan and a tenant's manifest say.
    pub fn of(schedule: &Schedule, tenant: Option<&TenantDunning>) -> Self {
        Self {
            schedule: schedule.clone(),
            hold_until: tenant
                .and_then(|tenant| tenant.hold_until.as_ref())
                .map(|until| until.0),
        }
    }
}

/// When the stages begin: at least one, each later than the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// On these days, counted from 1.
    Days(Vec<(DunningStage, i64)>),
    /// With these failed attempts, counted from 1.
    Attempts(Vec<(DunningStage, i64)>),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Days(DEFAULT.to_vec())
    }
}

impl Schedule {
    /// Reads `spec.dunning` of a plan.
    pub fn read(policy: Option<&DunningPolicy>) -> Result<Self, InvalidSpec> {
        let Some(policy) = policy else {
            return Ok(Self::default());
        };
        let wrong = |field: &str, message: &str| Err(InvalidSpec::new(field, message));
        let rules = &policy.stages;
        let Some(first) = rules.first() else {
            return wrong(
                "spec.dunning.stages",
                "name at least one stage, or leave spec.dunning out for the default",
            );
        };
        let by_day = first.day.is_some();
        let mut stages: Vec<(DunningStage, i64)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let field = format!("spec.dunning.stages[{index}]");
            let (number, most) = match (rule.day, rule.attempts) {
                (Some(day), None) if by_day => (day, 365),
                (None, Some(attempts)) if !by_day => (attempts, 100),
                (Some(_), None) | (None, Some(_)) => {
                    return wrong(
                        &field,
                        "give every stage a day, or every stage a number of attempts",
                    );
                }
                _ => return wrong(&field, "set exactly one of day and attempts"),
            };
            if !(1..=most).contains(&number) {
                let message = format!("{number} is not between 1 and {most}");
                return wrong(&field, &message);
            }
            stages.push((rule.stage, i64::from(number)));
        }
        // The order in which they are written is a matter of taste.
        stages.sort_unstable();
        for pair in stages.windows(2) {
            let [(milder, begins), (stage, then)] = pair else {
                continue;
            };
            if milder == stage {
                return wrong("spec.dunning.stages", &format!("names {stage:?} twice"));
            }
            if begins >= then {
                let message = format!(
                    "{stage:?} has to begin later than {milder:?}; give it a higher number"
                );
                return wrong("spec.dunning.stages", &message);
            }
        }
        Ok(if by_day {
            Self::Days(stages)
        } else {
            Self::Attempts(stages)
        })
    }

    /// The stage an invoice has reached at `at`.
    pub(super) fn reached(&self, overdue: &Overdue<'_>, at: Timestamp) -> Option<DunningStage> {
        let last = |stages: &[(DunningStage, i64)], number: i64| {
            let begun = stages.iter().filter(|(_, begins)| *begins <= number);
            begun.map(|(stage, _)| *stage).max()
        };
        match self.counting(overdue) {
            Counting::Days(stages) => last(stages, day(overdue.since, at)),
            Counting::Attempts(stages) if overdue.given_up == GivenUp::Yes => {
                last(stages, i64::MAX)
            }
            Counting::Attempts(stages) => last(stages, overdue.invoice.attempt_count.max(1)),
        }
    }

    /// The stage after `stage` that the invoice would be the first to reach, and when.
    pub(super) fn next(
        &self,
        overdue: &Overdue<'_>,
        stage: Option<DunningStage>,
        at: Timestamp,
    ) -> Option<(DunningStage, Option<Timestamp>)> {
        let stages = self.counting(overdue).stages();
        let later = stages.iter().map(|(later, _)| *later);
        let next = later.filter(|later| Some(*later) > stage).min()?;
        Some((
            next,
            self.begins(overdue, next).filter(|begins| *begins > at),
        ))
    }

    /// When a stage begins for an invoice, or began; `None` where that is not known, or the schedule
    /// has no such stage.
    pub(super) fn begins(&self, overdue: &Overdue<'_>, stage: DunningStage) -> Option<Timestamp> {
        let number = |stages: &[(DunningStage, i64)]| {
            let found = stages.iter().find(|(known, _)| *known == stage);
            found.map(|(_, number)| *number)
        };
        match self.counting(overdue) {
            Counting::Days(stages) => {
                let days = i32::try_from(number(stages)? - 1).ok()?;
                overdue.since.checked_add(DAY * days).ok()
            }
            Counting::Attempts(stages) => {
                let missing = number(stages)? - overdue.invoice.attempt_count;
                let next = overdue.invoice.next_payment_attempt;
                next.filter(|_| missing == 1)
            }
        }
    }

    fn counting(&self, overdue: &Overdue<'_>) -> Counting<'_> {
        match self {
            Self::Days(stages) => Counting::Days(stages),
            // One that is sent is never attempted.
            Self::Attempts(_) if overdue.invoice.due_date.is_some() => Counting::Days(&DEFAULT),
            Self::Attempts(stages) => Counting::Attempts(stages),
        }
    }
}

/// What counts for an invoice.
enum Counting<'a> {
    Days(&'a [(DunningStage, i64)]),
    Attempts(&'a [(DunningStage, i64)]),
}

impl<'a> Counting<'a> {
    const fn stages(&self) -> &'a [(DunningStage, i64)] {
        match self {
            Self::Days(stages) | Self::Attempts(stages) => stages,
        }
    }
}
