//! `/v1/payment_methods`, and a customer's.

use serde_json::{Value, json};

use crate::engine;
use crate::model::{CardBehavior, PaymentMethod, TestCard};
use crate::state::{State, token};
use crate::wire::{
    ADDRESS, Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, get, list,
    opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/payment_methods", CREATE, create),
    list("/v1/payment_methods", LIST, list_all),
    get("/v1/payment_methods/{}", &[], retrieve),
    post("/v1/payment_methods/{}", UPDATE, update),
    post("/v1/payment_methods/{}/attach", ATTACH, attach_to_customer),
    post("/v1/payment_methods/{}/detach", &[], detach),
    list(
        "/v1/customers/{}/payment_methods",
        LIST_OF_CUSTOMER,
        list_of_customer,
    ),
    get(
        "/v1/customers/{}/payment_methods/{}",
        &[],
        retrieve_of_customer,
    ),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "payment_method",
        load,
    },
    Expansion::Reference {
        field: "default_payment_method",
        load,
    },
];

fn load(state: &State, id: &str) -> Option<Value> {
    state.payment_methods.get(id).map(PaymentMethod::render)
}

const BILLING_DETAILS: &[Field] = &[
    clearable("address", Shape::Object(ADDRESS)),
    clearable("email", Shape::Str),
    clearable("name", Shape::Str),
    clearable("phone", Shape::Str),
    clearable("tax_id", Shape::Str),
];
const REDISPLAY: Shape = Shape::Enum(&["always", "limited", "unspecified"]);

const CREATE: &[Field] = &[
    req("type", Shape::Str),
    opt("allow_redisplay", REDISPLAY),
    opt("billing_details", Shape::Object(BILLING_DETAILS)),
    opt(
        "card",
        Shape::Object(&[
            opt("number", Shape::Str),
            opt("exp_month", Shape::Int),
            opt("exp_year", Shape::Int),
            opt("cvc", Shape::Str),
            opt("token", Shape::Str),
            unsupported("networks"),
        ]),
    ),
    unsupported("customer"),
    clearable("metadata", Shape::Metadata),
    unsupported("payment_method"),
    unsupported("radar_options"),
];

const UPDATE: &[Field] = &[
    opt("allow_redisplay", REDISPLAY),
    opt("billing_details", Shape::Object(BILLING_DETAILS)),
    opt(
        "card",
        Shape::Object(&[
            opt("exp_month", Shape::Int),
            opt("exp_year", Shape::Int),
            unsupported("networks"),
        ]),
    ),
    clearable("metadata", Shape::Metadata),
];

const ATTACH: &[Field] = &[req("customer", Shape::Str), unsupported("customer_account")];
const LIST: &[Field] = &[
    opt("allow_redisplay", REDISPLAY),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("type", Shape::Str),
];
const LIST_OF_CUSTOMER: &[Field] = &[opt("allow_redisplay", REDISPLAY), opt("type", Shape::Str)];

/// The id of a payment method named by a parameter. A test card's name (`pm_card_visa`) makes a new one.
pub fn resolve(state: &mut State, id: &str, param: &str) -> Result<String, StripeError> {
    if state.payment_methods.contains(id) {
        return Ok(id.to_owned());
    }
    match TestCard::by_payment_method(id).filter(|_| !state.livemode) {
        Some(card) => Ok(insert(state, from_card(state, &card))),
        None => Err(StripeError::no_such("PaymentMethod", id, param)),
    }
}

/// Attaches a payment method to a customer, as `/attach`, a confirmed setup or a new customer does.
pub fn attach(state: &mut State, id: &str, customer: &str) -> Result<(), StripeError> {
    let Some(method) = state.payment_methods.get_mut(id) else {
        return Err(StripeError::no_such("PaymentMethod", id, "payment_method"));
    };
    if method.customer.as_deref() == Some(customer) {
        return Ok(());
    }
    if method.customer.is_some() {
        return Err(StripeError::invalid(
            "The payment method you provided has already been attached to a customer.",
        ));
    }
    if method.detached {
        return Err(StripeError::invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a \
             Customer, and may not be used again.",
        ));
    }
    if let CardBehavior::Decline(code) = &method.on_setup {
        return Err(declined(code));
    }
    method.customer = Some(customer.to_owned());
    let rendered = method.render();
    state.emit("payment_method.attached", rendered, None);
    Ok(())
}

/// The error for a refused card.
pub fn declined(code: &str) -> StripeError {
    let message = match code {
        "insufficient_funds" => "Your card has insufficient funds.",
        "expired_card" => "Your card has expired.",
        "incorrect_cvc" => "Your card's security code is incorrect.",
        "processing_error" => {
            "An error occurred while processing your card. Try again in a little bit."
        }
        _ => "Your card was declined.",
    };
    StripeError::card(code, message)
}

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    if params.text("type") != Some("card") {
        return Err(StripeError::validation(
            "type",
            "stripe-sandbox supports payment methods of type card only.",
        ));
    }
    let mut method = from_card(state, &read_card(state, params)?);
    if let Some(month) = params.i64("card.exp_month") {
        method.exp_month = month;
    }
    if let Some(year) = params.i64("card.exp_year") {
        method.exp_year = year;
    }
    assign(&mut method, params);
    let answer = method.render();
    insert(state, method);
    Ok(answer)
}

fn read_card(state: &State, params: &Params) -> Result<TestCard, StripeError> {
    if let Some(token) = params.text("card.token") {
        let card = TestCard::by_token(token).filter(|_| !state.livemode);
        return card.ok_or_else(|| StripeError::no_such("token", token, "card[token]"));
    }
    for name in ["number", "exp_month", "exp_year"] {
        if params.text(&format!("card.{name}")).is_none() {
            return Err(StripeError::missing(&format!("card[{name}]")));
        }
    }
    by_number(params.text("card.number").unwrap_or_default())
}

fn by_number(number: &str) -> Result<TestCard, StripeError> {
    let message = "Your card number is not one of Stripe's test cards.";
    TestCard::by_number(number)
        .ok_or_else(|| StripeError::card("incorrect_number", message).param("number"))
}

/// Makes a payment method of the test card with this number, as a person types it into a page of Stripe's.
pub fn from_number(state: &mut State, number: &str) -> Result<String, StripeError> {
    let card = by_number(number)?;
    Ok(insert(state, from_card(state, &card)))
}

fn from_card(state: &State, card: &TestCard) -> PaymentMethod {
    PaymentMethod {
        id: crate::state::new_id("pm"),
        created: state.wall_clock(),
        livemode: state.livemode,
        allow_redisplay: "unspecified".to_owned(),
        billing_details: json!({
            "address": {
                "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
            },
            "email": null, "name": null, "phone": null, "tax_id": null,
        }),
        brand: card.brand.to_owned(),
        funding: card.funding.to_owned(),
        last4: card.last4().to_owned(),
        exp_month: 12,
        exp_year: 2034,
        fingerprint: fingerprint(state, card),
        on_setup: card.on_setup.clone(),
        on_charge: card.on_charge.clone(),
        aftermath: card.aftermath,
        ..PaymentMethod::default()
    }
}

/// Two payment methods with one card number share its fingerprint within an account.
fn fingerprint(state: &State, card: &TestCard) -> String {
    let mut same = state.payment_methods.iter().filter(|method| {
        method.last4 == card.last4() && method.brand == card.brand && method.funding == card.funding
    });
    same.next()
        .map_or_else(|| token(16), |method| method.fingerprint.clone())
}

fn insert(state: &mut State, method: PaymentMethod) -> String {
    let id = method.id.clone();
    state.payment_methods.insert(id.clone(), method);
    id
}

fn assign(method: &mut PaymentMethod, params: &Params) {
    if let Some(value) = params.text("allow_redisplay") {
        value.clone_into(&mut method.allow_redisplay);
    }
    for name in ["email", "name", "phone", "tax_id"] {
        if let Some(text) = params.str(&format!("billing_details.{name}")) {
            method.billing_details[name] = text_or_null(text);
        }
    }
    if let Some(address) = params.object("billing_details.address") {
        for (name, text) in address.0 {
            method.billing_details["address"][name] =
                text_or_null(text.as_str().unwrap_or_default());
        }
    }
    params.assign_metadata("metadata", &mut method.metadata);
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    }
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut method = find(state, request.id())?.clone();
    if method.customer.is_none() {
        return Err(StripeError::invalid(
            "You must save this PaymentMethod to a customer before you can update it.",
        ));
    }
    let before = method.render();
    assign(&mut method, params);
    method.exp_month = params.i64("card.exp_month").unwrap_or(method.exp_month);
    method.exp_year = params.i64("card.exp_year").unwrap_or(method.exp_year);
    let answer = method.render();
    insert(state, method);
    state.emit_update("payment_method.updated", &before, answer.clone());
    Ok(answer)
}

fn attach_to_customer(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let customer = request.params.text("customer").unwrap_or_default();
    super::customers::live(state, customer, "customer")?;
    let id = resolve(state, request.id(), "payment_method").map_err(|error| error.status(404))?;
    attach(state, &id, customer)?;
    find(state, &id).map(PaymentMethod::render)
}

fn detach(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let mut method = find(state, request.id())?.clone();
    let Some(customer) = method.customer.take() else {
        return Err(StripeError::invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
        ));
    };
    method.detached = true;
    let answer = method.render();
    insert(state, method);
    let previous = json!({ "customer": customer });
    state.emit("payment_method.detached", answer.clone(), Some(previous));
    forget(state, request.id(), &customer);
    Ok(answer)
}

/// A detached payment method stops being anybody's default.
fn forget(state: &mut State, id: &str, customer: &str) {
    engine::payment_method_detached(state, id);
    let Some(owner) = state.customers.get_mut(customer) else {
        return;
    };
    if owner.invoice_settings.default_payment_method.as_deref() != Some(id) {
        return;
    }
    let before = owner.render();
    owner.invoice_settings.default_payment_method = None;
    let after = owner.render();
    state.emit_update("customer.updated", &before, after);
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(PaymentMethod::render)
}

fn retrieve_of_customer(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    super::customers::find(state, request.id())?;
    let id = request.nth_id(1);
    let method = find(state, id)?;
    if method.customer.as_deref() == Some(request.id()) {
        Ok(method.render())
    } else {
        Err(StripeError::not_found("PaymentMethod", id))
    }
}

fn list_all(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    if let Some(customer) = request.params.text("customer") {
        super::customers::live(state, customer, "customer")?;
    }
    list_matching(state, request, request.params.text("customer"))
}

fn list_of_customer(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    super::customers::find(state, request.id())?;
    list_matching(state, request, Some(request.id()))
}

fn list_matching(
    state: &State,
    request: &Request,
    customer: Option<&str>,
) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |method: &PaymentMethod| {
        method.customer.is_some()
            && customer.is_none_or(|customer| method.customer.as_deref() == Some(customer))
            && params.text("type").is_none_or(|kind| kind == "card")
            && params
                .text("allow_redisplay")
                .is_none_or(|value| method.allow_redisplay == value)
    };
    page(
        request,
        "PaymentMethod",
        &state.payment_methods,
        keep,
        PaymentMethod::render,
    )
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a PaymentMethod, StripeError> {
    state
        .payment_methods
        .get(id)
        .ok_or_else(|| StripeError::not_found("PaymentMethod", id))
}
