//! The vocabulary of changes to a tenant's objects in Stripe: each is one request.

use std::fmt;

use jiff::Timestamp;

use super::money;
use super::observed::Price;
use crate::api::{Address, CustomerDetails};

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

/// One change in Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the customer.
    CreateCustomer {
        /// Who is billed.
        details: Box<CustomerDetails>,
        /// The clock it is to live on.
        test_clock: Option<String>,
    },
    /// Bring the customer's fields in line.
    UpdateCustomer {
        /// `cus_…`
        customer: String,
        /// The fields to write.
        update: Box<CustomerUpdate>,
        /// The same for people.
        changes: Vec<Change>,
    },
    /// Subscribe the tenant.
    CreateSubscription {
        /// `cus_…`, or the customer that the step before makes.
        customer: Option<String>,
        /// Name of the plan.
        plan: String,
        /// Its price.
        price: Box<Price>,
        /// Length of the trial it begins with.
        trial_days: i64,
        /// Length of the trial the manifest asks for; differs when the tenant had its trial.
        declared_trial_days: i64,
        /// The observed state it starts from, as far as it must make the request another one.
        basis: String,
    },
    /// Change what the subscription sells: one item update.
    SwapPrice {
        /// `sub_…`
        subscription: String,
        /// `si_…`
        item: String,
        /// `price_…`
        price: String,
        /// Price and quantity, for people.
        changes: Vec<Change>,
    },
    /// Move the end of a running trial.
    MoveTrialEnd {
        /// `sub_…`
        subscription: String,
        /// The new end; `None` ends it now.
        end: Option<Timestamp>,
        /// The days in the manifest, to be recorded.
        declared_trial_days: i64,
        /// The same for people.
        changes: Vec<Change>,
    },
    /// Let the subscription end with its period, at the manifest's wish.
    CancelAtPeriodEnd {
        /// `sub_…`
        subscription: String,
    },
    /// Take a cancellation that a manifest asked for back.
    UndoCancellation {
        /// `sub_…`
        subscription: String,
        /// For people.
        changes: Vec<Change>,
    },
    /// Record on the subscription that its end is the manifest's wish.
    MarkCanceled {
        /// `sub_…`
        subscription: String,
    },
    /// Cancel the subscription at once.
    CancelNow {
        /// `sub_…`
        subscription: String,
    },
    /// Write owner and tenant into the subscription's metadata again.
    RestoreIdentity {
        /// `sub_…`
        subscription: String,
        /// Trial days to record along.
        declared_trial_days: i64,
        /// For people.
        changes: Vec<Change>,
    },
}

impl Step {
    /// Name of the operation, for idempotency keys and logs.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::CreateCustomer { .. } => "CreateCustomer",
            Self::UpdateCustomer { .. } => "UpdateCustomer",
            Self::CreateSubscription { .. } => "CreateSubscription",
            Self::SwapPrice { .. } => "SwapPrice",
            Self::MoveTrialEnd { .. } => "MoveTrialEnd",
            Self::CancelAtPeriodEnd { .. } => "CancelAtPeriodEnd",
            Self::UndoCancellation { .. } => "UndoCancellation",
            Self::MarkCanceled { .. } => "MarkCanceled",
            Self::CancelNow { .. } => "CancelNow",
            Self::RestoreIdentity { .. } => "RestoreIdentity",
        }
    }

    /// Reason of the Kubernetes event that tells of it.
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::CreateCustomer { .. } => "CustomerCreated",
            Self::UpdateCustomer { .. } => "CustomerUpdated",
            Self::CreateSubscription { .. } => "SubscriptionCreated",
            Self::CancelAtPeriodEnd { .. } => "CancellationScheduled",
            Self::UndoCancellation { .. } => "CancellationUndone",
            Self::CancelNow { .. } => "SubscriptionCanceled",
            Self::SwapPrice { .. }
            | Self::MoveTrialEnd { .. }
            | Self::MarkCanceled { .. }
            | Self::RestoreIdentity { .. } => "SubscriptionUpdated",
        }
    }

    /// What it creates, when a lost answer could make a second one.
    pub const fn creates(&self) -> Option<&'static str> {
        match self {
            Self::CreateCustomer { .. } => Some("Customer"),
            Self::CreateSubscription { .. } => Some("Subscription"),
            _ => None,
        }
    }

    /// The values it changes, for people and for `status.drift`.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::UpdateCustomer { changes, .. }
            | Self::SwapPrice { changes, .. }
            | Self::MoveTrialEnd { changes, .. }
            | Self::UndoCancellation { changes, .. }
            | Self::RestoreIdentity { changes, .. } => changes,
            _ => &[],
        }
    }

    /// The observed state it starts from, as text: part of the idempotency key, so that doing the
    /// same again later is another request.
    pub fn basis(&self) -> String {
        match self {
            Self::CreateSubscription { basis, .. } => basis.clone(),
            Self::CancelAtPeriodEnd { subscription }
            | Self::MarkCanceled { subscription }
            | Self::CancelNow { subscription } => subscription.clone(),
            _ => {
                let before: Vec<&str> = self.changes().iter().map(|c| c.before.as_str()).collect();
                before.join("\n")
            }
        }
    }
}

/// One line, for logs and events. It names no person: of a customer's fields it tells which, not
/// what.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateCustomer { test_clock, .. } => {
                f.write_str("+ create customer")?;
                test_clock
                    .as_ref()
                    .map_or(Ok(()), |clock| write!(f, " on {clock}"))
            }
            Self::CreateSubscription {
                customer,
                plan,
                price,
                trial_days,
                ..
            } => {
                let customer = customer.as_deref().unwrap_or("the new customer");
                write!(f, "+ subscribe {customer} to {plan} ({}", price.id)?;
                if let Some(amount) = price.unit_amount {
                    write!(
                        f,
                        ", {} {}",
                        money::format(amount, &price.currency),
                        price.currency
                    )?;
                }
                if *trial_days > 0 {
                    write!(f, ", trial {trial_days} days")?;
                }
                f.write_str(")")
            }
            Self::UpdateCustomer {
                customer, changes, ..
            } => {
                let fields: Vec<&str> = changes.iter().map(|change| change.field).collect();
                write!(f, "~ update {customer}: {}", fields.join(", "))
            }
            Self::SwapPrice { subscription, .. }
            | Self::MoveTrialEnd { subscription, .. }
            | Self::UndoCancellation { subscription, .. }
            | Self::RestoreIdentity { subscription, .. } => self.fmt_update(f, subscription),
            Self::CancelAtPeriodEnd { subscription } => {
                write!(f, "- cancel {subscription} at the end of its period")
            }
            Self::MarkCanceled { subscription } => {
                write!(f, "~ note on {subscription} that the manifest ends it")
            }
            Self::CancelNow { subscription } => write!(f, "- cancel {subscription} now"),
        }
    }
}

impl Step {
    fn fmt_update(&self, f: &mut fmt::Formatter<'_>, id: &str) -> fmt::Result {
        write!(f, "~ update {id}")?;
        for (index, change) in self.changes().iter().enumerate() {
            let separator = if index == 0 { ":" } else { "," };
            write!(
                f,
                "{separator} {} \"{}\" -> \"{}\"",
                change.field, change.before, change.after
            )?;
        }
        Ok(())
    }
}
