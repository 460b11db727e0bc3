//! What the breaker has to know of the tenants, counted as it changes: an answer costs the same for
//! ten tenants and for ten thousand.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{AddAssign, SubAssign};

use jiff::Timestamp;

use super::times::Times;
use super::{Facts, HOUR, Threshold, Verdict, judge};
use crate::api::AccessLevel;

/// A tenant as its status shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it may use; `None` while nobody has said.
    pub level: Option<AccessLevel>,
    /// When it was restricted to that level, if it was: by the clock on the wall, and only if it had
    /// more before.
    pub restricted: Option<Timestamp>,
    /// When it will have less.
    pub until: Option<Timestamp>,
    /// Whether it waits to have less.
    pub waits: Waits,
}

/// Whether a tenant waits to be restricted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// It does.
    Yes,
    /// It does not.
    #[default]
    No,
}

/// Whether a tenant may be restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Granted,
    /// It has to keep what it has.
    Held,
}

/// What a person has let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Since when. It is in force for an hour.
    pub at: Timestamp,
    /// How many more than usual.
    pub allowed: usize,
}

/// The tenants, as far as the breaker has to know them.
#[derive(Clone, Debug)]
pub struct Fleet<K> {
    threshold: Threshold,
    tenants: HashMap<K, Tenant>,
    /// When tenants were restricted, to forget that after an hour.
    restricted: Times<K>,
    /// When tenants will have less, beyond the horizon.
    ahead: Times<K>,
    counts: Counts,
    /// The latest time anybody has spoken of. It never goes back.
    now: Timestamp,
    release: Option<Release>,
    /// What was restricted until then was released, and counts no more.
    forgiven: Timestamp,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tenant {
    level: Option<AccessLevel>,
    /// When it was restricted within the past hour, and to what.
    restricted: Option<(Timestamp, AccessLevel)>,
    until: Option<Timestamp>,
    waits: Waits,
}

/// What a tenant, or all of them, add to the facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    tenants: usize,
    restricted: usize,
    waiting: usize,
    coming: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.tenants += other.tenants;
        self.restricted += other.restricted;
        self.waiting += other.waiting;
        self.coming += other.coming;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.tenants -= other.tenants;
        self.restricted -= other.restricted;
        self.waiting -= other.waiting;
        self.coming -= other.coming;
    }
}

impl Tenant {
    /// What it adds at a time, when everything restricted until `forgiven` was released.
    fn counts(&self, now: Timestamp, forgiven: Timestamp) -> Counts {
        let has_access = self.level.is_some_and(|it| it < AccessLevel::Suspended);
        let waits = self.waits == Waits::Yes;
        let soon = self.until.is_some_and(|at| at <= now + HOUR);
        let counted = self.restricted.is_some_and(|(at, _)| at > forgiven);
        Counts {
            tenants: usize::from(has_access || waits || self.restricted.is_some()),
            restricted: usize::from(counted),
            waiting: usize::from(waits),
            coming: usize::from(has_access && soon && !waits),
        }
    }
}

impl<K: Clone + Eq + Hash> Fleet<K> {
    /// A fleet of nobody.
    pub fn new(threshold: Threshold) -> Self {
        Self {
            threshold,
            tenants: HashMap::new(),
            restricted: Times::new(),
            ahead: Times::new(),
            counts: Counts::default(),
            now: Timestamp::UNIX_EPOCH,
            release: None,
            forgiven: Timestamp::UNIX_EPOCH,
        }
    }

    /// Takes in what a tenant's status says.
    pub fn see(&mut self, key: &K, standing: Standing, now: Timestamp) {
        self.pass(now);
        let now = self.now;
        self.change(key, |tenant| {
            // One that has less than it was known to have, or is met for the first time: that is
            // how what others have restricted is counted, too.
            let is_less = standing.level > tenant.level || tenant.level.is_none();
            let at = standing.restricted.map(|at| at.min(now));
            let at = at.filter(|at| *at > now - HOUR && is_less && tenant.restricted.is_none());
            if let (Some(at), Some(level)) = (at, standing.level) {
                tenant.restricted = Some((at, level));
            }
            tenant.level = standing.level;
            tenant.until = standing.until;
            // The status of one that was just restricted may be older than that.
            if tenant.restricted.is_none() {
                tenant.waits = standing.waits;
            }
        });
    }

    /// A tenant is gone.
    pub fn forget(&mut self, key: &K) {
        if let Some(tenant) = self.tenants.remove(key) {
            self.unlist(key, &tenant);
        }
    }

    /// Every tenant that is known.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.tenants.keys()
    }

    /// Those that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &K> {
        let waiting = self.tenants.iter();
        waiting
            .filter(|(_, tenant)| tenant.waits == Waits::Yes)
            .map(|(key, _)| key)
    }

    /// Asks whether a tenant may have this instead of that, and notes the answer. One that may have as
    /// much as before, or more, waits for nothing any more.
    pub fn ask(&mut self, key: &K, from: AccessLevel, to: AccessLevel, now: Timestamp) -> Answer {
        self.pass(now);
        if to <= from {
            if self.tenants.contains_key(key) {
                self.change(key, |tenant| tenant.waits = Waits::No);
            }
            return Answer::Granted;
        }
        // It was granted within the hour, and writing it down may have failed.
        let known = self.tenants.get(key).copied().unwrap_or_default();
        if known.restricted.is_some_and(|(_, level)| to <= level) {
            return Answer::Granted;
        }
        self.change(key, |tenant| {
            tenant.waits = Waits::Yes;
            // Nobody knows it yet: the watch is late.
            tenant.level.get_or_insert(from);
        });
        if self.verdict() == Verdict::Hold {
            return Answer::Held;
        }
        let now = self.now;
        self.change(key, |tenant| {
            tenant.waits = Waits::No;
            tenant.restricted = Some((now, to));
        });
        Answer::Granted
    }

    /// A person lets those through that wait or will soon.
    pub fn release(&mut self, now: Timestamp) -> Release {
        self.pass(now);
        let release = Release {
            at: self.now,
            allowed: self.counts.waiting + self.counts.coming,
        };
        self.restore(release, now);
        release
    }

    /// Takes up a release that was noted earlier.
    pub fn restore(&mut self, release: Release, now: Timestamp) {
        self.forgiven = release.at;
        self.release = Some(release);
        self.recount();
        self.pass(now);
    }

    /// The release that is in force.
    pub fn released(&self) -> Option<Release> {
        self.release
    }

    /// Lets time pass.
    pub fn pass(&mut self, now: Timestamp) {
        let now = self.now.max(now);
        let soon = self.ahead.take_until(now + HOUR);
        // They begin to count with the horizon.
        for key in &soon {
            if let Some(tenant) = self.tenants.get(key) {
                self.counts -= tenant.counts(self.now, self.forgiven);
                self.counts += tenant.counts(now, self.forgiven);
            }
        }
        self.now = now;
        let past = self.restricted.take_until(now - HOUR);
        for key in past {
            self.change(&key, |tenant| tenant.restricted = None);
        }
        if let Some(release) = self.release
            && release.at + HOUR <= now
        {
            self.release = None;
            self.forgiven = release.at + HOUR;
            self.recount();
        }
    }

    /// The latest time it was told of.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What is judged.
    pub fn facts(&self) -> Facts {
        Facts {
            tenants: self.counts.tenants,
            restricted: self.counts.restricted,
            waiting: self.counts.waiting,
            coming: self.counts.coming,
            allowed: self.release.map_or(0, |release| release.allowed),
        }
    }

    /// How many may newly be restricted within an hour.
    pub fn limit(&self) -> usize {
        self.facts().limit(self.threshold)
    }

    /// The verdict on all that.
    pub fn verdict(&self) -> Verdict {
        judge(&self.facts(), self.threshold)
    }

    fn change(&mut self, key: &K, edit: impl FnOnce(&mut Tenant)) {
        let mut tenant = self.tenants.get(key).copied().unwrap_or_default();
        self.unlist(key, &tenant);
        edit(&mut tenant);
        self.list(key, &tenant);
        self.tenants.insert(key.clone(), tenant);
    }

    fn list(&mut self, key: &K, tenant: &Tenant) {
        self.counts += tenant.counts(self.now, self.forgiven);
        if let Some((at, _)) = tenant.restricted {
            self.restricted.insert(at, key);
        }
        if let Some(at) = tenant.until.filter(|at| *at > self.now + HOUR) {
            self.ahead.insert(at, key);
        }
    }

    fn unlist(&mut self, key: &K, tenant: &Tenant) {
        self.counts -= tenant.counts(self.now, self.forgiven);
        if let Some((at, _)) = tenant.restricted {
            self.restricted.remove(at, key);
        }
        if let Some(at) = tenant.until {
            self.ahead.remove(at, key);
        }
    }

    #[cfg(test)]
    pub(super) fn count_anew(&mut self) {
        self.recount();
    }

    fn recount(&mut self) {
        let mut counts = Counts::default();
        for tenant in self.tenants.values() {
            counts += tenant.counts(self.now, self.forgiven);
        }
        self.counts = counts;
    }
}
