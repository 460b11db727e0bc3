//! Subscription schedules at work: phases begin, and after the last one the subscription is let go or cancelled.
//!
//! A phase that begins with a billing period takes effect in its renewal, before anything is billed; one that begins
//! within a period is a change like any other.

use super::calendar::DAY;
use super::change::{self, Anchor, Change};
use super::subscriptions::PaymentBehavior;
use super::{lines, replace_schedule, save_schedule, save_subscription};
use crate::model::schedule::{
    EndBehavior, Phase, PhaseAnchor, PhaseItem, Schedule, Status as ScheduleStatus, Terms,
};
use crate::model::subscription::{AutomaticTax, Item, Status, Subscription};
use crate::state::{State, new_id};

/// How long before its end a schedule is announced to end.
const EXPIRY_NOTICE: i64 = 7 * DAY;

/// Whether a schedule has done all there is to do for its subscription at this instant.
#[derive(Debug)]
pub enum Step {
    /// It has.
    Done,
    /// The subscription's own business comes next.
    GoOn(Box<Subscription>),
}

/// The schedule that manages a subscription.
pub fn of<'a>(state: &'a State, subscription: &Subscription) -> Option<&'a Schedule> {
    let schedule = state
        .billing
        .schedules
        .get(subscription.schedule.as_ref()?)?;
    (schedule.status == ScheduleStatus::Active).then_some(schedule)
}

/// When a subscription's schedule next does something.
pub fn due(state: &State, subscription: &Subscription) -> Option<i64> {
    if subscription.status.is_final() || subscription.status == Status::Incomplete {
        return None;
    }
    let schedule = of(state, subscription)?;
    let boundary = schedule.current_phase()?.span.end;
    let notice = (!schedule.end_announced).then(|| schedule.end() - EXPIRY_NOTICE);
    Some(notice.map_or(boundary, |notice| notice.min(boundary)))
}

/// Does what the schedule has to do at this instant, unless the renewal at the same instant does it.
pub fn step(state: &mut State, subscription: Subscription, now: i64) -> Step {
    let due_now = due(state, &subscription).is_some_and(|at| at <= now);
    let Some(schedule) = of(state, &subscription).cloned().filter(|_| due_now) else {
        return Step::GoOn(Box::new(subscription));
    };
    if !schedule.end_announced && schedule.end() - EXPIRY_NOTICE <= now {
        announce(state, schedule);
        let again = super::next_due(state, &subscription).is_some_and(|at| at <= now);
        return if again {
            step(state, subscription, now)
        } else {
            Step::Done
        };
    }
    let boundary = schedule.current_phase().map(|phase| phase.span.end);
    let Some((phase, terms)) = boundary.and_then(|at| phase_at(&schedule, at)) else {
        return finish(state, schedule, subscription, now);
    };
    if renews_at(&subscription) == Some(now) {
        return Step::GoOn(Box::new(subscription));
    }
    let begins = phase.span.start;
    let change = turn(state, &subscription, phase, &terms);
    mark(state, schedule, begins);
    change::apply_by_itself(state, &subscription, &change, now);
    Step::Done
}

/// Lets a phase begin that a renewal was to begin, where there was none because the subscription has been paused.
pub fn catch_up(state: &mut State, subscription: &str, now: i64) {
    if let Some(subscription) = state.billing.subscriptions.get(subscription).cloned() {
        step(state, subscription, now);
    }
}

/// The phase that begins at `at`, and its terms with the schedule's defaults filled in.
pub fn phase_at(schedule: &Schedule, at: i64) -> Option<(&Phase, Terms)> {
    let phase = schedule
        .phases
        .iter()
        .find(|phase| phase.span.start == at)?;
    Some((phase, effective(&phase.terms, &schedule.defaults)))
}

fn effective(own: &Terms, defaults: &Terms) -> Terms {
    let or = |own: &Option<String>, default: &Option<String>| own.clone().or(default.clone());
    Terms {
        collection_method: own.collection_method.or(defaults.collection_method),
        days_until_due: own.days_until_due.or(defaults.days_until_due),
        default_payment_method: or(
            &own.default_payment_method,
            &defaults.default_payment_method,
        ),
        description: or(&own.description, &defaults.description),
        automatic_tax: own.automatic_tax.or(defaults.automatic_tax),
        billing_cycle_anchor: own.billing_cycle_anchor.or(defaults.billing_cycle_anchor),
    }
}

/// The change with which a phase begins within a period.
pub fn turn(state: &State, before: &Subscription, phase: &Phase, terms: &Terms) -> Change {
    let anchor = match terms.billing_cycle_anchor {
        Some(PhaseAnchor::PhaseStart) => Anchor::Now,
        _ => Anchor::Implied,
    };
    Change {
        after: entered(state, before, phase, terms),
        trial_end: None,
        anchor,
        proration: phase.proration,
        proration_date: phase.span.start,
        payment_behavior: PaymentBehavior::AllowIncomplete,
    }
}

/// The subscription as a phase makes it; its period is left alone.
pub fn entered(state: &State, before: &Subscription, phase: &Phase, terms: &Terms) -> Subscription {
    let mut after = before.clone();
    after.items = items(before, &phase.items, phase.span.start);
    for (key, value) in &phase.metadata {
        if value.is_empty() {
            after.metadata.remove(key);
        } else {
            after.metadata.insert(key.clone(), value.clone());
        }
    }
    if let Some(method) = terms.collection_method {
        after.collection_method = method;
        after.days_until_due = terms.days_until_due;
    }
    let attached = |id: &&String| {
        let method = state.payment_methods.get(id);
        method.is_some_and(|method| method.customer.as_ref() == Some(&before.customer))
    };
    if let Some(method) = terms.default_payment_method.as_ref().filter(attached) {
        after.default_payment_method = Some(method.clone());
    }
    if terms.description.is_some() {
        after.description.clone_from(&terms.description);
    }
    match terms.automatic_tax {
        Some(true) => after.automatic_tax = AutomaticTax::On,
        Some(false) => after.automatic_tax = AutomaticTax::Off,
        None => {}
    }
    after
}

/// A phase's items as a subscription has them: an item that keeps its price keeps its id.
pub fn items(before: &Subscription, wanted: &[PhaseItem], now: i64) -> Vec<Item> {
    let kept = |price: &str| before.items.iter().find(|item| item.price == price);
    wanted
        .iter()
        .map(|item| Item {
            id: kept(&item.price).map_or_else(|| new_id("si"), |kept| kept.id.clone()),
            created: kept(&item.price).map_or(now, |kept| kept.created),
            price: item.price.clone(),
            quantity: item.quantity,
            metadata: item.metadata.clone(),
            period: before.period(),
            usage_since: None,
        })
        .collect()
}

/// Whether a renewal begins a new alignment: the phase says so, or its items recur otherwise.
pub fn realigns(
    state: &State,
    before: &Subscription,
    after: &Subscription,
    schedule: Option<&Schedule>,
    at: i64,
) -> bool {
    let phase = schedule.and_then(|schedule| phase_at(schedule, at));
    let asked =
        phase.is_some_and(|(_, terms)| terms.billing_cycle_anchor == Some(PhaseAnchor::PhaseStart));
    asked || lines::cadence_of(state, &before.items) != lines::cadence_of(state, &after.items)
}

/// The schedule with the phase of `at` as the current one, if one begins then.
pub fn marked(mut schedule: Schedule, at: i64) -> Schedule {
    if schedule.phases.iter().any(|phase| phase.span.start == at) {
        schedule.current = Some(at);
    }
    schedule
}

/// Makes the phase of `at` the current one, if one begins then.
pub fn mark(state: &mut State, schedule: Schedule, at: i64) {
    save_schedule(state, marked(schedule, at));
}

/// Writes a direct change of the items into the schedule: what is left of the current phase becomes a phase with the
/// items as they are now. The phases to come stay, and take their turn.
pub fn follow(state: &mut State, subscription: &Subscription, now: i64) {
    let Some(mut schedule) = of(state, subscription).cloned() else {
        return;
    };
    let items: Vec<PhaseItem> = subscription.items.iter().map(PhaseItem::from).collect();
    let start = schedule.current;
    let current = |phase: &Phase| Some(phase.span.start) == start;
    let Some(at) = schedule.phases.iter().position(current) else {
        return;
    };
    let phase = &mut schedule.phases[at];
    if same_items(&phase.items, &items) {
        return;
    }
    if phase.span.start >= now {
        phase.items = items;
    } else {
        let mut rest = phase.clone();
        phase.span.end = now;
        rest.span.start = now;
        rest.items = items;
        schedule.phases.insert(at + 1, rest);
        schedule.current = Some(now);
    }
    save_schedule(state, schedule);
}

/// Whether two lists name the same prices in the same quantities.
pub fn same_items(one: &[PhaseItem], other: &[PhaseItem]) -> bool {
    let has = |item: &PhaseItem| {
        other
            .iter()
            .any(|it| it.price == item.price && it.quantity == item.quantity)
    };
    one.len() == other.len() && one.iter().all(has)
}

fn announce(state: &mut State, schedule: Schedule) {
    let schedule = Schedule {
        end_announced: true,
        ..schedule
    };
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    state.emit("subscription_schedule.expiring", rendered, None);
}

/// Whether the end of the schedule is near enough for it never to be announced.
pub fn too_near(schedule: &Schedule, now: i64) -> bool {
    schedule.end() - EXPIRY_NOTICE <= now
}

/// The last phase is over. A subscription that is to be cancelled has its end set, which comes next.
fn finish(state: &mut State, schedule: Schedule, mut subscription: Subscription, now: i64) -> Step {
    if schedule.end_behavior == EndBehavior::Cancel {
        return Step::GoOn(Box::new(subscription));
    }
    subscription.schedule = None;
    let schedule = Schedule {
        status: ScheduleStatus::Completed,
        completed_at: Some(now),
        released_at: Some(now),
        released_subscription: schedule.subscription.clone(),
        subscription: None,
        ..schedule
    };
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    state.emit("subscription_schedule.completed", rendered, None);
    let next = super::next_due(state, &subscription);
    save_subscription(state, subscription.clone());
    if next == Some(now) {
        Step::GoOn(Box::new(subscription))
    } else {
        Step::Done
    }
}

/// Lets the subscription go before the schedule's end.
pub fn release(state: &mut State, schedule: Schedule, end: SetEnd, now: i64) {
    let subscription = schedule.subscription.clone();
    let takes_end = schedule.end_behavior == EndBehavior::Cancel && end == SetEnd::Forget;
    let schedule = Schedule {
        status: ScheduleStatus::Released,
        released_at: Some(now),
        released_subscription: subscription.clone(),
        subscription: None,
        ..schedule
    };
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    let subscription = subscription.and_then(|id| state.billing.subscriptions.get(&id).cloned());
    if let Some(mut subscription) = subscription {
        subscription.schedule = None;
        if takes_end {
            set_end(&mut subscription, None, now);
        }
        save_subscription(state, subscription);
    }
    state.emit("subscription_schedule.released", rendered, None);
}

/// What a release does with the subscription's end which the schedule has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetEnd {
    /// The subscription ends then still.
    Keep,
    /// It goes on.
    Forget,
}

/// Sets when a managed subscription ends.
pub fn set_end(subscription: &mut Subscription, end: Option<i64>, now: i64) {
    if subscription.cancel_at == end {
        return;
    }
    subscription.cancel_at = end;
    subscription.cancel_at_period_end = false;
    subscription.canceled_at = end.map(|_| now);
    subscription.cancellation_details.reason = end.map(|_| "cancellation_requested".to_owned());
}

/// The managed subscription has ended: so has its schedule.
pub fn subscription_ended(state: &mut State, subscription: &Subscription, now: i64) {
    let Some(schedule) = of(state, subscription).cloned() else {
        return;
    };
    let over = schedule.end() <= now;
    let delinquent = subscription.cancellation_details.reason.as_deref() == Some("payment_failed");
    let (status, event) = match (over, delinquent) {
        (true, _) => (ScheduleStatus::Completed, "subscription_schedule.completed"),
        (false, true) => (ScheduleStatus::Canceled, "subscription_schedule.aborted"),
        (false, false) => (ScheduleStatus::Canceled, "subscription_schedule.canceled"),
    };
    let schedule = Schedule {
        status,
        completed_at: over.then_some(now),
        canceled_at: (!over).then_some(now),
        ..schedule
    };
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    state.emit(event, rendered, None);
}

/// Cancels a schedule whose subscription is yet to be made.
pub fn cancel_unstarted(state: &mut State, schedule: Schedule, now: i64) {
    let schedule = Schedule {
        status: ScheduleStatus::Canceled,
        canceled_at: Some(now),
        ..schedule
    };
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    state.emit("subscription_schedule.canceled", rendered, None);
}

/// Cancels the schedules of a deleted customer that have not started.
pub fn customer_deleted(state: &mut State, customer: &str) {
    let schedules = state.billing.schedules.iter();
    let waiting = schedules.filter(|schedule| {
        schedule.customer == customer && schedule.status == ScheduleStatus::NotStarted
    });
    for schedule in waiting.cloned().collect::<Vec<_>>() {
        let now = state.now(schedule.test_clock.as_deref());
        cancel_unstarted(state, schedule, now);
    }
}

fn renews_at(subscription: &Subscription) -> Option<i64> {
    match subscription.status {
        Status::Active | Status::PastDue | Status::Unpaid => Some(subscription.period().end),
        Status::Trialing => subscription.trial_end,
        _ => None,
    }
}
