//! What is in Stripe for a plan, reduced to the facts that decide something.

use jiff::Timestamp;

use super::desired::{DesiredMeter, settings};
use super::rates::Rates;
use crate::api::TaxBehavior;
use crate::converge::observed::{Component, Price};

/// The key in a meter event's payload that names the customer.
pub const CUSTOMER_KEY: &str = "stripe_customer_id";
/// The key in a meter event's payload that holds the value.
pub const VALUE_KEY: &str = "value";

/// A product, as far as a plan needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Stripe's id, which for managed products is [`super::DesiredPlan::product_id`].
    pub id: String,
    /// Name on invoices.
    pub name: String,
    /// Whether it can be sold.
    pub active: bool,
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// `mtr_…`
    pub id: String,
    /// The events it counts; there is one meter for each name.
    pub event_name: String,
    /// Its name in the Dashboard.
    pub display_name: String,
    /// Whether it takes events.
    pub active: bool,
    /// `default_aggregation.formula`.
    pub formula: String,
    /// `event_time_window`; without one every event counts.
    pub window: Option<String>,
    /// The payload's key that names the customer.
    pub customer_key: String,
    /// The payload's key that holds the value.
    pub value_key: String,
}

impl Meter {
    /// What keeps it from being the one a plan wants, in words.
    pub(super) fn conflict(&self, wanted: &DesiredMeter) -> Option<String> {
        let same = self.formula == wanted.aggregation.as_stripe()
            && self.window.as_deref() == Some(wanted.granularity.as_stripe());
        if !same {
            return Some(format!(
                "counts {}, the plan wants {}",
                settings(&self.formula, self.window.as_deref()),
                wanted.settings()
            ));
        }
        let keys = (self.customer_key.as_str(), self.value_key.as_str());
        (keys != (CUSTOMER_KEY, VALUE_KEY)).then(|| {
            format!(
                "reads the customer from \"{}\" and the value from \"{}\", the operator writes \
                 \"{CUSTOMER_KEY}\" and \"{VALUE_KEY}\"",
                keys.0, keys.1
            )
        })
    }
}

/// A price with its terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguePrice {
    /// As tenants know it.
    pub price: Price,
    /// What units cost; `None` when that cannot be said, as for a customer's choice of amount.
    pub rates: Option<Rates>,
    /// Whether it contains the tax.
    pub tax: TaxBehavior,
    /// When it was made.
    pub created: Timestamp,
}

impl CataloguePrice {
    /// What it is for. Prices from before there were components are base prices.
    pub fn component(&self) -> Component {
        self.price.component.clone().unwrap_or(Component::Base)
    }

    /// What it costs, in words.
    pub fn words(&self) -> String {
        let currency = &self.price.currency;
        let rates = self
            .rates
            .as_ref()
            .map_or_else(|| "as in Stripe".to_owned(), |rates| rates.words(currency));
        match self.price.interval {
            Some(interval) if self.price.metered => {
                format!("{rates} (each {})", interval.as_stripe())
            }
            Some(interval) => format!("{rates}/{}", interval.as_stripe()),
            None => rates,
        }
    }
}

/// What is in Stripe for a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedPlan {
    /// The managed product.
    pub product: Option<Product>,
    /// The meters with the event names the plan wants, active or not.
    pub meters: Vec<Meter>,
    /// The prices under the plan's keys, active or not; the active ones of its product; and those
    /// that were sold last.
    pub prices: Vec<CataloguePrice>,
}

impl ObservedPlan {
    /// The meter that counts an event.
    pub fn meter(&self, event_name: &str) -> Option<&Meter> {
        self.meters.iter().find(|m| m.event_name == event_name)
    }

    /// The price under a lookup key.
    pub fn price_under(&self, key: &str) -> Option<&CataloguePrice> {
        let has_key = |p: &&CataloguePrice| p.price.lookup_key.as_deref() == Some(key);
        self.prices.iter().find(has_key)
    }

    /// The price with an id.
    pub fn price(&self, id: &str) -> Option<&CataloguePrice> {
        self.prices.iter().find(|p| p.price.id == id)
    }

    /// Takes in a meter as it is now.
    pub fn put_meter(&mut self, meter: Meter) {
        self.meters.retain(|known| known.id != meter.id);
        self.meters.push(meter);
    }

    /// Takes in a price as it is now.
    pub fn put_price(&mut self, price: CataloguePrice) {
        self.prices.retain(|known| known.price.id != price.price.id);
        self.prices.push(price);
    }
}
