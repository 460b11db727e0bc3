//! What a subscription is billed next, by itself: worked out for previews, and carried out when it is due.

use super::calendar::Period;
use super::change::{self, Change};
use super::drafts;
use super::invoices::{self, Draft};
use super::schedules;
use super::{lines, save_subscription, usage};
use crate::model::invoice::{BillingReason, Invoice, Line};
use crate::model::schedule::Schedule;
use crate::model::subscription::{Status, Subscription};
use crate::state::State;

/// A renewal worked out.
#[derive(Clone, Debug)]
struct Renewal {
    after: Subscription,
    closed: Period,
    lines: Vec<Line>,
}

/// Rolls the period, with the items of the schedule's phase that begins then.
///
/// The closed period's usage is billed by the items that were used, the next period by those that are to come.
fn roll(state: &State, before: &Subscription, schedule: Option<&Schedule>) -> Renewal {
    let closed = before.period();
    let mut after = match schedule.and_then(|it| schedules::phase_at(it, closed.end)) {
        Some((phase, terms)) => schedules::entered(state, before, phase, &terms),
        None => before.clone(),
    };
    let cadence = lines::cadence_of(state, &after.items);
    if schedules::realigns(state, before, &after, schedule, closed.end) {
        after.billing_cycle_anchor = closed.end;
    }
    let natural = cadence.period_containing(after.billing_cycle_anchor, closed.end);
    let end = after
        .cancel_at
        .map_or(natural.end, |end| natural.end.min(end));
    let next = Period {
        start: closed.end,
        end,
    };
    after.set_period(next);
    let mut lines = usage::of_period(state, before, closed);
    lines.extend(lines::charges(state, &after, next, natural));
    Renewal {
        after,
        closed,
        lines,
    }
}

fn draft(renewal: &Renewal, reason: BillingReason) -> Draft {
    Draft {
        reason,
        lines: renewal.lines.clone(),
        period: renewal.closed,
        proration_date: None,
    }
}

/// Rolls the period first, then drafts its invoice.
pub fn renew(state: &mut State, before: &Subscription) {
    let schedule = schedules::of(state, before).cloned();
    let renewal = roll(state, before, schedule.as_ref());
    let now = renewal.closed.end;
    if let Some(schedule) = schedule {
        schedules::mark(state, schedule, now);
    }
    save_subscription(state, renewal.after.clone());
    let draft = draft(&renewal, BillingReason::SubscriptionCycle);
    let invoice = invoices::compose(state, &renewal.after, draft, now);
    let invoice = invoices::create(state, invoice);
    drafts::schedule(state, &invoice, now);
}

/// The next invoice a subscription gets if nothing happens to it but time, by the wall clock or its own; `None` if it
/// ends without one.
pub fn upcoming(
    state: &State,
    subscription: &Subscription,
    mut schedule: Option<Schedule>,
) -> Option<Invoice> {
    let mut subscription = subscription.clone();
    let end = subscription.period().end;
    while let Some((change, at)) = schedule
        .as_ref()
        .and_then(|schedule| turn_before(state, &subscription, schedule, end))
    {
        let planned = change::plan(state, &subscription, &change, at);
        if let Some(invoice) = change::invoice(state, &subscription, &planned, &change, at) {
            return Some(invoice);
        }
        subscription = planned.after;
        schedule = schedule.map(|schedule| schedules::marked(schedule, at));
    }
    if subscription.status == Status::Paused {
        return None;
    }
    let ends = subscription
        .cancel_at
        .is_some_and(|end| end <= subscription.period().end);
    if ends {
        return last(state, &subscription);
    }
    let renewal = roll(state, &subscription, schedule.as_ref());
    let draft = draft(&renewal, BillingReason::Upcoming);
    let at = renewal.closed.end;
    Some(invoices::compose(state, &renewal.after, draft, at))
}

/// The invoice at a set end: what is left to bill, if anything.
fn last(state: &State, subscription: &Subscription) -> Option<Invoice> {
    let closed = subscription.period();
    let owing = usage::any(state, &subscription.items) || !subscription.pending_lines.is_empty();
    if !owing || subscription.status == Status::Trialing {
        return None;
    }
    let draft = Draft {
        reason: BillingReason::Upcoming,
        lines: usage::of_period(state, subscription, closed),
        period: closed,
        proration_date: None,
    };
    Some(invoices::compose(state, subscription, draft, closed.end))
}

/// The change a schedule makes next, if that is before `end`.
fn turn_before(
    state: &State,
    subscription: &Subscription,
    schedule: &Schedule,
    end: i64,
) -> Option<(Change, i64)> {
    let at = schedule.current_phase()?.span.end;
    let (phase, terms) = schedules::phase_at(schedule, at).filter(|_| at < end)?;
    let change = schedules::turn(state, subscription, phase, &terms);
    Some((change, at))
}
