//! The steps from what is in Stripe for a tenant to what should be.
//!
//! | live own subscriptions | `Active`                                   | `CancelAtPeriodEnd` | `Canceled` |
//! |------------------------|--------------------------------------------|---------------------|------------|
//! | none, never had one    | subscribe                                  | nothing             | nothing    |
//! | none, manifest ended it| subscribe again, without a trial           | nothing             | nothing    |
//! | none, ended in Stripe  | respect and report (`CanceledInStripe`)    | acknowledge         | acknowledge|
//! | one                    | converge price and trial; undo a manifest's cancellation, report the customer's | cancel at period end | cancel now |
//! | two or more            | touch none of them (`DuplicateSubscriptions`) | same             | same       |
//!
//! Acknowledging marks an ended subscription as ended by the manifest, so that setting
//! `lifecycle: Active` afterwards is a clear wish to subscribe again.

use jiff::{Timestamp, ToSpan as _};

use super::desired::Desired;
use super::money;
use super::observed::{
    Customer, Item, Observed, Price, Subscription, SubscriptionStatus, TenantKey,
};
use super::steps::{Change, CustomerUpdate, Step};
use crate::api::{DeletionPolicy, DriftClass, Lifecycle, reason};

/// What an earlier look wrote into the status. Everything in it can be lost: it only sharpens
/// what Stripe itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The subscription last known to be the tenant's, even if its metadata was edited since.
    pub subscription_id: Option<String>,
    /// The plan the subscription was brought to.
    pub plan: Option<String>,
    /// The price the subscription was brought to.
    pub price_id: Option<String>,
    /// Digest of the desired state that was brought about.
    pub applied_digest: Option<String>,
}

/// What to do about a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Why, after the steps, the desired state is still not reached.
    pub hold: Option<Hold>,
    /// Differences that stand because they are somebody else's decision.
    pub reported: Vec<Difference>,
}

/// A reason why the desired state cannot be reached by the operator alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// One of [`crate::api::reason`].
    pub reason: &'static str,
    /// What is the case, and what to do.
    pub message: String,
    /// Who moves next.
    pub kind: HoldKind,
}

/// Who has to move next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldKind {
    /// The person who writes manifests, or one at the Dashboard: `Stalled`.
    Stalled,
    /// The customer, in the ordinary course of things: `Reconciling`.
    Waiting,
}

impl Hold {
    /// A hold that a person has to resolve.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            kind: HoldKind::Stalled,
        }
    }

    /// A hold that the customer resolves.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            kind: HoldKind::Waiting,
        }
    }
}

/// A difference between Stripe and the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub field: String,
    /// What the manifest asks for.
    pub desired: String,
    /// What is in Stripe.
    pub observed: String,
    /// What is done about it.
    pub class: DriftClass,
}

/// Plans a tenant.
pub fn tenant(desired: &Desired, observed: &Observed, recorded: &Recorded, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    if let Some(hold) = identity_hold(observed, desired.lifecycle) {
        plan.hold = Some(hold);
        return plan;
    }
    let customer = observed.customers.first();
    match customer {
        Some(customer) => plan.steps.extend(update_customer(desired, customer)),
        None if desired.lifecycle == Lifecycle::Active => {
            plan.steps.push(Step::CreateCustomer {
                details: Box::new(desired.customer.clone()),
                test_clock: desired.test_clock.clone(),
            });
        }
        None => return plan,
    }
    let own = OwnSubscriptions::of(&desired.key, observed, recorded);
    match own.live.as_slice() {
        [] => subscribe(&mut plan, desired, customer, &own),
        [one] => {
            // Once this one has ended too, a newer one that ended before it is the last.
            let newer = |ended: &&Subscription| (ended.created, &ended.id) > (one.created, &one.id);
            if desired.lifecycle == Lifecycle::Canceled {
                plan.steps.extend(acknowledge(own.last_ended.filter(newer)));
            }
            converge(&mut plan, desired, customer, one, recorded, now);
        }
        several => plan.hold = Some(duplicates(several)),
    }
    plan
}

/// Plans what the deletion of a manifest asks for. Needs neither a valid spec nor a plan.
pub fn deletion(
    policy: DeletionPolicy,
    key: &TenantKey,
    observed: &Observed,
    recorded: &Recorded,
) -> Vec<Step> {
    let live = OwnSubscriptions::of(key, observed, recorded).live;
    live.into_iter()
        .flat_map(|subscription| match policy {
            DeletionPolicy::Retain => Vec::new(),
            DeletionPolicy::CancelAtPeriodEnd => cancel_at_period_end(subscription),
            DeletionPolicy::CancelNow => cancel_now(subscription),
        })
        .collect()
}

/// The tenant's own subscriptions, and what else its customer has.
struct OwnSubscriptions<'a> {
    live: Vec<&'a Subscription>,
    last_ended: Option<&'a Subscription>,
    had_trial: bool,
    live_foreign: Option<&'a Subscription>,
}

impl<'a> OwnSubscriptions<'a> {
    fn of(key: &TenantKey, observed: &'a Observed, recorded: &Recorded) -> Self {
        // Metadata can be edited in the Dashboard. A subscription that the status records stays
        // the tenant's all the same: losing sight of it would bill the tenant twice.
        let (own, foreign): (Vec<_>, Vec<_>) = observed.subscriptions.iter().partition(|s| {
            s.key.as_ref() == Some(key) || Some(&s.id) == recorded.subscription_id.as_ref()
        });
        let (live, ended): (Vec<_>, Vec<_>) = own.into_iter().partition(|s| s.status.is_live());
        Self {
            had_trial: live.iter().chain(&ended).any(|s| s.trial_start.is_some()),
            last_ended: ended
                .into_iter()
                .max_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id))),
            live_foreign: foreign.into_iter().find(|s| s.status.is_live()),
            live,
        }
    }
}

fn identity_hold(observed: &Observed, lifecycle: Lifecycle) -> Option<Hold> {
    if let [first, second, ..] = observed.customers.as_slice() {
        return Some(Hold::stalled(
            reason::DUPLICATE_CUSTOMERS,
            format!(
                "{} and {} both carry this tenant's metadata; delete one in Stripe, or remove \
                 tenantbilling_tenant from its metadata",
                first.id, second.id
            ),
        ));
    }
    // With another lifecycle than Active there is nothing to be done for a deleted customer, and
    // having been there is what makes Active afterwards a wish for a new one.
    let deleted = observed
        .deleted_customer
        .as_ref()
        .filter(|_| lifecycle == Lifecycle::Active)?;
    observed.customers.is_empty().then(|| {
        Hold::stalled(
            reason::CUSTOMER_DELETED,
            format!(
                "the customer {deleted} was deleted in Stripe; to bill this tenant again set \
                 spec.lifecycle to Canceled, wait until that is observed, then set it to Active"
            ),
        )
    })
}

fn duplicates(live: &[&Subscription]) -> Hold {
    let ids: Vec<&str> = live.iter().map(|s| s.id.as_str()).collect();
    Hold::stalled(
        reason::DUPLICATE_SUBSCRIPTIONS,
        format!(
            "{} are live for this tenant; none of them is touched. Cancel all but one in Stripe",
            ids.join(", ")
        ),
    )
}

fn update_customer(desired: &Desired, customer: &Customer) -> Option<Step> {
    let wanted = &desired.customer;
    let mut update = CustomerUpdate::default();
    let mut changes = Vec::new();
    let mut text = |field: &'static str, want: Option<&String>, have: Option<&String>| {
        let want = want.filter(|want| have != Some(*want))?.clone();
        changes.push(Change::new(field, have.map_or("", String::as_str), &want));
        Some(want)
    };
    update.name = text("customer.name", Some(&wanted.name), customer.name.as_ref());
    update.email = text(
        "customer.email",
        Some(&wanted.email),
        customer.email.as_ref(),
    );
    update.phone = text(
        "customer.phone",
        wanted.phone.as_ref(),
        customer.phone.as_ref(),
    );
    update.description = text(
        "customer.description",
        wanted.description.as_ref(),
        customer.description.as_ref(),
    );
    if let Some(address) = wanted
        .address
        .as_ref()
        .filter(|a| customer.address.as_ref() != Some(*a))
    {
        let have = customer.address.clone().unwrap_or_default();
        changes.push(Change::new(
            "customer.address",
            &one_line(&have),
            &one_line(address),
        ));
        update.address = Some(address.clone());
    }
    if customer.key.as_ref() != Some(&desired.key) {
        let have = customer.key.as_ref().map_or("", |key| &key.tenant);
        changes.push(Change::new("customer.metadata", have, &desired.key.tenant));
        update.restore_identity = true;
    }
    (!changes.is_empty()).then(|| Step::UpdateCustomer {
        customer: customer.id.clone(),
        update: Box::new(update),
        changes,
    })
}

fn one_line(address: &crate::api::Address) -> String {
    let parts = [
        &address.line1,
        &address.line2,
        &address.postal_code,
        &address.city,
        &address.state,
        &address.country,
    ];
    parts
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// No live subscription: whether to make one.
fn subscribe(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    own: &OwnSubscriptions<'_>,
) {
    if desired.lifecycle != Lifecycle::Active {
        plan.steps.extend(acknowledge(own.last_ended));
        return;
    }
    if let Some(hold) = resubscription_hold(own, customer) {
        plan.hold = Some(hold);
        return;
    }
    let trial_days = if own.had_trial {
        0
    } else {
        desired.trial.days()
    };
    let method = customer.and_then(|c| c.default_payment_method.clone());
    if trial_days == 0 && desired.price.unit_amount != Some(0) && method.is_none() {
        plan.hold = Some(no_payment_method(customer));
        return;
    }
    plan.steps.push(Step::CreateSubscription {
        customer: customer.map(|c| c.id.clone()),
        plan: desired.plan.clone(),
        price: Box::new(desired.price.clone()),
        trial_days,
        declared_trial_days: desired.trial.days(),
        // Another card, or another subscription that ended meanwhile, makes this another request.
        basis: format!(
            "{}/{}",
            own.last_ended.map_or("", |ended| ended.id.as_str()),
            method.unwrap_or_default()
        ),
    });
}

/// Marks an ended subscription as ended by the manifest.
fn acknowledge(ended: Option<&Subscription>) -> Option<Step> {
    let unmarked = ended.filter(|ended| !ended.canceled_by_manifest)?;
    Some(Step::MarkCanceled { subscription: unmarked.id.clone() })
}

fn resubscription_hold(own: &OwnSubscriptions<'_>, customer: Option<&Customer>) -> Option<Hold> {
    if let Some(foreign) = own.live_foreign {
        return Some(Hold::stalled(
            reason::FOREIGN_SUBSCRIPTION,
            format!(
                "the customer has the live subscription {}, which this operator did not make; \
                 subscribing as well would bill twice. Cancel it in Stripe, or hand it over by \
                 giving it this customer's tenantbilling_ metadata",
                foreign.id
            ),
        ));
    }
    // One that went with its deleted customer says nothing about the customer of now.
    let ended = own
        .last_ended
        .filter(|ended| customer.is_some_and(|customer| customer.id == ended.customer))
        .filter(|ended| !ended.canceled_by_manifest)?;
    let again = "to subscribe again set spec.lifecycle to Canceled, wait until that is observed, \
                 then set it to Active";
    Some(if ended.status == SubscriptionStatus::IncompleteExpired {
        Hold::stalled(
            reason::SUBSCRIPTION_EXPIRED,
            format!(
                "the first payment of {} was not completed within 23 hours; have the customer \
                 correct the payment method, and {again}",
                ended.id
            ),
        )
    } else {
        Hold::stalled(
            reason::CANCELED_IN_STRIPE,
            format!(
                "{} was cancelled in Stripe, not by this manifest; {again}",
                ended.id
            ),
        )
    })
}

fn no_payment_method(customer: Option<&Customer>) -> Hold {
    let who = customer.map_or("the customer", |c| c.id.as_str());
    Hold::waiting(
        reason::PAYMENT_METHOD_MISSING,
        format!(
            "{who} has no default payment method and there is no trial; the subscription begins \
             by itself once there is one"
        ),
    )
}

/// One live subscription: bring it in line.
fn converge(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
    recorded: &Recorded,
    now: Timestamp,
) {
    if subscription.key.as_ref() != Some(&desired.key) {
        let have = subscription.key.as_ref().map_or("", |key| &key.tenant);
        plan.steps.push(Step::RestoreIdentity {
            subscription: subscription.id.clone(),
            declared_trial_days: subscription.trial_days.unwrap_or(desired.trial.days()),
            changes: vec![Change::new(
                "subscription.metadata",
                have,
                &desired.key.tenant,
            )],
        });
    }
    match desired.lifecycle {
        Lifecycle::Canceled => return plan.steps.extend(cancel_now(subscription)),
        Lifecycle::CancelAtPeriodEnd => plan.steps.extend(cancel_at_period_end(subscription)),
        Lifecycle::Active => undo_or_report_cancellation(plan, subscription),
    }
    if subscription.status == SubscriptionStatus::Incomplete {
        plan.hold = Some(Hold::waiting(
            reason::AWAITING_PAYMENT,
            format!(
                "the first payment of {} failed or needs the customer's confirmation; Stripe \
                 waits 23 hours for it. Changes are made after it",
                subscription.id
            ),
        ));
        return;
    }
    let changes_before = plan.steps.len();
    swap_price(plan, desired, subscription, recorded);
    move_trial_end(plan, desired, customer, subscription, now);
    if let Some(schedule) = subscription
        .schedule
        .as_ref()
        .filter(|_| plan.steps.len() > changes_before)
    {
        plan.steps.truncate(changes_before);
        plan.hold = Some(Hold::stalled(
            reason::SCHEDULE_ATTACHED,
            format!(
                "the subscription schedule {schedule} governs {}; release it in Stripe, and the \
                 manifest's changes are made",
                subscription.id
            ),
        ));
    }
}

fn undo_or_report_cancellation(plan: &mut Plan, subscription: &Subscription) {
    let ending = subscription.cancel_at_period_end || subscription.cancel_at.is_some();
    if subscription.canceled_by_manifest {
        plan.steps.push(Step::UndoCancellation {
            subscription: subscription.id.clone(),
            changes: vec![Change::new(
                "subscription.cancelAtPeriodEnd",
                &subscription.cancel_at_period_end.to_string(),
                "false",
            )],
        });
    } else if ending {
        plan.reported.push(Difference {
            field: "subscription.cancelAtPeriodEnd".into(),
            desired: "false".into(),
            observed: subscription
                .cancel_at
                .filter(|_| !subscription.cancel_at_period_end)
                .map_or_else(|| "true".to_owned(), |at| format!("cancels at {at}")),
            class: DriftClass::Reported,
        });
    }
}

fn cancel_now(subscription: &Subscription) -> Vec<Step> {
    let id = subscription.id.clone();
    // Marked first: should the operator stop in between, the mark and a live subscription lead
    // here again, while an ended one without a mark would look like the customer's doing.
    let mark = (!subscription.canceled_by_manifest).then(|| Step::MarkCanceled {
        subscription: id.clone(),
    });
    mark.into_iter()
        .chain([Step::CancelNow { subscription: id }])
        .collect()
}

fn cancel_at_period_end(subscription: &Subscription) -> Vec<Step> {
    // Stripe lets nobody update a subscription whose first payment is open; it has no paid period
    // to keep either.
    if subscription.status == SubscriptionStatus::Incomplete {
        return cancel_now(subscription);
    }
    let id = subscription.id.clone();
    match (
        subscription.cancel_at_period_end,
        subscription.canceled_by_manifest,
    ) {
        (true, true) => Vec::new(),
        (true, false) => vec![Step::MarkCanceled { subscription: id }],
        (false, _) => vec![Step::CancelAtPeriodEnd { subscription: id }],
    }
}

fn swap_price(
    plan: &mut Plan,
    desired: &Desired,
    subscription: &Subscription,
    recorded: &Recorded,
) {
    let Some(item) = base_item(desired, subscription, recorded) else {
        plan.hold = Some(Hold::stalled(
            reason::STRIPE_REJECTED,
            format!(
                "{} has no items; add one in Stripe or cancel it there",
                subscription.id
            ),
        ));
        return;
    };
    let target = target_price(desired, subscription, &item.price, recorded);
    let same_price = target.id == item.price.id;
    if same_price && item.quantity.is_none_or(|quantity| quantity == 1) {
        return;
    }
    if desired.price.currency != subscription.currency {
        plan.hold = Some(Hold::stalled(
            reason::CURRENCY_LOCKED,
            format!(
                "{} is in {}, the plan {} in {}; Stripe cannot change the currency of a \
                 subscription. Choose a plan in {1}, or cancel it first",
                subscription.id, subscription.currency, desired.plan, desired.price.currency
            ),
        ));
        return;
    }
    let mut changes = Vec::new();
    if !same_price {
        changes.push(Change::new(
            "subscription.price",
            &label(&item.price),
            &label(&target),
        ));
    }
    if let Some(quantity) = item.quantity.filter(|quantity| *quantity != 1) {
        changes.push(Change::new(
            "subscription.quantity",
            &quantity.to_string(),
            "1",
        ));
    }
    plan.steps.push(Step::SwapPrice {
        subscription: subscription.id.clone(),
        item: item.id.clone(),
        price: target.id,
        changes,
    });
}

/// The item that carries the base fee; others may have been added by hand and are left alone.
fn base_item<'a>(
    desired: &Desired,
    subscription: &'a Subscription,
    recorded: &Recorded,
) -> Option<&'a Item> {
    let items = &subscription.items;
    let find = |wanted: &dyn Fn(&Price) -> bool| items.iter().find(|item| wanted(&item.price));
    find(&|price| price.id == desired.price.id)
        .or_else(|| find(&|price| Some(&price.id) == recorded.price_id.as_ref()))
        .or_else(|| {
            find(&|price| price.plan.is_some() && price.owner.as_ref() == Some(&desired.key.owner))
        })
        .or_else(|| items.first())
}

/// The price the tenant is to have: its plan's, or the older one of the same plan that it already
/// has, since new terms are for new subscribers.
fn target_price(
    desired: &Desired,
    subscription: &Subscription,
    current: &Price,
    recorded: &Recorded,
) -> Price {
    // What is recorded of another subscription, one that ended, says nothing about this one.
    let is_recorded = recorded.subscription_id.as_ref() == Some(&subscription.id);
    let recorded_plan = recorded.plan.as_ref().filter(|_| is_recorded);
    let recorded_price = recorded
        .price_id
        .as_ref()
        .filter(|_| recorded_plan == Some(&desired.plan));
    match recorded_price {
        Some(id) if *id == current.id => current.clone(),
        Some(id) if *id != desired.price.id => Price {
            id: id.clone(),
            plan: Some(desired.plan.clone()),
            ..Price::default()
        },
        Some(_) => desired.price.clone(),
        None => {
            let same_plan = current.plan.as_ref() == Some(&desired.plan)
                && current.owner.as_ref() == Some(&desired.key.owner);
            let keep = same_plan && recorded_plan.is_none();
            if keep {
                current.clone()
            } else {
                desired.price.clone()
            }
        }
    }
}

fn label(price: &Price) -> String {
    let amount = price
        .unit_amount
        .map(|amount| {
            format!(
                " {} {}",
                money::format(amount, &price.currency),
                price.currency
            )
        })
        .unwrap_or_default();
    match &price.plan {
        Some(plan) => format!("{plan} ({}{amount})", price.id),
        None => format!("{}{amount}", price.id),
    }
}

fn move_trial_end(
    plan: &mut Plan,
    desired: &Desired,
    customer: Option<&Customer>,
    subscription: &Subscription,
    now: Timestamp,
) {
    let (Some(current_end), super::desired::TrialTerms::Tenant(days)) =
        (subscription.trial_end, desired.trial)
    else {
        return;
    };
    // What counts is the number in the manifest, not the date: support may have granted an
    // extension in the Dashboard, and that stands until the number is edited.
    let running = subscription.status == SubscriptionStatus::Trialing;
    if !running
        || subscription
            .trial_days
            .is_none_or(|declared| declared == days)
    {
        return;
    }
    let Ok(end) = subscription.start_date.checked_add((days * 24).hours()) else {
        return;
    };
    let ends_now = end <= now;
    let unpayable = desired.price.unit_amount != Some(0)
        && customer.is_none_or(|c| c.default_payment_method.is_none())
        && subscription.default_payment_method.is_none();
    if ends_now && unpayable {
        plan.hold = Some(no_payment_method(customer));
        return;
    }
    plan.steps.push(Step::MoveTrialEnd {
        subscription: subscription.id.clone(),
        end: (!ends_now).then_some(end),
        declared_trial_days: days,
        changes: vec![Change::new(
            "subscription.trialEnd",
            &current_end.to_string(),
            &if ends_now {
                "now".to_owned()
            } else {
                end.to_string()
            },
        )],
    });
}

#[cfg(test)]
mod tests;
