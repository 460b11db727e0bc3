//! Runs the steps of a plan, one request at a time, and looks again after each.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::context::{ClockScan, Context};
use super::error::Error;
use super::publish;
use super::tenant::Tenant;
use crate::api::{DriftClass, TenantBillingStatus};
use crate::converge::desired::{Desired, digest};
use crate::converge::observed::{Observed, TenantKey};
use crate::converge::plan::{self, Ask, Difference, Plan, Recorded, Situation, Turn};
use crate::converge::quote::QuoteRequest;
use crate::converge::status;
use crate::converge::steps::{Step, Unedited};
use crate::stripe::{Changed, Class, Session, Stamp};

/// More rounds than any tenant needs; reaching it means that Stripe does not do what it says.
const MOST_ROUNDS: usize = 16;
/// Stored answers that are passed over by counting; past that the time makes the next key.
const COUNTED_ATTEMPTS: u32 = 3;
/// How far this machine's clock may be from Stripe's.
const CLOCKS_DIFFER_BY: SignedDuration = SignedDuration::from_mins(10);

/// What converging a tenant came to.
#[derive(Debug)]
pub(super) struct Converged {
    /// What Stripe holds now.
    pub(super) observed: Observed,
    /// What is left: no steps, perhaps a hold.
    pub(super) plan: Plan,
    /// Differences that were drift and were put right.
    pub(super) reverted: Vec<Difference>,
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
    let recorded = status::recorded(&tenant.status);
    let unedited = if recorded.applied_digest.as_deref() == Some(desired.digest().as_str()) {
        Unedited::Yes
    } else {
        Unedited::No
    };
    let mut situation = Situation {
        quote: status::recorded_quote(&tenant.status),
        approved: tenant.approved_change(),
        ..Situation::at(Timestamp::now())
    };
    let mut run = Run::new(context, tenant, session, status);
    let mut observed = observed;
    let mut reverted = Vec::new();
    let mut fresh = false;
    for _ in 0..MOST_ROUNDS {
        let plan = plan::tenant(desired, &observed, &recorded, &situation);
        match Next::of(&plan) {
            Next::Done => {
                return Ok(Converged {
                    observed,
                    plan,
                    reverted,
                });
            }
            Next::TakeTurn => situation.turn = run.turn(desired),
            Next::Step(_) | Next::Quote(_) if !fresh => {
                run.read_again(plan.steps.first()).await?;
                situation.now = run.now().await?;
                fresh = true;
            }
            Next::Quote(request) => {
                situation.quote = Some(session.quote(request, situation.now).await?);
            }
            Next::Step(step) => {
                run.record_change(step, &plan).await?;
                let ran = run.step(step, &observed).await?;
                if ran == Ran::Done && step.is_repair(unedited) {
                    reverted.extend(step.changes().iter().map(as_reverted));
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

/// What comes next in a plan.
enum Next<'a> {
    Step(&'a Step),
    Quote(&'a QuoteRequest),
    TakeTurn,
    Done,
}

impl<'a> Next<'a> {
    fn of(plan: &'a Plan) -> Self {
        match (plan.steps.first(), &plan.ask) {
            (Some(step), _) => Self::Step(step),
            (None, Some(Ask::Quote(request))) => Self::Quote(request),
            (None, Some(Ask::Turn)) => Self::TakeTurn,
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

/// What came of running a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    /// Stripe carried it out.
    Done,
    /// Stripe gave the answer it had stored for an earlier request.
    Stale,
}

/// What makes the key of an attempt differ from those whose stored answers were passed over.
/// Counting alone would walk through every failure of the last day; so after a few, each minute has
/// one key.
fn salt(attempt: u32) -> u32 {
    let minute = || u32::try_from(Timestamp::now().as_second() / 60).unwrap_or(u32::MAX);
    if attempt <= COUNTED_ATTEMPTS {
        attempt
    } else {
        minute()
    }
}

/// One run of steps for one tenant.
struct Run<'a> {
    context: &'a Context,
    tenant: &'a Tenant,
    session: &'a Session,
    /// As it is recorded.
    status: &'a mut TenantBillingStatus,
    /// How often a key's stored answer had to be passed over.
    attempts: HashMap<String, u32>,
    /// A creation was begun earlier and its outcome is not known.
    unknown_creation: bool,
}

impl<'a> Run<'a> {
    fn new(
        context: &'a Context,
        tenant: &'a Tenant,
        session: &'a Session,
        status: &'a mut TenantBillingStatus,
    ) -> Self {
        let pending = tenant
            .status
            .stripe
            .as_ref()
            .and_then(|s| s.pending_create.as_ref());
        Self {
            context,
            tenant,
            session,
            status,
            attempts: HashMap::new(),
            unknown_creation: pending.is_some(),
        }
    }

    fn key(&self) -> &'a TenantKey {
        &self.tenant.key
    }

    /// What the mirror shows of the tenant. What is not known must not pass for what is not there:
    /// that would create a second customer, or let a deletion leave a subscription behind.
    fn observe(&self) -> Result<Observed, Error> {
        self.context.check_mirrored(self.session)?;
        let tenant = self.tenant;
        self.context
            .mirror
            .observe(self.key(), tenant.customer_id(), tenant.test_clock())
            .ok_or(Error::NOT_LISTED)
    }

    /// Now: the wall clock, or the frozen time of the tenant's test clock.
    async fn now(&self) -> Result<Timestamp, Error> {
        match self.tenant.test_clock() {
            Some(clock) => Ok(self
                .session
                .test_clock(clock)
                .await?
                .map_or_else(Timestamp::now, |c| c.frozen_time)),
            None => Ok(Timestamp::now()),
        }
    }

    /// Reads again what `step` rests on. A customer that is to be created rests on the complete
    /// mirror; only if an earlier attempt's outcome is unknown is it searched for.
    async fn read_again(&mut self, step: Option<&Step>) -> Result<(), Error> {
        let mirror = &self.context.mirror;
        if !matches!(step, Some(Step::CreateCustomer { .. })) {
            mirror
                .refresh_tenant(self.session, self.key(), self.tenant.customer_id())
                .await?;
        } else if self.unknown_creation {
            self.discover_customer().await?;
        }
        Ok(())
    }

    /// Looks for the customer that a creation with an unknown outcome may have made.
    async fn discover_customer(&self) -> Result<(), Error> {
        let clock = self.tenant.test_clock();
        let pending = self
            .status
            .stripe
            .as_ref()
            .and_then(|s| s.pending_create.as_ref());
        let begun = pending.map_or_else(Timestamp::now, |pending| pending.since.0);
        // A customer on a test clock is as old as that clock says, which may be anything.
        let since = match clock {
            Some(_) => Timestamp::UNIX_EPOCH,
            None => begun - CLOCKS_DIFFER_BY,
        };
        let mirror = &self.context.mirror;
        mirror
            .discover_customer(self.session, self.key(), since, clock)
            .await?;
        Ok(())
    }

    /// Runs one step. Whatever comes of it, the mirror holds what is in Stripe afterwards.
    async fn step(&mut self, step: &Step, observed: &Observed) -> Result<Ran, Error> {
        let customer = observed
            .customers
            .first()
            .map(|customer| customer.id.as_str());
        let tried = format!("{step:?}");
        let attempt = self.attempts.get(&tried).copied().unwrap_or(0);
        if let Some(object) = step.creates() {
            self.record_intent(object).await?;
        }
        self.context.check_leadership()?;
        let stamp = self.context.mirror.stamp(self.session);
        let answer = self
            .session
            .run_step(step, self.key(), customer, salt(attempt))
            .await;
        match answer {
            Ok(answer) if !answer.replayed => {
                self.context.metrics.step(step.operation());
                self.fold(answer.value, &stamp).await?;
                let request_id = answer.request_id.as_deref().unwrap_or_default();
                tracing::info!(tenant = self.key().tenant, %step, request_id, "changed Stripe");
                let object = self.tenant.object.as_ref();
                self.context
                    .events
                    .normal(object, step.event_reason(), &step.to_string())
                    .await;
                Ok(Ran::Done)
            }
            // A stored answer tells of an earlier time. It names the object; what has become of
            // that is read again.
            Ok(answer) => {
                self.attempts.insert(tried, attempt + 1);
                self.context
                    .mirror
                    .refresh(self.session, &answer.value)
                    .await?;
                Ok(Ran::Stale)
            }
            Err(error) if error.replayed || error.class == Class::Idempotency => {
                self.attempts.insert(tried, attempt + 1);
                if attempt > COUNTED_ATTEMPTS {
                    return Err(error.into());
                }
                self.unknown_creation = true;
                self.read_again(Some(step)).await?;
                Ok(Ran::Stale)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn fold(&self, changed: Changed, stamp: &Stamp) -> Result<(), Error> {
        let mirror = &self.context.mirror;
        match changed {
            Changed::Customer(found) => {
                mirror.fold_customer(*found, stamp);
            }
            Changed::Subscription(subscription) => {
                mirror.fold_subscription(*subscription, stamp);
            }
            Changed::ScheduleOf(_) => mirror.refresh(self.session, &changed).await?,
        }
        Ok(())
    }

    /// Whether the tenant may be moved to the new prices of its plan.
    fn turn(&self, desired: &Desired) -> Turn {
        let prices: Vec<&str> = desired.offer.ids().collect();
        self.context.rollouts.turn(
            &desired.plan,
            &desired.rollout,
            &digest(&prices),
            &self.tenant.reference(),
            Timestamp::now(),
        )
    }

    /// Notes in the status that a creation begins, before it begins.
    async fn record_intent(&mut self, object: &str) -> Result<(), Error> {
        let tenant_id = &self.key().tenant;
        let status = status::with_intent(
            self.status,
            tenant_id,
            self.session.account(),
            object,
            Timestamp::now(),
        );
        self.record(status).await
    }

    /// Notes in the status what a change is going to charge, before it is made: a repetition after a
    /// crash prorates from the same instant, and is the same request.
    async fn record_change(&mut self, step: &Step, plan: &Plan) -> Result<(), Error> {
        let quoted = plan
            .change
            .as_ref()
            .filter(|change| matches!(step, Step::ChangeItems { .. }) && change.quote.is_some());
        let Some(change) = quoted else { return Ok(()) };
        let status = status::with_change(self.status, change);
        if status == *self.status {
            return Ok(());
        }
        self.record(status).await
    }

    async fn record(&mut self, status: TenantBillingStatus) -> Result<(), Error> {
        let api = self.context.tenant_api(&self.tenant.namespace);
        let version = publish::status(&api, &self.tenant.object, self.status, &status).await?;
        self.context.note_written(self.tenant.reference(), version);
        *self.status = status;
        Ok(())
    }
}
