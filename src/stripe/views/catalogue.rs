//! Views of products and prices.

mod terms;

use miniserde::Deserialize;
use miniserde::json::Value;

use super::{MetadataView, filled, id_of, require};
use crate::api::Interval;
use crate::converge::catalogue;
use crate::converge::observed::{Component, Price};
use crate::stripe::error::Error;

pub(in crate::stripe) use self::terms::{CataloguePriceView, MeterView};

/// A price.
#[derive(Deserialize)]
pub(in crate::stripe) struct PriceView {
    id: String,
    product: Option<Value>,
    lookup_key: Option<String>,
    metadata: Option<MetadataView>,
    currency: Option<String>,
    unit_amount: Option<i64>,
    recurring: Option<RecurringView>,
    active: Option<bool>,
}

#[derive(Deserialize)]
struct RecurringView {
    interval: Option<String>,
    interval_count: Option<i64>,
    usage_type: Option<String>,
    meter: Option<Value>,
}

impl TryFrom<PriceView> for Price {
    type Error = Error;

    fn try_from(view: PriceView) -> Result<Self, Error> {
        let metadata = view.metadata.unwrap_or_default();
        let recurring = view.recurring;
        let interval = recurring.as_ref().and_then(|r| r.interval.as_deref());
        Ok(Self {
            product: require(&view.id, "product", id_of(view.product))?,
            currency: require(&view.id, "currency", view.currency)?,
            active: require(&view.id, "active", view.active)?,
            lookup_key: filled(view.lookup_key),
            owner: filled(metadata.owner),
            plan: filled(metadata.plan),
            unit_amount: view.unit_amount,
            interval: match interval {
                Some("month") => Some(Interval::Month),
                Some("year") => Some(Interval::Year),
                _ => None,
            },
            interval_count: recurring
                .as_ref()
                .and_then(|r| r.interval_count)
                .unwrap_or(1),
            metered: recurring
                .as_ref()
                .is_some_and(|r| r.usage_type.as_deref() == Some("metered")),
            meter: recurring.and_then(|r| id_of(r.meter)),
            component: filled(metadata.component).map(|text| Component::from(text.as_str())),
            id: view.id,
        })
    }
}

/// A product.
#[derive(Deserialize)]
pub(in crate::stripe) struct ProductView {
    id: String,
    deleted: Option<bool>,
    name: Option<String>,
    active: Option<bool>,
}

impl ProductView {
    pub(in crate::stripe) fn is_deleted(&self) -> bool {
        self.deleted == Some(true)
    }
}

impl TryFrom<ProductView> for catalogue::Product {
    type Error = Error;

    fn try_from(view: ProductView) -> Result<Self, Error> {
        Ok(Self {
            name: require(&view.id, "name", view.name)?,
            active: require(&view.id, "active", view.active)?,
            id: view.id,
        })
    }
}
