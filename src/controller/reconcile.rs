//! One look at a tenant: guard -> observe -> plan -> apply -> status.

use std::sync::Arc;

use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::apply;
use super::context::{ClockScan, Context};
use super::error::Error;
use super::report::{Looked, report};
use super::tenant::Tenant;
use super::{finalize, publish};
use crate::api::{
    Lifecycle, PlanChangeState, TenantBillingSpec, TenantBillingStatus, TenantObject, reason,
};
use crate::converge::conditions::Outcome;
use crate::converge::desired::{self, Desired, ResolvedPlan};
use crate::converge::observed::Observed;
use crate::converge::plan::Plan;
use crate::stripe::Session;

/// Looks at a tenant, brings it in line, and reports.
///
/// An error here is one of Kubernetes or of leadership; what concerns the tenant is in its status.
pub(super) async fn reconcile(
    object: Arc<TenantObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    context.wait_until_watched().await;
    let Some(tenant) = current(object, &context).await? else {
        return Ok(Action::await_change());
    };
    context.check_leadership()?;
    if tenant.object.metadata.deletion_timestamp.is_some() {
        return finalize::finalize(&tenant, &context).await;
    }
    let mut recorded = tenant.status.clone();
    match look(&tenant, &context, &mut recorded).await {
        Ok(looked) => report(&tenant, &context, &recorded, looked).await,
        // A restart is no reason to call in question what was found out before it.
        Err(Error::NotYet(_)) if is_settled(&tenant) => {
            Ok(Action::requeue(context.backoff.failed(tenant.reference())))
        }
        Err(error) => match error.outcome() {
            Some(outcome) => report(&tenant, &context, &recorded, Looked::blind(outcome)).await,
            None => Err(error),
        },
    }
}

/// Whether what the status says was found out about the present manifest.
fn is_settled(tenant: &Tenant) -> bool {
    tenant.status.observed_generation == tenant.object.generation()
        && !tenant.status.conditions.is_empty()
}

/// The tenant as it is: the watch may not yet show the status that was written last.
async fn current(object: Arc<TenantObject>, context: &Context) -> Result<Option<Tenant>, Error> {
    let reference = ObjectRef::from_obj(object.as_ref());
    let seen = object.resource_version();
    let object = if context.unseen_write(&reference, seen.as_deref()) {
        let api = context.tenant_api(&object.namespace().unwrap_or_default());
        match publish::fresh(&api, &object.name_any()).await? {
            Some(fresh) => Arc::new(fresh),
            None => return Ok(None),
        }
    } else {
        object
    };
    let mut tenant = Tenant::new(object, &context.owner);
    // Taken before anything is read: what comes later leads to another look.
    tenant.heard = context.heard.of(&tenant.key.tenant);
    Ok(Some(tenant))
}

/// `recorded` is the status as it is recorded, and follows what is written meanwhile.
async fn look(
    tenant: &Tenant,
    context: &Context,
    recorded: &mut TenantBillingStatus,
) -> Result<Looked, Error> {
    let spec = match tenant.spec() {
        Ok(spec) if spec.suspend => return Ok(Looked::blind(Outcome::Suspended)),
        Ok(spec) => spec,
        Err(invalid) => return Ok(Looked::stalled(reason::INVALID_SPEC, invalid.to_string())),
    };
    if let Some(conflict) = claimed_by_another(tenant, context) {
        return Ok(conflict);
    }
    let session = context.stripe.session().await?;
    if let Some(wrong) = wrong_account(tenant, &session) {
        return Ok(Looked::blind(wrong));
    }
    let plan = match resolve_plan(spec, context, &session)? {
        Ok(plan) => plan,
        Err(not_ready) => return Ok(not_ready),
    };
    let return_url = context.payment_return_url.as_deref();
    let desired = match desired::tenant(tenant.key.clone(), spec, &plan, return_url) {
        Ok(desired) => desired,
        Err(invalid) => return Ok(Looked::stalled(reason::INVALID_SPEC, invalid.to_string())),
    };
    if !publish::has_finalizer(&tenant.object) {
        // The watch shows the finalizer, and that is the next look.
        publish::add_finalizer(&context.tenant_api(&tenant.namespace), &tenant.object).await?;
        return Ok(Looked::reconciling(
            reason::PROGRESSING,
            "about to look at Stripe",
        ));
    }
    let observed = match observe(tenant, context, &session).await? {
        Ok(observed) => observed,
        Err(not_yet) => return Ok(not_yet),
    };
    let converged =
        apply::converge(context, tenant, &session, &desired, observed, recorded).await?;
    let outcome = match converged.plan.hold.clone() {
        Some(hold) => hold.into(),
        None => Outcome::Reached(reached(&desired, &converged.plan)),
    };
    Ok(Looked {
        outcome,
        seen: Some(Box::new((session.account().clone(), desired, converged))),
    })
}

fn reached(desired: &Desired, plan: &Plan) -> String {
    let scheduled = plan
        .change
        .as_ref()
        .filter(|change| change.state == PlanChangeState::Scheduled);
    match desired.lifecycle {
        Lifecycle::Active => match scheduled {
            Some(change) => {
                let at = change.effective_at.map(|at| format!(" at {at}"));
                let (from, to) = (change.from.label(), change.to.label());
                format!(
                    "subscribed to {from}; changes to {to}{}",
                    at.unwrap_or_default()
                )
            }
            None => format!("subscribed to {}, as the manifest says", desired.plan),
        },
        Lifecycle::CancelAtPeriodEnd => "subscribed until the end of the period".to_owned(),
        Lifecycle::Canceled => "not subscribed, as the manifest says".to_owned(),
    }
}

fn claimed_by_another(tenant: &Tenant, context: &Context) -> Option<Looked> {
    let holder = context.tenants.holder(&tenant.key.tenant)?;
    (holder != tenant.reference()).then(|| {
        let namespace = holder.namespace.as_deref().unwrap_or_default();
        Looked::stalled(
            reason::TENANT_ID_CONFLICT,
            format!(
                "spec.tenantId: the older TenantBilling {namespace}/{} bills \"{}\" already; \
                 delete one of the two, or give this one a tenantId of its own",
                holder.name, tenant.key.tenant
            ),
        )
    })
}

/// A tenant is bound to the account and mode it was first billed in.
pub(super) fn wrong_account(tenant: &Tenant, session: &Session) -> Option<Outcome> {
    let pinned = tenant.status.stripe.as_ref()?;
    let account = session.account();
    if *pinned.account_id == *account.id && pinned.livemode == account.livemode {
        return None;
    }
    let mode = |livemode: bool| if livemode { "live mode" } else { "test mode" };
    Some(Outcome::Stalled {
        reason: reason::WRONG_ACCOUNT,
        message: format!(
            "this tenant is billed in {} ({}), but the operator's API key belongs to {} ({}); \
             nothing is touched. Give the operator the right key, or move the tenant by making a \
             new TenantBilling",
            pinned.account_id,
            mode(pinned.livemode),
            account.id,
            mode(account.livemode)
        ),
    })
}

fn resolve_plan(
    spec: &TenantBillingSpec,
    context: &Context,
    session: &Session,
) -> Result<Result<ResolvedPlan, Looked>, Error> {
    let name = &spec.plan;
    let Some(plan) = context.plans.get(&ObjectRef::new(name)) else {
        let mut known: Vec<String> = context.plans.state().iter().map(|p| p.name_any()).collect();
        known.sort();
        known.truncate(10);
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Ok(Err(Looked::stalled(
            reason::PLAN_NOT_FOUND,
            format!("spec.plan: there is no BillingPlan \"{name}\"; there are: {known}"),
        )));
    };
    let entry = context.catalogue.get(name).filter(|entry| {
        entry.generation == plan.generation()
            && entry
                .account
                .as_ref()
                .is_none_or(|resolved_in| resolved_in == session.account())
    });
    match entry.map(|entry| entry.plan) {
        Some(Ok(resolved)) => Ok(Ok(resolved)),
        Some(Err(Outcome::Stalled { message, .. } | Outcome::Reconciling { message, .. })) => {
            let message = format!("the BillingPlan {name} cannot be sold yet: {message}");
            Ok(Err(Looked::reconciling(reason::PLAN_NOT_READY, message)))
        }
        Some(Err(_)) | None => Err(Error::NotYet("the tenant's BillingPlan is being looked at")),
    }
}

/// What the mirror shows of the tenant; scans its test clock when that is not known yet.
async fn observe(
    tenant: &Tenant,
    context: &Context,
    session: &Session,
) -> Result<Result<Observed, Looked>, Error> {
    let mirror = &context.mirror;
    context.check_sight()?;
    context.unread.check(&tenant.key)?;
    context.check_mirrored(session)?;
    if let ClockScan::NoSuchClock(clock) = context.scan_clock(tenant, session).await? {
        return Ok(Err(Looked::stalled(
            reason::INVALID_SPEC,
            format!("spec.testClock: Stripe has no test clock {clock} in this account"),
        )));
    }
    let scanned = tenant.test_clock().is_some() || mirror.is_complete();
    let look = || mirror.observe(&tenant.key, tenant.customer_id(), tenant.test_clock());
    let mut observed = look();
    if observed.is_none() && scanned {
        // The recorded customer is not among those with the tenant's metadata: it was deleted, or
        // its metadata were edited.
        mirror
            .refresh_tenant(session, &tenant.key, tenant.customer_id())
            .await?;
        observed = look();
    }
    observed.map(Ok).ok_or(Error::NOT_LISTED)
}
