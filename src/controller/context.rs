//! What every reconcile shares.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::channel::mpsc;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};
use rust_decimal::Decimal;
use tokio::sync::watch;

use super::breaker::Breaker;
use super::catalogue::Catalogue;
use super::error::Error;
use super::event::Events;
use super::heard::Heard;
use super::index::{TenantIndex, TenantRef};
use super::lease::Leadership;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::rollout::Rollouts;
use super::tenant::Tenant;
use super::unread::Unread;
use crate::api::{PlanObject, TenantObject};
use crate::stripe::{self, Inbox, Mirror, Session};

/// A reference to a `BillingPlan`.
pub(super) type PlanRef = ObjectRef<PlanObject>;

/// What every reconcile shares.
pub(super) struct Context {
    pub(super) kube: Client,
    pub(super) stripe: stripe::Client,
    pub(super) mirror: Arc<Mirror>,
    /// What was heard of and is not in the mirror yet.
    pub(super) inbox: Arc<Inbox>,
    /// What tenants are to be told of.
    pub(super) heard: Heard,
    /// What cannot be read although something happened to it.
    pub(super) unread: Unread,
    /// Asked before a tenant is left with less access.
    pub(super) breaker: Breaker,
    pub(super) owner: String,
    pub(super) plans: Store<PlanObject>,
    /// Whether every plan has been seen once.
    pub(super) plans_listed: watch::Sender<bool>,
    pub(super) catalogue: Catalogue,
    pub(super) tenants: Arc<TenantIndex>,
    pub(super) rollouts: Rollouts,
    pub(super) leadership: Leadership,
    pub(super) events: Events,
    pub(super) triggers: Triggers,
    pub(super) backoff: Backoff<TenantRef>,
    pub(super) plan_backoff: Backoff<PlanRef>,
    /// Resource versions of status writes that the watch may not have shown yet.
    pub(super) written: Mutex<HashMap<TenantRef, String>>,
    /// The same for plans.
    pub(super) plans_written: Writes<PlanRef>,
    pub(super) metrics: Arc<Metrics>,
    /// Why Stripe has not been seen for a while, if so.
    pub(super) blind: RwLock<Option<stripe::Error>>,
    /// Every object is looked at again after this long, even if nothing happens.
    pub(super) resync: Duration,
    /// How many times more, or less, a plan may cost than before without a person's approval.
    pub(super) max_price_jump: Decimal,
    /// Where customers go from the page on which they leave a payment method.
    pub(super) payment_return_url: Option<String>,
    /// What people are to be told.
    pub(super) outbox: Outbox,
}

impl Context {
    /// The API of the tenant's namespace.
    pub(super) fn tenant_api(&self, namespace: &str) -> Api<TenantObject> {
        Api::namespaced(self.kube.clone(), namespace)
    }

    /// Waits until every manifest of both kinds has been seen once, and what is held was read.
    pub(super) async fn wait_until_watched(&self) {
        self.tenants.wait_complete().await;
        // Not the store's own wait_until_ready: of many that wait there, it wakes one. The sender
        // lives as long as self, so waiting cannot fail.
        let _ = self
            .plans_listed
            .subscribe()
            .wait_for(|listed| *listed)
            .await;
        self.breaker.wait_read().await;
    }

    /// Refuses to go on when this replica no longer leads. Called before every mutation.
    pub(super) fn check_leadership(&self) -> Result<(), Error> {
        if self.leadership.holds() {
            Ok(())
        } else {
            Err(Error::NotLeading)
        }
    }

    /// Refuses to go on while the mirror is that of another account, or of the other mode.
    pub(super) fn check_mirrored(&self, session: &Session) -> Result<(), Error> {
        let mirrored = self.mirror.account();
        if mirrored.as_ref() == Some(session.account()) {
            Ok(())
        } else {
            Err(Error::NOT_LISTED)
        }
    }

    /// Scans the tenant's test clock, unless it has none or that has been scanned. Says whether the
    /// clock exists.
    pub(super) async fn scan_clock(
        &self,
        tenant: &Tenant,
        session: &Session,
    ) -> Result<ClockScan, Error> {
        let Some(clock) = tenant.test_clock() else {
            return Ok(ClockScan::Through);
        };
        if self.mirror.is_clock_complete(clock) {
            return Ok(ClockScan::Through);
        }
        match self.mirror.rebuild_clock(session, clock).await {
            Ok(_) => Ok(ClockScan::Through),
            Err(error) if error.is_missing() => Ok(ClockScan::NoSuchClock(clock.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses to speak of what Stripe holds while it has not been seen for a while.
    pub(super) fn check_sight(&self) -> Result<(), Error> {
        let blind = self.blind.read().unwrap_or_else(PoisonError::into_inner);
        blind
            .as_ref()
            .map_or(Ok(()), |error| Err(error.clone().into()))
    }

    /// Notes whether Stripe can be seen. When that changes, every tenant has to know.
    pub(super) fn note_sight(&self, failure: Option<stripe::Error>) {
        let changed = {
            let mut blind = self.blind.write().unwrap_or_else(PoisonError::into_inner);
            let changed = blind.is_some() != failure.is_some();
            *blind = failure;
            changed
        };
        if changed {
            self.triggers.tenants(self.tenants.all());
        }
    }

    /// The next regular look at an object: spread over a tenth of the interval, so that a fleet
    /// that started together does not stay together.
    pub(super) fn next_look(&self) -> Duration {
        self.resync.mul_f64(0.95 + 0.1 * fastrand::f64())
    }

    /// Remembers a status write until the watch has shown it.
    pub(super) fn note_written(&self, tenant: TenantRef, resource_version: Option<String>) {
        if let Some(version) = resource_version {
            self.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(tenant, version);
        }
    }

    /// The version of a status write that `seen` may be older than.
    pub(super) fn unseen_write(&self, tenant: &TenantRef, seen: Option<&str>) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written
            .remove(tenant)
            .is_some_and(|version| Some(version.as_str()) != seen)
    }
}

/// What came of scanning a tenant's test clock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClockScan {
    /// What lives on it is in the mirror; so is nothing, when the tenant is on no clock.
    Through,
    /// Stripe knows no clock of this id: what lived on it went with it.
    NoSuchClock(String),
}

/// Asks for looks at objects.
#[derive(Clone)]
pub(super) struct Triggers {
    tenants: mpsc::UnboundedSender<TenantRef>,
    plans: mpsc::UnboundedSender<PlanRef>,
}

impl Triggers {
    /// The senders, and the streams that the controllers listen to.
    pub(super) fn new() -> (
        Self,
        mpsc::UnboundedReceiver<TenantRef>,
        mpsc::UnboundedReceiver<PlanRef>,
    ) {
        let (tenants, tenants_out) = mpsc::unbounded();
        let (plans, plans_out) = mpsc::unbounded();
        (Self { tenants, plans }, tenants_out, plans_out)
    }

    /// Asks for a look at each of `tenants`. A closed channel means that the process is ending.
    pub(super) fn tenants(&self, tenants: impl IntoIterator<Item = TenantRef>) {
        for tenant in tenants {
            let _ = self.tenants.unbounded_send(tenant);
        }
    }

    /// Asks for a look at each of `plans`.
    pub(super) fn plans(&self, plans: impl IntoIterator<Item = PlanRef>) {
        for plan in plans {
            let _ = self.plans.unbounded_send(plan);
        }
    }
}

/// Resource versions of status writes that the watch may not have shown yet.
pub(super) struct Writes<K>(Mutex<HashMap<K, String>>);

impl<K> Default for Writes<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Writes<K> {
    /// Notes a write, if there was one.
    pub(super) fn note(&self, object: K, resource_version: Option<String>) {
        if let Some(version) = resource_version {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert(object, version);
        }
    }

    /// Whether an object that was seen in this version may be older than the last write.
    pub(super) fn may_outdate(&self, object: &K, seen: Option<&str>) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written
            .remove(object)
            .is_some_and(|version| Some(version.as_str()) != seen)
    }
}

/// How long each object waits after failing again and again.
pub(super) struct Backoff<K>(Mutex<HashMap<K, u32>>);

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// Notes a failure: 1 s, 2 s, 4 s … 5 min, give or take a quarter.
    pub(super) fn failed(&self, key: K) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key).or_insert(0);
        let seconds = f64::from(1_u32 << (*count).min(9)).min(300.0);
        *count = count.saturating_add(1);
        Duration::from_secs_f64(seconds * (0.75 + 0.5 * fastrand::f64()))
    }

    /// Forgets the failures.
    pub(super) fn succeeded(&self, key: &K) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_double_up_to_five_minutes_and_begin_anew_after_success() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.failed("a")).collect();
        assert!(waits[0] < Duration::from_millis(1300));
        assert!(waits[3] > Duration::from_secs(5));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(375)));
        assert!(
            backoff.failed("b") < Duration::from_millis(1300),
            "others are not delayed"
        );
        backoff.succeeded(&"a");
        assert!(backoff.failed("a") < Duration::from_millis(1300));
    }
}
