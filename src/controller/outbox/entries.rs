//! What is in the outbox. No IO, no clock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::status;
use crate::api::{NoticeState, NoticeStatus};
use crate::controller::index::TenantRef;
use crate::converge::notice::{Channel, Due, Sending};

/// Whose a notice is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::controller) enum Owner {
    /// A tenant's.
    Tenant(TenantRef),
    /// Of all of them.
    Cluster,
}

/// What this process knows of a channel beyond what the mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The receiver took it, or refused it for good, and the mark is to say so.
    Over(Sending),
    /// The receiver surely did not take it, and the mark is not to say that it is being sent.
    NotTaken,
    /// Nobody knows, and nobody will.
    Uncertain,
}

/// Where a notice is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// It has its turn then.
    Due(Instant),
    /// A worker has it.
    Running,
    /// It waits for channels that cannot be reached.
    Parked(Vec<Channel>),
    /// There is nothing more to do, except for a person if it is uncertain.
    Ended,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    offered: Due,
    progress: Progress,
    told: Vec<(Channel, Told)>,
    /// How often in a row it had to be put off.
    failures: u32,
    message: Option<String>,
    /// It was offered by the last look.
    wanted: bool,
    /// Something was begun by this process, and the mark does not tell how it ended.
    owing: bool,
}

/// A notice that a worker has taken up.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) owner: Owner,
    pub(super) offered: Due,
    pub(super) told: Vec<(Channel, Told)>,
}

impl Job {
    pub(super) fn told(&self, channel: Channel) -> Option<Told> {
        let found = self.told.iter().find(|(known, _)| *known == channel);
        found.map(|(_, told)| *told)
    }
}

/// How a worker leaves a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing more is to be done.
    Ended,
    /// It is tried again after a while, which is longer each time.
    Failed {
        first_wait: Duration,
        longest_wait: Duration,
        message: String,
    },
    /// It waits for channels.
    Parked {
        channels: Vec<Channel>,
        message: String,
    },
}

/// What is in the outbox, by the id of the notice.
#[derive(Debug, Default)]
pub(super) struct Entries {
    by_id: HashMap<String, Entry>,
    due: BTreeSet<(Instant, String)>,
    by_owner: HashMap<Owner, HashSet<String>>,
}

impl Entries {
    /// Takes in what is unsent, and forgets what is not offered any more. Says whether there is
    /// anything else than before.
    pub(super) fn offer(&mut self, owner: &Owner, unsent: Vec<Due>, now: Instant) -> Change {
        let mut change = Change::None;
        let known = self.by_owner.get(owner).cloned().unwrap_or_default();
        for id in &known {
            if let Some(entry) = self.by_id.get_mut(id) {
                entry.wanted = unsent.iter().any(|offered| offered.notice.id == *id);
            }
        }
        for offered in unsent {
            let id = offered.notice.id.clone();
            if let Some(entry) = self.by_id.get_mut(&id) {
                entry.offered = offered;
                continue;
            }
            change = Change::Some;
            self.due.insert((now, id.clone()));
            let ids = self.by_owner.entry(owner.clone()).or_default();
            ids.insert(id.clone());
            self.by_id.insert(id, Entry::new(owner, offered, now));
        }
        for id in known {
            self.forget_if_unwanted(&id);
            if !self.by_id.contains_key(&id) {
                change = Change::Some;
            }
        }
        change
    }

    /// What is known of a tenant's notices.
    pub(super) fn statuses(&self, owner: &Owner) -> Vec<NoticeStatus> {
        let ids = self.by_owner.get(owner).into_iter().flatten();
        let entries = ids.filter_map(|id| self.by_id.get(id));
        let mut statuses: Vec<NoticeStatus> = entries.filter_map(Entry::status).collect();
        statuses.sort_by(|one, other| {
            let order = |status: &NoticeStatus| (status.since.0, status.kind);
            order(one)
                .cmp(&order(other))
                .then_with(|| one.about.cmp(&other.about))
        });
        statuses
    }

    /// How many are to be delivered.
    pub(super) fn pending(&self) -> usize {
        let entries = self.by_id.values();
        entries
            .filter(|entry| entry.progress != Progress::Ended)
            .count()
    }

    /// The notice whose turn it is, or when the next one has its turn.
    pub(super) fn next(&mut self, now: Instant) -> (Option<Job>, Option<Instant>) {
        while let Some((at, id)) = self.due.first().cloned() {
            if at > now {
                return (None, Some(at));
            }
            self.due.remove(&(at, id.clone()));
            if let Some(entry) = self.by_id.get_mut(&id) {
                entry.progress = Progress::Running;
                return (Some(entry.job()), None);
            }
        }
        (None, None)
    }

    /// Whether a notice is still to be told. Asked before it is begun.
    pub(super) fn is_wanted(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|entry| entry.wanted)
    }

    /// Remembers what became of a channel, before anything else can happen.
    pub(super) fn remember(&mut self, id: &str, channel: Channel, told: Option<Told>) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.told.retain(|(known, _)| *known != channel);
            entry.told.extend(told.map(|told| (channel, told)));
        }
    }

    /// Notes whether the mark on the carrier says less than this process knows.
    pub(super) fn owes(&mut self, id: &str, owing: Owing) {
        if let Some(entry) = self.by_id.get_mut(id) {
            entry.owing = owing == Owing::Something;
        }
    }

    /// A worker is done with a notice for now. Says whether what the status shows of it has changed.
    pub(super) fn leave(&mut self, id: &str, left: Left, now: Instant) -> Change {
        let Some(entry) = self.by_id.get_mut(id) else {
            return Change::None;
        };
        let before = (entry.shown(), entry.message.clone());
        match left {
            Left::Ended => {
                entry.progress = Progress::Ended;
                entry.message = None;
            }
            Left::Failed {
                first_wait,
                longest_wait,
                message,
            } => {
                let wait = first_wait * 2_u32.saturating_pow(entry.failures.min(16));
                let wait = wait.min(longest_wait).mul_f64(0.75 + 0.5 * fastrand::f64());
                entry.failures = entry.failures.saturating_add(1);
                entry.message = Some(message);
                entry.progress = Progress::Due(now + wait);
                self.due.insert((now + wait, id.to_owned()));
            }
            Left::Parked { channels, message } => {
                entry.message = Some(message);
                entry.progress = Progress::Parked(channels);
            }
        }
        let after = (entry.shown(), entry.message.clone());
        self.forget_if_unwanted(id);
        if before == after {
            Change::None
        } else {
            Change::Some
        }
    }

    /// A channel can be reached again: what waited for it has its turn.
    pub(super) fn release(&mut self, channel: Channel, now: Instant) {
        for (id, entry) in &mut self.by_id {
            if matches!(&entry.progress, Progress::Parked(channels) if channels.contains(&channel))
            {
                entry.progress = Progress::Due(now);
                self.due.insert((now, id.clone()));
            }
        }
    }

    /// A channel can still not be reached, for this reason. Gives those for whom that is new.
    pub(super) fn explain(&mut self, channel: Channel, message: &str) -> Vec<Owner> {
        let mut owners = HashSet::new();
        for entry in self.by_id.values_mut() {
            let waits = matches!(&entry.progress, Progress::Parked(channels) if channels.contains(&channel));
            if waits && entry.message.as_deref() != Some(message) {
                entry.message = Some(message.to_owned());
                owners.insert(entry.owner.clone());
            }
        }
        owners.into_iter().collect()
    }

    /// What was begun is kept until the mark tells how it ended.
    fn forget_if_unwanted(&mut self, id: &str) {
        let is_over =
            |entry: &Entry| !entry.wanted && !entry.owing && entry.progress != Progress::Running;
        if !self.by_id.get(id).is_some_and(is_over) {
            return;
        }
        let Some(entry) = self.by_id.remove(id) else {
            return;
        };
        if let Progress::Due(at) = entry.progress {
            self.due.remove(&(at, id.to_owned()));
        }
        if let Some(ids) = self.by_owner.get_mut(&entry.owner) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_owner.remove(&entry.owner);
            }
        }
    }
}

/// Whether the mark says less than is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owing {
    Nothing,
    Something,
}

/// Whether something has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Some,
}

impl Entry {
    fn new(owner: &Owner, offered: Due, now: Instant) -> Self {
        Self {
            owner: owner.clone(),
            offered,
            progress: Progress::Due(now),
            told: Vec::new(),
            failures: 0,
            message: None,
            wanted: true,
            owing: false,
        }
    }

    fn job(&self) -> Job {
        Job {
            owner: self.owner.clone(),
            offered: self.offered.clone(),
            told: self.told.clone(),
        }
    }

    /// What the status shows; nothing of what was delivered.
    fn shown(&self) -> Option<NoticeState> {
        let is_uncertain = |(_, told): &(Channel, Told)| *told == Told::Uncertain;
        if self.told.iter().any(is_uncertain) {
            Some(NoticeState::Uncertain)
        } else if self.progress == Progress::Ended {
            None
        } else {
            Some(NoticeState::Pending)
        }
    }

    fn status(&self) -> Option<NoticeStatus> {
        let state = self.shown().filter(|_| self.wanted)?;
        let uncertain = || {
            "it was being sent when the operator, or the connection, ended; whether it arrived is not \
             known, and mail is never sent twice. The log of the mail server tells, by the kind and the id"
                .to_owned()
        };
        let message = match state {
            NoticeState::Uncertain => self.message.clone().or_else(|| Some(uncertain())),
            _ => self.message.clone(),
        };
        Some(status(&self.offered, state, message))
    }
}
