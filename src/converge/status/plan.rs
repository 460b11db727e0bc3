//! The status of a `BillingPlan`.

use jiff::Timestamp;

use crate::api::{BillingPlanStatus, PlanPrice};
use crate::converge::catalogue::DesiredPlan;
use crate::converge::conditions::{Conditions, Outcome};
use crate::converge::money;
use crate::converge::observed::{Account, Price};

/// The status of a plan after a look.
pub fn plan(
    previous: &BillingPlanStatus,
    generation: i64,
    outcome: &Outcome,
    seen: Option<(&Account, &DesiredPlan, Option<&Price>)>,
    now: Timestamp,
) -> BillingPlanStatus {
    let mut status = previous.clone();
    status.observed_generation = generation;
    if let Some((account, desired, price)) = seen {
        status.account_id = Some(account.id.to_string());
        status.livemode = Some(account.livemode);
        status.product_id = price.map(|price| price.product.clone());
        status.price = price.map(|price| PlanPrice {
            id: price.id.clone(),
            lookup_key: desired.lookup_key(),
            amount: price
                .unit_amount
                .map(|amount| money::format(amount, &price.currency))
                .unwrap_or_default(),
            interval: price.interval.unwrap_or_default(),
        });
    }
    let mut conditions = Conditions::after(&previous.conditions, generation, now);
    conditions.set_outcome(outcome);
    status.conditions = conditions.finish();
    status
}
