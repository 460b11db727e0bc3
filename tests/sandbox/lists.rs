//! Lists page by page, and what `expand` adds to an answer.

use serde_json::Value;

use crate::{
    fixtures::{Tenant, monthly},
    harness::{Sandbox, data, id, text},
};

async fn customers(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let mut customers = Vec::new();
    for n in 0..count {
        customers.insert(
            0,
            id(&sandbox.post("/v1/customers", format!("name={n}")).await),
        );
    }
    customers
}

async fn page(sandbox: &Sandbox, target: &str) -> (Vec<String>, bool) {
    let list = sandbox.get(target).await;
    assert_eq!(list["url"], "/v1/customers");
    (
        data(&list).iter().map(id).collect(),
        list["has_more"] == true,
    )
}

#[tokio::test]
async fn a_list_is_newest_first_ten_at_a_time() {
    let sandbox = Sandbox::start();
    let customers = customers(&sandbox, 12).await;
    assert_eq!(
        page(&sandbox, "/v1/customers").await,
        (customers[..10].to_vec(), true)
    );
    assert_eq!(
        page(&sandbox, "/v1/customers?limit=12").await,
        (customers, false)
    );
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let sandbox = Sandbox::start();
    let customers = customers(&sandbox, 5).await;
    let mut seen = Vec::new();
    let mut target = "/v1/customers?limit=2".to_owned();
    loop {
        let (ids, more) = page(&sandbox, &target).await;
        seen.extend(ids);
        if !more {
            break;
        }
        target = format!(
            "/v1/customers?limit=2&starting_after={}",
            seen.last().expect("an element")
        );
    }
    assert_eq!(seen, customers);
}

#[tokio::test]
async fn ending_before_goes_back_to_the_page_before() {
    let sandbox = Sandbox::start();
    let customers = customers(&sandbox, 5).await;
    let before = format!("/v1/customers?limit=2&ending_before={}", customers[3]);
    assert_eq!(
        page(&sandbox, &before).await,
        (customers[1..3].to_vec(), true)
    );
    let before = format!("/v1/customers?limit=2&ending_before={}", customers[1]);
    assert_eq!(
        page(&sandbox, &before).await,
        (customers[..1].to_vec(), false)
    );
}

#[tokio::test]
async fn what_is_created_meanwhile_does_not_move_the_pages() {
    let sandbox = Sandbox::start();
    let before = customers(&sandbox, 4).await;
    let (first, _) = page(&sandbox, "/v1/customers?limit=2").await;
    customers(&sandbox, 3).await;
    let next = format!("/v1/customers?limit=2&starting_after={}", first[1]);
    assert_eq!(page(&sandbox, &next).await, (before[2..].to_vec(), false));
}

#[tokio::test]
async fn a_limit_is_from_1_to_100() {
    let sandbox = Sandbox::start();
    for limit in ["0", "101"] {
        let error = sandbox
            .get(format!("/v1/customers?limit={limit}"))
            .refused(400)
            .await;
        assert_eq!(error["param"], "limit");
    }
    sandbox.get("/v1/customers?limit=100").await;
}

#[tokio::test]
async fn a_cursor_must_exist_and_there_is_one_at_most() {
    let sandbox = Sandbox::start();
    let error = sandbox
        .get("/v1/customers?starting_after=cus_never")
        .refused(400)
        .await;
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], "starting_after");
    let customers = customers(&sandbox, 2).await;
    let both = format!(
        "/v1/customers?starting_after={}&ending_before={}",
        customers[0], customers[1]
    );
    sandbox.get(both).refused(400).await;
}

#[tokio::test]
async fn an_expanded_field_is_the_object_in_place_of_its_id() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    let subscribed = tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    assert_eq!(subscribed["customer"], tenant.customer);
    let path = format!("/v1/subscriptions/{}", id(&subscribed));
    let expand =
        "expand[]=customer&expand[]=latest_invoice.payments&expand[]=items.data.price.product";
    let expanded = sandbox.get(format!("{path}?{expand}")).await;
    assert_eq!(expanded["customer"]["id"], tenant.customer);
    assert_eq!(
        expanded["latest_invoice"]["id"],
        subscribed["latest_invoice"]
    );
    assert_eq!(data(&expanded["latest_invoice"]["payments"]).len(), 1);
    assert_eq!(
        expanded["items"]["data"][0]["price"]["product"]["object"],
        "product"
    );
}

#[tokio::test]
async fn a_list_expands_the_fields_of_its_elements() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, "2026-01-01T00:00:00Z").await;
    tenant
        .subscribe(&sandbox, &monthly(&sandbox, 1_000).await, "")
        .await;
    let target = format!(
        "/v1/subscriptions?customer={}&expand[]=data.latest_invoice",
        tenant.customer
    );
    let list = sandbox.get(target).await;
    assert_eq!(data(&list)[0]["latest_invoice"]["object"], "invoice");
}

#[tokio::test]
async fn an_answer_to_a_write_is_expanded_too() {
    let sandbox = Sandbox::start();
    let product = text(&sandbox.post("/v1/products", "name=Plan").await["id"]);
    let form = format!("product={product}&currency=usd&unit_amount=1&expand[]=product");
    assert_eq!(
        sandbox.post("/v1/prices", form).await["product"]["name"],
        "Plan"
    );
}

#[tokio::test]
async fn what_cannot_be_expanded_is_refused() {
    let sandbox = Sandbox::start();
    let customer = id(&sandbox.post("/v1/customers", "name=A").await);
    for field in ["nothing", "email", "a.b.c.d.e"] {
        let error = sandbox
            .get(format!("/v1/customers/{customer}?expand[]={field}"))
            .refused(400)
            .await;
        assert_eq!(error["type"], "invalid_request_error", "{field}");
    }
}

#[tokio::test]
async fn lists_are_bounded_by_time() {
    let sandbox = Sandbox::start();
    let created = sandbox.post("/v1/customers", "name=A").await["created"].clone();
    let count =
        async |query: String| data(&sandbox.get(format!("/v1/customers?{query}")).await).len();
    assert_eq!(count(format!("created={created}")).await, 1);
    assert_eq!(
        count(format!("created[gte]={created}&created[lte]={created}")).await,
        1
    );
    assert_eq!(count(format!("created[gt]={created}")).await, 0);
    assert_ne!(created, Value::Null);
}
