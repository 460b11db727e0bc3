//! The watches: what they keep in memory, and what of a change calls for a look.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};

use super::context::Context;
use super::plans;
use crate::api::{ANNOTATIONS, PlanObject, TenantObject};

/// The tenants' manifests, noted in the index and kept in the store.
pub(super) fn tenants(
    context: &Arc<Context>,
    namespace: Option<&str>,
    store: Writer<TenantObject>,
) -> impl Stream<Item = watcher::Result<watcher::Event<TenantObject>>> + Send + use<> {
    let api: Api<TenantObject> = match namespace {
        Some(namespace) => context.tenant_api(namespace),
        None => Api::all(context.kube.clone()),
    };
    let context = context.clone();
    watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(prune)
        .inspect(move |event| {
            if let Ok(event) = event {
                context.breaker.observe(event, jiff::Timestamp::now());
                context.triggers.tenants(context.tenants.observe(event));
            }
        })
        .reflect(store)
}

/// The plans, kept in the store; the tenants on one that is deleted are told.
pub(super) fn plans(
    context: &Arc<Context>,
    selector: Option<&str>,
    store: Writer<PlanObject>,
) -> impl Stream<Item = watcher::Result<watcher::Event<PlanObject>>> + Send + use<> {
    let config = match selector {
        Some(labels) => watcher::Config::default().labels(labels),
        None => watcher::Config::default(),
    };
    let context = context.clone();
    watcher(Api::all(context.kube.clone()), config)
        .default_backoff()
        .modify(prune)
        .reflect(store)
        .inspect(move |event| match event {
            Ok(watcher::Event::Delete(plan)) => {
                let left = context.tenants.on_plan(&plan.name_any());
                context.triggers.tenants(left);
                context.triggers.plans(plans::sharing(&context, plan));
            }
            Ok(watcher::Event::Apply(plan)) if plans::is_news(&context, plan) => {
                context.triggers.plans(plans::sharing(&context, plan));
            }
            Ok(watcher::Event::InitDone) => {
                context.plans_listed.send_replace(true);
            }
            _ => {}
        })
}

/// What the operator never reads and every object carries.
fn prune<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object
        .annotations_mut()
        .remove("kubectl.kubernetes.io/last-applied-configuration");
}

/// What a new look depends on: not the status, which the operator writes itself. The hash of
/// generation alone would miss finalizers, deletion and the request for a look.
#[expect(clippy::unnecessary_wraps, reason = "the signature is the predicate's")]
pub(super) fn what_matters<K: Resource<DynamicType = ()>>(object: &K) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hash = DefaultHasher::new();
    object.meta().generation.hash(&mut hash);
    object.meta().deletion_timestamp.is_some().hash(&mut hash);
    object.finalizers().hash(&mut hash);
    for annotation in ANNOTATIONS {
        object.annotations().get(annotation).hash(&mut hash);
    }
    Some(hash.finish())
}
