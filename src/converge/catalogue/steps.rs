//! The vocabulary of changes to the catalogue in Stripe: each is one request.

use super::desired::{DesiredMeter, DesiredPlan};
use super::rates::Rates;
use crate::api::{Interval, TaxBehavior};
use crate::converge::observed::Component;

/// One change to the catalogue in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueStep {
    /// Make a meter; there is one for each event name, so a second attempt meets the first.
    CreateMeter(DesiredMeter),
    /// Call a meter something else.
    RenameMeter {
        /// `mtr_…`
        meter: String,
        /// Its new name.
        display_name: String,
    },
    /// Let a meter take events again.
    ReactivateMeter(String),
    /// Make the product, under its own id: a second attempt meets the first.
    CreateProduct,
    /// Bring its name and `active` in line.
    UpdateProduct,
    /// Make a price, under its lookup key: a second attempt meets the first.
    CreatePrice(Box<NewPrice>),
    /// Make an archived price usable again.
    ActivatePrice(String),
    /// Keep a price that nobody subscribes to from being used again.
    ArchivePrice(String),
}

/// A price that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrice {
    /// What it is for.
    pub component: Component,
    /// What its terms hash into.
    pub lookup_key: String,
    /// Lower case.
    pub currency: String,
    /// The period.
    pub interval: Interval,
    /// What units cost.
    pub rates: Rates,
    /// The meter that counts the units; none for the base.
    pub meter: Option<String>,
    /// Whether it contains the tax.
    pub tax: TaxBehavior,
}

impl CatalogueStep {
    /// The step in words.
    pub fn describe(&self, desired: &DesiredPlan) -> String {
        match self {
            Self::CreateMeter(meter) => format!("+ create meter {}", meter.event_name),
            Self::RenameMeter {
                meter,
                display_name,
            } => format!("~ update meter {meter}: display name \"{display_name}\""),
            Self::ReactivateMeter(meter) => format!("~ activate meter {meter}"),
            Self::CreateProduct => format!("+ create product {}", desired.product_id()),
            Self::UpdateProduct => {
                format!(
                    "~ update product {}: name \"{}\"",
                    desired.product_id(),
                    desired.display_name
                )
            }
            Self::CreatePrice(price) => {
                format!("+ create {} price {}", price.component, price.lookup_key)
            }
            Self::ActivatePrice(price) => format!("~ activate price {price}"),
            Self::ArchivePrice(price) => format!("- archive price {price}"),
        }
    }
}
