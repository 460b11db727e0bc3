//! `/v1/subscription_items`, and the reading of items and of their changes wherever they occur.

mod read;

use serde_json::{Value, json};

use self::read::change_item;
pub(super) use self::read::{
    changed_items, check_items, first_item, kept_item, new_item, other_currency, proration_date,
};

use super::subscriptions;
use crate::engine::change::{self, Anchor, Change};
use crate::model::subscription::{Item, Subscription};
use crate::state::State;
use crate::table::Table;
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, delete, get, list,
    opt, page, post, req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/subscription_items", CREATE, create),
    list("/v1/subscription_items", LIST, list_items),
    get("/v1/subscription_items/{}", &[], retrieve),
    post("/v1/subscription_items/{}", UPDATE, update),
    delete("/v1/subscription_items/{}", DELETE, remove),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

/// What follows a failed payment.
pub(super) const PAYMENT_BEHAVIOR: Shape = Shape::Enum(&[
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
]);
/// What becomes of the difference.
pub(super) const PRORATION_BEHAVIOR: Shape =
    Shape::Enum(&["always_invoice", "create_prorations", "none"]);

/// A price made along with an item.
pub(super) const PRICE_DATA: &[Field] = &[
    req("currency", Shape::Str),
    req("product", Shape::Str),
    req(
        "recurring",
        Shape::Object(&[
            req("interval", Shape::Enum(&["day", "week", "month", "year"])),
            opt("interval_count", Shape::Int),
        ]),
    ),
    opt(
        "tax_behavior",
        Shape::Enum(&["exclusive", "inclusive", "unspecified"]),
    ),
    opt("unit_amount", Shape::Int),
    opt("unit_amount_decimal", Shape::Decimal),
];

/// Parameters of a new item.
pub(super) const NEW_ITEM: Shape = Shape::Object(&[
    unsupported("billing_thresholds"),
    unsupported("current_trial"),
    unsupported("discounts"),
    clearable("metadata", Shape::Metadata),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt("price_data", Shape::Object(PRICE_DATA)),
    opt("quantity", Shape::Int),
    unsupported("tax_rates"),
    unsupported("trial"),
]);

/// Parameters of an item in an update.
pub(super) const CHANGED_ITEM: Shape = Shape::Object(&[
    unsupported("billing_thresholds"),
    // Without effect for metered prices, which all have a meter.
    opt("clear_usage", Shape::Bool),
    unsupported("current_trial"),
    opt("deleted", Shape::Bool),
    unsupported("discounts"),
    opt("id", Shape::Str),
    clearable("metadata", Shape::Metadata),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt("price_data", Shape::Object(PRICE_DATA)),
    opt("quantity", Shape::Int),
    unsupported("tax_rates"),
]);

const CREATE: &[Field] = &[
    req("subscription", Shape::Str),
    unsupported("billing_thresholds"),
    unsupported("current_trial"),
    unsupported("discounts"),
    clearable("metadata", Shape::Metadata),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt("price_data", Shape::Object(PRICE_DATA)),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
    opt("quantity", Shape::Int),
    unsupported("tax_rates"),
];

const UPDATE: &[Field] = &[
    unsupported("billing_thresholds"),
    unsupported("current_trial"),
    unsupported("discounts"),
    clearable("metadata", Shape::Metadata),
    opt("off_session", Shape::Bool),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt("price_data", Shape::Object(PRICE_DATA)),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
    opt("quantity", Shape::Int),
    unsupported("tax_rates"),
];

const DELETE: &[Field] = &[
    opt("clear_usage", Shape::Bool),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
];

const LIST: &[Field] = &[req("subscription", Shape::Str)];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let id = params.text("subscription").unwrap_or_default().to_owned();
    let before = changeable(state, &id, "subscription")?;
    let item = new_item(state, params, "", &before)?;
    let item_id = item.id.clone();
    let mut items = before.items.clone();
    items.push(item);
    apply(state, params, before, items)?;
    find(state, &item_id).map(|(subscription, item)| item.render(&subscription.id, state))
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let id = request.id().to_owned();
    let before = find(state, &id)?.0.clone();
    let before = changeable(state, &before.id, "subscription")?;
    let mut items = before.items.clone();
    if let Some(item) = items.iter_mut().find(|item| item.id == id) {
        change_item(state, item, &request.params, "")?;
    }
    apply(state, &request.params, before, items)?;
    find(state, &id).map(|(subscription, item)| item.render(&subscription.id, state))
}

fn remove(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let id = request.id().to_owned();
    let before = find(state, &id)?.0.clone();
    let before = changeable(state, &before.id, "subscription")?;
    let items = before
        .items
        .iter()
        .filter(|item| item.id != id)
        .cloned()
        .collect();
    apply(state, &request.params, before, items)?;
    Ok(json!({ "id": id, "object": "subscription_item", "deleted": true }))
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(|(subscription, item)| item.render(&subscription.id, state))
}

fn list_items(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let id = request.params.text("subscription").unwrap_or_default();
    let subscription = state.billing.subscriptions.get(id);
    let subscription =
        subscription.ok_or_else(|| StripeError::no_such("subscription", id, "subscription"))?;
    // Items are listed in their own order, and a page begins with what is newest.
    let mut items = Table::default();
    for item in subscription.items.iter().rev() {
        items.insert(item.id.clone(), item.clone());
    }
    page(
        request,
        "subscription_item",
        &items,
        |_| true,
        |item| item.render(id, state),
    )
}

fn find<'a>(state: &'a State, id: &str) -> Result<(&'a Subscription, &'a Item), StripeError> {
    let subscriptions = state.billing.subscriptions.iter();
    let mut items = subscriptions.flat_map(|subscription| {
        subscription
            .items
            .iter()
            .map(move |item| (subscription, item))
    });
    items
        .find(|(_, item)| item.id == id)
        .ok_or_else(|| StripeError::not_found("subscription_item", id))
}

fn changeable(state: &State, id: &str, param: &str) -> Result<Subscription, StripeError> {
    let subscription = state.billing.subscriptions.get(id);
    let subscription =
        subscription.ok_or_else(|| StripeError::no_such("subscription", id, param))?;
    subscriptions::check_changeable(subscription, &Params::default(), &["items"])?;
    Ok(subscription.clone())
}

fn apply(
    state: &mut State,
    params: &Params,
    before: Subscription,
    items: Vec<Item>,
) -> Result<(), StripeError> {
    check_items(state, &items, &before.currency)?;
    let now = state.now(before.test_clock.as_deref());
    let change = Change {
        proration: params.parse("proration_behavior").unwrap_or_default(),
        proration_date: proration_date(params, "proration_date", &before, now)?,
        payment_behavior: params.parse("payment_behavior").unwrap_or_default(),
        after: Subscription { items, ..before },
        trial_end: None,
        anchor: Anchor::Implied,
    };
    change::apply(state, &change, now)
}
