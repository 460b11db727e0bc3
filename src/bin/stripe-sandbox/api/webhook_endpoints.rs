//! `/v1/webhook_endpoints`.

use serde_json::{Value, json};

use crate::model::WebhookEndpoint;
use crate::state::{State, token};
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, clearable, delete, get, list, opt, page,
    post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/webhook_endpoints", CREATE, create),
    list("/v1/webhook_endpoints", &[], list_endpoints),
    get("/v1/webhook_endpoints/{}", &[], retrieve),
    post("/v1/webhook_endpoints/{}", UPDATE, update),
    delete("/v1/webhook_endpoints/{}", &[], remove),
];
/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

const CREATE: &[Field] = &[
    req("url", Shape::Str),
    req("enabled_events", Shape::List(&Shape::Str)),
    opt("api_version", Shape::Str),
    clearable("description", Shape::Str),
    clearable("metadata", Shape::Metadata),
    unsupported("connect"),
];

const UPDATE: &[Field] = &[
    opt("url", Shape::Str),
    opt("enabled_events", Shape::List(&Shape::Str)),
    opt("disabled", Shape::Bool),
    clearable("description", Shape::Str),
    clearable("metadata", Shape::Metadata),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    if let Some(version) = params.text("api_version")
        && version != crate::wire::API_VERSION
    {
        // Events are rendered in one version here: another one would be promised and not kept.
        return Err(StripeError::unsupported("api_version"));
    }
    let mut endpoint = WebhookEndpoint {
        id: state.new_id("we"),
        api_version: params.text("api_version").map(str::to_owned),
        created: state.wall_clock(),
        livemode: state.livemode,
        secret: format!("whsec_{}", token(32)),
        ..WebhookEndpoint::default()
    };
    assign(&mut endpoint, request)?;
    let mut answer = endpoint.render();
    answer["secret"] = json!(endpoint.secret);
    state
        .webhook_endpoints
        .insert(endpoint.id.clone(), endpoint);
    Ok(answer)
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut endpoint = find(state, request)?.clone();
    assign(&mut endpoint, request)?;
    let answer = endpoint.render();
    state
        .webhook_endpoints
        .insert(endpoint.id.clone(), endpoint);
    Ok(answer)
}

fn assign(endpoint: &mut WebhookEndpoint, request: &Request) -> Result<(), StripeError> {
    let params = &request.params;
    if let Some(url) = params.text("url") {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(StripeError::validation(
                "url",
                "Invalid URL: An explicit scheme (such as https) must be provided.",
            )
            .code("url_invalid"));
        }
        url.clone_into(&mut endpoint.url);
    }
    if params.has("enabled_events") {
        endpoint.enabled_events = params
            .strings("enabled_events")
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    if let Some(disabled) = params.bool("disabled") {
        endpoint.disabled = disabled;
    }
    params.assign("description", &mut endpoint.description);
    params.assign_metadata("metadata", &mut endpoint.metadata);
    Ok(())
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request).map(WebhookEndpoint::render)
}

fn list_endpoints(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    page(
        request,
        "webhook_endpoint",
        &state.webhook_endpoints,
        |_| true,
        WebhookEndpoint::render,
    )
}

fn remove(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request)?;
    state.webhook_endpoints.remove(request.id());
    Ok(json!({ "id": request.id(), "object": "webhook_endpoint", "deleted": true }))
}

fn find<'a>(state: &'a State, request: &Request) -> Result<&'a WebhookEndpoint, StripeError> {
    let endpoint = state.webhook_endpoints.get(request.id());
    endpoint.ok_or_else(|| StripeError::not_found("webhook endpoint", request.id()))
}
