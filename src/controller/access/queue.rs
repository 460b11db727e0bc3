//! What is to be done next: each manifest at most once at a time, and after a failure later.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::ManifestKey;

/// Whether something came up again while it was being worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Meanwhile {
    #[default]
    Nothing,
    Again,
}

/// Manifests whose `ConfigMap` is to be compared.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<ManifestKey>,
    /// What is in `ready`.
    waiting: HashSet<ManifestKey>,
    running: HashMap<ManifestKey, Meanwhile>,
    /// Those that failed, by the time of the next attempt; the number keeps equal times apart.
    later: BTreeMap<(Instant, u64), ManifestKey>,
    number: u64,
}

impl Queue {
    /// Asks for a manifest to be worked on: now, or again once that is over.
    pub(super) fn push(&mut self, key: ManifestKey) {
        if let Some(meanwhile) = self.running.get_mut(&key) {
            *meanwhile = Meanwhile::Again;
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The next to work on, if there is one.
    pub(super) fn next(&mut self, now: Instant) -> Option<ManifestKey> {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let key = first.remove();
            self.push(key);
        }
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        self.running.insert(key.clone(), Meanwhile::Nothing);
        Some(key)
    }

    /// The work on a manifest is over. If it is to be tried again, then at `retry`.
    pub(super) fn done(&mut self, key: ManifestKey, retry: Option<Instant>) {
        let meanwhile = self.running.remove(&key).unwrap_or_default();
        match (meanwhile, retry) {
            (Meanwhile::Again, _) => self.push(key),
            (Meanwhile::Nothing, Some(at)) => {
                self.number += 1;
                self.later.insert((at, self.number), key);
            }
            (Meanwhile::Nothing, None) => {}
        }
    }

    /// How long until something is to be tried again.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let ((at, _), _) = self.later.first_key_value()?;
        Some(at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ManifestKey {
        ManifestKey::new("n", name)
    }

    #[test]
    fn each_waits_once_and_is_worked_on_by_one_at_a_time() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for name in ["a", "b", "a"] {
            queue.push(key(name));
        }
        assert_eq!(queue.next(now), Some(key("a")));
        queue.push(key("a"));
        assert_eq!(queue.next(now), Some(key("b")));
        assert_eq!(queue.next(now), None);
        queue.done(key("b"), None);
        queue.done(key("a"), None);
        assert_eq!(
            queue.next(now),
            Some(key("a")),
            "it came up while it was worked on"
        );
        queue.done(key("a"), None);
        assert_eq!(queue.next(now), None);
    }

    #[test]
    fn what_failed_waits_for_its_time_unless_it_comes_up_again() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        for name in ["a", "b"] {
            queue.push(key(name));
            assert_eq!(queue.next(now), Some(key(name)));
            queue.done(key(name), Some(later));
        }
        assert_eq!(queue.next(now), None);
        assert_eq!(queue.wait(now), Some(Duration::from_secs(5)));
        queue.push(key("b"));
        assert_eq!(queue.next(now), Some(key("b")));
        queue.done(key("b"), None);
        assert_eq!(queue.next(later), Some(key("a")));
        // Once more costs a comparison.
        assert_eq!(queue.next(later), Some(key("b")));
        assert_eq!((queue.next(later), queue.wait(later)), (None, None));
    }
}
