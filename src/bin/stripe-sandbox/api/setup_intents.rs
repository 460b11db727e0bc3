//! `/v1/setup_intents`.

use serde_json::{Value, json};

use super::{customers, payment_methods};
use crate::engine::setups;
use crate::model::{SetupIntent, SetupIntentStatus as Status};
use crate::state::{State, token};
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, created_matches, get,
    list, opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/setup_intents", CREATE, create),
    list("/v1/setup_intents", LIST, list_intents),
    get("/v1/setup_intents/{}", RETRIEVE, retrieve),
    post("/v1/setup_intents/{}", UPDATE, update),
    post("/v1/setup_intents/{}/confirm", CONFIRM, confirm),
    post("/v1/setup_intents/{}/cancel", CANCEL, cancel),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "setup_intent",
        load,
    },
    Expansion::Reference {
        field: "pending_setup_intent",
        load,
    },
];

fn load(state: &State, id: &str) -> Option<Value> {
    state.setup_intents.get(id).map(SetupIntent::render)
}

const AUTOMATIC: &[Field] = &[
    req("enabled", Shape::Bool),
    opt("allow_redirects", Shape::Enum(&["always", "never"])),
];

const CREATE: &[Field] = &[
    opt("allowed_payment_method_types", Shape::List(&Shape::Str)),
    unsupported("attach_to_self"),
    opt("automatic_payment_methods", Shape::Object(AUTOMATIC)),
    opt("confirm", Shape::Bool),
    unsupported("confirmation_token"),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("description", Shape::Str),
    unsupported("excluded_payment_method_types"),
    unsupported("flow_directions"),
    unsupported("mandate_data"),
    clearable("metadata", Shape::Metadata),
    unsupported("on_behalf_of"),
    opt("payment_method", Shape::Str),
    unsupported("payment_method_configuration"),
    unsupported("payment_method_data"),
    unsupported("payment_method_options"),
    opt("return_url", Shape::Str),
    unsupported("single_use"),
    opt("usage", Shape::Enum(&["off_session", "on_session"])),
    unsupported("use_stripe_sdk"),
];

const UPDATE: &[Field] = &[
    opt("allowed_payment_method_types", Shape::List(&Shape::Str)),
    unsupported("attach_to_self"),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("description", Shape::Str),
    unsupported("excluded_payment_method_types"),
    unsupported("flow_directions"),
    clearable("metadata", Shape::Metadata),
    opt("payment_method", Shape::Str),
    unsupported("payment_method_configuration"),
    unsupported("payment_method_data"),
    unsupported("payment_method_options"),
];

const CONFIRM: &[Field] = &[
    opt("allowed_payment_method_types", Shape::List(&Shape::Str)),
    unsupported("confirmation_token"),
    unsupported("mandate_data"),
    opt("payment_method", Shape::Str),
    unsupported("payment_method_data"),
    unsupported("payment_method_options"),
    opt("return_url", Shape::Str),
    unsupported("use_stripe_sdk"),
];

const CANCEL: &[Field] = &[opt(
    "cancellation_reason",
    Shape::Enum(&["abandoned", "duplicate", "requested_by_customer"]),
)];
const RETRIEVE: &[Field] = &[opt("client_secret", Shape::Str)];
const LIST: &[Field] = &[
    unsupported("attach_to_self"),
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("payment_method", Shape::Str),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let id = state.new_id("seti");
    let mut intent = SetupIntent {
        client_secret: format!("{id}_secret_{}", token(25)),
        id,
        created: state.wall_clock(),
        livemode: state.livemode,
        automatic_payment_methods: automatic(params),
        usage: params.text("usage").unwrap_or("off_session").to_owned(),
        ..SetupIntent::default()
    };
    assign(state, &mut intent, params)?;
    let confirm = params.bool("confirm") == Some(true);
    if confirm {
        check_confirmable(&intent)?;
    } else if params.has("return_url") {
        let message = "You may only pass return_url when confirm is true.";
        return Err(StripeError::validation("return_url", message));
    }
    let id = intent.id.clone();
    let created = intent.render();
    state.setup_intents.insert(id.clone(), intent);
    state.emit("setup_intent.created", created, None);
    if confirm {
        setups::attempt(state, &id)
    } else {
        rendered(state, &id)
    }
}

fn automatic(params: &Params) -> Option<Value> {
    if params.has("allowed_payment_method_types") {
        return None;
    }
    // Enabled unless the caller says otherwise.
    Some(json!({
        "allow_redirects": params.text("automatic_payment_methods.allow_redirects").unwrap_or("always"),
        "enabled": params.bool("automatic_payment_methods.enabled").unwrap_or(true),
    }))
}

fn assign(state: &mut State, intent: &mut SetupIntent, params: &Params) -> Result<(), StripeError> {
    let types = params.strings("allowed_payment_method_types");
    if !types.is_empty() {
        if !types.contains(&"card") {
            return Err(StripeError::validation(
                "allowed_payment_method_types",
                "stripe-sandbox sets up cards only.",
            ));
        }
        intent.allowed_payment_method_types = Some(types.into_iter().map(str::to_owned).collect());
    }
    if let Some(customer) = params.text("customer") {
        customers::live(state, customer, "customer")?;
        intent.customer = Some(customer.to_owned());
    }
    if let Some(method) = params.text("payment_method") {
        let method = payment_methods::resolve(state, method, "payment_method")?;
        check_owner(state, intent, &method)?;
        intent.payment_method = Some(method);
        intent.status = Status::RequiresConfirmation;
        intent.last_setup_error = None;
    }
    params.assign("description", &mut intent.description);
    params.assign("return_url", &mut intent.return_url);
    params.assign_metadata("metadata", &mut intent.metadata);
    Ok(())
}

fn check_owner(state: &State, intent: &SetupIntent, method: &str) -> Result<(), StripeError> {
    let owner = state
        .payment_methods
        .get(method)
        .and_then(|method| method.customer.as_deref());
    match (owner, intent.customer.as_deref()) {
        (Some(owner), Some(customer)) if owner != customer => Err(StripeError::invalid(format!(
            "The provided PaymentMethod {method} belongs to another Customer."
        ))
        .param("payment_method")),
        (Some(_), None) => Err(StripeError::invalid(format!(
            "The provided PaymentMethod {method} is attached to a Customer; name it in customer."
        ))
        .param("payment_method")),
        _ => Ok(()),
    }
}

fn check_confirmable(intent: &SetupIntent) -> Result<(), StripeError> {
    if matches!(intent.status, Status::Canceled | Status::Succeeded) {
        return Err(unexpected_state("confirm", intent));
    }
    if intent.payment_method.is_none() {
        let message = "You cannot confirm this SetupIntent because it's missing a payment method. You can either \
                       update the SetupIntent with a payment method and then confirm it again, or confirm it again \
                       directly with a payment method.";
        return Err(StripeError::invalid(message)
            .code("parameter_missing")
            .param("payment_method"));
    }
    Ok(())
}

fn confirm(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut intent = find(state, request.id())?.clone();
    if matches!(intent.status, Status::Canceled | Status::Succeeded) {
        return Err(unexpected_state("confirm", &intent));
    }
    check_own(state, &intent)?;
    assign(state, &mut intent, &request.params)?;
    check_confirmable(&intent)?;
    state.setup_intents.insert(intent.id.clone(), intent);
    setups::attempt(state, request.id())
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut intent = find(state, request.id())?.clone();
    if matches!(intent.status, Status::Canceled | Status::Succeeded)
        && request.params.has("payment_method")
    {
        return Err(unexpected_state("update", &intent));
    }
    assign(state, &mut intent, &request.params)?;
    let answer = intent.render();
    state.setup_intents.insert(intent.id.clone(), intent);
    Ok(answer)
}

fn cancel(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let intent = find(state, request.id())?.clone();
    if matches!(intent.status, Status::Canceled | Status::Succeeded) {
        return Err(unexpected_state("cancel", &intent));
    }
    check_own(state, &intent)?;
    let reason = request.params.text("cancellation_reason");
    Ok(setups::cancel(state, intent, reason))
}

/// A Checkout session alone confirms and cancels its setup intent.
fn check_own(state: &State, intent: &SetupIntent) -> Result<(), StripeError> {
    let mut sessions = state.checkout_sessions.iter();
    match sessions.find(|session| session.setup_intent == intent.id) {
        None => Ok(()),
        Some(session) => Err(StripeError::invalid(format!(
            "This SetupIntent belongs to the Checkout Session {}. Expire the session to cancel it.",
            session.id
        ))
        .code("setup_intent_unexpected_state")),
    }
}

fn unexpected_state(action: &str, intent: &SetupIntent) -> StripeError {
    let status = json!(intent.status);
    let message = format!(
        "You cannot {action} this SetupIntent because it has a status of {}.",
        status.as_str().unwrap_or_default()
    );
    StripeError::invalid(message)
        .code("setup_intent_unexpected_state")
        .with("setup_intent", intent.render())
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let intent = find(state, request.id())?;
    match request.params.text("client_secret") {
        Some(secret) if secret != intent.client_secret => {
            let message =
                "The client_secret provided does not match the client_secret of this SetupIntent.";
            Err(StripeError::invalid(message).param("client_secret"))
        }
        _ => Ok(intent.render()),
    }
}

fn list_intents(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |intent: &SetupIntent| {
        params
            .text("customer")
            .is_none_or(|it| intent.customer.as_deref() == Some(it))
            && params
                .text("payment_method")
                .is_none_or(|it| intent.payment_method.as_deref() == Some(it))
            && created_matches(params, "created", intent.created)
    };
    page(
        request,
        "setupintent",
        &state.setup_intents,
        keep,
        SetupIntent::render,
    )
}

fn rendered(state: &State, id: &str) -> Result<Value, StripeError> {
    find(state, id).map(SetupIntent::render)
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a SetupIntent, StripeError> {
    state
        .setup_intents
        .get(id)
        .ok_or_else(|| StripeError::not_found("setupintent", id))
}
