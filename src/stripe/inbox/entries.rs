//! The memory of the inbox: what waits, in which order, and which events were here. No IO, no lock.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::{Errand, Marked};
use crate::api::{EventSource, LastEvent};
use crate::stripe::hint::{Hint, Pointer};

/// Ids of events that are remembered, so that one that is brought twice, by a webhook and by the
/// poll after it, is read once. Forgetting one costs a request and nothing else.
const REMEMBERED: usize = 16_384;

/// What waits to be read.
#[derive(Debug)]
pub(super) struct Entries {
    capacity: usize,
    by_hint: HashMap<Hint, Entry>,
    /// Entries in the order in which they came. One that is taken out otherwise leaves its hint
    /// behind, which is passed over.
    urgent: VecDeque<Hint>,
    bulk: VecDeque<Hint>,
    /// Entries whose last attempt failed. The number tells those of one instant apart.
    later: BTreeMap<(Instant, u64), Hint>,
    failures: u64,
    recent: Recent,
}

#[derive(Debug)]
struct Entry {
    pointer: Pointer,
    event: LastEvent,
    state: State,
    failures: u32,
    failing_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In one of the queues.
    Queued,
    /// In `later`.
    Delayed,
    /// Being read.
    Read,
    /// Being read, while another event came: what is read may be older than that.
    ReadAgain,
}

impl Entries {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            by_hint: HashMap::new(),
            urgent: VecDeque::new(),
            bulk: VecDeque::new(),
            later: BTreeMap::new(),
            failures: 0,
            recent: Recent::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_hint.len()
    }

    /// Takes an event in.
    pub(super) fn put(&mut self, pointer: Pointer, event: LastEvent) -> Marked {
        if self.recent.contains(&event.id) {
            return Marked::Known;
        }
        if !self.by_hint.contains_key(&pointer.hint) && self.by_hint.len() >= self.capacity {
            return Marked::Full;
        }
        self.recent.insert(&event.id);
        let (via, hint) = (event.via, pointer.hint.clone());
        let Some(entry) = self.by_hint.get_mut(&hint) else {
            let entry = Entry {
                pointer,
                event,
                state: State::Queued,
                failures: 0,
                failing_since: None,
            };
            self.by_hint.insert(hint.clone(), entry);
            self.queue(via, hint);
            return Marked::Taken;
        };
        entry.pointer.claims |= pointer.claims;
        if pointer.customer.is_some() {
            entry.pointer.customer = pointer.customer;
        }
        let overtakes = via == EventSource::Webhook && entry.event.via == EventSource::Poll;
        if event.is_newer_than(&entry.event) {
            entry.event = event;
        }
        match entry.state {
            State::Read => entry.state = State::ReadAgain,
            State::Queued if overtakes => self.queue(via, hint),
            State::Queued | State::Delayed | State::ReadAgain => {}
        }
        Marked::Taken
    }

    /// Takes out the first entry that is due, to be read.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Pointer, Errand)> {
        self.wake_delayed(now);
        loop {
            let hint = self.urgent.pop_front().or_else(|| self.bulk.pop_front())?;
            let Some(entry) = self.by_hint.get_mut(&hint) else {
                continue;
            };
            if entry.state != State::Queued {
                continue;
            }
            entry.state = State::Read;
            let errand = Errand {
                hint,
                event: entry.event.clone(),
                customer: entry.pointer.customer.clone(),
                failures: entry.failures,
                failing_since: entry.failing_since,
            };
            return Some((entry.pointer.clone(), errand));
        }
    }

    /// When the next entry is due whose last attempt failed.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    /// The object was read, or never will be. What came meanwhile has it read again.
    pub(super) fn settle(&mut self, hint: &Hint) {
        let Some(entry) = self.by_hint.get_mut(hint) else {
            return;
        };
        if entry.state == State::ReadAgain {
            entry.state = State::Queued;
            entry.failures = 0;
            entry.failing_since = None;
            let via = entry.event.via;
            self.queue(via, hint.clone());
        } else {
            self.by_hint.remove(hint);
        }
    }

    /// The attempt failed; the next one is due at `at`. Never refused: it was let in before.
    pub(super) fn delay(&mut self, errand: Errand, at: Instant) {
        if let Some(entry) = self.by_hint.get_mut(&errand.hint) {
            entry.state = State::Delayed;
            entry.failures = entry.failures.saturating_add(1);
            entry.failing_since.get_or_insert_with(Instant::now);
            self.failures += 1;
            self.later.insert((at, self.failures), errand.hint);
        }
    }

    fn wake_delayed(&mut self, now: Instant) {
        while let Some(first) = self.later.first_entry() {
            if first.key().0 > now {
                return;
            }
            let hint = first.remove();
            if let Some(entry) = self.by_hint.get_mut(&hint) {
                entry.state = State::Queued;
                let via = entry.event.via;
                self.queue(via, hint);
            }
        }
    }

    fn queue(&mut self, via: EventSource, hint: Hint) {
        match via {
            EventSource::Webhook => self.urgent.push_back(hint),
            EventSource::Poll => self.bulk.push_back(hint),
        }
    }
}

/// The newest ids, in order.
#[derive(Debug, Default)]
struct Recent {
    ids: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Recent {
    fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn insert(&mut self, id: &str) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        if self.ids.insert(id.into()) {
            self.order.push_back(id.into());
        }
    }
}
