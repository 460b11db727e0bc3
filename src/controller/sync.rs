//! Keeps the mirror of the Stripe account: listed whole at the start and regularly, followed by
//! events in between. Says who has to be looked at again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use super::context::{Backoff, Context, PlanRef};
use crate::stripe::{self, EventCursor, Poll, Session};

/// How often Stripe is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For new events.
    pub(super) events: Duration,
    /// For everything.
    pub(super) resync: Duration,
}

/// Polls that may fail before the tenants are told that Stripe cannot be seen: a short failure
/// is no reason to write the status of a whole fleet twice.
const BLIND_AFTER_POLLS: u32 = 12;

/// Follows Stripe until `shutdown`.
pub(super) async fn follow(context: Arc<Context>, pace: Pace, shutdown: CancellationToken) {
    let sight = Sight {
        context: &context,
        backoff: Backoff::default(),
        failing: Mutex::default(),
    };
    while !shutdown.is_cancelled() {
        let ended = tokio::select! {
            () = shutdown.cancelled() => return,
            ended = round(&sight, pace) => ended,
        };
        let Err(error) = ended else { continue };
        tracing::warn!(%error, "following Stripe failed; it begins again");
        let wait = sight.failed(error, pace).min(pace.events * 4);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Whether Stripe can be seen.
struct Sight<'a> {
    context: &'a Context,
    backoff: Backoff<()>,
    failing: Mutex<Option<Instant>>,
}

impl Sight<'_> {
    /// Stripe was seen.
    fn succeeded(&self) {
        self.backoff.succeeded(&());
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.context.note_sight(None);
    }

    /// Stripe was not seen. Says how long to wait.
    fn failed(&self, error: stripe::Error, pace: Pace) -> Duration {
        self.context.metrics.sync_failed();
        let since = *self
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        // Before the first list there is nothing that could be spoken of.
        if !self.context.mirror.is_complete() || since.elapsed() > pace.events * BLIND_AFTER_POLLS {
            self.context.note_sight(Some(error));
        }
        self.backoff.failed(())
    }
}

/// Lists everything, then follows the events until the next complete list is due.
async fn round(sight: &Sight<'_>, pace: Pace) -> Result<(), stripe::Error> {
    let context = sight.context;
    let session = context.stripe.session().await?.bulk();
    // Events from before the list are in the list; so the cursor is set first.
    let mut cursor = EventCursor::start(&session).await?;
    list(context, &session).await?;
    sight.succeeded();
    // The jitter keeps operators that started together apart.
    let next_list = tokio::time::Instant::now() + pace.resync.mul_f64(0.9 + 0.2 * fastrand::f64());
    loop {
        let wake = (tokio::time::Instant::now() + pace.events).min(next_list);
        tokio::time::sleep_until(wake).await;
        if wake == next_list {
            return Ok(());
        }
        match poll(context, &session, &mut cursor).await {
            Ok(Next::Poll) => sight.succeeded(),
            Ok(Next::List) => return Ok(()),
            // The cursor stands where it stood: nothing is missed, and nothing has to be listed.
            Err(error) => {
                tracing::warn!(%error, "Stripe's events cannot be read; it is tried again");
                let wait = sight.failed(error, pace).min(pace.events * 4);
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// What has to be done next.
enum Next {
    /// Wait, and poll again.
    Poll,
    /// List everything: events may have been missed.
    List,
}

/// Reads new events, and has those looked at whom they concern.
async fn poll(
    context: &Context,
    listed: &Session,
    cursor: &mut EventCursor,
) -> Result<Next, stripe::Error> {
    let session = context.stripe.session().await?.bulk();
    if session.account() != listed.account() {
        tracing::warn!("the API key belongs to another account now; listing that one");
        return Ok(Next::List);
    }
    let Poll::Read {
        touched,
        failures,
        prices,
    } = cursor.poll(&session, &context.mirror).await?
    else {
        return Ok(Next::List);
    };
    for error in failures {
        tracing::warn!(%error, "an object in Stripe cannot be read; the next complete list tries again");
    }
    let ids = touched.iter().map(|key| key.tenant.as_str());
    context.triggers.tenants(context.tenants.of_tenants(ids));
    if prices {
        context.triggers.plans(unsold(context));
    }
    Ok(Next::Poll)
}

/// The plans that cannot be sold yet. Those that can have a price, and prices are immutable.
fn unsold(context: &Context) -> Vec<PlanRef> {
    let plans = context.plans.state();
    let unsold = plans.iter().filter(|plan| {
        context
            .catalogue
            .get(&plan.name_any())
            .is_none_or(|entry| entry.plan.is_err())
    });
    unsold
        .map(|plan| ObjectRef::from_obj(plan.as_ref()))
        .collect()
}

async fn list(context: &Context, session: &Session) -> Result<(), stripe::Error> {
    let began = std::time::Instant::now();
    context.mirror.rebuild(session).await?;
    for clock in context.tenants.test_clocks() {
        if let Err(error) = context.mirror.rebuild_clock(session, &clock).await {
            // A clock that does not exist is its tenants' affair; their looks say so.
            tracing::debug!(%error, clock, "test clock not listed");
        }
    }
    context.metrics.listed(began.elapsed());
    tracing::info!(
        seconds = began.elapsed().as_secs_f64(),
        "listed the Stripe account"
    );
    context.catalogue.listed();
    context.triggers.plans(
        context
            .plans
            .state()
            .iter()
            .map(|plan| ObjectRef::from_obj(plan.as_ref())),
    );
    context.triggers.tenants(context.tenants.all());
    Ok(())
}
