//! What Stripe does by itself: billing, collection, the passing of time.
//!
//! The arithmetic ([`calendar`], [`pricing`], [`proration`]) is pure. Everything else takes the [`State`] and the instant
//! it happens at; nothing here reads a clock. Every change of a subscription, an invoice or a customer goes through one of the
//! `save_…` functions, which emit its update event and set when it is next due.
//!
//! # Known deviations from Stripe
//!
//! * A meter counts an event by its timestamp, at whatever price was in effect then, so that what is reported late for a price
//!   already removed is never billed. Stripe speaks of the price in effect when usage was *reported*.
//! * A draft's usage is counted when it is made and again when it is finalised, not in between.
//! * All items of a subscription share one interval; Stripe's flexible billing mode allows several.
//! * A renewal's draft is finalised an hour after it was made, or hour by hour later, up to 72, while an endpoint does not
//!   acknowledge its `invoice.created`. Webhooks have two seconds of real time for that while a test clock stands still.
//! * A finalisation that failed is tried again a day later, if the invoice advances by itself.
//! * While collection is paused, a change billed at once leaves a draft, or an invoice that is void or written off, like any
//!   other invoice made meanwhile. A draft let go by its own `auto_advance` is collected although collection is paused.
//! * Retries follow a fixed schedule. An invoice for a change is not retried, as its `auto_advance` is off.
//! * Without any payment method the first attempt of a renewal counts (`attempt_count` 1) and its intent has no
//!   `last_payment_error`; Stripe's documents do not say. A failed payment of an invoice that was written off leaves its
//!   subscription as it is. "Invoice is already paid" has no `code`, as none is documented.
//! * A sent invoice that is overdue makes the subscription `past_due`, for good; there is no automation that ends it.
//! * Credits for prorations are shares of what was charged for the period and not credited since, one line for an item. Charges on
//!   void invoices count for nothing.
//! * Setting `cancel_at` within the current period credits nothing; a renewal before it is charged in part only.
//! * No minimum charge amount, discounts, thresholds, or invoice items of the caller's own.
//! * Taxes are one rate everywhere (a setting), on top of prices whose `tax_behavior` is unspecified. A draft's tax is calculated
//!   again when it is finalised. Credits are taxed by the rate of today, not by that of what they credit.
//! * Schedules: an item of a new phase keeps its id if its price stays, and is new otherwise. A phase that begins within a period
//!   and bills at once leaves its invoice a draft for an hour, as does a schedule that makes its own subscription.
//! * A direct change of a managed subscription's items divides the schedule's current phase in two at that instant. A phase sets all
//!   it says and all that `default_settings` says, whatever was changed directly in between.
//! * A schedule whose last phase is over is `completed`, also when it lets its subscription go; `released_at` and
//!   `released_subscription` are set then, too. With `end_behavior=cancel` the subscription's `cancel_at` is the schedule's end.
//! * The current phase of a trial, written without its `trial_end`, leaves the trial as it is.
//! * Schedules do not start in the past, have no pauses, no invoice items, and no trials but in the phase that begins the subscription.
//! * Three-decimal currencies are rounded to one minor unit, where card networks want tens.
//! * Each tier of a graduated price is a line, rounded by itself, and so is a tier's flat amount.
//! * A first sent invoice is a draft for an hour, as Stripe documents it; that of a trial is paid at once.
//! * No `pending_setup_intent` is made; a cancelled first invoice's subscription is `canceled`, not `incomplete_expired`.
//! * A change held by `pending_if_incomplete` takes the pending prorations onto its invoice even if that expires.
//! * Previews show a change's own invoice or else the next one by itself; schedules that do not exist yet have none.
//! * The wording of descriptions is like Stripe's, not Stripe's.
//! * An advancing test clock does all its work on the next request, which still sees it advancing; the one after sees it ready.

pub mod balance;
pub mod calendar;
pub mod cancel;
pub mod change;
pub mod checkout;
pub mod clocks;
pub mod currency;
pub mod debits;
pub mod disputes;
pub mod drafts;
pub mod due;
pub mod dunning;
pub mod invoices;
pub mod lifecycle;
pub mod lines;
pub mod metering;
pub mod payments;
pub mod portal;
pub mod pricing;
pub mod proration;
pub mod renewals;
pub mod resumption;
pub mod schedule_starts;
pub mod schedules;
pub mod setups;
pub mod subscriptions;
pub mod tax;
pub mod usage;
pub mod wording;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::charge::Charge;
use crate::model::dispute::{Dispute, FraudWarning};
use crate::model::invoice::{Invoice, InvoicePayment, Line};
use crate::model::payment_intent::PaymentIntent;
use crate::model::schedule::{Schedule, Status as ScheduleStatus};
use crate::model::subscription::Subscription;
use crate::model::test_clock::TestClock;
use crate::model::{BalanceTransaction, Customer};
use crate::state::{Actor, State};
use crate::table::Table;
use crate::wire::StripeError;
use due::DueQueue;
use metering::Metering;

/// Subscriptions, invoices, payments, test clocks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Billing {
    /// Subscriptions, ended ones too.
    pub subscriptions: Table<Subscription>,
    /// Subscription schedules, those at their end too.
    #[serde(default)]
    pub schedules: Table<Schedule>,
    /// Invoices.
    pub invoices: Table<Invoice>,
    /// Payments towards invoices.
    pub invoice_payments: Table<InvoicePayment>,
    /// Payment intents.
    pub payment_intents: Table<PaymentIntent>,
    /// Charges.
    pub charges: Table<Charge>,
    /// Disputes of charges, closed ones too.
    #[serde(default)]
    pub disputes: Table<Dispute>,
    /// Card issuers' warnings of fraud.
    #[serde(default)]
    pub fraud_warnings: Table<FraudWarning>,
    /// Test clocks.
    pub test_clocks: Table<TestClock>,
    /// Meters and their events.
    #[serde(default)]
    pub metering: Metering,
    /// Changes of customers' balances.
    #[serde(default)]
    pub balance_transactions: Table<BalanceTransaction>,
    /// Prorations of ended subscriptions, by customer, for the customer's next invoice.
    pub pending_lines: HashMap<String, Vec<Line>>,
    by_invoice: HashMap<String, Vec<String>>,
    due: DueQueue,
}

impl Billing {
    /// The frozen time of a test clock; `None` if there is no such clock.
    pub fn frozen_time(&self, clock: &str) -> Option<i64> {
        self.test_clocks.get(clock).map(|clock| clock.frozen_time)
    }

    /// Records a payment towards an invoice.
    pub fn insert_payment(&mut self, payment: InvoicePayment) {
        self.by_invoice
            .entry(payment.invoice.clone())
            .or_default()
            .push(payment.id.clone());
        self.invoice_payments.insert(payment.id.clone(), payment);
    }

    /// The payments towards an invoice, oldest first.
    pub fn payments_of(&self, invoice: &str) -> impl DoubleEndedIterator<Item = &InvoicePayment> {
        let ids = self
            .by_invoice
            .get(invoice)
            .map(Vec::as_slice)
            .unwrap_or_default();
        ids.iter().filter_map(|id| self.invoice_payments.get(id))
    }

    /// Objects by resource name, for the control plane.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("billing_meters", self.metering.meters.len()),
            ("charges", self.charges.len()),
            (
                "customer_balance_transactions",
                self.balance_transactions.len(),
            ),
            ("disputes", self.disputes.len()),
            ("early_fraud_warnings", self.fraud_warnings.len()),
            ("invoice_payments", self.invoice_payments.len()),
            ("invoices", self.invoices.len()),
            ("meter_events", self.metering.len()),
            ("meter_events_dropped", self.metering.dropped),
            ("payment_intents", self.payment_intents.len()),
            ("subscription_schedules", self.schedules.len()),
            ("subscriptions", self.subscriptions.len()),
            ("test_clocks", self.test_clocks.len()),
        ]
    }
}

/// Does everything due by now: by the wall clock, and on test clocks that are advancing. Runs before every request.
pub fn process_due(state: &mut State) {
    // Nobody's request causes what Stripe does by itself.
    let actor = std::mem::take(&mut state.actor);
    let now = state.wall_clock();
    run_due(state, now);
    state.actor = actor;
}

/// Does everything due by `now` for objects on no test clock, and finishes advancing test clocks.
pub fn run_due(state: &mut State, now: i64) {
    clocks::advance_all(state);
    // What waits for webhooks is due again at the next request.
    let _ = clocks::run(state, None, now);
}

/// Does everything due by the wall clock although nobody asks for anything. Test clocks move with requests only.
pub fn process_wall_clock(state: &mut State) {
    state.actor = Actor::default();
    let now = state.wall_clock();
    // What waits for webhooks is due again at the next tick.
    let _ = clocks::run(state, None, now);
}

/// When a subscription next changes by itself, or its schedule changes it.
pub fn next_due(state: &State, subscription: &Subscription) -> Option<i64> {
    let own = due::subscription_due(subscription);
    let scheduled = schedules::due(state, subscription);
    [own, scheduled].into_iter().flatten().min()
}

/// Stores a subscription, without an event.
pub fn replace_subscription(state: &mut State, subscription: Subscription) {
    let at = next_due(state, &subscription);
    state
        .billing
        .due
        .set(subscription.test_clock.as_deref(), &subscription.id, at);
    state
        .billing
        .subscriptions
        .insert(subscription.id.clone(), subscription);
}

/// Stores a subscription, with an event if it existed and shows a difference.
pub fn save_subscription(state: &mut State, subscription: Subscription) {
    let before = state
        .billing
        .subscriptions
        .get(&subscription.id)
        .map(|old| old.render(state));
    let after = subscription.render(state);
    replace_subscription(state, subscription);
    if let Some(before) = before {
        state.emit_update("customer.subscription.updated", &before, after);
    }
}

/// Stores an invoice, with an event if it existed and shows a difference.
pub fn save_invoice(state: &mut State, invoice: Invoice) {
    let before = state
        .billing
        .invoices
        .get(&invoice.id)
        .map(|old| old.render(state));
    let after = invoice.render(state);
    state.billing.due.set(
        invoice.test_clock.as_deref(),
        &invoice.id,
        due::invoice_due(&invoice),
    );
    state.billing.invoices.insert(invoice.id.clone(), invoice);
    if let Some(before) = before {
        state.emit_update("invoice.updated", &before, after);
    }
}

/// Stores a schedule, with an event if it existed and shows a difference.
pub fn save_schedule(state: &mut State, schedule: Schedule) {
    let before = state
        .billing
        .schedules
        .get(&schedule.id)
        .map(|old| old.render(state));
    let after = schedule.render(state);
    replace_schedule(state, schedule);
    if let Some(before) = before {
        state.emit_update("subscription_schedule.updated", &before, after);
    }
}

/// Stores a schedule, without an event. What it does to its subscription is done when that is due.
pub fn replace_schedule(state: &mut State, schedule: Schedule) {
    let start = schedule.phases.first().map(|phase| phase.span.start);
    let start = start.filter(|_| schedule.status == ScheduleStatus::NotStarted);
    let clock = schedule.test_clock.clone();
    state.billing.due.set(clock.as_deref(), &schedule.id, start);
    let managed = schedule.subscription.clone();
    state
        .billing
        .schedules
        .insert(schedule.id.clone(), schedule);
    let managed = managed.and_then(|id| state.billing.subscriptions.get(&id).cloned());
    if let Some(subscription) = managed {
        replace_subscription(state, subscription);
    }
}

/// Stores a customer, with an event if they show a difference.
pub fn save_customer(state: &mut State, customer: Customer) {
    let before = state.customers.get(&customer.id).map(Customer::render);
    let after = customer.render();
    state.customers.insert(customer.id.clone(), customer);
    if let Some(before) = before {
        state.emit_update("customer.updated", &before, after);
    }
}

/// Cancels what a customer has, on its deletion.
pub fn customer_deleted(state: &mut State, customer: &str) {
    for subscription in live_subscriptions(state, customer) {
        let now = state.now(subscription.test_clock.as_deref());
        cancel::now(state, subscription, cancel::Farewell::default(), now);
    }
    schedules::customer_deleted(state, customer);
}

/// Forgets a payment method where subscriptions and invoices default to it, on its detachment.
pub fn payment_method_detached(state: &mut State, payment_method: &str) {
    let own = |default: &Option<String>| default.as_deref() == Some(payment_method);
    let subscriptions = state.billing.subscriptions.iter();
    let subscriptions: Vec<_> = subscriptions
        .filter(|subscription| own(&subscription.default_payment_method))
        .cloned()
        .collect();
    for mut subscription in subscriptions {
        subscription.default_payment_method = None;
        save_subscription(state, subscription);
    }
    let invoices = state.billing.invoices.iter();
    let invoices: Vec<_> = invoices
        .filter(|invoice| own(&invoice.default_payment_method))
        .cloned()
        .collect();
    for mut invoice in invoices {
        invoice.default_payment_method = None;
        save_invoice(state, invoice);
    }
}

/// Refuses what needs a customer who has been deleted.
pub fn require_live(state: &State, customer: &str) -> Result<(), StripeError> {
    let found = state.customers.get(customer);
    match found.filter(|customer| !customer.deleted) {
        Some(_) => Ok(()),
        None => Err(StripeError::no_such("customer", customer, "customer")),
    }
}

/// A customer's subscriptions that are not over.
pub fn live_subscriptions(state: &State, customer: &str) -> Vec<Subscription> {
    let subscriptions = state.billing.subscriptions.iter();
    let live = subscriptions.filter(|subscription| !subscription.status.is_final());
    live.filter(|subscription| subscription.customer == customer)
        .cloned()
        .collect()
}
