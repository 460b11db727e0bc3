//! The reading of items, and of their changes, wherever they occur.

use crate::api::prices;
use crate::engine::calendar::Period;
use crate::engine::lines;
use crate::model::Metadata;
use crate::model::subscription::{Item, Subscription};
use crate::state::State;
use crate::wire::{Params, StripeError};

/// Most items a subscription has.
const MOST_ITEMS: usize = 20;

/// The instant differences are computed for: within the current period, by default now.
pub(in crate::api) fn proration_date(
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
pub(in crate::api) fn new_item(
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
pub(in crate::api) fn first_item(
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
pub(in crate::api) fn kept_item(
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
pub(in crate::api) fn changed_items(
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

pub(super) fn change_item(
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
pub(in crate::api) fn check_items(
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
pub(in crate::api) fn other_currency(price: &str, expected: &str) -> StripeError {
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
