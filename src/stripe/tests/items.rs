use crate::stripe::scripted::{Received, Reply, Scripted, account, page};

fn item(id: &str, price: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"subscription_item","quantity":1,"current_period_start":1,"current_period_end":2,
        "price":{{"id":"{price}","product":"prod_1","currency":"usd","active":true}}}}"#
    )
}

fn answer(request: &Received) -> Reply {
    if request.is("GET", "/v1/account") {
        return account();
    }
    if request.is("GET", "/v1/subscription_items") {
        assert!(request.target.contains("subscription=sub_1"));
        return if request.target.contains("starting_after=si_1") {
            page(&[item("si_2", "price_2")], true)
        } else {
            assert!(request.target.contains("starting_after=si_2"));
            page(&[item("si_3", "price_3")], false)
        };
    }
    let first = item("si_1", "price_1");
    let subscription = format!(
        r#"{{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active","currency":"usd",
        "cancel_at_period_end":false,"start_date":1,"created":1,"metadata":{{}},
        "items":{{"has_more":true,"data":[{first}]}}}}"#
    );
    if request.is("GET", "/v1/subscriptions") {
        page(&[subscription], false)
    } else {
        Reply::Json(200, subscription)
    }
}

/// A price that is overlooked would be added a second time.
#[tokio::test]
async fn all_items_of_a_subscription_are_read() {
    let stripe = Scripted::start(answer);
    let session = stripe.client().session().await.unwrap();
    let one = session.subscription("sub_1").await.unwrap().unwrap();
    let listed = session.list_subscriptions(None, None).await.unwrap();
    for subscription in [&one, &listed.items[0]] {
        let ids: Vec<&str> = subscription
            .items
            .iter()
            .map(|item| item.id.as_str())
            .collect();
        assert_eq!(ids, ["si_1", "si_2", "si_3"]);
    }
}
