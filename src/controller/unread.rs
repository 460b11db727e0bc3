//! Objects in Stripe that something happened to and that could not be read since: what is said of
//! their tenants may not be true any more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::Error;
use crate::converge::observed::TenantKey;
use crate::stripe::{self, Hint};

/// By object, whom it concerns and why it cannot be read.
#[derive(Debug, Default)]
pub(super) struct Unread(Mutex<HashMap<Hint, (Vec<TenantKey>, stripe::Error)>>);

impl Unread {
    /// Notes an object that cannot be read. Gives the tenants who do not know that yet.
    pub(super) fn note(
        &self,
        hint: &Hint,
        tenants: Vec<TenantKey>,
        error: &stripe::Error,
    ) -> Vec<TenantKey> {
        let news = (tenants.clone(), error.clone());
        match self.lock().insert(hint.clone(), news) {
            Some((known, _)) if known == tenants => Vec::new(),
            _ => tenants,
        }
    }

    /// The object was read. Gives the tenants who were told that it could not be.
    pub(super) fn read(&self, hint: &Hint) -> Vec<TenantKey> {
        let known = self.lock().remove(hint);
        known.map_or_else(Vec::new, |(tenants, _)| tenants)
    }

    /// Refuses to speak of a tenant one of whose objects cannot be read.
    pub(super) fn check(&self, tenant: &TenantKey) -> Result<(), Error> {
        let unread = self.lock();
        let mut about = unread.values();
        let found = about.find(|(tenants, _)| tenants.contains(tenant));
        found.map_or(Ok(()), |(_, error)| Err(error.clone().into()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hint, (Vec<TenantKey>, stripe::Error)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
