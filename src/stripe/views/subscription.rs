//! Subscriptions and their items.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::{
    ListView, MetadataView, PriceView, filled, id_of, ids_of, optional_time, require, schedule,
    time,
};
use crate::api::IfNoPaymentMethod;
use crate::converge::observed::{CollectionPause, Item, Pause, Subscription};
use crate::converge::payment::CollectionMethod;
use crate::stripe::error::Error;

/// A subscription.
#[derive(Deserialize)]
pub(in crate::stripe) struct SubscriptionView {
    id: String,
    customer: Option<Value>,
    metadata: Option<MetadataView>,
    status: Option<String>,
    currency: Option<String>,
    items: Option<ListView<ItemView>>,
    cancel_at_period_end: Option<bool>,
    cancel_at: Option<i64>,
    start_date: Option<i64>,
    created: Option<i64>,
    trial_start: Option<i64>,
    trial_end: Option<i64>,
    schedule: Option<Value>,
    automatic_tax: Option<AutomaticTaxView>,
    discounts: Option<Vec<Value>>,
    default_payment_method: Option<Value>,
    default_source: Option<Value>,
    trial_settings: Option<TrialSettingsView>,
    collection_method: Option<String>,
    days_until_due: Option<i64>,
    status_details: Option<StatusDetailsView>,
    pause_collection: Option<PauseView>,
    test_clock: Option<Value>,
}

#[derive(Deserialize)]
struct TrialSettingsView {
    end_behavior: Option<EndBehaviorView>,
}

#[derive(Deserialize)]
struct EndBehaviorView {
    missing_payment_method: Option<String>,
}

impl TrialSettingsView {
    fn if_missing(self) -> Option<IfNoPaymentMethod> {
        match self.end_behavior?.missing_payment_method?.as_str() {
            "cancel" => Some(IfNoPaymentMethod::Cancel),
            "pause" => Some(IfNoPaymentMethod::Pause),
            "create_invoice" => Some(IfNoPaymentMethod::Invoice),
            _ => None,
        }
    }
}

/// Tells since `2026-09-30.endive` why a subscription is paused.
#[derive(Deserialize)]
struct StatusDetailsView {
    paused: Option<PausedView>,
}

#[derive(Deserialize)]
struct PausedView {
    subscription: Option<PauseReasonView>,
}

#[derive(Deserialize)]
struct PauseReasonView {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl StatusDetailsView {
    fn pause(self) -> Option<Pause> {
        Some(match self.paused?.subscription?.kind?.as_str() {
            "trial_end_without_payment_method" => Pause::TrialEnded,
            _ => Pause::Other,
        })
    }
}

#[derive(Deserialize)]
struct PauseView {
    behavior: Option<String>,
    resumes_at: Option<i64>,
}

impl SubscriptionView {
    /// The subscription, and its last item, when there are more items than it came with.
    pub(in crate::stripe) fn unfinished(&self) -> Option<(String, String)> {
        let items = self.items.as_ref()?;
        let last = items.data.last().filter(|_| items.has_more == Some(true))?;
        Some((self.id.clone(), last.id.clone()))
    }
}

impl ItemView {
    pub(in crate::stripe) fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Deserialize)]
struct AutomaticTaxView {
    enabled: Option<bool>,
}

/// One item of a subscription.
#[derive(Deserialize)]
pub(in crate::stripe) struct ItemView {
    id: String,
    price: Option<PriceView>,
    quantity: Option<i64>,
    discounts: Option<Vec<Value>>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

impl TryFrom<SubscriptionView> for Subscription {
    type Error = Error;

    fn try_from(view: SubscriptionView) -> Result<Self, Error> {
        let id = view.id;
        let mut metadata = view.metadata.unwrap_or_default();
        let items = require(&id, "items", view.items)?;
        let status = require(&id, "status", view.status)?;
        let start_date = require(&id, "start_date", view.start_date)?;
        let created = require(&id, "created", view.created)?;
        Ok(Self {
            customer: require(&id, "customer", id_of(view.customer))?,
            key: metadata.key(),
            held: metadata.held(),
            notices: metadata.notices(),
            status: status.as_str().into(),
            currency: require(&id, "currency", view.currency)?,
            items: items
                .data
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            cancel_at_period_end: require(&id, "cancel_at_period_end", view.cancel_at_period_end)?,
            cancel_at: optional_time(&id, "cancel_at", view.cancel_at)?,
            start_date: time(&id, "start_date", start_date)?,
            created: time(&id, "created", created)?,
            trial_start: optional_time(&id, "trial_start", view.trial_start)?,
            trial_end: optional_time(&id, "trial_end", view.trial_end)?,
            schedule: schedule::schedule(view.schedule)?,
            automatic_tax: view.automatic_tax.and_then(|tax| tax.enabled) == Some(true),
            discounts: ids_of(view.discounts),
            canceled_by_manifest: filled(metadata.canceled_by).is_some(),
            // A person can write anything into metadata; what cannot be read says nothing.
            declared_trial: metadata.trial.and_then(|trial| trial.parse().ok()),
            reminded_of: metadata.trial_reminder.and_then(|end| end.parse().ok()),
            if_no_payment_method: view.trial_settings.and_then(TrialSettingsView::if_missing),
            collection: match view.collection_method.as_deref() {
                Some("send_invoice") => CollectionMethod::Invoice {
                    days_until_due: view.days_until_due.unwrap_or_default(),
                },
                _ => CollectionMethod::Automatic,
            },
            pause: view.status_details.and_then(StatusDetailsView::pause),
            collection_paused: view
                .pause_collection
                .map(|pause| pause.read(&id))
                .transpose()?,
            default_payment_method: id_of(view.default_payment_method)
                .or_else(|| id_of(view.default_source)),
            test_clock: id_of(view.test_clock),
            id,
        })
    }
}

impl PauseView {
    fn read(self, id: &str) -> Result<CollectionPause, Error> {
        Ok(CollectionPause {
            behavior: self.behavior.unwrap_or_default(),
            resumes_at: optional_time(id, "pause_collection.resumes_at", self.resumes_at)?,
        })
    }
}

impl TryFrom<ItemView> for Item {
    type Error = Error;

    fn try_from(view: ItemView) -> Result<Self, Error> {
        let id = view.id;
        let start = require(&id, "current_period_start", view.current_period_start)?;
        let end = require(&id, "current_period_end", view.current_period_end)?;
        Ok(Self {
            price: require(&id, "price", view.price)?.try_into()?,
            quantity: view.quantity,
            discounted: !ids_of(view.discounts).is_empty(),
            period_start: time(&id, "current_period_start", start)?,
            period_end: time(&id, "current_period_end", end)?,
            id,
        })
    }
}
