//! What quantities cost: units, packages and tiers.

use crate::{
    fixtures::{Tenant, product},
    harness::{Sandbox, id},
};

const START: &str = "2026-01-01T00:00:00Z";

/// What the first invoice of so many units comes to.
async fn cost(sandbox: &Sandbox, terms: &str, quantity: i64) -> i64 {
    let product = product(sandbox).await;
    let form = format!("product={product}&currency=usd&recurring[interval]=month&{terms}");
    let price = id(&sandbox.post("/v1/prices", form).await);
    let tenant = Tenant::with_card(sandbox, START).await;
    tenant
        .subscribe(sandbox, &price, &format!("&items[0][quantity]={quantity}"))
        .await;
    let invoice = tenant.invoices(sandbox).await.swap_remove(0);
    assert_eq!(invoice["amount_paid"], invoice["total"]);
    invoice["total"].as_i64().expect("cents")
}

#[tokio::test]
async fn units_cost_their_price_each() {
    let sandbox = Sandbox::start();
    assert_eq!(cost(&sandbox, "unit_amount=250", 7).await, 1_750);
}

#[tokio::test]
async fn fractions_of_a_cent_are_rounded_once_at_the_end() {
    let sandbox = Sandbox::start();
    // 3 x 0.5 cents are 1.5, and 1000 x 0.055 cents are 55.
    assert_eq!(cost(&sandbox, "unit_amount_decimal=0.5", 3).await, 2);
    assert_eq!(cost(&sandbox, "unit_amount_decimal=0.055", 1_000).await, 55);
}

#[tokio::test]
async fn a_package_that_is_begun_is_paid_or_not_as_the_price_says() {
    let sandbox = Sandbox::start();
    let package = "unit_amount=500&transform_quantity[divide_by]=10&transform_quantity[round]";
    assert_eq!(cost(&sandbox, &format!("{package}=up"), 11).await, 1_000);
    assert_eq!(cost(&sandbox, &format!("{package}=down"), 19).await, 500);
}

const TIERS: &str = "billing_scheme=tiered&tiers[0][up_to]=5&tiers[0][unit_amount]=100\
                     &tiers[1][up_to]=10&tiers[1][unit_amount]=80&tiers[1][flat_amount]=50\
                     &tiers[2][up_to]=inf&tiers[2][unit_amount]=60";

#[tokio::test]
async fn graduated_tiers_are_climbed_one_by_one() {
    let sandbox = Sandbox::start();
    let terms = format!("{TIERS}&tiers_mode=graduated");
    for (quantity, expected) in [
        (5, 500),
        (6, 500 + 50 + 80),
        (10, 500 + 50 + 400),
        (12, 500 + 50 + 400 + 120),
    ] {
        assert_eq!(
            cost(&sandbox, &terms, quantity).await,
            expected,
            "{quantity} units"
        );
    }
}

#[tokio::test]
async fn a_volume_tier_is_for_all_units() {
    let sandbox = Sandbox::start();
    let terms = format!("{TIERS}&tiers_mode=volume");
    for (quantity, expected) in [(5, 500), (6, 50 + 480), (10, 50 + 800), (11, 660)] {
        assert_eq!(
            cost(&sandbox, &terms, quantity).await,
            expected,
            "{quantity} units"
        );
    }
}
