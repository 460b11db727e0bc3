//! The status after a look, and what is to be told of it.

use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::api::{PlanLimits, TenantBillingStatus};
use crate::controller::apply::Converged;
use crate::controller::context::Context;
use crate::controller::enforcement::enforcement;
use crate::controller::tenant::Tenant;
use crate::converge::conditions::Outcome;
use crate::converge::desired::Desired;
use crate::converge::notice::{self, Telling};
use crate::converge::observed::{Account, Observed};
use crate::converge::status::{self, Glimpse, Judged, Look, Seen};

/// The status after a look at Stripe. What is to be told is taken in by the outbox.
pub(super) fn seen(
    tenant: &Tenant,
    context: &Context,
    recorded: &TenantBillingStatus,
    outcome: Outcome,
    (account, desired, converged): (Account, Desired, Converged),
) -> TenantBillingStatus {
    let limits = limits(context, recorded, &desired, &converged);
    let judged = Judged {
        observed: &converged.observed,
        desired: Some(&desired),
        now: converged.now,
    };
    let enforcement = enforcement(tenant, context, recorded, &desired, judged);
    let plan = &converged.plan;
    let seen = Seen {
        account: &account,
        desired: Some(&desired),
        observed: &converged.observed,
        now: converged.now,
        reverted: converged.reverted.clone(),
        reported: plan.reported.clone(),
        agreed: plan.agreed.as_ref(),
        change: plan.change.as_ref(),
        made: converged.made.as_ref(),
        setup: plan.setup.as_ref(),
        limits: &limits,
        enforcement,
    };
    let look = Look {
        seen: Some(seen),
        ..look(tenant, outcome)
    };
    let mut after = status::tenant(recorded, &look);
    let due = notice::due(Telling {
        account: &account.id,
        manifest: &format!("{}/{}", tenant.namespace, tenant.object.name_any()),
        desired: &desired,
        observed: &converged.observed,
        setup: plan.setup.as_ref(),
        hold: plan.hold.as_ref().map(|hold| hold.reason),
        before: recorded,
        after: &after,
        now: converged.now,
        wall: this_second(),
    });
    after.notices = context.outbox.offer(&tenant.reference(), due);
    after
}

/// Now, as a status has it.
fn this_second() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The status after a look that did not come as far as Stripe.
pub(super) fn blind(
    tenant: &Tenant,
    context: &Context,
    recorded: &TenantBillingStatus,
    outcome: Outcome,
) -> TenantBillingStatus {
    let observed = mirrored(tenant, context, recorded);
    let sold = recorded.plan.as_ref();
    let sold = sold.and_then(|sold| context.catalogue.get(sold)?.plan.ok());
    let limits = sold.map(|plan| plan.limits).unwrap_or_default();
    let glimpse = observed.as_ref().map(|observed| Glimpse {
        observed,
        // What a test clock says is not known without asking: then whatever is open counts as due.
        now: match tenant.test_clock() {
            Some(_) => Timestamp::MAX,
            None => Timestamp::now(),
        },
        limits: &limits,
    });
    let look = Look {
        glimpse,
        ..look(tenant, outcome)
    };
    status::tenant(recorded, &look)
}

fn look(tenant: &Tenant, outcome: Outcome) -> Look<'_> {
    Look {
        generation: tenant.object.generation(),
        tenant_id: recorded_tenant_id(tenant),
        now: Timestamp::now(),
        outcome,
        seen: None,
        glimpse: None,
        requested_at: tenant.requested_at(),
        event: tenant.heard.clone(),
    }
}

/// What the mirror shows of a tenant whose manifest cannot be acted on, if that may be believed.
fn mirrored(
    tenant: &Tenant,
    context: &Context,
    recorded: &TenantBillingStatus,
) -> Option<Observed> {
    let pinned = recorded.stripe.as_ref()?;
    let account = context.mirror.account()?;
    let same = *pinned.account_id == *account.id && pinned.livemode == account.livemode;
    let spec = tenant.object.spec.as_valid();
    let suspended = spec.is_some_and(|spec| spec.suspend);
    let clock = pinned.test_clock.as_deref();
    let customer = tenant.customer_id().filter(|_| same && !suspended)?;
    context.mirror.observe(&tenant.key, Some(customer), clock)
}

/// What may be used on the plan that is sold: while a change waits, that is the former one.
fn limits(
    context: &Context,
    recorded: &TenantBillingStatus,
    desired: &Desired,
    converged: &Converged,
) -> PlanLimits {
    let agreed = converged.plan.agreed.as_ref();
    let agreed = agreed.and_then(|terms| terms.plan.as_ref());
    let sold = agreed.or(recorded.plan.as_ref());
    let former = sold
        .filter(|sold| **sold != desired.plan)
        .and_then(|sold| context.catalogue.get(sold)?.plan.ok());
    former.map_or_else(|| desired.limits.clone(), |plan| plan.limits)
}

/// Once something may be in Stripe, the identity it has there is what the status tells, whatever
/// the manifest says by now.
fn recorded_tenant_id(tenant: &Tenant) -> &str {
    let recorded = tenant
        .status
        .tenant_id
        .as_deref()
        .filter(|_| tenant.status.stripe.is_some());
    recorded.unwrap_or(&tenant.key.tenant)
}
