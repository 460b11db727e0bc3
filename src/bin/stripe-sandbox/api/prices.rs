//! `/v1/prices`.

use serde_json::Value;

pub(super) use super::price_terms::read;
use super::price_terms::{INTERVAL, RECURRING, TAX_BEHAVIOR, TIER, USAGE_TYPE};
use super::products;
use crate::model::Price;
use crate::state::State;
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, created_matches, get,
    list, opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/prices", CREATE, create),
    list("/v1/prices", LIST, list_prices),
    get("/v1/prices/{}", &[], retrieve),
    post("/v1/prices/{}", UPDATE, update),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "price",
        load,
    },
    Expansion::Reference {
        field: "default_price",
        load,
    },
    Expansion::Include {
        object: "price",
        field: "tiers",
        load: |state, id| state.prices.get(id).map(Price::render_tiers),
    },
    Expansion::Include {
        object: "price",
        field: "currency_options",
        load: |_, _| Some(Value::Null),
    },
];

fn load(state: &State, id: &str) -> Option<Value> {
    state.prices.get(id).map(Price::render)
}

const PRODUCT_DATA: &[Field] = &[
    req("name", Shape::Str),
    opt("active", Shape::Bool),
    opt("id", Shape::Str),
    clearable("metadata", Shape::Metadata),
    opt("statement_descriptor", Shape::Str),
    opt("tax_code", Shape::Str),
    unsupported("tax_details"),
    opt("unit_label", Shape::Str),
];

const CREATE: &[Field] = &[
    req("currency", Shape::Str),
    opt("active", Shape::Bool),
    opt("billing_scheme", Shape::Enum(&["per_unit", "tiered"])),
    unsupported("currency_options"),
    unsupported("custom_unit_amount"),
    opt("lookup_key", Shape::Str),
    clearable("metadata", Shape::Metadata),
    opt("nickname", Shape::Str),
    opt("product", Shape::Str),
    opt("product_data", Shape::Object(PRODUCT_DATA)),
    opt("recurring", Shape::Object(RECURRING)),
    opt("tax_behavior", TAX_BEHAVIOR),
    opt("tiers", Shape::List(&TIER)),
    opt("tiers_mode", Shape::Enum(&["graduated", "volume"])),
    opt("transfer_lookup_key", Shape::Bool),
    opt(
        "transform_quantity",
        Shape::Object(&[
            req("divide_by", Shape::Int),
            req("round", Shape::Enum(&["down", "up"])),
        ]),
    ),
    opt("unit_amount", Shape::Int),
    opt("unit_amount_decimal", Shape::Decimal),
];

const UPDATE: &[Field] = &[
    opt("active", Shape::Bool),
    unsupported("currency_options"),
    clearable("lookup_key", Shape::Str),
    clearable("metadata", Shape::Metadata),
    clearable("nickname", Shape::Str),
    opt("tax_behavior", TAX_BEHAVIOR),
    opt("transfer_lookup_key", Shape::Bool),
];

const LIST: &[Field] = &[
    opt("active", Shape::Bool),
    opt("created", Shape::Range),
    opt("currency", Shape::Str),
    opt("lookup_keys", Shape::List(&Shape::Str)),
    opt("product", Shape::Str),
    opt(
        "recurring",
        Shape::Object(&[
            opt("interval", INTERVAL),
            opt("meter", Shape::Str),
            opt("usage_type", USAGE_TYPE),
        ]),
    ),
    opt("type", Shape::Enum(&["one_time", "recurring"])),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let inline = params.object("product_data");
    let product = match (params.text("product"), &inline) {
        (Some(_), Some(_)) => {
            return Err(StripeError::validation(
                "product_data",
                "You may only specify one of these parameters: product, product_data.",
            ));
        }
        (None, None) => return Err(StripeError::missing("product")),
        (Some(id), None) if state.products.contains(id) => id.to_owned(),
        (Some(id), None) => return Err(StripeError::no_such("product", id, "product")),
        (None, Some(data)) => inline_product_id(state, data)?,
    };
    let mut price = read(state, params, &product, "")?;
    check_lookup_key(state, params, &price.id)?;
    params.assign("lookup_key", &mut price.lookup_key);
    if let Some(data) = inline {
        products::create_inline(state, &data, product);
    }
    take_lookup_key(state, &price);
    Ok(insert(state, price))
}

fn inline_product_id(state: &mut State, data: &Params) -> Result<String, StripeError> {
    match data.text("id") {
        None => Ok(state.new_id("prod")),
        Some(id) if state.products.contains(id) => Err(StripeError::invalid(format!(
            "Product already exists: {id}"
        ))
        .code("resource_already_exists")
        .param("product_data[id]")),
        Some(id) => Ok(id.to_owned()),
    }
}

/// Stores a new price and tells of it.
pub(super) fn insert(state: &mut State, price: Price) -> Value {
    let rendered = price.render();
    state.prices.insert(price.id.clone(), price);
    state.emit("price.created", rendered.clone(), None);
    rendered
}

/// A lookup key belongs to one price, unless the caller moves it.
fn check_lookup_key(state: &State, params: &Params, price: &str) -> Result<(), StripeError> {
    let Some(key) = params.text("lookup_key") else {
        return Ok(());
    };
    if key.chars().count() > 200 {
        return Err(StripeError::validation(
            "lookup_key",
            "Lookup keys have at most 200 characters.",
        ));
    }
    let holder = state
        .prices
        .iter()
        .find(|other| other.lookup_key.as_deref() == Some(key));
    match holder {
        Some(holder) if holder.id != price && params.bool("transfer_lookup_key") != Some(true) => {
            let message = format!("A price (`{}`) already uses that lookup key.", holder.id);
            Err(StripeError::invalid(message).param("lookup_key"))
        }
        _ => Ok(()),
    }
}

/// Takes the price's lookup key from whichever other price holds it.
fn take_lookup_key(state: &mut State, price: &Price) {
    let Some(key) = price.lookup_key.as_deref() else {
        return;
    };
    let holder = state
        .prices
        .iter_mut()
        .find(|other| other.id != price.id && other.lookup_key.as_deref() == Some(key));
    if let Some(holder) = holder {
        let before = holder.render();
        holder.lookup_key = None;
        let after = holder.render();
        state.emit_update("price.updated", &before, after);
    }
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut price = find(state, request)?.clone();
    let before = price.render();
    let active = params.bool("active").unwrap_or(price.active);
    let is_default = || {
        let product = state.products.get(&price.product);
        product.is_some_and(|product| product.default_price.as_deref() == Some(&price.id))
    };
    if price.active && !active && is_default() {
        return Err(StripeError::invalid(
            "This price cannot be archived because it is the default price of its product.",
        ));
    }
    if let Some(behavior) = params.text("tax_behavior") {
        if price.tax_behavior != "unspecified" && price.tax_behavior != behavior {
            let message = "tax_behavior cannot be changed once it is inclusive or exclusive.";
            return Err(StripeError::invalid(message).param("tax_behavior"));
        }
        behavior.clone_into(&mut price.tax_behavior);
    }
    check_lookup_key(state, params, &price.id)?;
    price.active = active;
    params.assign("lookup_key", &mut price.lookup_key);
    params.assign("nickname", &mut price.nickname);
    params.assign_metadata("metadata", &mut price.metadata);
    take_lookup_key(state, &price);
    let answer = price.render();
    state.prices.insert(price.id.clone(), price);
    state.emit_update("price.updated", &before, answer.clone());
    Ok(answer)
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request).map(Price::render)
}

fn list_prices(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keys = params.strings("lookup_keys");
    if keys.len() > 10 {
        return Err(StripeError::validation(
            "lookup_keys",
            "You may pass up to 10 lookup keys.",
        ));
    }
    // Stripe lists active prices unless asked for the others.
    let active = params.bool("active").unwrap_or(true);
    let interval = params.parse("recurring.interval");
    let usage_type = params.parse("recurring.usage_type");
    let keep = |price: &Price| {
        let recurring = price.recurring.as_ref();
        price.active == active
            && (keys.is_empty()
                || price
                    .lookup_key
                    .as_deref()
                    .is_some_and(|key| keys.contains(&key)))
            && params
                .text("product")
                .is_none_or(|product| price.product == product)
            && params
                .text("currency")
                .is_none_or(|currency| price.currency.eq_ignore_ascii_case(currency))
            && params
                .text("type")
                .is_none_or(|kind| (kind == "recurring") == recurring.is_some())
            && interval.is_none_or(|interval| recurring.is_some_and(|it| it.interval == interval))
            && usage_type.is_none_or(|usage| recurring.is_some_and(|it| it.usage_type == usage))
            && params
                .text("recurring.meter")
                .is_none_or(|meter| recurring.is_some_and(|it| it.meter.as_deref() == Some(meter)))
            && created_matches(params, "created", price.created)
    };
    page(request, "price", &state.prices, keep, Price::render)
}

fn find<'a>(state: &'a State, request: &Request) -> Result<&'a Price, StripeError> {
    let price = state.prices.get(request.id());
    price.ok_or_else(|| StripeError::not_found("price", request.id()))
}
