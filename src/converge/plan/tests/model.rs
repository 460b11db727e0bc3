//! Stripe, as far as the planner's steps change it.

use super::*;
use crate::converge::steps::{FirstPayment, TrialStart};

/// What Stripe would hold after a step, by Stripe's rules.
#[expect(clippy::too_many_lines, reason = "one arm a step")]
pub(super) fn apply(observed: &mut Observed, step: &Step, desired: &Desired, now: Timestamp) {
    match step {
        Step::PayInvoice { invoice, .. } => {
            observed.invoices.retain(|open| open.id != *invoice);
        }
        Step::CreateCustomer {
            details,
            test_clock,
        } => observed.customers.push(Customer {
            id: "cus_new".into(),
            key: Some(desired.key.clone()),
            name: Some(details.name.clone()),
            email: Some(details.email.clone()),
            phone: details.phone.clone(),
            address: details.address.clone(),
            test_clock: test_clock.clone(),
            tax_location: Some(TaxLocation::Known),
            ..Customer::default()
        }),
        Step::UpdateCustomer { update, .. } => {
            let customer = &mut observed.customers[0];
            customer.name = update.name.clone().or(customer.name.take());
            customer.email = update.email.clone().or(customer.email.take());
            customer.phone = update.phone.clone().or(customer.phone.take());
            customer.address = update.address.clone().or(customer.address.take());
            if update.restore_identity {
                customer.key = Some(desired.key.clone());
            }
        }
        Step::CreateSubscription { new, .. } => {
            let trial_end = new.trial.map(|trial| match trial {
                TrialStart::Days(days) => now + (days * 24).hours(),
                TrialStart::Until(end) => end,
            });
            assert!(trial_end.is_none_or(|end| end > now), "a trial in the past");
            let status = match (trial_end, new.first_payment, new.collection) {
                (Some(_), ..) => SubscriptionStatus::Trialing,
                (None, FirstPayment::ByCustomer, CollectionMethod::Automatic) => {
                    SubscriptionStatus::Incomplete
                }
                _ => SubscriptionStatus::Active,
            };
            let mut made = subscription("sub_new", status);
            made.customer.clone_from(&observed.customers[0].id);
            made.start_date = now;
            made.created = now;
            made.trial_start = trial_end.map(|_| now);
            made.trial_end = trial_end;
            made.declared_trial = Some(new.declared_trial);
            made.if_no_payment_method = Some(new.if_no_payment_method);
            made.collection = new.collection;
            made.items[0].price = new.offer.base.clone();
            made.items[0].quantity = Some(new.quantity);
            let usage = new.offer.usage.iter().map(metered_item);
            made.items.extend(usage);
            made.currency.clone_from(&new.offer.base.currency);
            made.automatic_tax = new.automatic_tax;
            observed.subscriptions.push(made);
        }
        Step::ChangeItems {
            subscription,
            items,
            ..
        } => change_items(observed, subscription, items, desired),
        Step::CreateSchedule { subscription, .. } => {
            let subscription = find(observed, subscription);
            assert_eq!(subscription.schedule, None, "a second schedule");
            let running = Phase {
                start: subscription.items[0].period_start,
                end: subscription.items[0].period_end,
                items: sold(subscription),
            };
            subscription.schedule = Some(Schedule {
                id: "sub_sched_new".into(),
                key: None,
                phases: vec![running],
            });
        }
        Step::ScheduleChange {
            subscription,
            current,
            next,
            ..
        } => {
            let subscription = find(observed, subscription);
            let running = |mut items: Vec<PhaseItem>| {
                items.sort_by(|a, b| a.price.cmp(&b.price));
                items
            };
            assert_eq!(
                running(current.items.clone()),
                running(sold(subscription)),
                "the running phase is changed"
            );
            let later = Phase {
                start: current.end,
                end: current.end + (30 * 24).hours(),
                items: next.clone(),
            };
            let schedule = subscription.schedule.as_mut().unwrap();
            schedule.key = Some(desired.key.clone());
            schedule.phases = vec![current.clone(), later];
        }
        Step::ReleaseSchedule { subscription, .. } => {
            find(observed, subscription).schedule = None;
        }
        Step::SetAutomaticTax {
            subscription,
            enabled,
            ..
        } => find(observed, subscription).automatic_tax = *enabled,
        Step::MoveTrialEnd {
            subscription,
            end,
            declared,
            ..
        } => {
            let subscription = find(observed, subscription);
            subscription.trial_end = Some(end.unwrap_or(now));
            subscription.declared_trial = Some(*declared);
            if end.is_none() {
                subscription.status = SubscriptionStatus::Active;
            }
        }
        Step::SetTrialEnding {
            subscription,
            behavior,
            ..
        } => find(observed, subscription).if_no_payment_method = Some(*behavior),
        Step::RemindOfTrialEnd {
            subscription, end, ..
        } => {
            let subscription = find(observed, subscription);
            assert_ne!(subscription.reminded_of, Some(*end), "reminded twice");
            subscription.reminded_of = Some(*end);
        }
        Step::SetCollection {
            subscription,
            collection,
            ..
        } => find(observed, subscription).collection = *collection,
        Step::SetDefaultPaymentMethod { payment_method, .. } => {
            observed.customers[0].default_payment_method = Some(payment_method.clone());
        }
        Step::CreateSetupSession { .. } => {}
        Step::Resume { subscription, .. } => {
            let subscription = find(observed, subscription);
            assert_eq!(subscription.status, SubscriptionStatus::Paused);
            subscription.status = SubscriptionStatus::Active;
        }
        Step::Collection(step) => collect(observed, step),
        Step::CancelAtPeriodEnd { subscription } => {
            let subscription = find(observed, subscription);
            assert_eq!(
                subscription.schedule, None,
                "Stripe refuses this while there is a schedule"
            );
            subscription.cancel_at_period_end = true;
            subscription.canceled_by_manifest = true;
        }
        Step::UndoCancellation { subscription, .. } => {
            let subscription = find(observed, subscription);
            subscription.cancel_at_period_end = false;
            subscription.cancel_at = None;
            subscription.canceled_by_manifest = false;
        }
        Step::MarkCanceled { subscription } => {
            find(observed, subscription).canceled_by_manifest = true;
        }
        Step::CancelNow { subscription } => {
            find(observed, subscription).status = SubscriptionStatus::Canceled;
        }
        Step::RestoreIdentity {
            subscription,
            declared_trial,
            ..
        } => {
            let subscription = find(observed, subscription);
            subscription.key = Some(desired.key.clone());
            subscription.declared_trial = Some(*declared_trial);
        }
    }
}

fn collect(observed: &mut Observed, step: &CollectionStep) {
    match step {
        CollectionStep::Hold {
            subscription, mark, ..
        } => {
            let subscription = find(observed, subscription);
            assert_ne!(
                subscription.status,
                SubscriptionStatus::Incomplete,
                "Stripe refuses to change it"
            );
            subscription.collection_paused = Some(CollectionPause {
                behavior: "keep_as_draft".into(),
                resumes_at: None,
            });
            subscription.held = Some(mark.clone());
        }
        CollectionStep::Resume { subscription, .. } => {
            find(observed, subscription).collection_paused = None;
        }
        CollectionStep::HoldInvoice { invoice, mark } => {
            let mut invoices = observed.invoices.iter_mut();
            let invoice = invoices.find(|known| known.id == *invoice).unwrap();
            invoice.auto_advance = false;
            invoice.held = Some(mark.clone());
        }
        CollectionStep::ReleaseInvoice { invoice, .. } => {
            let mut invoices = observed.invoices.iter_mut();
            let invoice = invoices.find(|known| known.id == *invoice).unwrap();
            invoice.auto_advance = true;
            invoice.held = None;
        }
        CollectionStep::Unmark { subscription, .. } => {
            find(observed, subscription).held = None;
        }
    }
}

fn change_items(observed: &mut Observed, id: &str, changes: &[ItemChange], desired: &Desired) {
    let subscription = find(observed, id);
    assert_eq!(subscription.schedule, None, "the schedule would undo it");
    for change in changes {
        match change {
            ItemChange::Update {
                item,
                price,
                quantity,
            } => {
                let price = price_of(subscription, price, desired);
                let item = subscription
                    .items
                    .iter_mut()
                    .find(|i| i.id == *item)
                    .unwrap();
                assert_eq!(item.price.metered, price.metered);
                item.price = price;
                item.quantity = *quantity;
            }
            ItemChange::Add { price, quantity } => {
                let price = price_of(subscription, price, desired);
                assert_eq!(quantity.is_none(), price.metered);
                let mut item = metered_item(&price);
                item.quantity = *quantity;
                subscription.items.push(item);
            }
            ItemChange::Remove { item } => subscription.items.retain(|i| i.id != *item),
        }
    }
    let mut prices: Vec<&str> = subscription
        .items
        .iter()
        .map(|i| i.price.id.as_str())
        .collect();
    prices.sort_unstable();
    let all = prices.len();
    prices.dedup();
    assert_eq!(prices.len(), all, "Stripe refuses a price twice");
}

fn price_of(subscription: &Subscription, id: &str, desired: &Desired) -> Price {
    let offered = std::iter::once(&desired.offer.base).chain(&desired.offer.usage);
    offered
        .chain(subscription.items.iter().map(|item| &item.price))
        .find(|price| price.id == id)
        .cloned()
        .unwrap_or_else(|| Price {
            id: id.to_owned(),
            metered: id.starts_with("price_usage"),
            ..price("pro", 9900)
        })
}

fn sold(subscription: &Subscription) -> Vec<PhaseItem> {
    let items = subscription.items.iter().map(|item| PhaseItem {
        price: item.price.id.clone(),
        quantity: item.quantity,
    });
    items.collect()
}

pub(super) fn metered_item(price: &Price) -> Item {
    Item {
        id: format!("si_{}", price.id),
        price: price.clone(),
        quantity: None,
        discounted: false,
        period_start: now() - (5 * 24).hours(),
        period_end: now() + (25 * 24).hours(),
    }
}

fn find<'a>(observed: &'a mut Observed, id: &str) -> &'a mut Subscription {
    observed
        .subscriptions
        .iter_mut()
        .find(|s| s.id == id)
        .expect("an unknown subscription")
}
