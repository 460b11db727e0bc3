//! The terms of a price: what it costs, how often, for what quantity.

use rust_decimal::Decimal;

use crate::model::{
    BillingScheme, Metadata, Price, Recurring, Tier, TiersMode, TransformQuantity, UsageType,
};
use crate::state::State;
use crate::wire::{Field, Params, Shape, StripeError, clearable, opt, req, unsupported};

pub(super) const TAX_BEHAVIOR: Shape = Shape::Enum(&["exclusive", "inclusive", "unspecified"]);
pub(super) const INTERVAL: Shape = Shape::Enum(&["day", "week", "month", "year"]);
pub(super) const USAGE_TYPE: Shape = Shape::Enum(&["licensed", "metered"]);

pub(super) const RECURRING: &[Field] = &[
    req("interval", INTERVAL),
    opt("interval_count", Shape::Int),
    opt("meter", Shape::Str),
    unsupported("trial_period_days"),
    opt("usage_type", USAGE_TYPE),
];

pub(super) const TIER: Shape = Shape::Object(&[
    req("up_to", Shape::IntOr(&["inf"])),
    opt("flat_amount", Shape::Int),
    opt("flat_amount_decimal", Shape::Decimal),
    opt("unit_amount", Shape::Int),
    opt("unit_amount_decimal", Shape::Decimal),
]);

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

/// Largest unit amount: eight digits.
const LARGEST_AMOUNT: Decimal = Decimal::from_parts(99_999_999, 0, 0, false, 0);

/// Reads a price's terms from the parameters of `within` (the request itself when empty).
pub(super) fn read(
    state: &mut State,
    params: &Params,
    product: &str,
    within: &str,
) -> Result<Price, StripeError> {
    let at = |name: &str| nested(within, name);
    let currency = read_currency(params, &at("currency"))?;
    let billing_scheme: BillingScheme = params.parse("billing_scheme").unwrap_or_default();
    let tiers_mode: Option<TiersMode> = params.parse("tiers_mode");
    let (tiers, unit_amount) = match billing_scheme {
        BillingScheme::PerUnit => (Vec::new(), Some(read_unit_amount(params, within)?)),
        BillingScheme::Tiered if tiers_mode.is_none() => {
            return Err(StripeError::missing("tiers_mode"));
        }
        BillingScheme::Tiered => (read_tiers(params)?, None),
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
        recurring: read_recurring(state, params, &at("recurring"))?,
        tax_behavior: params
            .text("tax_behavior")
            .unwrap_or("unspecified")
            .to_owned(),
        tiers,
        tiers_mode,
        transform_quantity,
        unit_amount,
    })
}

fn nested(within: &str, name: &str) -> String {
    if within.is_empty() {
        name.to_owned()
    } else {
        format!("{within}[{name}]")
    }
}

/// A currency parameter.
pub(super) fn read_currency(params: &Params, at: &str) -> Result<String, StripeError> {
    let currency = params.text("currency").unwrap_or_default().to_lowercase();
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(currency);
    }
    let message = format!("Invalid currency: {currency}. Stripe takes three-letter ISO codes.");
    Err(StripeError::validation(at, message))
}

/// The amount of a price without tiers.
fn read_unit_amount(params: &Params, within: &str) -> Result<Decimal, StripeError> {
    if let Some(name) = ["tiers", "tiers_mode"]
        .into_iter()
        .find(|name| params.has(name))
    {
        let message = format!("You cannot pass {name} unless billing_scheme is tiered.");
        return Err(StripeError::validation(&nested(within, name), message));
    }
    let at = nested(within, "unit_amount");
    amount(params, "unit_amount", &at)?.ok_or_else(|| StripeError::missing(&at))
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
        Some(value) if value.is_sign_negative() && !value.is_zero() => Err(
            StripeError::validation(at, "This value must be greater than or equal to 0.")
                .code("parameter_invalid_integer"),
        ),
        Some(value) if value > LARGEST_AMOUNT || value.normalize().scale() > 12 => Err(
            StripeError::validation(at, "Amounts have at most 8 digits and 12 decimal places."),
        ),
        value => Ok(value),
    }
}

fn read_tiers(params: &Params) -> Result<Vec<Tier>, StripeError> {
    if let Some(name) = ["unit_amount", "unit_amount_decimal", "transform_quantity"]
        .into_iter()
        .find(|name| params.has(name))
    {
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
        tiers.push(Tier {
            up_to,
            unit_amount,
            flat_amount,
        });
    }
    if tiers.is_empty() {
        Err(StripeError::missing("tiers"))
    } else {
        Ok(tiers)
    }
}

fn read_transform(params: &Params) -> Result<Option<TransformQuantity>, StripeError> {
    let (Some(divide_by), Some(round)) = (
        params.i64("transform_quantity.divide_by"),
        params.parse("transform_quantity.round"),
    ) else {
        return Ok(None);
    };
    if divide_by < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(StripeError::validation(
            "transform_quantity[divide_by]",
            message,
        ));
    }
    Ok(Some(TransformQuantity { divide_by, round }))
}

fn read_recurring(
    state: &State,
    params: &Params,
    at: &str,
) -> Result<Option<Recurring>, StripeError> {
    let Some(interval) = params.parse("recurring.interval") else {
        return Ok(None);
    };
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
    let meter = params.text("recurring.meter");
    check_meter(state, usage_type, meter, &format!("{at}[meter]"))?;
    Ok(Some(Recurring {
        interval,
        interval_count,
        usage_type,
        meter: meter.map(str::to_owned),
    }))
}

/// A metered price is backed by an active meter, a licensed one by none.
fn check_meter(
    state: &State,
    usage_type: UsageType,
    meter: Option<&str>,
    at: &str,
) -> Result<(), StripeError> {
    let Some(id) = meter else {
        return match usage_type {
            UsageType::Licensed => Ok(()),
            UsageType::Metered => Err(StripeError::validation(
                at,
                "Metered prices must be backed by a meter. Pass the meter to count with.",
            )
            .code("parameter_missing")),
        };
    };
    if usage_type == UsageType::Licensed {
        let message = "You can only pass a meter when usage_type is metered.";
        return Err(StripeError::validation(at, message));
    }
    match state.billing.metering.meters.get(id) {
        None => Err(StripeError::no_such("meter", id, at)),
        Some(meter) if meter.is_active() => Ok(()),
        Some(_) => Err(StripeError::invalid(format!(
            "The meter `{id}` is inactive. Metered prices need an active meter."
        ))
        .param(at)),
    }
}
