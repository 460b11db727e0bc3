//! Catalogue steps as requests.

use std::collections::HashMap;

use stripe_client_core::RequestBuilder;
use stripe_product::price::{
    CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, UpdatePrice,
};
use stripe_product::product::{CreateProduct, UpdateProduct};

use super::{build, checked, metadata_map};
use crate::api::{Interval, metadata};
use crate::converge::catalogue::{CatalogueStep, DesiredPlan, DesiredPrice};
use crate::stripe::error::{Class, Error};

/// The request that a catalogue step stands for.
pub fn for_catalogue_step(
    step: &CatalogueStep,
    plan: &DesiredPlan,
) -> Result<RequestBuilder, Error> {
    let product = plan.product_id();
    match step {
        CatalogueStep::CreateProduct => Ok(build(
            &CreateProduct::new(&plan.display_name)
                .id(checked(&product)?)
                .metadata(plan_metadata(plan)),
        )),
        CatalogueStep::UpdateProduct => Ok(build(
            &UpdateProduct::new(checked(&product)?)
                .name(&plan.display_name)
                .active(true),
        )),
        CatalogueStep::CreatePrice => {
            let DesiredPrice::Managed {
                unit_amount,
                interval,
            } = &plan.base
            else {
                return Err(Error::new(
                    Class::Invalid,
                    format!("the price of {} is made by someone else", plan.name),
                ));
            };
            let interval = match interval {
                Interval::Month => CreatePriceRecurringInterval::Month,
                Interval::Year => CreatePriceRecurringInterval::Year,
            };
            let currency = plan
                .currency
                .parse::<stripe_types::Currency>()
                .unwrap_or_else(|never| match never {});
            let create = CreatePrice::new(currency)
                .product(checked(&product)?)
                .unit_amount(*unit_amount)
                .recurring(CreatePriceRecurring::new(interval))
                .lookup_key(plan.lookup_key())
                .nickname(&plan.name)
                .metadata(plan_metadata(plan));
            Ok(build(&create))
        }
        CatalogueStep::ActivatePrice(price) => {
            Ok(build(&UpdatePrice::new(checked(price)?).active(true)))
        }
    }
}

fn plan_metadata(plan: &DesiredPlan) -> HashMap<String, String> {
    metadata_map([
        (metadata::OWNER, plan.owner.clone()),
        (metadata::PLAN, plan.name.clone()),
    ])
}
