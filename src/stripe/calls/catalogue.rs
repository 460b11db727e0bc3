//! The calls about plans: products, prices and meters.

use stripe_billing::BillingMeterStatus;
use stripe_billing::billing_meter::ListBillingMeter;
use stripe_billing::subscription::ListSubscription;
use stripe_product::price::{ListPrice, RetrievePrice};
use stripe_product::product::RetrieveProduct;

use super::{PAGE, Page, page_of};
use crate::converge::catalogue::{
    CataloguePrice, CatalogueStep, DesiredPlan, Meter, ObservedPlan, Product,
};
use crate::converge::observed::Subscription;
use crate::stripe::error::Error;
use crate::stripe::idempotency::key_for_catalogue_step;
use crate::stripe::requests::{checked, for_catalogue_step};
use crate::stripe::session::{Answer, Session};
use crate::stripe::views::{
    CataloguePriceView, ListView, MeterView, ProductView, SubscriptionView,
};

/// The most lookup keys that one list takes.
const KEYS: usize = 10;

/// The object a catalogue step made or changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedCatalogue {
    /// The plan's product.
    Product(Product),
    /// One of its meters.
    Meter(Meter),
    /// One of its prices.
    Price(Box<CataloguePrice>),
}

impl ChangedCatalogue {
    /// Puts the object in the place of what was known of it.
    pub fn put_into(self, observed: &mut ObservedPlan) {
        match self {
            Self::Product(product) => observed.product = Some(product),
            Self::Meter(meter) => observed.put_meter(meter),
            Self::Price(price) => observed.put_price(*price),
        }
    }
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
        let key = key_for_catalogue_step(step, &request, plan, attempt);
        match step {
            CatalogueStep::CreateProduct | CatalogueStep::UpdateProduct => self
                .send::<ProductView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(ChangedCatalogue::Product(view.try_into()?))),
            CatalogueStep::CreateMeter(_)
            | CatalogueStep::RenameMeter { .. }
            | CatalogueStep::ReactivateMeter(_) => self
                .send::<MeterView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(ChangedCatalogue::Meter(view.try_into()?))),
            CatalogueStep::CreatePrice(_)
            | CatalogueStep::ActivatePrice(_)
            | CatalogueStep::ArchivePrice(_) => self
                .send::<CataloguePriceView>(&request, Some(&key))
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

    /// A price by its id.
    pub async fn find_price(&self, id: &str) -> Result<Option<CataloguePrice>, Error> {
        let request = RetrievePrice::new(checked(id)?).expand(vec!["tiers".to_owned()]);
        let view = self.find::<CataloguePriceView>(&request).await?;
        view.map(TryInto::try_into).transpose()
    }

    /// The active prices of a product.
    pub async fn active_prices_of(&self, product: &str) -> Result<Vec<CataloguePrice>, Error> {
        self.prices(&ListPrice::new().product(product).active(true))
            .await
    }

    /// The prices with these lookup keys, active or not.
    pub async fn prices_under(&self, keys: &[String]) -> Result<Vec<CataloguePrice>, Error> {
        let mut found: Vec<CataloguePrice> = Vec::new();
        // The list leaves archived prices out unless asked for nothing else.
        for active in [true, false] {
            let is_missing = |key: &&String| {
                let key = Some(key.as_str());
                !found.iter().any(|p| p.price.lookup_key.as_deref() == key)
            };
            let missing: Vec<String> = keys.iter().filter(is_missing).cloned().collect();
            for keys in missing.chunks(KEYS) {
                let list = ListPrice::new().lookup_keys(keys).active(active);
                found.extend(self.prices(&list).await?);
            }
        }
        Ok(found)
    }

    /// The meters with these event names, active or not.
    pub async fn meters(&self, event_names: &[&str]) -> Result<Vec<Meter>, Error> {
        let mut found: Vec<Meter> = Vec::new();
        // Whether the list leaves inactive ones out unless asked for them is not documented.
        for status in [None, Some(BillingMeterStatus::Inactive)] {
            let mut after: Option<String> = None;
            loop {
                let complete = |name: &&str| found.iter().any(|meter| meter.event_name == **name);
                if event_names.iter().all(complete) {
                    return Ok(found);
                }
                let mut list = ListBillingMeter::new().limit(PAGE);
                if let Some(status) = &status {
                    list = list.status(status.clone());
                }
                if let Some(after) = &after {
                    list = list.starting_after(after);
                }
                let page = self.list::<MeterView>(&list).await?;
                let Page { items, next } =
                    page_of(page, TryInto::try_into, |meter: &Meter| &meter.id)?;
                let wanted = |meter: &Meter| event_names.contains(&meter.event_name.as_str());
                found.extend(items.into_iter().filter(wanted));
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Whether a live subscription has a price, as far as the account's list shows: it leaves
    /// those on test clocks out.
    pub async fn is_price_in_use(&self, price: &str) -> Result<bool, Error> {
        let list = ListSubscription::new().price(price).limit(1);
        let page: ListView<SubscriptionView> = self.list(&list).await?;
        let more = page.has_more == Some(true);
        let found: Vec<Subscription> = page
            .data
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        // One that has ended says nothing about the others.
        Ok(more
            || found
                .iter()
                .any(|subscription| subscription.status.is_live()))
    }

    async fn prices(&self, list: &ListPrice) -> Result<Vec<CataloguePrice>, Error> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            // Stripe leaves tiers out unless asked.
            let mut list = list
                .clone()
                .limit(PAGE)
                .expand(vec!["data.tiers".to_owned()]);
            if let Some(after) = &after {
                list = list.starting_after(after);
            }
            let page = self.list::<CataloguePriceView>(&list).await?;
            let page = page_of(page, TryInto::try_into, |price: &CataloguePrice| {
                &price.price.id
            })?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }
}
