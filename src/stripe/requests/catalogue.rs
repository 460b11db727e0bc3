//! Catalogue steps as requests.

use std::collections::HashMap;

use rust_decimal::Decimal;
use stripe_billing::BillingMeterEventTimeWindow;
use stripe_billing::billing_meter::{
    CreateBillingMeter, CreateBillingMeterCustomerMapping, CreateBillingMeterCustomerMappingType,
    CreateBillingMeterDefaultAggregation, CreateBillingMeterDefaultAggregationFormula,
    CreateBillingMeterValueSettings, ReactivateBillingMeter, UpdateBillingMeter,
};
use stripe_client_core::RequestBuilder;
use stripe_product::price::{
    CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, CreatePriceRecurringUsageType,
    CreatePriceTiers, CreatePriceTiersUpTo, UpdatePrice,
};
use stripe_product::product::{CreateProduct, UpdateProduct};
use stripe_shared::{PriceBillingScheme, PriceTaxBehavior, PriceTiersMode};

use super::{build, checked, metadata_map};
use crate::api::{Aggregation, Granularity, Interval, TaxBehavior, metadata};
use crate::converge::catalogue::{
    CUSTOMER_KEY, CatalogueStep, DesiredMeter, DesiredPlan, NewPrice, Rates, Tier, VALUE_KEY,
};
use crate::stripe::error::{Class, Error};

/// The request that a catalogue step stands for.
pub fn for_catalogue_step(
    step: &CatalogueStep,
    plan: &DesiredPlan,
) -> Result<RequestBuilder, Error> {
    let product = plan.product_id();
    match step {
        CatalogueStep::CreateMeter(meter) => Ok(create_meter(meter)),
        CatalogueStep::RenameMeter {
            meter,
            display_name,
        } => Ok(build(
            &UpdateBillingMeter::new(checked(meter)?).display_name(display_name),
        )),
        CatalogueStep::ReactivateMeter(meter) => {
            Ok(build(&ReactivateBillingMeter::new(checked(meter)?)))
        }
        CatalogueStep::CreateProduct => Ok(build(
            &CreateProduct::new(&plan.display_name)
                .id(checked(&product)?)
                .metadata(metadata_map([
                    (metadata::OWNER, plan.owner.clone()),
                    (metadata::PLAN, plan.name.clone()),
                ])),
        )),
        CatalogueStep::UpdateProduct => Ok(build(
            &UpdateProduct::new(checked(&product)?)
                .name(&plan.display_name)
                .active(true),
        )),
        CatalogueStep::CreatePrice(price) => create_price(price, checked(&product)?, plan),
        CatalogueStep::ActivatePrice(price) => Ok(set_active(checked(price)?, true)),
        CatalogueStep::ArchivePrice(price) => Ok(set_active(checked(price)?, false)),
    }
}

fn set_active(price: &str, active: bool) -> RequestBuilder {
    build(&UpdatePrice::new(price).active(active).expand(tiers()))
}

/// Stripe leaves tiers out unless asked.
fn tiers() -> Vec<String> {
    vec!["tiers".to_owned()]
}

fn create_meter(meter: &DesiredMeter) -> RequestBuilder {
    use CreateBillingMeterDefaultAggregationFormula as Formula;
    let formula = match meter.aggregation {
        Aggregation::Sum => Formula::Sum,
        Aggregation::Last => Formula::Last,
    };
    let window = match meter.granularity {
        Granularity::Hour => BillingMeterEventTimeWindow::Hour,
        Granularity::Day => BillingMeterEventTimeWindow::Day,
    };
    let name = meter.display_name.as_ref().unwrap_or(&meter.event_name);
    let aggregation = CreateBillingMeterDefaultAggregation::new(formula);
    build(
        &CreateBillingMeter::new(aggregation, name, &meter.event_name)
            .event_time_window(window)
            .customer_mapping(CreateBillingMeterCustomerMapping::new(
                CUSTOMER_KEY,
                CreateBillingMeterCustomerMappingType::ById,
            ))
            .value_settings(CreateBillingMeterValueSettings::new(VALUE_KEY)),
    )
}

fn create_price(
    price: &NewPrice,
    product: &str,
    plan: &DesiredPlan,
) -> Result<RequestBuilder, Error> {
    let mut recurring = CreatePriceRecurring::new(match price.interval {
        Interval::Month => CreatePriceRecurringInterval::Month,
        Interval::Year => CreatePriceRecurringInterval::Year,
    });
    if let Some(meter) = &price.meter {
        recurring.usage_type = Some(CreatePriceRecurringUsageType::Metered);
        recurring.meter = Some(meter.clone());
    }
    let currency = price
        .currency
        .parse::<stripe_types::Currency>()
        .unwrap_or_else(|never| match never {});
    let mut create = CreatePrice::new(currency)
        .product(product)
        .recurring(recurring)
        .lookup_key(&price.lookup_key)
        .nickname(&plan.name)
        .metadata(price_metadata(price, plan));
    match price.tax {
        TaxBehavior::Unspecified => {}
        TaxBehavior::Exclusive => create = create.tax_behavior(PriceTaxBehavior::Exclusive),
        TaxBehavior::Inclusive => create = create.tax_behavior(PriceTaxBehavior::Inclusive),
    }
    create = match &price.rates {
        Rates::PerUnit(unit) => match price.rates.whole_unit() {
            Some(whole) => create.unit_amount(whole),
            None => create.unit_amount_decimal(decimal(*unit)),
        },
        Rates::Graduated(tiers) => with_tiers(create, PriceTiersMode::Graduated, tiers),
        Rates::Volume(tiers) => with_tiers(create, PriceTiersMode::Volume, tiers),
        Rates::Packages { .. } => {
            let message = "the operator makes no prices for packages";
            return Err(Error::new(Class::Invalid, message));
        }
    };
    Ok(build(&create))
}

fn with_tiers(create: CreatePrice, mode: PriceTiersMode, list: &[Tier]) -> CreatePrice {
    let list: Vec<CreatePriceTiers> = list
        .iter()
        .map(|tier| {
            let up_to = tier
                .up_to
                .map_or(CreatePriceTiersUpTo::Inf, CreatePriceTiersUpTo::I64);
            let mut create = CreatePriceTiers::new(up_to);
            create.unit_amount_decimal = Some(decimal(tier.unit));
            if !tier.flat.is_zero() {
                create.flat_amount_decimal = Some(decimal(tier.flat));
            }
            create
        })
        .collect();
    create
        .billing_scheme(PriceBillingScheme::Tiered)
        .tiers_mode(mode)
        .tiers(list)
        .expand(tiers())
}

fn decimal(number: Decimal) -> String {
    number.normalize().to_string()
}

fn price_metadata(price: &NewPrice, plan: &DesiredPlan) -> HashMap<String, String> {
    metadata_map([
        (metadata::OWNER, plan.owner.clone()),
        (metadata::PLAN, plan.name.clone()),
        (metadata::COMPONENT, price.component.to_string()),
    ])
}

#[cfg(test)]
mod tests;
