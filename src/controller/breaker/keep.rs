//! Keeps the record of a hold, announces what begins and ends, and listens for a release.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{HoldName, Reading, people};
use crate::controller::context::{Backoff, Context};

/// How often a person's release is looked for while something is held, and the passing of time noticed.
const PERIOD: Duration = Duration::from_secs(2);

/// Reason of the Kubernetes event that tells of a hold.
const HELD: &str = "EnforcementHeld";
/// Reason of the one that tells that a person has ended it.
const RELEASED: &str = "EnforcementReleased";
/// Reason of the one that tells that it has ended by itself.
const OVER: &str = "EnforcementOver";

/// Keeps the breaker's record until `shutdown`.
pub(in crate::controller) async fn keep(context: Arc<Context>, shutdown: CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = take_up(&context) => {}
    }
    let mut told = context.breaker.held().map(|held| held.name);
    while !shutdown.is_cancelled() {
        attend(&context, &mut told).await;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = context.breaker.news.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Reads what an earlier leader has left, however long that takes.
async fn take_up(context: &Context) {
    let backoff = Backoff::default();
    let breaker = &context.breaker;
    loop {
        match breaker.record.load().await {
            Ok((kept, wrong)) => {
                if let Some(wrong) = wrong {
                    let place = breaker.record.place();
                    tracing::warn!(
                        configmap = place,
                        wrong,
                        "somebody has written into it; it is replaced"
                    );
                }
                let unanswered = breaker.resume(kept, Timestamp::now());
                context.triggers.tenants(unanswered);
                return;
            }
            Err(error) => {
                let place = breaker.record.place();
                tracing::warn!(
                    %error, configmap = place,
                    "nobody's access is reduced until it is known whether enforcement was held; the operator \
                     needs the right to get and patch it"
                );
                breaker.reading.send_replace(Reading::Failed);
                tokio::time::sleep(backoff.failed(()).min(PERIOD * 5)).await;
            }
        }
    }
}

/// Notices what has changed, and says so.
async fn attend(context: &Context, told: &mut Option<HoldName>) {
    let breaker = &context.breaker;
    breaker.pass(Timestamp::now());
    let mut by = OVER;
    if breaker.held().is_some() {
        match breaker.record.load().await {
            Ok((kept, _)) => {
                if let Some(name) = kept.released {
                    let before = breaker.held();
                    breaker.release(&name, Timestamp::now());
                    if before.is_some() && breaker.held().is_none() {
                        by = RELEASED;
                    }
                }
            }
            Err(error) => {
                let place = breaker.record.place();
                tracing::warn!(%error, configmap = place, "a release of held enforcement is not seen");
            }
        }
    }
    announce(context, told, by).await;
    people::tell(context);
    if let Err(error) = breaker.record.keep(breaker.state()).await {
        let place = breaker.record.place();
        tracing::warn!(%error, configmap = place, "what is held is not written down");
    }
}

async fn announce(context: &Context, told: &mut Option<HoldName>, ended_by: &'static str) {
    let breaker = &context.breaker;
    let held = breaker.held();
    let waiting = held.as_ref().map(|held| held.facts.waiting);
    context.metrics.enforcement(waiting);
    let now = held.as_ref().map(|held| held.name.clone());
    if *told == now {
        return;
    }
    let object = breaker.record.object();
    if let Some(before) = told.take() {
        tracing::info!(hold = %before, reason = ended_by, "access is enforced again");
        let note = format!("the hold {before} is over; access is enforced again");
        context.events.normal(&object, ended_by, &note).await;
    }
    if let Some(held) = &held {
        let (waiting, coming) = (held.facts.waiting, held.facts.coming);
        tracing::warn!(hold = %held.name, waiting, coming, limit = held.limit, "enforcement is held");
        context.events.warning(&object, HELD, &held.message).await;
    }
    *told = now;
    // They may have less now, or learn which hold they wait for.
    context.triggers.tenants(breaker.waiting());
}
