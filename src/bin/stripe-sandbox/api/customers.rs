//! `/v1/customers`.

use serde_json::Value;

use super::customer_fields::{assign, tax_ids};
use super::payment_methods;
use crate::engine::{self, balance, tax};
use crate::model::subscription::AutomaticTax;
use crate::model::{BalanceChange, Customer};
use crate::state::{State, token};
use crate::wire::{
    ADDRESS, Expansion, Field, Params, Request, Route, Shape, StripeError, clearable,
    created_matches, delete, get, list, opt, page, post, req, sublist, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/customers", CREATE, create),
    list("/v1/customers", LIST, list_customers),
    get("/v1/customers/{}", &[], retrieve),
    post("/v1/customers/{}", UPDATE, update),
    delete("/v1/customers/{}", &[], remove),
];

/// What `expand` can name here. A customer's `subscriptions` belong to the subscription endpoints.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "customer",
        load: |state, id| state.customers.get(id).map(Customer::render),
    },
    Expansion::Include {
        object: "customer",
        field: "tax",
        load: |state, id| {
            let customer = state.customers.get(id)?;
            Some(customer.render_tax(&state.settings))
        },
    },
    Expansion::Include {
        object: "customer",
        field: "tax_ids",
        load: |state, id| {
            let ids = state.customers.get(id)?.tax_ids.clone();
            Some(sublist(format!("/v1/customers/{id}/tax_ids"), ids))
        },
    },
    Expansion::Include {
        object: "customer",
        field: "sources",
        load: |_, id| Some(sublist(format!("/v1/customers/{id}/sources"), Vec::new())),
    },
];

const INVOICE_SETTINGS: &[Field] = &[
    clearable(
        "custom_fields",
        Shape::List(&Shape::Object(&[
            req("name", Shape::Str),
            req("value", Shape::Str),
        ])),
    ),
    clearable("default_payment_method", Shape::Str),
    clearable("footer", Shape::Str),
    clearable(
        "rendering_options",
        Shape::Object(&[
            clearable(
                "amount_tax_display",
                Shape::Enum(&["exclude_tax", "include_inclusive_tax"]),
            ),
            opt("template", Shape::Str),
        ]),
    ),
];
const SHIPPING: &[Field] = &[
    req("address", Shape::Object(ADDRESS)),
    req("name", Shape::Str),
    opt("phone", Shape::Str),
];
const TAX: &[Field] = &[
    clearable("ip_address", Shape::Str),
    opt(
        "validate_location",
        Shape::Enum(&["auto", "deferred", "immediately"]),
    ),
];
const TAX_EXEMPT: Shape = Shape::Enum(&["exempt", "none", "reverse"]);

/// Parameters of creation and update alike.
macro_rules! customer_fields {
    ($($more:expr),* $(,)?) => {
        &[
            clearable("address", Shape::Object(ADDRESS)),
            opt("balance", Shape::Int),
            clearable("business_name", Shape::Str),
            unsupported("cash_balance"),
            clearable("description", Shape::Str),
            clearable("email", Shape::Str),
            clearable("individual_name", Shape::Str),
            opt("invoice_prefix", Shape::Str),
            opt("invoice_settings", Shape::Object(INVOICE_SETTINGS)),
            clearable("metadata", Shape::Metadata),
            clearable("name", Shape::Str),
            opt("next_invoice_sequence", Shape::Int),
            clearable("phone", Shape::Str),
            clearable("preferred_locales", Shape::List(&Shape::Str)),
            clearable("shipping", Shape::Object(SHIPPING)),
            unsupported("source"),
            opt("tax", Shape::Object(TAX)),
            clearable("tax_exempt", TAX_EXEMPT),
            unsupported("validate"),
            $($more),*
        ]
    };
}

const CREATE: &[Field] = customer_fields![
    opt("payment_method", Shape::Str),
    opt(
        "tax_id_data",
        Shape::List(&Shape::Object(&[
            req("type", Shape::Str),
            req("value", Shape::Str)
        ]))
    ),
    opt("test_clock", Shape::Str),
];
const UPDATE: &[Field] = customer_fields![unsupported("default_source")];
const LIST: &[Field] = &[
    opt("created", Shape::Range),
    opt("email", Shape::Str),
    opt("test_clock", Shape::Str),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let test_clock = params.text("test_clock").map(str::to_owned);
    if let Some(clock) = &test_clock
        && state.billing.frozen_time(clock).is_none()
    {
        return Err(StripeError::no_such("test clock", clock, "test_clock"));
    }
    let mut customer = Customer {
        id: state.new_id("cus"),
        created: state.now(test_clock.as_deref()),
        livemode: state.livemode,
        invoice_prefix: token(8).to_uppercase(),
        next_invoice_sequence: 1,
        tax_exempt: "none".to_owned(),
        test_clock,
        ..Customer::default()
    };
    assign(&mut customer, params)?;
    if params.text("tax.validate_location") == Some("immediately") {
        tax::require_location(state, &customer)?;
    }
    customer.tax_ids = tax_ids(&customer, params);
    let method = match params.text("payment_method") {
        Some(id) => Some(payment_methods::resolve(state, id, "payment_method")?),
        None => None,
    };
    if let Some(default) = params.text("invoice_settings.default_payment_method") {
        // The method attached by this very request may be the default, under its test card's name too.
        if params.text("payment_method") != Some(default) {
            return Err(not_attached(default));
        }
        customer
            .invoice_settings
            .default_payment_method
            .clone_from(&method);
    }
    if let Some(method) = &method {
        // Attached first: a refused card leaves no customer behind.
        payment_methods::attach(state, method, &customer.id)?;
    }
    let answer = customer.render();
    balance::set(state, &customer, 0, BalanceChange::Initial);
    state.customers.insert(customer.id.clone(), customer);
    state.emit("customer.created", answer.clone(), None);
    Ok(answer)
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut customer = live(state, request.id(), "id")
        .map_err(|error| error.status(404))?
        .clone();
    let (before, balance) = (customer.render(), customer.balance);
    assign(&mut customer, params)?;
    check_location(state, &customer, params)?;
    if let Some(default) = params.text("invoice_settings.default_payment_method") {
        let method = state.payment_methods.get(default);
        if method.is_none_or(|method| method.customer.as_deref() != Some(request.id())) {
            return Err(not_attached(default));
        }
    }
    let settings = &mut customer.invoice_settings;
    params.assign(
        "invoice_settings.default_payment_method",
        &mut settings.default_payment_method,
    );
    let answer = customer.render();
    balance::set(state, &customer, balance, BalanceChange::Adjustment);
    state.customers.insert(customer.id.clone(), customer);
    state.emit_update("customer.updated", &before, answer.clone());
    Ok(answer)
}

/// Refuses a location that tax cannot be told by: when asked to look at once, or while a subscription needs it.
fn check_location(state: &State, customer: &Customer, params: &Params) -> Result<(), StripeError> {
    let needed = || {
        let subscriptions = engine::live_subscriptions(state, &customer.id);
        subscriptions
            .iter()
            .any(|subscription| subscription.automatic_tax == AutomaticTax::On)
    };
    match params.text("tax.validate_location") {
        Some("deferred") => Ok(()),
        Some("immediately") => tax::require_location(state, customer),
        _ if params.has("address") && needed() => tax::require_location(state, customer),
        _ => Ok(()),
    }
}

fn not_attached(method: &str) -> StripeError {
    let message = format!(
        "The customer does not have a payment method with the ID {method}. The payment method must be attached to \
         the customer."
    );
    StripeError::invalid(message)
        .code("resource_missing")
        .param("invoice_settings[default_payment_method]")
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(Customer::render)
}

fn list_customers(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let clock = params.text("test_clock");
    if let Some(clock) = clock
        && state.billing.frozen_time(clock).is_none()
    {
        return Err(StripeError::no_such("test clock", clock, "test_clock"));
    }
    // Without the filter Stripe leaves out everybody who is on a test clock.
    let keep = |customer: &Customer| {
        !customer.deleted
            && customer.test_clock.as_deref() == clock
            && params
                .text("email")
                .is_none_or(|email| customer.email.as_deref() == Some(email))
            && created_matches(params, "created", customer.created)
    };
    page(
        request,
        "customer",
        &state.customers,
        keep,
        Customer::render,
    )
}

fn remove(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let id = request.id();
    live(state, id, "id").map_err(|error| error.status(404))?;
    engine::customer_deleted(state, id);
    let Some(customer) = state.customers.get_mut(id) else {
        return Err(StripeError::not_found("customer", id));
    };
    let last = customer.render();
    customer.deleted = true;
    let answer = customer.render_deleted();
    for method in state
        .payment_methods
        .iter_mut()
        .filter(|method| method.customer.as_deref() == Some(id))
    {
        method.customer = None;
        method.detached = true;
    }
    state.emit("customer.deleted", last, None);
    Ok(answer)
}

/// The customer in the path, deleted or not.
pub(super) fn find<'a>(state: &'a State, id: &str) -> Result<&'a Customer, StripeError> {
    state
        .customers
        .get(id)
        .ok_or_else(|| StripeError::not_found("customer", id))
}

/// A customer named by a parameter; a deleted one does not do.
pub fn live<'a>(state: &'a State, id: &str, param: &str) -> Result<&'a Customer, StripeError> {
    let customer = state.customers.get(id).filter(|customer| !customer.deleted);
    customer.ok_or_else(|| StripeError::no_such("customer", id, param))
}
