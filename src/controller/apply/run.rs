//! One run of steps for one tenant: what each step rests on, what is noted before it, what becomes of
//! its answer.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::api::TenantBillingStatus;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::controller::publish;
use crate::controller::tenant::Tenant;
use crate::converge::desired::{Desired, digest};
use crate::converge::observed::{Observed, TenantKey};
use crate::converge::payment::SetupLink;
use crate::converge::plan::{Plan, Turn};
use crate::converge::status;
use crate::converge::steps::Step;
use crate::stripe::{self, Changed, Class, Session, Stamp};

/// How far this machine's clock may be from Stripe's.
const CLOCKS_DIFFER_BY: SignedDuration = SignedDuration::from_mins(10);
/// Stored answers that are passed over by counting; past that the time makes the next key.
const COUNTED_ATTEMPTS: u32 = 3;
/// What came of running a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// Stripe carried it out.
    Done,
    /// Stripe gave the answer it had stored for an earlier request.
    Stale,
    /// The payment was refused, which is the customer's matter and no failure of ours.
    Refused,
}

/// What makes the key of an attempt differ from those whose stored answers were passed over.
/// Counting alone would walk through every failure of the last day; so after a few, each minute has
/// one key.
pub(in crate::controller) fn salt(attempt: u32) -> u32 {
    let minute = || u32::try_from(Timestamp::now().as_second() / 60).unwrap_or(u32::MAX);
    if attempt <= COUNTED_ATTEMPTS {
        attempt
    } else {
        minute()
    }
}

/// Whether Stripe, or the bank, would not make a payment that was asked for.
fn is_refused_payment(step: &Step, error: &stripe::Error) -> bool {
    matches!(step, Step::PayInvoice { .. }) && matches!(error.class, Class::Card | Class::Invalid)
}

/// One run of steps for one tenant.
pub(super) struct Run<'a> {
    context: &'a Context,
    tenant: &'a Tenant,
    session: &'a Session,
    /// As it is recorded.
    pub(super) status: &'a mut TenantBillingStatus,
    /// How often a key's stored answer had to be passed over.
    attempts: HashMap<String, u32>,
    /// A creation was begun earlier and its outcome is not known.
    pub(super) unknown_creation: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(
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
    pub(super) fn observe(&self) -> Result<Observed, Error> {
        self.context.check_mirrored(self.session)?;
        let tenant = self.tenant;
        self.context
            .mirror
            .observe(self.key(), tenant.customer_id(), tenant.test_clock())
            .ok_or(Error::NOT_LISTED)
    }

    /// Now: the wall clock, or the frozen time of the tenant's test clock, which is asked for at each
    /// look: test clocks are for trying things out, and by few.
    pub(super) async fn now(&self) -> Result<Timestamp, Error> {
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
    pub(super) async fn read_again(&mut self, step: Option<&Step>) -> Result<(), Error> {
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
    pub(super) async fn discover_customer(&self) -> Result<(), Error> {
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
    pub(super) async fn step(&mut self, step: &Step, observed: &Observed) -> Result<Ran, Error> {
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
                self.refresh(&answer.value).await?;
                Ok(Ran::Stale)
            }
            Err(error) if is_refused_payment(step, &error) => {
                self.refused(step, &error).await?;
                Ok(Ran::Refused)
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

    /// A payment that was refused, now or when the same was tried a moment before a crash.
    async fn refused(&mut self, step: &Step, error: &stripe::Error) -> Result<(), Error> {
        self.read_again(Some(step)).await?;
        let open = |invoice: &str| {
            let observed = self.observe()?;
            Ok::<_, Error>(observed.invoices.iter().any(|open| open.id == invoice))
        };
        // The customer was faster, or Stripe's own attempt.
        if matches!(step, Step::PayInvoice { invoice, .. } if !open(invoice)?) {
            return Ok(());
        }
        tracing::warn!(tenant = self.key().tenant, %step, %error, "payment refused");
        let note = format!("{step}: {error}");
        let object = self.tenant.object.as_ref();
        self.context
            .events
            .warning(object, "PaymentRefused", &note)
            .await;
        Ok(())
    }

    /// Reads again what a stored answer tells of.
    async fn refresh(&mut self, named: &Changed) -> Result<(), Error> {
        if let Changed::Setup(made) = named {
            let now = self.session.setup_session(&made.id).await?;
            return self
                .record_setup(now.and_then(|session| session.link))
                .await;
        }
        let mirror = &self.context.mirror;
        mirror.refresh(self.session, named).await?;
        // A request that is not to be made twice may have left an invoice open.
        if let Changed::Subscription(subscription) = named {
            mirror
                .refresh_invoices_of(self.session, &subscription.customer)
                .await?;
        }
        Ok(())
    }

    /// Notes a page on which the customer can leave a payment method, if it is good for that.
    async fn record_setup(&mut self, link: Option<SetupLink>) -> Result<(), Error> {
        match link {
            Some(link) => self.record(status::with_setup(self.status, &link)).await,
            None => Ok(()),
        }
    }

    async fn fold(&mut self, changed: Changed, stamp: &Stamp) -> Result<(), Error> {
        let mirror = &self.context.mirror;
        match changed {
            Changed::Setup(session) => self.record_setup(session.link).await?,
            Changed::Customer(found) => {
                mirror.fold_customer(*found, stamp);
            }
            Changed::Subscription(subscription) => {
                // The answer says that a payment failed; what the customer is to do, its invoice.
                let failed = subscription.status.awaits_payment();
                let customer = failed.then(|| subscription.customer.clone());
                mirror.fold_subscription(*subscription, stamp);
                if let Some(customer) = customer {
                    mirror.refresh_invoices_of(self.session, &customer).await?;
                }
            }
            Changed::Paid(_) => self.read_again(None).await?,
            Changed::ScheduleOf(_) | Changed::Invoice(_) => {
                mirror.refresh(self.session, &changed).await?;
            }
        }
        Ok(())
    }

    /// Whether the tenant may be moved to the new prices of its plan.
    pub(super) fn turn(&self, desired: &Desired) -> Turn {
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
    pub(super) async fn record_change(&mut self, step: &Step, plan: &Plan) -> Result<(), Error> {
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
