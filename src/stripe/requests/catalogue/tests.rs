use super::*;
use crate::api::BillingPlanSpec;
use crate::converge::catalogue::{self, Archive, Circumstances, Meter, ObservedPlan};
use crate::stripe::idempotency::key_for_catalogue_step;
use crate::stripe::requests::tests::shown;
use serde_json::json;

const OWNER: &str = "metadata[tenantbilling_owner]=default";
const PLAN: &str = "metadata[tenantbilling_plan]=pro";

fn plan_of(spec: serde_json::Value) -> DesiredPlan {
    let spec: BillingPlanSpec = serde_json::from_value(spec).unwrap();
    catalogue::desired("default", "pro", &spec).unwrap()
}

fn yearly() -> DesiredPlan {
    plan_of(json!({
        "displayName": "Pro", "currency": "usd", "base": {"amount": "99.00", "interval": "Year"},
    }))
}

fn with_usage() -> DesiredPlan {
    plan_of(json!({
        "currency": "usd", "base": {"amount": "99.00"}, "taxBehavior": "Exclusive",
        "usage": [
            {"meter": "storage", "overage": {"amount": "0.05", "per": 100}, "granularity": "Day",
             "aggregation": "Last", "displayName": "Storage"},
            {"meter": "queries", "included": 1000,
             "tiers": [{"upTo": 5000, "amount": "0.80", "per": 1000}, {"amount": "0.50", "per": 1000}]},
        ],
    }))
}

/// The steps for a plan whose meters exist, in Stripe's own form.
fn steps(plan: &DesiredPlan) -> Vec<CatalogueStep> {
    let meters = plan.usage.iter().map(|usage| Meter {
        id: format!("mtr_{}", usage.meter.event_name),
        event_name: usage.meter.event_name.clone(),
        display_name: usage.meter.display_name.clone().unwrap_or_default(),
        active: true,
        formula: usage.meter.aggregation.as_stripe().into(),
        window: Some(usage.meter.granularity.as_stripe().into()),
        customer_key: CUSTOMER_KEY.into(),
        value_key: VALUE_KEY.into(),
    });
    let observed = ObservedPlan {
        meters: meters.collect(),
        ..ObservedPlan::default()
    };
    let circumstances = Circumstances {
        recorded: Vec::new(),
        approved: None,
        max_jump: 5.into(),
        archive: Archive::Nothing,
    };
    catalogue::plan(plan, &observed, &circumstances).steps
}

#[track_caller]
fn assert_request(plan: &DesiredPlan, step: &CatalogueStep, target: &str, body: &[&str]) {
    let (got_target, mut got) = shown(&for_catalogue_step(step, plan).unwrap());
    let mut body: Vec<String> = body.iter().map(ToString::to_string).collect();
    got.sort();
    body.sort();
    assert_eq!((got_target.as_str(), got), (target, body));
}

#[test]
fn the_catalogue_is_made_under_ids_and_keys_of_its_own() {
    let plan = yearly();
    let product = plan.product_id();
    let (id, of_product) = (format!("id={product}"), format!("product={product}"));
    let at = format!("POST /products/{product}");
    let key = format!("lookup_key={}", plan.lookup_key());
    let made = steps(&plan);
    assert_request(
        &plan,
        &made[0],
        "POST /products",
        &[&id, OWNER, PLAN, "name=Pro"],
    );
    let update = CatalogueStep::UpdateProduct;
    assert_request(&plan, &update, &at, &["active=true", "name=Pro"]);
    assert_request(
        &plan,
        &made[1],
        "POST /prices",
        &[
            "currency=usd",
            &key,
            OWNER,
            PLAN,
            "metadata[tenantbilling_component]=base",
            "nickname=pro",
            &of_product,
            "recurring[interval]=year",
            "unit_amount=9900",
        ],
    );
}

#[test]
fn a_price_is_put_in_and_out_of_use_and_read_with_its_tiers() {
    let plan = yearly();
    for (step, active) in [
        (
            CatalogueStep::ActivatePrice("price_1".into()),
            "active=true",
        ),
        (
            CatalogueStep::ArchivePrice("price_1".into()),
            "active=false",
        ),
    ] {
        assert_request(
            &plan,
            &step,
            "POST /prices/price_1",
            &[active, "expand[0]=tiers"],
        );
    }
}

#[test]
fn a_metered_price_names_its_meter_and_has_decimals_or_tiers() {
    let plan = with_usage();
    let of_product = format!("product={}", plan.product_id());
    let made = steps(&plan);
    let [
        _,
        CatalogueStep::CreatePrice(queries),
        CatalogueStep::CreatePrice(storage),
        _,
    ] = &made[..]
    else {
        panic!("{made:?}")
    };
    let common = [
        "currency=usd",
        OWNER,
        PLAN,
        "nickname=pro",
        &of_product,
        "recurring[interval]=month",
        "recurring[usage_type]=metered",
        "tax_behavior=exclusive",
    ];
    let key = format!("lookup_key={}", storage.lookup_key);
    let own = [
        &key,
        "recurring[meter]=mtr_storage",
        "metadata[tenantbilling_component]=usage/storage",
        "unit_amount_decimal=0.05",
    ];
    let body = [&common[..], &own].concat();
    assert_request(&plan, &made[2], "POST /prices", &body);
    let key = format!("lookup_key={}", queries.lookup_key);
    let own = [
        &key,
        "recurring[meter]=mtr_queries",
        "metadata[tenantbilling_component]=usage/queries",
        "billing_scheme=tiered",
        "tiers_mode=graduated",
        "tiers[0][up_to]=1000",
        "tiers[0][unit_amount_decimal]=0",
        "tiers[1][up_to]=5000",
        "tiers[1][unit_amount_decimal]=0.08",
        "tiers[2][up_to]=inf",
        "tiers[2][unit_amount_decimal]=0.05",
        "expand[0]=tiers",
    ];
    let body = [&common[..], &own].concat();
    assert_request(&plan, &made[1], "POST /prices", &body);
}

#[test]
fn a_meter_is_made_with_everything_that_never_changes() {
    let plan = with_usage();
    let create = CatalogueStep::CreateMeter(plan.usage[0].meter.clone());
    assert_request(
        &plan,
        &create,
        "POST /billing/meters",
        &[
            "display_name=Storage",
            "event_name=storage",
            "event_time_window=day",
            "default_aggregation[formula]=last",
            "customer_mapping[event_payload_key]=stripe_customer_id",
            "customer_mapping[type]=by_id",
            "value_settings[event_payload_key]=value",
        ],
    );
    let rename = CatalogueStep::RenameMeter {
        meter: "mtr_1".into(),
        display_name: "Disk".into(),
    };
    assert_request(
        &plan,
        &rename,
        "POST /billing/meters/mtr_1",
        &["display_name=Disk"],
    );
    let wake = CatalogueStep::ReactivateMeter("mtr_1".into());
    assert_request(&plan, &wake, "POST /billing/meters/mtr_1/reactivate", &[]);
    let outside = CatalogueStep::ReactivateMeter("mtr_1/../x".into());
    assert!(for_catalogue_step(&outside, &plan).is_err());
}

#[test]
fn two_plans_that_make_one_meter_make_one_request_and_all_else_is_their_own() {
    let plan = with_usage();
    let other = DesiredPlan {
        name: "other".into(),
        ..plan.clone()
    };
    let key = |step: &CatalogueStep, plan: &DesiredPlan| {
        let request = for_catalogue_step(step, plan).unwrap();
        key_for_catalogue_step(step, &request, plan, 0)
    };
    let meter = CatalogueStep::CreateMeter(plan.usage[0].meter.clone());
    assert_eq!(key(&meter, &plan), key(&meter, &other));
    let archive = CatalogueStep::ArchivePrice("price_1".into());
    assert_ne!(key(&archive, &plan), key(&archive, &other));
    let activate = CatalogueStep::ActivatePrice("price_1".into());
    assert_ne!(key(&archive, &plan), key(&activate, &plan));
}
