//! A payment method that has to be on file: finding it, asking for it, and how invoices are paid.
//!
//! A customer who leaves a card on Stripe's page has it attached, not made the default; only the
//! default is charged. So while one is missing, what is attached is asked for (one request), made
//! the default if there is something, and otherwise the customer gets a page to leave one.

use super::{Ask, Attached, Case, Hold, Plan, guards};
use crate::api::{PaymentRequirement, reason};
use crate::converge::desired::Desired;
use crate::converge::observed::{Customer, Subscription, SubscriptionStatus};
use crate::converge::payment::CollectionMethod;
use crate::converge::steps::{Change, Step};

/// What Stripe would charge: the subscription's own payment method, else the customer's default.
pub(super) fn method<'a>(
    customer: Option<&'a Customer>,
    subscription: Option<&'a Subscription>,
) -> Option<&'a str> {
    let own = subscription.and_then(|subscription| subscription.default_payment_method.as_deref());
    own.or_else(|| customer?.default_payment_method.as_deref())
}

/// Whether a payment method has to be there before a subscription begins, or before its trial is
/// ended. A free plan needs none, unless the manifest asks for one in any case.
pub(super) fn is_needed_to_begin(desired: &Desired, trial_ahead: TrialAhead) -> bool {
    match desired.payment.requirement {
        PaymentRequirement::BeforeTrial => true,
        PaymentRequirement::NotRequired => false,
        PaymentRequirement::BeforeTrialEnd => {
            trial_ahead == TrialAhead::No
                && is_charged_automatically(desired)
                && desired.offer.base.unit_amount != Some(0)
        }
    }
}

/// Whether a trial comes before the first charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrialAhead {
    Yes,
    No,
}

fn is_charged_automatically(desired: &Desired) -> bool {
    desired.payment.collection() == CollectionMethod::Automatic
}

/// Holds for want of a payment method, and does what can be done about that.
pub(super) fn await_method(plan: &mut Plan, case: Case<'_>, what_waits: &str) {
    ask_for_method(plan, case);
    let who = case.customer().map_or("the customer", |c| c.id.as_str());
    let link = if case.desired.payment.return_url.is_some() {
        "give the customer the page in status.payment.setupUrl"
    } else {
        "there is no page for the customer to leave one, because neither spec.payment.returnUrl nor \
         --payment-return-url says where to go afterwards"
    };
    plan.hold = Some(Hold::waiting(
        reason::PAYMENT_METHOD_MISSING,
        format!("{who} has no payment method; {what_waits} by itself once there is one; {link}"),
    ));
}

/// Finds a payment method that was left, or has a page made on which to leave one.
fn ask_for_method(plan: &mut Plan, case: Case<'_>) {
    // The step that makes the customer comes first.
    let Some(customer) = case.customer() else {
        return;
    };
    match &case.situation.attached {
        None => plan.ask = Some(Ask::PaymentMethods(customer.id.clone())),
        Some(Attached::Latest(method)) => plan.steps.push(Step::SetDefaultPaymentMethod {
            customer: customer.id.clone(),
            payment_method: method.clone(),
        }),
        Some(Attached::Nothing) => offer_page(plan, case, customer),
    }
}

/// The page that was made, as long as it is good; else another one.
fn offer_page(plan: &mut Plan, case: Case<'_>, customer: &Customer) {
    let made = case.recorded.setup.as_ref();
    if let Some(good) = made.filter(|made| case.situation.wall < made.expires_at) {
        plan.look_at(good.expires_at);
        plan.setup = Some(good.clone());
        return;
    }
    if let Some(return_url) = &case.desired.payment.return_url {
        plan.steps.push(Step::CreateSetupSession {
            customer: customer.id.clone(),
            currency: case.desired.offer.base.currency.clone(),
            return_url: return_url.clone(),
            basis: made.map_or_else(String::new, |made| made.session.clone()),
        });
    }
}

/// Asks for a payment method while a trial runs, from the reminder on: before that it is not urgent,
/// and asking takes requests.
pub(super) fn before_trial_end(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let Some(end) = subscription.trial_end else {
        return;
    };
    let desired = case.desired;
    let wanted = desired.payment.requirement != PaymentRequirement::NotRequired
        && is_charged_automatically(desired)
        && method(case.customer(), Some(subscription)).is_none()
        && !subscription.is_ending();
    if subscription.status != SubscriptionStatus::Trialing || !wanted {
        return;
    }
    let from = desired.trial_ending.asks_from(end);
    if case.situation.now < from {
        plan.look_at(from);
    } else {
        ask_for_method(plan, case);
    }
}

/// Brings the way in which invoices are paid in line.
pub(super) fn converge_collection(
    plan: &mut Plan,
    desired: &Desired,
    subscription: &Subscription,
) -> Option<Hold> {
    let wanted = desired.payment.collection?;
    if wanted == subscription.collection {
        return None;
    }
    let blocked = guards::schedule(&desired.key, subscription);
    if blocked.is_none() {
        plan.steps.push(Step::SetCollection {
            subscription: subscription.id.clone(),
            collection: wanted,
            changes: vec![Change::new(
                "subscription.collection",
                &subscription.collection.to_string(),
                &wanted.to_string(),
            )],
        });
    }
    blocked
}
