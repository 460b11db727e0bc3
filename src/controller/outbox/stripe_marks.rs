//! The outbox's world: marks on Stripe's objects, Kubernetes events, looks.

use std::sync::Arc;

use super::BoxFuture;
use super::entries::Owner;
use super::world::{Became, Standing, World, Written};
use crate::api::NoticeKind;
use crate::controller::apply::salt;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::converge::notice::Due;
use crate::converge::notice::{Carrier, Channel, Mark};
use crate::converge::observed::TenantKey;
use crate::stripe::{Class, NoticeMark, Session};

/// Where the marks of notices are kept that concern all tenants.
pub(in crate::controller) trait ClusterMarks: Send + Sync {
    /// The mark of a kind; `None` where there is none.
    fn read(&self, kind: NoticeKind) -> BoxFuture<'_, Result<Option<Mark>, String>>;

    /// Replaces it.
    fn write<'a>(&'a self, kind: NoticeKind, mark: &'a Mark) -> BoxFuture<'a, Result<(), String>>;
}

/// The outbox's world.
pub(in crate::controller) struct InCluster {
    context: Arc<Context>,
    cluster: Arc<dyn ClusterMarks>,
}

impl InCluster {
    pub(in crate::controller) fn new(
        context: Arc<Context>,
        cluster: Arc<dyn ClusterMarks>,
    ) -> Self {
        Self { context, cluster }
    }

    async fn session(&self) -> Result<Session, Error> {
        let session = self.context.stripe.session().await?;
        self.context.check_mirrored(&session)?;
        Ok(session)
    }

    async fn read_carrier(&self, offered: &Due) -> Result<Standing, Error> {
        let session = self.session().await?;
        let stamp = self.context.mirror.stamp(&session);
        let Some(carried) = session.carried(&offered.carrier).await? else {
            return Ok(Standing::Pointless);
        };
        let kind = offered.notice.kind;
        let mark = carried.mark(kind, &offered.occasion);
        let is_pointless = is_about_owing(kind) && carried.is_settled();
        self.context.mirror.fold_carried(carried, &stamp);
        Ok(if is_pointless {
            Standing::Pointless
        } else {
            Standing::Marked(mark)
        })
    }

    async fn read_cluster(&self, offered: &Due) -> Result<Standing, String> {
        let found = self.cluster.read(offered.notice.kind).await?;
        let same = found.filter(|mark| mark.occasion == offered.occasion);
        Ok(Standing::Marked(same.unwrap_or_else(|| Mark {
            occasion: offered.occasion.clone(),
            ..Mark::default()
        })))
    }

    async fn write_carrier(
        &self,
        offered: &Due,
        before: &Mark,
        after: &Mark,
        attempt: u32,
    ) -> Result<Written, Error> {
        let session = self.session().await?;
        let tenant = TenantKey {
            owner: self.context.owner.clone(),
            tenant: offered.notice.tenant_id.clone(),
        };
        let mark = NoticeMark {
            carrier: &offered.carrier,
            kind: offered.notice.kind,
            before,
            after,
        };
        self.context.check_leadership()?;
        let stamp = self.context.mirror.stamp(&session);
        match session.write_mark(&mark, &tenant, salt(attempt)).await {
            Ok(answer) if !answer.replayed => {
                if let Some(carried) = answer.value {
                    self.context.mirror.fold_carried(carried, &stamp);
                }
                Ok(Written::Done)
            }
            // A stored answer is that to another attempt, perhaps of another process.
            Ok(_) => Ok(Written::Stale),
            Err(error) if error.replayed || error.class == Class::Idempotency => Ok(Written::Stale),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a kind is pointless once its invoice is not owed any more.
const fn is_about_owing(kind: NoticeKind) -> bool {
    matches!(
        kind,
        NoticeKind::Reminder
            | NoticeKind::Warning
            | NoticeKind::Limited
            | NoticeKind::Suspended
            | NoticeKind::ActionRequired
    )
}

impl World for InCluster {
    fn read<'a>(&'a self, offered: &'a Due) -> BoxFuture<'a, Result<Standing, String>> {
        Box::pin(async {
            match offered.carrier {
                Carrier::Cluster => self.read_cluster(offered).await,
                _ => self
                    .read_carrier(offered)
                    .await
                    .map_err(|error| error.to_string()),
            }
        })
    }

    fn write<'a>(
        &'a self,
        offered: &'a Due,
        before: &'a Mark,
        after: &'a Mark,
        attempt: u32,
    ) -> BoxFuture<'a, Result<Written, String>> {
        Box::pin(async move {
            if offered.carrier == Carrier::Cluster {
                self.context
                    .check_leadership()
                    .map_err(|error| error.to_string())?;
                self.cluster.write(offered.notice.kind, after).await?;
                return Ok(Written::Done);
            }
            let written = self.write_carrier(offered, before, after, attempt).await;
            written.map_err(|error| error.to_string())
        })
    }

    fn tell<'a>(
        &'a self,
        owner: &'a Owner,
        offered: &'a Due,
        channel: Channel,
        became: Became,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Owner::Tenant(tenant) = owner else {
                return;
            };
            let events = &self.context.events;
            let what = format!(
                "{} about {}",
                offered.notice.kind.as_str(),
                offered.notice.about
            );
            let by = channel.as_str();
            match became {
                Became::Sent => {
                    let note = format!("{what}: sent by {by}");
                    events
                        .normal_about(tenant.clone().into(), "NoticeSent", &note)
                        .await;
                }
                Became::Uncertain => {
                    let note = format!(
                        "{what}: whether it arrived by {by} is not known, see status.notices"
                    );
                    events
                        .warning_about(tenant.clone().into(), "NoticeUncertain", &note)
                        .await;
                }
                Became::Refused => {
                    let note = format!("{what}: refused for good by {by}, see status.notices");
                    events
                        .warning_about(tenant.clone().into(), "NoticeRefused", &note)
                        .await;
                }
            }
        })
    }

    fn look_again(&self, owners: Vec<Owner>) {
        let tenants = owners.into_iter().filter_map(|owner| match owner {
            Owner::Tenant(tenant) => Some(tenant),
            Owner::Cluster => None,
        });
        self.context.triggers.tenants(tenants);
    }
}
