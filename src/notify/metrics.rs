//! What is counted of notices.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::NoticeKind;
use crate::converge::notice::Channel;

/// What became of an attempt to tell somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The receiver took it.
    Sent,
    /// Nobody knows whether the receiver took it.
    Uncertain,
    /// The receiver refused it for good.
    Refused,
    /// It is tried again.
    Delayed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Uncertain => "uncertain",
            Self::Refused => "refused",
            Self::Delayed => "delayed",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NoticeLabels {
    kind: &'static str,
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TemplateLabels {
    template: String,
}

/// The counters.
#[derive(Debug, Default)]
pub struct Metrics {
    notices: Family<NoticeLabels, Counter>,
    pending: Gauge,
    templates: Family<TemplateLabels, Counter>,
}

impl Metrics {
    /// Counters that `registry` exposes.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "notices",
            "Attempts to tell people, by kind, channel and outcome",
            metrics.notices.clone(),
        );
        registry.register(
            "notices_pending",
            "Notices that are to be delivered",
            metrics.pending.clone(),
        );
        registry.register(
            "mail_template_failures",
            "Times that a mail template of yours could not be used and the built-in one was",
            metrics.templates.clone(),
        );
        Arc::new(metrics)
    }

    /// An attempt was made.
    pub fn told(&self, kind: NoticeKind, channel: Channel, outcome: Outcome) {
        let labels = NoticeLabels {
            kind: kind.as_str(),
            channel: channel.as_str(),
            outcome: outcome.as_str(),
        };
        self.notices.get_or_create(&labels).inc();
    }

    /// So many are to be delivered.
    pub fn pending(&self, count: usize) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A template could not be used. Its name is one of those that exist, so there are not many.
    pub(super) fn template_failed(&self, template: &str) {
        let template = template.to_owned();
        self.templates
            .get_or_create(&TemplateLabels { template })
            .inc();
    }

    #[cfg(test)]
    pub(crate) fn count(&self, kind: NoticeKind, channel: Channel, outcome: Outcome) -> u64 {
        let labels = NoticeLabels {
            kind: kind.as_str(),
            channel: channel.as_str(),
            outcome: outcome.as_str(),
        };
        self.notices.get_or_create(&labels).get()
    }

    #[cfg(test)]
    pub(crate) fn template_failures(&self, template: &str) -> u64 {
        let template = template.to_owned();
        self.templates
            .get_or_create(&TemplateLabels { template })
            .get()
    }
}
