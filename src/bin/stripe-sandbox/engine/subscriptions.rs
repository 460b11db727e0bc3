//! The beginning of a subscription, and its resumption.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calendar::Period;
use super::drafts::{self, Finalizer};
use super::invoices::{self, Draft};
use super::payments::{self, Outcome};
use super::{currency, dunning, lifecycle, lines, replace_subscription, usage};
use crate::model::Metadata;
use crate::model::invoice::{BillingReason, Invoice, Line};
use crate::model::subscription::{
    AutomaticTax, CancellationDetails, CollectionMethod, Item, MissingPaymentMethod, Status,
    Subscription,
};
use crate::state::State;
use crate::wire::StripeError;

/// What follows when a first payment, or that for a change, does not succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)] // Stripe's words.
pub enum PaymentBehavior {
    /// The subscription is incomplete, or past due after a change.
    #[default]
    AllowIncomplete,
    /// The same, and nothing is attempted: the caller confirms the payment.
    DefaultIncomplete,
    /// The request fails and changes nothing.
    ErrorIfIncomplete,
    /// The change waits for the payment.
    PendingIfIncomplete,
}

/// What becomes of the difference when something changes within a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProrationBehavior {
    /// It goes on the next invoice.
    #[default]
    CreateProrations,
    /// It is billed at once.
    AlwaysInvoice,
    /// Nobody pays it.
    None,
}

/// When a subscription is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Never, by itself.
    Open,
    /// With the current period.
    WithPeriod,
    /// At an instant.
    At(i64),
}

/// A subscription to be made; its parameters have been checked one by one.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Who subscribes.
    pub customer: String,
    /// To what; the periods are set here.
    pub items: Vec<Item>,
    /// Currency of the items.
    pub currency: String,
    /// End of the trial, if there is one.
    pub trial_end: Option<i64>,
    /// What the trial's end does without a payment method.
    pub missing_payment_method: MissingPaymentMethod,
    /// The instant to align periods to, if not the beginning.
    pub billing_cycle_anchor: Option<i64>,
    /// Whether time before the anchor is charged.
    pub proration: ProrationBehavior,
    /// How invoices are collected.
    pub collection_method: CollectionMethod,
    /// Days a sent invoice gives.
    pub days_until_due: Option<u32>,
    /// What follows a failed first payment.
    pub payment_behavior: PaymentBehavior,
    /// Payment method to charge.
    pub default_payment_method: Option<String>,
    /// Shown to the customer.
    pub description: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// `payment_settings`, as rendered.
    pub payment_settings: Value,
    /// When it is to end.
    pub end: End,
    /// The schedule that makes it.
    pub schedule: Option<String>,
    /// Whether tax is calculated.
    pub automatic_tax: AutomaticTax,
}

/// Makes a subscription with its first invoice, and collects that. Returns its id.
pub fn create(state: &mut State, new: NewSubscription, now: i64) -> Result<String, StripeError> {
    let behavior = new.payment_behavior;
    let (mut subscription, invoice) = plan(state, new, now)?;
    let owed = invoice.amount_due() > 0;
    let charged = subscription.collection_method == CollectionMethod::ChargeAutomatically;
    if owed && charged {
        may_begin(state, &subscription, behavior)?;
        if subscription.status != Status::Trialing {
            subscription.status = Status::Incomplete;
        }
    }
    let id = subscription.id.clone();
    let begins_unbilled = is_unbilled(state, &subscription, &invoice);
    store(state, subscription);
    if !begins_unbilled {
        bill_first(state, invoice, behavior, now);
    }
    lifecycle::remind_if_near(state, &id, now);
    Ok(id)
}

/// Makes a subscription as its schedule does: nobody waits for the answer, so its first invoice is collected like a
/// renewal's, after an hour as a draft. Returns its id.
pub fn create_by_itself(
    state: &mut State,
    new: NewSubscription,
    now: i64,
) -> Result<String, StripeError> {
    let (subscription, invoice) = plan(state, new, now)?;
    let id = subscription.id.clone();
    let begins_unbilled = is_unbilled(state, &subscription, &invoice);
    store(state, subscription);
    if !begins_unbilled {
        let owed = invoice.amount_due() > 0;
        let invoice = invoices::create(state, invoice);
        if owed {
            drafts::schedule(state, &invoice, now);
        } else {
            drafts::finalize(state, &invoice, Finalizer::Stripe, now);
        }
    }
    lifecycle::remind_if_near(state, &id, now);
    Ok(id)
}

/// Works out a subscription with its first invoice, without making either.
pub fn plan(
    state: &State,
    new: NewSubscription,
    now: i64,
) -> Result<(Subscription, Invoice), StripeError> {
    currency::require(state, &new.customer, &new.currency)?;
    let (subscription, lines) = begin(state, new, now)?;
    let draft = Draft {
        reason: BillingReason::SubscriptionCreate,
        lines,
        period: Period {
            start: now,
            end: now,
        },
        proration_date: None,
    };
    let invoice = invoices::compose(state, &subscription, draft, now);
    Ok((subscription, invoice))
}

/// Metered items cost nothing yet; where there is nothing else there is no invoice either.
fn is_unbilled(state: &State, subscription: &Subscription, invoice: &Invoice) -> bool {
    invoice.lines.is_empty() && usage::any(state, &subscription.items)
}

fn store(state: &mut State, subscription: Subscription) {
    currency::settle(state, &subscription.customer, &subscription.currency);
    let rendered = subscription.render(state);
    replace_subscription(state, subscription);
    state.emit("customer.subscription.created", rendered, None);
}

/// `payment_settings` of a subscription that sets none.
pub fn default_payment_settings() -> Value {
    json!({
        "payment_method_options": null,
        "payment_method_types": null,
        "save_default_payment_method": "off",
    })
}

fn bill_first(state: &mut State, invoice: Invoice, behavior: PaymentBehavior, now: i64) {
    let owed = invoice.amount_due() > 0;
    let sent = invoice.collection_method == CollectionMethod::SendInvoice;
    let id = invoices::create(state, invoice);
    if sent && owed {
        drafts::schedule(state, &id, now);
        return;
    }
    drafts::finalize(state, &id, Finalizer::Stripe, now);
    if owed && behavior != PaymentBehavior::DefaultIncomplete {
        invoices::collect(state, &id, dunning::Trigger::Request, None, now);
    }
}

/// The subscription at its beginning, and what its first invoice says.
fn begin(
    state: &State,
    new: NewSubscription,
    now: i64,
) -> Result<(Subscription, Vec<Line>), StripeError> {
    let cadence = lines::cadence_of(state, &new.items);
    let anchor = new.trial_end.or(new.billing_cycle_anchor).unwrap_or(now);
    if new.trial_end.is_none() && (anchor < now || anchor > cadence.boundary(now, 1)) {
        return Err(StripeError::invalid(format!(
            "billing_cycle_anchor must lie in the future and not after the next natural billing date ({})",
            cadence.boundary(now, 1)
        ))
        .param("billing_cycle_anchor"));
    }
    let natural = cadence.period_containing(anchor, now);
    let end = new.trial_end.unwrap_or(natural.end);
    let mut period = Period { start: now, end };
    if let (End::At(at), None) = (new.end, new.trial_end) {
        period.end = period.end.min(at);
    }
    let cancel_at = match new.end {
        End::Open => None,
        End::WithPeriod => Some(period.end),
        End::At(at) => Some(at),
    };
    let proration = new.proration;
    let trial = new.trial_end;
    let mut subscription = started(new, anchor, cancel_at, now);
    let customer = state.customers.get(&subscription.customer);
    subscription.test_clock = customer.and_then(|customer| customer.test_clock.clone());
    subscription.set_period(period);
    let lines = match trial {
        Some(_) => lines::trial(state, &subscription, period),
        None if proration == ProrationBehavior::None && period.start != natural.start => Vec::new(),
        None => lines::charges(state, &subscription, period, natural),
    };
    Ok((subscription, lines))
}

fn started(new: NewSubscription, anchor: i64, cancel_at: Option<i64>, now: i64) -> Subscription {
    Subscription {
        id: crate::state::new_id("sub"),
        customer: new.customer,
        status: if new.trial_end.is_some() {
            Status::Trialing
        } else {
            Status::Active
        },
        items: new.items,
        created: now,
        start_date: now,
        billing_cycle_anchor: anchor,
        currency: new.currency,
        collection_method: new.collection_method,
        days_until_due: new.days_until_due,
        default_payment_method: new.default_payment_method,
        description: new.description,
        metadata: new.metadata,
        cancel_at,
        cancel_at_period_end: new.end == End::WithPeriod,
        canceled_at: cancel_at.map(|_| now),
        ended_at: None,
        cancellation_details: CancellationDetails {
            reason: cancel_at.map(|_| "cancellation_requested".to_owned()),
            ..CancellationDetails::default()
        },
        trial_start: new.trial_end.map(|_| now),
        trial_end: new.trial_end,
        missing_payment_method: new.missing_payment_method,
        pause_collection: None,
        payment_settings: new.payment_settings,
        pending_update: None,
        latest_invoice: None,
        test_clock: None,
        pending_lines: Vec::new(),
        trial_reminded: false,
        schedule: new.schedule,
        automatic_tax: new.automatic_tax,
        paused_at: None,
    }
}

/// Refuses a subscription whose first payment cannot be made, where the caller wants that refused.
fn may_begin(
    state: &State,
    subscription: &Subscription,
    behavior: PaymentBehavior,
) -> Result<(), StripeError> {
    if behavior == PaymentBehavior::DefaultIncomplete {
        return Ok(());
    }
    let method = payments::default_method(state, subscription);
    let outcome = payments::predict(state, method.as_deref());
    let refuse =
        outcome == Outcome::NoPaymentMethod || behavior == PaymentBehavior::ErrorIfIncomplete;
    match payments::error(&outcome).filter(|_| refuse) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
