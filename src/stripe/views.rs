//! What is read of Stripe's objects, and nothing more: a field that is not needed can neither be
//! missing nor be of an unexpected type.
//!
//! A view holds what miniserde can read; `TryFrom` makes the fact of it, and names the object when
//! something that decides is missing. Values of enumerations are texts here: Stripe adds new ones
//! without a new API version.

mod catalogue;
mod checkout;
mod dispute;
mod invoice;
mod preview;
mod schedule;
mod subscription;

use jiff::Timestamp;
use miniserde::Deserialize;
use miniserde::json::Value;

pub(super) use self::catalogue::{CataloguePriceView, MeterView, PriceView, ProductView};
pub use self::checkout::SetupSession;
pub(super) use self::checkout::{CheckoutSessionView, PaymentMethodView};
pub(super) use self::dispute::{DisputeView, FraudWarningView};
pub(super) use self::invoice::{InvoicePaymentView, InvoiceView};
pub(super) use self::preview::PreviewView;
pub(super) use self::schedule::ScheduleView;
pub(super) use self::subscription::{ItemView, SubscriptionView};
use super::error::{Class, Error};
use super::event_view::EventView;
use crate::api::{Address, NoticeKind};
use crate::converge::notice::Marks;
use crate::converge::observed::{Customer, Found, HoldMark, TaxLocation, TenantKey};

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct ListView<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: Option<bool>,
}

/// The operator's own keys; whatever else is in the metadata is nobody's business here.
#[derive(Deserialize, Default)]
pub(super) struct MetadataView {
    #[serde(rename = "tenantbilling_owner")]
    pub(super) owner: Option<String>,
    #[serde(rename = "tenantbilling_tenant")]
    tenant: Option<String>,
    #[serde(rename = "tenantbilling_plan")]
    plan: Option<String>,
    #[serde(rename = "tenantbilling_component")]
    component: Option<String>,
    #[serde(rename = "tenantbilling_trial")]
    trial: Option<String>,
    #[serde(rename = "tenantbilling_trial_reminder")]
    trial_reminder: Option<String>,
    #[serde(rename = "tenantbilling_canceled_by")]
    canceled_by: Option<String>,
    #[serde(rename = "tenantbilling_held_by")]
    held_by: Option<String>,
    // One field per kind of notice: the derive knows neither maps of the rest nor prefixes.
    #[serde(rename = "tenantbilling_told_trial_ending")]
    trial_ending: Option<String>,
    #[serde(rename = "tenantbilling_told_payment_method_needed")]
    payment_method_needed: Option<String>,
    #[serde(rename = "tenantbilling_told_reminder")]
    reminder: Option<String>,
    #[serde(rename = "tenantbilling_told_warning")]
    warning: Option<String>,
    #[serde(rename = "tenantbilling_told_limited")]
    limited: Option<String>,
    #[serde(rename = "tenantbilling_told_suspended")]
    suspended: Option<String>,
    #[serde(rename = "tenantbilling_told_reactivated")]
    reactivated: Option<String>,
    #[serde(rename = "tenantbilling_told_action_required")]
    action_required: Option<String>,
    #[serde(rename = "tenantbilling_told_dispute")]
    dispute: Option<String>,
}

impl MetadataView {
    fn key(&mut self) -> Option<TenantKey> {
        Some(TenantKey {
            owner: filled(self.owner.take())?,
            tenant: filled(self.tenant.take())?,
        })
    }

    /// What the operator has noted on what it holds back.
    fn held(&mut self) -> Option<HoldMark> {
        filled(self.held_by.take()).map(|mark| HoldMark::read(&mark))
    }

    /// What the operator has noted of what people were told. The kind that concerns all tenants is
    /// noted on no object.
    fn notices(&self) -> Marks {
        Marks::of_kinds([
            (NoticeKind::TrialEnding, self.trial_ending.as_deref()),
            (
                NoticeKind::PaymentMethodNeeded,
                self.payment_method_needed.as_deref(),
            ),
            (NoticeKind::Reminder, self.reminder.as_deref()),
            (NoticeKind::Warning, self.warning.as_deref()),
            (NoticeKind::Limited, self.limited.as_deref()),
            (NoticeKind::Suspended, self.suspended.as_deref()),
            (NoticeKind::Reactivated, self.reactivated.as_deref()),
            (NoticeKind::ActionRequired, self.action_required.as_deref()),
            (NoticeKind::Dispute, self.dispute.as_deref()),
        ])
    }
}

/// A customer, deleted or not.
#[derive(Deserialize)]
pub(super) struct CustomerView {
    id: String,
    deleted: Option<bool>,
    metadata: Option<MetadataView>,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    description: Option<String>,
    address: Option<AddressView>,
    invoice_settings: Option<InvoiceSettingsView>,
    default_source: Option<Value>,
    currency: Option<String>,
    tax: Option<TaxView>,
    test_clock: Option<Value>,
}

/// Only there when it was asked for (`expand[]=tax`).
#[derive(Deserialize)]
struct TaxView {
    automatic_tax: Option<String>,
}

impl TaxView {
    fn location(self) -> Option<TaxLocation> {
        Some(match self.automatic_tax?.as_str() {
            "supported" | "not_collecting" => TaxLocation::Known,
            other => TaxLocation::Unknown(other.to_owned()),
        })
    }
}

#[derive(Deserialize)]
struct InvoiceSettingsView {
    default_payment_method: Option<Value>,
}

#[derive(Deserialize)]
struct AddressView {
    line1: Option<String>,
    line2: Option<String>,
    city: Option<String>,
    state: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
}

impl From<AddressView> for Option<Address> {
    fn from(view: AddressView) -> Self {
        let address = Address {
            line1: filled(view.line1),
            line2: filled(view.line2),
            city: filled(view.city),
            state: filled(view.state),
            postal_code: filled(view.postal_code),
            country: filled(view.country),
        };
        (address != Address::default()).then_some(address)
    }
}

impl From<CustomerView> for Found {
    fn from(view: CustomerView) -> Self {
        if view.deleted == Some(true) {
            return Self::Deleted(view.id);
        }
        let invoiced = view
            .invoice_settings
            .and_then(|settings| settings.default_payment_method);
        let mut metadata = view.metadata.unwrap_or_default();
        Self::Present(Customer {
            id: view.id,
            notices: metadata.notices(),
            key: metadata.key(),
            name: filled(view.name),
            email: filled(view.email),
            phone: filled(view.phone),
            description: filled(view.description),
            address: view.address.and_then(Into::into),
            default_payment_method: id_of(invoiced).or_else(|| id_of(view.default_source)),
            currency: filled(view.currency),
            tax_location: view.tax.and_then(TaxView::location),
            test_clock: id_of(view.test_clock),
        })
    }
}

/// A test clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestClock {
    /// `clock_…`
    pub id: String,
    /// The time on it.
    pub frozen_time: Timestamp,
    /// Whether it stands still; while it advances, objects on it change.
    pub ready: bool,
}

/// A test clock as answered.
#[derive(Deserialize)]
pub(super) struct TestClockView {
    id: String,
    frozen_time: Option<i64>,
    status: Option<String>,
}

impl TryFrom<TestClockView> for TestClock {
    type Error = Error;

    fn try_from(view: TestClockView) -> Result<Self, Error> {
        let frozen_time = require(&view.id, "frozen_time", view.frozen_time)?;
        Ok(Self {
            frozen_time: time(&view.id, "frozen_time", frozen_time)?,
            ready: view.status.as_deref() == Some("ready"),
            id: view.id,
        })
    }
}

/// The id in a field that holds one, or the object itself when it was expanded.
pub(super) fn id_of(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(id) => filled(Some(id)),
        Value::Object(object) => match object.get("id") {
            Some(Value::String(id)) => filled(Some(id.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn ids_of(values: Option<Vec<Value>>) -> Vec<String> {
    let values = values.into_iter().flatten();
    values.filter_map(|value| id_of(Some(value))).collect()
}

/// Stripe shows what was unset as null, some older objects as the empty text.
pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn require<T>(id: &str, field: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::new(Class::Unreadable, format!("{id} has no {field}")))
}

fn time(id: &str, field: &str, second: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(second)
        .map_err(|_| Error::new(Class::Unreadable, format!("{field} of {id} is no time")))
}

fn optional_time(id: &str, field: &str, second: Option<i64>) -> Result<Option<Timestamp>, Error> {
    second.map(|second| time(id, field, second)).transpose()
}

/// The object that keeps an answer from being read: miniserde says only that there is one. Called
/// when reading has failed already.
pub(super) fn name_of_unreadable(body: &str) -> Option<String> {
    let Value::Object(answer) = miniserde::json::from_str(body).ok()? else {
        return None;
    };
    let Some(Value::Array(data)) = answer.get("data") else {
        return id_of(Some(Value::Object(answer)));
    };
    let readable = |value: &Value| {
        let text = miniserde::json::to_string(value);
        match value {
            Value::Object(object) => match object.get("object") {
                Some(Value::String(kind)) if kind == "customer" => reads::<CustomerView>(&text),
                Some(Value::String(kind)) if kind == "subscription" => {
                    reads::<SubscriptionView>(&text)
                }
                Some(Value::String(kind)) if kind == "price" => reads::<PriceView>(&text),
                Some(Value::String(kind)) if kind == "invoice" => reads::<InvoiceView>(&text),
                Some(Value::String(kind)) if kind == "dispute" => reads::<DisputeView>(&text),
                Some(Value::String(kind)) if kind == "event" => reads::<EventView>(&text),
                _ => true,
            },
            _ => false,
        }
    };
    let culprit = data.iter().find(|value| !readable(value))?;
    id_of(Some(culprit.clone()))
}

fn reads<T: Deserialize>(text: &str) -> bool {
    miniserde::json::from_str::<T>(text).is_ok()
}

#[cfg(test)]
mod tests;
