//! `/v1/prices`.

use rust_decimal::Decimal;
use serde_json::Value;

use super::products;
use crate::model::{BillingScheme, Metadata, Price, Recurring, Tier, TiersMode, TransformQuantity, UsageType};
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
    Expansion::Reference { field: "price", load: load },
    Expansion::Reference { field: "default_price", load: load },
    Expansion::Include {
        object: "price",
        field: "tiers",
        load: |state, id| state.prices.get(id).map(Price::render_tiers),
    },
    Expansion::Include { object: "price", field: "currency_options", load: |_, _| Some(Value::Null) },
];

fn load(state: &State, id: &str) -> Option<Value> {
    state.prices.get(id).map(Price::render)
}

const TAX_BEHAVIOR: Shape = Shape::Enum(&["exclusive", "inclusive", "unspecified"]);
const INTERVAL: Shape = Shape::Enum(&["day", "week", "month", "year"]);
const USAGE_TYPE: Shape = Shape::Enum(&["licensed", "metered"]);

const RECURRING: &[Field] = &[
    req("interval", INTERVAL),
    opt("interval_count", Shape::Int),
    opt("meter", Shape::Str),
    unsupported("trial_period_days"),
    opt("usage_type", USAGE_TYPE),
];

const TIER: Shape = Shape::Object(&[
    req("up_to", Shape::IntOr(&["inf"])),
    opt("flat_amount", Shape::Int),
    opt("flat_amount_decimal", Shape::Decimal),
    opt("unit_amount", Shape::Int),
    opt("unit_amount_decimal", Shape::Decimal),
]);

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
        Shape::Object(&[req("divide_by", Shape::Int), req("round", Shape::Enum(&["down", "up"]))]),
    ),
    opt("unit_amount", Shape::Int),
    opt("unit_amount_decimal", Shape::Decimal),
];

/// `default_price_data` of a new product.
pub(super) const DEFAULT_PRICE_DATA: &[Field] = &[
    req("currency", Shape::Str),
    unsupported("currency_options"),
    unsupported("custom_unit_amount"),
    clearable("metadata", Shape::Metadata),
    opt("recurring", Shape::Object(RECURRING)),
    opt("tax_behavior", TAX_BEHAVIOR),
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

/// Largest unit amount: eight digits.
const LARGEST_AMOUNT: Decimal = Decimal::from_parts(99_999_999, 0, 0, false, 0);

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
        Some(id) if state.products.contains(id) => {
            Err(StripeError::invalid(format!("Product already exists: {id}"))
                .code("resource_already_exists")
                .param("product_data[id]"))
        }
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

/// Reads a price's terms from the parameters of `within` (the request itself when empty).
pub(super) fn read(
    state: &mut State,
    params: &Params,
    product: &str,
    within: &str,
) -> Result<Price, StripeError> {
    let at = |name: &str| if within.is_empty() { name.to_owned() } else { format!("{within}[{name}]") };
    let currency = params.text("currency").unwrap_or_default().to_lowercase();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        let message = format!("Invalid currency: {currency}. Stripe takes three-letter ISO codes.");
        return Err(StripeError::validation(&at("currency"), message));
    }
    let billing_scheme: BillingScheme = params.parse("billing_scheme").unwrap_or_default();
    let tiers_mode: Option<TiersMode> = params.parse("tiers_mode");
    let (tiers, unit_amount) = match billing_scheme {
        BillingScheme::PerUnit => {
            if let Some(name) = ["tiers", "tiers_mode"].into_iter().find(|name| params.has(name)) {
                let message = format!("You cannot pass {name} unless billing_scheme is tiered.");
                return Err(StripeError::validation(&at(name), message));
            }
            let amount = amount(params, "unit_amount", &at("unit_amount"))?;
            (Vec::new(), Some(amount.ok_or_else(|| StripeError::missing(&at("unit_amount")))?))
        }
        BillingScheme::Tiered => {
            if tiers_mode.is_none() {
                return Err(StripeError::missing("tiers_mode"));
            }
            (read_tiers(params)?, None)
        }
    };
    let transform_quantity = read_transform(params)?;
    let mut metadata = Metadata::new();
    params.assign_metadata("metadata", &mut metadata);
    Ok(Price {
        id: state.new_id("price"),
        active: params.bool("active").unwrap_or(true),
        billing_scheme,
        created: state.wall_clock(),
        currency,
        livemode: state.livemode,
        lookup_key: None,
        metadata,
        nickname: params.text("nickname").map(str::to_owned),
        product: product.to_owned(),
        recurring: read_recurring(params, &at("recurring"))?,
        tax_behavior: params.text("tax_behavior").unwrap_or("unspecified").to_owned(),
        tiers,
        tiers_mode,
        transform_quantity,
        unit_amount,
    })
}

/// `NAME` or `NAME_decimal`, not both.
fn amount(params: &Params, name: &str, at: &str) -> Result<Option<Decimal>, StripeError> {
    let exact = format!("{name}_decimal");
    let value = match (params.decimal(name), params.decimal(&exact)) {
        (Some(_), Some(_)) => {
            let message = format!("You may only specify one of these parameters: {name}, {exact}.");
            return Err(StripeError::validation(at, message));
        }
        (whole, decimal) => whole.or(decimal),
    };
    match value {
        Some(value) if value.is_sign_negative() && !value.is_zero() => {
            Err(StripeError::validation(at, "This value must be greater than or equal to 0.")
                .code("parameter_invalid_integer"))
        }
        Some(value) if value > LARGEST_AMOUNT || value.normalize().scale() > 12 => {
            Err(StripeError::validation(at, "Amounts have at most 8 digits and 12 decimal places."))
        }
        value => Ok(value),
    }
}

fn read_tiers(params: &Params) -> Result<Vec<Tier>, StripeError> {
    if let Some(name) = ["unit_amount", "unit_amount_decimal", "transform_quantity"].into_iter().find(|name| params.has(name)) {
        let message = format!("You cannot pass {name} when billing_scheme is tiered.");
        return Err(StripeError::validation(name, message));
    }
    let given = params.objects("tiers");
    let mut tiers: Vec<Tier> = Vec::with_capacity(given.len());
    for (at, tier) in given.iter().enumerate() {
        let name = |field: &str| format!("tiers[{at}][{field}]");
        let up_to = tier.i64("up_to");
        let last = at + 1 == given.len();
        let grows = match (up_to, tiers.last()) {
            (Some(bound), Some(below)) => below.up_to.is_some_and(|below| bound > below),
            (Some(bound), None) => bound > 0,
            (None, _) => true,
        };
        if up_to.is_none() != last || !grows {
            let message = "Tiers must ascend by up_to, and the last one must have up_to=inf.";
            return Err(StripeError::validation(&name("up_to"), message));
        }
        let unit_amount = amount(tier, "unit_amount", &name("unit_amount"))?;
        let flat_amount = amount(tier, "flat_amount", &name("flat_amount"))?;
        if unit_amount.is_none() && flat_amount.is_none() {
            return Err(StripeError::missing(&name("unit_amount")));
        }
        tiers.push(Tier { up_to, unit_amount, flat_amount });
    }
    if tiers.is_empty() { Err(StripeError::missing("tiers")) } else { Ok(tiers) }
}

fn read_transform(params: &Params) -> Result<Option<TransformQuantity>, StripeError> {
    let (Some(divide_by), Some(round)) =
        (params.i64("transform_quantity.divide_by"), params.parse("transform_quantity.round"))
    else {
        return Ok(None);
    };
    if divide_by < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(StripeError::validation("transform_quantity[divide_by]", message));
    }
    Ok(Some(TransformQuantity { divide_by, round }))
}

fn read_recurring(params: &Params, at: &str) -> Result<Option<Recurring>, StripeError> {
    let Some(interval) = params.parse("recurring.interval") else { return Ok(None) };
    let interval_count = params.i64("recurring.interval_count").unwrap_or(1);
    let longest = match params.text("recurring.interval") {
        Some("day") => 1095,
        Some("week") => 156,
        Some("month") => 36,
        _ => 3,
    };
    if !(1..=longest).contains(&interval_count) {
        return Err(StripeError::validation(
            &format!("{at}[interval_count]"),
            "The interval must be at least one and at most three years.",
        ));
    }
    let usage_type: UsageType = params.parse("recurring.usage_type").unwrap_or_default();
    match (usage_type, params.text("recurring.meter")) {
        // There are no meters yet, so none can have that id.
        (_, Some(meter)) => Err(StripeError::no_such("meter", meter, &format!("{at}[meter]"))),
        (UsageType::Metered, None) => Err(StripeError::missing(&format!("{at}[meter]"))),
        (UsageType::Licensed, None) => Ok(Some(Recurring { interval, interval_count, usage_type, meter: None })),
    }
}

/// A lookup key belongs to one price, unless the caller moves it.
fn check_lookup_key(state: &State, params: &Params, price: &str) -> Result<(), StripeError> {
    let Some(key) = params.text("lookup_key") else { return Ok(()) };
    if key.chars().count() > 200 {
        return Err(StripeError::validation("lookup_key", "Lookup keys have at most 200 characters."));
    }
    let holder = state.prices.iter().find(|other| other.lookup_key.as_deref() == Some(key));
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
    let Some(key) = price.lookup_key.as_deref() else { return };
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
        return Err(StripeError::validation("lookup_keys", "You may pass up to 10 lookup keys."));
    }
    // Stripe lists active prices unless asked for the others.
    let active = params.bool("active").unwrap_or(true);
    let interval = params.parse("recurring.interval");
    let usage_type = params.parse("recurring.usage_type");
    let keep = |price: &Price| {
        let recurring = price.recurring.as_ref();
        price.active == active
            && (keys.is_empty() || price.lookup_key.as_deref().is_some_and(|key| keys.contains(&key)))
            && params.text("product").is_none_or(|product| price.product == product)
            && params.text("currency").is_none_or(|currency| price.currency.eq_ignore_ascii_case(currency))
            && params.text("type").is_none_or(|kind| (kind == "recurring") == recurring.is_some())
            && interval.is_none_or(|interval| recurring.is_some_and(|it| it.interval == interval))
            && usage_type.is_none_or(|usage| recurring.is_some_and(|it| it.usage_type == usage))
            && params.text("recurring.meter").is_none_or(|meter| {
                recurring.is_some_and(|it| it.meter.as_deref() == Some(meter))
            })
            && created_matches(params, "created", price.created)
    };
    page(request, "price", &state.prices, keep, Price::render)
}

fn find<'a>(state: &'a State, request: &Request) -> Result<&'a Price, StripeError> {
    let price = state.prices.get(request.id());
    price.ok_or_else(|| StripeError::not_found("price", request.id()))
}
