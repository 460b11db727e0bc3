//! Stripe's objects: what is stored of each, and how it is rendered in full.

mod account;
mod balance_transaction;
pub mod charge;
mod checkout_session;
mod customer;
pub mod dispute;
mod event;
pub mod invoice;
mod invoice_line;
mod invoice_payment;
mod meter;
pub mod payment_intent;
mod payment_method;
pub mod portal;
mod price;
mod product;
pub mod schedule;
mod setup_intent;
pub mod subscription;
pub mod tax;
mod test_card;
pub mod test_clock;
mod webhook_endpoint;

use std::collections::BTreeMap;

pub use account::Account;
pub use balance_transaction::{BalanceChange, BalanceTransaction};
pub use checkout_session::{CheckoutSession, CheckoutStatus};
pub use customer::Customer;
pub use event::{Event, EventRequest};
pub use meter::{Formula, Meter, MeterEvent, Window};
pub use payment_method::{Aftermath, CardBehavior, PaymentMethod};
pub use price::{
    BillingScheme, Interval, Price, Recurring, Round, Tier, TiersMode, TransformQuantity, UsageType,
};
pub use product::Product;
pub use setup_intent::{SetupIntent, SetupIntentStatus};
pub use test_card::TestCard;
pub use webhook_endpoint::WebhookEndpoint;

/// `metadata` of any object.
pub type Metadata = BTreeMap<String, String>;
