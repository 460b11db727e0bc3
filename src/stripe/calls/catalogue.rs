//! The calls about plans: products and prices.

use stripe_product::price::ListPrice;
use stripe_product::product::RetrieveProduct;

use super::PAGE;
use crate::converge::catalogue::{CatalogueStep, DesiredPlan, Product};
use crate::converge::observed::Price;
use crate::stripe::error::Error;
use crate::stripe::idempotency::key_for_catalogue_step;
use crate::stripe::requests::{checked, for_catalogue_step};
use crate::stripe::session::{Answer, Session};
use crate::stripe::views::{PriceView, ProductView};

/// The object a catalogue step made or changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedCatalogue {
    /// The plan's product.
    Product(Product),
    /// The plan's price.
    Price(Box<Price>),
}

impl Session {
    /// Carries out a step of a plan's catalogue, under its idempotency key.
    pub async fn run_catalogue_step(
        &self,
        step: &CatalogueStep,
        plan: &DesiredPlan,
        attempt: u32,
    ) -> Result<Answer<ChangedCatalogue>, Error> {
        let request = for_catalogue_step(step, plan)?;
        let key = key_for_catalogue_step(&request, plan, attempt);
        match step {
            CatalogueStep::CreateProduct | CatalogueStep::UpdateProduct => self
                .send::<ProductView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(ChangedCatalogue::Product(view.try_into()?))),
            CatalogueStep::CreatePrice | CatalogueStep::ActivatePrice(_) => self
                .send::<PriceView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(ChangedCatalogue::Price(Box::new(view.try_into()?)))),
        }
    }

    /// A product by its id.
    pub async fn find_product(&self, id: &str) -> Result<Option<Product>, Error> {
        let request = RetrieveProduct::new(checked(id)?);
        let view = self.find::<ProductView>(&request).await?;
        view.filter(|view| !view.is_deleted())
            .map(TryInto::try_into)
            .transpose()
    }

    /// The price with a lookup key, active or not.
    pub async fn find_price_by_lookup_key(&self, key: &str) -> Result<Option<Price>, Error> {
        // The list leaves archived prices out unless asked for nothing else.
        for active in [true, false] {
            let list = ListPrice::new()
                .lookup_keys([key.to_owned()])
                .active(active)
                .limit(PAGE);
            let page = self.list::<PriceView>(&list).await?;
            if let Some(view) = page.data.into_iter().next() {
                return Ok(Some(view.try_into()?));
            }
        }
        Ok(None)
    }
}
