//! What is known of access, as metrics.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::AccessIndex;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// Counts what became of tenants' `ConfigMap`s.
#[derive(Clone, Debug, Default)]
pub struct AccessMetrics {
    maps: Family<Labels, Counter>,
}

impl AccessMetrics {
    /// Counters and gauges that `registry` exposes.
    pub fn register(registry: &mut Registry, index: Arc<AccessIndex>) -> Self {
        let metrics = Self::default();
        registry.register(
            "access_configmap_writes",
            "Writes of tenants' ConfigMaps, by what became of them",
            metrics.maps.clone(),
        );
        registry.register_collector(Box::new(IndexMetrics(index)));
        metrics
    }

    pub(super) fn map(&self, outcome: &'static str) {
        self.maps.get_or_create(&Labels { outcome }).inc();
    }
}

/// Reads the index whenever the metrics are asked for.
#[derive(Debug)]
struct IndexMetrics(Arc<AccessIndex>);

impl Collector for IndexMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let index = &self.0;
        let tenants = i64::try_from(index.tenants()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            (
                "access_tenants",
                "Tenants whose access is kept in memory",
                tenants,
            ),
            (
                "access_listed",
                "1 once every TenantBilling has been seen; before that every tenant is Unknown",
                i64::from(index.is_listed()),
            ),
            (
                "access_watch_failing",
                "1 while the TenantBillings cannot be watched, so that the last known access is told",
                i64::from(index.is_failing()),
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let descriptor = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(descriptor)?;
        }
        Ok(())
    }
}
