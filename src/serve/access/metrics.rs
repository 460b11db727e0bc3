//! What gateways were told, in numbers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::api::{AccessLevel, UNKNOWN_ACCESS};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    answer: &'static str,
}

/// Counts lookups by answer. The counters are at hand, so that counting takes no lock.
#[derive(Debug)]
pub(super) struct Lookups {
    full: Counter,
    limited: Counter,
    suspended: Counter,
    pub(super) unknown: Counter,
    pub(super) invalid: Counter,
}

impl Lookups {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<Labels, Counter>::default();
        registry.register(
            "access_lookups",
            "What gateways asked about tenants' access, by answer",
            family.clone(),
        );
        let counter = |answer| family.get_or_create(&Labels { answer }).clone();
        Self {
            full: counter(AccessLevel::Full.as_str()),
            limited: counter(AccessLevel::Limited.as_str()),
            suspended: counter(AccessLevel::Suspended.as_str()),
            unknown: counter(UNKNOWN_ACCESS),
            invalid: counter("Invalid"),
        }
    }

    pub(super) fn of(&self, level: AccessLevel) -> &Counter {
        match level {
            AccessLevel::Full => &self.full,
            AccessLevel::Limited => &self.limited,
            AccessLevel::Suspended => &self.suspended,
        }
    }
}
