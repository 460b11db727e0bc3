//! The account's own objects in memory: observing a tenant costs no request.
//!
//! Built by a scan of the account, kept fresh by events and by the answers to our own changes. The
//! objects of strangers are dropped page by page, so an account may hold far more of them than of
//! tenants. Objects on a test clock are in no list of the account; they are scanned clock by clock.

mod records;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;

use self::records::all_pages;
use super::calls::Changed;
use super::error::{Class, Error};
use super::fact::{Origin, Scan, Tenants, Times, id_of, key_of};
use super::index::Index;
use super::session::Session;
use crate::converge::observed::{Account, Found, Observed, Subscription, TenantKey};

/// When a request was about to be sent, and to which account. Taken before sending; given along
/// with the answer, so that an old answer never replaces a newer one.
#[derive(Clone, Debug)]
pub struct Stamp {
    sent: u64,
    account: Account,
}

/// The mirror of one account, for one owner.
pub struct Mirror {
    index: RwLock<Index>,
    counter: AtomicU64,
    /// One scan at a time.
    scanning: tokio::sync::Mutex<()>,
}

impl Mirror {
    /// An empty mirror.
    pub fn new(owner: &str) -> Self {
        Self {
            index: RwLock::new(Index::new(owner)),
            counter: AtomicU64::new(1),
            scanning: tokio::sync::Mutex::new(()),
        }
    }

    /// Whether the account has been scanned once.
    pub fn is_complete(&self) -> bool {
        self.read().is_complete()
    }

    /// Whether a test clock has been scanned once.
    pub fn is_clock_complete(&self, clock: &str) -> bool {
        self.read().is_clock_complete(clock)
    }

    /// The account that is mirrored, and which of its modes: live and test hold different objects.
    pub fn account(&self) -> Option<Account> {
        self.read().account.clone()
    }

    /// How many customers and subscriptions are held.
    pub fn counts(&self) -> (usize, usize) {
        self.read().counts()
    }

    /// Scans the account. Gives the tenants about whom something is different than before.
    ///
    /// Until it is through, the facts stay as they were. With a session of another account the
    /// mirror begins again from nothing.
    pub async fn rebuild(&self, session: &Session) -> Result<Vec<TenantKey>, Error> {
        let _scanning = self.scanning.lock().await;
        let account = session.account();
        {
            let mut index = self.write();
            if index.account.as_ref().is_some_and(|known| known != account) {
                *index = Index::new(index.owner());
            }
            index.account = Some(account.clone());
        }
        self.scan(&session.bulk(), None).await
    }

    /// Scans a test clock. Gives the tenants about whom something is different than before.
    pub async fn rebuild_clock(
        &self,
        session: &Session,
        clock: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let _scanning = self.scanning.lock().await;
        self.scan(session, Some(clock)).await
    }

    /// What is in Stripe for a tenant.
    ///
    /// `recorded` is the customer in the tenant's status, which counts whatever its metadata says
    /// by now. `None` means that something needed has not been looked at: the scan of the account
    /// (or of the tenant's test clock) is not through, or the recorded customer is none that the
    /// scan met; [`Mirror::refresh_tenant`] looks at that one by itself, and suffices even while a
    /// scan is running.
    pub fn observe(
        &self,
        key: &TenantKey,
        recorded: Option<&str>,
        test_clock: Option<&str>,
    ) -> Option<Observed> {
        self.read().observe(key, recorded, test_clock)
    }

    /// Reads what concerns a tenant again, by id. A recorded customer that Stripe does not know
    /// counts as deleted.
    pub async fn refresh_tenant(
        &self,
        session: &Session,
        key: &TenantKey,
        recorded: Option<&str>,
    ) -> Result<(), Error> {
        let customers: Vec<String> = {
            let index = self.read();
            let ids = index.customer_ids(&key.tenant, recorded);
            ids.into_iter().map(str::to_owned).collect()
        };
        for customer in &customers {
            let pin = (recorded == Some(customer)).then_some(key.tenant.as_str());
            self.refresh_customer(session, customer, pin).await?;
        }
        // Subscriptions that name the tenant, but belong to nobody's customer.
        let strays: Vec<String> = {
            let index = self.read();
            let known: Vec<&str> = customers.iter().map(String::as_str).collect();
            let all = index.subscription_ids(&key.tenant, &known);
            let listed = index.subscription_ids("", &known);
            all.difference(&listed).map(ToString::to_string).collect()
        };
        for id in &strays {
            self.refresh_subscription(session, id).await?;
        }
        Ok(())
    }

    /// Looks for customers of a tenant made at or after a time, by the clock of the object: for a
    /// creation whose outcome is unknown. Gives the first one found.
    pub async fn discover_customer(
        &self,
        session: &Session,
        key: &TenantKey,
        since: Timestamp,
        test_clock: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let stamp = self.stamp(session);
        let found = session.customers_created_since(since, test_clock).await?;
        let mut discovered = None;
        for customer in found {
            let is_wanted =
                matches!(&customer, Found::Present(present) if present.key.as_ref() == Some(key));
            if is_wanted {
                let id = id_of(&customer).to_owned();
                self.refresh_customer(session, &id, Some(&key.tenant))
                    .await?;
                discovered.get_or_insert(id);
            } else {
                self.fold_customer(customer, &stamp);
            }
        }
        Ok(discovered)
    }

    /// Reads again what an answer names that is not to be believed itself, because Stripe had stored
    /// it: what it tells of may have been deleted since.
    pub async fn refresh(&self, session: &Session, named: &Changed) -> Result<(), Error> {
        match named {
            Changed::Customer(found) => {
                let key = key_of(found).map(|key| key.tenant.as_str());
                self.refresh_customer(session, id_of(found), key).await?;
            }
            Changed::Subscription(subscription) => {
                self.refresh_subscription(session, &subscription.id).await?;
            }
            Changed::ScheduleOf(subscription) => {
                self.refresh_subscription(session, subscription).await?;
            }
            Changed::Invoice(id) => {
                self.refresh_invoice(session, id).await?;
            }
            // A page is no fact about a tenant; the status holds it.
            Changed::Setup(_) => {}
        }
        Ok(())
    }

    /// To be taken before a request whose answer is going to be folded.
    pub fn stamp(&self, session: &Session) -> Stamp {
        Stamp {
            sent: self.tick(),
            account: session.account().clone(),
        }
    }

    /// Takes in a customer that was read or changed by itself. Gives the tenants it concerns.
    pub fn fold_customer(&self, found: Found, stamp: &Stamp) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| {
            index
                .fold_customer(found, times, Origin::Single, None)
                .tenants
        })
    }

    /// Takes in a subscription that was read or changed by itself. Gives the tenants it concerns.
    pub fn fold_subscription(&self, subscription: Subscription, stamp: &Stamp) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| {
            index
                .fold_subscription(subscription, times, Origin::Single)
                .tenants
        })
    }

    /// Takes out a subscription, or marks a customer as deleted, that Stripe does not know. Gives
    /// the tenants it concerned.
    pub fn forget(&self, id: &str, stamp: &Stamp) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| {
            let mut tenants = index.forget_subscription(id);
            if index.knows_customer(id) {
                let gone = Found::Deleted(id.to_owned());
                tenants.extend(
                    index
                        .fold_customer(gone, times, Origin::Single, None)
                        .tenants,
                );
            }
            tenants
        })
    }

    pub(super) fn knows_customer(&self, id: &str) -> bool {
        self.read().knows_customer(id)
    }

    /// Reads a customer, all its subscriptions and its unsettled invoices again. `pin` is the tenant
    /// whose status records it. Gives the tenants concerned.
    pub(super) async fn refresh_customer(
        &self,
        session: &Session,
        id: &str,
        pin: Option<&str>,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let (found, subscriptions, invoices) = tokio::join!(
            session.customer(id),
            session.subscriptions_of(id),
            session.unsettled_invoices_of(id)
        );
        let found = found?.unwrap_or_else(|| Found::Deleted(id.to_owned()));
        let is_deleted = matches!(found, Found::Deleted(_));
        let mut tenants: Tenants = self
            .fold(&stamp, |index, times| {
                index
                    .fold_customer(found, times, Origin::Single, pin)
                    .tenants
            })
            .into_iter()
            .collect();
        match subscriptions {
            Ok(subscriptions) => {
                for subscription in subscriptions {
                    tenants.extend(self.fold_subscription(subscription, &stamp));
                }
            }
            // Whether Stripe lists what a deleted customer had is not documented.
            Err(error) if is_deleted && error.is_missing() => {
                for id in self.subscriptions_known_of(id) {
                    tenants.extend(self.refresh_subscription(session, &id).await?);
                }
            }
            Err(error) => return Err(error),
        }
        match invoices {
            Ok(invoices) => tenants.extend(self.fold_invoices_of(id, invoices, &stamp)),
            // Nobody owes what a deleted customer was billed.
            Err(error) if is_deleted && error.is_missing() => {
                tenants.extend(self.fold_invoices_of(id, Vec::new(), &stamp));
            }
            Err(error) => return Err(error),
        }
        if self.is_of(&stamp.account) {
            self.write().mark_listed(id);
        }
        Ok(tenants.into_iter().collect())
    }

    /// Reads a subscription again. Gives the tenants concerned.
    pub(super) async fn refresh_subscription(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        Ok(match session.subscription(id).await? {
            Some(subscription) => self.fold_subscription(subscription, &stamp),
            None => self.forget(id, &stamp),
        })
    }

    async fn scan(&self, session: &Session, clock: Option<&str>) -> Result<Vec<TenantKey>, Error> {
        let mut scan = Scan {
            clock: clock.map(Into::into),
            started: self.tick(),
            ..Scan::default()
        };
        let ask = |after: Option<String>| async move {
            let sent = self.tick();
            let list = session.list_customers(after.as_deref(), clock);
            Ok((sent, list.await?))
        };
        all_pages(ask, |sent, page| {
            let index = self.read_of(session)?;
            let kept = page.into_iter().filter(|found| index.wants_customer(found));
            scan.customers
                .extend(kept.map(|found| (id_of(&found).into(), (sent, found))));
            Ok(())
        })
        .await?;
        let ask = |after: Option<String>| async move {
            let sent = self.tick();
            let list = session.list_subscriptions(after.as_deref(), clock);
            Ok((sent, list.await?))
        };
        all_pages(ask, |sent, page| {
            let index = self.read_of(session)?;
            let kept = page.into_iter().filter(|subscription| {
                scan.customers.contains_key(subscription.customer.as_str())
                    || index.wants_subscription(subscription)
            });
            scan.subscriptions
                .extend(kept.map(|s| (s.id.as_str().into(), (sent, s))));
            Ok(())
        })
        .await?;
        self.scan_records(session, &mut scan).await?;
        drop(self.read_of(session)?);
        let folded = self.tick();
        Ok(self.write().apply(scan, folded).into_iter().collect())
    }

    fn subscriptions_known_of(&self, customer: &str) -> Vec<String> {
        let index = self.read();
        let ids = index.subscription_ids("", &[customer]);
        ids.into_iter().map(str::to_owned).collect()
    }

    /// Changes the index, if the answer comes from the account that is mirrored.
    fn fold(
        &self,
        stamp: &Stamp,
        change: impl FnOnce(&mut Index, Times) -> Tenants,
    ) -> Vec<TenantKey> {
        let mut index = self.write();
        if *index.account.get_or_insert_with(|| stamp.account.clone()) != stamp.account {
            return Vec::new();
        }
        let times = Times {
            sent: stamp.sent,
            folded: self.tick(),
        };
        change(&mut index, times).into_iter().collect()
    }

    fn is_of(&self, account: &Account) -> bool {
        self.read().account.as_ref() == Some(account)
    }

    fn tick(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// The index, as long as it is that of the session's account.
    fn read_of(&self, session: &Session) -> Result<RwLockReadGuard<'_, Index>, Error> {
        let index = self.read();
        let account = session.account();
        if index.account.as_ref().is_some_and(|known| known != account) {
            let message = "the key was exchanged for one of another account meanwhile";
            return Err(Error::new(Class::Conflict, message));
        }
        Ok(index)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}
