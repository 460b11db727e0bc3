//! Subscription schedules: phases a subscription goes through by itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::subscription::{CollectionMethod, Item};
use super::{Metadata, Price};
use crate::engine::calendar::Period;
use crate::engine::subscriptions::ProrationBehavior;
use crate::state::State;

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its subscription is yet to be made.
    NotStarted,
    /// It manages a subscription.
    Active,
    /// Its last phase is over. Final.
    Completed,
    /// It let go of its subscription before. Final.
    Released,
    /// It was cancelled, or its subscription was. Final.
    Canceled,
}

/// What becomes of the subscription after the last phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndBehavior {
    /// It goes on.
    #[default]
    Release,
    /// It is cancelled.
    Cancel,
}

/// What a phase aligns billing periods to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseAnchor {
    /// What they were aligned to, unless the items need another.
    #[default]
    Automatic,
    /// The phase's start.
    PhaseStart,
}

/// How a subscription is billed; what a phase leaves open is taken from the schedule's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How invoices are collected.
    pub collection_method: Option<CollectionMethod>,
    /// Days a sent invoice gives.
    pub days_until_due: Option<u32>,
    /// Payment method to charge.
    pub default_payment_method: Option<String>,
    /// Shown to the customer.
    pub description: Option<String>,
    /// Whether tax is calculated.
    pub automatic_tax: Option<bool>,
    /// What periods are aligned to.
    pub billing_cycle_anchor: Option<PhaseAnchor>,
}

/// A price in a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseItem {
    /// Id of the price.
    pub price: String,
    /// Units; `None` when usage is metered.
    pub quantity: Option<u64>,
    /// The item's metadata.
    pub metadata: Metadata,
}

impl From<&Item> for PhaseItem {
    fn from(item: &Item) -> Self {
        Self {
            price: item.price.clone(),
            quantity: item.quantity,
            metadata: item.metadata.clone(),
        }
    }
}

/// A phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// From when to when.
    pub span: Period,
    /// What is subscribed to meanwhile; never empty.
    pub items: Vec<PhaseItem>,
    /// Currency of the items.
    pub currency: String,
    /// What becomes of the difference when the phase begins.
    pub proration: ProrationBehavior,
    /// Merged into the subscription's metadata when the phase begins; an empty value removes its key there.
    pub metadata: Metadata,
    /// End of the trial within the phase.
    pub trial_end: Option<i64>,
    /// How it is billed.
    pub terms: Terms,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// Who subscribes.
    pub customer: String,
    /// When it was made.
    pub created: i64,
    /// Where it stands.
    pub status: Status,
    /// The subscription it manages.
    pub subscription: Option<String>,
    /// The subscription it managed.
    pub released_subscription: Option<String>,
    /// What becomes of the subscription after the last phase.
    pub end_behavior: EndBehavior,
    /// In order of time, without gaps; never empty.
    pub phases: Vec<Phase>,
    /// Start of the phase that has begun last.
    pub current: Option<i64>,
    /// Terms of phases which set none.
    pub defaults: Terms,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// When it was cancelled.
    pub canceled_at: Option<i64>,
    /// When its last phase was over.
    pub completed_at: Option<i64>,
    /// When it let go of its subscription.
    pub released_at: Option<i64>,
    /// The clock its customer lives on.
    pub test_clock: Option<String>,
    /// Whether its end has been announced, or was too near for that from the beginning.
    pub end_announced: bool,
}

impl Schedule {
    /// Whether it is at work or going to be.
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::NotStarted | Status::Active)
    }

    /// When the last phase ends.
    pub fn end(&self) -> i64 {
        self.phases
            .last()
            .map_or(self.created, |phase| phase.span.end)
    }

    /// The phase that has begun last.
    pub fn current_phase(&self) -> Option<&Phase> {
        let start = self.current?;
        self.phases.iter().find(|phase| phase.span.start == start)
    }

    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        let phases: Vec<_> = self
            .phases
            .iter()
            .map(|phase| phase.render(state))
            .collect();
        let current = self
            .current_phase()
            .filter(|_| self.status == Status::Active)
            .map(|phase| json!({ "end_date": phase.span.end, "start_date": phase.span.start }));
        json!({
            "id": self.id,
            "object": "subscription_schedule",
            "application": null,
            "billing_mode": {
                "flexible": { "proration_discounts": "included" },
                "type": "flexible",
                "updated_at": self.created,
            },
            "canceled_at": self.canceled_at,
            "completed_at": self.completed_at,
            "created": self.created,
            "current_phase": current,
            "customer": self.customer,
            "customer_account": null,
            "default_settings": self.defaults.render_defaults(),
            "end_behavior": self.end_behavior,
            "livemode": state.livemode,
            "metadata": self.metadata,
            "pause_schedules": [],
            "phases": phases,
            "released_at": self.released_at,
            "released_subscription": self.released_subscription,
            "status": self.status,
            "subscription": self.subscription,
            "test_clock": self.test_clock,
        })
    }
}

impl Terms {
    fn render_automatic_tax(&self) -> Value {
        let enabled = self.automatic_tax.unwrap_or(false);
        let liability = enabled.then(|| json!({ "type": "self" }));
        json!({ "disabled_reason": null, "enabled": enabled, "liability": liability })
    }

    fn render_defaults(&self) -> Value {
        json!({
            "application_fee_percent": null,
            "automatic_tax": self.render_automatic_tax(),
            "billing_cycle_anchor": self.billing_cycle_anchor.unwrap_or_default(),
            "billing_thresholds": null,
            "collection_method": self.collection_method.unwrap_or(CollectionMethod::ChargeAutomatically),
            "default_payment_method": self.default_payment_method,
            "description": self.description,
            "invoice_settings": {
                "account_tax_ids": null,
                "custom_fields": null,
                "days_until_due": self.days_until_due,
                "description": null,
                "footer": null,
                "issuer": { "type": "self" },
            },
            "on_behalf_of": null,
            "transfer_data": null,
        })
    }
}

impl Phase {
    fn render(&self, state: &State) -> Value {
        let items: Vec<_> = self.items.iter().map(|item| item.render(state)).collect();
        let terms = &self.terms;
        let invoice_settings = terms.days_until_due.map(|days| {
            json!({
                "account_tax_ids": null,
                "custom_fields": null,
                "days_until_due": days,
                "description": null,
                "footer": null,
                "issuer": null,
            })
        });
        let mut phase = json!({
            "add_invoice_items": [],
            "application_fee_percent": null,
            "billing_cycle_anchor": terms.billing_cycle_anchor,
            "billing_thresholds": null,
            "collection_method": terms.collection_method,
            "currency": self.currency,
            "default_payment_method": terms.default_payment_method,
            "default_tax_rates": [],
            "description": terms.description,
            "discounts": [],
            "end_date": self.span.end,
            "invoice_settings": invoice_settings,
            "items": items,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "proration_behavior": self.proration,
            "start_date": self.span.start,
            "transfer_data": null,
            "trial_end": self.trial_end,
        });
        // Stripe leaves it out where the schedule's default holds.
        if terms.automatic_tax.is_some() {
            phase["automatic_tax"] = terms.render_automatic_tax();
        }
        phase
    }
}

impl PhaseItem {
    fn render(&self, state: &State) -> Value {
        let price = state.prices.get(&self.price);
        let mut item = json!({
            "billing_thresholds": null,
            "discounts": [],
            "metadata": self.metadata,
            "plan": price.map_or(&self.price, |price: &Price| &price.id),
            "price": self.price,
            "tax_rates": [],
        });
        // Absent, not null, where usage is metered.
        if let Some(quantity) = self.quantity {
            item["quantity"] = json!(quantity);
        }
        item
    }
}
