//! Who claims which tenant, and who is on which plan: kept from the watch, so that no reconcile
//! searches the whole store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use crate::api::{Lenient, TenantObject};
use crate::converge::desired;

/// A reference to a `TenantBilling`.
pub type TenantRef = ObjectRef<TenantObject>;

/// The manifests as the watch has shown them.
#[derive(Debug)]
pub struct TenantIndex {
    inner: Mutex<Inner>,
    complete: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<TenantRef, Entry>,
    claims: HashMap<String, BTreeSet<Claim>>,
    by_plan: HashMap<String, HashSet<TenantRef>>,
    /// During a list: what it has not shown yet.
    unseen: Option<HashSet<TenantRef>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    tenant_id: String,
    claim: Claim,
    plan: Option<String>,
    test_clock: Option<String>,
}

/// Orders the manifests that name one tenant: those being deleted last, then the older first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    deleting: bool,
    created: Option<jiff::Timestamp>,
    namespace: String,
    name: String,
}

impl Default for TenantIndex {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            complete: watch::Sender::new(false),
        }
    }
}

impl TenantIndex {
    /// Takes in one event of the watch. Returns the manifests whose claim on a tenant may have
    /// changed through it.
    pub fn observe(&self, event: &Event<TenantObject>) -> Vec<TenantRef> {
        let mut inner = self.lock();
        match event {
            Event::Init => {
                inner.unseen = Some(inner.entries.keys().cloned().collect());
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => inner.put(object),
            Event::Delete(object) => inner.remove(&ObjectRef::from_obj(object)),
            Event::InitDone => {
                let gone = inner.unseen.take().unwrap_or_default();
                let touched = gone.iter().flat_map(|gone| inner.remove(gone)).collect();
                self.complete.send_replace(true);
                touched
            }
        }
    }

    /// Waits until every manifest has been seen once.
    pub async fn wait_complete(&self) {
        // The sender lives as long as self, so waiting cannot fail.
        let _ = self
            .complete
            .subscribe()
            .wait_for(|complete| *complete)
            .await;
    }

    /// The manifest that bills `tenant_id`: the oldest that is not being deleted.
    pub fn holder(&self, tenant_id: &str) -> Option<TenantRef> {
        let inner = self.lock();
        let first = inner.claims.get(tenant_id)?.first()?;
        (!first.deleting).then(|| first.to_ref())
    }

    /// Every manifest on a plan.
    pub fn on_plan(&self, plan: &str) -> Vec<TenantRef> {
        self.lock()
            .by_plan
            .get(plan)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Every manifest that bills a tenant in `tenant_ids`.
    pub fn of_tenants<'a>(&self, tenant_ids: impl IntoIterator<Item = &'a str>) -> Vec<TenantRef> {
        let inner = self.lock();
        let claims = tenant_ids.into_iter().filter_map(|id| inner.claims.get(id));
        claims.flatten().map(Claim::to_ref).collect()
    }

    /// Every manifest.
    pub fn all(&self) -> Vec<TenantRef> {
        self.lock().entries.keys().cloned().collect()
    }

    /// Every test clock that a manifest names.
    pub fn test_clocks(&self) -> BTreeSet<String> {
        self.lock()
            .entries
            .values()
            .filter_map(|entry| entry.test_clock.clone())
            .collect()
    }

    /// Every manifest on a test clock, after the tenant it bills.
    pub fn on_clock(&self, clock: &str) -> Vec<(String, TenantRef)> {
        let inner = self.lock();
        let entries = inner.entries.iter();
        entries
            .filter(|(_, entry)| entry.test_clock.as_deref() == Some(clock))
            .map(|(reference, entry)| (entry.tenant_id.clone(), reference.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while holding the lock; should it, the maps are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    fn to_ref(&self) -> TenantRef {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

impl Inner {
    fn put(&mut self, object: &TenantObject) -> Vec<TenantRef> {
        let reference = ObjectRef::from_obj(object);
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(&reference);
        }
        let entry = Entry::of(object);
        if self.entries.get(&reference) == Some(&entry) {
            return Vec::new();
        }
        let mut touched = self.remove(&reference);
        self.claims
            .entry(entry.tenant_id.clone())
            .or_default()
            .insert(entry.claim.clone());
        touched.extend(self.rivals(&entry.tenant_id, &reference));
        if let Some(plan) = &entry.plan {
            self.by_plan
                .entry(plan.clone())
                .or_default()
                .insert(reference.clone());
        }
        self.entries.insert(reference, entry);
        touched
    }

    fn remove(&mut self, reference: &TenantRef) -> Vec<TenantRef> {
        let Some(entry) = self.entries.remove(reference) else {
            return Vec::new();
        };
        if let Some(claims) = self.claims.get_mut(&entry.tenant_id) {
            claims.remove(&entry.claim);
            if claims.is_empty() {
                self.claims.remove(&entry.tenant_id);
            }
        }
        if let Some(plan) = &entry.plan
            && let Some(tenants) = self.by_plan.get_mut(plan)
        {
            tenants.remove(reference);
            if tenants.is_empty() {
                self.by_plan.remove(plan);
            }
        }
        self.rivals(&entry.tenant_id, reference)
    }

    fn rivals(&self, tenant_id: &str, than: &TenantRef) -> Vec<TenantRef> {
        let claims = self.claims.get(tenant_id).into_iter().flatten();
        claims
            .map(Claim::to_ref)
            .filter(|other| other != than)
            .collect()
    }
}

impl Entry {
    fn of(object: &TenantObject) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        let facts = object.deletion_facts();
        let spec = match &object.spec {
            Lenient::Valid(spec) => Some(spec),
            Lenient::Invalid(_) => None,
        };
        Self {
            tenant_id: desired::tenant_id(
                facts.tenant_id.as_deref(),
                &namespace,
                &object.name_any(),
            ),
            claim: Claim {
                deleting: object.metadata.deletion_timestamp.is_some(),
                created: object
                    .metadata
                    .creation_timestamp
                    .as_ref()
                    .map(|time| time.0),
                namespace,
                name: object.name_any(),
            },
            plan: spec.map(|spec| spec.plan.clone()),
            test_clock: spec.and_then(|spec| spec.test_clock.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, tenant_id: &str, created: &str) -> TenantObject {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name, "namespace": "n", "creationTimestamp": created},
            "spec": {"tenantId": tenant_id, "plan": "pro", "customer": {"name": "A", "email": "a@b.example"}},
        }))
        .unwrap()
    }

    fn reference(name: &str) -> TenantRef {
        ObjectRef::new(name).within("n")
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn the_older_manifest_holds_the_tenant_in_whatever_order_they_are_seen() {
        let index = TenantIndex::default();
        index.observe(&Event::Apply(manifest("newer", "t1", LATE)));
        let touched = index.observe(&Event::Apply(manifest("older", "t1", EARLY)));
        assert_eq!(touched, [reference("newer")]);
        assert_eq!(index.holder("t1"), Some(reference("older")));
    }

    #[test]
    fn the_newer_takes_over_when_the_older_goes_and_is_told() {
        let index = TenantIndex::default();
        let older = manifest("older", "t1", EARLY);
        index.observe(&Event::Apply(older.clone()));
        index.observe(&Event::Apply(manifest("newer", "t1", LATE)));
        let mut going = older.clone();
        going.metadata.deletion_timestamp = older.metadata.creation_timestamp.clone();
        assert_eq!(
            index.observe(&Event::Apply(going)),
            [reference("newer"), reference("newer")]
        );
        assert_eq!(index.holder("t1"), Some(reference("newer")));
        assert_eq!(index.observe(&Event::Delete(older)), [reference("newer")]);
    }

    #[test]
    fn what_a_new_list_does_not_show_is_gone() {
        let index = TenantIndex::default();
        index.observe(&Event::Apply(manifest("a", "t1", EARLY)));
        index.observe(&Event::Apply(manifest("b", "t2", EARLY)));
        index.observe(&Event::Init);
        index.observe(&Event::InitApply(manifest("b", "t2", EARLY)));
        index.observe(&Event::InitDone);
        assert_eq!(index.all(), [reference("b")]);
        assert_eq!(index.holder("t1"), None);
        assert_eq!(index.on_plan("pro"), [reference("b")]);
    }
}
