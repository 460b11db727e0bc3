//! `/v1/billing/meter_events` and `/v1/billing/meter_event_adjustments`.
//!
//! Stripe checks some of an event at once and the rest later, telling only its v2 event destinations what was wrong. At once it
//! looks at the meter, the timestamp and the identifier. A customer who does not exist or a value that is no whole number is
//! found later: the event is accepted and never counts. `/_sandbox/state` says how many events went that way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::calendar::DAY;
use crate::engine::metering::NotCanceled;
use crate::model::{Formula, Meter, MeterEvent};
use crate::state::{State, token};
use crate::wire::{Expansion, Field, Params, Request, Route, Shape, StripeError, opt, post, req};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/billing/meter_events", CREATE, create),
    post("/v1/billing/meter_event_adjustments", ADJUST, adjust),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

const CREATE: &[Field] = &[
    req("event_name", Shape::Str),
    req("payload", Shape::StringMap),
    opt("identifier", Shape::Str),
    opt("timestamp", Shape::Int),
];

const ADJUST: &[Field] = &[
    req("event_name", Shape::Str),
    req("type", Shape::Enum(&["cancel"])),
    opt("cancel", Shape::Object(&[opt("identifier", Shape::Str)])),
];

/// How far back an event may lie.
const OLDEST: i64 = 35 * DAY;
/// How far ahead an event's clock may be.
const AHEAD: i64 = 300;
/// Most digits of a value.
const MOST_DIGITS: usize = 15;
/// Longest identifier and longest payload value.
const LONGEST: usize = 100;

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let event_name = params.text("event_name").unwrap_or_default();
    let payload = payload(params)?;
    let meter = active_meter(state, event_name)?.clone();
    let customer = payload.get(&meter.customer_key);
    let customer = customer
        .and_then(|id| state.customers.get(id))
        .filter(|customer| !customer.deleted);
    // Who lives on a test clock uses things in its time.
    let now = state.now(customer.and_then(|customer| customer.test_clock.as_deref()));
    let timestamp = timestamp(params, now)?;
    let received = state.wall_clock();
    let identifier = match params.text("identifier") {
        Some(given) => given.to_owned(),
        None => token(32),
    };
    check_identifier(state, &identifier, received)?;
    let value = value(&meter, &payload);
    let counted = customer
        .filter(|_| value.is_some())
        .map(|customer| customer.id.clone());
    let event = MeterEvent {
        identifier,
        event_name: event_name.to_owned(),
        created: now,
        received,
        timestamp,
        payload,
        value: value.unwrap_or(0),
        canceled: false,
    };
    let answer = event.render(state.livemode);
    let metering = &mut state.billing.metering;
    metering.record(&meter.id, counted.as_deref(), event);
    Ok(answer)
}

fn payload(params: &Params) -> Result<BTreeMap<String, String>, StripeError> {
    let given = params.object("payload").unwrap_or_default();
    let texts = given.0.into_iter().map(|(key, value)| match value {
        Value::String(text) if text.chars().count() > LONGEST => {
            let name = format!("payload[{key}]");
            let message = format!("Invalid string: {name} must be at most {LONGEST} characters");
            Err(StripeError::validation(&name, message).code("parameter_invalid_string_length"))
        }
        Value::String(text) => Ok((key, text)),
        _ => {
            let name = format!("payload[{key}]");
            let message = format!("Invalid string: {name}");
            Err(StripeError::validation(&name, message))
        }
    });
    texts.collect()
}

fn active_meter<'a>(state: &'a State, event_name: &str) -> Result<&'a Meter, StripeError> {
    state.billing.metering.active(event_name).ok_or_else(|| {
        let message = format!("No active meter found for event name \"{event_name}\".");
        StripeError::invalid(message).param("event_name")
    })
}

fn timestamp(params: &Params, now: i64) -> Result<i64, StripeError> {
    let at = params.i64("timestamp").unwrap_or(now);
    let (code, wrong) = if at < now - OLDEST {
        ("timestamp_too_far_in_past", "in the past 35 calendar days")
    } else if at > now + AHEAD {
        ("timestamp_in_future", "at most 5 minutes in the future")
    } else {
        return Ok(at);
    };
    let message = format!("The timestamp of a meter event must be {wrong} (passed: {at}).");
    Err(StripeError::invalid(message).code(code).param("timestamp"))
}

fn check_identifier(state: &State, identifier: &str, received: i64) -> Result<(), StripeError> {
    if identifier.chars().count() > LONGEST {
        let message = format!("Invalid string: identifier must be at most {LONGEST} characters");
        return Err(
            StripeError::validation("identifier", message).code("parameter_invalid_string_length")
        );
    }
    if state.billing.metering.is_used(identifier, received) {
        let message = format!("An event already exists with identifier {identifier}.");
        return Err(StripeError::invalid(message).param("identifier"));
    }
    Ok(())
}

/// What an event counts for; `None` if that cannot be told.
fn value(meter: &Meter, payload: &BTreeMap<String, String>) -> Option<i64> {
    if meter.formula == Formula::Count {
        return Some(0);
    }
    let text = payload.get(&meter.value_key)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !whole || digits.len() > MOST_DIGITS {
        return None;
    }
    text.parse().ok()
}

fn adjust(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let event_name = params.text("event_name").unwrap_or_default();
    let Some(identifier) = params.text("cancel.identifier") else {
        return Err(StripeError::missing("cancel[identifier]"));
    };
    active_meter(state, event_name)?;
    let received = state.wall_clock();
    let metering = &mut state.billing.metering;
    if let Err(why) = metering.cancel(event_name, identifier, received) {
        let message = match why {
            NotCanceled::Unknown => format!("No meter event found with identifier {identifier}."),
            NotCanceled::TooOld => format!(
                "The meter event with identifier {identifier} was received more than 24 hours ago and cannot be \
                 canceled any more."
            ),
            NotCanceled::Already => {
                format!("The meter event with identifier {identifier} was canceled already.")
            }
        };
        return Err(StripeError::invalid(message).param("cancel[identifier]"));
    }
    Ok(json!({
        "object": "billing.meter_event_adjustment",
        "cancel": { "identifier": identifier },
        "event_name": event_name,
        "livemode": state.livemode,
        "status": "complete",
        "type": "cancel",
    }))
}
