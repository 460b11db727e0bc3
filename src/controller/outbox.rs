//! What is to be told, and by whom it was taken: in memory, for the replica that leads.
//!
//! ```text
//! look at a tenant --offer()--> entries --worker--> read the mark, begin it, deliver, end it
//!        ^                                                          |
//!        '------------------------ look again <---------------------'
//! ```
//!
//! Level-triggered like everything else: each look offers all that is due, with the marks that the
//! mirror shows, and what is offered no more is forgotten unless it was begun. Nothing is kept over a
//! restart: what the marks say and what is offered again is enough.
//!
//! A mail is never sent twice. Its mark says that it begins before it begins, under an idempotency key
//! that makes the beginning happen once; and a mark that another process began, or whose outcome is
//! not known, is left alone for good. An event may be sent twice, with the same id, and is rather sent
//! again than not at all.
//!
//! While a receiver cannot be reached, nothing is begun. One probe per channel asks for all.

mod delivery;
mod entries;
mod gate;
mod stripe_marks;
#[cfg(test)]
mod tests;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::entries::{Change, Entries, Owner};
use self::gate::Gate;
pub(super) use self::stripe_marks::{ClusterMarks, InCluster};
use self::world::World;
use super::index::TenantRef;
use crate::api::{NoticeState, NoticeStatus};
use crate::converge::notice::{Channel, Due, Notice, Sending, key};
use crate::notify::{self, Deliver};

/// Notices that are delivered at the same time.
const WORKERS: usize = 4;

/// A channel, and whether it is open.
#[derive(Debug)]
struct Line {
    to: Arc<dyn Deliver>,
    gate: Gate,
}

/// What is to be told.
#[derive(Debug)]
pub(super) struct Outbox {
    lines: Vec<Line>,
    entries: Mutex<Entries>,
    /// Something became due.
    wake: Notify,
    metrics: Arc<notify::Metrics>,
    /// This process, in marks.
    process: String,
}

impl Outbox {
    /// An outbox for these channels; without any it takes nothing.
    pub(super) fn new(channels: Vec<Arc<dyn Deliver>>, metrics: Arc<notify::Metrics>) -> Self {
        let line = |to| Line {
            to,
            gate: Gate::default(),
        };
        Self {
            lines: channels.into_iter().map(line).collect(),
            entries: Mutex::default(),
            wake: Notify::new(),
            metrics,
            process: format!("{:012x}", fastrand::u64(..) >> 16),
        }
    }

    /// Takes in everything that a tenant's people are to be told by now, and gives what is known of
    /// what was not delivered. To be called at each look of the leader, with an empty list too: what
    /// is not in the list is not to be told any more. Returns at once. Once something has become of
    /// a notice, the tenant is looked at again.
    ///
    /// What is delivered already may be offered as well; its mark tells.
    pub(super) fn offer(&self, tenant: &TenantRef, offered: Vec<Due>) -> Vec<NoticeStatus> {
        self.take(&Owner::Tenant(tenant.clone()), offered)
    }

    /// The same for what concerns all tenants, whose marks are kept by [`ClusterMarks`].
    pub(super) fn offer_for_all(&self, offered: Vec<Due>) -> Vec<NoticeStatus> {
        self.take(&Owner::Cluster, offered)
    }

    fn take(&self, owner: &Owner, offered: Vec<Due>) -> Vec<NoticeStatus> {
        let mut statuses = Vec::new();
        let mut unsent = Vec::new();
        for offered in offered {
            let lines = self.lines_for(&offered.notice);
            if lines.is_empty() {
                continue;
            }
            let channels = lines.iter().map(|line| line.to.channel());
            if channels
                .clone()
                .all(|channel| offered.mark.is_over(channel))
            {
                statuses.extend(refused(&offered));
            } else {
                unsent.push(offered);
            }
        }
        let mut entries = self.lock();
        let change = entries.offer(owner, unsent, Instant::now());
        statuses.extend(entries.statuses(owner));
        if change == Change::Some {
            self.metrics.pending(entries.pending());
            drop(entries);
            self.wake.notify_waiters();
        }
        statuses
    }

    fn lines_for(&self, notice: &Notice) -> Vec<&Line> {
        let lines = self.lines.iter();
        lines.filter(|line| line.to.takes(notice)).collect()
    }

    fn line(&self, channel: Channel) -> Option<&Line> {
        let mut lines = self.lines.iter();
        lines.find(|line| line.to.channel() == channel)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what is offered until `shutdown`. What is being delivered then is finished.
    pub(super) async fn run(&self, world: &impl World, shutdown: CancellationToken) {
        if self.lines.is_empty() {
            return;
        }
        let workers = (0..WORKERS).map(|_| self.work(world, &shutdown));
        let probes = self
            .lines
            .iter()
            .map(|line| self.probe(line, world, &shutdown));
        tokio::join!(
            futures::future::join_all(workers),
            futures::future::join_all(probes)
        );
    }

    async fn work(&self, world: &impl World, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            // Before looking, so that nothing that becomes due meanwhile is missed.
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            let (next, at) = self.lock().next(Instant::now());
            if let Some(job) = next {
                self.attend(job, world, shutdown).await;
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = woken => {}
                () = due(at) => {}
            }
        }
    }

    /// Asks for all notices that wait for a channel whether it can be reached again.
    async fn probe(&self, line: &Line, world: &impl World, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = line.gate.closed() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(line.gate.wait()) => {}
            }
            let channel = line.to.channel();
            match line.to.ready().await {
                Ok(()) => {
                    tracing::info!(
                        channel = channel.as_str(),
                        "the receiver can be reached again"
                    );
                    line.gate.open();
                    self.lock().release(channel, Instant::now());
                    self.wake.notify_waiters();
                }
                Err(message) => {
                    tracing::warn!(channel = channel.as_str(), message, "notices wait");
                    line.gate.close(&message);
                    let owners = self.lock().explain(channel, &message);
                    world.look_again(owners);
                }
            }
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What the status shows of a notice that a receiver refused for good.
fn refused(offered: &Due) -> Option<NoticeStatus> {
    let channels = offered.mark.channels.iter();
    let by = channels
        .filter(|(_, sending)| matches!(sending, Sending::Refused(_)))
        .map(|(channel, _)| channel.as_str());
    let by: Vec<&str> = by.collect();
    (!by.is_empty()).then(|| {
        let key = key(offered.notice.kind);
        let message = format!(
            "refused for good ({}); once the cause is gone, take {key} off the metadata of {} in Stripe \
             to have it sent again",
            by.join(" and "),
            offered.notice.about
        );
        status(offered, NoticeState::Refused, Some(message))
    })
}

fn status(offered: &Due, state: NoticeState, message: Option<String>) -> NoticeStatus {
    NoticeStatus {
        kind: offered.notice.kind,
        about: offered.notice.about.clone(),
        // As it is written: otherwise the next look would find another time there.
        since: Time(to_the_second(offered.notice.time)),
        state,
        message,
    }
}

fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The time as marks have it.
fn now() -> Timestamp {
    Timestamp::now()
}
