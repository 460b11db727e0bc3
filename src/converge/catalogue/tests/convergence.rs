//! From any state, with a crash after any step, a plan converges.

use proptest::prelude::*;

use super::*;
use crate::converge::desired::digest;

fn any_plan() -> impl Strategy<Value = DesiredPlan> {
    let usage = prop::collection::vec((0_i64..3, prop::option::of(1_i64..9), any::<bool>()), 0..4);
    let tax = prop::sample::select(vec![TaxBehavior::Unspecified, TaxBehavior::Inclusive]);
    ("[A-Z][a-z]{1,5}", 80_i64..120, usage, tax).prop_map(|(name, amount, usage, tax)| {
        let usage: Vec<serde_json::Value> = usage
            .into_iter()
            .enumerate()
            .map(|(n, (included, tier, named))| {
                let mut entry = json!({"meter": format!("m{n}"), "included": included * 100});
                match tier {
                    Some(cents) => {
                        entry["tiers"] = json!([
                            {"upTo": 1000, "amount": format!("0.{cents}0"), "per": 10},
                            {"amount": "0.10"},
                        ]);
                    }
                    None => entry["overage"] = json!({"amount": "0.50", "per": 100}),
                }
                if named {
                    entry["displayName"] = json!("Named");
                }
                entry
            })
            .collect();
        let mut plan = plan_of(json!({
            "displayName": name, "currency": "usd", "base": {"amount": format!("{amount}.00")},
            "usage": usage,
        }));
        plan.tax = tax;
        plan
    })
}

/// Approves whatever is held.
fn approving(
    desired: &DesiredPlan,
    observed: &ObservedPlan,
    mut around: Circumstances,
) -> Circumstances {
    if let Some(hold) = plan(desired, observed, &around).hold {
        let terms = hold.message.split("approve-prices=").nth(1).unwrap();
        around.approved = terms.split_whitespace().next().map(str::to_owned);
    }
    around
}

proptest! {
    #[test]
    fn ids_and_keys_fit_stripe_whatever_the_plan_is_called(
        name in "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        meter in "[a-zA-Z0-9_.-]{1,100}",
    ) {
        let plan = DesiredPlan { name, ..pro() };
        prop_assert!(plan.lookup_key().len() <= 200);
        let rates = Rates::PerUnit(1.into());
        let key = plan.usage_lookup_key(&meter, "mtr_1", &rates, crate::api::Interval::Month);
        prop_assert!(key.len() <= 200);
        prop_assert!(plan.product_id().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }

    #[test]
    fn from_any_former_terms_a_plan_converges_and_a_crash_after_any_step_does_no_harm(
        former in any_plan(),
        wanted in any_plan(),
        disturbed in prop::collection::vec(any::<bool>(), 8),
        crash_after in 0_usize..12,
        archived in any::<bool>(),
    ) {
        let mut observed = converged(&former);
        for (price, off) in observed.prices.iter_mut().zip(&disturbed) {
            price.price.active &= !off;
        }
        for (meter, off) in observed.meters.iter_mut().zip(&disturbed) {
            meter.active &= !off;
        }
        if archived {
            observed.product.as_mut().unwrap().active = false;
        }
        let around = approving(&wanted, &observed, archiving());
        for _ in 0..crash_after {
            let Some(step) = plan(&wanted, &observed, &around).steps.first().cloned() else { break };
            apply(&wanted, &mut observed, &step);
        }
        // After the crash the operator knows no more than Stripe and the manifest tell.
        let around = approving(&wanted, &observed, archiving());
        let result = converge(&wanted, &mut observed, &around);
        prop_assert_eq!(&result.hold, &None);
        prop_assert_eq!(result.sold.len(), 1 + wanted.usage.len());
        prop_assert_eq!(result.older, vec![]);
        let active = observed.prices.iter().filter(|price| price.price.active).count();
        prop_assert_eq!(active, result.sold.len());
        let keys: BTreeSet<_> = observed.prices.iter().map(|p| p.price.lookup_key.clone()).collect();
        prop_assert_eq!(keys.len(), observed.prices.len(), "no terms have two prices");
    }

    #[test]
    fn digests_of_rates_tell_rates_apart(a in 0_i64..50, b in 0_i64..50, x in 0_i64..9, y in 0_i64..9) {
        let rates = |included: i64, unit: i64| Rates::beyond(included, unit.into());
        let name = |rates: &Rates| digest(&[&rates.canonical()]);
        prop_assert_eq!(name(&rates(a, x)) == name(&rates(b, y)), rates(a, x) == rates(b, y));
    }
}
