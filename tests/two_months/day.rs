//! A day: what customers do, the clock that moves, and where everybody must be afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Stage;
use super::customers::Tenant;
use super::model::{self, Place, Records, STAGES};
use super::told::{self, Receiver};

/// How long the operator may take for a day. Far longer than it does.
const PATIENCE: Duration = Duration::from_secs(180);
/// Of so many days one sees the operator killed.
const KILLED_EVERY: u8 = 12;
/// Between two looks at everybody.
const POLL: Duration = Duration::from_millis(200);

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
    records: Records,
    /// Where each tenant was seen last.
    seen: HashMap<String, Place>,
    /// Every stage that was in force at the end of a day, and what of that is to be told by now.
    told: BTreeSet<told::Stage>,
    /// The furthest stage that an invoice had reached at the end of a day.
    reached: BTreeMap<String, usize>,
    kills: usize,
}

impl Course {
    pub(crate) fn new(tenants: Vec<Tenant>, rng: Rng) -> Self {
        Self {
            records: Records::default(),
            tenants,
            rng,
            seen: HashMap::new(),
            told: BTreeSet::new(),
            reached: BTreeMap::new(),
            kills: 0,
        }
    }

    pub(crate) async fn live_through(&mut self, stage: &mut Stage, day: i64, now: i64) {
        let begun = Instant::now();
        let yesterday = now - super::DAY;
        for tenant in &mut self.tenants {
            let late = self.records.late(&tenant.customer, yesterday);
            tenant
                .act(&stage.world, &late, day, yesterday, &mut self.rng)
                .await;
        }
        let mut kill = self.kill();
        if kill == Kill::Before {
            stage.disable_endpoint().await;
            stage.kill().await;
        }
        stage.world.stripe.advance(&stage.clock, now).await;
        if kill == Kill::Before {
            self.kills += 1;
            stage.start().await;
            kill = Kill::No;
        }
        self.settle(stage, kill, day, now).await;
        println!("day {day}: {:?}", begun.elapsed());
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
        loop {
            let touched = self.records.read(&stage.world).await;
            let astray = self.astray(stage, now).await;
            if let Kill::After(enough) = kill
                && self.tenants.len() - astray.len() >= enough
            {
                stage.kill().await;
                stage.start().await;
                self.kills += 1;
                kill = Kill::No;
            } else if astray.is_empty() && touched == 0 {
                break;
            }
            let complaint = || self.complaint(&astray, now);
            assert!(Instant::now() < deadline, "day {day}: {}", complaint());
            tokio::time::sleep(POLL).await;
        }
        self.note_stages(now);
        loop {
            let lacking = stage.receiver.lacks(&self.told);
            if lacking.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "day {day}: nobody was told of {lacking:?}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Notes which stages are in force at the end of a day.
    fn note_stages(&mut self, now: i64) {
        for tenant in &self.tenants {
            for bill in self.records.late(&tenant.customer, now) {
                let stage = model::reached(&bill, now);
                let furthest = self.reached.entry(bill.invoice).or_default();
                *furthest = stage.max(*furthest);
            }
            let dunning = self.seen[&tenant.name].dunning.as_ref();
            let in_force =
                dunning.and_then(|(stage, invoice)| Some((invoice, model::rank(stage)?)));
            if let Some((invoice, stage)) = in_force {
                self.told.insert((invoice.clone(), stage));
            }
        }
    }

    /// Who is elsewhere than their bills say.
    async fn astray(&mut self, stage: &Stage, now: i64) -> Vec<usize> {
        let mut shown = model::shown(&stage.admin, &stage.world.namespace).await;
        let mut astray = Vec::new();
        for at in 0..self.tenants.len() {
            let tenant = &self.tenants[at];
            let bills = self.records.late(&tenant.customer, now);
            let is = shown.remove(&tenant.name).unwrap();
            let late = tenant.must_have_paid && !bills.is_empty();
            if is != model::place(&bills, tenant.hold_until, now) || late {
                astray.push(at);
            }
            self.follow(at, is);
        }
        astray
    }

    /// While the same invoice decides, no stage is skipped or taken back.
    fn follow(&mut self, at: usize, is: Place) {
        let tenant = &self.tenants[at];
        let now = is.dunning.clone();
        let before = self.seen.insert(tenant.name.clone(), is);
        let before = before.and_then(|before| before.dunning);
        let (Some((was, invoice)), Some((stage, same))) = (before, now) else {
            return;
        };
        // Which stage a promise that was not kept ends in is for the days to say.
        let (Some(was), Some(rank)) = (model::rank(&was), model::rank(&stage)) else {
            return;
        };
        if invoice == same {
            assert!(
                rank == was || rank == was + 1,
                "{}: from {} to {stage} for {invoice}",
                tenant.name,
                STAGES[was].0
            );
        }
    }

    fn complaint(&self, astray: &[usize], now: i64) -> String {
        let of = |at: &usize| {
            let tenant = &self.tenants[*at];
            let bills = self.records.late(&tenant.customer, now);
            let must = model::place(&bills, tenant.hold_until, now);
            let (name, habit, is) = (&tenant.name, tenant.habit, &self.seen[&tenant.name]);
            format!("{name} ({habit:?}) is {is} and must be {must}: {bills:?}")
        };
        astray.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    /// Everything was told once, and there was a lot to be told: a simulation in which nothing happens
    /// proves nothing.
    pub(crate) fn assert_told(&self, receiver: &Receiver) {
        for (rank, (stage, _)) in STAGES.iter().enumerate() {
            let times = self.told.iter().filter(|(_, told)| *told == rank).count();
            assert!(times >= 10, "{stage} was reached {times} times");
        }
        assert!(self.kills > 0, "the operator was never killed");
        receiver.assert_exact(&self.reached, self.kills);
    }
}
