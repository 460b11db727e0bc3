//! The vocabulary of changes to a tenant's objects in Stripe: each is one request.

mod describe;

use jiff::Timestamp;

use super::desired::Offer;
use super::observed::{Phase, PhaseItem};
use crate::api::{Address, CustomerDetails, Interval, Proration};

/// What [`Step::creates`] calls a schedule.
pub const SCHEDULE: &str = "Schedule";

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
        /// Its prices.
        offer: Box<Offer>,
        /// How many of the base fee.
        quantity: i64,
        /// Whether Stripe is to compute taxes.
        automatic_tax: bool,
        /// Length of the trial it begins with.
        trial_days: i64,
        /// Length of the trial the manifest asks for; differs when the tenant had its trial.
        declared_trial_days: i64,
        /// The observed state it starts from, as far as it must make the request another one.
        basis: String,
    },
    /// Change what the subscription sells: one update, whatever it takes.
    ChangeItems {
        /// `sub_…`
        subscription: String,
        /// The changes.
        items: Vec<ItemChange>,
        /// What becomes of the rest of the period.
        proration: Proration,
        /// The instant from which it is prorated.
        proration_date: Option<Timestamp>,
        /// Why.
        cause: Cause,
        /// Prices and quantity, for people.
        changes: Vec<Change>,
    },
    /// Put the subscription under a schedule, which for now changes nothing.
    CreateSchedule {
        /// `sub_…`
        subscription: String,
        /// The observed state it starts from.
        basis: String,
    },
    /// Have the schedule change what the subscription sells when the period ends.
    ScheduleChange {
        /// `sub_…`
        subscription: String,
        /// `sub_sched_…`
        schedule: String,
        /// The phase that is running.
        current: Phase,
        /// What is sold after it.
        next: Vec<PhaseItem>,
        /// How often that is billed.
        interval: Interval,
        /// Discounts that go on.
        discounts: Vec<String>,
        /// For people.
        changes: Vec<Change>,
    },
    /// Take the subscription out of the schedule; it goes on as it is.
    ReleaseSchedule {
        /// `sub_…`
        subscription: String,
        /// `sub_sched_…`
        schedule: String,
    },
    /// Have Stripe compute the subscription's taxes, or not.
    SetAutomaticTax {
        /// `sub_…`
        subscription: String,
        /// Whether it does.
        enabled: bool,
        /// For people.
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
            Self::ChangeItems { .. } => "ChangeItems",
            Self::CreateSchedule { .. } => "CreateSchedule",
            Self::ScheduleChange { .. } => "ScheduleChange",
            Self::ReleaseSchedule { .. } => "ReleaseSchedule",
            Self::SetAutomaticTax { .. } => "SetAutomaticTax",
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
            Self::ChangeItems { .. } => "PlanChanged",
            Self::CreateSchedule { .. } | Self::ScheduleChange { .. } => "PlanChangeScheduled",
            Self::ReleaseSchedule { .. } => "ScheduleReleased",
            Self::MoveTrialEnd { .. }
            | Self::MarkCanceled { .. }
            | Self::SetAutomaticTax { .. }
            | Self::RestoreIdentity { .. } => "SubscriptionUpdated",
        }
    }

    /// What it creates, when a lost answer could make a second one.
    pub const fn creates(&self) -> Option<&'static str> {
        match self {
            Self::CreateCustomer { .. } => Some("Customer"),
            Self::CreateSubscription { .. } => Some("Subscription"),
            Self::CreateSchedule { .. } => Some(SCHEDULE),
            _ => None,
        }
    }

    /// The values it changes, for people and for `status.drift`.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::UpdateCustomer { changes, .. }
            | Self::ChangeItems { changes, .. }
            | Self::ScheduleChange { changes, .. }
            | Self::SetAutomaticTax { changes, .. }
            | Self::MoveTrialEnd { changes, .. }
            | Self::UndoCancellation { changes, .. }
            | Self::RestoreIdentity { changes, .. } => changes,
            _ => &[],
        }
    }

    /// Whether it puts right what was not caused by an edit, when `unedited` tells that there was
    /// none since the desired state was last brought about.
    pub const fn is_repair(&self, unedited: Unedited) -> bool {
        match self {
            Self::ChangeItems { cause, .. } => matches!(cause, Cause::Restored),
            Self::CreateSchedule { .. }
            | Self::ScheduleChange { .. }
            | Self::ReleaseSchedule { .. } => false,
            _ => matches!(unedited, Unedited::Yes),
        }
    }

    /// The observed state it starts from, as text: part of the idempotency key, so that doing the
    /// same again later is another request.
    pub fn basis(&self) -> String {
        match self {
            Self::CreateSubscription { basis, .. } | Self::CreateSchedule { basis, .. } => {
                basis.clone()
            }
            Self::ReleaseSchedule { schedule, .. } => schedule.clone(),
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
