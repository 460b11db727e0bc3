//! The breaker at work: asked at each look that would leave a tenant with less access, and told of by
//! a `ConfigMap` next to the lease.
//!
//! What a look has to do with it:
//!
//! ```ignore
//! // `now` is the clock on the wall, also for a tenant on a test clock.
//! let level = match context.breaker.may_restrict(&tenant.reference(), recorded, wanted, now) {
//!     Permit::Granted => wanted,
//!     // The tenant keeps what it has. The condition EnforcementHeld=True says so, with
//!     // context.breaker.explain(&hold) as its message.
//!     Permit::Held(hold) => recorded,
//! };
//! ```
//!
//! It is to be called at every look at a tenant whose status tells of an access, also when that is
//! not going to be less: that is how a tenant that has paid ceases to wait. A new tenant has nothing
//! to lose, and is not asked for. Everybody who waits is looked at again when a hold ends.
//!
//! What it knows comes from the statuses, so that a new leader knows it too: who has access, who was
//! restricted when (`status.access.since`), who will be (`status.access.until`), and who waits (the
//! condition). What was granted and has not come back with the watch is counted besides. The times of
//! tenants on test clocks are none of the wall's: those count only as long as the leader lives.

mod keep;
mod people;
mod record;
mod seen;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tokio::sync::{Notify, watch};

pub(super) use self::keep::keep;
pub(super) use self::people::HoldMarks;
use self::record::{Kept, Record, State};
use super::index::TenantRef;
use super::lease::LeaseConfig;
use crate::api::{AccessLevel, TenantObject};
use crate::converge::breaker::{Answer, Facts, Fleet, Threshold, Verdict};
use crate::converge::notice::Mark;

/// The name of a hold: when it began. A release names it, so that nobody lets go what they have not
/// seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HoldName(Arc<str>);

impl HoldName {
    fn of(since: Timestamp) -> Self {
        Self(since.to_string().into())
    }

    /// While nobody knows whether an earlier leader's hold goes on.
    fn unread() -> Self {
        Self("unread".into())
    }
}

impl fmt::Display for HoldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a tenant may be restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// It may.
    Granted,
    /// It has to keep what it has while this hold lasts.
    Held(HoldName),
}

/// The hold that is in force, for those who have to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its name: a notice about it has this as its occasion.
    pub(super) name: HoldName,
    /// Since when.
    pub(super) since: Timestamp,
    /// How many were restricted, wait, and will have to, and of how many tenants.
    pub(super) facts: Facts,
    /// How many may be restricted within an hour.
    pub(super) limit: usize,
    /// All that in words, with what to do about it.
    pub(super) message: String,
    /// What the operator's people were told of it.
    pub(super) told: Mark,
}

/// Asked at each look that would leave a tenant with less access.
pub(super) struct Breaker {
    inner: Mutex<Inner>,
    record: Record,
    /// Something is to be announced.
    news: Notify,
    /// How reading the record went.
    reading: watch::Sender<Reading>,
}

struct Inner {
    fleet: Fleet<TenantRef>,
    hold: Option<Hold>,
    /// During a list: what it has not shown yet.
    unseen: Option<HashSet<TenantRef>>,
    /// Who asked while the record was unread.
    unanswered: HashSet<TenantRef>,
    sight: Sight,
}

#[derive(Clone, Debug)]
struct Hold {
    name: HoldName,
    since: Timestamp,
    told: Mark,
}

/// Whether every manifest has been seen once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Partial,
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Begun,
    Failed,
    Done,
}

impl Breaker {
    /// A breaker that knows nobody yet. Its record is named after the lease.
    pub(super) fn new(client: Client, lease: &LeaseConfig, threshold: Threshold) -> Self {
        Self {
            inner: Mutex::new(Inner {
                fleet: Fleet::new(threshold),
                hold: None,
                unseen: None,
                unanswered: HashSet::new(),
                sight: Sight::Partial,
            }),
            record: Record::new(client, lease),
            news: Notify::new(),
            reading: watch::Sender::new(Reading::Begun),
        }
    }

    /// Takes in one event of the watch.
    pub(super) fn observe(&self, event: &Event<TenantObject>, now: Timestamp) {
        let mut inner = self.lock();
        match event {
            Event::Init => inner.unseen = Some(inner.fleet.keys().cloned().collect()),
            Event::InitApply(object) | Event::Apply(object) => inner.see(object, now),
            Event::Delete(object) => inner.forget(&ObjectRef::from_obj(object)),
            Event::InitDone => {
                for gone in inner.unseen.take().unwrap_or_default() {
                    inner.forget(&gone);
                }
                inner.sight = Sight::Complete;
            }
        }
    }

    /// Whether a tenant may be left with less access than its status tells of. `now` is the clock on
    /// the wall. Costs the same for any number of tenants.
    pub(super) fn may_restrict(
        &self,
        tenant: &TenantRef,
        from: AccessLevel,
        to: AccessLevel,
        now: Timestamp,
    ) -> Permit {
        let mut inner = self.lock();
        if to > from && *self.reading.borrow() != Reading::Done {
            inner.unanswered.insert(tenant.clone());
            return Permit::Held(HoldName::unread());
        }
        let answer = inner.fleet.ask(tenant, from, to, now);
        if inner.follow() == Stand::Changed {
            self.news.notify_one();
        }
        match (answer, &inner.hold) {
            (Answer::Held, Some(hold)) => Permit::Held(hold.name.clone()),
            (Answer::Held, None) | (Answer::Granted, _) => Permit::Granted,
        }
    }

    /// What to say on a tenant that waits.
    pub(super) fn explain(&self, hold: &HoldName) -> String {
        if *hold == HoldName::unread() {
            return format!(
                "access is not reduced yet: whether enforcement was held is not known until the \
                 ConfigMap {} can be read; see the operator's log",
                self.record.place()
            );
        }
        format!(
            "access is not reduced for now: many tenants would lose theirs at once, and a person has to \
             look first. See the ConfigMap {} (hold {hold})",
            self.record.place()
        )
    }

    /// The hold that is in force, if one is.
    pub(super) fn held(&self) -> Option<Held> {
        let inner = self.lock();
        let hold = inner.hold.as_ref()?;
        let (facts, limit) = (inner.fleet.facts(), inner.fleet.limit());
        Some(Held {
            name: hold.name.clone(),
            since: hold.since,
            facts,
            limit,
            message: self.record.message(&hold.name, &facts, limit),
            told: hold.told.clone(),
        })
    }

    /// Notes in the cluster what the operator's people were told of a hold. Nothing is noted of one
    /// that is over.
    pub(super) async fn note_told(&self, name: &str, mark: Mark) -> Result<(), String> {
        {
            let mut inner = self.lock();
            match inner.hold.as_mut().filter(|hold| *hold.name.0 == *name) {
                Some(hold) => hold.told = mark,
                None => return Ok(()),
            }
        }
        self.record.keep(self.state()).await
    }

    /// Waits until it is known whether an earlier leader's hold goes on, or that this cannot be known
    /// for now. Until then nobody is restricted.
    pub(super) async fn wait_read(&self) {
        // The sender lives as long as self, so waiting cannot fail.
        let _ = self
            .reading
            .subscribe()
            .wait_for(|reading| *reading != Reading::Begun)
            .await;
    }

    /// Takes up what an earlier leader has left. Gives who has asked in vain meanwhile.
    fn resume(&self, kept: Kept, now: Timestamp) -> Vec<TenantRef> {
        let mut inner = self.lock();
        if let Some(release) = kept.release {
            inner.fleet.restore(release, now);
        }
        inner.hold = kept.hold.map(|(name, since)| Hold {
            name: HoldName(name.into()),
            since,
            told: kept.told,
        });
        self.reading.send_replace(Reading::Done);
        inner.unanswered.drain().collect()
    }

    /// Ends a hold for a person.
    fn release(&self, name: &str, now: Timestamp) {
        let mut inner = self.lock();
        if inner
            .hold
            .as_ref()
            .is_some_and(|hold| &*hold.name.0 == name)
        {
            inner.fleet.release(now);
            inner.follow();
        }
    }

    /// Lets time pass.
    fn pass(&self, now: Timestamp) {
        let mut inner = self.lock();
        inner.fleet.pass(now);
        inner.follow();
    }

    /// Who waits.
    fn waiting(&self) -> Vec<TenantRef> {
        self.lock().fleet.waiting().cloned().collect()
    }

    /// What the record has to say.
    fn state(&self) -> State {
        let inner = self.lock();
        State {
            hold: inner.hold.clone(),
            release: inner.fleet.released(),
            facts: inner.fleet.facts(),
            limit: inner.fleet.limit(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a hold has begun or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Same,
    Changed,
}

impl Inner {
    fn see(&mut self, object: &TenantObject, now: Timestamp) {
        let tenant = ObjectRef::from_obj(object);
        if object.metadata.deletion_timestamp.is_some() {
            return self.forget(&tenant);
        }
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(&tenant);
        }
        self.fleet.see(&tenant, seen::standing(object), now);
    }

    fn forget(&mut self, tenant: &TenantRef) {
        self.fleet.forget(tenant);
        self.unanswered.remove(tenant);
    }

    /// Begins or ends a hold as the verdict is. Before every status has been seen there is none.
    fn follow(&mut self) -> Stand {
        if self.sight == Sight::Partial {
            return Stand::Same;
        }
        match (self.fleet.verdict(), &self.hold) {
            (Verdict::Hold, None) => {
                let since = self.fleet.now();
                self.hold = Some(Hold {
                    name: HoldName::of(since),
                    since,
                    told: Mark::default(),
                });
                Stand::Changed
            }
            (Verdict::Clear, Some(_)) => {
                self.hold = None;
                Stand::Changed
            }
            _ => Stand::Same,
        }
    }
}
