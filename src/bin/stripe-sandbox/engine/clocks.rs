//! The passing of time: what is due is done in order of time, each at its own instant.

use super::{checkout, customer_deleted, drafts, lifecycle, lines, schedule_starts};
use crate::model::Interval;
use crate::model::test_clock::{Advance, TestClock};
use crate::state::State;
use crate::wire::StripeError;

use super::calendar::Cadence;

/// How far [`run`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is due any more.
    Done,
    /// Something waits for webhooks to be acknowledged.
    Waiting,
}

/// Does everything due up to `until` on a clock, or by the wall clock, oldest first.
pub fn run(state: &mut State, clock: Option<&str>, until: i64) -> Progress {
    while let Some((at, id)) = state.billing.due.next(clock).filter(|(at, _)| *at <= until) {
        if let Some(clock) = clock.and_then(|clock| state.billing.test_clocks.get_mut(clock)) {
            clock.frozen_time = clock.frozen_time.max(at);
        }
        if drafts::awaits_webhooks(state, &id) {
            return Progress::Waiting;
        }
        if id.starts_with("in_") {
            drafts::run_due(state, &id, at);
        } else if id.starts_with("cs_") {
            checkout::run_due(state, &id);
        } else if id.starts_with("sub_sched_") {
            schedule_starts::run_due(state, &id, at);
        } else {
            lifecycle::run_due(state, &id, at);
        }
        if state.billing.due.at(&id) == Some(at) {
            // Whatever was due has been done or cannot be; it must not be due again.
            state.billing.due.set(None, &id, None);
        }
    }
    Progress::Done
}

/// Brings every advancing clock one step further: first its work is done, then it is announced ready.
pub fn advance_all(state: &mut State) {
    let clocks = state.billing.test_clocks.iter();
    let advancing: Vec<_> = clocks
        .filter_map(|clock| Some((clock.id.clone(), clock.advancing?)))
        .collect();
    for (id, (target, progress)) in advancing {
        if progress == Advance::Requested && run(state, Some(&id), target) == Progress::Waiting {
            continue;
        }
        let Some(clock) = state.billing.test_clocks.get_mut(&id) else {
            continue;
        };
        clock.frozen_time = target;
        clock.advancing = match progress {
            Advance::Requested => Some((target, Advance::Done)),
            Advance::Done => None,
        };
        if clock.advancing.is_none() {
            let rendered = clock.render(state.livemode);
            state.emit("test_helpers.test_clock.ready", rendered, None);
        }
    }
}

/// Starts moving a clock to `target`.
pub fn advance(state: &mut State, id: &str, target: i64) -> Result<TestClock, StripeError> {
    let clock = idle(state, id)?;
    if target <= clock.frozen_time {
        return Err(StripeError::invalid(
            "The clock's frozen time can only be moved forward: the given time must be after its current one.",
        )
        .param("frozen_time"));
    }
    let furthest = furthest(state, &clock);
    if target > furthest {
        return Err(StripeError::invalid(format!(
            "Cannot advance to a time more than two intervals of the shortest subscription on this clock ahead \
             (at most {furthest})."
        ))
        .param("frozen_time"));
    }
    let clock = TestClock {
        advancing: Some((target, Advance::Requested)),
        ..clock
    };
    state.billing.test_clocks.insert(id, clock.clone());
    state.emit(
        "test_helpers.test_clock.advancing",
        clock.render(state.livemode),
        None,
    );
    Ok(clock)
}

/// Deletes a clock with the customers on it and all they have.
pub fn delete(state: &mut State, id: &str) -> Result<(), StripeError> {
    let clock = idle(state, id)?;
    let customers = state.customers.iter();
    let on_clock = customers.filter(|customer| customer.test_clock.as_deref() == Some(id));
    let on_clock: Vec<_> = on_clock
        .filter(|customer| !customer.deleted)
        .cloned()
        .collect();
    for mut customer in on_clock {
        customer_deleted(state, &customer.id);
        let rendered = customer.render();
        customer.deleted = true;
        state.customers.insert(customer.id.clone(), customer);
        state.emit("customer.deleted", rendered, None);
    }
    state.billing.test_clocks.remove(id);
    state.emit(
        "test_helpers.test_clock.deleted",
        clock.render(state.livemode),
        None,
    );
    Ok(())
}

fn idle(state: &State, id: &str) -> Result<TestClock, StripeError> {
    let clock = state.billing.test_clocks.get(id);
    let clock = clock.ok_or_else(|| StripeError::not_found("test clock", id))?;
    if clock.advancing.is_some() {
        return Err(StripeError::invalid(
            "Test clock advancement underway - cannot perform modifications until it is done.",
        )
        .status(429)
        .code("lock_timeout"));
    }
    Ok(clock.clone())
}

fn furthest(state: &State, clock: &TestClock) -> i64 {
    let subscriptions = state.billing.subscriptions.iter();
    let live = subscriptions.filter(|subscription| {
        subscription.test_clock.as_deref() == Some(&clock.id) && !subscription.status.is_final()
    });
    let shortest = live
        .map(|subscription| lines::cadence_of(state, &subscription.items))
        .min_by_key(|cadence| cadence.mean_seconds());
    let shortest = shortest.unwrap_or(Cadence {
        unit: Interval::Year,
        count: 1,
    });
    shortest.boundary(clock.frozen_time, 2)
}
