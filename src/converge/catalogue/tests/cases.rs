//! Cases.

use super::*;
use crate::api::{Interval, reason};
use crate::converge::observed::Component;

type Edit = fn(&mut CataloguePrice);

pub(super) fn steps(desired: &DesiredPlan, observed: &ObservedPlan) -> Vec<String> {
    let result = plan(desired, observed, &circumstances());
    assert_eq!(result.hold, None);
    let steps = result.steps.iter();
    steps.map(|step| step.describe(desired)).collect()
}

pub(super) fn hold(desired: &DesiredPlan, observed: &ObservedPlan) -> (&'static str, String) {
    let result = plan(desired, observed, &circumstances());
    assert_eq!((result.steps, result.sold), (vec![], vec![]));
    let hold = result.hold.unwrap();
    (hold.reason, hold.message)
}

#[test]
fn an_empty_account_gets_a_product_and_a_price() {
    let steps = plan(&pro(), &ObservedPlan::default(), &circumstances()).steps;
    assert!(
        matches!(&steps[..], [CatalogueStep::CreateProduct, CatalogueStep::CreatePrice(price)]
            if price.component == Component::Base)
    );
}

#[test]
fn usage_gets_a_meter_and_then_a_price_for_it() {
    let desired = with_queries();
    let mut observed = ObservedPlan::default();
    let mut told = Vec::new();
    while let Some(step) = plan(&desired, &observed, &circumstances()).steps.first() {
        told.push(step.describe(&desired));
        apply(&desired, &mut observed, step);
    }
    let expected = [
        "+ create meter queries",
        "+ create meter storage",
        "+ create product tb_pro_",
        "+ create usage/storage price tenantbilling/pro/usage/storage/",
        "+ create usage/queries price tenantbilling/pro/usage/queries/",
        "+ create base price tenantbilling/pro/",
    ];
    assert_eq!(told.len(), expected.len());
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    let result = plan(&desired, &observed, &circumstances());
    let resolved = result.resolve(&desired).unwrap();
    assert_eq!(resolved.offer.base.component, Some(Component::Base));
    let usage = resolved.offer.usage;
    assert_eq!(usage[0].component, Some(Component::Usage("queries".into())));
    assert_eq!(usage[1].meter.as_deref(), Some("mtr_storage"));
    let words: Vec<String> = result.sold.iter().map(CataloguePrice::words).collect();
    assert_eq!(
        words,
        [
            "99.00 usd/month",
            "free up to 100000, then 0.80 usd per 1000 (each month)",
            "1.00 usd up to 10, then 0.50 usd (each month)",
        ]
    );
}

#[test]
fn other_terms_mean_another_lookup_key_and_a_new_name_does_not() {
    let pro = pro();
    let dearer = DesiredPlan {
        base: DesiredPrice::Managed {
            unit_amount: 10_900,
            interval: Interval::Month,
        },
        ..pro.clone()
    };
    let taxed = DesiredPlan {
        tax: TaxBehavior::Inclusive,
        ..pro.clone()
    };
    let renamed = DesiredPlan {
        display_name: "Professional".into(),
        ..with_queries()
    };
    assert_ne!(pro.lookup_key(), dearer.lookup_key());
    assert_ne!(pro.lookup_key(), taxed.lookup_key());
    assert_eq!(pro.lookup_key(), renamed.lookup_key());
    let key = |meter: &str, rates: &Rates| pro.usage_lookup_key("q", meter, rates, Interval::Month);
    let rates = |unit: i64| Rates::PerUnit(unit.into());
    assert_ne!(key("mtr_1", &rates(1)), key("mtr_1", &rates(2)));
    assert_ne!(key("mtr_1", &rates(1)), key("mtr_2", &rates(1)));
    assert_eq!(
        key("mtr_1", &Rates::PerUnit("1.00".parse().unwrap())),
        key("mtr_1", &rates(1))
    );
}

/// Keys of installations that exist must never change: their prices would be made again.
#[test]
fn the_keys_of_base_prices_are_what_they_always_were() {
    let key = pro().lookup_key();
    let terms = crate::converge::desired::digest(&["default", "pro", "usd", "9900", "month"]);
    assert_eq!(key, format!("tenantbilling/pro/{terms}"));
}

#[test]
fn a_lookup_key_moved_by_hand_holds_the_plan() {
    let edits: [fn(&mut CataloguePrice); 5] = [
        |p| p.rates = Some(Rates::PerUnit(1.into())),
        |p| p.price.currency = "eur".into(),
        |p| p.price.interval = Some(Interval::Year),
        |p| p.price.product = "prod_other".into(),
        |p| p.price.meter = Some("mtr_other".into()),
    ];
    let desired = with_queries();
    for edit in edits {
        for moved in 0..3 {
            let mut observed = converged(&desired);
            edit(&mut observed.prices[moved]);
            assert_eq!(hold(&desired, &observed).0, reason::PRICE_MISMATCH);
        }
    }
}

#[test]
fn a_tax_behaviour_set_by_hand_stands_unless_the_plan_says_another() {
    let mut observed = converged(&pro());
    observed.prices[0].tax = TaxBehavior::Exclusive;
    assert_eq!(steps(&pro(), &observed), Vec::<String>::new());
    let inclusive = DesiredPlan {
        tax: TaxBehavior::Inclusive,
        ..pro()
    };
    let mut observed = converged(&inclusive);
    observed.prices[0].tax = TaxBehavior::Exclusive;
    assert_eq!(hold(&inclusive, &observed).0, reason::PRICE_MISMATCH);
}

#[test]
fn an_existing_price_must_fit_the_plan() {
    let existing = plan_of(json!({"currency": "usd", "base": {"lookupKey": "k"}}));
    let with = |edit: fn(&mut CataloguePrice)| {
        let mut price = theirs("k");
        edit(&mut price);
        ObservedPlan {
            prices: vec![price],
            ..ObservedPlan::default()
        }
    };
    let fits = plan(&existing, &with(|_| {}), &circumstances());
    assert_eq!((fits.steps, fits.hold), (vec![], None));
    assert_eq!(fits.sold[0].price.component, Some(Component::Base));
    assert_eq!(
        hold(&existing, &ObservedPlan::default()).0,
        reason::PRICE_NOT_FOUND
    );
    let cases: [(Edit, &str, &str); 5] = [
        (
            |p| p.price.active = false,
            reason::PRICE_NOT_FOUND,
            "no active price",
        ),
        (
            |p| p.price.currency = "eur".into(),
            reason::PRICE_MISMATCH,
            "is in eur",
        ),
        (
            |p| p.price.metered = true,
            reason::PRICE_MISMATCH,
            "metered",
        ),
        (
            |p| p.price.interval = None,
            reason::PRICE_MISMATCH,
            "every month",
        ),
        (
            |p| p.price.interval_count = 3,
            reason::PRICE_MISMATCH,
            "every month",
        ),
    ];
    for (edit, wanted, part) in cases {
        let (reason, message) = hold(&existing, &with(edit));
        assert_eq!(reason, wanted);
        assert!(
            message.starts_with("spec.base.lookupKey: ") && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn an_existing_metered_price_must_be_for_the_meter_and_the_period() {
    let desired = plan_of(json!({
        "currency": "usd", "base": {"amount": "1.00"}, "usage": [{"meter": "queries", "lookupKey": "k"}],
    }));
    let mut fitting = theirs("k");
    fitting.price.metered = true;
    fitting.price.meter = Some("mtr_queries".into());
    let with = |edit: fn(&mut CataloguePrice)| {
        let mut observed = ObservedPlan::default();
        observed.put_meter(meter_of(&desired.usage[0].meter));
        let mut price = fitting.clone();
        edit(&mut price);
        observed.put_price(price);
        observed
    };
    let mut observed = with(|_| {});
    let offer = converge(&desired, &mut observed, &circumstances())
        .resolve(&desired)
        .unwrap()
        .offer;
    assert_eq!(
        offer.usage[0].component,
        Some(Component::Usage("queries".into()))
    );
    let cases: [(Edit, &str); 3] = [
        (|p| p.price.metered = false, "is not metered"),
        (
            |p| p.price.meter = Some("mtr_other".into()),
            "not for the meter \"queries\"",
        ),
        (|p| p.price.interval = Some(Interval::Year), "every month"),
    ];
    for (edit, part) in cases {
        let (reason, message) = hold(&desired, &with(edit));
        assert_eq!(reason, reason::PRICE_MISMATCH);
        assert!(
            message.starts_with("spec.usage[0].lookupKey: ") && message.contains(part),
            "{message}"
        );
    }
}

#[test]
fn older_prices_go_when_nobody_uses_them_and_come_back_with_their_terms() {
    let first = pro();
    let second = DesiredPlan {
        base: DesiredPrice::Managed {
            unit_amount: 10_900,
            interval: Interval::Month,
        },
        ..pro()
    };
    let mut observed = converged(&first);
    converge(&second, &mut observed, &circumstances());
    let result = plan(&second, &observed, &circumstances());
    assert_eq!(ids(&result.sold), ["price_2"]);
    assert_eq!(ids(&result.older), ["price_1"]);
    assert_eq!(result.steps, [], "it is not known who uses it");

    let used = Circumstances {
        archive: Archive::AllBut(["price_1".to_owned()].into()),
        ..circumstances()
    };
    assert_eq!(plan(&second, &observed, &used).steps, []);
    let result = plan(&second, &observed, &archiving());
    assert_eq!(
        result.steps,
        [CatalogueStep::ArchivePrice("price_1".into())]
    );
    converge(&second, &mut observed, &archiving());
    assert!(!observed.price("price_1").unwrap().price.active);

    let result = plan(&first, &observed, &circumstances());
    assert_eq!(
        result.steps,
        [CatalogueStep::ActivatePrice("price_1".into())]
    );
    let result = converge(&first, &mut observed, &archiving());
    assert_eq!(ids(&result.sold), ["price_1"]);
    assert_eq!(observed.prices.len(), 2, "no third price");
}

#[test]
fn prices_of_others_are_never_archived() {
    let mut observed = converged(&pro());
    let edits: [Edit; 3] = [
        |p| p.price.owner = Some("other".into()),
        |p| p.price.plan = None,
        |p| p.price.product = "prod_other".into(),
    ];
    for (serial, edit) in edits.into_iter().enumerate() {
        let mut price = observed.prices[0].clone();
        price.price.id = format!("price_other_{serial}");
        price.price.lookup_key = None;
        edit(&mut price);
        observed.put_price(price);
    }
    let result = plan(&pro(), &observed, &archiving());
    assert_eq!((result.steps, result.older), (vec![], vec![]));
}
