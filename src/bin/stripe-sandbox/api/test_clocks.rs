//! `/v1/test_helpers/test_clocks`.

use serde_json::{Value, json};

use super::customers;
use crate::engine::{clocks, live_subscriptions, save_customer};
use crate::model::test_clock::TestClock;
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, delete, get, list, opt, page, post, req,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/test_helpers/test_clocks", CREATE, create),
    list("/v1/test_helpers/test_clocks", &[], list_clocks),
    get("/v1/test_helpers/test_clocks/{}", &[], retrieve),
    post("/v1/test_helpers/test_clocks/{}/advance", ADVANCE, advance),
    delete("/v1/test_helpers/test_clocks/{}", &[], remove),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[Expansion::Reference {
    field: "test_clock",
    load: |state, id| Some(state.billing.test_clocks.get(id)?.render(state.livemode)),
}];

const CREATE: &[Field] = &[
    req("frozen_time", Shape::Int),
    opt("customer", Shape::Str),
    opt("name", Shape::Str),
];
const ADVANCE: &[Field] = &[req("frozen_time", Shape::Int)];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    if state.livemode {
        return Err(StripeError::invalid("Test clocks exist in test mode only."));
    }
    let frozen_time = params.i64("frozen_time").unwrap_or_default();
    if frozen_time < 0 {
        return Err(StripeError::validation(
            "frozen_time",
            "Invalid timestamp: must not be negative.",
        ));
    }
    let customer = params.text("customer");
    let customer = customer.map(|id| joinable(state, id)).transpose()?;
    let clock = TestClock {
        id: state.new_id("clock"),
        created: state.wall_clock(),
        frozen_time,
        name: params.text("name").map(str::to_owned),
        advancing: None,
    };
    let rendered = clock.render(state.livemode);
    if let Some(mut customer) = customer {
        customer.test_clock = Some(clock.id.clone());
        save_customer(state, customer);
    }
    state.billing.test_clocks.insert(clock.id.clone(), clock);
    state.emit("test_helpers.test_clock.created", rendered.clone(), None);
    Ok(rendered)
}

/// An existing customer may join a new clock while nothing of theirs lives by another time.
fn joinable(state: &State, id: &str) -> Result<crate::model::Customer, StripeError> {
    let customer = customers::live(state, id, "customer")?;
    if customer.test_clock.is_some() || !live_subscriptions(state, id).is_empty() {
        return Err(StripeError::invalid(
            "The customer is on a test clock already, or has subscriptions that live by another time.",
        )
        .param("customer"));
    }
    Ok(customer.clone())
}

fn advance(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let target = request.params.i64("frozen_time").unwrap_or_default();
    clocks::advance(state, request.id(), target).map(|clock| clock.render(state.livemode))
}

fn remove(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    clocks::delete(state, request.id())?;
    Ok(json!({ "id": request.id(), "object": "test_helpers.test_clock", "deleted": true }))
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let clock = state.billing.test_clocks.get(request.id());
    let clock = clock.ok_or_else(|| StripeError::not_found("test clock", request.id()))?;
    Ok(clock.render(state.livemode))
}

fn list_clocks(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let clocks = &state.billing.test_clocks;
    page(
        request,
        "test clock",
        clocks,
        |_| true,
        |clock| clock.render(state.livemode),
    )
}
