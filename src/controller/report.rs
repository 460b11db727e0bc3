//! What a look at a tenant came to: its status, and who has to be told.

mod after;

use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::apply::Converged;
use super::context::Context;
use super::error::Error;
use super::publish;
use super::tenant::Tenant;
use crate::api::{PlanChangeState, TenantBillingStatus, reason};
use crate::converge::conditions::Outcome;
use crate::converge::desired::Desired;
use crate::converge::news::{self, News, Tone};
use crate::converge::observed::Account;

/// What a look came to.
pub(super) struct Looked {
    pub(super) outcome: Outcome,
    pub(super) seen: Option<Box<(Account, Desired, Converged)>>,
}

impl Looked {
    /// Nothing was seen in Stripe.
    pub(super) fn blind(outcome: Outcome) -> Self {
        Self {
            outcome,
            seen: None,
        }
    }

    pub(super) fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self::blind(Outcome::Stalled {
            reason,
            message: message.into(),
        })
    }

    pub(super) fn reconciling(reason: &'static str, message: impl Into<String>) -> Self {
        Self::blind(Outcome::Reconciling {
            reason,
            message: message.into(),
        })
    }
}

/// Writes the status and says when to look again.
pub(super) async fn report(
    tenant: &Tenant,
    context: &Context,
    recorded: &TenantBillingStatus,
    looked: Looked,
) -> Result<Action, Error> {
    let Looked { outcome, seen } = looked;
    let due = seen.as_ref().and_then(|seen| due_in(tenant, &seen.2));
    let failing = matches!(&outcome, Outcome::Reconciling { reason, .. } if is_failure(reason));
    let status = match seen {
        Some(seen) => after::seen(tenant, context, recorded, outcome, *seen),
        None => after::blind(tenant, context, recorded, outcome),
    };
    tell(tenant, context, &status).await;
    let api = context.tenant_api(&tenant.namespace);
    let version = publish::status(&api, tenant.object.as_ref(), recorded, &status).await?;
    context.note_written(tenant.reference(), version);
    context.heard.told(tenant);
    if failing {
        return Ok(Action::requeue(context.backoff.failed(tenant.reference())));
    }
    context.backoff.succeeded(&tenant.reference());
    tell_plans(tenant, context, recorded, &status);
    let next_look = context.next_look();
    Ok(Action::requeue(
        due.map_or(next_look, |due| next_look.min(due)),
    ))
}

/// How long until there is something to do even if nothing happens: the tenant's turn in a rollout,
/// a reminder, the end of a page. On a test clock time passes by events.
fn due_in(tenant: &Tenant, converged: &Converged) -> Option<Duration> {
    let queued = converged.plan.change.as_ref();
    let turn = queued
        .filter(|change| change.state == PlanChangeState::Queued)
        .and_then(|change| change.effective_at);
    let look_at = converged.plan.look_at;
    let look_at = look_at.filter(|_| tenant.test_clock().is_none());
    let at = turn.into_iter().chain(look_at).min()?;
    // What is due by now is found out at the next look, not in a loop.
    let wait = Duration::try_from(at.duration_since(Timestamp::now()));
    Some(wait.unwrap_or_default().max(Duration::from_secs(1)))
}

/// Has the plans count their subscribers again when the tenant has moved.
fn tell_plans(
    tenant: &Tenant,
    context: &Context,
    before: &TenantBillingStatus,
    after: &TenantBillingStatus,
) {
    fn position(status: &TenantBillingStatus) -> impl PartialEq + use<> {
        let stripe = status.stripe.clone().unwrap_or_default();
        let change = status.plan_change.as_ref();
        (
            status.plan.clone(),
            (stripe.price_id, stripe.usage_price_ids),
            stripe.subscription_status,
            change.map(|change| (change.state, change.terms.clone())),
        )
    }
    if position(before) == position(after) {
        return;
    }
    let written = tenant.object.spec.as_valid().map(|spec| spec.plan.clone());
    let mut plans: Vec<String> = [before.plan.clone(), after.plan.clone(), written]
        .into_iter()
        .flatten()
        .collect();
    plans.sort_unstable();
    plans.dedup();
    let plans = plans.iter().map(|plan| ObjectRef::new(plan));
    context.triggers.plans(plans);
}

/// Reasons that a retry may resolve, as opposed to waiting for a customer or a plan.
fn is_failure(reason: &str) -> bool {
    [
        reason::STRIPE_UNAVAILABLE,
        reason::STRIPE_RATE_LIMITED,
        reason::STRIPE_UNAUTHORIZED,
        reason::PROGRESSING,
    ]
    .contains(&reason)
}

/// Tells what begins, and what is over.
async fn tell(tenant: &Tenant, context: &Context, status: &TenantBillingStatus) {
    let object = tenant.object.as_ref();
    for news in news::of(&tenant.status, status) {
        let News {
            tone,
            reason,
            message,
        } = news;
        let id = &tenant.key.tenant;
        match tone {
            Tone::Warning => {
                tracing::warn!(tenant = id, reason, message, "needs somebody");
                context.events.warning(object, &reason, &message).await;
            }
            Tone::Normal => {
                tracing::info!(tenant = id, reason, message, "is over");
                context.events.normal(object, &reason, &message).await;
            }
        }
    }
}
