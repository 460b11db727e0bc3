//! Who may use what, for others to enforce: an index that every replica keeps from a watch of its own,
//! and the `ConfigMap`s that the one that leads writes.
//!
//! ```text
//! watch TenantBillings -> AccessIndex ---> GET /access, /ext-authz   (every replica)
//!                              '---------> <name>-access             (the leader)
//! ```
//!
//! Both tell what stands in `status.access`, and nothing else: whoever asks a replica that does not
//! lead, or one that just started, is told the same. Neither is part of a look at a tenant, so a
//! `ConfigMap` that cannot be written delays nothing. The index is here and not with the routes that
//! it answers, because this is the only room that talks to Kubernetes.

mod follow;
mod ledger;
mod map;
mod maps;
mod metrics;
mod queue;
mod seen;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use jiff::Timestamp;
use kube::runtime::watcher::Event;

pub use self::follow::follow;
use self::ledger::{Change, Ledger};
pub use self::ledger::{ManifestKey, WatchedObject};
pub(super) use self::maps::Maps;
pub use self::metrics::AccessMetrics;
use crate::api::{AccessDocument, AccessLevel, Limits};

/// Parts of the index that are locked by themselves, so that lookups hardly ever meet a change.
const SHARDS: usize = 16;
/// A watch that fails is tried again at least this often; so one that has not failed for so long works.
const RETRIED_WITHIN: Duration = Duration::from_secs(120);

/// What a tenant may use, as its status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// How much.
    pub level: AccessLevel,
    /// Why.
    pub reason: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// When it will be less.
    pub until: Option<Timestamp>,
    /// The plan the subscription was last brought to.
    pub plan: Option<Arc<str>>,
    /// The plan's limits for that level. Shared, as the plan is, among all tenants that have them.
    pub limits: Arc<Limits>,
}

impl Access {
    /// What programs read of it.
    pub fn document<'a>(&'a self, tenant_id: &'a str) -> AccessDocument<'a> {
        AccessDocument {
            tenant_id,
            level: self.level.as_str(),
            reason: &self.reason,
            since: Some(self.since),
            until: self.until,
            plan: self.plan.as_deref(),
            limits: &self.limits,
        }
    }
}

/// Why nothing is known of a tenant's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The manifests have not been listed completely since this replica started.
    NotListed,
    /// No manifest bills a tenant of that id.
    NoManifest,
    /// Its manifest has not been looked at yet.
    NotLookedAt,
}

impl Unknown {
    /// In one word.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotListed => "NotListedYet",
            Self::NoManifest => "NoSuchTenant",
            Self::NotLookedAt => "NotLookedAtYet",
        }
    }
}

/// One tenant's entry: nothing while its manifest has not been looked at.
type Entry = Option<Arc<Access>>;

/// The access of every tenant, by its id. Lookups take one lock of sixteen for reading, and no other.
#[derive(Debug)]
pub struct AccessIndex {
    ledger: Mutex<Ledger>,
    shards: [RwLock<HashMap<Arc<str>, Entry>>; SHARDS],
    hasher: RandomState,
    listed: AtomicBool,
    /// Who wants to know which manifests' access may have changed.
    listener: Mutex<Option<mpsc::UnboundedSender<ManifestKey>>>,
    /// When the watch failed last, if nothing has come from it since.
    failed: Mutex<Option<Instant>>,
}

impl Default for AccessIndex {
    fn default() -> Self {
        Self {
            ledger: Mutex::default(),
            shards: Default::default(),
            hasher: RandomState::new(),
            listed: AtomicBool::new(false),
            listener: Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

/// What a manifest's `ConfigMap` has to say, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Published {
    tenant_id: Arc<str>,
    uid: Arc<str>,
    access: Arc<Access>,
}

impl AccessIndex {
    /// The access of a tenant.
    pub fn lookup(&self, tenant_id: &str) -> Result<Arc<Access>, Unknown> {
        if !self.is_listed() {
            return Err(Unknown::NotListed);
        }
        let shard = self.shard(tenant_id);
        let tenants = shard.read().unwrap_or_else(PoisonError::into_inner);
        match tenants.get(tenant_id) {
            None => Err(Unknown::NoManifest),
            Some(None) => Err(Unknown::NotLookedAt),
            Some(Some(access)) => Ok(Arc::clone(access)),
        }
    }

    /// Whether every manifest has been seen once.
    pub fn is_listed(&self) -> bool {
        self.listed.load(Ordering::Acquire)
    }

    /// How many tenants have a manifest.
    pub fn tenants(&self) -> usize {
        let count = |shard: &RwLock<HashMap<_, _>>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether the watch fails, so that what is told may be old.
    pub fn is_failing(&self) -> bool {
        let failed = *lock(&self.failed);
        failed.is_some_and(|at| at.elapsed() < RETRIED_WITHIN)
    }

    /// Takes in one event of the watch.
    pub fn observe(&self, event: &Event<WatchedObject>) {
        *lock(&self.failed) = None;
        let mut ledger = lock(&self.ledger);
        let changes = match event {
            Event::Init => {
                ledger.list_begins();
                return;
            }
            Event::InitApply(object) | Event::Apply(object) => vec![ledger.put(object)],
            Event::Delete(object) => vec![ledger.remove(&ManifestKey::of(&object.metadata))],
            Event::InitDone => ledger.list_ends(),
        };
        for change in changes {
            self.settle(&ledger, change);
        }
        if matches!(event, Event::InitDone) {
            self.listed.store(true, Ordering::Release);
        }
    }

    /// Notes that the watch failed. What was seen stays.
    pub fn note_failure(&self) {
        *lock(&self.failed) = Some(Instant::now());
    }

    /// The manifests whose access is to be published: all that are known now, and then each whenever it
    /// may have changed. Only the last who asked is told.
    fn changes(&self) -> mpsc::UnboundedReceiver<ManifestKey> {
        let (sender, changes) = mpsc::unbounded();
        // Nothing changes between the list and the news while the ledger is locked.
        let ledger = lock(&self.ledger);
        for key in ledger.keys() {
            // The receiver is right here.
            let _ = sender.unbounded_send(key.clone());
        }
        *lock(&self.listener) = Some(sender);
        changes
    }

    /// What a manifest's `ConfigMap` has to say; nothing without a manifest or before its first look.
    fn published(&self, key: &ManifestKey) -> Option<Published> {
        lock(&self.ledger).published(key)
    }

    /// Shows lookups and the listener what has changed in the ledger.
    fn settle(&self, ledger: &Ledger, change: Change) {
        for tenant_id in change.tenants {
            let mut tenants = self
                .shard(&tenant_id)
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            match ledger.entry(&tenant_id) {
                Some(entry) => tenants.insert(tenant_id, entry),
                None => tenants.remove(&tenant_id),
            };
        }
        if let Some(key) = change.manifest
            && let Some(listener) = lock(&self.listener).as_ref()
        {
            // Whoever listened may have ended.
            let _ = listener.unbounded_send(key);
        }
    }

    fn shard(&self, tenant_id: &str) -> &RwLock<HashMap<Arc<str>, Entry>> {
        let hash = self.hasher.hash_one(tenant_id);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the remainder is below sixteen"
        )]
        &self.shards[(hash % SHARDS as u64) as usize]
    }
}

/// No code panics while it holds one of these locks; should it, what they guard is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
