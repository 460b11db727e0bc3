//! Brings a plan about in Stripe, one request at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::api::{APPROVE_PRICES_ANNOTATION, BillingPlanStatus, PlanObject};
use crate::controller::catalogue::Sighting;
use crate::controller::context::Context;
use crate::controller::error::Error;
use crate::converge::catalogue::{
    self, Archive, CataloguePlan, CatalogueStep, Circumstances, DesiredPlan, DesiredPrice,
    ObservedPlan, UsageCharge,
};
use crate::converge::status::{self, Subscribers};
use crate::stripe::{Answer, ChangedCatalogue, Class, Session};

/// Requests for one step with keys of their own, within a minute.
const ATTEMPTS_A_MINUTE: u32 = 4;
/// More than a product, 20 prices and 19 meters need; the next look goes on with older prices.
const MOST_ROUNDS: usize = 200;

/// One look at a plan.
pub(super) struct Run<'a> {
    pub(super) object: &'a PlanObject,
    pub(super) context: &'a Context,
    pub(super) session: &'a Session,
    pub(super) desired: &'a DesiredPlan,
    /// As it is recorded.
    pub(super) status: &'a BillingPlanStatus,
}

/// What a look saw, when nothing is left to be done.
pub(super) struct Seen {
    pub(super) observed: Arc<ObservedPlan>,
    pub(super) plan: CataloguePlan,
    /// Who subscribes; `None` while that is not known.
    pub(super) subscribers: Option<Subscribers>,
    /// Older prices that Stripe itself shows to be in use.
    pub(super) in_use: BTreeSet<String>,
    /// There are older prices that nobody uses, but they could not go yet.
    pub(super) may_archive_later: bool,
}

impl Run<'_> {
    /// What is to be said from what was seen before; `None` when Stripe has to be asked, or changed.
    pub(super) fn recall(&self, known: &Sighting) -> Option<Seen> {
        let plan = self.plan(&known.observed, &known.in_use);
        // What cannot be sold waits for something in Stripe: that has to be looked for.
        let settled = plan.steps.is_empty() && !plan.sold.is_empty();
        settled.then(|| self.seen(known.observed.clone(), plan, known.in_use.clone()))
    }

    /// Runs the plan's steps. The product's id, a price's lookup key and a meter's event name are
    /// taken once, so a step that ran twice meets its first result.
    pub(super) async fn converge(&self) -> Result<Seen, Error> {
        let mut observed = self.observe().await?;
        let mut in_use = BTreeSet::new();
        let mut stale = 0;
        for _ in 0..MOST_ROUNDS {
            let plan = self.plan(&observed, &in_use);
            let Some(step) = plan.steps.first() else {
                return Ok(self.seen(Arc::new(observed), plan, in_use));
            };
            if let CatalogueStep::ArchivePrice(price) = step
                && self.session.is_price_in_use(price).await?
            {
                in_use.insert(price.clone());
                continue;
            }
            match self.run_step(step, stale).await {
                Ok(answer) if !answer.replayed => {
                    self.tell(step, &answer).await;
                    answer.value.put_into(&mut observed);
                }
                // A stored answer tells of an earlier time.
                Ok(_) if stale < ATTEMPTS_A_MINUTE => {
                    stale += 1;
                    observed = self.observe().await?;
                }
                Ok(_) => return Err(Error::NotConverging(1, step.describe(self.desired))),
                Err(Error::Stripe(error)) if error.replayed && stale < ATTEMPTS_A_MINUTE => {
                    stale += 1;
                }
                // Ids, lookup keys and event names are taken once. If what was to be made is there by
                // now, another's last request made it, and that is as good.
                Err(Error::Stripe(error)) if error.class == Class::Invalid => {
                    observed = self.observe().await?;
                    let still_wanted = self.plan(&observed, &in_use).steps.contains(step);
                    match step {
                        // As when somebody made it its product's default. It does no harm.
                        CatalogueStep::ArchivePrice(price) => {
                            let note = format!("{price} cannot be archived: {error}");
                            self.context
                                .events
                                .warning(self.object, "ArchiveRefused", &note)
                                .await;
                            in_use.insert(price.clone());
                        }
                        _ if still_wanted => return Err(error.into()),
                        _ => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let plan = self.plan(&observed, &in_use);
        let next = plan.steps.first().map(|step| step.describe(self.desired));
        Err(Error::NotConverging(MOST_ROUNDS, next.unwrap_or_default()))
    }

    /// Runs one step.
    async fn run_step(
        &self,
        step: &CatalogueStep,
        stale: u32,
    ) -> Result<Answer<ChangedCatalogue>, Error> {
        // Keys and ids guard against a second object; a minute later the request is another one, so
        // that a stored answer does not outlive its cause.
        let minute = u32::try_from(Timestamp::now().as_second() / 60).unwrap_or(u32::MAX);
        let salt = minute
            .saturating_mul(ATTEMPTS_A_MINUTE)
            .saturating_add(stale);
        self.context.check_leadership()?;
        let answer = self
            .session
            .run_catalogue_step(step, self.desired, salt)
            .await?;
        Ok(answer)
    }

    async fn tell(&self, step: &CatalogueStep, answer: &Answer<ChangedCatalogue>) {
        let note = step.describe(self.desired);
        tracing::info!(
            plan = self.desired.name,
            step = note,
            request_id = answer.request_id.as_deref().unwrap_or_default(),
            "changed Stripe"
        );
        self.context
            .events
            .normal(self.object, "CatalogueUpdated", &note)
            .await;
    }

    fn seen(
        &self,
        observed: Arc<ObservedPlan>,
        plan: CataloguePlan,
        in_use: BTreeSet<String>,
    ) -> Seen {
        let subscribers = self.subscribers(&plan);
        let may_archive_later = plan.hold.is_none()
            && subscribers.as_ref().is_some_and(|subscribers| {
                let used = subscribers.in_use();
                plan.older
                    .iter()
                    .any(|old| !used.contains(&old.price.id) && !in_use.contains(&old.price.id))
            });
        Seen {
            observed,
            plan,
            subscribers,
            in_use,
            may_archive_later,
        }
    }

    fn plan(&self, observed: &ObservedPlan, in_use: &BTreeSet<String>) -> CataloguePlan {
        let annotations = self.object.annotations();
        let mut circumstances = Circumstances {
            recorded: status::sold(self.status),
            approved: annotations.get(APPROVE_PRICES_ANNOTATION).cloned(),
            max_jump: self.context.max_price_jump,
            archive: Archive::Nothing,
        };
        let plan = catalogue::plan(self.desired, observed, &circumstances);
        if plan.older.is_empty() || !self.is_offered(&plan) {
            return plan;
        }
        if let Some(subscribers) = self.subscribers(&plan) {
            let mut used = subscribers.in_use();
            used.extend(in_use.iter().cloned());
            circumstances.archive = Archive::AllBut(used);
        }
        catalogue::plan(self.desired, observed, &circumstances)
    }

    /// Whether tenants have been told of the prices already: until then, one may be about to
    /// subscribe to an older one.
    fn is_offered(&self, plan: &CataloguePlan) -> bool {
        let entry = self.context.catalogue.get(&self.desired.name);
        let offered = entry.and_then(|entry| entry.plan.ok());
        offered.is_some_and(|offered| {
            let sold = plan.sold.iter().map(|sold| sold.price.id.as_str());
            offered.offer.ids().eq(sold)
        })
    }

    /// Who subscribes; `None` while the mirror is not complete, or that of another account.
    fn subscribers(&self, plan: &CataloguePlan) -> Option<Subscribers> {
        let context = self.context;
        let listed = context.catalogue.lists() > 0
            && context.mirror.is_complete()
            && context.mirror.account().as_ref() == Some(self.session.account());
        listed.then(|| {
            let ids = |prices: &[catalogue::CataloguePrice]| -> Vec<String> {
                prices.iter().map(|price| price.price.id.clone()).collect()
            };
            let (sold, older) = (ids(&plan.sold), ids(&plan.older));
            let sold: Vec<&str> = sold.iter().map(String::as_str).collect();
            let older: Vec<&str> = older.iter().map(String::as_str).collect();
            context
                .mirror
                .subscribers(&self.desired.name, &sold, &older)
        })
    }

    /// Reads what there is in Stripe for the plan.
    async fn observe(&self) -> Result<ObservedPlan, Error> {
        let (session, desired) = (self.session, self.desired);
        let product_id = desired.product_id();
        let product = session.find_product(&product_id).await?;
        let mut observed = ObservedPlan {
            product,
            ..ObservedPlan::default()
        };
        if observed.product.is_some() {
            observed.prices = session.active_prices_of(&product_id).await?;
        }
        let usage = desired.usage.iter();
        let events: Vec<&str> = usage.map(|usage| usage.meter.event_name.as_str()).collect();
        if !events.is_empty() {
            observed.meters = session.meters(&events).await?;
        }
        // The base first: the keys of the others depend on its period.
        self.observe_keys(&mut observed, vec![desired.lookup_key()])
            .await?;
        let keys = self.usage_keys(&observed);
        self.observe_keys(&mut observed, keys).await?;
        for id in status::sold(self.status) {
            if observed.price(&id).is_none()
                && let Some(price) = session.find_price(&id).await?
            {
                observed.put_price(price);
            }
        }
        Ok(observed)
    }

    /// Reads the prices under these keys that are not known yet.
    async fn observe_keys(
        &self,
        observed: &mut ObservedPlan,
        mut keys: Vec<String>,
    ) -> Result<(), Error> {
        keys.retain(|key| observed.price_under(key).is_none());
        for price in self.session.prices_under(&keys).await? {
            observed.put_price(price);
        }
        Ok(())
    }

    fn usage_keys(&self, observed: &ObservedPlan) -> Vec<String> {
        let desired = self.desired;
        let interval = match &desired.base {
            DesiredPrice::Managed { interval, .. } => Some(*interval),
            DesiredPrice::Existing { lookup_key } => observed
                .price_under(lookup_key)
                .and_then(|found| found.price.interval),
        };
        let usage = desired.usage.iter();
        usage
            .filter_map(|usage| match &usage.charge {
                UsageCharge::Existing { lookup_key } => Some(lookup_key.clone()),
                UsageCharge::Managed(rates) => {
                    let event_name = &usage.meter.event_name;
                    let meter = observed.meter(event_name)?;
                    Some(desired.usage_lookup_key(event_name, &meter.id, rates, interval?))
                }
            })
            .collect()
    }
}
