//! The vocabulary of changes to a tenant's objects in Stripe: each is one request.

mod collection;
mod describe;
mod parts;

use jiff::Timestamp;

pub use self::collection::CollectionStep;
pub use self::parts::{
    Cause, Change, CustomerUpdate, FirstPayment, ItemChange, NewSubscription, TrialStart, Unedited,
};
use super::observed::{Phase, PhaseItem};
use super::payment::CollectionMethod;
use super::trial::DeclaredTrial;
use crate::api::{CustomerDetails, IfNoPaymentMethod, Interval, Proration};

/// What [`Step::creates`] calls a schedule.
pub const SCHEDULE: &str = "Schedule";

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
        /// What it is to be.
        new: Box<NewSubscription>,
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
        /// What the manifest says, to be recorded.
        declared: DeclaredTrial,
        /// The same for people.
        changes: Vec<Change>,
    },
    /// Say what happens when a running trial ends without a payment method.
    SetTrialEnding {
        /// `sub_…`
        subscription: String,
        /// What happens.
        behavior: IfNoPaymentMethod,
        /// The same for people.
        changes: Vec<Change>,
    },
    /// Tell once that a trial is about to end, and note that on the subscription.
    RemindOfTrialEnd {
        /// `sub_…`
        subscription: String,
        /// The end that is reminded of.
        end: Timestamp,
        /// What is told.
        notice: String,
    },
    /// Have the customer's invoices charged, or sent.
    SetCollection {
        /// `sub_…`
        subscription: String,
        /// How they are paid.
        collection: CollectionMethod,
        /// The same for people.
        changes: Vec<Change>,
    },
    /// Make a payment method that the customer has left the one that is charged.
    SetDefaultPaymentMethod {
        /// `cus_…`
        customer: String,
        /// `pm_…`
        payment_method: String,
    },
    /// Make a page on which the customer can leave a payment method.
    CreateSetupSession {
        /// `cus_…`
        customer: String,
        /// Lower case; decides which payment methods are offered.
        currency: String,
        /// Where the customer goes afterwards.
        return_url: String,
        /// The session before it, which makes this another request.
        basis: String,
    },
    /// Go on with a subscription that stands still because its trial ended without a payment method.
    Resume {
        /// `sub_…`
        subscription: String,
        /// What is charged (`pm_…`); another one makes this another request.
        payment_method: String,
    },
    /// Charge an open invoice to a payment method that has not failed for it.
    PayInvoice {
        /// `in_…`
        invoice: String,
        /// `pm_…`
        payment_method: String,
    },
    /// Hold back what the subscription charges, or let it go.
    Collection(CollectionStep),
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
        /// The trial to record along.
        declared_trial: DeclaredTrial,
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
            Self::SetTrialEnding { .. } => "SetTrialEnding",
            Self::RemindOfTrialEnd { .. } => "RemindOfTrialEnd",
            Self::SetCollection { .. } => "SetCollection",
            Self::SetDefaultPaymentMethod { .. } => "SetDefaultPaymentMethod",
            Self::CreateSetupSession { .. } => "CreateSetupSession",
            Self::Resume { .. } => "Resume",
            Self::PayInvoice { .. } => "PayInvoice",
            Self::Collection(step) => step.operation(),
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
            Self::Collection(step) => step.event_reason(),
            Self::CancelAtPeriodEnd { .. } => "CancellationScheduled",
            Self::UndoCancellation { .. } => "CancellationUndone",
            Self::CancelNow { .. } => "SubscriptionCanceled",
            Self::ChangeItems { .. } => "PlanChanged",
            Self::CreateSchedule { .. } | Self::ScheduleChange { .. } => "PlanChangeScheduled",
            Self::ReleaseSchedule { .. } => "ScheduleReleased",
            Self::RemindOfTrialEnd { .. } => "TrialEnding",
            Self::SetDefaultPaymentMethod { .. } => "PaymentMethodReady",
            Self::CreateSetupSession { .. } => "PaymentMethodRequested",
            Self::Resume { .. } => "SubscriptionResumed",
            Self::PayInvoice { .. } => "InvoicePaid",
            Self::MoveTrialEnd { .. }
            | Self::SetTrialEnding { .. }
            | Self::SetCollection { .. }
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
            | Self::SetTrialEnding { changes, .. }
            | Self::SetCollection { changes, .. }
            | Self::UndoCancellation { changes, .. }
            | Self::RestoreIdentity { changes, .. } => changes,
            Self::Collection(step) => step.changes(),
            _ => &[],
        }
    }

    /// Whether it puts right what was not caused by an edit, when `unedited` tells that there was
    /// none since the desired state was last brought about.
    pub const fn is_repair(&self, unedited: Unedited) -> bool {
        match self {
            Self::ChangeItems { cause, .. } => matches!(cause, Cause::Restored),
            Self::Collection(step) => step.is_repair(),
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
            Self::CreateSubscription { basis, .. }
            | Self::CreateSchedule { basis, .. }
            | Self::CreateSetupSession { basis, .. } => basis.clone(),
            Self::Resume { payment_method, .. } | Self::PayInvoice { payment_method, .. } => {
                payment_method.clone()
            }
            Self::Collection(step) => step.basis(),
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
