//! Views of what a plan needs to know of prices beyond what its tenants do, and of meters.

use miniserde::Deserialize;
use miniserde::json::{Number, Value};
use rust_decimal::Decimal;

use super::{PriceView, RecurringView};
use crate::api::TaxBehavior;
use crate::converge::catalogue::{CataloguePrice, Meter, Rates, Tier};
use crate::stripe::error::{Class, Error};
use crate::stripe::views::{MetadataView, require, time};

/// A price with its terms.
#[derive(Deserialize)]
pub(in crate::stripe) struct CataloguePriceView {
    id: String,
    product: Option<Value>,
    lookup_key: Option<String>,
    metadata: Option<MetadataView>,
    currency: Option<String>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<Value>,
    tiers_mode: Option<String>,
    tiers: Option<Vec<TierView>>,
    transform_quantity: Option<PackageView>,
    tax_behavior: Option<String>,
    recurring: Option<RecurringView>,
    active: Option<bool>,
    created: Option<i64>,
}

#[derive(Deserialize)]
struct TierView {
    up_to: Option<i64>,
    unit_amount: Option<i64>,
    unit_amount_decimal: Option<Value>,
    flat_amount: Option<i64>,
    flat_amount_decimal: Option<Value>,
}

#[derive(Deserialize)]
struct PackageView {
    divide_by: i64,
    round: Option<String>,
}

impl TryFrom<CataloguePriceView> for CataloguePrice {
    type Error = Error;

    fn try_from(view: CataloguePriceView) -> Result<Self, Error> {
        let created = require(&view.id, "created", view.created)?;
        let created = time(&view.id, "created", created)?;
        let tax = match view.tax_behavior.as_deref() {
            Some("exclusive") => TaxBehavior::Exclusive,
            Some("inclusive") => TaxBehavior::Inclusive,
            _ => TaxBehavior::Unspecified,
        };
        let rates = rates(&view)?;
        Ok(Self {
            rates,
            tax,
            created,
            price: PriceView {
                id: view.id,
                product: view.product,
                lookup_key: view.lookup_key,
                metadata: view.metadata,
                currency: view.currency,
                unit_amount: view.unit_amount,
                recurring: view.recurring,
                active: view.active,
            }
            .try_into()?,
        })
    }
}

fn rates(view: &CataloguePriceView) -> Result<Option<Rates>, Error> {
    let Some(mode) = &view.tiers_mode else {
        let unit = amount(
            &view.id,
            view.unit_amount_decimal.as_ref(),
            view.unit_amount,
        )?;
        return Ok(match (&view.transform_quantity, unit) {
            (Some(package), Some(price)) => Some(Rates::Packages {
                price,
                size: package.divide_by,
                started: package.round.as_deref() != Some("down"),
            }),
            (None, unit) => unit.map(Rates::PerUnit),
            // The customer chooses the amount.
            (Some(_), None) => None,
        });
    };
    let tiers = require(&view.id, "tiers", view.tiers.as_ref())?;
    let tiers: Vec<Tier> = tiers
        .iter()
        .map(|tier| {
            let unit = amount(
                &view.id,
                tier.unit_amount_decimal.as_ref(),
                tier.unit_amount,
            )?;
            let flat = amount(
                &view.id,
                tier.flat_amount_decimal.as_ref(),
                tier.flat_amount,
            )?;
            Ok(Tier {
                up_to: tier.up_to,
                unit: unit.unwrap_or_default(),
                flat: flat.unwrap_or_default(),
            })
        })
        .collect::<Result<_, Error>>()?;
    Ok(match mode.as_str() {
        "graduated" => Some(Rates::Graduated(tiers)),
        "volume" => Some(Rates::Volume(tiers)),
        _ => None,
    })
}

/// The decimal when there is one, else the whole number.
fn amount(id: &str, decimal: Option<&Value>, whole: Option<i64>) -> Result<Option<Decimal>, Error> {
    let text = match decimal {
        None | Some(Value::Null) => return Ok(whole.map(Decimal::from)),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(Number::U64(number))) => number.to_string(),
        Some(Value::Number(Number::I64(number))) => number.to_string(),
        Some(Value::Number(Number::F64(number))) => number.to_string(),
        Some(_) => String::new(),
    };
    text.parse().map(Some).map_err(|_| {
        let message = format!("an amount of {id} is no decimal number");
        Error::new(Class::Unreadable, message)
    })
}

/// A meter.
#[derive(Deserialize)]
pub(in crate::stripe) struct MeterView {
    id: String,
    event_name: Option<String>,
    display_name: Option<String>,
    status: Option<String>,
    event_time_window: Option<String>,
    default_aggregation: Option<AggregationView>,
    customer_mapping: Option<PayloadKeyView>,
    value_settings: Option<PayloadKeyView>,
}

#[derive(Deserialize)]
struct AggregationView {
    formula: Option<String>,
}

#[derive(Deserialize)]
struct PayloadKeyView {
    event_payload_key: Option<String>,
}

impl TryFrom<MeterView> for Meter {
    type Error = Error;

    fn try_from(view: MeterView) -> Result<Self, Error> {
        let id = view.id;
        let key = |view: Option<PayloadKeyView>| view.and_then(|view| view.event_payload_key);
        let formula = view.default_aggregation.and_then(|view| view.formula);
        Ok(Self {
            event_name: require(&id, "event_name", view.event_name)?,
            display_name: view.display_name.unwrap_or_default(),
            active: view.status.as_deref() == Some("active"),
            formula: require(&id, "default_aggregation.formula", formula)?,
            window: view.event_time_window,
            customer_key: key(view.customer_mapping).unwrap_or_default(),
            value_key: key(view.value_settings).unwrap_or_default(),
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(terms: &str) -> Result<CataloguePrice, Error> {
        let json = format!(
            r#"{{"id":"price_1","product":"prod_1","currency":"usd","active":true,"created":100,
                "recurring":{{"interval":"month","interval_count":1,"usage_type":"metered","meter":"mtr_1"}},
                {terms}}}"#
        );
        miniserde::json::from_str::<CataloguePriceView>(&json)
            .unwrap()
            .try_into()
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn terms_are_read_in_every_form_that_stripe_gives_them() {
        for (terms, rates) in [
            (
                r#""unit_amount":null,"unit_amount_decimal":"0.08","tiers_mode":null"#,
                Some(Rates::PerUnit(decimal("0.08"))),
            ),
            (
                r#""unit_amount":9900"#,
                Some(Rates::PerUnit(decimal("9900"))),
            ),
            (
                r#""tiers_mode":"graduated","tiers":[
                    {"up_to":100,"unit_amount":0,"unit_amount_decimal":"0","flat_amount":null},
                    {"up_to":null,"unit_amount":null,"unit_amount_decimal":"0.5","flat_amount":7}]"#,
                Some(Rates::Graduated(vec![
                    Tier::new(Some(100), Decimal::ZERO),
                    Tier {
                        up_to: None,
                        unit: decimal("0.5"),
                        flat: decimal("7"),
                    },
                ])),
            ),
            (
                r#""unit_amount":5,"transform_quantity":{"divide_by":1000,"round":"up"}"#,
                Some(Rates::Packages {
                    price: decimal("5"),
                    size: 1000,
                    started: true,
                }),
            ),
            (r#""unit_amount":null"#, None),
        ] {
            assert_eq!(price(terms).unwrap().rates, rates, "{terms}");
        }
        assert_eq!(
            price(r#""unit_amount":1"#).unwrap().price.meter.unwrap(),
            "mtr_1"
        );
    }

    #[test]
    fn tiers_that_are_not_shown_or_not_numbers_are_named() {
        for (terms, part) in [
            (r#""tiers_mode":"graduated""#, "price_1 has no tiers"),
            (r#""unit_amount_decimal":"a lot""#, "an amount of price_1"),
        ] {
            let error = price(terms).unwrap_err();
            assert_eq!(error.class, Class::Unreadable);
            assert!(error.message.contains(part), "{}", error.message);
        }
    }

    #[test]
    fn a_meter_is_read_with_the_settings_that_never_change() {
        let json = r#"{"id":"mtr_1","object":"billing.meter","event_name":"queries","display_name":"Queries",
            "status":"inactive","event_time_window":"hour","default_aggregation":{"formula":"sum"},
            "customer_mapping":{"type":"by_id","event_payload_key":"stripe_customer_id"},
            "value_settings":{"event_payload_key":"value"}}"#;
        let meter: Meter = miniserde::json::from_str::<MeterView>(json)
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!(
            (meter.active, meter.window.as_deref()),
            (false, Some("hour"))
        );
        assert_eq!(
            (&*meter.customer_key, &*meter.value_key),
            ("stripe_customer_id", "value")
        );
    }
}
