//! The steps from what is in Stripe for a tenant to what should be.
//!
//! | live own subscriptions | `Active`                                   | `CancelAtPeriodEnd` | `Canceled` |
//! |------------------------|--------------------------------------------|---------------------|------------|
//! | none, never had one    | subscribe                                  | nothing             | nothing    |
//! | none, manifest ended it| subscribe again, without a trial           | nothing             | nothing    |
//! | none, ended in Stripe  | respect and report (`CanceledInStripe`)    | acknowledge         | acknowledge|
//! | one                    | converge price and trial; undo a manifest's cancellation, report the customer's | cancel at period end | cancel now |
//! | two or more            | touch none of them (`DuplicateSubscriptions`) | same             | same       |
//!
//! Acknowledging marks an ended subscription as ended by the manifest, so that setting
//! `lifecycle: Active` afterwards is a clear wish to subscribe again.

mod aim;
mod cancellation;
mod change;
mod collect;
mod customer;
mod guards;
mod hold;
mod payment;
mod running;
mod schedule;
mod situation;
mod subscribe;
mod tax;
#[cfg(test)]
mod tests;
mod trial;

use jiff::Timestamp;

use self::cancellation::{cancel_at_period_end, cancel_now};
pub use self::situation::{Attached, Recorded, RecordedTerms, Situation, Turn};
use super::desired::Desired;
use super::observed::{Customer, Observed, Subscription, TenantKey};
use super::payment::SetupLink;
use super::quote::{Quote, QuoteRequest};
use super::steps::Step;
use super::terms::Terms;
use crate::api::{DeletionPolicy, DriftClass, Lifecycle, PlanChangeState, reason};

/// What has to be found out before a plan can be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What a change would charge.
    Quote(QuoteRequest),
    /// Whether it is the tenant's turn in the rollout.
    Turn,
    /// What payment methods this customer (`cus_…`) has.
    PaymentMethods(String),
}

/// A change that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeUnderWay {
    /// What is sold now.
    pub from: Terms,
    /// What will be.
    pub to: Terms,
    /// How far it is.
    pub state: PlanChangeState,
    /// When it takes effect, when that is known.
    pub effective_at: Option<Timestamp>,
    /// The schedule that makes it.
    pub schedule: Option<String>,
    /// What it charges.
    pub quote: Option<Quote>,
}

/// What to do about a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Why, after the steps, the desired state is still not reached.
    pub hold: Option<Hold>,
    /// Differences that stand because they are somebody else's decision.
    pub reported: Vec<Difference>,
    /// What has to be found out before there can be more steps.
    pub ask: Option<Ask>,
    /// The change that is under way.
    pub change: Option<ChangeUnderWay>,
    /// What the subscription sells, when that is what it should sell now.
    pub agreed: Option<Terms>,
    /// The page on which the customer is asked for a payment method.
    pub setup: Option<SetupLink>,
    /// When there will be something to do even if nothing happens until then.
    pub look_at: Option<Timestamp>,
}

impl Plan {
    /// Asks for a look at a time, unless there is one before it.
    fn look_at(&mut self, at: Timestamp) {
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }
}

/// A reason why the desired state cannot be reached by the operator alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// One of [`crate::api::reason`].
    pub reason: &'static str,
    /// What is the case, and what to do.
    pub message: String,
    /// Who moves next.
    pub kind: HoldKind,
}

/// Who has to move next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldKind {
    /// The person who writes manifests, or one at the Dashboard: `Stalled`.
    Stalled,
    /// The customer, in the ordinary course of things: `Reconciling`.
    Waiting,
}

impl Hold {
    /// A hold that a person has to resolve.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            kind: HoldKind::Stalled,
        }
    }

    /// A hold that the customer resolves.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            kind: HoldKind::Waiting,
        }
    }
}

/// A difference between Stripe and the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub field: String,
    /// What the manifest asks for.
    pub desired: String,
    /// What is in Stripe.
    pub observed: String,
    /// What is done about it.
    pub class: DriftClass,
}

/// Everything that the planning of a tenant depends on.
#[derive(Clone, Copy)]
struct Case<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    recorded: &'a Recorded,
    situation: &'a Situation,
}

impl<'a> Case<'a> {
    /// The tenant's customer, once there is one.
    fn customer(&self) -> Option<&'a Customer> {
        self.observed.customers.first()
    }
}

/// Plans a tenant.
pub fn tenant(
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
    situation: &Situation,
) -> Plan {
    let mut plan = Plan::default();
    if let Some(hold) = identity_hold(observed, desired.lifecycle) {
        plan.hold = Some(hold);
        return plan;
    }
    let case = Case {
        desired,
        observed,
        recorded,
        situation,
    };
    match case.customer() {
        Some(customer) => plan
            .steps
            .extend(customer::update_customer(desired, customer)),
        None if desired.lifecycle == Lifecycle::Active => {
            plan.steps.push(Step::CreateCustomer {
                details: Box::new(desired.customer.clone()),
                test_clock: desired.test_clock.clone(),
            });
        }
        None => return plan,
    }
    let own = OwnSubscriptions::of(&desired.key, observed, recorded);
    match own.live.as_slice() {
        [] => subscribe::subscribe(&mut plan, case, &own),
        [one] => {
            running::converge(&mut plan, case, one);
            if plan
                .steps
                .iter()
                .any(|step| matches!(step, Step::CancelNow { .. }))
            {
                // One that ended after the live one was made would be the last once that is gone.
                let later =
                    |ended: &&Subscription| (ended.created, &ended.id) > (one.created, &one.id);
                plan.steps
                    .extend(own.unacknowledged().filter(later).map(acknowledge));
            }
        }
        several => plan.hold = Some(duplicates(several)),
    }
    plan
}

/// Plans what the deletion of a manifest asks for. Needs neither a valid spec nor a plan.
pub fn deletion(
    policy: DeletionPolicy,
    key: &TenantKey,
    observed: &Observed,
    recorded: &Recorded,
) -> Vec<Step> {
    let live = OwnSubscriptions::of(key, observed, recorded).live;
    live.into_iter()
        .map(|subscription| {
            let claimed = schedule::claimed(key, subscription, recorded);
            claimed.unwrap_or_else(|| subscription.clone())
        })
        .flat_map(|subscription| match policy {
            DeletionPolicy::Retain => Vec::new(),
            DeletionPolicy::CancelAtPeriodEnd => {
                schedule::released(key, &subscription, cancel_at_period_end(&subscription))
            }
            DeletionPolicy::CancelNow => {
                schedule::released(key, &subscription, cancel_now(&subscription))
            }
        })
        .collect()
}

/// The tenant's own subscriptions, and what else its customer has.
struct OwnSubscriptions<'a> {
    live: Vec<&'a Subscription>,
    last_ended: Option<&'a Subscription>,
    had_trial: bool,
    live_foreign: Option<&'a Subscription>,
}

impl<'a> OwnSubscriptions<'a> {
    fn of(key: &TenantKey, observed: &'a Observed, recorded: &Recorded) -> Self {
        // Metadata can be edited in the Dashboard. A subscription that the status records stays
        // the tenant's all the same: losing sight of it would bill the tenant twice.
        let (own, foreign): (Vec<_>, Vec<_>) = observed.subscriptions.iter().partition(|s| {
            s.key.as_ref() == Some(key) || Some(&s.id) == recorded.subscription_id.as_ref()
        });
        let (live, ended): (Vec<_>, Vec<_>) = own.into_iter().partition(|s| s.status.is_live());
        Self {
            had_trial: live.iter().chain(&ended).any(|s| s.trial_start.is_some()),
            last_ended: ended
                .into_iter()
                .max_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id))),
            live_foreign: foreign.into_iter().find(|s| s.status.is_live()),
            live,
        }
    }

    /// The one that ended last, unless the manifest ended it.
    fn unacknowledged(&self) -> Option<&'a Subscription> {
        self.last_ended.filter(|ended| !ended.canceled_by_manifest)
    }
}

fn acknowledge(ended: &Subscription) -> Step {
    Step::MarkCanceled {
        subscription: ended.id.clone(),
    }
}

fn identity_hold(observed: &Observed, lifecycle: Lifecycle) -> Option<Hold> {
    if let [first, second, ..] = observed.customers.as_slice() {
        return Some(Hold::stalled(
            reason::DUPLICATE_CUSTOMERS,
            format!(
                "{} and {} both carry this tenant's metadata; delete one in Stripe, or remove \
                 tenantbilling_tenant from its metadata",
                first.id, second.id
            ),
        ));
    }
    // With another lifecycle than Active there is nothing to be done for a deleted customer, and
    // having been there is what makes Active afterwards a wish for a new one.
    let deleted = observed
        .deleted_customer
        .as_ref()
        .filter(|_| lifecycle == Lifecycle::Active)?;
    observed.customers.is_empty().then(|| {
        Hold::stalled(
            reason::CUSTOMER_DELETED,
            format!(
                "the customer {deleted} was deleted in Stripe; to bill this tenant again set \
                 spec.lifecycle to Canceled, wait until that is observed, then set it to Active"
            ),
        )
    })
}

fn duplicates(live: &[&Subscription]) -> Hold {
    let ids: Vec<&str> = live.iter().map(|s| s.id.as_str()).collect();
    Hold::stalled(
        reason::DUPLICATE_SUBSCRIPTIONS,
        format!(
            "{} are live for this tenant; none of them is touched. Cancel all but one in Stripe",
            ids.join(", ")
        ),
    )
}
