//! Acts on what is in the inbox: reads each object again, and has those looked at whom it concerns.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;
use tokio_util::sync::CancellationToken;

use super::context::{Context, PlanRef};
use super::sync::Sight;
use crate::api::LastEvent;
use crate::stripe::{Class, Errand, Error, Outcome, Prices, Session, Touched};

/// Objects that are read again at the same time.
const READS_AT_ONCE: usize = 8;

/// Empties the inbox until `shutdown`.
pub(super) async fn attend(sight: &Sight<'_>, shutdown: &CancellationToken) {
    let context = sight.context;
    let mut reads = FuturesUnordered::new();
    loop {
        context.metrics.waiting(context.inbox.len());
        tokio::select! {
            () = shutdown.cancelled() => return,
            errand = context.inbox.next(), if reads.len() < READS_AT_ONCE => {
                reads.push(run(errand, sight));
            }
            Some(()) = reads.next() => {}
        }
    }
}

async fn run(errand: Errand, sight: &Sight<'_>) {
    let context = sight.context;
    let outcome = match read(&errand, context).await {
        Ok(touched) => {
            sight.succeeded();
            tell(context, &touched, &errand.event);
            Outcome::Done
        }
        Err(error) => {
            let outcome = Outcome::of(&error);
            let hint = errand.hint();
            match outcome {
                Outcome::Done => tracing::warn!(
                    %error, ?hint, "an object in Stripe cannot be read; the next complete list tries again"
                ),
                Outcome::Again => {
                    tracing::warn!(%error, ?hint, "an object in Stripe is not read; it is tried again");
                }
            }
            if is_of_stripe_as_a_whole(&error) {
                sight.missed(&error);
            }
            outcome
        }
    };
    context.inbox.settle(errand, outcome);
}

async fn read(errand: &Errand, context: &Context) -> Result<Touched, Error> {
    let session: Session = context.stripe.session().await?;
    errand
        .read(&errand.session(&session), &context.mirror)
        .await
}

/// Has those looked at whom an event concerns.
pub(super) fn tell(context: &Context, touched: &Touched, event: &LastEvent) {
    for key in &touched.tenants {
        let manifests = context.tenants.of_tenants([key.tenant.as_str()]);
        if !manifests.is_empty() {
            context.heard.note(&key.tenant, event);
            context.triggers.tenants(manifests);
        }
    }
    if let Some(clock) = &touched.clock {
        for (tenant, manifest) in context.tenants.on_clock(clock) {
            context.heard.note(&tenant, event);
            context.triggers.tenants([manifest]);
        }
    }
    if touched.prices == Prices::Changed {
        context.triggers.plans(unsold(context));
    }
}

/// The plans that cannot be sold yet. Those that can have a price, and prices are immutable.
fn unsold(context: &Context) -> Vec<PlanRef> {
    let plans = context.plans.state();
    let unsold = plans.iter().filter(|plan| {
        context
            .catalogue
            .get(&plan.name_any())
            .is_none_or(|entry| entry.plan.is_err())
    });
    unsold
        .map(|plan| ObjectRef::from_obj(plan.as_ref()))
        .collect()
}

/// Whether a failure says something about all of Stripe rather than about one object.
fn is_of_stripe_as_a_whole(error: &Error) -> bool {
    matches!(
        error.class,
        Class::Network
            | Class::Timeout
            | Class::RateLimited
            | Class::Unauthorized
            | Class::Forbidden
    )
}
