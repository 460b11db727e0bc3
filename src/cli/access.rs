//! The flags of `tenant-billing run` about access.

use std::sync::Arc;

use clap::ValueEnum;
use prometheus_client::registry::Registry;

use crate::controller::{AccessIndex, AccessMetrics};
use crate::serve::{Gate, UnknownTenants};

/// How others are told what tenants may use.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// What gateways are told about tenants that no `TenantBilling` bills, or that have not been
    /// looked at yet.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Unknown::Allow)]
    access_unknown: Unknown,
    /// Whether each tenant's access is also written into a `ConfigMap` called `NAME-access`, next to
    /// its `TenantBilling`.
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = ConfigMaps::On)]
    access_configmaps: ConfigMaps,
}

/// What gateways are told about unknown tenants.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Unknown {
    /// 200: an id that nobody bills must not take a product down.
    Allow,
    /// 402: whoever is not known may use nothing.
    Deny,
}

/// Whether `ConfigMap`s are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ConfigMaps {
    On,
    Off,
}

/// What is known of access, and who tells it.
pub(super) struct Parts {
    pub(super) index: Arc<AccessIndex>,
    pub(super) gate: Arc<Gate>,
    pub(super) maps: Option<(Arc<AccessIndex>, AccessMetrics)>,
}

impl AccessArgs {
    /// An empty index, with those who tell what is in it.
    pub(super) fn parts(self, registry: &mut Registry) -> Parts {
        let index = Arc::new(AccessIndex::default());
        let metrics = AccessMetrics::register(registry, Arc::clone(&index));
        let unknown = match self.access_unknown {
            Unknown::Allow => UnknownTenants::Allow,
            Unknown::Deny => UnknownTenants::Deny,
        };
        Parts {
            gate: Gate::new(Arc::clone(&index), unknown, registry),
            maps: match self.access_configmaps {
                ConfigMaps::On => Some((Arc::clone(&index), metrics)),
                ConfigMaps::Off => None,
            },
            index,
        }
    }
}
