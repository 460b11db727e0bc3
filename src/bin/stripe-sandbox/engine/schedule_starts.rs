//! The beginning of a schedule's subscription: at once, or when the first phase is due.

use super::replace_schedule;
use super::schedules::{self, phase_at};
use super::subscriptions::{self, End, NewSubscription, PaymentBehavior, ProrationBehavior};
use crate::model::invoice::Invoice;
use crate::model::schedule::{EndBehavior, Schedule, Status};
use crate::model::subscription::{AutomaticTax, CollectionMethod, Item, MissingPaymentMethod};
use crate::state::{State, new_id};
use crate::wire::StripeError;

/// Starts a schedule whose first phase is due.
pub fn run_due(state: &mut State, id: &str, now: i64) {
    let Some(schedule) = state.billing.schedules.get(id).cloned() else {
        return;
    };
    let before = schedule.render(state);
    match start(state, schedule.clone(), now) {
        Ok(schedule) => {
            let after = schedule.render(state);
            state.emit_update("subscription_schedule.updated", &before, after);
        }
        // Such as another currency, in which the customer has subscribed meanwhile.
        Err(error) => {
            tracing::warn!(schedule = id, message = error.message, "cannot start");
            schedules::cancel_unstarted(state, schedule, now);
        }
    }
}

/// Makes the schedule's subscription, without an event of the schedule.
pub fn start(state: &mut State, schedule: Schedule, now: i64) -> Result<Schedule, StripeError> {
    let new = first_phase(state, &schedule, now)?;
    let mut schedule = Schedule {
        status: Status::Active,
        current: schedule.phases.first().map(|phase| phase.span.start),
        ..schedule
    };
    schedule.subscription = Some(subscriptions::create_by_itself(state, new, now)?);
    replace_schedule(state, schedule.clone());
    Ok(schedule)
}

/// The first invoice of a schedule that has not started.
pub fn preview(state: &State, schedule: &Schedule) -> Result<Invoice, StripeError> {
    let start = schedule.phases.first().map(|phase| phase.span.start);
    let start = start.unwrap_or(schedule.created);
    let new = first_phase(state, schedule, start)?;
    Ok(subscriptions::plan(state, new, start)?.1)
}

/// The subscription the first phase describes.
fn first_phase(
    state: &State,
    schedule: &Schedule,
    now: i64,
) -> Result<NewSubscription, StripeError> {
    let start = schedule.phases.first().map(|phase| phase.span.start);
    let (phase, terms) = start
        .and_then(|start| phase_at(schedule, start))
        .ok_or_else(|| StripeError::missing("phases"))?;
    super::require_live(state, &schedule.customer)?;
    let items = phase.items.iter().map(|item| Item {
        id: new_id("si"),
        created: now,
        price: item.price.clone(),
        quantity: item.quantity,
        metadata: item.metadata.clone(),
        period: super::calendar::Period {
            start: now,
            end: now,
        },
        usage_since: None,
    });
    let metadata = phase.metadata.iter().filter(|(_, value)| !value.is_empty());
    Ok(NewSubscription {
        customer: schedule.customer.clone(),
        items: items.collect(),
        currency: phase.currency.clone(),
        trial_end: phase.trial_end,
        missing_payment_method: MissingPaymentMethod::CreateInvoice,
        billing_cycle_anchor: None,
        proration: ProrationBehavior::CreateProrations,
        collection_method: terms
            .collection_method
            .unwrap_or(CollectionMethod::ChargeAutomatically),
        days_until_due: terms.days_until_due,
        payment_behavior: PaymentBehavior::AllowIncomplete,
        default_payment_method: terms.default_payment_method,
        description: terms.description,
        metadata: metadata
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        payment_settings: subscriptions::default_payment_settings(),
        end: match schedule.end_behavior {
            EndBehavior::Cancel => End::At(schedule.end()),
            EndBehavior::Release => End::Open,
        },
        schedule: Some(schedule.id.clone()),
        automatic_tax: if terms.automatic_tax == Some(true) {
            AutomaticTax::On
        } else {
            AutomaticTax::Off
        },
    })
}

/// Puts a subscription that exists under a schedule of its own, whose one phase is the current period as it is.
pub fn adopt(state: &mut State, schedule: Schedule) {
    let subscription = schedule.subscription.clone();
    let id = schedule.id.clone();
    let rendered = schedule.render(state);
    replace_schedule(state, schedule);
    let subscription = subscription.and_then(|id| state.billing.subscriptions.get(&id).cloned());
    if let Some(mut subscription) = subscription {
        subscription.schedule = Some(id);
        super::save_subscription(state, subscription);
    }
    state.emit("subscription_schedule.created", rendered, None);
}
