//! The mirror's memory: facts by id and by tenant. Pure: no IO, no lock.
//!
//! Which of two facts counts is decided in [`super::fact`].

mod ledger;
mod records;

use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) use self::ledger::Record;
use self::ledger::{link, unlink};
pub(super) use self::records::Indexed;
use self::records::Records;
use super::fact::{Folded, Id, Origin, Scan, Tenants, Times, id_of, key_of};
use crate::converge::observed::{Account, Found, Observed, Subscription, TenantKey};

struct CustomerEntry {
    found: Found,
    times: Times,
    /// The tenant it belongs to, or did when its metadata still said so, or whose status records
    /// it.
    tenant: Option<Id>,
    /// Its subscriptions were all read at some time.
    listed: bool,
}

struct SubscriptionEntry {
    subscription: Subscription,
    times: Times,
}

/// The account's own objects.
pub(super) struct Index {
    owner: Id,
    pub(super) account: Option<Account>,
    complete: bool,
    clocks: HashSet<Id>,
    customers: HashMap<Id, CustomerEntry>,
    subscriptions: HashMap<Id, SubscriptionEntry>,
    /// By the tenant in the customers' metadata.
    customers_of: HashMap<Id, Vec<Id>>,
    /// By customer.
    subscriptions_of: HashMap<Id, Vec<Id>>,
    /// By the tenant in the subscriptions' own metadata.
    tagged: HashMap<Id, Vec<Id>>,
    /// Invoices, disputes and fraud warnings.
    records: Records,
}

impl Index {
    pub(super) fn new(owner: &str) -> Self {
        Self {
            owner: owner.into(),
            account: None,
            complete: false,
            clocks: HashSet::new(),
            customers: HashMap::new(),
            subscriptions: HashMap::new(),
            customers_of: HashMap::new(),
            subscriptions_of: HashMap::new(),
            tagged: HashMap::new(),
            records: Records::default(),
        }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn is_clock_complete(&self, clock: &str) -> bool {
        self.clocks.contains(clock)
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        (self.customers.len(), self.subscriptions.len())
    }

    /// Every subscription that can still bill.
    pub(super) fn live_subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.values().map(|entry| &entry.subscription);
        all.filter(|subscription| subscription.status.is_live())
    }

    pub(super) fn knows_customer(&self, id: &str) -> bool {
        self.customers.contains_key(id)
    }

    pub(super) fn knows_subscription(&self, id: &str) -> bool {
        self.subscriptions.contains_key(id)
    }

    /// Whether a customer on a page is kept: ours, or one that was.
    pub(super) fn wants_customer(&self, found: &Found) -> bool {
        self.own_tenant(key_of(found)).is_some() || self.knows_customer(id_of(found))
    }

    /// Whether a subscription is kept: ours, one that was, or one of a customer that is kept; even
    /// a stranger's, since subscribing next to it would bill twice.
    pub(super) fn wants_subscription(&self, subscription: &Subscription) -> bool {
        self.own_tenant(subscription.key.as_ref()).is_some()
            || self.knows_subscription(&subscription.id)
            || self.knows_customer(&subscription.customer)
    }

    /// Everything known about a tenant; `None` while something needed has not been looked at.
    pub(super) fn observe(
        &self,
        key: &TenantKey,
        recorded: Option<&str>,
        test_clock: Option<&str>,
    ) -> Option<Observed> {
        let scanned = test_clock.map_or(self.complete, |clock| self.clocks.contains(clock));
        let known = recorded.and_then(|id| self.customers.get(id));
        match (recorded, known) {
            (Some(_), None) => return None,
            (Some(_), Some(entry)) if !scanned && !entry.listed => return None,
            (None, _) if !scanned => return None,
            _ => {}
        }
        let mut observed = Observed::default();
        let ids = self.customer_ids(&key.tenant, recorded);
        for id in &ids {
            match self.customers.get(*id).map(|entry| &entry.found) {
                Some(Found::Present(customer)) => observed.customers.push(customer.clone()),
                Some(Found::Deleted(_)) if recorded == Some(*id) => {
                    observed.deleted_customer = Some((*id).to_owned());
                }
                _ => {}
            }
        }
        observed.subscriptions = self
            .subscription_ids(&key.tenant, &ids)
            .into_iter()
            .filter_map(|id| Some(self.subscriptions.get(id)?.subscription.clone()))
            .collect();
        observed
            .subscriptions
            .sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        self.observe_records(&ids, &mut observed);
        Some(observed)
    }

    /// The customers that concern a tenant, the recorded one first.
    pub(super) fn customer_ids<'a>(
        &'a self,
        tenant: &str,
        recorded: Option<&'a str>,
    ) -> Vec<&'a str> {
        let mut tagged: Vec<&str> = self
            .customers_of
            .get(tenant)
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
            .filter(|id| Some(*id) != recorded)
            .collect();
        tagged.sort_unstable();
        recorded.into_iter().chain(tagged).collect()
    }

    /// The subscriptions of these customers, and those that name the tenant themselves.
    pub(super) fn subscription_ids<'a>(
        &'a self,
        tenant: &str,
        customers: &[&str],
    ) -> BTreeSet<&'a str> {
        customers
            .iter()
            .filter_map(|customer| self.subscriptions_of.get(*customer))
            .chain(self.tagged.get(tenant))
            .flatten()
            .map(AsRef::as_ref)
            .collect()
    }

    /// Puts a customer in. `pinned_by` is the tenant whose status records it; without one, a
    /// customer that is not and never was ours is dropped.
    pub(super) fn fold_customer(
        &mut self,
        found: Found,
        times: Times,
        origin: Origin,
        pinned_by: Option<&str>,
    ) -> Folded {
        let id: Id = id_of(&found).into();
        let own = self.own_tenant(key_of(&found)).map(Id::from);
        let before = self.customers.get(&id);
        if before.is_none() && own.is_none() && pinned_by.is_none() {
            return Folded::default();
        }
        let mut tenants = Tenants::new();
        if let Some(entry) = before {
            tenants.extend(self.tenant(entry.tenant.as_deref()));
            if !entry.times.is_superseded_by(times, origin) {
                return Folded::unchanged(tenants);
            }
        }
        let tenant = own
            .clone()
            .or_else(|| pinned_by.map(Id::from))
            .or_else(|| before.and_then(|entry| entry.tenant.clone()));
        tenants.extend(self.tenant(tenant.as_deref()));
        let changed = before.is_none_or(|entry| entry.found != found);
        let listed = before.is_some_and(|entry| entry.listed);
        let own_before = before.and_then(|entry| self.own_tenant(key_of(&entry.found)));
        if own_before != own.as_deref() {
            let own_before = own_before.map(Id::from);
            unlink(&mut self.customers_of, own_before.as_deref(), &id);
            link(&mut self.customers_of, own.as_deref(), &id);
        }
        let entry = CustomerEntry {
            found,
            times,
            tenant,
            listed,
        };
        self.customers.insert(id, entry);
        Folded { tenants, changed }
    }

    /// Puts a subscription in, unless it concerns nobody here.
    pub(super) fn fold_subscription(
        &mut self,
        subscription: Subscription,
        times: Times,
        origin: Origin,
    ) -> Folded {
        if !self.wants_subscription(&subscription) {
            return Folded::default();
        }
        let id: Id = subscription.id.as_str().into();
        let before = self.subscriptions.remove(&id);
        let mut tenants = self.tenants_of(&subscription);
        let mut changed = true;
        if let Some(entry) = before {
            tenants.extend(self.tenants_of(&entry.subscription));
            if !entry.times.is_superseded_by(times, origin) {
                self.subscriptions.insert(id, entry);
                return Folded::unchanged(tenants);
            }
            changed = entry.subscription != subscription;
            self.unlink_subscription(&entry.subscription);
        }
        let tag = self.own_tenant(subscription.key.as_ref()).map(Id::from);
        link(&mut self.tagged, tag.as_deref(), &id);
        link(
            &mut self.subscriptions_of,
            Some(&subscription.customer),
            &id,
        );
        let entry = SubscriptionEntry {
            subscription,
            times,
        };
        self.subscriptions.insert(id, entry);
        Folded { tenants, changed }
    }

    /// Notes that a customer's subscriptions have all been read.
    pub(super) fn mark_listed(&mut self, customer: &str) {
        if let Some(entry) = self.customers.get_mut(customer) {
            entry.listed = true;
        }
    }

    /// Takes out what Stripe does not know any more.
    pub(super) fn forget_subscription(&mut self, id: &str) -> Tenants {
        let Some(entry) = self.subscriptions.remove(id) else {
            return Tenants::new();
        };
        self.unlink_subscription(&entry.subscription);
        self.tenants_of(&entry.subscription)
    }

    /// Puts a finished scan in, takes out what it should have met and did not, and says whom that
    /// concerns.
    pub(super) fn apply(&mut self, mut scan: Scan, folded: u64) -> Tenants {
        let mut concerned = Tenants::new();
        self.drop_unseen(&scan, &mut concerned);
        for (id, (sent, found)) in std::mem::take(&mut scan.customers) {
            let times = Times { sent, folded };
            let outcome = self.fold_customer(found, times, Origin::Page, None);
            concerned.extend(outcome.changed_tenants());
            // The scan read all subscriptions after this customer.
            self.mark_listed(&id);
        }
        for (sent, subscription) in std::mem::take(&mut scan.subscriptions).into_values() {
            let times = Times { sent, folded };
            let outcome = self.fold_subscription(subscription, times, Origin::Page);
            concerned.extend(outcome.changed_tenants());
        }
        self.apply_records(&mut scan, folded, &mut concerned);
        match scan.clock {
            Some(clock) => {
                self.clocks.insert(clock);
            }
            None => self.complete = true,
        }
        concerned
    }

    fn drop_unseen(&mut self, scan: &Scan, concerned: &mut Tenants) {
        let in_scope = |clock: Option<&String>| clock.map(String::as_str) == scan.clock.as_deref();
        let customers: Vec<Id> = self
            .customers
            .iter()
            .filter(|(id, entry)| {
                // What was deleted stays known as that: lists do not show it.
                matches!(&entry.found, Found::Present(c) if in_scope(c.test_clock.as_ref()))
                    && entry.times.folded < scan.started
                    && !scan.customers.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in customers {
            if let Some(entry) = self.customers.remove(&id) {
                concerned.extend(self.tenant(entry.tenant.as_deref()));
                let own = self.own_tenant(key_of(&entry.found)).map(Id::from);
                unlink(&mut self.customers_of, own.as_deref(), &id);
            }
        }
        let subscriptions: Vec<Id> = self
            .subscriptions
            .iter()
            .filter(|(id, entry)| {
                in_scope(entry.subscription.test_clock.as_ref())
                    && entry.times.folded < scan.started
                    && !scan.subscriptions.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in subscriptions {
            concerned.extend(self.forget_subscription(&id));
        }
    }

    fn unlink_subscription(&mut self, subscription: &Subscription) {
        let tag = self.own_tenant(subscription.key.as_ref()).map(Id::from);
        unlink(&mut self.tagged, tag.as_deref(), &subscription.id);
        unlink(
            &mut self.subscriptions_of,
            Some(&subscription.customer),
            &subscription.id,
        );
    }

    /// Whom a subscription concerns: the tenant it names, and that of its customer.
    fn tenants_of(&self, subscription: &Subscription) -> Tenants {
        let named = self.own_tenant(subscription.key.as_ref());
        let mut tenants = self.tenants_of_customer(&subscription.customer);
        tenants.extend(self.tenant(named));
        tenants
    }

    fn tenants_of_customer(&self, id: &str) -> Tenants {
        let customer = self.customers.get(id);
        let tenant = self.tenant(customer.and_then(|entry| entry.tenant.as_deref()));
        tenant.into_iter().collect()
    }

    /// The clock a customer lives on.
    fn clock_of(&self, id: &str) -> Option<&str> {
        match &self.customers.get(id)?.found {
            Found::Present(customer) => customer.test_clock.as_deref(),
            Found::Deleted(_) => None,
        }
    }

    /// Whom a customer or subscription concerns.
    pub(super) fn concerned(&self, id: &str) -> Tenants {
        let mut tenants = self.tenants_of_customer(id);
        if let Some(entry) = self.subscriptions.get(id) {
            tenants.extend(self.tenants_of(&entry.subscription));
        }
        tenants
    }

    fn own_tenant<'a>(&self, key: Option<&'a TenantKey>) -> Option<&'a str> {
        key.filter(|key| *key.owner == *self.owner)
            .map(|key| key.tenant.as_str())
    }

    fn tenant(&self, tenant: Option<&str>) -> Option<TenantKey> {
        tenant.map(|tenant| TenantKey {
            owner: self.owner.to_string(),
            tenant: tenant.to_owned(),
        })
    }
}
