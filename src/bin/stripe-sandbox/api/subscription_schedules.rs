//! `/v1/subscription_schedules`.

mod fields;
mod new;
mod read;

use serde_json::Value;

pub(super) use self::fields::PREVIEW_DETAILS;
use self::fields::{CANCEL, CREATE, LIST, RELEASE, UPDATE};
use self::new::{migrated, new};
use self::read::{Context, phases, replace, terms};
use crate::engine::cancel::{self, Farewell};
use crate::engine::change::{self, Change};
use crate::engine::schedules::{self, SetEnd};
use crate::engine::{currency, replace_schedule, save_subscription, schedule_starts};
use crate::model::schedule::{EndBehavior, Phase, PhaseItem, Schedule, Status, Terms};
use crate::model::subscription::Subscription;
use crate::state::State;
use crate::wire::{
    Expansion, Params, Request, Route, StripeError, created_matches, get, list, page, post,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/subscription_schedules", CREATE, create),
    list("/v1/subscription_schedules", LIST, list_schedules),
    get("/v1/subscription_schedules/{}", &[], retrieve),
    post("/v1/subscription_schedules/{}", UPDATE, update),
    post("/v1/subscription_schedules/{}/cancel", CANCEL, cancel),
    post("/v1/subscription_schedules/{}/release", RELEASE, release),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "schedule",
        load: |state, id| Some(state.billing.schedules.get(id)?.render(state)),
    },
    Expansion::Reference {
        field: "released_subscription",
        load: |state, id| Some(state.billing.subscriptions.get(id)?.render(state)),
    },
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let schedule = match params.text("from_subscription") {
        Some(id) => migrated(state, params, id)?,
        None => new(state, params)?,
    };
    let id = schedule.id.clone();
    if schedule.status == Status::Active {
        schedule_starts::adopt(state, schedule);
        return render(state, &id);
    }
    let now = state.now(schedule.test_clock.as_deref());
    let begins = schedule.phases.first().map(|phase| phase.span.start);
    if begins.is_some_and(|start| start <= now) {
        schedule_starts::start(state, schedule, now)?;
    } else {
        let currency = schedule.phases.first().map(|phase| phase.currency.clone());
        currency::settle(state, &schedule.customer, &currency.unwrap_or_default());
        replace_schedule(state, schedule);
    }
    let rendered = render(state, &id)?;
    state.emit("subscription_schedule.created", rendered.clone(), None);
    Ok(rendered)
}

fn one_currency(phases: &[Phase]) -> Result<(), StripeError> {
    let first = phases.first().map(|phase| &phase.currency);
    match phases.iter().find(|phase| Some(&phase.currency) != first) {
        None => Ok(()),
        Some(other) => Err(super::subscription_items::other_currency(
            &other.currency,
            first.map_or("", String::as_str),
        )
        .param("phases")),
    }
}

fn defaults(
    state: &State,
    params: &Params,
    before: &Terms,
    customer: &str,
) -> Result<Terms, StripeError> {
    let given = params.object("default_settings").unwrap_or_default();
    terms(state, &given, before, customer)
}

fn end_behavior(params: &Params) -> Result<Option<EndBehavior>, StripeError> {
    match params.text("end_behavior") {
        Some(old @ ("none" | "renew")) => Err(StripeError::invalid(format!(
            "end_behavior={old} is not supported any more; use release or cancel."
        ))
        .param("end_behavior")),
        _ => Ok(params.parse("end_behavior")),
    }
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let before = find(state, request.id())?.clone();
    require_live(&before, "update")?;
    let now = state.now(before.test_clock.as_deref());
    let after = changed(state, &before, params, now)?;
    let shown = before.render(state);
    let managed = subscription_of(state, &after).zip(turn(state, &before, &after, params, now));
    replace_schedule(state, after.clone());
    if let Some((_, change)) = managed
        && let Err(error) = change::apply(state, &change, now)
    {
        replace_schedule(state, before);
        return Err(error);
    }
    keep_end(state, &before, &after, now);
    let rendered = render(state, request.id())?;
    state.emit_update("subscription_schedule.updated", &shown, rendered.clone());
    Ok(rendered)
}

/// A schedule with the changes asked for, not yet stored.
pub(super) fn changed(
    state: &mut State,
    before: &Schedule,
    params: &Params,
    now: i64,
) -> Result<Schedule, StripeError> {
    let mut after = before.clone();
    params.assign_metadata("metadata", &mut after.metadata);
    after.defaults = defaults(state, params, &before.defaults, &before.customer)?;
    if let Some(behavior) = end_behavior(params)? {
        after.end_behavior = behavior;
    }
    if params.has("phases") {
        let context = Context {
            customer: &before.customer,
            before: Some(before),
            start: before
                .current
                .or_else(|| before.phases.first().map(|phase| phase.span.start)),
            now,
        };
        let given = phases(state, params, context)?;
        replace(&mut after, given, now)?;
        one_currency(&after.phases)?;
        after.end_announced = schedules::too_near(&after, now);
    }
    Ok(after)
}

/// What a schedule's update changes of its subscription at once, if anything.
pub(super) fn turn(
    state: &State,
    before: &Schedule,
    after: &Schedule,
    params: &Params,
    now: i64,
) -> Option<Change> {
    let subscription = subscription_of(state, after)?;
    let mut phase = after.current_phase()?.clone();
    let begins = phase.span.start == now && before.current != Some(now);
    let items: Vec<_> = subscription.items.iter().map(PhaseItem::from).collect();
    let other_terms = before
        .current_phase()
        .is_some_and(|old| old.terms != phase.terms || before.defaults != after.defaults);
    if !begins && !other_terms && schedules::same_items(&items, &phase.items) {
        return None;
    }
    if !begins {
        // Metadata is written when a phase begins, and this one has begun.
        phase.metadata.clear();
        phase.proration = params.parse("proration_behavior").unwrap_or_default();
    }
    phase.span.start = now;
    let (_, terms) = schedules::phase_at(after, after.current?)?;
    Some(schedules::turn(state, &subscription, &phase, &terms))
}

fn subscription_of(state: &State, schedule: &Schedule) -> Option<Subscription> {
    let id = schedule.subscription.as_ref()?;
    state.billing.subscriptions.get(id).cloned()
}

/// Keeps the subscription's end that of a schedule which cancels it.
fn keep_end(state: &mut State, before: &Schedule, after: &Schedule, now: i64) {
    let end = match (before.end_behavior, after.end_behavior) {
        (_, EndBehavior::Cancel) => Some(after.end()),
        (EndBehavior::Cancel, EndBehavior::Release) => None,
        (EndBehavior::Release, EndBehavior::Release) => return,
    };
    if let Some(mut subscription) = subscription_of(state, after) {
        schedules::set_end(&mut subscription, end, now);
        save_subscription(state, subscription);
    }
}

fn cancel(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let schedule = find(state, request.id())?.clone();
    require_live(&schedule, "cancel")?;
    let now = state.now(schedule.test_clock.as_deref());
    match subscription_of(state, &schedule) {
        Some(subscription) => {
            let farewell = Farewell {
                invoice_now: params.bool("invoice_now").unwrap_or(true),
                prorate: params.bool("prorate").unwrap_or(true),
            };
            cancel::now(state, subscription, farewell, now);
        }
        None => schedules::cancel_unstarted(state, schedule, now),
    }
    render(state, request.id())
}

fn release(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let schedule = find(state, request.id())?.clone();
    require_live(&schedule, "release")?;
    let now = state.now(schedule.test_clock.as_deref());
    let end = match request.params.bool("preserve_cancel_date") {
        Some(true) => SetEnd::Keep,
        _ => SetEnd::Forget,
    };
    schedules::release(state, schedule, end, now);
    render(state, request.id())
}

fn require_live(schedule: &Schedule, verb: &str) -> Result<(), StripeError> {
    if schedule.is_live() {
        return Ok(());
    }
    let status = serde_json::json!(schedule.status);
    let status = status.as_str().unwrap_or_default();
    Err(StripeError::invalid(format!(
        "You cannot {verb} a subscription schedule that is currently in the `{status}` status. It must have a status \
         of `not_started` or `active`."
    )))
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    render(state, request.id())
}

fn list_schedules(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let customer = params.text("customer");
    let scheduled = params.bool("scheduled");
    let within = |name: &str, at: Option<i64>| {
        !params.has(name) || at.is_some_and(|at| created_matches(params, name, at))
    };
    let keep = |schedule: &Schedule| {
        // Stripe leaves out what is on a test clock unless the customer is named.
        (customer.is_some() || schedule.test_clock.is_none())
            && customer.is_none_or(|customer| schedule.customer == customer)
            && scheduled.is_none_or(|yes| yes == (schedule.status == Status::NotStarted))
            && created_matches(params, "created", schedule.created)
            && within("canceled_at", schedule.canceled_at)
            && within("completed_at", schedule.completed_at)
            && within("released_at", schedule.released_at)
    };
    page(
        request,
        "subscription schedule",
        &state.billing.schedules,
        keep,
        |schedule| schedule.render(state),
    )
}

pub(super) fn find<'a>(state: &'a State, id: &str) -> Result<&'a Schedule, StripeError> {
    state
        .billing
        .schedules
        .get(id)
        .ok_or_else(|| StripeError::not_found("subscription schedule", id))
}

fn render(state: &State, id: &str) -> Result<Value, StripeError> {
    find(state, id).map(|schedule| schedule.render(state))
}
