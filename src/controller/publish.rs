//! The single way in which anything is written to the API server.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::Error;
use crate::api::{FINALIZER, MANAGER, TenantObject};

/// How long one call to the API server may take. Without a limit one lost packet could hold a
/// tenant for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes `status`, unless it is what the object has already. Returns the new resource version
/// when something was written.
pub(super) async fn status<K, S>(
    api: &Api<K>,
    object: &K,
    previous: &S,
    status: &S,
) -> Result<Option<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    if previous == status {
        return Ok(None);
    }
    // Replaced as a whole: the operator alone writes it, and what no longer holds has to go. The
    // test makes a write to an object that was replaced under the same name fail.
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": object.uid()},
        {"op": "add", "path": "/status", "value": status},
    ]);
    let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let written =
        patient(api.patch_status(&object.name_any(), &params, &Patch::Json::<()>(patch))).await?;
    Ok(written.resource_version())
}

/// Whether the object carries the operator's finalizer.
pub(super) fn has_finalizer(object: &TenantObject) -> bool {
    object
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
}

/// Adds the operator's finalizer.
pub(super) async fn add_finalizer(
    api: &Api<TenantObject>,
    object: &TenantObject,
) -> Result<(), Error> {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    set_finalizers(api, object, &finalizers).await
}

/// Removes the operator's finalizer. An object that is gone already is fine.
pub(super) async fn remove_finalizer(
    api: &Api<TenantObject>,
    object: &TenantObject,
) -> Result<(), Error> {
    let others: Vec<String> = object
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .cloned()
        .collect();
    match set_finalizers(api, object, &others).await {
        Err(Error::Kube(error)) if is_not_found(&error) => Ok(()),
        result => result,
    }
}

async fn set_finalizers(
    api: &Api<TenantObject>,
    object: &TenantObject,
    finalizers: &[String],
) -> Result<(), Error> {
    // The resource version makes the write fail if another finalizer came or went meanwhile.
    let patch = json!({
        "metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers},
    });
    patient(api.patch(
        &object.name_any(),
        &PatchParams::default(),
        &Patch::Merge(&patch),
    ))
    .await
    .map(|_| ())
}

/// The object as it is now; `None` when it is gone.
pub(super) async fn fresh<K>(api: &Api<K>, name: &str) -> Result<Option<K>, Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    patient(api.get_opt(name)).await
}

async fn patient<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::KubeTimeout(PATIENCE)),
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}
