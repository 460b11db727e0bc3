//! Runs the steps of a plan, one request at a time, and looks again after each.

mod run;

use jiff::Timestamp;

pub(super) use self::run::salt;
use self::run::{Ran, Run};
use super::context::{ClockScan, Context};
use super::error::Error;
use super::tenant::Tenant;
use crate::api::{DriftClass, TenantBillingStatus};
use crate::converge::desired::Desired;
use crate::converge::observed::Observed;
use crate::converge::plan::{self, Ask, ChangeUnderWay, Difference, Plan, Recorded, Situation};
use crate::converge::quote::QuoteRequest;
use crate::converge::status::{self, Judged};
use crate::converge::steps::{Step, Unedited};
use crate::stripe::Session;

/// More rounds than any tenant needs; reaching it means that Stripe does not do what it says.
const MOST_ROUNDS: usize = 16;

/// What converging a tenant came to.
#[derive(Debug)]
pub(super) struct Converged {
    /// What Stripe holds now.
    pub(super) observed: Observed,
    /// What is left: no steps, perhaps a hold.
    pub(super) plan: Plan,
    /// Now, by the clock that the tenant lives on.
    pub(super) now: Timestamp,
    /// Differences that were drift and were put right.
    pub(super) reverted: Vec<Difference>,
    /// The change of what is sold that was made.
    pub(super) made: Option<ChangeUnderWay>,
}

/// Brings a tenant to its desired state.
///
/// When the mirror shows nothing to do, this reads and writes nothing. Otherwise the tenant's few
/// objects are read again before the first change, and the answer to each change is folded into
/// the mirror before planning the next.
///
/// `status` is the status as it is recorded. It follows what is written to it, also when this
/// fails: an intent to create must outlive the failure.
pub(super) async fn converge(
    context: &Context,
    tenant: &Tenant,
    session: &Session,
    desired: &Desired,
    observed: Observed,
    status: &mut TenantBillingStatus,
) -> Result<Converged, Error> {
    let mut recorded = status::recorded(&tenant.status);
    let unedited = if recorded.applied_digest.as_deref() == Some(desired.digest().as_str()) {
        Unedited::Yes
    } else {
        Unedited::No
    };
    let mut run = Run::new(context, tenant, session, status);
    let mut situation = Situation {
        quote: status::recorded_quote(&tenant.status),
        approved: tenant.approved_change(),
        wall: Timestamp::now(),
        ..Situation::at(run.now().await?)
    };
    let mut observed = observed;
    let (mut reverted, mut made) = (Vec::new(), None);
    let mut fresh = false;
    for _ in 0..MOST_ROUNDS {
        let plan = plan::tenant(desired, &observed, &recorded, &situation);
        match Next::of(&plan) {
            Next::Done if !fresh && escalates(desired, &observed, &situation, run.status) => {
                run.read_again(None).await?;
                fresh = true;
            }
            Next::Done => {
                return Ok(Converged {
                    observed,
                    plan,
                    now: situation.now,
                    reverted,
                    made,
                });
            }
            Next::TakeTurn => situation.turn = run.turn(desired),
            Next::PaymentMethods(customer) => {
                situation.attached = Some(session.latest_payment_method(customer).await?);
            }
            Next::Step(_) | Next::Quote(_) if !fresh => {
                run.read_again(plan.steps.first()).await?;
                fresh = true;
            }
            Next::Quote(request) => {
                situation.quote = Some(session.quote(request, situation.now).await?);
            }
            Next::Step(step) => {
                run.record_change(step, &plan).await?;
                let ran = run.step(step, &observed).await?;
                // What was noted before the step tells whose the object is that it made.
                recorded = status::recorded(run.status);
                if let (
                    Ran::Refused,
                    Step::PayInvoice {
                        invoice,
                        payment_method,
                    },
                ) = (ran, step)
                {
                    let refused = (invoice.clone(), payment_method.clone());
                    situation.refused.push(refused);
                }
                if ran == Ran::Done && step.is_repair(unedited) {
                    reverted.extend(step.changes().iter().map(as_reverted));
                }
                if matches!(step, Step::ChangeItems { .. }) {
                    made.clone_from(&plan.change);
                }
            }
        }
        observed = run.observe()?;
    }
    let plan = plan::tenant(desired, &observed, &recorded, &situation);
    let next = plan
        .steps
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    Err(Error::NotConverging(MOST_ROUNDS, next))
}

/// Clearing comes before escalating: nobody is told of a stage, and nobody loses access, by what was
/// read before.
fn escalates(
    desired: &Desired,
    observed: &Observed,
    situation: &Situation,
    status: &TenantBillingStatus,
) -> bool {
    let judged = Judged {
        observed,
        desired: Some(desired),
        now: situation.now,
    };
    judged.escalates(status)
}

/// What comes next in a plan.
enum Next<'a> {
    Step(&'a Step),
    Quote(&'a QuoteRequest),
    TakeTurn,
    PaymentMethods(&'a str),
    Done,
}

impl<'a> Next<'a> {
    fn of(plan: &'a Plan) -> Self {
        match (plan.steps.first(), &plan.ask) {
            (Some(step), _) => Self::Step(step),
            (None, Some(Ask::Quote(request))) => Self::Quote(request),
            (None, Some(Ask::Turn)) => Self::TakeTurn,
            (None, Some(Ask::PaymentMethods(customer))) => Self::PaymentMethods(customer),
            (None, None) => Self::Done,
        }
    }
}

/// Carries out what the deletion of a manifest asks for.
pub(super) async fn delete(
    context: &Context,
    tenant: &Tenant,
    session: &Session,
    policy: crate::api::DeletionPolicy,
) -> Result<(), Error> {
    let recorded: Recorded = status::recorded(&tenant.status);
    // Customers go with their clock, and so do their subscriptions.
    if context.scan_clock(tenant, session).await? != ClockScan::Through {
        return Ok(());
    }
    let mut status = tenant.status.clone();
    let mut run = Run::new(context, tenant, session, &mut status);
    context
        .mirror
        .refresh_tenant(session, &tenant.key, tenant.customer_id())
        .await?;
    if run.unknown_creation && tenant.customer_id().is_none() {
        run.discover_customer().await?;
    }
    for _ in 0..MOST_ROUNDS {
        let observed = run.observe()?;
        let steps = plan::deletion(policy, &tenant.key, &observed, &recorded);
        let Some(step) = steps.first() else {
            return Ok(());
        };
        run.step(step, &observed).await?;
    }
    Err(Error::NotConverging(MOST_ROUNDS, "deletion".to_owned()))
}

fn as_reverted(change: &crate::converge::steps::Change) -> Difference {
    Difference {
        field: change.field.to_owned(),
        desired: change.after.clone(),
        observed: change.before.clone(),
        class: DriftClass::Reverted,
    }
}
