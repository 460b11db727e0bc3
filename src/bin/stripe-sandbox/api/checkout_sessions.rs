//! `/v1/checkout/sessions`, in setup mode and on a page of Stripe's (here: of the sandbox's).

use serde_json::{Value, json};

use super::customers;
use crate::engine::{checkout, setups};
use crate::model::{CheckoutSession, CheckoutStatus, Metadata};
use crate::state::{State, token};
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, created_matches, get,
    list, opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/checkout/sessions", CREATE, create),
    list("/v1/checkout/sessions", LIST, list_sessions),
    get("/v1/checkout/sessions/{}", &[], retrieve),
    post("/v1/checkout/sessions/{}", UPDATE, update),
    post("/v1/checkout/sessions/{}/expire", &[], expire),
];

/// What `expand` can name here beside members of other objects' names.
pub const EXPANSIONS: &[Expansion] = &[];

const REDISPLAY: Shape = Shape::Enum(&["always", "limited", "unspecified"]);
const SETUP: Shape = Shape::Object(&[
    opt("description", Shape::Str),
    opt("metadata", Shape::Metadata),
    unsupported("on_behalf_of"),
]);

const CREATE: &[Field] = &[
    unsupported("adaptive_pricing"),
    unsupported("after_expiration"),
    unsupported("allow_promotion_codes"),
    opt("allowed_payment_method_types", Shape::List(&Shape::Str)),
    unsupported("automatic_tax"),
    opt(
        "billing_address_collection",
        Shape::Enum(&["auto", "required"]),
    ),
    unsupported("branding_settings"),
    opt("cancel_url", Shape::Str),
    opt("client_reference_id", Shape::Str),
    unsupported("consent_collection"),
    opt("currency", Shape::Str),
    unsupported("custom_fields"),
    unsupported("custom_text"),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    unsupported("customer_creation"),
    unsupported("customer_email"),
    unsupported("customer_update"),
    unsupported("discounts"),
    unsupported("excluded_payment_method_types"),
    opt("expires_at", Shape::Int),
    unsupported("integration_identifier"),
    unsupported("invoice_creation"),
    unsupported("line_items"),
    opt("locale", Shape::Str),
    unsupported("managed_payments"),
    opt("metadata", Shape::Metadata),
    req("mode", Shape::Enum(&["payment", "setup", "subscription"])),
    unsupported("name_collection"),
    unsupported("optional_items"),
    unsupported("origin_context"),
    unsupported("payment_intent_data"),
    unsupported("payment_method_collection"),
    unsupported("payment_method_configuration"),
    opt(
        "payment_method_data",
        Shape::Object(&[opt("allow_redisplay", REDISPLAY)]),
    ),
    unsupported("payment_method_options"),
    unsupported("permissions"),
    unsupported("phone_number_collection"),
    unsupported("redirect_on_completion"),
    unsupported("return_url"),
    unsupported("saved_payment_method_options"),
    opt("setup_intent_data", SETUP),
    unsupported("shipping_address_collection"),
    unsupported("shipping_options"),
    unsupported("submit_type"),
    unsupported("subscription_data"),
    opt("success_url", Shape::Str),
    unsupported("tax_id_collection"),
    opt(
        "ui_mode",
        Shape::Enum(&["elements", "embedded_page", "hosted_page"]),
    ),
    unsupported("wallet_options"),
];

const UPDATE: &[Field] = &[
    unsupported("collected_information"),
    unsupported("line_items"),
    clearable("metadata", Shape::Metadata),
    unsupported("shipping_options"),
];

const LIST: &[Field] = &[
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt(
        "customer_details",
        Shape::Object(&[req("email", Shape::Str)]),
    ),
    opt("payment_intent", Shape::Str),
    opt("payment_link", Shape::Str),
    opt("status", Shape::Enum(&["complete", "expired", "open"])),
    opt("subscription", Shape::Str),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    check_kind(params)?;
    let now = state.wall_clock();
    let customer = params.text("customer");
    if let Some(customer) = customer {
        customers::live(state, customer, "customer")?;
    }
    let mode = if state.livemode { "cs_live" } else { "cs_test" };
    let mut session = CheckoutSession {
        id: format!("{mode}_{}", token(58)),
        created: now,
        livemode: state.livemode,
        expires_at: expires_at(params, now)?,
        currency: currency(params)?,
        success_url: required(params, "success_url")?,
        customer: customer.map(str::to_owned),
        ..CheckoutSession::default()
    };
    params.assign("cancel_url", &mut session.cancel_url);
    params.assign("client_reference_id", &mut session.client_reference_id);
    params.assign("locale", &mut session.locale);
    params.assign(
        "billing_address_collection",
        &mut session.billing_address_collection,
    );
    params.assign(
        "payment_method_data.allow_redisplay",
        &mut session.allow_redisplay,
    );
    params.assign_metadata("metadata", &mut session.metadata);
    session.allowed_payment_method_types = allowed_types(params)?;
    session.setup_intent = set_up(state, &session, params);
    let answer = session.render(state);
    checkout::save(state, session);
    Ok(answer)
}

/// The sandbox has one mode, on one kind of page.
fn check_kind(params: &Params) -> Result<(), StripeError> {
    if let Some(mode) = params.text("mode").filter(|mode| *mode != "setup") {
        return Err(StripeError::unsupported(&format!("mode={mode}")).param("mode"));
    }
    let place = params.text("ui_mode").unwrap_or("hosted_page");
    if place != "hosted_page" {
        return Err(StripeError::unsupported(&format!("ui_mode={place}")).param("ui_mode"));
    }
    Ok(())
}

fn required(params: &Params, name: &str) -> Result<String, StripeError> {
    let text = params.text(name).map(str::to_owned);
    text.ok_or_else(|| StripeError::missing(name))
}

/// Without payment method types of the caller's choice, setup mode must know the currency to find them.
fn currency(params: &Params) -> Result<String, StripeError> {
    Ok(required(params, "currency")?.to_lowercase())
}

fn expires_at(params: &Params, now: i64) -> Result<i64, StripeError> {
    let refuse = |bound: &str| {
        let message =
            format!("The `expires_at` timestamp must be {bound} from Checkout Session creation.");
        Err(StripeError::invalid(message).param("expires_at"))
    };
    match params.i64("expires_at") {
        None => Ok(now + checkout::LONGEST),
        Some(at) if at < now + checkout::SHORTEST => refuse("at least 30 minutes"),
        Some(at) if at > now + checkout::LONGEST => refuse("less than 24 hours"),
        Some(at) => Ok(at),
    }
}

fn allowed_types(params: &Params) -> Result<Option<Vec<String>>, StripeError> {
    let types = params.strings("allowed_payment_method_types");
    if !types.is_empty() && !types.contains(&"card") {
        return Err(StripeError::validation(
            "allowed_payment_method_types",
            "stripe-sandbox sets up cards only.",
        ));
    }
    let types: Vec<_> = types.into_iter().map(str::to_owned).collect();
    Ok(Some(types).filter(|types| !types.is_empty()))
}

/// Makes the session's setup intent, and returns its id.
fn set_up(state: &mut State, session: &CheckoutSession, params: &Params) -> String {
    let mut metadata = Metadata::new();
    params.assign_metadata("setup_intent_data.metadata", &mut metadata);
    let description = params.text("setup_intent_data.description");
    setups::begin(state, session.customer.as_deref(), description, metadata)
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut session = find(state, request.id())?.clone();
    request
        .params
        .assign_metadata("metadata", &mut session.metadata);
    let answer = session.render(state);
    checkout::save(state, session);
    Ok(answer)
}

fn expire(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let session = find(state, request.id())?.clone();
    if session.status != CheckoutStatus::Open {
        let status = json!(session.status);
        return Err(StripeError::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status \
             of `{}`.",
            status.as_str().unwrap_or_default()
        )));
    }
    checkout::expire(state, session);
    retrieve(state, request)
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(|session| session.render(state))
}

fn list_sessions(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let status: Option<CheckoutStatus> = params.parse("status");
    // A session in setup mode has none of these.
    let other = ["payment_intent", "payment_link", "subscription"]
        .into_iter()
        .any(|name| params.has(name));
    let email = |session: &CheckoutSession| {
        let customer = session.customer.as_ref();
        customer
            .and_then(|id| state.customers.get(id)?.email.clone())
            .unwrap_or_default()
    };
    let keep = |session: &CheckoutSession| {
        !other
            && params
                .text("customer")
                .is_none_or(|customer| session.customer.as_deref() == Some(customer))
            && params
                .text("customer_details.email")
                .is_none_or(|wanted| email(session) == wanted)
            && status.is_none_or(|status| session.status == status)
            && created_matches(params, "created", session.created)
    };
    page(
        request,
        "checkout.session",
        &state.checkout_sessions,
        keep,
        |row| row.render(state),
    )
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a CheckoutSession, StripeError> {
    let session = state.checkout_sessions.get(id);
    session.ok_or_else(|| StripeError::not_found("checkout.session", id))
}
