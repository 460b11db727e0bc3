//! The status of both kinds: pure functions of everything known.

mod change;
mod dispute;
mod dunning;
mod payment;
mod plan;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use self::change::{recorded_quote, with_change};
pub use self::dunning::{Judged, level_before};
pub use self::payment::with_setup;
pub use self::plan::{PlanLook, PlanSeen, PriceUse, Subscribers, plan, sold};
use super::conditions::{Conditions, Outcome, Truth};
use super::desired::Desired;
use super::observed::{Account, Customer, Observed, Subscription, SubscriptionStatus};
use super::payment::SetupLink;
use super::plan::{ChangeUnderWay, Difference, Recorded, RecordedTerms};
use super::steps::SCHEDULE;
use super::terms::Terms;
use crate::api::{
    ConditionType, Drift, DriftClass, LastEvent, PendingCreate, Period, Phase, PlanLimits,
    StripeStatus, TenantBillingStatus, reason,
};

/// How long a difference that was put right stays in the status.
const REVERTED_SHOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The newest differences win.
const MOST_DRIFT: usize = 32;

/// Everything one look at a tenant found.
#[derive(Debug)]
pub struct Look<'a> {
    /// Generation of the manifest.
    pub generation: i64,
    /// The tenant's identity.
    pub tenant_id: &'a str,
    /// When it was.
    pub now: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What Stripe holds, when that was seen.
    pub seen: Option<Seen<'a>>,
    /// What the mirror shows, when the manifest could not be read far enough for more.
    pub glimpse: Option<Glimpse<'a>>,
    /// The value of the reconcile-requested-at annotation.
    pub requested_at: Option<String>,
    /// The event in Stripe that led to the look, if one did.
    pub event: Option<LastEvent>,
}

/// What the mirror shows of a tenant whose manifest cannot be acted on. It takes nothing from anybody, but
/// who has paid meanwhile gets access back.
#[derive(Debug)]
pub struct Glimpse<'a> {
    /// What is in Stripe.
    pub observed: &'a Observed,
    /// Now, by the clock that the tenant lives on, or later.
    pub now: Timestamp,
    /// What may be used on the plan that is sold, by level, if that is known.
    pub limits: &'a PlanLimits,
}

/// What a look saw in Stripe.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Where.
    pub account: &'a Account,
    /// What should be, when the manifest could be read that far.
    pub desired: Option<&'a Desired>,
    /// What is, after the steps.
    pub observed: &'a Observed,
    /// Now, by the clock that the tenant lives on.
    pub now: Timestamp,
    /// Differences put right in this look.
    pub reverted: Vec<Difference>,
    /// Differences that stand.
    pub reported: Vec<Difference>,
    /// What the subscription sells, when that is what it should sell now.
    pub agreed: Option<&'a Terms>,
    /// The change that is under way.
    pub change: Option<&'a ChangeUnderWay>,
    /// The change that was made in this look.
    pub made: Option<&'a ChangeUnderWay>,
    /// The page on which the customer is asked for a payment method.
    pub setup: Option<&'a SetupLink>,
    /// What may be used on the plan that is sold, by level.
    pub limits: &'a PlanLimits,
    /// Whether access may be taken.
    pub enforcement: Enforcement,
}

/// Whether access may be taken from a tenant at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// It may.
    #[default]
    Free,
    /// It may not, and why, and what to do.
    Held(String),
}

impl<'a> Seen<'a> {
    fn judged(&self) -> Judged<'a> {
        Judged {
            observed: self.observed,
            desired: self.desired,
            now: self.now,
        }
    }
}

/// The facts an earlier look recorded, as the planner wants them.
pub fn recorded(status: &TenantBillingStatus) -> Recorded {
    let stripe = status.stripe.as_ref();
    let terms = stripe.and_then(|stripe| {
        Some(RecordedTerms {
            plan: status.plan.clone()?,
            base: stripe.price_id.clone()?,
            usage: stripe.usage_price_ids.clone(),
            quantity: stripe.quantity.unwrap_or(1),
        })
    });
    let pending = stripe.and_then(|stripe| stripe.pending_create.as_ref());
    Recorded {
        subscription_id: stripe.and_then(|s| s.subscription_id.clone()),
        terms,
        schedule_begun: pending.is_some_and(|pending| pending.object == SCHEDULE),
        applied_digest: stripe.and_then(|s| s.applied_digest.clone()),
        setup: status.payment.as_ref().and_then(SetupLink::recorded),
    }
}

/// The status to record before something is created: the account is pinned, and the intent noted.
pub fn with_intent(
    previous: &TenantBillingStatus,
    tenant_id: &str,
    account: &Account,
    object: &str,
    now: Timestamp,
) -> TenantBillingStatus {
    let mut status = previous.clone();
    status.tenant_id = Some(tenant_id.to_owned());
    let stripe = status.stripe.get_or_insert_default();
    stripe.account_id = account.id.to_string();
    stripe.livemode = account.livemode;
    // The first intent's time is the one to search from: an attempt after it may be the one whose
    // answer was lost.
    let since = stripe
        .pending_create
        .take()
        .filter(|pending| pending.object == object)
        .map_or_else(|| Time(now), |pending| pending.since);
    stripe.pending_create = Some(PendingCreate {
        object: object.to_owned(),
        since,
    });
    status
}

/// The status of a tenant after a look.
pub fn tenant(previous: &TenantBillingStatus, look: &Look<'_>) -> TenantBillingStatus {
    let mut status = previous.clone();
    status.observed_generation = look.generation;
    status.tenant_id = Some(look.tenant_id.to_owned());
    if look.requested_at.is_some() {
        status
            .last_handled_reconcile_at
            .clone_from(&look.requested_at);
    }
    status.last_event = LastEvent::newest(status.last_event.take(), look.event.clone());
    status.phase.get_or_insert(Phase::Pending);
    let mut conditions = Conditions::after(&previous.conditions, look.generation, look.now);
    conditions.set_outcome(&look.outcome);
    match &look.seen {
        None => {
            for kind in [
                ConditionType::PaymentMethodReady,
                ConditionType::PaymentCurrent,
                ConditionType::Disputed,
                ConditionType::EnforcementHeld,
                ConditionType::Drifted,
            ] {
                conditions.keep(kind);
            }
            if let Some(glimpse) = &look.glimpse {
                dunning::relieve(&mut status, glimpse, look.now);
            }
        }
        Some(seen) => {
            let reached = matches!(look.outcome, Outcome::Reached(_));
            record(&mut status, seen, reached);
            if is_awaiting_method(&look.outcome) && status.phase == Some(Phase::AwaitingPayment) {
                status.phase = Some(Phase::AwaitingPaymentMethod);
            }
            status.plan_change = change::status(previous.plan_change.as_ref(), seen, look.now);
            status.drift = drift(&previous.drift, seen, look.now);
            payment::record(&mut status, seen);
            dunning::record(&mut status, seen, look.now);
            dunning::condition(&mut conditions, seen);
            payment::conditions(&mut conditions, seen, &status);
            dispute::record(&mut status, seen.observed.disputes.as_ref());
            dispute::condition(&mut conditions, seen);
            drift_condition(&mut conditions, &status.drift);
        }
    }
    status.conditions = conditions.finish();
    status
}

/// The tenant's subscription: the recorded or live one, else the one that ended last.
fn subscription_of<'a>(
    observed: &'a Observed,
    recorded_id: Option<&String>,
) -> Option<&'a Subscription> {
    let rank = |s: &Subscription| (s.status.is_live(), Some(&s.id) == recorded_id, s.created);
    observed
        .subscriptions
        .iter()
        .filter(|s| s.key.is_some() || Some(&s.id) == recorded_id)
        .max_by_key(|s| rank(s))
}

fn record(status: &mut TenantBillingStatus, seen: &Seen<'_>, reached: bool) {
    let customer = seen.observed.customers.first();
    let previous = status.stripe.take().unwrap_or_default();
    let subscription = subscription_of(seen.observed, previous.subscription_id.as_ref());
    status.phase = Some(phase(customer, subscription));
    status.trial_ends_at = subscription
        .filter(|s| s.status == SubscriptionStatus::Trialing)
        .and_then(|s| s.trial_end)
        .map(Time);
    status.current_period = subscription
        .filter(|s| s.status.is_live())
        .and_then(|s| s.items.first())
        .map(|item| Period {
            start: Time(item.period_start),
            end: Time(item.period_end),
        });
    let mut stripe = StripeStatus {
        account_id: seen.account.id.to_string(),
        livemode: seen.account.livemode,
        customer_id: customer.map(|c| c.id.clone()),
        subscription_id: subscription.map(|s| s.id.clone()),
        subscription_status: subscription.map(|s| s.status.as_str().to_owned()),
        test_clock: customer.and_then(|c| c.test_clock.clone()),
        ..previous
    };
    // A customer that was deleted stays recorded while that holds the tenant up; forgetting it
    // would make a new one without anybody having asked for it.
    if let Some(deleted) = &seen.observed.deleted_customer
        && customer.is_none()
        && !reached
    {
        stripe.customer_id = Some(deleted.clone());
    }
    if customer.is_some() {
        let done = match stripe
            .pending_create
            .as_ref()
            .map(|pending| pending.object.as_str())
        {
            Some("Customer") => true,
            // Until it carries the tenant's metadata, only the intent tells whose it is.
            Some(SCHEDULE) => subscription
                .and_then(|s| s.schedule.as_ref())
                .is_some_and(|schedule| schedule.key.is_some()),
            Some(_) => subscription.is_some_and(|s| s.status.is_live()),
            None => false,
        };
        stripe.pending_create = stripe.pending_create.filter(|_| !done && !reached);
    }
    if let Some(desired) = seen.desired.filter(|_| reached) {
        stripe.applied_digest = Some(desired.digest());
        let agreed = seen.agreed;
        status.plan = agreed.and_then(|terms| terms.plan.clone());
        stripe.price_id = agreed.map(|terms| terms.base.id.clone());
        stripe.usage_price_ids = agreed
            .iter()
            .flat_map(|terms| terms.usage.iter().map(|price| price.id.clone()))
            .collect();
        stripe.quantity = agreed.map(|terms| terms.quantity);
    }
    status.stripe = Some(stripe);
}

fn is_awaiting_method(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Reconciling { reason, .. } if *reason == reason::PAYMENT_METHOD_MISSING)
}

fn phase(customer: Option<&Customer>, subscription: Option<&Subscription>) -> Phase {
    let Some(subscription) = subscription else {
        return if customer.is_some() {
            Phase::AwaitingPayment
        } else {
            Phase::Pending
        };
    };
    let ending = subscription.is_ending();
    match &subscription.status {
        SubscriptionStatus::Trialing | SubscriptionStatus::Active if ending => Phase::Canceling,
        SubscriptionStatus::Trialing => Phase::Trialing,
        SubscriptionStatus::Active | SubscriptionStatus::Other(_) => Phase::Active,
        SubscriptionStatus::Incomplete => Phase::AwaitingPayment,
        SubscriptionStatus::PastDue => Phase::PastDue,
        SubscriptionStatus::Unpaid => Phase::Unpaid,
        SubscriptionStatus::Paused => Phase::Paused,
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => Phase::Canceled,
    }
}

fn drift(previous: &[Drift], seen: &Seen<'_>, now: Timestamp) -> Vec<Drift> {
    let fresh = seen
        .reverted
        .iter()
        .chain(&seen.reported)
        .map(|difference| Drift {
            field: difference.field.clone(),
            desired: shown(&difference.desired),
            observed: shown(&difference.observed),
            class: difference.class,
            since: previous
                .iter()
                .find(|old| {
                    old.class == DriftClass::Reported
                        && difference.class == DriftClass::Reported
                        && old.field == difference.field
                        && old.observed == shown(&difference.observed)
                })
                .map_or(Time(now), |old| old.since.clone()),
        });
    let still_shown = previous.iter().filter(|old| {
        old.class == DriftClass::Reverted
            && now.duration_since(old.since.0).unsigned_abs() < REVERTED_SHOWN_FOR
    });
    let mut list: Vec<Drift> = fresh.chain(still_shown.cloned()).collect();
    list.truncate(MOST_DRIFT);
    list
}

/// A value for people. Also, old API servers take an empty string for a missing one.
fn shown(value: &str) -> String {
    if value.is_empty() {
        "(none)".to_owned()
    } else {
        value.to_owned()
    }
}

fn drift_condition(conditions: &mut Conditions<'_>, drift: &[Drift]) {
    let of = |class: DriftClass| drift.iter().filter(move |d| d.class == class);
    let list = |class: DriftClass| {
        let each = of(class).map(|d| {
            format!(
                "{} is \"{}\", the manifest says \"{}\"",
                d.field, d.observed, d.desired
            )
        });
        each.collect::<Vec<_>>().join("; ")
    };
    let (truth, reason, message) = if of(DriftClass::Reported).next().is_some() {
        let message = format!("left as it is: {}", list(DriftClass::Reported));
        (Truth::True, reason::DRIFT_REPORTED, message)
    } else if let Some(latest) = of(DriftClass::Reverted).next() {
        let message = format!(
            "{} was \"{}\" in Stripe and was set back to \"{}\"",
            latest.field, latest.observed, latest.desired
        );
        (Truth::False, reason::DRIFT_REVERTED, message)
    } else {
        (
            Truth::False,
            reason::NO_DRIFT,
            "Stripe is as it was left".to_owned(),
        )
    };
    conditions.set(ConditionType::Drifted, truth, reason, &message);
}
