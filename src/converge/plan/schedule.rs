//! Changes at the end of a period: a subscription schedule of two phases, the running one and the
//! one that sells something else.

use jiff::Timestamp;

use super::Recorded;
use crate::converge::desired::Desired;
use crate::converge::observed::{Phase, PhaseItem, Schedule, Subscription, TenantKey};
use crate::converge::steps::{Change, Step};
use crate::converge::terms::{Items, Terms};

/// The schedule of a subscription, if it is the operator's own.
pub(super) fn own<'a>(key: &TenantKey, subscription: &'a Subscription) -> Option<&'a Schedule> {
    let schedule = subscription.schedule.as_ref()?;
    (schedule.key.as_ref() == Some(key)).then_some(schedule)
}

/// The subscription with its schedule marked as the tenant's, when the status records that one was
/// about to be made and this one is as it is right after. Stripe takes no metadata along with
/// `from_subscription`, so a crash after the creation leaves one without.
pub(super) fn claimed(
    key: &TenantKey,
    subscription: &Subscription,
    recorded: &Recorded,
) -> Option<Subscription> {
    let schedule = subscription.schedule.as_ref()?;
    let unfinished =
        recorded.schedule_begun && schedule.key.is_none() && schedule.phases.len() == 1;
    unfinished.then(|| Subscription {
        schedule: Some(Schedule {
            key: Some(key.clone()),
            ..schedule.clone()
        }),
        ..subscription.clone()
    })
}

/// `steps`, which a schedule of the operator's own would be in the way of, after its release.
pub(super) fn released(
    key: &TenantKey,
    subscription: &Subscription,
    steps: Vec<Step>,
) -> Vec<Step> {
    let release = own(key, subscription)
        .filter(|_| !steps.is_empty())
        .map(|schedule| release(subscription, schedule));
    release.into_iter().chain(steps).collect()
}

/// Takes a subscription out of its schedule.
pub(super) fn release(subscription: &Subscription, schedule: &Schedule) -> Step {
    Step::ReleaseSchedule {
        subscription: subscription.id.clone(),
        schedule: schedule.id.clone(),
    }
}

/// Whether the last phase of a schedule sells just that.
pub(super) fn leads_to(schedule: &Schedule, items: &Items<'_>, terms: &Terms) -> bool {
    schedule.phases.len() > 1
        && schedule
            .phases
            .last()
            .is_some_and(|last| sorted(&last.items) == sorted(&terms.phase_items(&items.others)))
}

/// The step that is missing for the subscription to sell `later` from the end of its period on.
pub(super) fn step_towards(
    desired: &Desired,
    subscription: &Subscription,
    items: &Items<'_>,
    sold: &Terms,
    later: &Terms,
    now: Timestamp,
) -> Option<Step> {
    let Some(schedule) = own(&desired.key, subscription) else {
        return Some(Step::CreateSchedule {
            subscription: subscription.id.clone(),
            basis: format!("{}/{}", sold.digest(), period_end(items)?.as_second()),
        });
    };
    if leads_to(schedule, items, later) {
        return None;
    }
    let running = schedule
        .phases
        .iter()
        .rfind(|phase| phase.start <= now)
        .or(schedule.phases.first());
    let current = Phase {
        start: running.map_or(subscription.start_date, |phase| phase.start),
        end: period_end(items)?,
        items: sold.phase_items(&items.others),
    };
    let before = schedule
        .phases
        .get(1..)
        .and_then(<[Phase]>::last)
        .map_or_else(String::new, |phase| describe(&phase.items));
    Some(Step::ScheduleChange {
        subscription: subscription.id.clone(),
        schedule: schedule.id.clone(),
        next: later.phase_items(&items.others),
        interval: later.base.interval.unwrap_or_default(),
        discounts: subscription.discounts.clone(),
        changes: vec![Change::new(
            "subscription.schedule",
            &before,
            &format!("{} from {}", later.label(), current.end),
        )],
        current,
    })
}

/// When the period that is being billed ends.
pub(super) fn period_end(items: &Items<'_>) -> Option<Timestamp> {
    items.base.map(|item| item.period_end)
}

fn describe(items: &[PhaseItem]) -> String {
    let ids: Vec<&str> = items.iter().map(|item| item.price.as_str()).collect();
    ids.join(", ")
}

fn sorted(items: &[PhaseItem]) -> Vec<(&str, i64)> {
    let mut list: Vec<_> = items
        .iter()
        .map(|item| (item.price.as_str(), item.quantity.unwrap_or(1)))
        .collect();
    list.sort_unstable();
    list
}
