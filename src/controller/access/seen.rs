//! The tenants' `ConfigMap`s as the watch has shown them: a hash of each, so that one that is edited or
//! deleted by hand is noticed at once, and a restart finds without a request that all is well.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;

use super::{ManifestKey, map};

/// What is in the cluster.
#[derive(Debug, Default)]
pub(super) struct Seen {
    maps: HashMap<ManifestKey, u64>,
    /// During a list: what it has not shown yet.
    unseen: Option<HashSet<ManifestKey>>,
    listed: bool,
}

impl Seen {
    /// Takes in one event of the watch. Gives the manifests whose `ConfigMap` is another now.
    pub(super) fn observe(&mut self, event: &Event<ConfigMap>) -> Vec<ManifestKey> {
        match event {
            Event::Init => {
                self.unseen = Some(self.maps.keys().cloned().collect());
                Vec::new()
            }
            Event::InitApply(map) | Event::Apply(map) => {
                let Some(key) = map::manifest_of(map) else {
                    return Vec::new();
                };
                if let Some(unseen) = &mut self.unseen {
                    unseen.remove(&key);
                }
                self.note(&key, map).then_some(key).into_iter().collect()
            }
            Event::Delete(map) => {
                let key = map::manifest_of(map);
                key.filter(|key| self.maps.remove(key).is_some())
                    .into_iter()
                    .collect()
            }
            Event::InitDone => {
                self.listed = true;
                let gone = self.unseen.take().unwrap_or_default();
                let gone = gone.into_iter();
                gone.filter(|key| self.maps.remove(key).is_some()).collect()
            }
        }
    }

    /// Whether every `ConfigMap` has been seen once.
    pub(super) fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether a manifest's `ConfigMap` is as `wanted`.
    pub(super) fn shows(&self, key: &ManifestKey, wanted: &ConfigMap) -> bool {
        self.maps.get(key) == Some(&map::digest(wanted))
    }

    /// Notes what a `ConfigMap` is now. Says whether that is new.
    pub(super) fn note(&mut self, key: &ManifestKey, map: &ConfigMap) -> bool {
        let digest = map::digest(map);
        self.maps.insert(key.clone(), digest) != Some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::published;
    use super::*;
    use crate::api::AccessLevel;

    #[test]
    fn edits_deletions_and_what_a_new_list_does_not_show_are_noticed_and_nothing_else() {
        let (acme, globex) = (
            ManifestKey::new("n", "acme"),
            ManifestKey::new("n", "globex"),
        );
        let map = |key: &ManifestKey, level| map::wanted(key, &published("u1", level)).unwrap();
        let (full, limited) = (AccessLevel::Full, AccessLevel::Limited);
        let mut seen = Seen::default();
        let names = |changed: Vec<ManifestKey>| -> Vec<String> {
            changed.iter().map(|key| key.name.to_string()).collect()
        };
        let observe = |seen: &mut Seen, event| names(seen.observe(&event));
        assert_eq!(observe(&mut seen, Event::Init), [""; 0]);
        let first = Event::InitApply(map(&acme, full));
        assert_eq!(observe(&mut seen, first), ["acme"]);
        assert!(!seen.is_listed());
        assert_eq!(observe(&mut seen, Event::InitDone), [""; 0]);
        assert!(seen.is_listed() && seen.shows(&acme, &map(&acme, full)));
        // What was written oneself comes back as no news.
        seen.note(&acme, &map(&acme, limited));
        let own = Event::Apply(map(&acme, limited));
        assert_eq!(observe(&mut seen, own), [""; 0]);
        assert!(!seen.shows(&acme, &map(&acme, full)));
        let edit = Event::Apply(map(&acme, full));
        assert_eq!(observe(&mut seen, edit), ["acme"]);
        let created = Event::Apply(map(&globex, full));
        assert_eq!(observe(&mut seen, created), ["globex"]);
        let deleted = Event::Delete(map(&globex, full));
        assert_eq!(observe(&mut seen, deleted), ["globex"]);
        assert!(!seen.shows(&globex, &map(&globex, full)));
        observe(&mut seen, Event::Init);
        assert_eq!(observe(&mut seen, Event::InitDone), ["acme"]);
        let mut strange = map(&globex, full);
        strange.metadata.name = Some("something-else".to_owned());
        assert_eq!(observe(&mut seen, Event::Apply(strange)), [""; 0]);
    }
}
