//! Products and prices.

use serde_json::json;

use crate::{
    fixtures::{Tenant, monthly, product},
    harness::{Sandbox, data, id, ids},
};

#[tokio::test]
async fn a_product_takes_an_id_of_ones_own_once() {
    let sandbox = Sandbox::start();
    assert_eq!(
        id(&sandbox.post("/v1/products", "id=plan_team&name=Team").await),
        "plan_team"
    );
    let error = sandbox
        .post("/v1/products", "id=plan_team&name=Other")
        .refused(400)
        .await;
    assert_eq!(error["code"], "resource_already_exists");
    assert_eq!(sandbox.get("/v1/products/plan_team").await["name"], "Team");
}

#[tokio::test]
async fn a_product_is_not_deleted_while_it_has_prices() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    let path = format!("/v1/products/{product}");
    sandbox
        .post(
            "/v1/prices",
            format!("product={product}&currency=usd&unit_amount=1"),
        )
        .await;
    assert_eq!(
        sandbox.delete(&path).refused(400).await["type"],
        "invalid_request_error"
    );
    assert_eq!(sandbox.get(&path).await["active"], true);
}

#[tokio::test]
async fn a_product_without_prices_is_deleted() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    let path = format!("/v1/products/{product}");
    let tombstone = json!({"id": product, "object": "product", "deleted": true});
    assert_eq!(sandbox.delete(&path).await, tombstone);
    assert_eq!(
        sandbox.get(&path).refused(404).await["code"],
        "resource_missing"
    );
}

#[tokio::test]
async fn a_product_is_archived_and_changed_in_place() {
    let sandbox = Sandbox::start();
    let path = format!("/v1/products/{}", product(&sandbox).await);
    let changed = sandbox
        .post(&path, "active=false&name=Renamed&metadata[k]=v")
        .await;
    assert_eq!(changed["active"], false);
    assert_eq!(changed["name"], "Renamed");
    assert_eq!(changed["metadata"], json!({"k": "v"}));
    assert_eq!(
        data(&sandbox.get("/v1/products?active=true").await).len(),
        0
    );
    assert_eq!(
        data(&sandbox.get("/v1/products?active=false").await).len(),
        1
    );
}

#[tokio::test]
async fn products_are_listed_by_id() {
    let sandbox = Sandbox::start();
    for product in ["plan_a", "plan_b", "plan_c"] {
        sandbox
            .post("/v1/products", format!("id={product}&name=x"))
            .await;
    }
    let listed = sandbox.get("/v1/products?ids[]=plan_a&ids[]=plan_c").await;
    assert_eq!(ids(&listed), ["plan_c", "plan_a"]);
}

#[tokio::test]
async fn a_price_shows_its_amount_in_both_ways_and_its_interval() {
    let sandbox = Sandbox::start();
    let price = monthly(&sandbox, 1_234).await;
    let price = sandbox.get(format!("/v1/prices/{price}")).await;
    assert_eq!(price["unit_amount"], 1_234);
    assert_eq!(price["unit_amount_decimal"], "1234");
    assert_eq!(price["type"], "recurring");
    assert_eq!(price["billing_scheme"], "per_unit");
    assert_eq!(price["recurring"]["interval"], "month");
    assert_eq!(price["recurring"]["interval_count"], 1);
    assert_eq!(price["recurring"]["usage_type"], "licensed");
}

#[tokio::test]
async fn the_amount_of_a_price_never_changes() {
    let sandbox = Sandbox::start();
    let path = format!("/v1/prices/{}", monthly(&sandbox, 1_000).await);
    let error = sandbox
        .post(&path, "unit_amount=2000")
        .wrong()
        .refused(400)
        .await;
    assert_eq!(error["code"], "parameter_unknown");
    assert_eq!(error["param"], "unit_amount");
    assert_eq!(sandbox.get(&path).await["unit_amount"], 1_000);
}

#[tokio::test]
async fn a_price_needs_an_amount_and_a_product_that_exists() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    sandbox
        .post("/v1/prices", format!("product={product}&currency=usd"))
        .refused(400)
        .await;
    let error = sandbox
        .post(
            "/v1/prices",
            "product=prod_never&currency=usd&unit_amount=1",
        )
        .refused(400)
        .await;
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], "product");
}

#[tokio::test]
async fn a_lookup_key_belongs_to_one_price_until_it_is_transferred() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    let form = format!("product={product}&currency=usd&unit_amount=1&lookup_key=team");
    let first = id(&sandbox.post("/v1/prices", &form).await);
    sandbox.post("/v1/prices", &form).refused(400).await;
    let second = id(&sandbox
        .post("/v1/prices", format!("{form}&transfer_lookup_key=true"))
        .await);
    assert_eq!(
        sandbox.get(format!("/v1/prices/{first}")).await["lookup_key"],
        json!(null)
    );
    let found = sandbox.get("/v1/prices?lookup_keys[]=team").await;
    assert_eq!(ids(&found), [second]);
}

#[tokio::test]
async fn prices_are_listed_by_product_and_the_archived_ones_on_request() {
    let sandbox = Sandbox::start();
    let [a, b] = [monthly(&sandbox, 1).await, monthly(&sandbox, 2).await];
    let product = sandbox.get(format!("/v1/prices/{a}")).await["product"]
        .as_str()
        .expect("an id")
        .to_owned();
    let listed = sandbox.get(format!("/v1/prices?product={product}")).await;
    assert_eq!(ids(&listed), [a.as_str()]);
    sandbox
        .post(format!("/v1/prices/{a}"), "active=false")
        .await;
    let active = sandbox.get("/v1/prices?active=true").await;
    assert_eq!(ids(&active), [b]);
    let archived = sandbox.get("/v1/prices?active=false").await;
    assert_eq!(ids(&archived), [a]);
}

#[tokio::test]
async fn the_tiers_of_a_price_show_only_when_expanded() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    let form = format!(
        "product={product}&currency=usd&recurring[interval]=month&billing_scheme=tiered&tiers_mode=graduated\
         &tiers[0][up_to]=10&tiers[0][unit_amount]=100&tiers[1][up_to]=inf&tiers[1][unit_amount]=50"
    );
    let price = sandbox.post("/v1/prices", form).await;
    assert_eq!(price["billing_scheme"], "tiered");
    assert_eq!(price["unit_amount"], json!(null));
    assert_eq!(price.get("tiers"), None);
    let price = sandbox
        .get(format!("/v1/prices/{}?expand[]=tiers", id(&price)))
        .await;
    let bounds: Vec<_> = price["tiers"]
        .as_array()
        .expect("tiers")
        .iter()
        .map(|tier| &tier["up_to"])
        .collect();
    assert_eq!(bounds, [&json!(10), &json!(null)]);
}

#[tokio::test]
async fn an_archived_price_is_not_sold_but_still_renews() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let price = monthly(&sandbox, 1_000).await;
    let subscribed = tenant.subscribe(&sandbox, &price, "").await;
    sandbox
        .post(format!("/v1/prices/{price}"), "active=false")
        .await;
    let form = format!("customer={}&items[0][price]={price}", tenant.customer);
    sandbox.post("/v1/subscriptions", form).refused(400).await;
    let (_, end) = crate::fixtures::period(&subscribed);
    sandbox
        .advance(&tenant.clock, end + crate::fixtures::DAY)
        .await;
    assert_eq!(tenant.invoices(&sandbox).await[0]["status"], "paid");
}
