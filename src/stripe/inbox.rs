//! What was heard of and not read again yet: the one place that webhooks and polled events go to.
//!
//! Nothing is kept of an event but what to read again and, for the status, its name. Events about one
//! object are one entry. An entry leaves when its object was read after its last event came, or when
//! the object turns out unreadable; a failure that passes keeps it in here. So what was taken in may
//! be acknowledged at once: it is lost only with the process, and the next one lists everything.

mod entries;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::entries::Entries;
use super::error::Error;
use super::event_view::Event;
use super::hint::{Hint, Touched, Verdict};
use super::mirror::Mirror;
use super::session::Session;
use crate::api::{EventSource, LastEvent};
use crate::converge::observed::{Account, TenantKey};

/// Entries that are kept. A fleet of 25,000 tenants may have an event about each customer and each
/// subscription waiting; at some 300 bytes each that is 15 MB.
const CAPACITY: usize = 50_000;
/// Waits between attempts grow up to this. A status may be as late as that after Stripe comes back.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What became of an event that was brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Marked {
    /// What it points at is going to be read.
    Taken,
    /// It was here before.
    Known,
    /// It is about an object that concerns nobody here.
    Stranger,
    /// It is about a kind of object that is not kept here.
    Ignored,
    /// It comes from a connected account, or from the other mode.
    Elsewhere,
    /// There is no room. Nothing was kept, so it must not be acknowledged.
    Full,
}

/// Everything that waits to be read again. Shared by those who bring and the one who reads.
pub struct Inbox {
    mirror: Arc<Mirror>,
    entries: Mutex<Entries>,
    news: Notify,
}

/// An entry that was taken out to be read. To be given back to [`Inbox::settle`].
#[derive(Debug)]
pub struct Errand {
    hint: Hint,
    /// The event that gave rise to it; the newest, when there were several.
    pub event: LastEvent,
    /// The customer that the object belongs to.
    customer: Option<Box<str>>,
    failures: u32,
    failing_since: Option<Instant>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Inbox {
    /// An empty inbox for the objects of `mirror`.
    pub fn new(mirror: Arc<Mirror>) -> Self {
        Self::with_capacity(mirror, CAPACITY)
    }

    pub(super) fn with_capacity(mirror: Arc<Mirror>, capacity: usize) -> Self {
        Self {
            mirror,
            entries: Mutex::new(Entries::new(capacity)),
            news: Notify::new(),
        }
    }

    /// Takes an event in.
    ///
    /// While the account has not been listed once, whatever could concern a tenant is kept, and
    /// judged when it is taken out.
    pub fn mark(&self, event: &Event, via: EventSource) -> Marked {
        if let Some(account) = self.mirror.account()
            && !happened_in(event, &account)
        {
            return Marked::Elsewhere;
        }
        let Some(pointer) = self.mirror.pointer(event) else {
            return Marked::Ignored;
        };
        if pointer.judge(&self.mirror) == Verdict::Stranger {
            return Marked::Stranger;
        }
        let marked = self.lock().put(pointer, name_of(event, via));
        if marked == Marked::Taken {
            self.news.notify_one();
        }
        marked
    }

    /// Whom an event concerns, as far as that can be told without reading anything: for events that
    /// are older than what the mirror holds.
    pub fn concerned(&self, event: &Event) -> Touched {
        let pointer = self.mirror.pointer(event);
        pointer.map_or_else(Touched::default, |pointer| {
            pointer.without_reading(&self.mirror)
        })
    }

    /// Waits for something to read, and takes it out: what a webhook brought goes first. To be
    /// called by one task.
    pub async fn next(&self) -> Errand {
        loop {
            let now = Instant::now();
            let due = match self.take(now) {
                Ok(errand) => return errand,
                Err(due) => due,
            };
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = timer => {}
            }
        }
    }

    /// The first entry that is due, or when the next one is.
    fn take(&self, now: Instant) -> Result<Errand, Option<Instant>> {
        if !self.mirror.is_complete() {
            return Err(None);
        }
        let mut entries = self.lock();
        loop {
            let Some((pointer, errand)) = entries.take(now) else {
                return Err(entries.next_due());
            };
            // Kept before it could be told whose it is.
            match pointer.judge(&self.mirror) {
                Verdict::Wanted => return Ok(errand),
                Verdict::Stranger => entries.settle(&errand.hint),
                Verdict::NotYet => {
                    entries.delay(errand, now);
                    return Err(None);
                }
            }
        }
    }

    /// To be called when the mirror has become complete.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Says how an errand ended. A failure that passes has it tried again, later each time, and
    /// delays nobody else's.
    pub fn settle(&self, errand: Errand, outcome: Outcome) {
        let mut entries = self.lock();
        match outcome {
            Outcome::Done => entries.settle(&errand.hint),
            Outcome::Again => {
                let wait = wait_after(errand.failures);
                entries.delay(errand, Instant::now() + wait);
            }
        }
        drop(entries);
        self.news.notify_one();
    }

    /// How many entries wait or are being read.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing waits and nothing is being read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // No code panics while holding the lock; should it, the maps are still whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an errand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object was read, or never will be.
    Done,
    /// It failed in a way that passes.
    Again,
}

impl Errand {
    /// Reads the object again and takes it into the mirror. Gives whom that concerns.
    pub async fn read(&self, session: &Session, mirror: &Mirror) -> Result<Touched, Error> {
        self.hint.read(session, mirror).await
    }

    /// Whom the object concerns as far as that is known without reading it.
    pub fn concerned(&self, mirror: &Mirror) -> Vec<TenantKey> {
        self.hint.known_tenants(self.customer.as_deref(), mirror)
    }

    /// For how long attempts to read it have failed.
    pub fn failing_for(&self) -> Duration {
        self.failing_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What is to be read.
    pub fn hint(&self) -> &Hint {
        &self.hint
    }

    /// The session to read with: somebody may be waiting for what a webhook tells.
    pub fn session(&self, session: &Session) -> Session {
        match self.event.via {
            EventSource::Webhook => session.interactive(),
            EventSource::Poll => session.bulk(),
        }
    }
}

impl Outcome {
    /// What a failure to read means for an errand.
    pub fn of(error: &Error) -> Self {
        if error.is_of_the_object() {
            Self::Done
        } else {
            Self::Again
        }
    }
}

/// Whether an event happened in an account. An event names an account only when it is a connected
/// one; older senders may leave out the mode.
fn happened_in(event: &Event, account: &Account) -> bool {
    let same_account = event.account.as_deref().is_none_or(|id| *id == *account.id);
    let same_mode = event.livemode.is_none_or(|mode| mode == account.livemode);
    same_account && same_mode
}

/// What a status says of an event.
pub fn name_of(event: &Event, via: EventSource) -> LastEvent {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    LastEvent {
        id: event.id.clone(),
        kind: event.kind.clone(),
        // A time that does not exist is no reason to lose the event.
        created_at: Time(jiff::Timestamp::from_second(event.created).unwrap_or_default()),
        via,
    }
}

/// 1 s, 2 s, 4 s … give or take a quarter.
fn wait_after(failures: u32) -> Duration {
    let wait = Duration::from_secs(1 << failures.min(6)).min(LONGEST_WAIT);
    wait.mul_f64(0.75 + 0.5 * fastrand::f64())
}
