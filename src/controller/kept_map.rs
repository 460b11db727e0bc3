//! A `ConfigMap` next to the lease, and named after it: what a leader leaves for people and for the next
//! leader. Written by the leader alone; what it means is for those who keep it to know.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::Serialize;
use serde_json::json;

use super::lease::LeaseConfig;
use crate::api::MANAGER;

/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The `ConfigMap`.
pub(super) struct KeptMap {
    api: Api<ConfigMap>,
    namespace: String,
    name: String,
}

impl KeptMap {
    /// The one that is called after the lease, with this suffix.
    pub(super) fn new(client: Client, lease: &LeaseConfig, suffix: &str) -> Self {
        Self {
            api: Api::namespaced(client, &lease.namespace),
            namespace: lease.namespace.clone(),
            name: format!("{}-{suffix}", lease.name),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads it; `None` when there is none.
    pub(super) async fn load(&self) -> Result<Option<ConfigMap>, String> {
        patient(self.api.get_opt(&self.name)).await
    }

    /// Makes `data` what it says. What others wrote into it is replaced.
    pub(super) async fn write(&self, data: &impl Serialize) -> Result<(), String> {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
            "data": data,
        });
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&map);
        patient(self.api.patch(&self.name, &params, &patch))
            .await
            .map(|_| ())
    }

    /// The object that Kubernetes events about it belong to.
    pub(super) fn object(&self) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }
}

async fn patient<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the API server does not answer".to_owned()),
    }
}
