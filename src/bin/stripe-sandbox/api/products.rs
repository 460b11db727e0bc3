//! `/v1/products`.

use serde_json::{Value, json};

use super::{price_terms, prices};
use crate::model::Product;
use crate::state::State;
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, created_matches,
    delete, get, list, opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/products", CREATE, create),
    list("/v1/products", LIST, list_products),
    get("/v1/products/{}", &[], retrieve),
    post("/v1/products/{}", UPDATE, update),
    delete("/v1/products/{}", &[], remove),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[Expansion::Reference {
    field: "product",
    load: |state, id| state.products.get(id).map(Product::render),
}];

const FEATURES: Shape = Shape::List(&Shape::Object(&[req("name", Shape::Str)]));
const DIMENSIONS: Shape = Shape::Object(&[
    req("height", Shape::Decimal),
    req("length", Shape::Decimal),
    req("weight", Shape::Decimal),
    req("width", Shape::Decimal),
]);

const CREATE: &[Field] = &[
    req("name", Shape::Str),
    opt("active", Shape::Bool),
    opt(
        "default_price_data",
        Shape::Object(price_terms::DEFAULT_PRICE_DATA),
    ),
    clearable("description", Shape::Str),
    opt("id", Shape::Str),
    clearable("images", Shape::List(&Shape::Str)),
    clearable("marketing_features", FEATURES),
    clearable("metadata", Shape::Metadata),
    clearable("package_dimensions", DIMENSIONS),
    opt("shippable", Shape::Bool),
    opt("statement_descriptor", Shape::Str),
    clearable("tax_code", Shape::Str),
    unsupported("tax_details"),
    opt("type", Shape::Enum(&["service"])),
    clearable("unit_label", Shape::Str),
    clearable("url", Shape::Str),
];

const UPDATE: &[Field] = &[
    opt("name", Shape::Str),
    opt("active", Shape::Bool),
    clearable("default_price", Shape::Str),
    clearable("description", Shape::Str),
    clearable("images", Shape::List(&Shape::Str)),
    clearable("marketing_features", FEATURES),
    clearable("metadata", Shape::Metadata),
    clearable("package_dimensions", DIMENSIONS),
    opt("shippable", Shape::Bool),
    opt("statement_descriptor", Shape::Str),
    clearable("tax_code", Shape::Str),
    unsupported("tax_details"),
    clearable("unit_label", Shape::Str),
    clearable("url", Shape::Str),
];

const LIST: &[Field] = &[
    opt("active", Shape::Bool),
    opt("created", Shape::Range),
    opt("ids", Shape::List(&Shape::Str)),
    opt("shippable", Shape::Bool),
    opt("type", Shape::Enum(&["good", "service"])),
    opt("url", Shape::Str),
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let id = params
        .text("id")
        .map_or_else(|| state.new_id("prod"), str::to_owned);
    if state.products.contains(&id) {
        return Err(
            StripeError::invalid(format!("Product already exists: {id}"))
                .code("resource_already_exists")
                .param("id"),
        );
    }
    let now = state.wall_clock();
    let mut product = Product {
        id: id.clone(),
        active: true,
        created: now,
        updated: now,
        livemode: state.livemode,
        ..Product::default()
    };
    assign(&mut product, params);
    let default_price = match params.object("default_price_data") {
        Some(data) => Some(price_terms::read(state, &data, &id, "default_price_data")?),
        None => None,
    };
    product.default_price = default_price.as_ref().map(|price| price.id.clone());
    let answer = product.render();
    state.products.insert(id, product);
    state.emit("product.created", answer.clone(), None);
    if let Some(price) = default_price {
        prices::insert(state, price);
    }
    Ok(answer)
}

/// Makes the product described inline by a price (`product_data`).
pub(super) fn create_inline(state: &mut State, data: &Params, id: String) {
    let now = state.wall_clock();
    let mut product = Product {
        id: id.clone(),
        active: true,
        created: now,
        updated: now,
        livemode: state.livemode,
        ..Product::default()
    };
    assign(&mut product, data);
    let rendered = product.render();
    state.products.insert(id, product);
    state.emit("product.created", rendered, None);
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut product = find(state, request)?.clone();
    let before = product.render();
    assign(&mut product, params);
    if let Some(price) = params.text("default_price") {
        let of_product = state
            .prices
            .get(price)
            .is_some_and(|price| price.product == product.id);
        if !of_product {
            return Err(StripeError::no_such("price", price, "default_price"));
        }
    }
    params.assign("default_price", &mut product.default_price);
    if product.render() != before {
        product.updated = state.wall_clock();
    }
    let answer = product.render();
    state.products.insert(product.id.clone(), product);
    state.emit_update("product.updated", &before, answer.clone());
    Ok(answer)
}

fn assign(product: &mut Product, params: &Params) {
    let list = |name: &str| {
        params
            .strings(name)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    if let Some(name) = params.text("name") {
        name.clone_into(&mut product.name);
    }
    if let Some(active) = params.bool("active") {
        product.active = active;
    }
    if params.has("images") {
        product.images = list("images");
    }
    if params.has("marketing_features") {
        let features = params.objects("marketing_features").into_iter();
        product.marketing_features = features
            .map(|feature| json!({ "name": feature.text("name") }))
            .collect();
    }
    if params.has("package_dimensions") {
        product.package_dimensions = params
            .object("package_dimensions")
            .map(|given| dimensions(&given));
    }
    if let Some(shippable) = params.bool("shippable") {
        product.shippable = Some(shippable);
    }
    params.assign("description", &mut product.description);
    params.assign("statement_descriptor", &mut product.statement_descriptor);
    params.assign("tax_code", &mut product.tax_code);
    params.assign("unit_label", &mut product.unit_label);
    params.assign("url", &mut product.url);
    params.assign_metadata("metadata", &mut product.metadata);
}

fn dimensions(given: &Params) -> Value {
    let number = |name: &str| given.str(name).and_then(|text| text.parse::<f64>().ok());
    json!({
        "height": number("height"), "length": number("length"),
        "weight": number("weight"), "width": number("width"),
    })
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request).map(Product::render)
}

fn list_products(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let ids = params.strings("ids");
    let keep = |product: &Product| {
        params
            .bool("active")
            .is_none_or(|active| product.active == active)
            && params
                .bool("shippable")
                .is_none_or(|wanted| product.shippable == Some(wanted))
            && params
                .text("url")
                .is_none_or(|url| product.url.as_deref() == Some(url))
            && params.text("type").is_none_or(|kind| kind == "service")
            && (ids.is_empty() || ids.contains(&product.id.as_str()))
            && created_matches(params, "created", product.created)
    };
    page(request, "product", &state.products, keep, Product::render)
}

fn remove(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let product = find(state, request)?.render();
    if state
        .prices
        .iter()
        .any(|price| price.product == request.id())
    {
        return Err(StripeError::invalid(
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    state.products.remove(request.id());
    state.emit("product.deleted", product, None);
    Ok(json!({ "id": request.id(), "object": "product", "deleted": true }))
}

fn find<'a>(state: &'a State, request: &Request) -> Result<&'a Product, StripeError> {
    let product = state.products.get(request.id());
    product.ok_or_else(|| StripeError::not_found("product", request.id()))
}
