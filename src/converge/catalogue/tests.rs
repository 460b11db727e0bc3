//! What plans become, case by case, and that they converge from anywhere.

use super::*;
use proptest::prelude::*;

fn spec(json: serde_json::Value) -> BillingPlanSpec {
    serde_json::from_value(json).unwrap()
}

fn pro() -> DesiredPlan {
    desired("default", "pro", &spec(serde_json::json!({
        "displayName": "Pro", "currency": "usd", "base": {"amount": "99.00"}, "trial": {"days": 14},
    })))
    .unwrap()
}

fn price_of(plan: &DesiredPlan) -> Price {
    let DesiredPrice::Managed {
        unit_amount,
        interval,
    } = plan.base
    else {
        panic!()
    };
    Price {
        id: "price_1".into(),
        product: plan.product_id(),
        lookup_key: Some(plan.lookup_key()),
        currency: plan.currency.clone(),
        unit_amount: Some(unit_amount),
        interval: Some(interval),
        interval_count: 1,
        active: true,
        ..Price::default()
    }
}

/// What Stripe would hold after a step.
fn apply(plan: &DesiredPlan, observed: &mut ObservedPlan, step: &CatalogueStep) {
    match step {
        CatalogueStep::CreateProduct | CatalogueStep::UpdateProduct => {
            observed.product = Some(Product {
                id: plan.product_id(),
                name: plan.display_name.clone(),
                active: true,
            });
        }
        CatalogueStep::CreatePrice => observed.price = Some(price_of(plan)),
        CatalogueStep::ActivatePrice(_) => observed.price.as_mut().unwrap().active = true,
    }
}

#[test]
fn an_empty_account_gets_a_product_and_a_price() {
    let plan_ = plan(&pro(), &ObservedPlan::default());
    assert_eq!(
        plan_.steps,
        [CatalogueStep::CreateProduct, CatalogueStep::CreatePrice]
    );
    assert_eq!(plan_.hold, None);
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
    let renamed = DesiredPlan {
        display_name: "Professional".into(),
        ..pro.clone()
    };
    assert_ne!(pro.lookup_key(), dearer.lookup_key());
    assert_eq!(pro.lookup_key(), renamed.lookup_key());
}

#[test]
fn a_lookup_key_moved_by_hand_holds_the_plan() {
    let pro = pro();
    let moved = Price {
        id: "price_other".into(),
        unit_amount: Some(5000),
        ..price_of(&pro)
    };
    let result = plan(
        &pro,
        &ObservedPlan {
            product: None,
            price: Some(moved),
        },
    );
    assert_eq!(result.hold.unwrap().reason, reason::PRICE_MISMATCH);
}

#[test]
fn an_existing_price_must_fit_the_plan() {
    let existing = desired(
        "default",
        "pro",
        &spec(serde_json::json!({
            "currency": "usd", "base": {"lookupKey": "pro_monthly"},
        })),
    )
    .unwrap();
    let fits = Price {
        currency: "usd".into(),
        ..price_of(&pro())
    };
    let hold = |price: Option<Price>| {
        let result = plan(
            &existing,
            &ObservedPlan {
                product: None,
                price,
            },
        );
        assert!(
            result.steps.is_empty(),
            "nothing is made for a price that exists"
        );
        result.hold.map(|hold| (hold.reason, hold.message))
    };
    assert_eq!(hold(Some(fits.clone())), None);
    assert_eq!(hold(None).unwrap().0, reason::PRICE_NOT_FOUND);
    assert_eq!(
        hold(Some(Price {
            active: false,
            ..fits.clone()
        }))
        .unwrap()
        .0,
        reason::PRICE_NOT_FOUND
    );
    for (wrong, part) in [
        (
            Price {
                currency: "eur".into(),
                ..fits.clone()
            },
            "is in eur",
        ),
        (
            Price {
                metered: true,
                ..fits.clone()
            },
            "metered",
        ),
        (
            Price {
                interval: None,
                ..fits.clone()
            },
            "every month",
        ),
        (
            Price {
                interval_count: 3,
                ..fits
            },
            "every month",
        ),
    ] {
        let (reason, message) = hold(Some(wrong)).unwrap();
        assert_eq!(reason, reason::PRICE_MISMATCH);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn wrong_input_names_the_field() {
    for (json, field) in [
        (
            serde_json::json!({"currency": "usd", "base": {"amount": "99.001"}}),
            "spec.base.amount",
        ),
        (
            serde_json::json!({"currency": "jpy", "base": {"amount": "99.00"}}),
            "spec.base.amount",
        ),
        (
            serde_json::json!({"currency": "USD", "base": {"amount": "1"}}),
            "spec.currency",
        ),
        (
            serde_json::json!({"currency": "usd", "base": {}}),
            "spec.base",
        ),
        (
            serde_json::json!({"currency": "usd", "base": {"amount": "1", "lookupKey": "k"}}),
            "spec.base",
        ),
        (
            serde_json::json!({"currency": "usd", "base": {"interval": "Month", "lookupKey": "k"}}),
            "spec.base.interval",
        ),
        (
            serde_json::json!({"currency": "usd", "base": {"amount": "1"}, "trial": {"days": -1}}),
            "spec.trial.days",
        ),
        (
            serde_json::json!({"currency": "usd", "base": {"amount": "1"}, "displayName": ""}),
            "spec.displayName",
        ),
    ] {
        assert_eq!(
            desired("default", "p", &spec(json)).unwrap_err().field,
            field
        );
    }
}

proptest! {
    #[test]
    fn ids_fit_stripe_whatever_the_plan_is_called(name in "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?") {
        let plan = DesiredPlan { name, ..pro() };
        prop_assert!(plan.lookup_key().len() <= 200);
        prop_assert!(plan.product_id().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }

    #[test]
    fn from_any_state_the_plan_converges_and_a_crash_after_any_step_does_no_harm(
        product in prop::option::of(("[A-Z][a-z]{1,5}", any::<bool>())),
        price in prop::option::of(any::<bool>()),
        crash_after in 0_usize..3,
    ) {
        let desired = pro();
        let mut observed = ObservedPlan {
            product: product.map(|(name, active)| Product { id: desired.product_id(), name, active }),
            price: price.map(|active| Price { active, ..price_of(&desired) }),
        };
        for step in plan(&desired, &observed).steps.iter().take(crash_after) {
            apply(&desired, &mut observed, step);
        }
        for step in plan(&desired, &observed).steps {
            apply(&desired, &mut observed, &step);
        }
        prop_assert_eq!(plan(&desired, &observed), CataloguePlan { steps: vec![], hold: None });
    }
}
