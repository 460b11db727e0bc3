//! Kubernetes events: what was changed, and what needs a person. Never more than best effort: an
//! event that cannot be written must not hold up a tenant.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use crate::api;

/// Long enough for a busy API server, short enough not to matter.
const PATIENCE: Duration = Duration::from_secs(5);
/// Notes take 1024 bytes.
const LONGEST_NOTE: usize = 1000;

/// Writes Kubernetes events.
#[derive(Clone)]
pub(super) struct Events(Recorder);

impl Events {
    pub(super) fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter {
            controller: api::MANAGER.into(),
            instance: Some(instance),
        };
        Self(Recorder::new(client, reporter))
    }

    /// Something was changed.
    pub(super) async fn normal(
        &self,
        object: &impl Resource<DynamicType = ()>,
        reason: &str,
        note: &str,
    ) {
        self.publish(object.object_ref(&()), EventType::Normal, reason, note)
            .await;
    }

    /// Something needs a person.
    pub(super) async fn warning(
        &self,
        object: &impl Resource<DynamicType = ()>,
        reason: &str,
        note: &str,
    ) {
        self.publish(object.object_ref(&()), EventType::Warning, reason, note)
            .await;
    }

    /// Something was done for an object that is known by reference alone.
    pub(super) async fn normal_about(&self, regarding: ObjectReference, reason: &str, note: &str) {
        self.publish(regarding, EventType::Normal, reason, note)
            .await;
    }

    /// Something needs a person, about an object that is known by reference alone.
    pub(super) async fn warning_about(&self, regarding: ObjectReference, reason: &str, note: &str) {
        self.publish(regarding, EventType::Warning, reason, note)
            .await;
    }

    async fn publish(
        &self,
        mut regarding: ObjectReference,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        // Events about cluster-scoped objects live in `default`; older servers insist that the
        // reference says so too.
        regarding
            .namespace
            .get_or_insert_with(|| "default".to_owned());
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(clip(note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        match tokio::time::timeout(PATIENCE, self.0.publish(&event, &regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, reason, "event not written"),
            Err(_) => tracing::warn!(reason, "event not written: the API server does not answer"),
        }
    }
}

fn clip(note: &str) -> String {
    let end = note
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= LONGEST_NOTE);
    note[..end.last().unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "é".repeat(900);
        let clipped = super::clip(&note);
        assert!(clipped.len() <= super::LONGEST_NOTE && clipped.len() > 990);
        assert_eq!(super::clip("short"), "short");
    }
}
