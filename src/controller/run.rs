//! The two controllers: from what is watched, and what triggers, to looks.

use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use kube::Resource;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt as _, controller, watcher};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::error::Error;
use super::metrics::Metrics;
use super::{reconcile, watch};
use crate::api::{PlanObject, TenantObject};

/// Looks at tenants at the same time. Each mostly reads memory; the rate budget of the Stripe
/// client bounds the rest.
const TENANTS_AT_ONCE: u16 = 32;
/// Looks at plans at the same time.
const PLANS_AT_ONCE: u16 = 4;
/// Looks at tenants until `shutdown`.
pub(super) async fn tenants(
    watched: impl Stream<Item = watcher::Result<watcher::Event<TenantObject>>> + Send + 'static,
    store: Store<TenantObject>,
    triggers: impl Stream<Item = ObjectRef<TenantObject>> + Send + 'static,
    context: Arc<Context>,
    shutdown: CancellationToken,
) {
    let metrics = context.metrics.clone();
    let changes = watched
        .applied_objects()
        .predicate_filter(watch::what_matters, PredicateConfig::default());
    Controller::for_stream(changes, store)
        .reconcile_on(triggers)
        .with_config(Config::default().concurrency(TENANTS_AT_ONCE))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile::reconcile, retry_tenant, context)
        .for_each(|result| {
            count("TenantBilling", &metrics, &result);
            std::future::ready(())
        })
        .await;
}

/// Looks at plans until `shutdown`.
pub(super) async fn plans(
    watched: impl Stream<Item = watcher::Result<watcher::Event<PlanObject>>> + Send + 'static,
    store: Store<PlanObject>,
    triggers: impl Stream<Item = ObjectRef<PlanObject>> + Send + 'static,
    context: Arc<Context>,
    shutdown: CancellationToken,
) {
    let metrics = context.metrics.clone();
    let changes = watched
        .applied_objects()
        .predicate_filter(watch::what_matters, PredicateConfig::default());
    Controller::for_stream(changes, store)
        .reconcile_on(triggers)
        .with_config(Config::default().concurrency(PLANS_AT_ONCE))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(super::plans::reconcile, retry_plan, context)
        .for_each(|result| {
            count("BillingPlan", &metrics, &result);
            std::future::ready(())
        })
        .await;
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn retry_tenant(object: Arc<TenantObject>, error: &Error, context: Arc<Context>) -> Action {
    let tenant = ObjectRef::from_obj(object.as_ref());
    tracing::warn!(%tenant, %error, "look failed; it is tried again");
    Action::requeue(context.backoff.failed(tenant))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn retry_plan(object: Arc<PlanObject>, error: &Error, context: Arc<Context>) -> Action {
    let plan = ObjectRef::from_obj(object.as_ref());
    tracing::warn!(%plan, %error, "look failed; it is tried again");
    Action::requeue(context.plan_backoff.failed(plan))
}

fn count<K: Resource>(
    kind: &'static str,
    metrics: &Metrics,
    result: &Result<(ObjectRef<K>, Action), controller::Error<Error, watcher::Error>>,
) where
    K::DynamicType: std::fmt::Debug + Clone + Eq + std::hash::Hash,
{
    match result {
        Ok(_) => metrics.reconciled(kind, "success"),
        Err(controller::Error::ReconcilerFailed(..)) => metrics.reconciled(kind, "error"),
        // An object that is gone needs no look.
        Err(controller::Error::ObjectNotFound(_)) => {}
        Err(error) => {
            metrics.reconciled(kind, "error");
            tracing::warn!(%error, kind, "watch");
        }
    }
}
