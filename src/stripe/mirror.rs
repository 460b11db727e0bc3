//! The account's own objects in memory: observing a tenant costs no request.
//!
//! Built by a scan of the account, kept fresh by events and by the answers to our own changes. The
//! objects of strangers are dropped page by page, so an account may hold far more of them than of
//! tenants. Objects on a test clock are in no list of the account; they are scanned clock by clock.

mod records;
mod refresh;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::records::all_pages;
use super::error::{Class, Error};
use super::fact::{Origin, Scan, Tenants, Times, id_of};
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
