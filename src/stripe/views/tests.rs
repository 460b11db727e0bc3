use super::*;
use crate::api::Interval;
use crate::api::metadata;
use crate::converge::notice::{self, Channel};
use crate::converge::observed::Price;
use crate::converge::observed::{Subscription, SubscriptionStatus};
use crate::converge::trial::DeclaredTrial;

fn customer(json: &str) -> Found {
    miniserde::json::from_str::<CustomerView>(json)
        .unwrap()
        .into()
}

fn subscription(json: &str) -> Result<Subscription, Error> {
    miniserde::json::from_str::<SubscriptionView>(json)
        .unwrap()
        .try_into()
}

const SUBSCRIPTION: &str = r#"{"id":"sub_1","object":"subscription","customer":"cus_1","status":"dormant",
    "currency":"usd","cancel_at_period_end":false,"cancel_at":null,"start_date":100,"created":100,
    "trial_start":100,"trial_end":200,"schedule":{"id":"sub_sched_1","phases":[{"start_date":100,"end_date":200,"items":[{"price":"price_1","quantity":1}]}]},"test_clock":null,
    "metadata":{"tenantbilling_owner":"default","tenantbilling_tenant":"acme",
                "tenantbilling_trial":"14","tenantbilling_trial_reminder":"2027-01-31T00:00:00Z","tenantbilling_canceled_by":"manifest","theirs":"x"},
    "items":{"object":"list","has_more":false,"data":[{"id":"si_1","quantity":1,
      "current_period_start":100,"current_period_end":200,
      "price":{"id":"price_1","product":"prod_1","currency":"usd","active":true,"unit_amount":9900,
               "lookup_key":"tenantbilling/pro/1","metadata":{"tenantbilling_owner":"default","tenantbilling_plan":"pro"},
               "recurring":{"interval":"month","interval_count":1,"usage_type":"licensed"}}}]}}"#;

#[test]
fn metadata_keys_are_those_of_the_contract() {
    let text = |key: &str| format!(r#"{{"{key}":"x"}}"#);
    let read = |key| miniserde::json::from_str::<MetadataView>(&text(key)).unwrap();
    assert!(read(metadata::OWNER).owner.is_some());
    assert!(read(metadata::TENANT).tenant.is_some());
    assert!(read(metadata::PLAN).plan.is_some());
    assert!(read(metadata::TRIAL).trial.is_some());
    assert!(read(metadata::CANCELED_BY).canceled_by.is_some());
}

#[test]
fn the_mark_of_every_kind_of_notice_is_read() {
    for kind in NoticeKind::ALL {
        // What concerns all tenants is on no object.
        let is_carried = kind != NoticeKind::EnforcementHeld;
        let text = format!(r#"{{"{}":"of:7 mail:sent@5"}}"#, notice::key(kind));
        let view = miniserde::json::from_str::<MetadataView>(&text).unwrap();
        let marks = view.notices();
        assert_eq!(marks.of(kind, "7").is_over(Channel::Mail), is_carried);
        assert_eq!(marks == Marks::default(), !is_carried);
    }
}

#[test]
fn a_deleted_customer_is_only_an_id() {
    let found = customer(r#"{"id":"cus_1","object":"customer","deleted":true}"#);
    assert_eq!(found, Found::Deleted("cus_1".into()));
}

#[test]
fn what_is_charged_is_the_invoice_default_and_else_the_source() {
    for (json, method) in [
        (
            r#""invoice_settings":{"default_payment_method":"pm_1"},"default_source":"card_1""#,
            Some("pm_1"),
        ),
        (
            r#""invoice_settings":{"default_payment_method":{"id":"pm_2"}}"#,
            Some("pm_2"),
        ),
        (
            r#""invoice_settings":{"default_payment_method":null},"default_source":"card_1""#,
            Some("card_1"),
        ),
        (
            r#""invoice_settings":{"default_payment_method":null},"default_source":null"#,
            None,
        ),
    ] {
        let Found::Present(read) = customer(&format!(r#"{{"id":"cus_1",{json}}}"#)) else {
            panic!("deleted");
        };
        assert_eq!(read.default_payment_method.as_deref(), method, "{json}");
    }
}

#[test]
fn emptied_fields_and_half_an_identity_count_as_absent() {
    let found = customer(
        r#"{"id":"cus_1","name":"","address":{"line1":"","city":null},"currency":null,
            "metadata":{"tenantbilling_owner":"default","tenantbilling_tenant":""}}"#,
    );
    let expected = crate::converge::observed::Customer {
        id: "cus_1".into(),
        ..Default::default()
    };
    assert_eq!(found, Found::Present(expected));
}

#[test]
fn a_subscription_is_read_whatever_its_status_is_called() {
    let read = subscription(SUBSCRIPTION).unwrap();
    assert_eq!(read.status, SubscriptionStatus::Other("dormant".into()));
    assert_eq!(read.key.unwrap().tenant, "acme");
    assert_eq!(read.declared_trial, Some(DeclaredTrial::Days(14)));
    assert_eq!(read.reminded_of, "2027-01-31T00:00:00Z".parse().ok());
    assert!(read.canceled_by_manifest);
    assert_eq!(read.schedule.unwrap().id, "sub_sched_1");
    assert_eq!(read.trial_end.unwrap().as_second(), 200);
    let item = &read.items[0];
    assert_eq!(item.period_end.as_second(), 200);
    assert_eq!(item.price.interval, Some(Interval::Month));
    assert_eq!(item.price.plan.as_deref(), Some("pro"));
    assert!(!item.price.metered);
}

#[test]
fn an_object_that_lacks_something_decisive_is_named() {
    let without_price = SUBSCRIPTION.replace("\"price\":{", "\"cost\":{");
    let error = subscription(&without_price).unwrap_err();
    assert_eq!(error.class, Class::Unreadable);
    assert_eq!(error.message, "si_1 has no price");
}

#[test]
fn the_object_that_spoils_a_page_is_found() {
    let page = format!(
        r#"{{"object":"list","data":[{SUBSCRIPTION},{{"id":"sub_2","object":"subscription","created":"yesterday"}}]}}"#
    );
    assert!(miniserde::json::from_str::<ListView<SubscriptionView>>(&page).is_err());
    assert_eq!(name_of_unreadable(&page).as_deref(), Some("sub_2"));
    assert_eq!(name_of_unreadable("<html>"), None);
}

#[test]
fn a_one_time_price_and_a_fractional_amount_are_read_as_such() {
    let price: Price = miniserde::json::from_str::<PriceView>(
        r#"{"id":"price_1","product":{"id":"prod_1"},"currency":"usd","active":false,"unit_amount":null,"recurring":null}"#,
    )
    .unwrap()
    .try_into()
    .unwrap();
    assert_eq!(
        (price.unit_amount, price.interval, price.active),
        (None, None, false)
    );
    assert_eq!(price.product, "prod_1");
}
