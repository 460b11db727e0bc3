//! Deletion of a manifest. Needs neither a valid spec nor a plan, and no Stripe at all for a tenant
//! that was never billed.

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::context::Context;
use super::error::Error;
use super::reconcile::wrong_account;
use super::tenant::Tenant;
use super::{apply, publish};
use crate::api::DeletionPolicy;
use crate::converge::conditions::Outcome;
use crate::converge::observed::TenantKey;
use crate::converge::status::{self, Look};

/// Carries out the deletion policy, then lets the manifest go.
pub(super) async fn finalize(tenant: &Tenant, context: &Context) -> Result<Action, Error> {
    if !publish::has_finalizer(&tenant.object) {
        return Ok(Action::await_change());
    }
    let outcome = match carry_out(tenant, context).await {
        Ok(None) => {
            let api = context.tenant_api(&tenant.namespace);
            publish::remove_finalizer(&api, &tenant.object).await?;
            context.backoff.succeeded(&tenant.reference());
            context.heard.told(tenant);
            // Nobody is told any more of a tenant that is none.
            context.outbox.offer(&tenant.reference(), Vec::new());
            return Ok(Action::await_change());
        }
        Ok(Some(outcome)) => outcome,
        Err(error) => match error.outcome() {
            Some(outcome) => outcome,
            None => return Err(error),
        },
    };
    let look = Look {
        generation: tenant.object.generation(),
        tenant_id: tenant
            .status
            .tenant_id
            .as_deref()
            .unwrap_or(&tenant.key.tenant),
        now: Timestamp::now(),
        outcome,
        seen: None,
        glimpse: None,
        requested_at: tenant.requested_at(),
        event: tenant.heard.clone(),
    };
    let status = status::tenant(&tenant.status, &look);
    let api = context.tenant_api(&tenant.namespace);
    let version = publish::status(&api, tenant.object.as_ref(), &tenant.status, &status).await?;
    context.note_written(tenant.reference(), version);
    context.heard.told(tenant);
    Ok(Action::requeue(context.backoff.failed(tenant.reference())))
}

/// Carries out the deletion policy. Returns what stands in the way, if something does.
async fn carry_out(tenant: &Tenant, context: &Context) -> Result<Option<Outcome>, Error> {
    // The account is recorded before the first creation: without it nothing was ever made, unless
    // the status was lost, as in a restored cluster.
    if tenant.status.stripe.is_none() && !is_mirrored(tenant, context) {
        return Ok(None);
    }
    let policy = tenant.object.deletion_facts().policy;
    let pending = tenant
        .status
        .stripe
        .as_ref()
        .and_then(|stripe| stripe.pending_create.as_ref());
    // A creation whose outcome is unknown is looked for even then: the next manifest of this tenant
    // has to know of it.
    if policy == DeletionPolicy::Retain && pending.is_none() {
        return Ok(None);
    }
    // What is in Stripe carries the identity that was recorded, whatever the spec says by now.
    let recorded = tenant
        .status
        .tenant_id
        .clone()
        .unwrap_or_else(|| tenant.key.tenant.clone());
    if let Some(heir) = context.tenants.holder(&recorded)
        && heir != tenant.reference()
    {
        let note = format!(
            "{} goes on billing \"{recorded}\"; nothing is cancelled",
            heir.name
        );
        context
            .events
            .normal(tenant.object.as_ref(), "HandedOver", &note)
            .await;
        return Ok(None);
    }
    let session = context.stripe.session().await?;
    if let Some(wrong) = wrong_account(tenant, &session) {
        return Ok(Some(wrong));
    }
    let key = TenantKey {
        owner: tenant.key.owner.clone(),
        tenant: recorded,
    };
    let tenant = Tenant {
        object: tenant.object.clone(),
        namespace: tenant.namespace.clone(),
        key,
        status: tenant.status.clone(),
        heard: tenant.heard.clone(),
    };
    apply::delete(context, &tenant, &session, policy).await?;
    Ok(None)
}

/// Whether Stripe, as last listed, has something of the tenant's.
fn is_mirrored(tenant: &Tenant, context: &Context) -> bool {
    let observed = context
        .mirror
        .observe(&tenant.key, None, tenant.test_clock());
    observed.is_some_and(|observed| !observed.customers.is_empty())
}
