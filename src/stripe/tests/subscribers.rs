//! Who subscribes to which price.

use crate::converge::observed::Component;
use crate::converge::status::PriceUse;
use crate::stripe::Mirror;
use crate::stripe::scripted::{Received, Scripted, account, page};

const ITEM: &str = r#"{"id":"si_1","current_period_start":1,"current_period_end":2,"price":{"id":"PRICE",
    "product":"prod_1","currency":"usd","active":true,"metadata":{"tenantbilling_owner":"OWNER",
    "tenantbilling_plan":"pro","tenantbilling_component":"COMPONENT"}}}"#;

fn item(price: &str, owner: &str, component: &str) -> String {
    ITEM.replace("PRICE", price)
        .replace("OWNER", owner)
        .replace("COMPONENT", component)
}

fn subscription(id: &str, status: &str, items: &[String], last_phase: Option<&str>) -> String {
    let phase = |start: i64, price: &str| {
        let end = start + 1;
        format!(r#"{{"start_date":{start},"end_date":{end},"items":[{{"price":"{price}"}}]}}"#)
    };
    let schedule = last_phase.map_or_else(
        || "null".to_owned(),
        |price| {
            let phases = [phase(1, "price_old"), phase(2, price)].join(",");
            format!(r#"{{"id":"sub_sched_1","phases":[{phases}]}}"#)
        },
    );
    format!(
        r#"{{"id":"{id}","object":"subscription","customer":"cus_1","status":"{status}","currency":"usd",
        "cancel_at_period_end":false,"start_date":1,"created":1,"schedule":{schedule},
        "metadata":{{"tenantbilling_owner":"default","tenantbilling_tenant":"{id}"}},
        "items":{{"data":[{}]}}}}"#,
        items.join(",")
    )
}

#[tokio::test]
async fn subscribers_are_counted_once_and_by_price_with_those_who_are_about_to_leave() {
    let base = |price: &str| item(price, "default", "base");
    let usage = item("price_usage", "default", "usage/queries");
    let all = vec![
        subscription("sub_1", "active", &[base("price_now"), usage.clone()], None),
        subscription("sub_2", "past_due", &[base("price_old"), usage], None),
        subscription("sub_3", "trialing", &[base("price_old")], Some("price_now")),
        subscription("sub_4", "active", &[base("price_old")], Some("price_old")),
        // Made by hand, but sold by the plan; back to an older price later.
        subscription(
            "sub_5",
            "active",
            &[item("price_theirs", "", "")],
            Some("price_older"),
        ),
        // Of no concern: ended, or another operator's.
        subscription("sub_6", "canceled", &[base("price_old")], None),
        subscription(
            "sub_7",
            "active",
            &[item("price_other", "other", "base")],
            None,
        ),
    ];
    let server =
        Scripted::start(
            move |request: &Received| match request.target.split('?').next() {
                Some("/v1/account") => account(),
                Some("/v1/subscriptions") => page(&all, false),
                _ => page(&[], false),
            },
        );
    let session = server.client().session().await.unwrap();
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();

    let sold = ["price_now", "price_usage", "price_theirs"];
    let seen = mirror.subscribers("pro", &sold, &["price_old", "price_older"]);
    assert_eq!((seen.all, seen.on_older, seen.scheduled), (5, 3, 1));
    let counts = |price: &str| seen.prices.get(price).map(|p| (p.live, p.leaving));
    assert_eq!(counts("price_now"), Some((1, 0)));
    assert_eq!(counts("price_old"), Some((3, 1)));
    assert_eq!(counts("price_theirs"), Some((1, 1)));
    assert_eq!(counts("price_other"), None);
    let usage = PriceUse {
        component: Component::Usage("queries".into()),
        live: 2,
        leaving: 0,
    };
    assert_eq!(seen.prices["price_usage"], usage);
    assert!(seen.in_use().contains("price_older"), "a schedule names it");
}
