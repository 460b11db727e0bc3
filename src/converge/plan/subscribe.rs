//! No live subscription: whether to make one.

use jiff::Timestamp;

use super::payment::{self, TrialAhead};
use super::trial::{if_no_payment_method, too_long};
use super::{Case, Hold, OwnSubscriptions, Plan, acknowledge, tax};
use crate::api::{Lifecycle, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{Customer, SubscriptionStatus};
use crate::converge::steps::{FirstPayment, NewSubscription, Step, TrialStart};
use crate::converge::trial::DeclaredTrial;

/// No live subscription: whether to make one.
pub(super) fn subscribe(plan: &mut Plan, case: Case<'_>, own: &OwnSubscriptions<'_>) {
    let (desired, customer) = (case.desired, case.customer());
    if desired.lifecycle != Lifecycle::Active {
        plan.steps.extend(own.unacknowledged().map(acknowledge));
        return;
    }
    if let Some(hold) = resubscription_hold(own, customer) {
        plan.hold = Some(hold);
        return;
    }
    let trial = match trial_start(desired, own, case.situation.now) {
        Ok(trial) => trial,
        Err(hold) => {
            plan.hold = Some(hold);
            return;
        }
    };
    let method = payment::method(customer, None);
    let ahead = if trial.is_some() {
        TrialAhead::Yes
    } else {
        TrialAhead::No
    };
    if method.is_none() && payment::is_needed_to_begin(desired, ahead) {
        let what = "the subscription begins";
        payment::await_method(plan, case, what);
        return;
    }
    let automatic_tax = match tax::for_newcomer(desired, customer) {
        Ok(automatic_tax) => automatic_tax,
        Err(blocked) => {
            plan.hold = blocked;
            return;
        }
    };
    let first_payment = if method.is_none() {
        FirstPayment::ByCustomer
    } else {
        FirstPayment::OnFile
    };
    plan.steps.push(Step::CreateSubscription {
        customer: customer.map(|c| c.id.clone()),
        new: Box::new(NewSubscription {
            plan: desired.plan.clone(),
            offer: desired.offer.clone(),
            quantity: desired.quantity,
            automatic_tax,
            trial,
            declared_trial: desired.trial.declared(),
            if_no_payment_method: if_no_payment_method(desired),
            collection: desired.payment.collection(),
            first_payment,
        }),
        // Another card, or another subscription that ended meanwhile, makes this another request.
        basis: format!(
            "{}/{}",
            own.last_ended.map_or("", |ended| ended.id.as_str()),
            method.unwrap_or_default()
        ),
    });
}

/// The trial that a subscription made now begins with.
fn trial_start(
    desired: &Desired,
    own: &OwnSubscriptions<'_>,
    now: Timestamp,
) -> Result<Option<TrialStart>, Hold> {
    match desired.trial.declared() {
        _ if own.had_trial => Ok(None),
        DeclaredTrial::Days(days) => Ok((days > 0).then_some(TrialStart::Days(days))),
        DeclaredTrial::Until(end) => match too_long(end, now) {
            Some(hold) => Err(hold),
            None => Ok((end > now).then_some(TrialStart::Until(end))),
        },
    }
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
