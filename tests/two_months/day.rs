//! A day: what customers do, the clock that moves, and where everybody must be afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::customers::Tenant;
use super::model::{self, Bill, Place, STAGES};
use super::{AT_ONCE, Stage};

/// How long the operator may take for a day. Far longer than it does.
const PATIENCE: Duration = Duration::from_secs(90);
/// Of so many days one sees the operator killed.
const KILLED_EVERY: u8 = 10;

/// When the operator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kill {
    /// Never on this day.
    No,
    /// Before the clock moves: it misses what happens meanwhile.
    Before,
    /// When so many are where they must be.
    After(usize),
}

/// How the two months go.
pub(crate) struct Course {
    tenants: Vec<Tenant>,
    rng: Rng,
    /// What was unpaid after the last day, in the tenants' order.
    unpaid: Vec<Vec<Bill>>,
    /// Where each tenant was seen last.
    seen: HashMap<String, Place>,
    /// Every stage that was in force for an invoice.
    told: BTreeSet<(String, String)>,
    kills: usize,
}

impl Course {
    pub(crate) fn new(tenants: Vec<Tenant>, rng: Rng) -> Self {
        Self {
            unpaid: vec![Vec::new(); tenants.len()],
            tenants,
            rng,
            seen: HashMap::new(),
            told: BTreeSet::new(),
            kills: 0,
        }
    }

    pub(crate) async fn live_through(&mut self, stage: &mut Stage, day: i64, now: i64) {
        let begun = Instant::now();
        let yesterday = now - super::DAY;
        for (tenant, unpaid) in self.tenants.iter_mut().zip(&self.unpaid) {
            tenant
                .act(&stage.world, unpaid, day, yesterday, &mut self.rng)
                .await;
        }
        let mut kill = self.kill();
        if kill == Kill::Before {
            stage.kill();
        }
        stage.world.stripe.advance(&stage.clock, now).await;
        if kill == Kill::Before {
            self.kills += 1;
            stage.start().await;
            kill = Kill::No;
        }
        self.settle(stage, kill, day, now).await;
        println!(
            "day {day}: {:?}, {} unpaid",
            begun.elapsed(),
            self.unpaid.iter().flatten().count()
        );
    }

    fn kill(&mut self) -> Kill {
        match self.rng.u8(0..KILLED_EVERY) {
            0 if self.rng.bool() => Kill::Before,
            0 => Kill::After(self.rng.usize(0..self.tenants.len())),
            _ => Kill::No,
        }
    }

    /// Waits until everybody is where their bills say.
    async fn settle(&mut self, stage: &mut Stage, mut kill: Kill, day: i64, now: i64) {
        let deadline = Instant::now() + PATIENCE;
        let mut open: Vec<usize> = (0..self.tenants.len()).collect();
        loop {
            open = self.compare(stage, &open, now).await;
            let right = self.tenants.len() - open.len();
            if let Kill::After(enough) = kill
                && right >= enough
            {
                stage.kill();
                stage.start().await;
                self.kills += 1;
                kill = Kill::No;
            }
            if open.is_empty() {
                // Nobody has moved on while the others were waited for.
                open = self
                    .compare(stage, &(0..self.tenants.len()).collect::<Vec<_>>(), now)
                    .await;
                if open.is_empty() {
                    return;
                }
            }
            assert!(
                Instant::now() < deadline,
                "day {day}: {}",
                self.complaint(&open, now)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives who of these is elsewhere than their bills say.
    async fn compare(&mut self, stage: &Stage, of: &[usize], now: i64) -> Vec<usize> {
        let read = of.iter().map(|at| {
            let tenant = &self.tenants[*at];
            async move { (*at, model::bills(&stage.world, &tenant.customer, now).await) }
        });
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).collect().await;
        let statuses: BTreeMap<String, Value> = {
            let all = stage.world.list().await.into_iter();
            all.map(|it| (it["metadata"]["name"].as_str().unwrap().to_owned(), it))
                .collect()
        };
        let mut open = Vec::new();
        for (at, bills) in read {
            let tenant = &self.tenants[at];
            let is = model::shown(&statuses[&tenant.name]);
            let must = model::place(&bills, tenant.hold_until, now);
            let late = tenant.must_have_paid && !bills.is_empty();
            if is != must || late {
                open.push(at);
            }
            self.unpaid[at] = bills;
            self.follow(at, is);
        }
        open
    }

    /// While the same invoice decides, no stage is skipped or taken back.
    fn follow(&mut self, at: usize, is: Place) {
        let tenant = &self.tenants[at];
        let rank = |stage: &str| STAGES.iter().position(|(name, _)| *name == stage);
        let before = self.seen.insert(tenant.name.clone(), is.clone());
        if let Some((stage, invoice)) = &is.dunning
            && rank(stage).is_some()
        {
            self.told.insert((invoice.clone(), stage.clone()));
        }
        let (Some((was, invoice)), Some((stage, same))) =
            (before.and_then(|before| before.dunning), &is.dunning)
        else {
            return;
        };
        // Which stage a promise that was not kept ends in is for the days to say.
        let (Some(was), Some(rank)) = (rank(&was), rank(stage)) else {
            return;
        };
        if invoice == *same {
            assert!(
                rank == was || rank == was + 1,
                "{}: from {} to {stage} for {invoice}",
                tenant.name,
                STAGES[was].0
            );
        }
    }

    fn complaint(&self, open: &[usize], now: i64) -> String {
        let of = |at: &usize| {
            let tenant = &self.tenants[*at];
            let must = model::place(&self.unpaid[*at], tenant.hold_until, now);
            let is = &self.seen[&tenant.name];
            let bills = &self.unpaid[*at];
            format!(
                "{} ({:?}) is {is} and must be {must}: {bills:?}",
                tenant.name, tenant.habit
            )
        };
        open.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    /// A simulation in which nothing happens proves nothing.
    pub(crate) fn assert_eventful(&self) {
        for (stage, _) in STAGES {
            let reached = self.told.iter().filter(|(_, told)| told == stage).count();
            assert!(reached >= 10, "{stage} was reached {reached} times");
        }
        assert!(self.kills > 0, "the operator was never killed");
    }
}
