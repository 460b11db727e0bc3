//! No live subscription: whether to make one.

use super::{Hold, OwnSubscriptions, Plan, acknowledge, tax};
use crate::api::{Lifecycle, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{Customer, SubscriptionStatus};
use crate::converge::steps::Step;

/// No live subscription: whether to make one.
pub(super) fn subscribe(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    own: &OwnSubscriptions<'_>,
) {
    if desired.lifecycle != Lifecycle::Active {
        plan.steps.extend(own.unacknowledged().map(acknowledge));
        return;
    }
    if let Some(hold) = resubscription_hold(own, customer) {
        plan.hold = Some(hold);
        return;
    }
    let trial_days = if own.had_trial {
        0
    } else {
        desired.trial.days()
    };
    let method = customer.and_then(|c| c.default_payment_method.clone());
    if trial_days == 0 && desired.offer.base.unit_amount != Some(0) && method.is_none() {
        plan.hold = Some(no_payment_method(customer));
        return;
    }
    let automatic_tax = match tax::for_newcomer(desired, customer) {
        Ok(automatic_tax) => automatic_tax,
        Err(blocked) => {
            plan.hold = blocked;
            return;
        }
    };
    plan.steps.push(Step::CreateSubscription {
        customer: customer.map(|c| c.id.clone()),
        plan: desired.plan.clone(),
        offer: Box::new(desired.offer.clone()),
        quantity: desired.quantity,
        automatic_tax,
        trial_days,
        declared_trial_days: desired.trial.days(),
        // Another card, or another subscription that ended meanwhile, makes this another request.
        basis: format!(
            "{}/{}",
            own.last_ended.map_or("", |ended| ended.id.as_str()),
            method.unwrap_or_default()
        ),
    });
}

fn resubscription_hold(own: &OwnSubscriptions<'_>, customer: Option<&Customer>) -> Option<Hold> {
    if let Some(foreign) = own.live_foreign {
        return Some(Hold::stalled(
            reason::FOREIGN_SUBSCRIPTION,
            format!(
                "the customer has the live subscription {}, which this operator did not make; \
                 subscribing as well would bill twice. Cancel it in Stripe, or hand it over by \
                 giving it this customer's tenantbilling_ metadata",
                foreign.id
            ),
        ));
    }
    // One that went with its deleted customer says nothing about the customer of now.
    let ended = own
        .unacknowledged()
        .filter(|ended| customer.is_some_and(|customer| customer.id == ended.customer))?;
    let again = "to subscribe again set spec.lifecycle to Canceled, wait until that is observed, \
                 then set it to Active";
    Some(if ended.status == SubscriptionStatus::IncompleteExpired {
        Hold::stalled(
            reason::SUBSCRIPTION_EXPIRED,
            format!(
                "the first payment of {} was not completed within 23 hours; have the customer \
                 correct the payment method, and {again}",
                ended.id
            ),
        )
    } else {
        Hold::stalled(
            reason::CANCELED_IN_STRIPE,
            format!(
                "{} was cancelled in Stripe, not by this manifest; {again}",
                ended.id
            ),
        )
    })
}

pub(super) fn no_payment_method(customer: Option<&Customer>) -> Hold {
    let who = customer.map_or("the customer", |c| c.id.as_str());
    Hold::waiting(
        reason::PAYMENT_METHOD_MISSING,
        format!(
            "{who} has no default payment method and there is no trial; the subscription begins \
             by itself once there is one"
        ),
    )
}
