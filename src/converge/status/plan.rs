//! The status of a `BillingPlan`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::{
    BillingPlanStatus, CurrentPrice, OlderPrice, PlanMeter, PlanPrice, RolloutStatus,
};
use crate::converge::catalogue::{CataloguePlan, CataloguePrice, DesiredPlan, ObservedPlan, Rates};
use crate::converge::conditions::{Conditions, Outcome};
use crate::converge::money;
use crate::converge::observed::{Account, Component};

/// More than a person reads; the count tells of the others.
const MOST_OLDER: usize = 20;

/// Who subscribes to a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribers {
    /// Live subscriptions to any of its prices.
    pub all: i64,
    /// Those that are on an older price.
    pub on_older: i64,
    /// Those of them whose schedule ends without it.
    pub scheduled: i64,
    /// Each price that is subscribed to, by its id.
    pub prices: BTreeMap<String, PriceUse>,
    /// Older prices that a schedule names.
    pub planned: BTreeSet<String>,
}

/// Who subscribes to a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceUse {
    /// What the price is for.
    pub component: Component,
    /// Live subscriptions.
    pub live: i64,
    /// Those whose schedule ends without it.
    pub leaving: i64,
}

impl Subscribers {
    /// The prices that must not be archived.
    pub fn in_use(&self) -> BTreeSet<String> {
        self.prices.keys().chain(&self.planned).cloned().collect()
    }
}

/// Everything one look at a plan found.
#[derive(Debug)]
pub struct PlanLook<'a> {
    /// Generation of the manifest.
    pub generation: i64,
    /// How it ended.
    pub outcome: &'a Outcome,
    /// What Stripe holds, when that was seen.
    pub seen: Option<PlanSeen<'a>>,
    /// When it was.
    pub now: Timestamp,
}

/// What a look at a plan saw in Stripe.
#[derive(Clone, Copy, Debug)]
pub struct PlanSeen<'a> {
    /// Where.
    pub account: &'a Account,
    /// What should be.
    pub desired: &'a DesiredPlan,
    /// What is.
    pub observed: &'a ObservedPlan,
    /// What follows from both.
    pub plan: &'a CataloguePlan,
    /// Who subscribes; `None` while that is not known.
    pub subscribers: Option<&'a Subscribers>,
}

/// The prices a plan was sold at, as its status records them.
pub fn sold(status: &BillingPlanStatus) -> Vec<String> {
    let prices: Vec<String> = status.prices.iter().map(|price| price.id.clone()).collect();
    // A status from before there were several prices.
    if prices.is_empty() {
        return status.price.iter().map(|price| price.id.clone()).collect();
    }
    prices
}

/// The status of a plan after a look.
pub fn plan(previous: &BillingPlanStatus, look: &PlanLook<'_>) -> BillingPlanStatus {
    let mut status = previous.clone();
    status.observed_generation = look.generation;
    if let Some(seen) = look.seen {
        status.account_id = Some(seen.account.id.to_string());
        status.livemode = Some(seen.account.livemode);
        record_prices(&mut status, seen);
        if let Some(subscribers) = seen.subscribers {
            record_subscribers(&mut status, previous, seen, subscribers, look.now);
        }
    }
    let mut conditions = Conditions::after(&previous.conditions, look.generation, look.now);
    conditions.set_outcome(look.outcome);
    status.conditions = conditions.finish();
    status
}

/// What is sold stays recorded while nothing can be: a change of prices is judged by it.
fn record_prices(status: &mut BillingPlanStatus, seen: PlanSeen<'_>) {
    status.meters = seen
        .desired
        .usage
        .iter()
        .filter_map(|usage| seen.observed.meter(&usage.meter.event_name))
        .map(|meter| PlanMeter {
            event_name: meter.event_name.clone(),
            id: meter.id.clone(),
        })
        .collect();
    let Some(base) = seen.plan.sold.first() else {
        return;
    };
    let facts = &base.price;
    let amount = base.rates.as_ref().and_then(Rates::whole_unit);
    status.product_id = Some(facts.product.clone());
    status.price = Some(PlanPrice {
        id: facts.id.clone(),
        lookup_key: facts.lookup_key.clone().unwrap_or_default(),
        amount: amount.map_or_else(
            || base.words(),
            |amount| money::format(amount, &facts.currency),
        ),
        currency: Some(facts.currency.clone()),
        interval: facts.interval.unwrap_or_default(),
    });
    let counted = |id: &str| {
        let before = status.prices.iter().find(|price| price.id == id);
        before.and_then(|price| price.subscribers)
    };
    status.prices = seen
        .plan
        .sold
        .iter()
        .map(|sold| current(sold, counted(&sold.price.id)))
        .collect();
}

fn current(sold: &CataloguePrice, subscribers: Option<i64>) -> CurrentPrice {
    CurrentPrice {
        component: sold.component().to_string(),
        id: sold.price.id.clone(),
        lookup_key: sold.price.lookup_key.clone(),
        amount: sold.words(),
        subscribers,
    }
}

fn record_subscribers(
    status: &mut BillingPlanStatus,
    previous: &BillingPlanStatus,
    seen: PlanSeen<'_>,
    subscribers: &Subscribers,
    now: Timestamp,
) {
    for price in &mut status.prices {
        let counted = subscribers.prices.get(&price.id);
        price.subscribers = Some(counted.map_or(0, |counted| counted.live));
    }
    let is_sold = |id: &str| status.prices.iter().any(|price| price.id == id);
    let since = |id: &str| {
        let known = previous.older_prices.iter().find(|price| price.id == id);
        known.map_or(Time(now), |price| price.since.clone())
    };
    let older = |id: &str, component: &Component| {
        let counted = subscribers.prices.get(id);
        OlderPrice {
            id: id.to_owned(),
            component: component.to_string(),
            subscribers: counted.map_or(0, |counted| counted.live),
            scheduled_away: counted.map_or(0, |counted| counted.leaving),
            since: since(id),
        }
    };
    let active = &seen.plan.older;
    let mut all: Vec<OlderPrice> = active
        .iter()
        .map(|price| older(&price.price.id, &price.component()))
        .collect();
    // Archived by hand, but subscribed to all the same.
    let archived = subscribers
        .prices
        .iter()
        .filter(|(id, _)| !is_sold(id) && !active.iter().any(|price| price.price.id == **id));
    all.extend(archived.map(|(id, counted)| older(id, &counted.component)));
    status.older_price_count = Some(i64::try_from(all.len()).unwrap_or(i64::MAX));
    all.truncate(MOST_OLDER);
    status.older_prices = all;
    status.subscribers = Some(subscribers.all);
    let rollout = &seen.desired.rollout;
    status.rollout = Some(RolloutStatus {
        existing: rollout.existing,
        on_older_prices: subscribers.on_older,
        scheduled: subscribers.scheduled,
        per_hour: rollout.per_hour,
        paused: rollout.paused,
    });
}

#[cfg(test)]
mod tests;
