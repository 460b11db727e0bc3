//! What became of webhooks, in numbers.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::stripe::Marked;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An event, as the inbox judged it.
    Marked(Marked),
    /// An event of the v2 API; nothing of what those tell is kept here.
    Thin,
    /// Passed on to the replica that leads, which answered.
    PassedOn,
    /// The signature is missing, wrong or old, or the body is no event.
    Refused,
    /// The body is larger than any event.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// Nobody could take it; Stripe tries again.
    Unavailable,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Marked(Marked::Taken) => "taken",
            Self::Marked(Marked::Known) => "known",
            Self::Marked(Marked::Stranger) => "stranger",
            Self::Marked(Marked::Ignored) => "ignored",
            Self::Marked(Marked::Elsewhere) => "elsewhere",
            Self::Marked(Marked::Full) => "full",
            Self::Thin => "thin",
            Self::PassedOn => "passed_on",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unavailable => "unavailable",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// Counts webhooks.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    events: Family<Labels, Counter>,
    seconds: Histogram,
}

impl WebhookMetrics {
    /// Counters that `registry` exposes.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
        };
        registry.register(
            "webhook_events",
            "Webhooks received, by what became of them",
            metrics.events.clone(),
        );
        registry.register_with_unit(
            "webhook_duration",
            "How long a webhook took from its headers to its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(super) fn count(&self, outcome: Outcome, took: Duration) {
        let outcome = outcome.label();
        self.events.get_or_create(&Labels { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
