//! Dunning: where a tenant stands that has not paid, and what comes next.
//!
//! A pure function of all invoices that are overdue, judged anew at each look; nothing of it is
//! remembered. Each invoice is at a stage of its own, and the tenant is at the furthest of them:
//!
//! | now, of an invoice that is overdue since `t` | stage (default schedule) |
//! |---|---|
//! | `t` to `t` + 72 h (days 1 to 3)           | `Reminder`  |
//! | `t` + 72 h to `t` + 144 h (days 4 to 6)   | `Warning`   |
//! | `t` + 144 h to `t` + 168 h (day 7)        | `Limited`   |
//! | from `t` + 168 h (day 8)                  | `Suspended` |
//!
//! So paying one of several can only make things better; and as long as the invoice that decides is
//! unpaid, nothing but the manifest does.
//!
//! Overdue since: the due date of an invoice that is sent; else the time at which it was finalised,
//! which is when Stripe makes the first attempt to collect it, once that has failed.

mod schedule;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use self::schedule::{DunningTerms, Schedule};
use super::observed::{
    Awaits, Invoice, InvoiceStatus, Observed, Subscription, SubscriptionStatus, TenantKey,
};
use crate::api::{AccessLevel, DunningStage};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Stripe attempts a payment when it finalises the invoice. Later than this it is late.
const ATTEMPTED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Where a tenant stands that has not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dunning<'a> {
    /// The stage in force; `None` before the first, and while the manifest holds.
    pub stage: Option<DunningStage>,
    /// The invoice that decides: the furthest, and of those the one that is overdue for longest.
    pub anchor: &'a Invoice,
    /// Since when that one is overdue.
    pub since: Timestamp,
    /// The day, counted from 1.
    pub day: i64,
    /// How many invoices are overdue.
    pub overdue: usize,
    /// What is overdue in the anchor's currency, in minor units.
    pub amount: i64,
    /// The stage that comes next, and when; without a time where that depends on attempts.
    pub next: Option<(DunningStage, Option<Timestamp>)>,
    /// When access is suspended, or was.
    pub suspend_at: Option<Timestamp>,
    /// When access will be less than it is.
    pub restricts_at: Option<Timestamp>,
    /// The manifest holds until then.
    pub held_until: Option<Timestamp>,
}

impl Dunning<'_> {
    /// When it will be another one although nothing happens.
    pub fn changes_at(&self) -> Option<Timestamp> {
        let next = self.next.and_then(|(_, at)| at);
        next.into_iter().chain(self.held_until).min()
    }

    /// What may be used at this stage.
    pub fn level(&self) -> AccessLevel {
        self.stage.map_or(AccessLevel::Full, level)
    }
}

/// What may be used at a stage.
pub const fn level(stage: DunningStage) -> AccessLevel {
    match stage {
        DunningStage::Reminder | DunningStage::Warning => AccessLevel::Full,
        DunningStage::Limited => AccessLevel::Limited,
        DunningStage::Suspended => AccessLevel::Suspended,
    }
}

/// An invoice that is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Overdue<'a> {
    invoice: &'a Invoice,
    since: Timestamp,
    /// Stripe has given up collecting it.
    given_up: GivenUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenUp {
    Yes,
    No,
}

/// Judges a tenant. `None`: nothing is overdue, which clears whatever stage there was.
///
/// `key` and `recorded` tell which subscriptions are the tenant's own; what a person bills besides is
/// that person's business.
pub fn judge<'a>(
    observed: &'a Observed,
    key: &TenantKey,
    recorded: Option<&str>,
    terms: &DunningTerms,
    now: Timestamp,
) -> Option<Dunning<'a>> {
    let own = |s: &&Subscription| s.key.as_ref() == Some(key) || Some(s.id.as_str()) == recorded;
    let own: Vec<&Subscription> = observed.subscriptions.iter().filter(own).collect();
    // Once nothing is sold any more there is nothing to be taken.
    if !own.iter().any(|subscription| subscription.status.is_live()) {
        return None;
    }
    let overdue: Vec<Overdue<'_>> = own
        .into_iter()
        .flat_map(|subscription| overdue(subscription, &observed.invoices, now))
        .collect();
    of(&overdue, terms, now)
}

/// What of a subscription's invoices is overdue.
fn overdue<'a>(
    subscription: &Subscription,
    invoices: &'a [Invoice],
    now: Timestamp,
) -> Vec<Overdue<'a>> {
    // Whose first payment is open has no access that could be taken.
    let waits = matches!(
        subscription.status,
        SubscriptionStatus::Incomplete
            | SubscriptionStatus::IncompleteExpired
            | SubscriptionStatus::Paused
    );
    if waits {
        return Vec::new();
    }
    let own = invoices
        .iter()
        .filter(|invoice| invoice.subscription.as_ref() == Some(&subscription.id));
    let late = own.filter_map(|invoice| {
        let since = overdue_since(subscription, invoice, now)?;
        let hopeless = subscription.status == SubscriptionStatus::Unpaid
            || invoice.status == InvoiceStatus::Uncollectible;
        let given_up = if hopeless { GivenUp::Yes } else { GivenUp::No };
        Some(Overdue {
            invoice,
            since,
            given_up,
        })
    });
    late.collect()
}

/// Since when an invoice of a subscription is overdue; `None` while it isn't.
pub fn overdue_since(
    subscription: &Subscription,
    invoice: &Invoice,
    now: Timestamp,
) -> Option<Timestamp> {
    let owed = matches!(
        invoice.status,
        InvoiceStatus::Open | InvoiceStatus::Uncollectible
    );
    // What the operator itself keeps from being collected, for a dispute, is nobody's fault.
    if !owed || invoice.amount <= 0 || invoice.held.is_some() {
        return None;
    }
    if let Some(due) = invoice.due_date {
        return (due <= now).then_some(due);
    }
    // Whether it counts as an attempt that there was nothing to charge is not documented. That the
    // subscription is past due says enough, once an attempt has had its time.
    let passed_over = passed_over_at(subscription, invoice).is_some_and(|at| at <= now);
    let attempted = invoice.attempted || invoice.attempt_count > 0 || passed_over;
    // The bank takes its time with the first attempt.
    let in_flight = invoice.awaits == Awaits::Processing && invoice.attempt_count <= 1;
    (attempted && !in_flight).then(|| invoice.finalized.unwrap_or(invoice.created))
}

/// When an invoice that is charged automatically, and has not been, counts as having failed all the same.
fn passed_over_at(subscription: &Subscription, invoice: &Invoice) -> Option<Timestamp> {
    let late = matches!(
        subscription.status,
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid
    );
    let charged = late && invoice.due_date.is_none() && invoice.auto_advance;
    Some(invoice.finalized.filter(|_| charged)? + ATTEMPTED_WITHIN)
}

/// When an invoice becomes overdue although nothing happens: its due date, mostly.
pub fn next_overdue(
    subscription: &Subscription,
    invoices: &[Invoice],
    now: Timestamp,
) -> Option<Timestamp> {
    invoices
        .iter()
        .filter(|invoice| invoice.subscription.as_ref() == Some(&subscription.id))
        .filter(|invoice| invoice.status == InvoiceStatus::Open)
        .filter_map(|invoice| {
            let passed_over = || passed_over_at(subscription, invoice);
            invoice.due_date.or_else(passed_over)
        })
        .filter(|due| *due > now)
        .min()
}

fn of<'a>(overdue: &[Overdue<'a>], terms: &DunningTerms, now: Timestamp) -> Option<Dunning<'a>> {
    let held_until = terms.hold_until.filter(|until| now < *until);
    // While held, the stage that is reached when the hold ends is what comes next.
    let at = held_until.unwrap_or(now);
    let reached = |overdue: &Overdue<'_>| terms.schedule.reached(overdue, at);
    let anchor = overdue.iter().max_by(|a, b| {
        let by_stage = reached(a).cmp(&reached(b));
        let by_age = b.since.cmp(&a.since);
        let by_id = b.invoice.id.cmp(&a.invoice.id);
        by_stage.then(by_age).then(by_id)
    })?;
    let currency = &anchor.invoice.currency;
    let amounts = overdue
        .iter()
        .filter(|overdue| overdue.invoice.currency == *currency)
        .map(|overdue| overdue.invoice.amount);
    let stage = reached(anchor);
    let schedule = &terms.schedule;
    let next = match held_until {
        Some(until) if stage.is_some() => stage.map(|stage| (stage, Some(until))),
        _ => overdue
            .iter()
            .filter_map(|overdue| schedule.next(overdue, stage, at))
            .min_by_key(|(stage, at)| (at.is_none(), *at, *stage)),
    };
    let not_before = |at: Timestamp| held_until.map_or(at, |until| at.max(until));
    let first = |stages: &[DunningStage]| {
        let times = overdue.iter().flat_map(|overdue| {
            let begins = |stage: &DunningStage| schedule.begins(overdue, *stage);
            stages.iter().filter_map(begins).collect::<Vec<_>>()
        });
        times.min().map(not_before)
    };
    let in_force = stage.filter(|_| held_until.is_none());
    let restricting: &[DunningStage] = match in_force {
        Some(DunningStage::Suspended) => &[],
        Some(DunningStage::Limited) => &[DunningStage::Suspended],
        _ => &[DunningStage::Limited, DunningStage::Suspended],
    };
    Some(Dunning {
        stage: in_force,
        anchor: anchor.invoice,
        since: anchor.since,
        day: day(anchor.since, now),
        overdue: overdue.len(),
        amount: amounts.fold(0, i64::saturating_add),
        next,
        suspend_at: first(&[DunningStage::Suspended]),
        restricts_at: first(restricting),
        held_until,
    })
}

/// The day of something that began at `since`: 1 in its first 24 hours.
fn day(since: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(since).as_hours().max(0) / 24 + 1
}
