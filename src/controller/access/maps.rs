//! Keeps a `ConfigMap` for each tenant that says what the tenant may use. By the leader alone, beside
//! the looks at tenants: what the index shows is compared with what is in the cluster, whenever one
//! of the two changes.
//!
//! One is made by `create`, which cannot meet what somebody else has put there, and changed by
//! server-side apply, under the condition that it is still the one that was judged. One that does not
//! refer to the very manifest as its owner is never touched.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::map::{self, Owner};
use super::queue::Queue;
use super::seen::Seen;
use super::{AccessIndex, AccessMetrics, ManifestKey, Published};
use crate::api::{ACCESS_LABEL, MANAGER};
use crate::controller::context::Backoff;
use crate::controller::event::Events;
use crate::controller::lease::Leadership;

/// Written at the same time.
const AT_ONCE: usize = 8;
/// How long one call to the API server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The reason of the event about a `ConfigMap` that is not ours.
const TAKEN: &str = "AccessConfigMapTaken";

type Watched = watcher::Result<watcher::Event<ConfigMap>>;

/// What keeping the `ConfigMap`s needs.
pub(in crate::controller) struct Maps {
    pub(in crate::controller) kube: Client,
    /// Of this namespace only; of all when absent.
    pub(in crate::controller) namespace: Option<String>,
    pub(in crate::controller) index: Arc<AccessIndex>,
    pub(in crate::controller) leadership: Leadership,
    pub(in crate::controller) events: Events,
    pub(in crate::controller) metrics: AccessMetrics,
}

/// What came of one comparison.
enum Done {
    /// It is as it should be.
    Written(Box<ConfigMap>),
    /// One of that name is not ours; this is its uid.
    Taken(String),
    /// It goes with a manifest of the same name that is gone already.
    Former,
    /// Somebody was faster; look again.
    Raced,
    Failed(String),
}

/// Where things stand.
struct Desk {
    maps: Arc<Maps>,
    queue: Queue,
    seen: Seen,
    backoff: Backoff<ManifestKey>,
    /// Of which foreign `ConfigMap` people were told.
    told: HashMap<ManifestKey, String>,
    writes: JoinSet<(ManifestKey, Done)>,
}

impl Maps {
    /// Keeps them until `shutdown`.
    pub(in crate::controller) async fn keep(self, shutdown: CancellationToken) {
        let mut changes = self.index.changes();
        let mut watched = pin!(self.watch());
        let mut desk = Desk {
            maps: Arc::new(self),
            queue: Queue::default(),
            seen: Seen::default(),
            backoff: Backoff::default(),
            told: HashMap::new(),
            writes: JoinSet::new(),
        };
        while !shutdown.is_cancelled() {
            desk.start_writes();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = desk.hear(&mut changes, watched.as_mut()) => {}
            }
        }
        // Each takes a few milliseconds, or is cut off with everything else.
        while desk.writes.join_next().await.is_some() {}
    }

    fn watch(&self) -> impl Stream<Item = Watched> + Send + use<> {
        let config = watcher::Config::default().labels(ACCESS_LABEL);
        let api: Api<ConfigMap> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.kube.clone(), namespace),
            None => Api::all(self.kube.clone()),
        };
        watcher(api, config).default_backoff()
    }

    /// Makes a `ConfigMap` what it should be.
    async fn write(&self, key: &ManifestKey, published: &Published, wanted: &ConfigMap) -> Done {
        let api = Api::namespaced(self.kube.clone(), &key.namespace);
        let attempt = async {
            match api.get_opt(&map::name(key)).await? {
                None => create(&api, wanted).await,
                Some(found) => change(&api, key, published, wanted, found).await,
            }
        };
        match tokio::time::timeout(PATIENCE, attempt).await {
            Ok(Ok(done)) => done,
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Done::Failed(format!(
                "{}; give the operator the rights of the ClusterRole tenant-billing-access, or \
                 start it with --access-configmaps=off",
                status.message
            )),
            Ok(Err(error)) => Done::Failed(error.to_string()),
            Err(_) => Done::Failed("the API server does not answer".to_owned()),
        }
    }
}

impl Maps {
    /// Tells people of a `ConfigMap` that stands in the way.
    async fn tell_taken(&self, key: &ManifestKey, published: &Published) {
        let message = format!(
            "the ConfigMap {} is not the operator's (it has no owner reference to this TenantBilling) and \
             is left alone; rename or delete it, and the tenant's access is written there",
            map::name(key)
        );
        let (namespace, name) = (&*key.namespace, &*key.name);
        tracing::warn!(namespace, name, reason = TAKEN, message, "needs somebody");
        let about = map::reference(key, &published.uid);
        self.events.warning_about(about, TAKEN, &message).await;
    }
}

async fn create(api: &Api<ConfigMap>, wanted: &ConfigMap) -> kube::Result<Done> {
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, wanted).await {
        Ok(written) => Ok(Done::Written(Box::new(written))),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Done::Raced),
        Err(error) => Err(error),
    }
}

async fn change(
    api: &Api<ConfigMap>,
    key: &ManifestKey,
    published: &Published,
    wanted: &ConfigMap,
    found: ConfigMap,
) -> kube::Result<Done> {
    let uid = found.metadata.uid.clone();
    match map::owner(&found, key, &published.uid) {
        Owner::Manifest => {}
        Owner::Former => return Ok(Done::Former),
        Owner::Other => return Ok(Done::Taken(uid.unwrap_or_default())),
    }
    if map::digest(&found) == map::digest(wanted) {
        return Ok(Done::Written(Box::new(found)));
    }
    let mut patch = wanted.clone();
    patch.metadata.uid = uid;
    let params = PatchParams::apply(MANAGER).force();
    match api
        .patch(&map::name(key), &params, &Patch::Apply(&patch))
        .await
    {
        Ok(written) => Ok(Done::Written(Box::new(written))),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Done::Raced),
        Err(error) => Err(error),
    }
}

impl Desk {
    /// Waits for one thing to happen, and takes it in.
    async fn hear(
        &mut self,
        changes: &mut mpsc::UnboundedReceiver<ManifestKey>,
        watched: Pin<&mut impl Stream<Item = Watched>>,
    ) {
        let mut watched = watched;
        let retry = self.queue.wait(Instant::now());
        tokio::select! {
            Some(key) = changes.next() => self.queue.push(key),
            Some(event) = watched.next() => match event {
                Ok(event) => self.seen.observe(&event).into_iter().for_each(|key| self.queue.push(key)),
                Err(error) => tracing::warn!(
                    %error,
                    "the tenants' ConfigMaps cannot be watched, so they may be old"
                ),
            },
            Some(done) = self.writes.join_next() => match done {
                Ok((key, done)) => self.settle(key, done),
                Err(error) => tracing::error!(%error, "writing a ConfigMap ended abnormally"),
            },
            () = tokio::time::sleep(retry.unwrap_or_default()), if retry.is_some() => {}
        }
    }

    /// Begins what is due, as far as it differs. Before everything has been seen nothing is, or a
    /// restart would write all of it again.
    fn start_writes(&mut self) {
        while self.seen.is_listed()
            && self.writes.len() < AT_ONCE
            && self.maps.leadership.holds()
            && let Some(key) = self.queue.next(Instant::now())
        {
            let Some(published) = self.maps.index.published(&key) else {
                // What was written for it goes by garbage collection, or is what was known last.
                self.told.remove(&key);
                self.queue.done(key, None);
                continue;
            };
            match map::wanted(&key, &published) {
                Ok(wanted) if self.seen.shows(&key, &wanted) => {
                    self.backoff.succeeded(&key);
                    self.queue.done(key, None);
                }
                Ok(wanted) => {
                    let (maps, told) = (Arc::clone(&self.maps), self.told.get(&key).cloned());
                    self.writes.spawn(async move {
                        let done = maps.write(&key, &published, &wanted).await;
                        if let Done::Taken(uid) = &done
                            && told.as_ref() != Some(uid)
                        {
                            maps.tell_taken(&key, &published).await;
                        }
                        (key, done)
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "a tenant's access is not JSON");
                    self.queue.done(key, None);
                }
            }
        }
    }

    fn settle(&mut self, key: ManifestKey, done: Done) {
        let (namespace, name) = (&*key.namespace, map::name(&key));
        let mut retry = true;
        match done {
            Done::Written(written) => {
                self.seen.note(&key, &written);
                self.backoff.succeeded(&key);
                self.told.remove(&key);
                self.maps.metrics.map("written");
                retry = false;
            }
            Done::Taken(uid) => {
                self.maps.metrics.map("taken");
                self.told.insert(key.clone(), uid);
            }
            Done::Former => {
                tracing::debug!(namespace, name, "waits for the garbage collector");
            }
            Done::Raced => {}
            Done::Failed(error) => {
                self.maps.metrics.map("failed");
                tracing::warn!(
                    namespace,
                    name,
                    error,
                    "a ConfigMap is not written; it is tried again"
                );
            }
        }
        let retry = retry.then(|| Instant::now() + self.backoff.failed(key.clone()));
        self.queue.done(key, retry);
    }
}
