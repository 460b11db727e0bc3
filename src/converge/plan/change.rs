//! Changes of what a running subscription sells: at once with a price tag known before, or at the
//! end of its period by a schedule.

use super::aim::{self, Aim, fee, is_downgrade};
use super::schedule::{self, own};
use super::{Ask, ChangeUnderWay, Hold, Plan, Recorded, Situation, Turn, guards};
use crate::api::{Charged, Existing, Lifecycle, PlanChangeState, Proration, reason};
use crate::converge::desired::{Desired, digest};
use crate::converge::money;
use crate::converge::observed::{Subscription, SubscriptionStatus};
use crate::converge::quote::{Footing, Quote, QuoteRequest, footing};
use crate::converge::steps::{Cause, Change, ItemChange, Step};
use crate::converge::terms::{Items, Terms};

/// Has the subscription sell what it should.
pub(super) fn converge(
    plan: &mut Plan,
    desired: &Desired,
    subscription: &Subscription,
    recorded: &Recorded,
    situation: &Situation,
) {
    let agreed: Vec<String> = recorded
        .terms
        .iter()
        .flat_map(|terms| terms.usage.iter().chain([&terms.base]))
        .cloned()
        .collect();
    let items = Items::of(subscription, desired, &agreed);
    let mut aim = aim::decide(desired, subscription, &items, recorded, situation);
    if desired.lifecycle != Lifecycle::Active {
        // The period it would wait for is the last one.
        aim.later = None;
        aim.queued = None;
    }
    let run = Run {
        desired,
        subscription,
        items: &items,
        situation,
    };
    run.queue(plan, &aim);
    if plan.ask.is_some() || plan.hold.is_some() {
        return;
    }
    let changes = items.changes_to(&aim.now);
    if !changes.is_empty() {
        run.change_now(plan, &aim, changes);
        return;
    }
    plan.agreed = Some(aim.now.clone());
    match &aim.later {
        Some(later) => run.change_later(plan, &aim.now, later),
        // A schedule that has done its work, or whose change was withdrawn.
        None => plan.steps.extend(
            own(&desired.key, subscription)
                .map(|schedule| schedule::release(subscription, schedule)),
        ),
    }
}

struct Run<'a> {
    desired: &'a Desired,
    subscription: &'a Subscription,
    items: &'a Items<'a>,
    situation: &'a Situation,
}

impl Run<'_> {
    /// Asks for the tenant's turn in a rollout, or shows that it waits.
    fn queue(&self, plan: &mut Plan, aim: &Aim) {
        let Some(offer) = &aim.queued else { return };
        // What could not be done anyway needs no turn.
        let hold =
            guards::change(self.desired, self.subscription, self.items, offer).or_else(|| {
                let charges = self.desired.rollout.existing == Existing::Now;
                guards::unpaid(self.subscription).filter(|_| charges)
            });
        if hold.is_some() {
            plan.hold = hold;
            plan.change = Some(self.under_way(aim, offer, PlanChangeState::Held));
            return;
        }
        let effective_at = match self.situation.turn {
            Turn::Later(at) => at,
            Turn::Unasked | Turn::Granted => {
                plan.ask = Some(Ask::Turn);
                None
            }
        };
        plan.change = Some(ChangeUnderWay {
            effective_at,
            ..self.under_way(aim, offer, PlanChangeState::Queued)
        });
    }

    fn under_way(&self, aim: &Aim, to: &Terms, state: PlanChangeState) -> ChangeUnderWay {
        ChangeUnderWay {
            from: self.items.terms().unwrap_or_else(|| aim.agreed.clone()),
            to: to.clone(),
            state,
            effective_at: None,
            schedule: None,
            quote: None,
        }
    }

    fn change_now(&self, plan: &mut Plan, aim: &Aim, changes: Vec<ItemChange>) {
        let to = &aim.now;
        let sold = self.items.terms();
        let mut under_way = self.under_way(aim, to, PlanChangeState::Held);
        if let Some(hold) = guards::change(self.desired, self.subscription, self.items, to) {
            plan.change = Some(under_way);
            plan.hold = Some(hold);
            return;
        }
        // What was scheduled is not wanted any more, however long this change has to wait; and a
        // preview must not show it.
        if let Some(schedule) = own(&self.desired.key, self.subscription) {
            plan.steps
                .push(schedule::release(self.subscription, schedule));
            return;
        }
        let adds = sold.as_ref().is_none_or(|sold| !is_downgrade(sold, to));
        if let Some(hold) = guards::unpaid(self.subscription).filter(|_| adds) {
            plan.change = Some(under_way);
            plan.hold = Some(hold);
            return;
        }
        let mut proration_date = None;
        if let Some(request) = self.quote_needed(sold.as_ref(), to, &changes) {
            match self.footing(&request) {
                Footing::Allowed(quote) => {
                    proration_date = Some(quote.proration_date)
                        .filter(|_| self.desired.change.proration != Proration::None);
                    under_way.quote = Some(quote);
                }
                Footing::Ask(from) => {
                    plan.ask = Some(Ask::Quote(QuoteRequest {
                        proration_date: from,
                        ..request
                    }));
                    return;
                }
                Footing::Held(quote) => {
                    plan.hold = Some(too_much(&quote, self.desired, to));
                    under_way.quote = Some(quote);
                    plan.change = Some(under_way);
                    return;
                }
            }
        }
        under_way.state = PlanChangeState::Applying;
        plan.change = Some(under_way);
        plan.steps.push(Step::ChangeItems {
            subscription: self.subscription.id.clone(),
            items: changes,
            proration: self.proration(),
            proration_date,
            cause: if to.same(&aim.agreed) {
                Cause::Restored
            } else {
                Cause::Wanted
            },
            changes: described(sold.as_ref(), to),
        });
    }

    fn footing(&self, request: &QuoteRequest) -> Footing {
        footing(
            &request.fingerprint,
            self.situation.quote.as_ref(),
            self.situation.approved.as_deref(),
            self.desired.change.max_charge,
            self.situation.now,
        )
    }

    /// Nothing is charged or credited during a trial.
    fn proration(&self) -> Proration {
        if self.subscription.status == SubscriptionStatus::Trialing {
            Proration::None
        } else {
            self.desired.change.proration
        }
    }

    /// The quote that the change needs; none when it can charge nothing by itself.
    fn quote_needed(
        &self,
        sold: Option<&Terms>,
        to: &Terms,
        changes: &[ItemChange],
    ) -> Option<QuoteRequest> {
        if self.subscription.status == SubscriptionStatus::Trialing {
            return None;
        }
        let base_stays =
            sold.is_some_and(|sold| sold.base.id == to.base.id && sold.quantity == to.quantity);
        let begins_anew = sold.is_none_or(|sold| {
            // With a meter it was never free.
            let was_free = fee(sold) == Some(0) && sold.usage.is_empty();
            let leaves_free = was_free && fee(to) != Some(0);
            sold.base.interval != to.base.interval || leaves_free
        });
        let proration = self.desired.change.proration;
        // Metered prices are not prorated.
        if base_stays || (proration == Proration::None && !begins_anew) {
            return None;
        }
        let charged = if begins_anew || proration == Proration::InvoiceNow {
            Charged::Now
        } else {
            Charged::NextInvoice
        };
        let sold_digest = sold.map(Terms::digest).unwrap_or_default();
        let period = schedule::period_end(self.items).map(|end| end.as_second().to_string());
        Some(QuoteRequest {
            subscription: self.subscription.id.clone(),
            items: changes.to_vec(),
            proration,
            proration_date: self.situation.now,
            charged,
            currency: self.subscription.currency.clone(),
            fingerprint: digest(&[
                &self.subscription.id,
                &sold_digest,
                &to.digest(),
                &format!("{proration:?}"),
                &period.unwrap_or_default(),
            ]),
        })
    }

    fn change_later(&self, plan: &mut Plan, now: &Terms, later: &Terms) {
        let subscription = self.subscription;
        let hold = guards::change(self.desired, subscription, self.items, later)
            .or_else(|| guards::discounted(subscription));
        if hold.is_some() {
            plan.hold = hold;
            return;
        }
        let effective_at = schedule::period_end(self.items);
        let change = ChangeUnderWay {
            from: now.clone(),
            to: later.clone(),
            state: PlanChangeState::Scheduled,
            effective_at,
            schedule: own(&self.desired.key, subscription).map(|schedule| schedule.id.clone()),
            quote: None,
        };
        if subscription.is_ending() {
            plan.change = Some(ChangeUnderWay {
                state: PlanChangeState::Held,
                effective_at: None,
                ..change
            });
            plan.hold = Some(Hold::waiting(
                reason::PLAN_CHANGE_HELD,
                format!(
                    "{} is going to end, so there is no next period to change to {} in; the change \
                     is scheduled once the cancellation is taken back",
                    subscription.id,
                    later.label()
                ),
            ));
            return;
        }
        plan.change = Some(change);
        plan.steps.extend(schedule::step_towards(
            self.desired,
            subscription,
            self.items,
            now,
            later,
            self.situation.now,
        ));
    }
}

/// Prices and quantity, before and after, for people.
fn described(sold: Option<&Terms>, to: &Terms) -> Vec<Change> {
    let mut changes = Vec::new();
    let price = |terms: &Terms| {
        let ids: Vec<&str> = std::iter::once(&terms.base)
            .chain(&terms.usage)
            .map(|price| price.id.as_str())
            .collect();
        format!("{} ({})", terms.with_quantity(1).label(), ids.join(", "))
    };
    if sold.is_none_or(|sold| !sold.same_prices(to)) {
        let before = sold.map(price).unwrap_or_default();
        changes.push(Change::new("subscription.price", &before, &price(to)));
    }
    if let Some(sold) = sold.filter(|sold| sold.quantity != to.quantity) {
        changes.push(Change::new(
            "subscription.quantity",
            &sold.quantity.to_string(),
            &to.quantity.to_string(),
        ));
    }
    changes
}

fn too_much(quote: &Quote, desired: &Desired, to: &Terms) -> Hold {
    let amount = |minor: i64| {
        format!(
            "{} {}",
            money::format(minor, &quote.currency),
            quote.currency
        )
    };
    let when = match quote.charged {
        Charged::Now => "at once",
        Charged::NextInvoice => "with the next invoice",
    };
    Hold::stalled(
        reason::PLAN_CHANGE_HELD,
        format!(
            "changing to {} charges {} {when}, more than spec.planChange.maxCharge ({}); to allow it, \
             set the annotation tenantbilling.io/approve-change to {}",
            to.label(),
            amount(quote.amount),
            amount(desired.change.max_charge.unwrap_or_default()),
            quote.name()
        ),
    )
}
