//! Taxes: whether Stripe computes them, and what to do while it cannot place the customer.

use super::Hold;
use super::Plan;
use crate::api::{IfNoLocation, TaxPolicy, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{Customer, Subscription, TaxLocation};
use crate::converge::steps::{Change, Step};

/// What a tenant's policy comes to, given where its customer is.
enum Verdict {
    Enable,
    Disable,
    LeaveAlone,
    Block(Hold),
}

fn judge(policy: Option<&TaxPolicy>, customer: Option<&Customer>) -> Verdict {
    let Some(policy) = policy else {
        return Verdict::LeaveAlone;
    };
    if !policy.automatic {
        return Verdict::Disable;
    }
    let location = customer.and_then(|customer| customer.tax_location.as_ref());
    match (location, policy.if_no_location) {
        (Some(TaxLocation::Known), _) => Verdict::Enable,
        // One that is being taxed already goes on: Stripe itself stops when it has to.
        (_, IfNoLocation::Skip) => Verdict::LeaveAlone,
        (unknown, IfNoLocation::Block) => Verdict::Block(no_location(customer, unknown)),
    }
}

/// Whether a new subscription is taxed; otherwise what stands in the way. Nothing does when the
/// customer is yet to be made: where Stripe places it is seen then.
pub(super) fn for_newcomer(
    desired: &Desired,
    customer: Option<&Customer>,
) -> Result<bool, Option<Hold>> {
    match judge(desired.tax.as_ref(), customer) {
        Verdict::Enable => Ok(true),
        Verdict::Disable | Verdict::LeaveAlone => Ok(false),
        Verdict::Block(_) if customer.is_none() => Err(None),
        Verdict::Block(hold) => Err(Some(hold)),
    }
}

/// Brings the tax setting of a running subscription in line; gives what stands in the way.
pub(super) fn converge(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
) -> Option<Hold> {
    let enabled = match judge(desired.tax.as_ref(), customer) {
        Verdict::Block(hold) => return Some(hold),
        Verdict::LeaveAlone => return None,
        Verdict::Enable => true,
        Verdict::Disable => false,
    };
    if subscription.automatic_tax != enabled {
        plan.steps.push(Step::SetAutomaticTax {
            subscription: subscription.id.clone(),
            enabled,
            changes: vec![Change::new(
                "subscription.automaticTax",
                &subscription.automatic_tax.to_string(),
                &enabled.to_string(),
            )],
        });
    }
    None
}

fn no_location(customer: Option<&Customer>, location: Option<&TaxLocation>) -> Hold {
    let who = customer.map_or("the customer", |customer| customer.id.as_str());
    let word = match location {
        Some(TaxLocation::Unknown(word)) => format!(" ({word})"),
        _ => String::new(),
    };
    Hold::stalled(
        reason::TAX_LOCATION_UNKNOWN,
        format!(
            "Stripe Tax cannot place {who}{word}; give spec.customer.address with country and postal \
             code, or set spec.tax.ifNoLocation to Skip to go on without taxes"
        ),
    )
}
