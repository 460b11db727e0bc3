//! New schedules: around a subscription there is, or to make their own.

use super::read::{Context, phases};
use super::{defaults, end_behavior, one_currency};
use crate::api::customers;
use crate::engine::subscriptions::ProrationBehavior;
use crate::engine::{currency, schedules};
use crate::model::Metadata;
use crate::model::schedule::{EndBehavior, Phase, PhaseItem, Schedule, Status, Terms};
use crate::model::subscription::{AutomaticTax, Subscription};
use crate::state::State;
use crate::wire::{Params, StripeError};

/// A schedule for a subscription there is: its one phase is the current period.
pub(super) fn migrated(
    state: &mut State,
    params: &Params,
    id: &str,
) -> Result<Schedule, StripeError> {
    let other = params.0.keys();
    if let Some(param) =
        { other }.find(|it| !["expand", "from_subscription"].contains(&it.as_str()))
    {
        return Err(StripeError::invalid(format!(
            "You cannot set `{param}` if `from_subscription` is set."
        ))
        .param(param.as_str()));
    }
    let subscription = state.billing.subscriptions.get(id).cloned();
    let subscription = subscription
        .ok_or_else(|| StripeError::no_such("subscription", id, "from_subscription"))?;
    let refuse = |message: String| Err(StripeError::invalid(message).param("from_subscription"));
    if subscription.schedule.is_some() {
        return refuse(format!(
            "You cannot migrate a subscription that is already attached to a schedule: `{id}`."
        ));
    }
    if subscription.status.is_final() {
        return refuse(format!(
            "You cannot migrate a subscription that has ended: `{id}`."
        ));
    }
    let now = state.now(subscription.test_clock.as_deref());
    Ok(around(&subscription, state.new_id("sub_sched"), now))
}

fn around(subscription: &Subscription, id: String, now: i64) -> Schedule {
    let mut span = subscription.period();
    span.end = subscription.cancel_at.unwrap_or(span.end);
    let phase = Phase {
        span,
        items: subscription.items.iter().map(PhaseItem::from).collect(),
        currency: subscription.currency.clone(),
        proration: ProrationBehavior::CreateProrations,
        metadata: Metadata::new(),
        trial_end: subscription.trial_end.filter(|end| *end > span.start),
        terms: Terms::default(),
    };
    let mut schedule = Schedule {
        id,
        customer: subscription.customer.clone(),
        created: now,
        status: Status::Active,
        subscription: Some(subscription.id.clone()),
        released_subscription: None,
        end_behavior: match subscription.cancel_at {
            Some(_) => EndBehavior::Cancel,
            None => EndBehavior::Release,
        },
        current: Some(span.start),
        phases: vec![phase],
        defaults: Terms {
            collection_method: Some(subscription.collection_method),
            days_until_due: subscription.days_until_due,
            default_payment_method: subscription.default_payment_method.clone(),
            automatic_tax: Some(subscription.automatic_tax == AutomaticTax::On),
            ..Terms::default()
        },
        metadata: Metadata::new(),
        canceled_at: None,
        completed_at: None,
        released_at: None,
        test_clock: subscription.test_clock.clone(),
        end_announced: false,
    };
    schedule.end_announced = schedules::too_near(&schedule, now);
    schedule
}

/// A schedule that makes its own subscription.
pub(super) fn new(state: &mut State, params: &Params) -> Result<Schedule, StripeError> {
    let customer = params
        .text("customer")
        .ok_or_else(|| StripeError::missing("customer"))?;
    let customer = customers::live(state, customer, "customer")?;
    let (customer, clock) = (customer.id.clone(), customer.test_clock.clone());
    if params.str("billing_mode.type") == Some("classic") {
        return Err(StripeError::unsupported("billing_mode[type]=classic"));
    }
    let now = state.now(clock.as_deref());
    let start = match params.text("start_date") {
        None => return Err(StripeError::missing("start_date")),
        Some("now") => now,
        Some(_) => params.i64("start_date").unwrap_or(now),
    };
    if start < now {
        return Err(StripeError::invalid(
            "stripe-sandbox does not support schedules that start in the past; Stripe does.",
        )
        .param("start_date"));
    }
    let context = Context {
        customer: &customer,
        before: None,
        start: Some(start),
        now,
    };
    let phases = phases(state, params, context)?;
    let Some(first) = phases.first() else {
        return Err(StripeError::missing("phases"));
    };
    currency::require(state, &customer, &first.currency)?;
    one_currency(&phases)?;
    let defaults = defaults(state, params, &Terms::default(), &customer)?;
    let mut metadata = Metadata::new();
    params.assign_metadata("metadata", &mut metadata);
    let mut schedule = Schedule {
        id: state.new_id("sub_sched"),
        customer,
        created: now,
        status: Status::NotStarted,
        subscription: None,
        released_subscription: None,
        end_behavior: end_behavior(params)?.unwrap_or_default(),
        phases,
        current: None,
        defaults,
        metadata,
        canceled_at: None,
        completed_at: None,
        released_at: None,
        test_clock: clock,
        end_announced: false,
    };
    schedule.end_announced = schedules::too_near(&schedule, now);
    Ok(schedule)
}
