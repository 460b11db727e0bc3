//! `/v1/billing/meters`.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::customers;
use crate::engine::calendar::Period;
use crate::engine::metering::View;
use crate::model::{Formula, Meter, Window};
use crate::state::{State, token};
use crate::table::Table;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, get, list, opt, page, post, req,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/billing/meters", CREATE, create),
    list("/v1/billing/meters", LIST, list_meters),
    get("/v1/billing/meters/{}", &[], retrieve),
    post("/v1/billing/meters/{}", UPDATE, update),
    post("/v1/billing/meters/{}/deactivate", &[], deactivate),
    post("/v1/billing/meters/{}/reactivate", &[], reactivate),
    list(
        "/v1/billing/meters/{}/event_summaries",
        SUMMARIES,
        list_summaries,
    ),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

const CREATE: &[Field] = &[
    req(
        "default_aggregation",
        Shape::Object(&[req("formula", Shape::Enum(&["count", "last", "sum"]))]),
    ),
    req("display_name", Shape::Str),
    req("event_name", Shape::Str),
    opt(
        "customer_mapping",
        Shape::Object(&[
            req("event_payload_key", Shape::Str),
            req("type", Shape::Enum(&["by_id"])),
        ]),
    ),
    opt("event_time_window", WINDOW),
    opt(
        "value_settings",
        Shape::Object(&[req("event_payload_key", Shape::Str)]),
    ),
];
const WINDOW: Shape = Shape::Enum(&["day", "hour"]);
const UPDATE: &[Field] = &[opt("display_name", Shape::Str)];
const LIST: &[Field] = &[opt("status", Shape::Enum(&["active", "inactive"]))];
const SUMMARIES: &[Field] = &[
    req("customer", Shape::Str),
    req("end_time", Shape::Int),
    req("start_time", Shape::Int),
    opt("value_grouping_window", WINDOW),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let text = |name: &str| params.text(name).map(str::to_owned);
    for (name, most) in [
        ("display_name", 250),
        ("event_name", 100),
        ("customer_mapping.event_payload_key", 100),
        ("value_settings.event_payload_key", 100),
    ] {
        check_length(request, name, most)?;
    }
    let event_name = text("event_name").unwrap_or_default();
    check_name_is_free(state, &event_name)?;
    let now = state.wall_clock();
    let mode = if state.livemode { "" } else { "test_" };
    let meter = Meter {
        id: format!("mtr_{mode}{}", token(36)),
        created: now,
        updated: now,
        display_name: text("display_name").unwrap_or_default(),
        event_name,
        formula: params
            .parse("default_aggregation.formula")
            .unwrap_or(Formula::Sum),
        event_time_window: params.parse("event_time_window"),
        customer_key: text("customer_mapping.event_payload_key")
            .unwrap_or_else(|| "stripe_customer_id".to_owned()),
        value_key: text("value_settings.event_payload_key").unwrap_or_else(|| "value".to_owned()),
        deactivated_at: None,
    };
    let answer = meter.render(state.livemode);
    state
        .billing
        .metering
        .meters
        .insert(meter.id.clone(), meter);
    state.emit("billing.meter.created", answer.clone(), None);
    Ok(answer)
}

fn check_length(request: &Request, name: &str, most: usize) -> Result<(), StripeError> {
    let text = request.params.text(name).unwrap_or_default();
    if text.chars().count() <= most {
        return Ok(());
    }
    let name = name.replacen('.', "[", 1);
    let name = if name.contains('[') {
        format!("{name}]")
    } else {
        name
    };
    let message = format!("Invalid string: {name} must be at most {most} characters");
    Err(StripeError::validation(&name, message).code("parameter_invalid_string_length"))
}

/// An event name belongs to one active meter.
fn check_name_is_free(state: &State, event_name: &str) -> Result<(), StripeError> {
    match state.billing.metering.active(event_name) {
        None => Ok(()),
        Some(holder) => Err(StripeError::invalid(format!(
            "There is already an active meter (`{}`) with the event name `{event_name}`.",
            holder.id
        ))
        .param("event_name")),
    }
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    check_length(request, "display_name", 250)?;
    let mut meter = find(state, request.id())?.clone();
    let before = meter.render(state.livemode);
    if let Some(name) = request.params.text("display_name") {
        name.clone_into(&mut meter.display_name);
    }
    if meter.render(state.livemode) != before {
        meter.updated = state.wall_clock();
    }
    let answer = meter.render(state.livemode);
    state
        .billing
        .metering
        .meters
        .insert(meter.id.clone(), meter);
    state.emit_update("billing.meter.updated", &before, answer.clone());
    Ok(answer)
}

fn deactivate(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let meter = find(state, request.id())?;
    if !meter.is_active() {
        return Err(StripeError::invalid("This meter is already inactive."));
    }
    let now = state.wall_clock();
    switch(state, request, Some(now), "billing.meter.deactivated")
}

fn reactivate(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let meter = find(state, request.id())?;
    if meter.is_active() {
        return Err(StripeError::invalid("This meter is already active."));
    }
    check_name_is_free(state, &meter.event_name)?;
    switch(state, request, None, "billing.meter.reactivated")
}

fn switch(
    state: &mut State,
    request: &Request,
    deactivated_at: Option<i64>,
    event: &'static str,
) -> Result<Value, StripeError> {
    let meter = Meter {
        deactivated_at,
        updated: state.wall_clock(),
        ..find(state, request.id())?.clone()
    };
    let answer = meter.render(state.livemode);
    state
        .billing
        .metering
        .meters
        .insert(meter.id.clone(), meter);
    state.emit(event, answer.clone(), None);
    Ok(answer)
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(|meter| meter.render(state.livemode))
}

fn list_meters(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let active = request.params.text("status").map(|it| it == "active");
    page(
        request,
        "meter",
        &state.billing.metering.meters,
        |meter| active.is_none_or(|active| meter.is_active() == active),
        |meter| meter.render(state.livemode),
    )
}

/// One summary of the whole span, or one of each hour or day in which something was reported.
fn list_summaries(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let meter = find(state, request.id())?;
    let customer = params.text("customer").unwrap_or_default();
    customers::live(state, customer, "customer")?;
    let group: Option<Window> = params.parse("value_grouping_window");
    let span = span(request, group)?;
    let (metering, view) = (&state.billing.metering, View::lagging(state));
    let parts = match group {
        None => vec![(span, metering.aggregate(&meter.id, customer, span, view))],
        Some(window) => metering.grouped(meter, customer, span, window, view),
    };
    let mut summaries: Table<Value> = Table::default();
    for (part, value) in parts {
        let id = summary_id(state, &meter.id, customer, part);
        let summary = json!({
            "id": id,
            "object": "billing.meter_event_summary",
            "aggregated_value": value,
            "end_time": part.end,
            "livemode": state.livemode,
            "meter": meter.id,
            "start_time": part.start,
        });
        summaries.insert(id, summary);
    }
    page(
        request,
        "meter event summary",
        &summaries,
        |_| true,
        Value::clone,
    )
}

/// The span asked about, which has to begin and end with whole minutes, hours or days.
fn span(request: &Request, group: Option<Window>) -> Result<Period, StripeError> {
    let (unit, name) = match group {
        None => (60, "minute"),
        Some(Window::Hour) => (Window::Hour.seconds(), "hour"),
        Some(Window::Day) => (Window::Day.seconds(), "UTC day"),
    };
    let bound = |param: &str| {
        let at = request.params.i64(param).unwrap_or_default();
        if at.rem_euclid(unit) == 0 {
            return Ok(at);
        }
        let message = format!("{param} must be aligned with {name} boundaries.");
        Err(StripeError::validation(param, message))
    };
    let (start, end) = (bound("start_time")?, bound("end_time")?);
    if start < end {
        return Ok(Period { start, end });
    }
    let message = "end_time must be after start_time.";
    Err(StripeError::validation("end_time", message))
}

/// The same summary has the same id whenever it is asked for, so that lists can be gone through.
fn summary_id(state: &State, meter: &str, customer: &str, part: Period) -> String {
    let text = format!("{meter}/{customer}/{}/{}", part.start, part.end);
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mode = if state.livemode { "" } else { "test_" };
    let mut head = [0; 16];
    head.copy_from_slice(&digest[..16]);
    format!("mtrusg_{mode}{:032x}", u128::from_be_bytes(head))
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a Meter, StripeError> {
    let meter = state.billing.metering.meters.get(id);
    meter.ok_or_else(|| StripeError::not_found("meter", id))
}
