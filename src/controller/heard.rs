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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{EventSource, TenantObject};

    fn event(id: &str, created: &str) -> LastEvent {
        let event = serde_json::json!({"id": id, "type": "x", "createdAt": created, "via": "Poll"});
        serde_json::from_value(event).unwrap()
    }

    fn tenant(heard: &Heard) -> Tenant {
        let object: TenantObject = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "acme", "namespace": "n"}, "spec": {"tenantId": "t1"},
        }))
        .unwrap();
        let mut tenant = Tenant::new(Arc::new(object), "default");
        tenant.heard = heard.of(&tenant.key.tenant);
        tenant
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn the_newest_event_is_told_whatever_the_order_in_which_they_came() {
        let heard = Heard::default();
        for (id, created) in [("evt_2", LATE), ("evt_9", EARLY), ("evt_1", LATE)] {
            heard.note("t1", &event(id, created));
        }
        assert_eq!(tenant(&heard).heard, Some(event("evt_2", LATE)));
        assert_eq!(heard.of("t2"), None);
    }

    #[test]
    fn what_comes_during_a_look_is_told_by_the_next_one() {
        let heard = Heard::default();
        heard.note("t1", &event("evt_1", EARLY));
        let look = tenant(&heard);
        heard.note("t1", &event("evt_2", LATE));
        heard.told(&look);
        let next = tenant(&heard);
        assert_eq!(next.heard, Some(event("evt_2", LATE)));
        heard.told(&next);
        assert_eq!(tenant(&heard).heard, None);
    }

    #[test]
    fn of_two_events_of_one_second_the_same_one_wins_in_either_order() {
        let (one, other) = (event("evt_1", EARLY), event("evt_2", EARLY));
        let newest =
            |a: &LastEvent, b: &LastEvent| LastEvent::newest(Some(a.clone()), Some(b.clone()));
        assert_eq!(newest(&one, &other), Some(other.clone()));
        assert_eq!(newest(&other, &one), Some(other.clone()));
        // The same event by another way is no news.
        let again = LastEvent {
            via: EventSource::Webhook,
            ..other.clone()
        };
        assert_eq!(newest(&other, &again), Some(other));
        assert_eq!(LastEvent::newest(None, None), None);
    }
}
