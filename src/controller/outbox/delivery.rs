//! One notice, from its mark to its mark.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::entries::{Change, Job, Left, Owing, Told};
use super::world::{Became, Standing, World, Written};
use super::{Line, Outbox, now};
use crate::converge::notice::{Channel, Mark, Sending};
use crate::notify::{Failure, Outcome};

/// Between attempts to reach Stripe.
const STRIPE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Between attempts that a mail server did not take, which cost two requests to Stripe each.
const MAIL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Between attempts that a receiver of events did not take, which cost none.
const EVENTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// How often a mark is read again because somebody else may have written it. More than the keys that
/// differ by count, so that one is left which nobody used before.
const READINGS: u32 = 6;

/// What stops the work on a notice for now.
type Stop = Left;

impl Outbox {
    /// Takes a notice as far as it can be taken now.
    pub(super) async fn attend(&self, job: Job, world: &impl World, shutdown: &CancellationToken) {
        let id = job.offered.notice.id.clone();
        let owner = job.owner.clone();
        let left = match self.advance(job, world, shutdown).await {
            Ok(left) | Err(left) => left,
        };
        if let Left::Failed { message, .. } = &left {
            tracing::warn!(notice = id, message, "a notice is put off");
        }
        let change = {
            let mut entries = self.lock();
            let change = entries.leave(&id, left.clone(), Instant::now());
            self.metrics.pending(entries.pending());
            change
        };
        // A gate that opened while the notice was being put there has released it too early.
        if let Left::Parked { channels, .. } = &left {
            self.release_if_open(channels);
        }
        if change == Change::Some || left == Left::Ended {
            world.look_again(vec![owner]);
        }
    }

    fn release_if_open(&self, channels: &[Channel]) {
        for channel in channels {
            if self.line(*channel).is_some_and(|line| line.gate.is_open()) {
                self.lock().release(*channel, Instant::now());
                self.wake.notify_waiters();
            }
        }
    }

    async fn advance(
        &self,
        mut job: Job,
        world: &impl World,
        shutdown: &CancellationToken,
    ) -> Result<Left, Stop> {
        for attempt in 0..READINGS {
            let mark = match world.read(&job.offered).await.map_err(stripe_failed)? {
                Standing::Pointless => {
                    self.lock().owes(&job.offered.notice.id, Owing::Nothing);
                    return Ok(Left::Ended);
                }
                Standing::Marked(mark) => mark,
            };
            // What is known from before goes into the mark first.
            let Some(mark) = self.end(&mut job, mark, world, attempt).await? else {
                continue;
            };
            let (lines, parked) = self.open_lines(&mut job, &mark, world).await;
            if lines.is_empty() {
                return Ok(parked.unwrap_or(Left::Ended));
            }
            if shutdown.is_cancelled() || !self.lock().is_wanted(&job.offered.notice.id) {
                return Ok(Left::Ended);
            }
            let Some(begun) = self.begin(&job, &mark, &lines, world, attempt).await? else {
                continue;
            };
            let (failed, news) = self.deliver(&mut job, &lines).await;
            let ended = self.end(&mut job, begun, world, attempt).await;
            // After the mark, which is what a crash must not come before.
            for (channel, became) in news {
                self.report(&job, channel, became, world).await;
            }
            return match ended? {
                None => Err(stripe_failed("the mark was changed meanwhile".to_owned())),
                Some(_) => Ok(parked
                    .into_iter()
                    .chain(failed)
                    .reduce(both)
                    .unwrap_or(Left::Ended)),
            };
        }
        Err(stripe_failed(
            "another process keeps changing the mark".to_owned(),
        ))
    }

    /// The channels that are to be used now, and what becomes of the notice if none can be.
    async fn open_lines<'a>(
        &'a self,
        job: &mut Job,
        mark: &Mark,
        world: &impl World,
    ) -> (Vec<&'a Line>, Option<Left>) {
        let mut open = Vec::new();
        let mut shut = Vec::new();
        let mut message = None;
        for line in self.lines_for(&job.offered.notice) {
            let channel = line.to.channel();
            let begun = matches!(mark.of(channel), Some(Sending::Begun(_)));
            if mark.is_over(channel) || job.told(channel) == Some(Told::Uncertain) {
                continue;
            }
            // Begun, and not by this process, which would know how it ended.
            if channel == Channel::Mail && begun && mark.by != self.process {
                self.note(job, channel, Some(Told::Uncertain));
                self.report(job, channel, Became::Uncertain, world).await;
                continue;
            }
            match line.gate.pass(line.to.as_ref()).await {
                Ok(()) => open.push(line),
                Err(reason) => {
                    shut.push(channel);
                    message = Some(reason);
                }
            }
        }
        let parked = message.map(|message| Left::Parked {
            channels: shut,
            message,
        });
        (open, parked)
    }

    /// Notes that sending begins; `None` if it may not. What is begun already needs no note: it is an
    /// event, which may be sent again, or a mail whose mark was written and whose answer was lost.
    async fn begin(
        &self,
        job: &Job,
        mark: &Mark,
        lines: &[&Line],
        world: &impl World,
        attempt: u32,
    ) -> Result<Option<Mark>, Stop> {
        let mut after = mark.clone();
        for line in lines {
            let channel = line.to.channel();
            if !matches!(mark.of(channel), Some(Sending::Begun(_))) {
                after = after.with(channel, Some(Sending::Begun(now())));
            }
        }
        if after == *mark {
            return Ok(Some(after));
        }
        after.by.clone_from(&self.process);
        // Before the answer, which may be lost while the mark is written.
        self.lock().owes(&job.offered.notice.id, Owing::Something);
        let written = world.write(&job.offered, mark, &after, attempt).await;
        let is_done = written.map_err(stripe_failed)? == Written::Done;
        Ok(is_done.then_some(after))
    }

    /// Sends through all channels at once. Gives what the notice waits for afterwards, and what
    /// became of it.
    async fn deliver(&self, job: &mut Job, lines: &[&Line]) -> (Vec<Left>, Vec<(Channel, Became)>) {
        let notice = &job.offered.notice;
        let sent = join_all(lines.iter().map(|line| line.to.deliver(notice))).await;
        let mut left = Vec::new();
        let mut news = Vec::new();
        for (line, result) in lines.iter().zip(sent) {
            let channel = line.to.channel();
            let told = self.judge(line, job, &result);
            self.note(job, channel, told);
            match told {
                Some(Told::Over(Sending::Refused(_))) => news.push((channel, Became::Refused)),
                Some(Told::Over(_)) => news.push((channel, Became::Sent)),
                Some(Told::Uncertain) => news.push((channel, Became::Uncertain)),
                Some(Told::NotTaken) | None => {
                    left.extend(result.err().map(|failure| put_off(channel, failure)));
                }
            }
        }
        (left, news)
    }

    /// What the outcome of a delivery means.
    fn judge(&self, line: &Line, job: &Job, result: &Result<(), Failure>) -> Option<Told> {
        let channel = line.to.channel();
        match result {
            Err(Failure::Down(message)) => line.gate.close(message),
            Err(Failure::Unknown(_)) => {}
            Ok(()) | Err(Failure::Later(_) | Failure::Never(_)) => line.gate.answered(),
        }
        let (told, outcome) = match (result, channel) {
            (Ok(()), _) => (Some(Told::Over(Sending::Accepted(now()))), Outcome::Sent),
            (Err(Failure::Never(_)), _) => {
                (Some(Told::Over(Sending::Refused(now()))), Outcome::Refused)
            }
            (Err(Failure::Unknown(_)), Channel::Mail) => {
                (Some(Told::Uncertain), Outcome::Uncertain)
            }
            (Err(_), Channel::Mail) => (Some(Told::NotTaken), Outcome::Delayed),
            // An event stays begun: it is sent again without another note.
            (Err(_), Channel::Events) => (None, Outcome::Delayed),
        };
        self.metrics.told(job.offered.notice.kind, channel, outcome);
        if let Err(failure) = result {
            let notice = &job.offered.notice;
            tracing::warn!(
                tenant = notice.tenant_id,
                kind = notice.kind.as_str(),
                about = notice.about,
                channel = channel.as_str(),
                %failure,
                "notice not delivered"
            );
        }
        told
    }

    /// Writes into the mark how it ended, if it does not say so yet. `None` if the mark has to be read
    /// again.
    async fn end(
        &self,
        job: &mut Job,
        mark: Mark,
        world: &impl World,
        attempt: u32,
    ) -> Result<Option<Mark>, Stop> {
        let mut after = mark.clone();
        for (channel, told) in &job.told {
            let sending = match told {
                Told::Over(sending) => Some(*sending),
                Told::NotTaken => None,
                // It stays begun, and by nobody: not even this process takes it up again.
                Told::Uncertain => {
                    if mark.by == self.process {
                        after.by.clear();
                    }
                    continue;
                }
            };
            if !after.is_over(*channel) {
                after = after.with(*channel, sending);
            }
        }
        if after != mark {
            after.by.clear();
            let written = world.write(&job.offered, &mark, &after, attempt).await;
            if written.map_err(stripe_failed)? == Written::Stale {
                return Ok(None);
            }
        }
        let id = job.offered.notice.id.clone();
        self.lock().owes(&id, Owing::Nothing);
        let written: Vec<Channel> = job
            .told
            .iter()
            .filter(|(_, told)| *told == Told::NotTaken)
            .map(|(channel, _)| *channel)
            .collect();
        for channel in written {
            self.note(job, channel, None);
        }
        Ok(Some(after))
    }

    fn note(&self, job: &mut Job, channel: Channel, told: Option<Told>) {
        job.told.retain(|(known, _)| *known != channel);
        job.told.extend(told.map(|told| (channel, told)));
        self.lock().remember(&job.offered.notice.id, channel, told);
    }

    async fn report(&self, job: &Job, channel: Channel, became: Became, world: &impl World) {
        let notice = &job.offered.notice;
        tracing::info!(
            tenant = notice.tenant_id,
            kind = notice.kind.as_str(),
            about = notice.about,
            channel = channel.as_str(),
            ?became,
            "notice"
        );
        world.tell(&job.owner, &job.offered, channel, became).await;
    }
}

fn stripe_failed(message: String) -> Stop {
    let (first_wait, longest_wait) = STRIPE;
    Left::Failed {
        first_wait,
        longest_wait,
        message,
    }
}

/// What a notice waits for that waits for two things: whichever comes first.
fn both(one: Left, other: Left) -> Left {
    match (one, other) {
        (
            Left::Parked {
                mut channels,
                message,
            },
            Left::Parked { channels: more, .. },
        ) => {
            channels.extend(more);
            Left::Parked { channels, message }
        }
        (failed @ Left::Failed { .. }, _) | (_, failed) => failed,
    }
}

fn put_off(channel: Channel, failure: Failure) -> Left {
    match failure {
        Failure::Down(message) => Left::Parked {
            channels: vec![channel],
            message,
        },
        other => {
            let (first_wait, longest_wait) = match channel {
                Channel::Mail => MAIL,
                Channel::Events => EVENTS,
            };
            Left::Failed {
                first_wait,
                longest_wait,
                message: other.message().to_owned(),
            }
        }
    }
}
