//! Keeps the mirror of the Stripe account: listed whole at the start and regularly, followed by
//! events in between. Says who has to be looked at again.
//!
//! ```text
//! note the newest event -> list everything -> tell of the events since the kept place -> poll, poll ...
//!       ^                                                                                      |
//!       '----------------------- when the next complete list is due --------------------------'
//! ```
//!
//! Whether events are polled or only come as webhooks, the place in the event list moves with every
//! round, so that it can be said after an outage what was missed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use super::context::{Backoff, Context};
use super::cursor::{Keeper, Kept};
use super::hearing;
use crate::api::EventSource;
use crate::stripe::{self, EventCursor, Missed, Poll, Session, name_of};

/// How often Stripe is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For new events; also how patient one is with failures.
    pub(super) events: Duration,
    /// Whether it is asked for those at all.
    pub(super) polling: Polling,
    /// For everything.
    pub(super) resync: Duration,
}

/// Whether Stripe's event list is asked for news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polling {
    /// It is.
    On,
    /// News come as webhooks only.
    Off,
}

/// Reason of the Kubernetes event that tells of events which nobody can read any more.
const EVENTS_EXPIRED: &str = "EventsExpired";
/// Reason of the one that tells of a kept place which is none.
const EVENT_CURSOR_INVALID: &str = "EventCursorInvalid";

/// Polls that may fail before the tenants are told that Stripe cannot be seen: a short failure
/// is no reason to write the status of a whole fleet twice.
const BLIND_AFTER_POLLS: u32 = 12;

/// Follows Stripe until `shutdown`.
pub(super) async fn follow(
    context: Arc<Context>,
    pace: Pace,
    keeper: Keeper,
    shutdown: CancellationToken,
) {
    let sight = Sight {
        context: &context,
        pace,
        backoff: Backoff::default(),
        failing: Mutex::default(),
    };
    tokio::join!(
        rounds(&sight, keeper, &shutdown),
        hearing::attend(&sight, &shutdown)
    );
}

async fn rounds(sight: &Sight<'_>, mut keeper: Keeper, shutdown: &CancellationToken) {
    let mut before = Before::Unread;
    while !shutdown.is_cancelled() {
        let ended = tokio::select! {
            () = shutdown.cancelled() => return,
            ended = round(sight, &mut keeper, &mut before) => ended,
        };
        let Err(error) = ended else { continue };
        tracing::warn!(%error, "following Stripe failed; it begins again");
        let wait = sight.failed(&error);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Whether Stripe can be seen.
pub(super) struct Sight<'a> {
    pub(super) context: &'a Context,
    pace: Pace,
    backoff: Backoff<()>,
    failing: Mutex<Option<Instant>>,
}

impl Sight<'_> {
    /// Stripe was seen.
    pub(super) fn succeeded(&self) {
        self.backoff.succeeded(&());
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.context.note_sight(None);
    }

    /// Stripe was not seen.
    pub(super) fn missed(&self, error: &stripe::Error) {
        let since = *self
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
        // Before the first list there is nothing that could be spoken of.
        if !self.context.mirror.is_complete() || since.elapsed() > self.patience() {
            self.context.note_sight(Some(error.clone()));
        }
    }

    /// How long failures may last before tenants are told.
    pub(super) fn patience(&self) -> Duration {
        self.pace.events * BLIND_AFTER_POLLS
    }

    /// The account could not be followed. Says how long to wait.
    fn failed(&self, error: &stripe::Error) -> Duration {
        self.context.metrics.sync_failed();
        self.missed(error);
        self.backoff.failed(()).min(self.pace.events * 4)
    }
}

/// Where the events before a round were left.
enum Before {
    /// It has not been read what an earlier leader kept.
    Unread,
    /// An earlier leader left them here.
    Kept(EventCursor),
    /// This process did, a moment ago or at the last round.
    Own(EventCursor),
    /// Nowhere that could be gone on from.
    Nowhere,
}

/// Lists everything, then follows the events until the next complete list is due.
async fn round(
    sight: &Sight<'_>,
    keeper: &mut Keeper,
    before: &mut Before,
) -> Result<(), stripe::Error> {
    let context = sight.context;
    let pace = sight.pace;
    let session = context.stripe.session().await?.bulk();
    // Events from before the list are in the list; so the newest is noted first.
    let mut cursor = EventCursor::start(&session).await?;
    list(context, &session).await?;
    sight.succeeded();
    if matches!(before, Before::Unread) {
        *before = load(context, keeper).await;
    }
    let mut caught_up = false;
    // The jitter keeps operators that started together apart.
    let next_list = tokio::time::Instant::now() + pace.resync.mul_f64(0.9 + 0.2 * fastrand::f64());
    loop {
        let step = if caught_up {
            poll(context, &session, &mut cursor, pace.polling).await
        } else {
            let caught_up = catch_up(context, keeper, before, &cursor, &session).await;
            caught_up.map(|()| Next::Go(Stripe::Seen))
        };
        let wait = match step {
            Ok(Next::List) => return Ok(()),
            Ok(Next::Go(stripe)) => {
                caught_up = true;
                if stripe == Stripe::Seen {
                    sight.succeeded();
                }
                if context.leadership.holds() {
                    keeper.keep(&cursor).await;
                }
                *before = Before::Own(cursor.clone());
                pace.events
            }
            // The cursor stands where it stood: nothing is missed, and nothing has to be listed.
            Err(error) => {
                tracing::warn!(%error, "Stripe's events cannot be read; it is tried again");
                pace.events + sight.failed(&error)
            }
        };
        let wake = tokio::time::Instant::now() + wait;
        tokio::time::sleep_until(wake.min(next_list)).await;
        if wake >= next_list {
            return Ok(());
        }
    }
}

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Wait, and go on.
    Go(Stripe),
    /// List everything now: events may have been missed.
    List,
}

/// Whether Stripe was asked anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stripe {
    /// It was, and it answered.
    Seen,
    /// It was not.
    NotAsked,
}

/// Reads what an earlier leader has kept. What cannot be read is no reason not to start: everything
/// has been listed.
async fn load(context: &Context, keeper: &mut Keeper) -> Before {
    match keeper.load().await {
        Ok(Kept::At(cursor)) => Before::Kept(cursor),
        Ok(Kept::Nothing) => Before::Nowhere,
        Ok(Kept::Garbage(wrong)) => {
            let note = format!(
                "{wrong}; which events were missed cannot be told, so everything in Stripe was \
                 compared with the manifests instead, and the place is written anew"
            );
            tracing::warn!(wrong, "the kept place in Stripe's event list is unreadable");
            let object = keeper.object();
            context
                .events
                .warning(&object, EVENT_CURSOR_INVALID, &note)
                .await;
            Before::Nowhere
        }
        Err(error) => {
            tracing::warn!(
                error,
                "the kept place in Stripe's event list cannot be read"
            );
            Before::Nowhere
        }
    }
}

/// Tells the tenants that something happened to while nobody listened. Nothing is read for it: what
/// was listed is newer than those events.
async fn catch_up(
    context: &Context,
    keeper: &Keeper,
    before: &Before,
    newest: &EventCursor,
    session: &Session,
) -> Result<(), stripe::Error> {
    let (Before::Kept(left) | Before::Own(left)) = before else {
        return Ok(());
    };
    if left.account != newest.account {
        tracing::info!("the kept place in Stripe's event list is one of another account or mode");
        return Ok(());
    }
    match left.missed(newest, session).await? {
        Missed::Events(events) => {
            for event in &events {
                let name = name_of(event, EventSource::Poll);
                hearing::tell(context, &context.inbox.concerned(event), &name);
            }
        }
        Missed::Expired if matches!(before, Before::Kept(_)) => {
            let note = expired(left, Timestamp::now());
            tracing::warn!(note, "events were missed");
            let object = keeper.object();
            context.events.warning(&object, EVENTS_EXPIRED, &note).await;
        }
        // Nothing happened for 30 days, and now the event that was the last one is forgotten.
        Missed::Expired => {
            tracing::info!("the place in Stripe's event list is gone; it is set anew");
        }
    }
    Ok(())
}

/// What is said of events that nobody can read any more.
fn expired(left: &EventCursor, now: Timestamp) -> String {
    let since = left.last.as_ref().map_or_else(
        || "the start".to_owned(),
        |last| {
            let created = Timestamp::from_second(last.created).unwrap_or_default();
            format!("{created} ({})", last.id)
        },
    );
    format!(
        "Stripe's events from {since} to {now:.0} cannot all be read any more, because Stripe keeps \
         them for 30 days; everything in Stripe was compared with the manifests instead, so nothing \
         is missing but the name of the last event in the status of tenants"
    )
}

/// Reads new events into the inbox, unless they come as webhooks only. Another account is noticed in
/// either case.
async fn poll(
    context: &Context,
    listed: &Session,
    cursor: &mut EventCursor,
    polling: Polling,
) -> Result<Next, stripe::Error> {
    let session = context.stripe.session().await?.bulk();
    if session.account() != listed.account() {
        tracing::warn!("the API key belongs to another account now; listing that one");
        return Ok(Next::List);
    }
    if polling == Polling::Off {
        return Ok(Next::Go(Stripe::NotAsked));
    }
    match cursor
        .poll(&session, &context.mirror, &context.inbox)
        .await?
    {
        Poll::Read => Ok(Next::Go(Stripe::Seen)),
        Poll::Full => {
            tracing::warn!("more events than can be kept are waiting; the others follow");
            Ok(Next::Go(Stripe::Seen))
        }
        Poll::Lost => Ok(Next::List),
    }
}

async fn list(context: &Context, session: &Session) -> Result<(), stripe::Error> {
    let began = Instant::now();
    context.mirror.rebuild(session).await?;
    for clock in context.tenants.test_clocks() {
        if let Err(error) = context.mirror.rebuild_clock(session, &clock).await {
            // A clock that does not exist is its tenants' affair; their looks say so.
            tracing::debug!(%error, clock, "test clock not listed");
        }
    }
    context.inbox.wake();
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
