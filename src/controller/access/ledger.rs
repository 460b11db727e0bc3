//! The manifests behind the index: who claims which tenant, and what each says about access.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::{Access, Entry, Published};
use crate::api::{AccessStatus, Lenient, LenientObject, Limits, TenantBilling};
use crate::converge::desired;

/// A `TenantBilling` as far as access is concerned; the rest of it is dropped as it is read.
pub type WatchedObject = LenientObject<TenantBilling, WatchedSpec, WatchedStatus>;

/// Of a manifest's spec, whom it bills.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchedSpec {
    #[serde(default)]
    tenant_id: Option<String>,
}

/// Of a manifest's status, what the tenant may use.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WatchedStatus {
    #[serde(default)]
    access: Option<AccessStatus>,
    #[serde(default)]
    plan: Option<String>,
}

/// Namespace and name of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestKey {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
}

impl ManifestKey {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self::new(
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
        )
    }

    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Orders the manifests that name one tenant, as the rest of the operator does: those being deleted
/// last, then the older first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    deleting: bool,
    created: Option<Timestamp>,
    key: ManifestKey,
}

#[derive(Debug, PartialEq, Eq)]
struct Manifest {
    tenant_id: Arc<str>,
    uid: Arc<str>,
    claim: Claim,
    access: Entry,
}

/// What an event of the watch may have changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Tenants whose access may be another now.
    pub(super) tenants: Vec<Arc<str>>,
    /// The manifest that says something else now.
    pub(super) manifest: Option<ManifestKey>,
}

/// The manifests as the watch has shown them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    manifests: HashMap<ManifestKey, Manifest>,
    /// By tenant, in order. Nearly always one.
    claims: HashMap<Arc<str>, Vec<Claim>>,
    /// During a list: what it has not shown yet.
    unseen: Option<HashSet<ManifestKey>>,
    texts: Interned<str>,
    limits: Interned<Limits>,
}

impl Ledger {
    pub(super) fn list_begins(&mut self) {
        self.unseen = Some(self.manifests.keys().cloned().collect());
    }

    /// What the list has not shown is gone.
    pub(super) fn list_ends(&mut self) -> Vec<Change> {
        let gone = self.unseen.take().unwrap_or_default();
        gone.iter().map(|key| self.remove(key)).collect()
    }

    pub(super) fn put(&mut self, object: &WatchedObject) -> Change {
        let manifest = self.read(object);
        let key = manifest.claim.key.clone();
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(&key);
        }
        if self.manifests.get(&key) == Some(&manifest) {
            return Change::default();
        }
        let mut change = self.remove(&key);
        let claims = self
            .claims
            .entry(manifest.tenant_id.clone())
            .or_insert_with(|| Vec::with_capacity(1));
        let at = claims.partition_point(|other| *other < manifest.claim);
        claims.insert(at, manifest.claim.clone());
        if !change.tenants.contains(&manifest.tenant_id) {
            change.tenants.push(manifest.tenant_id.clone());
        }
        self.manifests.insert(key.clone(), manifest);
        change.manifest = Some(key);
        change
    }

    pub(super) fn remove(&mut self, key: &ManifestKey) -> Change {
        let Some(manifest) = self.manifests.remove(key) else {
            return Change::default();
        };
        if let Some(claims) = self.claims.get_mut(&manifest.tenant_id) {
            claims.retain(|claim| *claim != manifest.claim);
            if claims.is_empty() {
                self.claims.remove(&manifest.tenant_id);
            }
        }
        Change {
            tenants: vec![manifest.tenant_id],
            manifest: Some(key.clone()),
        }
    }

    /// The entry of a tenant: that of the manifest that bills it. Nothing when none does.
    pub(super) fn entry(&self, tenant_id: &str) -> Option<Entry> {
        let first = self.claims.get(tenant_id)?.first()?;
        Some(self.manifests.get(&first.key)?.access.clone())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ManifestKey> {
        self.manifests.keys()
    }

    pub(super) fn published(&self, key: &ManifestKey) -> Option<Published> {
        let manifest = self.manifests.get(key)?;
        Some(Published {
            tenant_id: manifest.tenant_id.clone(),
            uid: manifest.uid.clone(),
            access: manifest.access.clone()?,
        })
    }

    fn read(&mut self, object: &WatchedObject) -> Manifest {
        let meta = &object.metadata;
        let namespace = self.texts.of(meta.namespace.as_deref().unwrap_or_default());
        let key = ManifestKey {
            namespace,
            name: meta.name.as_deref().unwrap_or_default().into(),
        };
        let tenant_id = match &object.spec {
            Lenient::Valid(spec) => spec.tenant_id.as_deref(),
            Lenient::Invalid(_) => None,
        };
        let status = object.status.as_valid();
        let plan = status.and_then(|status| status.plan.as_deref());
        let access = status.and_then(|status| status.access.as_ref());
        let access = access.map(|access| Arc::new(self.access(access, plan)));
        Manifest {
            tenant_id: desired::tenant_id(tenant_id, &key.namespace, &key.name).into(),
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            claim: Claim {
                deleting: meta.deletion_timestamp.is_some(),
                created: meta.creation_timestamp.as_ref().map(|time| time.0),
                key,
            },
            access,
        }
    }

    fn access(&mut self, status: &AccessStatus, plan: Option<&str>) -> Access {
        Access {
            level: status.level,
            reason: self.texts.of(&status.reason),
            since: status.since.0,
            until: status.until.as_ref().map(|until| until.0),
            plan: plan.map(|plan| self.texts.of(plan)),
            limits: self.limits.of(&status.limits),
        }
    }
}

/// Values that many tenants share, each kept once.
#[derive(Debug)]
struct Interned<T: ?Sized + Hash + Eq> {
    known: HashSet<Arc<T>>,
    /// How many there may be before those are dropped that nobody uses.
    limit: usize,
}

impl<T: ?Sized + Hash + Eq> Default for Interned<T> {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            limit: 64,
        }
    }
}

impl<T: ?Sized + Hash + Eq + ToOwned> Interned<T>
where
    Arc<T>: From<T::Owned>,
{
    fn of(&mut self, value: &T) -> Arc<T> {
        if let Some(known) = self.known.get(value) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.limit {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.limit = (self.known.len() * 2).max(64);
        }
        let value: Arc<T> = value.to_owned().into();
        self.known.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_those_that_nobody_uses_are_dropped() {
        let mut texts = Interned::<str>::default();
        let pro = texts.of("pro");
        assert!(Arc::ptr_eq(&pro, &texts.of("pro")));
        for n in 0..1000 {
            texts.of(&format!("passing-{n}"));
        }
        assert!(texts.known.len() <= 64, "{}", texts.known.len());
        assert!(Arc::ptr_eq(&pro, &texts.of("pro")));
    }
}
