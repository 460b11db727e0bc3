//! Everything one Stripe account holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Billing;
use crate::model::portal::{PortalConfiguration, PortalSession};
use crate::model::{
    Account, CheckoutSession, Customer, Event, EventRequest, PaymentMethod, Price, Product,
    SetupIntent, WebhookEndpoint,
};
use crate::table::Table;
use crate::wire::StoredAnswer;

/// Who is acting; events name the request that caused them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// `None` when Stripe acts by itself or a person does in the Dashboard.
    pub request_id: Option<String>,
    /// The request's idempotency key.
    pub idempotency_key: Option<String>,
}

/// What happens to a subscription whose payment retries are exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum PastDueOutcome {
    /// It is canceled.
    #[default]
    Cancel,
    /// It becomes `unpaid`.
    Unpaid,
    /// It stays `past_due`.
    PastDue,
}

/// Which event of a window counts, of a meter whose events stand for one. Stripe's documents say "the most recent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Newest {
    /// The one received last.
    #[default]
    Received,
    /// The one with the latest timestamp; of several, the one received last.
    Timestamp,
}

/// Account settings which in Stripe are made in the Dashboard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Read requests allowed in a second.
    pub rate_limit_read: u32,
    /// Write requests allowed in a second.
    pub rate_limit_write: u32,
    /// What follows the last failed retry.
    pub past_due_outcome: PastDueOutcome,
    /// Days from one failed attempt to the next.
    pub retry_days: Vec<i64>,
    /// How far the sandbox's wall clock is ahead of the machine's.
    pub now_offset_seconds: i64,
    /// How long a meter event stays out of summaries and previews.
    #[serde(default)]
    pub meter_lag_seconds: i64,
    /// Which event of a window counts.
    #[serde(default)]
    pub newest_meter_event: Newest,
    /// Rate of tax wherever tax is collected.
    #[serde(default)]
    pub tax_percent: Decimal,
    /// Countries for which automatic tax says something else than that it supports them.
    #[serde(default)]
    pub tax_locations: BTreeMap<String, TaxLocation>,
    /// What Stripe, finalising by itself, makes of not knowing a customer's place.
    #[serde(default)]
    pub unknown_tax_location: UnknownLocation,
    /// Whether drafts stay drafts until somebody finalises them.
    #[serde(default)]
    pub keep_drafts: bool,
}

/// What becomes of an invoice that is to be taxed when nobody knows where its customer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownLocation {
    /// It is finalised without tax, and automatic tax is turned off: what Stripe does since November 2024.
    #[default]
    Untaxed,
    /// It stays a draft: what Stripe did before.
    Fails,
}

/// What automatic tax makes of where a customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxLocation {
    /// Tax is calculated.
    Supported,
    /// The account collects no tax there.
    NotCollecting,
    /// The place is not known.
    UnrecognizedLocation,
    /// Stripe could not find it out.
    Failed,
}

/// A webhook delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delivery {
    /// Event to deliver.
    pub event: String,
    /// Endpoint to deliver to.
    pub endpoint: String,
}

/// One account in one mode (test or live).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The account itself.
    pub account: Account,
    /// Live mode rather than test mode.
    pub livemode: bool,
    /// Dashboard settings.
    pub settings: Settings,
    /// Customers; deleted ones stay, marked.
    pub customers: Table<Customer>,
    /// Payment methods, detached ones too.
    pub payment_methods: Table<PaymentMethod>,
    /// Products.
    pub products: Table<Product>,
    /// Prices.
    pub prices: Table<Price>,
    /// Setup intents.
    pub setup_intents: Table<SetupIntent>,
    /// Checkout sessions, those that are over too.
    #[serde(default)]
    pub checkout_sessions: Table<CheckoutSession>,
    /// What customers may do in the billing portal.
    #[serde(default)]
    pub portal_configurations: Table<PortalConfiguration>,
    /// Customers' ways into the billing portal.
    #[serde(default)]
    pub portal_sessions: Table<PortalSession>,
    /// Events.
    pub events: Table<Event>,
    /// Webhook endpoints.
    pub webhook_endpoints: Table<WebhookEndpoint>,
    /// Subscriptions, invoices, payments, test clocks.
    pub billing: Billing,
    /// Answers kept for idempotency keys.
    pub answers: Table<StoredAnswer>,
    /// Deliveries not yet taken up by the webhook sender.
    pub outbox: Vec<Delivery>,
    /// Deliveries under way.
    #[serde(default)]
    pub delivering: BTreeSet<Delivery>,
    /// How many of the outbox go out although deliveries are paused.
    #[serde(skip)]
    pub flushed: usize,
    /// Who is acting now.
    #[serde(skip)]
    pub actor: Actor,
    /// Where whoever is acting reaches the sandbox, such as `http://127.0.0.1:12111`: pages are under it.
    #[serde(skip)]
    pub base_url: String,
}

impl State {
    /// An empty account.
    pub fn new(account_id: &str, livemode: bool, settings: Settings) -> Self {
        let mut state = Self {
            account: Account {
                id: account_id.to_owned(),
                created: 0,
            },
            livemode,
            settings,
            customers: Table::default(),
            payment_methods: Table::default(),
            products: Table::default(),
            prices: Table::default(),
            setup_intents: Table::default(),
            checkout_sessions: Table::default(),
            portal_configurations: Table::default(),
            portal_sessions: Table::default(),
            events: Table::default(),
            webhook_endpoints: Table::default(),
            billing: Billing::default(),
            answers: Table::default(),
            outbox: Vec::new(),
            delivering: BTreeSet::new(),
            flushed: 0,
            actor: Actor::default(),
            base_url: String::new(),
        };
        state.account.created = state.wall_clock();
        state
    }

    /// A new id such as `cus_Q2x…`, as long as Stripe's are.
    #[allow(clippy::unused_self)] // Ids are an account's: who names an object has to hold it.
    pub fn new_id(&mut self, prefix: &str) -> String {
        new_id(prefix)
    }

    /// Unix seconds for an object: its test clock's frozen time, else the wall clock.
    pub fn now(&self, test_clock: Option<&str>) -> i64 {
        test_clock
            .and_then(|clock| self.billing.frozen_time(clock))
            .unwrap_or_else(|| self.wall_clock())
    }

    /// Unix seconds by the sandbox's own clock, whatever test clock an object is on.
    pub fn wall_clock(&self) -> i64 {
        let machine = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(machine.as_secs()).unwrap_or(i64::MAX) + self.settings.now_offset_seconds
    }

    /// Records an event and queues its webhook deliveries.
    ///
    /// `object` is kept as it is now: later changes of the object do not show in the event.
    pub fn emit(
        &mut self,
        event_type: &'static str,
        object: Value,
        previous_attributes: Option<Value>,
    ) {
        let id = self.new_id("evt");
        let endpoints = self
            .webhook_endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(event_type));
        let deliveries: Vec<Delivery> = endpoints
            .map(|endpoint| Delivery {
                event: id.clone(),
                endpoint: endpoint.id.clone(),
            })
            .collect();
        let event = Event {
            id: id.clone(),
            kind: event_type.to_owned(),
            created: self.wall_clock(),
            livemode: self.livemode,
            object,
            previous_attributes,
            request: EventRequest {
                id: self.actor.request_id.clone(),
                idempotency_key: self.actor.idempotency_key.clone(),
            },
            pending_webhooks: i64::try_from(deliveries.len()).unwrap_or(i64::MAX),
            undelivered: false,
        };
        self.outbox.extend(deliveries);
        self.events.insert(id, event);
    }

    /// Records an update event unless nothing changed; `before` and `after` are the object's renderings.
    pub fn emit_update(&mut self, event_type: &'static str, before: &Value, after: Value) {
        let previous = previous_attributes(before, &after);
        if previous
            .as_object()
            .is_some_and(|changed| !changed.is_empty())
        {
            self.emit(event_type, after, Some(previous));
        }
    }
}

/// What an update event says of the values before: the changed members only, nested maps likewise, lists whole.
pub fn previous_attributes(before: &Value, after: &Value) -> Value {
    let mut changed = serde_json::Map::new();
    if let (Value::Object(before), Value::Object(after)) = (before, after) {
        for (name, old) in before {
            match (old, after.get(name)) {
                (old, Some(new)) if old == new => {}
                (Value::Object(_), Some(new @ Value::Object(_))) => {
                    changed.insert(name.clone(), previous_attributes(old, new));
                }
                (old, _) => {
                    changed.insert(name.clone(), old.clone());
                }
            }
        }
        // Stripe says null of a member that was not there before (a new metadata key).
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            changed.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(changed)
}

/// A fresh id with this prefix.
pub fn new_id(prefix: &str) -> String {
    // Stripe's payment objects carry 24 characters, the older billing objects 14.
    let length = match prefix {
        "cus" | "prod" | "req" => 14,
        _ => 24,
    };
    format!("{prefix}_{}", token(length))
}

/// Random base-62 text.
pub fn token(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn previous_attributes_name_what_changed_and_nothing_else() {
        let before = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "metadata": {}});
        let after = json!({"a": 1, "b": {"x": 1, "y": 3}, "c": [2], "metadata": {"k": "v"}});
        assert_eq!(
            previous_attributes(&before, &after),
            json!({"b": {"y": 2}, "c": [1], "metadata": {"k": null}})
        );
    }
}
