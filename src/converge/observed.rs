//! What is in Stripe for a tenant, reduced to the facts that decide something.
//!
//! Produced by the `stripe` room from its views; kept by the mirror, so it is small on purpose.

mod dispute;
mod hold;
mod invoice;
#[cfg(test)]
pub(in crate::converge) mod samples;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::dispute::{Dispute, DisputeStatus, FraudWarning};
pub use self::hold::{CollectionPause, HoldMark};
pub use self::invoice::{
    Awaits, FinalizationError, Invoice, InvoiceStatus, InvoiceTax, OpenPayment,
};
use super::notice::Marks;
use super::payment::CollectionMethod;
use super::trial::DeclaredTrial;
use crate::api::{Address, IfNoPaymentMethod, Interval};

/// Whose an object is: the tenant's id under an operator installation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantKey {
    /// The installation (`--owner`).
    pub owner: String,
    /// The tenant (`tenantId`).
    pub tenant: String,
}

/// The Stripe account a key belongs to, and the mode the key is for. Live and test mode of one
/// account share its id and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// `acct_…`
    pub id: Arc<str>,
    /// Live mode (real money) rather than test mode.
    pub livemode: bool,
}

/// A customer that still exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// From its metadata; `None` when a key is missing or empty.
    pub key: Option<TenantKey>,
    /// Name on invoices.
    pub name: Option<String>,
    /// Where invoices go.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Note in the Dashboard.
    pub description: Option<String>,
    /// Billing address.
    pub address: Option<Address>,
    /// What Stripe would charge: `invoice_settings.default_payment_method`, else `default_source`.
    pub default_payment_method: Option<String>,
    /// The currency Stripe has bound the customer to, in lower case.
    pub currency: Option<String>,
    /// Where Stripe Tax places the customer (`tax.automatic_tax`); `None` when it wasn't told.
    pub tax_location: Option<TaxLocation>,
    /// The clock the customer lives on.
    pub test_clock: Option<String>,
    /// What people were told about it (`tenantbilling_told_…`).
    pub notices: Marks,
}

/// `customer.tax.automatic_tax`: what Stripe Tax can do for a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaxLocation {
    /// Taxes are computed, or Stripe knows that none are due.
    Known,
    /// The address doesn't suffice, or is none; with Stripe's own word.
    Unknown(String),
}

/// A customer as found by id, when it may have been deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the ordinary one"
)]
pub enum Found {
    /// It exists.
    Present(Customer),
    /// It was deleted; Stripe remembers only the id.
    Deleted(String),
}

/// `subscription.status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    /// In the trial.
    Trialing,
    /// Running and paid.
    Active,
    /// The first payment failed or awaits the customer.
    Incomplete,
    /// The first payment was not completed within 23 hours. Terminal.
    IncompleteExpired,
    /// A payment failed and is being retried.
    PastDue,
    /// Retries are exhausted.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
    /// Ended. Terminal.
    Canceled,
    /// A status this version does not know; treated as live, since assuming otherwise could
    /// subscribe a tenant twice.
    Other(String),
}

impl SubscriptionStatus {
    /// Stripe's own word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::Other(word) => word,
        }
    }

    /// Whether a payment of it has failed, or awaits the customer.
    pub fn awaits_payment(&self) -> bool {
        matches!(
            self,
            Self::Incomplete | Self::PastDue | Self::Unpaid | Self::Paused
        )
    }

    /// Whether the subscription can still bill.
    pub fn is_live(&self) -> bool {
        !matches!(self, Self::Canceled | Self::IncompleteExpired)
    }
}

impl From<&str> for SubscriptionStatus {
    fn from(word: &str) -> Self {
        match word {
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "incomplete" => Self::Incomplete,
            "incomplete_expired" => Self::IncompleteExpired,
            "past_due" => Self::PastDue,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            "canceled" => Self::Canceled,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Why a subscription is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pause {
    /// Its trial ended without a payment method.
    TrialEnded,
    /// Somebody, or Stripe itself, paused it for another reason.
    Other,
}

/// A price, as far as a subscription or a plan needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// `prod_…` or the plan's own product id.
    pub product: String,
    /// Key under which it is found.
    pub lookup_key: Option<String>,
    /// The operator installation that made it, from its metadata.
    pub owner: Option<String>,
    /// The plan it was made for, from its metadata.
    pub plan: Option<String>,
    /// Lower case.
    pub currency: String,
    /// Minor units; `None` when tiered or a fraction of a minor unit.
    pub unit_amount: Option<i64>,
    /// `None` for a one-time price, or one billed by day or week.
    pub interval: Option<Interval>,
    /// `recurring.interval_count`.
    pub interval_count: i64,
    /// `recurring.usage_type` is `metered`.
    pub metered: bool,
    /// The meter behind a metered price (`mtr_…`).
    pub meter: Option<String>,
    /// Which part of the plan it prices, from its metadata. Absent on prices made by others.
    pub component: Option<Component>,
    /// Whether new subscriptions may use it.
    pub active: bool,
}

/// A part of a plan that has a price of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// The fixed fee.
    Base,
    /// The usage that a meter counts, by the meter's event name.
    Usage(String),
}

/// As in metadata: `base`, or `usage/` and the meter's event name.
impl std::fmt::Display for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Usage(meter) => write!(f, "usage/{meter}"),
        }
    }
}

impl From<&str> for Component {
    fn from(text: &str) -> Self {
        text.strip_prefix("usage/")
            .map_or(Self::Base, |meter| Self::Usage(meter.to_owned()))
    }
}

/// One item of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// What is sold.
    pub price: Price,
    /// `None` for metered prices.
    pub quantity: Option<i64>,
    /// It has a discount of its own.
    pub discounted: bool,
    /// Start of the period being billed.
    pub period_start: Timestamp,
    /// End of the period being billed.
    pub period_end: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// `cus_…`
    pub customer: String,
    /// From its metadata; `None` when a key is missing or empty.
    pub key: Option<TenantKey>,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Lower case.
    pub currency: String,
    /// What it sells, in Stripe's order.
    pub items: Vec<Item>,
    /// It ends with the period.
    pub cancel_at_period_end: bool,
    /// It ends at this time.
    pub cancel_at: Option<Timestamp>,
    /// When it began.
    pub start_date: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// When its trial began, if it had one.
    pub trial_start: Option<Timestamp>,
    /// When its trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// The schedule that governs it.
    pub schedule: Option<Schedule>,
    /// Discounts on all of it (`di_…`).
    pub discounts: Vec<String>,
    /// Stripe computes taxes on its invoices (`automatic_tax.enabled`).
    pub automatic_tax: bool,
    /// A manifest asked for its cancellation (`tenantbilling_canceled_by`).
    pub canceled_by_manifest: bool,
    /// The trial last brought about (`tenantbilling_trial`).
    pub declared_trial: Option<DeclaredTrial>,
    /// The end of the trial that was reminded of (`tenantbilling_trial_reminder`).
    pub reminded_of: Option<Timestamp>,
    /// What happens when its trial ends without a payment method; `None` when that is nothing this
    /// version knows.
    pub if_no_payment_method: Option<IfNoPaymentMethod>,
    /// How its invoices are paid.
    pub collection: CollectionMethod,
    /// Why it is `paused`, when Stripe says so.
    pub pause: Option<Pause>,
    /// Its invoices are not collected for the time being (`pause_collection`).
    pub collection_paused: Option<CollectionPause>,
    /// The operator paused it (`tenantbilling_held_by`).
    pub held: Option<HoldMark>,
    /// The subscription's own default payment method.
    pub default_payment_method: Option<String>,
    /// The clock it lives on.
    pub test_clock: Option<String>,
    /// What people were told about it (`tenantbilling_told_…`).
    pub notices: Marks,
}

impl Subscription {
    /// Whether it is going to end by itself.
    pub fn is_ending(&self) -> bool {
        self.cancel_at_period_end || self.cancel_at.is_some()
    }
}

/// A subscription schedule: what a subscription will sell, phase by phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// `sub_sched_…`
    pub id: String,
    /// From its metadata; `None` when a key is missing or empty.
    pub key: Option<TenantKey>,
    /// Its phases, past ones included; empty when Stripe told only its id.
    pub phases: Vec<Phase>,
}

/// One phase of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its first instant.
    pub start: Timestamp,
    /// The instant it is over.
    pub end: Timestamp,
    /// What is sold in it.
    pub items: Vec<PhaseItem>,
}

/// What is sold in a phase of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseItem {
    /// `price_…`
    pub price: String,
    /// `None` for metered prices.
    pub quantity: Option<i64>,
}

/// Everything in Stripe that concerns one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Customers that carry the tenant's key, and the one the status records, whatever its
    /// metadata says by now.
    pub customers: Vec<Customer>,
    /// The id of the recorded customer, when Stripe says that it was deleted.
    pub deleted_customer: Option<String>,
    /// Every subscription, live or ended, of those customers.
    pub subscriptions: Vec<Subscription>,
    /// Their invoices that are not settled, the oldest first.
    pub invoices: Vec<Invoice>,
    /// What they dispute, or did lately, the oldest first; `None` when that could not be read.
    pub disputes: Option<Disputes>,
}

/// What is called in question about a tenant's payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disputes {
    /// Disputes and inquiries, open and closed.
    pub disputes: Vec<Dispute>,
    /// Early fraud warnings that can be acted on.
    pub warnings: Vec<FraudWarning>,
}
