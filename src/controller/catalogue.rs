//! The plans as they were last resolved against Stripe.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::converge::catalogue::ObservedPlan;
use crate::converge::conditions::Outcome;
use crate::converge::desired::ResolvedPlan;
use crate::converge::observed::Account;

/// How often the counts of a plan are written at most.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What a look at a plan came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Generation of the manifest that was looked at.
    pub(super) generation: i64,
    /// The Stripe account and mode it was resolved in.
    pub(super) account: Option<Account>,
    /// The plan, or why it cannot be sold.
    pub(super) plan: Result<ResolvedPlan, Outcome>,
}

/// What a look at Stripe saw of a plan: enough to look again without asking.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// What the look was about. Anything else calls for another one.
    pub(super) about: Subject,
    /// What there is in Stripe.
    pub(super) observed: Arc<ObservedPlan>,
    /// Older prices that Stripe itself shows to be in use, though the mirror knows of nobody.
    pub(super) in_use: BTreeSet<String>,
    /// When the status was last written.
    pub(super) published: Instant,
}

/// What a look at a plan is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// The complete list of the account that came before it; none yet is 0.
    pub(super) list: u64,
    /// Where.
    pub(super) account: Account,
    /// The object; a plan that is made again under its name is another one.
    pub(super) uid: Option<String>,
    /// Of its manifest.
    pub(super) generation: i64,
    /// Its annotations that call for a look.
    pub(super) annotations: Vec<Option<String>>,
}

impl Sighting {
    /// How long until the status may be written again.
    pub(super) fn too_soon(&self) -> Option<Duration> {
        PUBLISH_EVERY.checked_sub(self.published.elapsed())
    }
}

/// The plans as they were last resolved against Stripe, by name.
#[derive(Default)]
pub(super) struct Catalogue {
    plans: RwLock<HashMap<String, Entry>>,
    sightings: RwLock<HashMap<String, Sighting>>,
    /// Complete lists of the account so far.
    lists: AtomicU64,
}

impl Catalogue {
    /// Records a look at a plan; says whether its tenants have to know.
    pub(super) fn record(&self, name: &str, entry: Entry) -> bool {
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        let news = plans.get(name) != Some(&entry);
        plans.insert(name.to_owned(), entry);
        news
    }

    /// The last look at a plan.
    pub(super) fn get(&self, name: &str) -> Option<Entry> {
        self.plans
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Remembers what was seen of a plan, or that nothing is known any more.
    pub(super) fn remember(&self, name: &str, sighting: Option<Sighting>) {
        let mut sightings = self
            .sightings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match sighting {
            Some(sighting) => sightings.insert(name.to_owned(), sighting),
            None => sightings.remove(name),
        };
    }

    /// What was seen of a plan when it was last looked at about the same.
    pub(super) fn sighting(&self, name: &str, about: &Subject) -> Option<Sighting> {
        self.sightings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .filter(|sighting| sighting.about == *about)
            .cloned()
    }

    /// Notes that the account was listed completely, test clocks included: what was seen before is
    /// not current any more.
    pub(super) fn listed(&self) {
        self.lists.fetch_add(1, Ordering::AcqRel);
    }

    /// How often the account was listed completely.
    pub(super) fn lists(&self) -> u64 {
        self.lists.load(Ordering::Acquire)
    }
}
