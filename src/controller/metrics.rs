//! What the operator counts, in the names of `OpenMetrics`.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Which kind was looked at, and how that ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    result: &'static str,
}

/// Which change was made in Stripe.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
}

/// The operator's counters.
#[derive(Debug, Default)]
pub struct Metrics {
    reconciles: Family<ReconcileLabels, Counter>,
    steps: Family<StepLabels, Counter>,
    leader: Gauge,
    sync_failures: Counter,
    last_listed: Gauge,
    inbox: Gauge,
    list_seconds: Option<Histogram>,
    enforcement_held: Gauge,
    enforcement_waiting: Gauge,
}

impl Metrics {
    /// Counters that `registry` exposes.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let list_seconds = Histogram::new(exponential_buckets(0.1, 3.0, 9));
        let metrics = Self {
            list_seconds: Some(list_seconds.clone()),
            ..Self::default()
        };
        registry.register(
            "reconciles",
            "Looks at objects, by kind and result",
            metrics.reconciles.clone(),
        );
        registry.register(
            "plan_steps",
            "Changes made in Stripe, by step",
            metrics.steps.clone(),
        );
        registry.register(
            "leader",
            "1 while this replica leads",
            metrics.leader.clone(),
        );
        registry.register(
            "sync_failures",
            "Times that following the Stripe account failed",
            metrics.sync_failures.clone(),
        );
        registry.register(
            "inbox_entries",
            "Objects in Stripe that are to be read again",
            metrics.inbox.clone(),
        );
        registry.register(
            "enforcement_held",
            "1 while no tenant's access is reduced because too many would lose theirs at once",
            metrics.enforcement_held.clone(),
        );
        registry.register(
            "enforcement_waiting",
            "Tenants whose access would be reduced if that were not held",
            metrics.enforcement_waiting.clone(),
        );
        registry.register_with_unit(
            "last_listed_timestamp",
            "When the Stripe account was last listed whole, in Unix time",
            Unit::Seconds,
            metrics.last_listed.clone(),
        );
        registry.register_with_unit(
            "list_duration",
            "How long listing the Stripe account took",
            Unit::Seconds,
            list_seconds,
        );
        Arc::new(metrics)
    }

    pub(super) fn reconciled(&self, kind: &'static str, result: &'static str) {
        self.reconciles
            .get_or_create(&ReconcileLabels { kind, result })
            .inc();
    }

    pub(super) fn step(&self, step: &'static str) {
        self.steps.get_or_create(&StepLabels { step }).inc();
    }

    pub(super) fn sync_failed(&self) {
        self.sync_failures.inc();
    }

    pub(super) fn waiting(&self, entries: usize) {
        self.inbox.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// How many wait for a hold to end, if there is one.
    pub(super) fn enforcement(&self, waiting: Option<usize>) {
        self.enforcement_held.set(i64::from(waiting.is_some()));
        let waiting = i64::try_from(waiting.unwrap_or_default());
        self.enforcement_waiting.set(waiting.unwrap_or(i64::MAX));
    }

    pub(super) fn leading(&self) {
        self.leader.set(1);
    }

    pub(super) fn listed(&self, took: Duration) {
        self.last_listed.set(jiff::Timestamp::now().as_second());
        if let Some(histogram) = &self.list_seconds {
            histogram.observe(took.as_secs_f64());
        }
    }
}
