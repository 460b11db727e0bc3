//! `/v1/events`.

use serde_json::Value;

use crate::model::Event;
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, created_matches, get, list, opt, page,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    list("/v1/events", LIST, list_events),
    get("/v1/events/{}", &[], retrieve),
];
/// What `expand` can name here: nothing, an event's object stays as it was.
pub const EXPANSIONS: &[Expansion] = &[];

const LIST: &[Field] = &[
    opt("created", Shape::Range),
    opt("delivery_success", Shape::Bool),
    opt("type", Shape::Str),
    opt("types", Shape::List(&Shape::Str)),
];

/// Stripe forgets events after this long.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let event = state.events.get(request.id());
    event
        .map(Event::render)
        .ok_or_else(|| StripeError::not_found("event", request.id()))
}

fn list_events(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let types = params.strings("types");
    if params.has("type") && !types.is_empty() {
        return Err(StripeError::validation(
            "types",
            "You may pass either type or types, but not both.",
        ));
    }
    if types.len() > 20 {
        return Err(StripeError::validation(
            "types",
            "You may pass up to 20 event types.",
        ));
    }
    let oldest = state.wall_clock() - KEPT_SECONDS;
    let keep = |event: &Event| {
        event.created >= oldest
            && created_matches(params, "created", event.created)
            && params
                .text("type")
                .is_none_or(|wanted| type_matches(wanted, &event.kind))
            && (types.is_empty() || types.contains(&event.kind.as_str()))
            && params
                .bool("delivery_success")
                .is_none_or(|wanted| wanted == (event.pending_webhooks == 0 && !event.undelivered))
    };
    page(request, "event", &state.events, keep, Event::render)
}

/// `customer.*` names a group.
fn type_matches(wanted: &str, event_type: &str) -> bool {
    wanted
        .strip_suffix('*')
        .map_or(wanted == event_type, |group| event_type.starts_with(group))
}
