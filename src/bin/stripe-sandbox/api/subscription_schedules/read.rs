//! The reading of phases.

use crate::api::subscription_items::{self, check_items};
use crate::engine::calendar::{Cadence, Period};
use crate::engine::{lines, schedules};
use crate::model::Metadata;
use crate::model::schedule::{Phase, PhaseItem, Schedule, Status, Terms};
use crate::model::subscription::Item;
use crate::state::State;
use crate::wire::{Params, StripeError};

/// What phases are read for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// The customer, whose payment methods a phase may name.
    pub customer: &'a str,
    /// The schedule as it is, if there is one.
    pub before: Option<&'a Schedule>,
    /// When the first phase starts, if the request says so elsewhere or the schedule does.
    pub start: Option<i64>,
    /// The time.
    pub now: i64,
}

/// Reads a list of phases; each begins where the one before it ends.
pub(super) fn phases(
    state: &mut State,
    params: &Params,
    context: Context<'_>,
) -> Result<Vec<Phase>, StripeError> {
    let entries = params.objects("phases");
    let anchored = entries.iter().any(|entry| entry.has("start_date"));
    if context.before.is_some() && !anchored {
        return Err(StripeError::invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates to.",
        )
        .param("phases"));
    }
    let mut phases: Vec<Phase> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("phases[{index}]");
        let items = items(state, entry, &at, context)?;
        let before = phases.last().map(|phase| phase.span.end);
        let next = entries.get(index + 1);
        let next = next.and_then(|next| date(next, "start_date", context.now));
        let start = date(entry, "start_date", context.now)
            .or(before)
            .or(context.start)
            .unwrap_or(context.now);
        if let Some(end) = before.filter(|end| *end != start) {
            return Err(StripeError::invalid(format!(
                "The phases of a subscription schedule must be contiguous: this one starts at {start}, the one before \
                 it ends at {end}."
            ))
            .param(format!("{at}[start_date]")));
        }
        let end = end(state, entry, &items, start, next, context.now)?;
        if end <= start {
            return Err(StripeError::invalid(
                "The end date of a phase must be after its start date.",
            )
            .param(format!("{at}[end_date]")));
        }
        let phase = phase(state, entry, &items, Period { start, end }, context)?;
        check_trial(&phase, index, context)?;
        phases.push(phase);
    }
    Ok(phases)
}

/// Refuses trials that would begin later than the subscription, which are not modelled.
fn check_trial(phase: &Phase, index: usize, context: Context<'_>) -> Result<(), StripeError> {
    let known = context.before.map_or(index == 0, |schedule| {
        let starts = |it: &&Phase| it.span.start == phase.span.start;
        let kept = schedule.phases.iter().find(starts);
        kept.is_some_and(|kept| kept.trial_end == phase.trial_end)
            || (schedule.status == Status::NotStarted && index == 0)
    });
    if known || phase.trial_end.is_none() {
        return Ok(());
    }
    Err(StripeError::invalid(
        "stripe-sandbox does not support trials in phases other than the one a subscription begins with; Stripe does.",
    )
    .param(format!("phases[{index}][trial_end]")))
}

/// A timestamp, or the present one.
fn date(params: &Params, name: &str, now: i64) -> Option<i64> {
    match params.text(name)? {
        "now" => Some(now),
        _ => params.i64(name),
    }
}

/// The end given or, for want of it, the next phase's start or the end of one billing period.
fn end(
    state: &State,
    entry: &Params,
    items: &[Item],
    start: i64,
    next: Option<i64>,
    now: i64,
) -> Result<i64, StripeError> {
    let given = date(entry, "end_date", now);
    let Some(unit) = entry.parse("duration.interval") else {
        let natural = || lines::cadence_of(state, items).boundary(start, 1);
        return Ok(given.or(next).unwrap_or_else(natural));
    };
    if given.is_some() {
        return Err(StripeError::validation(
            "phases",
            "You may only specify one of these parameters: duration, end_date.",
        ));
    }
    let count = entry.i64("duration.interval_count").unwrap_or(1);
    match u32::try_from(count) {
        Ok(count) if count > 0 => Ok(Cadence { unit, count }.boundary(start, 1)),
        _ => Err(StripeError::validation(
            "phases",
            "The interval_count of a duration must be greater than 0.",
        )),
    }
}

fn items(
    state: &mut State,
    entry: &Params,
    at: &str,
    context: Context<'_>,
) -> Result<Vec<Item>, StripeError> {
    let known: Vec<String> = context.before.map_or_else(Vec::new, |schedule| {
        let items = schedule.phases.iter().flat_map(|phase| &phase.items);
        items.map(|item| item.price.clone()).collect()
    });
    let mut items = Vec::new();
    for (index, item) in entry.objects("items").iter().enumerate() {
        let at = format!("{at}[items][{index}]");
        let kept = item.text("price");
        let kept = kept.filter(|price| known.iter().any(|known| known == price));
        items.push(match kept {
            // What the schedule has already may stay although the price has been archived since.
            Some(price) => subscription_items::kept_item(state, price, item, &at, context.now)?,
            None => subscription_items::first_item(state, item, &at, context.now)?,
        });
    }
    let currency = items
        .first()
        .and_then(|item| state.prices.get(&item.price))
        .map(|price| price.currency.clone())
        .unwrap_or_default();
    check_items(state, &items, &currency)?;
    Ok(items)
}

fn phase(
    state: &State,
    entry: &Params,
    items: &[Item],
    span: Period,
    context: Context<'_>,
) -> Result<Phase, StripeError> {
    let price = items.first().and_then(|item| state.prices.get(&item.price));
    let currency = price
        .map(|price| price.currency.clone())
        .unwrap_or_default();
    if let Some(wanted) = entry
        .text("currency")
        .filter(|it| it.to_lowercase() != currency)
    {
        return Err(subscription_items::other_currency(&currency, wanted).param("phases"));
    }
    let mut metadata = Metadata::new();
    if let Some(pairs) = entry.object("metadata") {
        // Kept as given: an empty value removes its key when the phase begins.
        let pairs = pairs.0.into_iter();
        metadata.extend(pairs.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))));
    }
    let trial_end = match (entry.bool("trial"), date(entry, "trial_end", context.now)) {
        (Some(true), None) => Some(span.end),
        (_, end) => end,
    };
    Ok(Phase {
        span,
        items: items.iter().map(PhaseItem::from).collect(),
        currency,
        proration: entry.parse("proration_behavior").unwrap_or_default(),
        metadata,
        trial_end,
        terms: terms(state, entry, &Terms::default(), context.customer)?,
    })
}

/// Terms as given, over those before.
pub(super) fn terms(
    state: &State,
    params: &Params,
    before: &Terms,
    customer: &str,
) -> Result<Terms, StripeError> {
    let mut terms = before.clone();
    if let Some(method) = params.parse("collection_method") {
        terms.collection_method = Some(method);
    }
    if let Some(days) = params.i64("invoice_settings.days_until_due") {
        terms.days_until_due = u32::try_from(days).ok();
    }
    if let Some(id) = params.text("default_payment_method") {
        let method = state.payment_methods.get(id);
        if method.is_none_or(|method| method.customer.as_deref() != Some(customer)) {
            return Err(StripeError::no_such(
                "PaymentMethod",
                id,
                "default_payment_method",
            ));
        }
        terms.default_payment_method = Some(id.to_owned());
    }
    params.assign("description", &mut terms.description);
    terms.automatic_tax = params.bool("automatic_tax.enabled").or(terms.automatic_tax);
    terms.billing_cycle_anchor = params
        .parse("billing_cycle_anchor")
        .or(terms.billing_cycle_anchor);
    Ok(terms)
}

/// Puts new phases in the place of a schedule's present and coming ones. Those that are over stay.
pub(super) fn replace(
    schedule: &mut Schedule,
    given: Vec<Phase>,
    now: i64,
) -> Result<(), StripeError> {
    let refuse = |message: &str| Err(StripeError::invalid(message).param("phases"));
    if schedule.status == Status::NotStarted {
        if given.first().is_none_or(|phase| phase.span.start < now) {
            return refuse(
                "A subscription schedule that has not started cannot start in the past.",
            );
        }
        schedule.phases = given;
        return Ok(());
    }
    let Some(current) = schedule.current_phase().map(|phase| phase.span.start) else {
        return refuse("The subscription schedule has no current phase.");
    };
    let mut phases = schedule.phases.clone();
    phases.retain(|phase| phase.span.start < current);
    let (over, mut rest): (Vec<_>, Vec<_>) = given
        .into_iter()
        .partition(|phase| phase.span.end <= now && phase.span.start < current);
    let same = |one: &Phase, other: &Phase| {
        one.span == other.span && schedules::same_items(&one.items, &other.items)
    };
    if over
        .iter()
        .any(|it| !phases.iter().any(|phase| same(it, phase)))
    {
        return refuse("You can not modify a phase that has already ended.");
    }
    if rest.first().is_none_or(|phase| phase.span.start != current) {
        return refuse("You can not modify the start date of the current phase.");
    }
    if rest.last().is_none_or(|phase| phase.span.end <= now) {
        return refuse(
            "The end date of the last phase of a subscription schedule must be in the future.",
        );
    }
    phases.append(&mut rest);
    let running = phases.iter().find(|phase| phase.span.end > now);
    schedule.current = running.map(|phase| phase.span.start);
    schedule.phases = phases;
    Ok(())
}
