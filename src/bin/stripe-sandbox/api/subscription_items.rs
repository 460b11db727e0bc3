//! `/v1/subscription_items`, and the reading of items and of their changes wherever they occur.

use serde_json::{Value, json};

use super::{prices, subscriptions};
use crate::engine::calendar::Period;
use crate::engine::change::{self, Anchor, Change};
use crate::engine::lines;
use crate::model::Metadata;
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

/// Most items a subscription has.
const MOST_ITEMS: usize = 20;

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

/// The instant differences are computed for: within the current period, by default now.
pub(super) fn proration_date(
    params: &Params,
    name: &str,
    subscription: &Subscription,
    now: i64,
) -> Result<i64, StripeError> {
    let period = subscription.period();
    match params.i64(name) {
        None => Ok(now),
        Some(at) if (period.start..=period.end).contains(&at) => Ok(at),
        Some(_) => Err(StripeError::invalid(
            "The proration date must lie within the subscription's current period.",
        )
        .param(name)),
    }
}

/// Reads a new item. `at` names the object its parameters are in.
pub(super) fn new_item(
    state: &mut State,
    params: &Params,
    at: &str,
    subscription: &Subscription,
) -> Result<Item, StripeError> {
    let now = state.now(subscription.test_clock.as_deref());
    let item = first_item(state, params, at, now)?;
    Ok(Item {
        period: subscription.period(),
        ..item
    })
}

/// Reads an item of a subscription that does not exist yet; its period is set later.
pub(super) fn first_item(
    state: &mut State,
    params: &Params,
    at: &str,
    now: i64,
) -> Result<Item, StripeError> {
    let price =
        price(state, params, at)?.ok_or_else(|| StripeError::missing(&join(at, "price")))?;
    let mut metadata = Metadata::new();
    params.assign_metadata("metadata", &mut metadata);
    Ok(Item {
        id: state.new_id("si"),
        created: now,
        usage_since: None,
        quantity: quantity(state, params, at, &price, None)?,
        price,
        metadata,
        period: Period {
            start: now,
            end: now,
        },
    })
}

/// Reads an item whose price stays what it is.
pub(super) fn kept_item(
    state: &mut State,
    price: &str,
    params: &Params,
    at: &str,
    now: i64,
) -> Result<Item, StripeError> {
    let mut item = Item {
        id: state.new_id("si"),
        created: now,
        price: price.to_owned(),
        quantity: None,
        metadata: Metadata::new(),
        period: Period {
            start: now,
            end: now,
        },
        usage_since: None,
    };
    change_item(state, &mut item, params, at)?;
    Ok(item)
}

/// The items after an update: each entry changes, removes or adds one; those not named stay.
pub(super) fn changed_items(
    state: &mut State,
    subscription: &Subscription,
    entries: &[Params],
) -> Result<Vec<Item>, StripeError> {
    let mut items = subscription.items.clone();
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("items[{index}]");
        let Some(id) = entry.text("id") else {
            items.push(new_item(state, entry, &at, subscription)?);
            continue;
        };
        let Some(place) = items.iter().position(|item| item.id == id) else {
            return Err(StripeError::no_such(
                "subscription_item",
                id,
                &join(&at, "id"),
            ));
        };
        if entry.bool("deleted") == Some(true) {
            items.remove(place);
        } else {
            change_item(state, &mut items[place], entry, &at)?;
        }
    }
    check_items(state, &items, &subscription.currency)?;
    Ok(items)
}

fn change_item(
    state: &mut State,
    item: &mut Item,
    params: &Params,
    at: &str,
) -> Result<(), StripeError> {
    // Naming the price it already has is no change, even if that price is archived by now.
    let same = params.text("price") == Some(item.price.as_str());
    let price = if same {
        None
    } else {
        price(state, params, at)?
    };
    let price = price.unwrap_or_else(|| item.price.clone());
    item.quantity = quantity(state, params, at, &price, item.quantity)?;
    item.price = price;
    params.assign_metadata("metadata", &mut item.metadata);
    Ok(())
}

/// What holds for the items of a subscription together.
pub(super) fn check_items(
    state: &State,
    items: &[Item],
    currency: &str,
) -> Result<(), StripeError> {
    let refuse = |message: &str| Err(StripeError::invalid(message).param("items"));
    if items.is_empty() {
        return refuse(
            "A subscription must have at least one item; cancel it instead of removing the last one.",
        );
    }
    if items.len() > MOST_ITEMS {
        return refuse("A subscription can have at most 20 items.");
    }
    let prices = || {
        items
            .iter()
            .filter_map(|item| state.prices.get(&item.price))
    };
    if let Some(other) = prices().find(|price| price.currency != currency) {
        return Err(other_currency(&other.currency, currency).param("items"));
    }
    let cadence = lines::cadence_of(state, items);
    if prices().any(|price| lines::cadence(price) != cadence) {
        return refuse(
            "stripe-sandbox does not support subscriptions whose prices have different intervals; Stripe does.",
        );
    }
    let twice = items.iter().enumerate().find(|(index, item)| {
        items[..*index]
            .iter()
            .any(|earlier| earlier.price == item.price)
    });
    match twice {
        None => Ok(()),
        Some((_, item)) => refuse(&format!(
            "Cannot add multiple subscription items with the same price: {}",
            item.price
        )),
    }
}

/// The error about a price in another currency than is expected.
pub(super) fn other_currency(price: &str, expected: &str) -> StripeError {
    StripeError::invalid(format!(
        "The price specified only supports `{price}`. This doesn't match the expected currency: `{expected}`."
    ))
}

fn price(state: &mut State, params: &Params, at: &str) -> Result<Option<String>, StripeError> {
    match (params.text("price"), params.object("price_data")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(StripeError::validation(
            &join(at, "price_data"),
            "You may only specify one of these parameters: price, price_data.",
        )),
        (Some(id), None) => {
            let name = join(at, "price");
            let price = state
                .prices
                .get(id)
                .ok_or_else(|| StripeError::no_such("price", id, &name))?;
            let refuse = |message: &str| Err(StripeError::invalid(message).param(name.as_str()));
            if !price.active {
                return refuse(
                    "The price specified is inactive. This field only accepts active prices.",
                );
            }
            if price.recurring.is_none() {
                return refuse(
                    "The price specified is set to `type=one_time` but this field only accepts prices with \
                     `type=recurring`.",
                );
            }
            Ok(Some(id.to_owned()))
        }
        (None, Some(data)) => {
            let name = join(at, "price_data");
            let product = data.text("product").unwrap_or_default();
            if !state.products.contains(product) {
                return Err(StripeError::no_such(
                    "product",
                    product,
                    &join(&name, "product"),
                ));
            }
            let price = prices::read(state, &data, product, &name)?;
            let id = price.id.clone();
            prices::insert(state, price);
            Ok(Some(id))
        }
    }
}

fn quantity(
    state: &State,
    params: &Params,
    at: &str,
    price: &str,
    before: Option<u64>,
) -> Result<Option<u64>, StripeError> {
    let metered = state.prices.get(price).is_some_and(lines::is_metered);
    match params.i64("quantity") {
        Some(_) if metered => Err(StripeError::invalid(
            "Quantity should not be specified where usage_type is `metered`.",
        )
        .param(join(at, "quantity"))),
        _ if metered => Ok(None),
        None => Ok(before.or(Some(1))),
        Some(given) => match u64::try_from(given) {
            Ok(quantity) => Ok(Some(quantity)),
            Err(_) => Err(StripeError::validation(
                &join(at, "quantity"),
                "This value must be greater than or equal to 0.",
            )
            .code("parameter_invalid_integer")),
        },
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}[{name}]")
    }
}
