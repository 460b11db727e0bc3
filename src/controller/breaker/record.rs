//! What the cluster is told of a hold, and what it tells a new leader: a `ConfigMap` next to the lease.
//!
//! It is written by the leader alone, when something changes, and never before the first hold. People
//! read it, and release a hold by an annotation on it. What else they write into it is replaced.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use tokio::sync::Mutex;

use super::{Hold, HoldName};
use crate::api::RELEASE_ANNOTATION;
use crate::controller::kept_map::KeptMap;
use crate::controller::lease::LeaseConfig;
use crate::converge::breaker::{Facts, HOUR, Release};
use crate::converge::notice::Mark;

const STATE: &str = "state";
const HOLD: &str = "hold";
const SINCE: &str = "since";
const LIMIT: &str = "limit";
const WAITING: &str = "waiting";
const MESSAGE: &str = "message";
const TOLD: &str = "told";
const RELEASED_AT: &str = "releasedAt";
const ALLOWED: &str = "allowed";

const HELD: &str = "Held";
const RELEASED: &str = "Released";
const CLEAR: &str = "Clear";

/// What is to be told.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) hold: Option<Hold>,
    pub(super) release: Option<Release>,
    pub(super) facts: Facts,
    pub(super) limit: usize,
}

/// What an earlier leader has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The name of the hold, and since when.
    pub(super) hold: Option<(String, Timestamp)>,
    pub(super) told: Mark,
    /// The last release, whether or not it is in force.
    pub(super) release: Option<Release>,
    /// The hold that a person releases.
    pub(super) released: Option<String>,
}

/// The `ConfigMap`.
pub(super) struct Record {
    map: KeptMap,
    /// What is known to be there.
    written: Mutex<BTreeMap<String, String>>,
}

impl Record {
    pub(super) fn new(client: Client, lease: &LeaseConfig) -> Self {
        Self {
            map: KeptMap::new(client, lease, "enforcement"),
            written: Mutex::default(),
        }
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.map.namespace(), self.map.name())
    }

    /// Reads it. What cannot be understood of it was written by somebody else, and is named.
    pub(super) async fn load(&self) -> Result<(Kept, Option<String>), String> {
        let map = self.map.load().await?.unwrap_or_default();
        let annotations = map.metadata.annotations.unwrap_or_default();
        let data = map.data.unwrap_or_default();
        let (mut kept, wrong) = match read(&data) {
            Ok(kept) => (kept, None),
            Err(wrong) => (Kept::default(), Some(wrong)),
        };
        kept.released = annotations.get(RELEASE_ANNOTATION).cloned();
        *self.written.lock().await = data;
        Ok((kept, wrong))
    }

    /// Writes it, unless it says that already.
    pub(super) async fn keep(&self, state: State) -> Result<(), String> {
        let mut written = self.written.lock().await;
        let data = self.data(&state, &written);
        if *written == data {
            return Ok(());
        }
        self.map.write(&data).await?;
        *written = data;
        Ok(())
    }

    /// The object that Kubernetes events about it belong to.
    pub(super) fn object(&self) -> ConfigMap {
        self.map.object()
    }

    /// What is held, why, and how a person lets it go.
    pub(super) fn message(&self, hold: &HoldName, facts: &Facts, limit: usize) -> String {
        let Facts {
            tenants,
            restricted,
            waiting,
            coming,
            ..
        } = facts;
        format!(
            "Nobody's access is reduced for now: of {tenants} tenants {restricted} lost access within the \
             past hour, {waiting} wait to, and {coming} would within the coming hour, and more than {limit} \
             within an hour look like an outage. It ends by itself when enough of them have paid. If it is \
             none, let them go: kubectl annotate configmap {} --namespace {} --overwrite \
             {RELEASE_ANNOTATION}={hold}",
            self.map.name(),
            self.map.namespace()
        )
    }

    /// `before` is what it says by now: a release that is over is still to be known for an hour.
    pub(super) fn data(
        &self,
        state: &State,
        before: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut data = BTreeMap::new();
        let earlier = || read(before).ok()?.release;
        if let Some(release) = state.release.or_else(earlier) {
            data.insert(RELEASED_AT.to_owned(), release.at.to_string());
            data.insert(ALLOWED.to_owned(), release.allowed.to_string());
        }
        let (word, hold) = match (&state.hold, state.release) {
            (Some(hold), _) => (HELD, Some(hold)),
            (None, Some(_)) => (RELEASED, None),
            // There never was anything to tell.
            (None, None) if before.is_empty() => return data,
            (None, None) => (CLEAR, None),
        };
        data.insert(STATE.to_owned(), word.to_owned());
        if let (None, Some(release)) = (hold, state.release) {
            data.insert(MESSAGE.to_owned(), released(release));
        }
        if let Some(hold) = hold {
            let Facts { waiting, .. } = state.facts;
            let message = self.message(&hold.name, &state.facts, state.limit);
            data.insert(HOLD.to_owned(), hold.name.to_string());
            data.insert(SINCE.to_owned(), hold.since.to_string());
            data.insert(LIMIT.to_owned(), state.limit.to_string());
            data.insert(WAITING.to_owned(), waiting.to_string());
            data.insert(MESSAGE.to_owned(), message);
            if hold.told != Mark::default() {
                data.insert(TOLD.to_owned(), hold.told.to_string());
            }
        }
        data
    }
}

fn released(release: Release) -> String {
    format!(
        "A person has let {} more tenants than usual lose access within the hour that ends at {}; then the \
         usual limit is in force again.",
        release.allowed,
        release.at + HOUR
    )
}

/// Reads what was written.
pub(super) fn read(data: &BTreeMap<String, String>) -> Result<Kept, String> {
    let field = |name: &str| data.get(name).filter(|value| !value.is_empty());
    let time = |name: &str| -> Result<Option<Timestamp>, String> {
        let read = field(name).map(|value| value.parse());
        read.transpose()
            .map_err(|_| format!("data.{name} is no time"))
    };
    let release = match (time(RELEASED_AT)?, field(ALLOWED)) {
        (None, _) => None,
        (Some(at), allowed) => {
            let allowed = allowed.and_then(|allowed| allowed.parse().ok());
            let allowed = allowed.ok_or_else(|| format!("data.{ALLOWED} is no number"))?;
            Some(Release { at, allowed })
        }
    };
    let hold = match field(STATE).map(String::as_str) {
        Some(HELD) => {
            let since = time(SINCE)?.ok_or_else(|| format!("data.{SINCE} is missing"))?;
            let name = field(HOLD).ok_or_else(|| format!("data.{HOLD} is missing"))?;
            Some((name.clone(), since))
        }
        None | Some(RELEASED | CLEAR) => None,
        Some(other) => return Err(format!("data.{STATE} is {other}")),
    };
    Ok(Kept {
        hold,
        told: field(TOLD).map_or_else(Mark::default, |told| Mark::read(told)),
        release,
        released: None,
    })
}
