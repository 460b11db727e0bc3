//! A world in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::Outbox;
use super::super::entries::Owner;
use super::super::world::{Became, Standing, World, Written};
use crate::api::{NoticeKind, NoticeStatus};
use crate::controller::index::TenantRef;
use crate::converge::notice::{Carrier, Channel, Due, Mark, Notice, Recipient};
use crate::notify::{Deliver, Failure, Metrics};

pub(super) fn tenant() -> TenantRef {
    ObjectRef::new("acme").within("tenants")
}

pub(super) fn warning() -> Notice {
    let time = "2027-03-04T10:00:00Z".parse().unwrap();
    let mut notice = Notice::new("acct_1", NoticeKind::Warning, "in_1", "", time);
    notice.tenant_id = "t1".into();
    notice.customer = Some(Recipient {
        name: "Acme".into(),
        email: "a@b.example".into(),
    });
    notice
}

/// What a test can see of, and do to, a receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    channel: Channel,
    inner: Mutex<Inbox>,
    /// Counts every attempt, of delivery or of a probe.
    attempts: watch::Sender<usize>,
    world: Arc<Steps>,
}

#[derive(Debug, Default)]
struct Inbox {
    /// What it will do, first to last; afterwards it takes everything.
    script: Vec<Result<(), Failure>>,
    down: Option<String>,
    /// Ids of what it has.
    taken: Vec<String>,
    deliveries: usize,
}

impl Receiver {
    fn new(channel: Channel, world: &Arc<Steps>) -> Arc<Self> {
        Arc::new(Self {
            channel,
            inner: Mutex::default(),
            attempts: watch::Sender::new(0),
            world: Arc::clone(world),
        })
    }

    pub(super) fn will(&self, outcome: Result<(), Failure>) {
        self.inner.lock().unwrap().script.push(outcome);
    }

    pub(super) fn goes_down(&self) {
        self.inner.lock().unwrap().down = Some("the receiver is down".to_owned());
    }

    pub(super) fn comes_up(&self) {
        self.inner.lock().unwrap().down = None;
    }

    pub(super) fn taken(&self) -> usize {
        self.inner.lock().unwrap().taken.len()
    }

    pub(super) fn deliveries(&self) -> usize {
        self.inner.lock().unwrap().deliveries
    }

    pub(super) async fn tried(&self, times: usize) {
        let mut attempts = self.attempts.subscribe();
        attempts.wait_for(|tried| *tried >= times).await.unwrap();
    }
}

impl Deliver for Receiver {
    fn channel(&self) -> Channel {
        self.channel
    }

    fn takes(&self, _: &Notice) -> bool {
        true
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let down = self.inner.lock().unwrap().down.clone();
            self.attempts.send_modify(|attempts| *attempts += 1);
            down.map_or(Ok(()), Err)
        })
    }

    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async {
            self.world.step().await;
            let outcome = {
                let mut inner = self.inner.lock().unwrap();
                inner.deliveries += 1;
                let outcome = if inner.script.is_empty() {
                    Ok(())
                } else {
                    inner.script.remove(0)
                };
                // Of what is unknown, the worst: it has arrived.
                if matches!(outcome, Ok(()) | Err(Failure::Unknown(_))) {
                    inner.taken.push(notice.id.clone());
                }
                outcome
            };
            self.attempts.send_modify(|attempts| *attempts += 1);
            self.world.step().await;
            outcome
        })
    }
}

/// Counts what happens, and ends the process at some point: from there nothing goes on.
#[derive(Debug)]
pub(super) struct Steps {
    left: Mutex<Option<usize>>,
    pub(super) crashed: CancellationToken,
}

impl Steps {
    async fn step(&self) {
        let is_over = {
            let mut left = self.left.lock().unwrap();
            match &mut *left {
                Some(0) => true,
                Some(more) => {
                    *more -= 1;
                    false
                }
                None => false,
            }
        };
        if is_over {
            self.crashed.cancel();
            std::future::pending::<()>().await;
        }
    }
}

/// Stripe, as far as the outbox knows it.
#[derive(Debug)]
pub(super) struct Stripe {
    pub(super) steps: Arc<Steps>,
    marks: Mutex<HashMap<String, Mark>>,
    start: Instant,
    /// Answers by idempotency key.
    keys: Mutex<HashMap<(String, u64), Mark>>,
    pub(super) paid: Mutex<bool>,
    /// What it answers to writes before it does them; and to those it does, without saying so.
    pub(super) fails: Mutex<Vec<Fails>>,
    pub(super) told: Mutex<Vec<(Channel, Became)>>,
    pub(super) looks: watch::Sender<usize>,
    pub(super) writes: Mutex<usize>,
}

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    Before,
    After,
}

impl Stripe {
    pub(super) fn mark(&self, kind: NoticeKind) -> Mark {
        let marks = self.marks.lock().unwrap();
        marks.get(kind.as_str()).cloned().unwrap_or_default()
    }

    pub(super) fn set_mark(&self, kind: NoticeKind, text: &str) {
        let mut marks = self.marks.lock().unwrap();
        marks.insert(kind.as_str().to_owned(), Mark::read(text));
    }
}

impl World for Stripe {
    fn read<'a>(&'a self, offered: &'a Due) -> BoxFuture<'a, Result<Standing, String>> {
        Box::pin(async {
            self.steps.step().await;
            if *self.paid.lock().unwrap() {
                return Ok(Standing::Pointless);
            }
            Ok(Standing::Marked(self.mark(offered.notice.kind)))
        })
    }

    fn write<'a>(
        &'a self,
        offered: &'a Due,
        before: &'a Mark,
        after: &'a Mark,
        attempt: u32,
    ) -> BoxFuture<'a, Result<Written, String>> {
        Box::pin(async move {
            self.steps.step().await;
            let fails = self.fails.lock().unwrap().pop();
            if fails == Some(Fails::Before) {
                return Err("Stripe is down".to_owned());
            }
            let what = if after.by.is_empty() {
                format!("end {before} {after}")
            } else {
                format!("begin {before}")
            };
            // As the salt of keys has it: by count, and then by the minute.
            let minute = 1000 + self.start.elapsed().as_secs() / 60;
            let attempt = if attempt <= 3 {
                u64::from(attempt)
            } else {
                minute
            };
            let answered = {
                let mut keys = self.keys.lock().unwrap();
                let stored = keys.contains_key(&(what.clone(), attempt));
                keys.entry((what, attempt)).or_insert_with(|| after.clone());
                stored
            };
            if answered {
                return Ok(Written::Stale);
            }
            *self.writes.lock().unwrap() += 1;
            let mut written = Mark::read(&after.to_string());
            written.occasion.clear();
            let kind = offered.notice.kind.as_str().to_owned();
            self.marks.lock().unwrap().insert(kind, written);
            self.steps.step().await;
            match fails {
                Some(_) => Err("the answer was lost".to_owned()),
                None => Ok(Written::Done),
            }
        })
    }

    fn tell<'a>(
        &'a self,
        _: &'a Owner,
        _: &'a Due,
        channel: Channel,
        became: Became,
    ) -> BoxFuture<'a, ()> {
        self.told.lock().unwrap().push((channel, became));
        Box::pin(std::future::ready(()))
    }

    fn look_again(&self, owners: Vec<Owner>) {
        self.looks.send_modify(|looks| *looks += owners.len());
    }
}

/// An operator with two channels.
pub(super) struct Operator {
    pub(super) mail: Arc<Receiver>,
    pub(super) events: Arc<Receiver>,
    pub(super) stripe: Arc<Stripe>,
    pub(super) outbox: Outbox,
    pub(super) metrics: Arc<Metrics>,
}

impl Operator {
    pub(super) fn new() -> Self {
        let steps = Arc::new(Steps {
            left: Mutex::default(),
            crashed: CancellationToken::new(),
        });
        let stripe = Stripe {
            steps: Arc::clone(&steps),
            marks: Mutex::default(),
            start: Instant::now(),
            keys: Mutex::default(),
            paid: Mutex::default(),
            fails: Mutex::default(),
            told: Mutex::default(),
            looks: watch::Sender::new(0),
            writes: Mutex::default(),
        };
        let mail = Receiver::new(Channel::Mail, &steps);
        let events = Receiver::new(Channel::Events, &steps);
        let (outbox, metrics) = outbox(&mail, &events);
        Self {
            mail,
            events,
            stripe: Arc::new(stripe),
            outbox,
            metrics,
        }
    }

    /// Another process that finds the same Stripe and the same receivers. It ends after so many steps.
    pub(super) fn restart(&mut self, ends_after: Option<usize>) {
        let steps = Arc::new(Steps {
            left: Mutex::new(ends_after),
            crashed: CancellationToken::new(),
        });
        let old = Arc::clone(&self.stripe);
        self.stripe = Arc::new(Stripe {
            start: old.start,
            steps: Arc::clone(&steps),
            marks: Mutex::new(old.marks.lock().unwrap().clone()),
            keys: Mutex::new(old.keys.lock().unwrap().clone()),
            paid: Mutex::new(*old.paid.lock().unwrap()),
            fails: Mutex::new(old.fails.lock().unwrap().clone()),
            told: Mutex::new(old.told.lock().unwrap().clone()),
            looks: watch::Sender::new(0),
            writes: Mutex::new(*old.writes.lock().unwrap()),
        });
        let again = |receiver: &Receiver| {
            Arc::new(Receiver {
                channel: receiver.channel,
                inner: Mutex::new(std::mem::take(&mut *receiver.inner.lock().unwrap())),
                attempts: watch::Sender::new(0),
                world: Arc::clone(&steps),
            })
        };
        self.mail = again(&self.mail);
        self.events = again(&self.events);
        (self.outbox, self.metrics) = outbox(&self.mail, &self.events);
    }

    /// What a look offers: the notice, with the mark that the mirror shows.
    pub(super) fn offer(&self, notice: &Notice) -> Vec<NoticeStatus> {
        let offered = Due {
            mark: self.stripe.mark(notice.kind),
            notice: notice.clone(),
            carrier: Carrier::Invoice("in_1".into()),
            occasion: String::new(),
        };
        self.outbox.offer(&tenant(), vec![offered])
    }

    pub(super) fn offer_nothing(&self) -> Vec<NoticeStatus> {
        self.outbox.offer(&tenant(), Vec::new())
    }

    /// Looks until there is nothing to wait for but a person, or `give_up` is over. Each time
    /// something becomes of a notice there is a look.
    pub(super) async fn settle(&self, notice: &Notice, give_up: Duration) -> Vec<NoticeStatus> {
        let shutdown = CancellationToken::new();
        let run = self.outbox.run(self.stripe.as_ref(), shutdown.clone());
        let looks = async {
            let mut looks = self.stripe.looks.subscribe();
            loop {
                looks.borrow_and_update();
                let statuses = self.offer(notice);
                if self.outbox.lock().pending() == 0 {
                    return statuses;
                }
                looks.changed().await.unwrap();
            }
        };
        tokio::select! {
            () = run => unreachable!("it was not asked to end"),
            statuses = looks => statuses,
            () = self.stripe.steps.crashed.cancelled() => self.offer(notice),
            () = tokio::time::sleep(give_up) => self.offer(notice),
        }
    }
}

fn outbox(mail: &Arc<Receiver>, events: &Arc<Receiver>) -> (Outbox, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let channels: Vec<Arc<dyn Deliver>> = vec![mail.clone(), events.clone()];
    (Outbox::new(channels, Arc::clone(&metrics)), metrics)
}
