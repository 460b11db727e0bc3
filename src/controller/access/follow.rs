//! The watch that feeds the index, in every replica.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{AccessIndex, WatchedObject};

/// How long one request of a watch lasts, in seconds. A connection that was lost without a word is
/// noticed after that at the latest, and what happened meanwhile is seen then.
const WATCH_SECONDS: u32 = 60;

/// Keeps `index` as the manifests of `namespace` (of all, when absent) say, until `shutdown`. Failures
/// are noted in the index, which goes on telling what it knows; `client` had better not hide them by
/// retries of its own.
pub async fn follow(
    client: Client,
    namespace: Option<String>,
    index: Arc<AccessIndex>,
    shutdown: CancellationToken,
) {
    let api: Api<WatchedObject> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    let mut events = pin!(watcher(api, config).default_backoff());
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => index.observe(&event),
            Some(Err(error)) => {
                index.note_failure();
                tracing::warn!(
                    %error,
                    "TenantBillings cannot be watched; gateways are told the last known access"
                );
            }
            // The stream tries again for ever.
            None => return,
        }
    }
}
