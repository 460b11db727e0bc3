use super::*;
use crate::api::{BillingPlanSpec, Existing, Interval, TaxBehavior};
use crate::converge::catalogue::{self, Rates};
use crate::converge::observed::Price;

fn price(id: &str, minor: i64) -> CataloguePrice {
    CataloguePrice {
        price: Price {
            id: id.into(),
            product: "prod_1".into(),
            lookup_key: Some(format!("key_{id}")),
            currency: "usd".into(),
            interval: Some(Interval::Month),
            interval_count: 1,
            active: true,
            component: Some(Component::Base),
            ..Price::default()
        },
        rates: Some(Rates::PerUnit(minor.into())),
        tax: TaxBehavior::Unspecified,
        created: Timestamp::UNIX_EPOCH,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The status after a look that saw these prices.
fn after(
    previous: &BillingPlanStatus,
    sold: &[CataloguePrice],
    older: &[CataloguePrice],
    subscribers: Option<&Subscribers>,
    second: i64,
) -> BillingPlanStatus {
    let spec: BillingPlanSpec = serde_json::from_value(serde_json::json!({
        "currency": "usd", "base": {"amount": "1.00"}, "rollout": {"existing": "Now", "perHour": 7},
    }))
    .unwrap();
    let desired = catalogue::desired("default", "pro", &spec).unwrap();
    let account = Account {
        id: "acct_1".into(),
        livemode: false,
    };
    let plan_ = CataloguePlan {
        steps: Vec::new(),
        hold: None,
        sold: sold.to_vec(),
        older: older.to_vec(),
    };
    let outcome = Outcome::Reached("fine".into());
    let look = PlanLook {
        generation: 1,
        outcome: &outcome,
        seen: Some(PlanSeen {
            account: &account,
            desired: &desired,
            observed: &ObservedPlan::default(),
            plan: &plan_,
            subscribers,
        }),
        now: at(second),
    };
    plan(previous, &look)
}

fn counted(prices: &[(&str, i64, i64)]) -> Subscribers {
    let mut subscribers = Subscribers {
        all: 9,
        on_older: 5,
        scheduled: 2,
        ..Subscribers::default()
    };
    for (id, live, leaving) in prices {
        let used = PriceUse {
            component: Component::Base,
            live: *live,
            leaving: *leaving,
        };
        subscribers.prices.insert((*id).to_owned(), used);
    }
    subscribers
}

#[test]
fn counts_are_shown_and_kept_while_nothing_is_known_of_them() {
    let subscribers = counted(&[("new", 4, 0), ("old", 3, 2), ("archived", 2, 0)]);
    let (new, old) = ([price("new", 10_900)], [price("old", 9900)]);
    let status = after(
        &BillingPlanStatus::default(),
        &new,
        &old,
        Some(&subscribers),
        5,
    );
    assert_eq!(status.prices[0].amount, "109.00 usd/month");
    assert_eq!(status.prices[0].subscribers, Some(4));
    let shown: Vec<_> = status
        .older_prices
        .iter()
        .map(|p| (p.id.as_str(), p.subscribers, p.scheduled_away, p.since.0))
        .collect();
    assert_eq!(shown, [("old", 3, 2, at(5)), ("archived", 2, 0, at(5))]);
    assert_eq!(
        (status.subscribers, status.older_price_count),
        (Some(9), Some(2))
    );
    let rollout = status.rollout.clone().unwrap();
    assert_eq!(
        (rollout.existing, rollout.per_hour),
        (Existing::Now, Some(7))
    );
    assert_eq!((rollout.on_older_prices, rollout.scheduled), (5, 2));

    let blind = after(&status, &new, &old, None, 6);
    assert_eq!(blind, status, "nothing is known, so nothing changes");
    let later = after(&status, &new, &old, Some(&subscribers), 7);
    assert_eq!(later.older_prices, status.older_prices, "since when stays");
}

#[test]
fn what_was_sold_last_stays_recorded_while_nothing_can_be_sold() {
    let status = after(
        &BillingPlanStatus::default(),
        &[price("p", 9900)],
        &[],
        None,
        1,
    );
    let unsold = after(&status, &[], &[], None, 2);
    assert_eq!(sold(&unsold), ["p"]);
    assert_eq!(unsold.price.unwrap().amount, "99.00");
    let before_components = BillingPlanStatus {
        prices: Vec::new(),
        ..status
    };
    assert_eq!(sold(&before_components), ["p"]);
}

#[test]
fn only_so_many_older_prices_are_shown_and_all_are_counted() {
    let older: Vec<CataloguePrice> = (0..30).map(|n| price(&format!("old_{n}"), n)).collect();
    let subscribers = counted(&[]);
    let none = BillingPlanStatus::default();
    let status = after(&none, &[price("p", 9900)], &older, Some(&subscribers), 1);
    assert_eq!(
        (status.older_prices.len(), status.older_price_count),
        (20, Some(30))
    );
}
