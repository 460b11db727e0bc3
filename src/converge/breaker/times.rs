//! Tenants by time.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use jiff::Timestamp;

/// Tenants by the time at which something becomes of them.
#[derive(Clone, Debug)]
pub(super) struct Times<K>(BTreeMap<Timestamp, HashSet<K>>);

impl<K: Clone + Eq + Hash> Times<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn insert(&mut self, at: Timestamp, key: &K) {
        self.0.entry(at).or_default().insert(key.clone());
    }

    pub(super) fn remove(&mut self, at: Timestamp, key: &K) {
        if let Some(keys) = self.0.get_mut(&at) {
            keys.remove(key);
            if keys.is_empty() {
                self.0.remove(&at);
            }
        }
    }

    /// Takes out those whose time has come.
    pub(super) fn take_until(&mut self, until: Timestamp) -> Vec<K> {
        let mut taken = Vec::new();
        while let Some(first) = self.0.first_entry() {
            if *first.key() > until {
                break;
            }
            taken.extend(first.remove());
        }
        taken
    }
}
