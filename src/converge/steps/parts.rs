//! What steps are made of.

use jiff::Timestamp;

use crate::api::{Address, IfNoPaymentMethod};
use crate::converge::desired::Offer;
use crate::converge::payment::CollectionMethod;
use crate::converge::trial::DeclaredTrial;

/// Whether manifest and plan are as they were when the desired state was last brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unedited {
    /// They are: a difference in Stripe is drift.
    Yes,
    /// They are not, or it was never brought about.
    No,
}

/// One value that a step changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changes, as in `customer.email`.
    pub field: &'static str,
    /// What it was.
    pub before: String,
    /// What it becomes.
    pub after: String,
}

impl Change {
    /// A change of `field`.
    pub fn new(field: &'static str, before: &str, after: &str) -> Self {
        Self {
            field,
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}

/// The fields of a customer that are to be written; `None` leaves one alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerUpdate {
    /// Name on invoices.
    pub name: Option<String>,
    /// Where invoices go.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Note in the Dashboard.
    pub description: Option<String>,
    /// Billing address, as a whole.
    pub address: Option<Address>,
    /// Write owner and tenant into the metadata again.
    pub restore_identity: bool,
}

/// A change of one item of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemChange {
    /// Another price or quantity.
    Update {
        /// `si_…`
        item: String,
        /// `price_…`
        price: String,
        /// `None` for metered prices.
        quantity: Option<i64>,
    },
    /// One more item.
    Add {
        /// `price_…`
        price: String,
        /// `None` for metered prices.
        quantity: Option<i64>,
    },
    /// One item less.
    Remove {
        /// `si_…`
        item: String,
    },
}

/// Why items are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The manifest, or the plan, asks for something new.
    Wanted,
    /// Somebody changed in Stripe what had been agreed.
    Restored,
}

/// What a new subscription is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    /// Name of the plan.
    pub plan: String,
    /// Its prices.
    pub offer: Offer,
    /// How many of the base fee.
    pub quantity: i64,
    /// Whether Stripe is to compute taxes.
    pub automatic_tax: bool,
    /// The trial it begins with.
    pub trial: Option<TrialStart>,
    /// The trial that was asked for; differs when the tenant had its trial.
    pub declared_trial: DeclaredTrial,
    /// What happens when the trial ends without a payment method.
    pub if_no_payment_method: IfNoPaymentMethod,
    /// How its invoices are paid.
    pub collection: CollectionMethod,
    /// Who makes the first payment.
    pub first_payment: FirstPayment,
}

/// The trial that a subscription begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialStart {
    /// So many days of it.
    Days(i64),
    /// Until an instant that lies ahead.
    Until(Timestamp),
}

/// Who makes the first payment of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstPayment {
    /// Stripe charges what is on file; should that fail, the subscription waits for the customer.
    OnFile,
    /// The customer, on the page of the first invoice.
    ByCustomer,
}
