//! Subscriptions and their items.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Metadata, Price, invoice::Line};
use crate::engine::calendar::Period;
use crate::state::State;
use crate::wire::sublist;

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The first invoice awaits payment.
    Incomplete,
    /// The first invoice was not paid within 23 hours. Final.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// In good standing.
    Active,
    /// The latest finalised invoice is unpaid.
    PastDue,
    /// Ended. Final.
    Canceled,
    /// Retries are exhausted; invoices are drafted and left alone.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
}

impl Status {
    /// Whether nothing can happen to the subscription any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

/// How invoices are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectionMethod {
    /// From the default payment method.
    ChargeAutomatically,
    /// By the customer, on their own account.
    SendInvoice,
}

/// What becomes of a subscription whose trial ends without a payment method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingPaymentMethod {
    /// It is cancelled.
    Cancel,
    /// It is billed as if there were one.
    CreateInvoice,
    /// It is paused.
    Pause,
}

/// What becomes of invoices while collection is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseBehavior {
    /// They stay drafts.
    KeepAsDraft,
    /// They are finalised and written off.
    MarkUncollectible,
    /// They are finalised and voided.
    Void,
}

/// A pause of collection; the subscription's status stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseCollection {
    /// What becomes of the invoices.
    pub behavior: PauseBehavior,
    /// When collection resumes by itself.
    pub resumes_at: Option<i64>,
}

/// Why a subscription is ending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationDetails {
    /// The customer's words.
    pub comment: Option<String>,
    /// The customer's reason, one of Stripe's.
    pub feedback: Option<String>,
    /// What set it off: `cancellation_requested` or `payment_failed`.
    pub reason: Option<String>,
}

/// Whether Stripe calculates a subscription's tax.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutomaticTax {
    /// It does not.
    #[default]
    Off,
    /// It does.
    On,
    /// It was to, but found the customer's location wanting.
    Disabled,
}

impl AutomaticTax {
    fn render(self) -> Value {
        json!({
            "disabled_reason": (self == Self::Disabled).then_some("requires_location_inputs"),
            "enabled": self == Self::On,
            "liability": (self == Self::On).then(|| json!({ "type": "self" })),
        })
    }
}

/// A price the customer subscribes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// When it was added.
    pub created: i64,
    /// Id of its price.
    pub price: String,
    /// Since when usage is billed at its price, if that was not there when the period began.
    #[serde(default)]
    pub usage_since: Option<i64>,
    /// Units; `None` when usage is metered.
    pub quantity: Option<u64>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// The period it is billed for now.
    pub period: Period,
}

/// A change that takes effect when its invoice is paid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingUpdate {
    /// When it is given up.
    pub expires_at: i64,
    /// The invoice that must be paid.
    pub invoice: String,
    /// The items to be.
    pub items: Vec<Item>,
    /// Whether the items are part of the change.
    pub changes_items: bool,
    /// The trial end to be, if it changes.
    pub trial_end: Option<i64>,
    /// The anchor to be, if it changes.
    pub billing_cycle_anchor: Option<i64>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// Who subscribes.
    pub customer: String,
    /// Where it stands.
    pub status: Status,
    /// What is subscribed to; never empty, all with one interval and one period.
    pub items: Vec<Item>,
    /// When it was made.
    pub created: i64,
    /// When its first period or trial began.
    pub start_date: i64,
    /// The instant its periods are aligned to.
    pub billing_cycle_anchor: i64,
    /// Currency of all its prices.
    pub currency: String,
    /// How its invoices are collected.
    pub collection_method: CollectionMethod,
    /// Days its invoices give the customer, when sent.
    pub days_until_due: Option<u32>,
    /// Takes precedence over the customer's.
    pub default_payment_method: Option<String>,
    /// Shown to the customer.
    pub description: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// When it will end, or has.
    pub cancel_at: Option<i64>,
    /// Whether it ends with the current period.
    pub cancel_at_period_end: bool,
    /// When its end was asked for.
    pub canceled_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Why it ends.
    pub cancellation_details: CancellationDetails,
    /// When the trial began.
    pub trial_start: Option<i64>,
    /// When the trial ends or ended.
    pub trial_end: Option<i64>,
    /// What happens at its end without a payment method.
    pub missing_payment_method: MissingPaymentMethod,
    /// Collection is paused.
    pub pause_collection: Option<PauseCollection>,
    /// `payment_settings`: stored and shown.
    pub payment_settings: Value,
    /// A change awaiting payment.
    pub pending_update: Option<PendingUpdate>,
    /// Newest invoice.
    pub latest_invoice: Option<String>,
    /// The clock its customer lives on.
    pub test_clock: Option<String>,
    /// Prorations for the next invoice.
    pub pending_lines: Vec<Line>,
    /// Whether the reminder about the trial's end has gone out.
    pub trial_reminded: bool,
    /// The schedule that manages it.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Whether tax is calculated.
    #[serde(default)]
    pub automatic_tax: AutomaticTax,
    /// Since when it is paused.
    #[serde(default)]
    pub paused_at: Option<i64>,
}

impl Subscription {
    /// The current period; all items share it.
    pub fn period(&self) -> Period {
        self.items.first().map_or(
            Period {
                start: self.created,
                end: self.created,
            },
            |item| item.period,
        )
    }

    /// Gives every item this period.
    pub fn set_period(&mut self, period: Period) {
        for item in &mut self.items {
            item.period = period;
        }
    }

    /// Stripe's object, which tells why a subscription is paused only while it is.
    pub fn render(&self, state: &State) -> Value {
        let mut subscription = self.render_members(state);
        if let Some(at) = self.paused_at {
            subscription["status_details"] = json!({
                "paused": {
                    "subscription": { "type": "trial_end_without_payment_method" },
                    "transitioned_at": at,
                    "type": "subscription",
                },
            });
        }
        subscription
    }

    fn render_members(&self, state: &State) -> Value {
        let items: Vec<_> = self
            .items
            .iter()
            .map(|item| item.render(&self.id, state))
            .collect();
        let pause = self
            .pause_collection
            .map(|pause| json!({ "behavior": pause.behavior, "resumes_at": pause.resumes_at }));
        json!({
            "id": self.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": self.automatic_tax.render(),
            "billing_cycle_anchor": self.billing_cycle_anchor,
            "billing_cycle_anchor_config": null,
            "billing_mode": {
                "flexible": { "proration_discounts": "included" },
                "type": "flexible",
                "updated_at": self.created,
            },
            "billing_schedules": [],
            "billing_thresholds": null,
            "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": self.canceled_at,
            "cancellation_details": {
                "comment": self.cancellation_details.comment,
                "feedback": self.cancellation_details.feedback,
                "feedback_option": null,
                "reason": self.cancellation_details.reason,
            },
            "collection_method": self.collection_method,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "days_until_due": self.days_until_due,
            "default_payment_method": self.default_payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": self.description,
            "discounts": [],
            "ended_at": self.ended_at,
            "invoice_settings": {
                "account_tax_ids": null,
                "custom_fields": null,
                "description": null,
                "footer": null,
                "issuer": { "type": "self" },
            },
            "items": sublist(format!("/v1/subscription_items?subscription={}", self.id), items),
            "latest_invoice": self.latest_invoice,
            "livemode": state.livemode,
            "managed_payments": null,
            "metadata": self.metadata,
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": pause,
            "payment_settings": self.payment_settings,
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": self.pending_update.as_ref().map(|update| update.render(&self.id, state)),
            "schedule": self.schedule,
            "start_date": self.start_date,
            "status": self.status,
            "test_clock": self.test_clock,
            "transfer_data": null,
            "trial_end": self.trial_end,
            "trial_settings": {
                "end_behavior": {
                    "billing_cycle_anchor": null,
                    "missing_payment_method": self.missing_payment_method,
                },
            },
            "trial_start": self.trial_start,
        })
    }
}

impl Item {
    /// Stripe's object. `plan` is the price in the shape of before prices, which Stripe still sends.
    pub fn render(&self, subscription: &str, state: &State) -> Value {
        let price = state.prices.get(&self.price);
        let mut item = json!({
            "id": self.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": self.created,
            "current_period_end": self.period.end,
            "current_period_start": self.period.start,
            "current_trial": null,
            "discounts": [],
            "metadata": self.metadata,
            "plan": price.map(Price::render_plan),
            "price": price.map(Price::render),
            "subscription": subscription,
            "tax_rates": [],
        });
        // Stripe leaves this out of metered items.
        if let Some(quantity) = self.quantity {
            item["quantity"] = json!(quantity);
        }
        item
    }
}

impl PendingUpdate {
    fn render(&self, subscription: &str, state: &State) -> Value {
        let items: Vec<_> = self
            .items
            .iter()
            .map(|item| item.render(subscription, state))
            .collect();
        json!({
            "billing_cycle_anchor": self.billing_cycle_anchor,
            "cancel_at_period_end": null,
            "discounts": null,
            "expires_at": self.expires_at,
            "metadata": null,
            "subscription_items": self.changes_items.then_some(items),
            "trial_end": self.trial_end,
            "trial_from_plan": null,
        })
    }
}
