//! The only room that talks to Kubernetes: watches, leadership, concurrency, shutdown.
//!
//! ```text
//! watch TenantBillings -> index -------------.
//! watch BillingPlans   -> catalogue -------. |
//! webhooks, Stripe's events -> inbox -.    | |
//! Stripe's lists -> mirror <----------'    | |
//!                      '-----------------. | |
//!                                        v v v
//!                              reconcile (one tenant at a time, many at once)
//!                                          |
//!                                          v
//! watch TenantBillings -> access index <- status     (in every replica)
//! ```
//!
//! Everything that happens only says "look at this object again"; what is done about it follows
//! from what the manifest and Stripe say then.

mod access;
mod apply;
mod breaker;
mod catalogue;
mod context;
mod cursor;
mod enforcement;
mod error;
mod event;
mod finalize;
mod heard;
mod hearing;
mod index;
mod kept_map;
mod lease;
mod metrics;
mod outbox;
mod plans;
mod publish;
mod reception;
mod reconcile;
mod report;
mod rollout;
mod run;
mod sync;
mod tenant;
mod unread;
mod watch;

pub use access::{
    Access, AccessIndex, AccessMetrics, Unknown, WatchedObject, follow as follow_access,
};
pub use lease::LeaseConfig;
pub use metrics::Metrics;
pub use reception::{Announcer, Place, Reception, reception};
pub use sync::Polling;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::runtime::reflector::{self, Store};
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;

use self::access::Maps;
use self::breaker::Breaker;
use self::breaker::HoldMarks;
use self::context::{Backoff, Context, Triggers};
use self::cursor::Keeper;
use self::event::Events;
use self::outbox::{InCluster, Outbox};
use self::sync::Pace;
use crate::api::PlanObject;
use crate::converge::breaker::Threshold;
use crate::notify::{self, Deliver};
use crate::stripe::{self, Inbox, Mirror};

/// How long looks that are under way may take to finish at shutdown.
const GRACE: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// Watch this namespace only; all of them when absent.
    pub namespace: Option<String>,
    /// Watch only plans with these labels; all of them when absent.
    pub plan_selector: Option<String>,
    /// This installation, in the metadata of Stripe objects.
    pub owner: String,
    /// Leadership.
    pub lease: LeaseConfig,
    /// How often Stripe is asked for new events.
    pub event_poll: Duration,
    /// Whether it is asked at all.
    pub polling: Polling,
    /// How often everything is looked at again.
    pub resync: Duration,
    /// How many times more, or less, a plan may cost than before without a person's approval.
    pub max_price_jump: Decimal,
    /// Where customers go from the page on which they leave a payment method, for manifests that
    /// don't say.
    pub payment_return_url: Option<String>,
    /// How people are told.
    pub channels: Vec<Arc<dyn Deliver>>,
    /// What is counted of telling them.
    pub notify_metrics: Arc<notify::Metrics>,
    /// How many tenants may newly be restricted within an hour.
    pub max_restricted: Threshold,
    /// What the tenants' `ConfigMap`s are written from; none are written when absent.
    pub access_maps: Option<(Arc<AccessIndex>, AccessMetrics)>,
}

/// Why the operator ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Shutdown,
    /// Another replica may lead; whatever was under way has been abandoned.
    LostLeadership,
}

/// Waits for leadership, then runs until `shutdown` or until leadership is lost. The lease is kept
/// through a client of its own.
pub async fn run(
    kube: Client,
    lease_client: Client,
    stripe: stripe::Client,
    options: Options,
    metrics: Arc<Metrics>,
    announcer: Announcer,
    shutdown: CancellationToken,
) -> Ended {
    // The lease outlives the work: leadership is given up only once nothing is under way.
    let released = CancellationToken::new();
    let (mut leadership, election) = lease::elect(
        lease_client,
        options.lease.clone(),
        announcer.leader.clone(),
        released.clone(),
    );
    let election = tokio::spawn(election);
    let led = tokio::select! {
        () = shutdown.cancelled() => false,
        () = leadership.acquired() => true,
    };
    let mut ended = Ended::Shutdown;
    if led {
        metrics.leading();
        let mut watched = leadership.clone();
        let mirror = Arc::new(Mirror::new(&options.owner));
        let inbox = Arc::new(Inbox::new(Arc::clone(&mirror)));
        announcer.open(Arc::clone(&inbox), leadership.clone());
        let base = Base {
            kube,
            stripe,
            mirror,
            inbox,
            metrics,
        };
        let work = Box::pin(lead(base, options, leadership, shutdown.clone()));
        tokio::select! {
            () = work => {}
            () = watched.lost() => ended = Ended::LostLeadership,
            () = grace(shutdown) => tracing::warn!("what is under way is abandoned"),
        }
    }
    released.cancel();
    if let Err(error) = election.await {
        tracing::error!(%error, "the election ended abnormally");
    }
    ended
}

/// What a leader works with.
struct Base {
    kube: Client,
    stripe: stripe::Client,
    mirror: Arc<Mirror>,
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
}

impl Base {
    /// What keeps the tenants' `ConfigMap`s, if they are wanted.
    fn access_maps(&self, options: &Options, leadership: &lease::Leadership) -> Option<Maps> {
        let (index, metrics) = options.access_maps.clone()?;
        Some(Maps {
            kube: self.kube.clone(),
            namespace: options.namespace.clone(),
            index,
            leadership: leadership.clone(),
            events: Events::new(self.kube.clone(), options.lease.identity.clone()),
            metrics,
        })
    }

    /// What every reconcile shares.
    fn context(
        self,
        options: &Options,
        plans: Store<PlanObject>,
        leadership: lease::Leadership,
        triggers: Triggers,
    ) -> Context {
        Context {
            events: Events::new(self.kube.clone(), options.lease.identity.clone()),
            stripe: self.stripe,
            mirror: self.mirror,
            inbox: self.inbox,
            heard: heard::Heard::default(),
            unread: unread::Unread::default(),
            breaker: Breaker::new(self.kube.clone(), &options.lease, options.max_restricted),
            owner: options.owner.clone(),
            plans,
            plans_listed: tokio::sync::watch::Sender::new(false),
            catalogue: catalogue::Catalogue::default(),
            tenants: Arc::default(),
            rollouts: rollout::Rollouts::default(),
            leadership,
            triggers,
            backoff: Backoff::default(),
            plan_backoff: Backoff::default(),
            written: std::sync::Mutex::default(),
            plans_written: context::Writes::default(),
            blind: std::sync::RwLock::default(),
            metrics: self.metrics,
            resync: options.resync,
            max_price_jump: options.max_price_jump,
            payment_return_url: options.payment_return_url.clone(),
            outbox: Outbox::new(
                options.channels.clone(),
                Arc::clone(&options.notify_metrics),
            ),
            kube: self.kube,
        }
    }
}

/// Runs both controllers and follows Stripe.
async fn lead(
    base: Base,
    options: Options,
    leadership: lease::Leadership,
    shutdown: CancellationToken,
) {
    let (triggers, tenant_triggers, plan_triggers) = Triggers::new();
    let (plans, plan_writer) = reflector::store();
    let (tenants, tenant_writer) = reflector::store();
    let keeper = Keeper::new(base.kube.clone(), &options.lease);
    let access_maps = base.access_maps(&options, &leadership);
    let pace = Pace {
        events: options.event_poll,
        polling: options.polling,
        resync: options.resync,
    };
    let context = Arc::new(base.context(&options, plans.clone(), leadership, triggers));
    let watched_tenants = watch::tenants(&context, options.namespace.as_deref(), tenant_writer);
    let watched_plans = watch::plans(&context, options.plan_selector.as_deref(), plan_writer);
    tokio::join!(
        run::tenants(
            watched_tenants,
            tenants,
            tenant_triggers,
            context.clone(),
            shutdown.clone()
        ),
        run::plans(
            watched_plans,
            plans,
            plan_triggers,
            context.clone(),
            shutdown.clone()
        ),
        tell_people(context.clone(), shutdown.clone()),
        breaker::keep(context.clone(), shutdown.clone()),
        follow_once_watched(context, pace, keeper, shutdown.clone()),
        async {
            if let Some(maps) = access_maps {
                maps.keep(shutdown).await;
            }
        },
    );
}

/// Delivers what looks at tenants find to be told.
async fn tell_people(context: Arc<Context>, shutdown: CancellationToken) {
    let marks = Arc::new(HoldMarks(Arc::clone(&context)));
    let world = InCluster::new(Arc::clone(&context), marks);
    context.outbox.run(&world, shutdown).await;
}

/// The mirror needs to know the test clocks, and its first triggers need somebody to trigger.
async fn follow_once_watched(
    context: Arc<Context>,
    pace: Pace,
    keeper: Keeper,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = context.tenants.wait_complete() => {}
    }
    sync::follow(context, pace, keeper, shutdown).await;
}

/// Over when looks that are under way have had their time to finish after `shutdown`.
async fn grace(shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tracing::info!(seconds = GRACE.as_secs(), "finishing what is under way");
    tokio::time::sleep(GRACE).await;
}
