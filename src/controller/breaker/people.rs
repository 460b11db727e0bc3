//! The operator's people are told of a hold, once; the record of it carries the mark.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::Held;
use crate::api::NoticeKind;
use crate::controller::context::Context;
use crate::controller::outbox::ClusterMarks;
use crate::converge::notice::{Carrier, Due, Mark, Notice};

/// Offers what is to be told of the hold that is in force, if one is.
pub(super) fn tell(context: &Context) {
    let due = context.breaker.held().map(|held| due(context, &held));
    context.outbox.offer_for_all(due.into_iter().collect());
}

fn due(context: &Context, held: &Held) -> Due {
    let kind = NoticeKind::EnforcementHeld;
    let occasion = held.name.to_string();
    let place = context.breaker.record.place();
    let mark = Some(&held.told).filter(|told| told.occasion == occasion);
    Due {
        notice: Notice {
            message: Some(held.message.clone()),
            ..Notice::new(&context.owner, kind, &place, &occasion, held.since)
        },
        carrier: Carrier::Cluster,
        mark: mark.cloned().unwrap_or_else(|| Mark {
            occasion: occasion.clone(),
            ..Mark::default()
        }),
        occasion,
    }
}

/// The mark on the record of the hold.
pub(in crate::controller) struct HoldMarks(pub(in crate::controller) Arc<Context>);

impl ClusterMarks for HoldMarks {
    fn read(&self, _kind: NoticeKind) -> BoxFuture<'_, Result<Option<Mark>, String>> {
        let told = self.0.breaker.held().map(|held| held.told);
        Box::pin(std::future::ready(Ok(told)))
    }

    fn write<'a>(&'a self, _kind: NoticeKind, mark: &'a Mark) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(self.0.breaker.note_told(&mark.occasion, mark.clone()))
    }
}
