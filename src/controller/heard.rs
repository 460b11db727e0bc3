//! Which event each tenant is to be told of in its status.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tenant::Tenant;
use crate::api::LastEvent;

/// By tenant, the newest event that led to a look which has not been reported yet.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<HashMap<String, LastEvent>>);

impl Heard {
    /// Notes an event about a tenant. Of several the newest stays.
    pub(super) fn note(&self, tenant: &str, event: &LastEvent) {
        let mut heard = self.lock();
        let known = heard.get(tenant);
        if known.is_none_or(|known| event.is_newer_than(known)) {
            heard.insert(tenant.to_owned(), event.clone());
        }
    }

    /// What is to be reported of a tenant.
    pub(super) fn of(&self, tenant: &str) -> Option<LastEvent> {
        self.lock().get(tenant).cloned()
    }

    /// What led to a look has been reported. What came during it stays for the next one.
    pub(super) fn told(&self, tenant: &Tenant) {
        let Some(told) = &tenant.heard else { return };
        let mut heard = self.lock();
        if heard.get(&tenant.key.tenant) == Some(told) {
            heard.remove(&tenant.key.tenant);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LastEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
