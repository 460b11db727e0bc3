//! What the Stripe client counts, as metrics.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;

use crate::stripe::Client;

/// Reads the client's counters whenever the metrics are asked for.
#[derive(Debug)]
pub(super) struct StripeMetrics(pub(super) Client);

impl Collector for StripeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let stats = self.0.stats().snapshot();
        let outcomes = [
            ("succeeded", stats.succeeded),
            ("rejected", stats.rejected),
            ("rate_limited", stats.rate_limited),
            ("server_failed", stats.server_failed),
            ("network_failed", stats.network_failed),
            ("unreadable", stats.unreadable),
        ];
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Attempts at requests to Stripe, by outcome";
        let mut family = encoder.encode_descriptor("stripe_requests", help, None, kind)?;
        for (outcome, count) in outcomes {
            let labels = [("outcome", outcome)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        for (name, help, count) in [
            (
                "stripe_retries",
                "Attempts that repeated a failed one",
                stats.retries,
            ),
            (
                "stripe_replays",
                "Answers that Stripe had stored for an idempotency key",
                stats.replayed,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, kind)?;
            ConstCounter::new(count).encode(metric)?;
        }
        Ok(())
    }
}
