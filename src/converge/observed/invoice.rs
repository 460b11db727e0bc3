//! Invoices that are not settled.

use jiff::Timestamp;

use super::HoldMark;
use crate::converge::notice::Marks;

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// `cus_…`
    pub customer: String,
    /// The subscription it bills (`sub_…`); `None` for one that a person made.
    pub subscription: Option<String>,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// What is still to be paid, in minor units; of a draft, what would be.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// Why it was made (`billing_reason`), in Stripe's word.
    pub billing_reason: String,
    /// When it was made.
    pub created: Timestamp,
    /// Stripe finalises it, or collects its payment, by itself.
    pub auto_advance: bool,
    /// When Stripe is going to finalise it; `None` when it isn't going to.
    pub finalizes_at: Option<Timestamp>,
    /// When it was finalised, which is when Stripe first tries to collect it.
    pub finalized: Option<Timestamp>,
    /// A payment was attempted.
    pub attempted: bool,
    /// How often Stripe attempted a payment.
    pub attempt_count: i64,
    /// When the next attempt is made; `None` when there is to be none.
    pub next_payment_attempt: Option<Timestamp>,
    /// By when the customer is to pay, when it is sent instead of charged.
    pub due_date: Option<Timestamp>,
    /// The page where the customer can pay it.
    pub hosted_url: Option<String>,
    /// Why it could not be finalised.
    pub finalization_error: Option<Box<FinalizationError>>,
    /// How computing its taxes went.
    pub tax: InvoiceTax,
    /// What its payment waits for.
    pub awaits: Awaits,
    /// The payment method with which its payment failed last (`pm_…`).
    pub tried: Option<String>,
    /// The operator keeps it from being collected (`tenantbilling_held_by`).
    pub held: Option<HoldMark>,
    /// What people were told about it (`tenantbilling_told_…`).
    pub notices: Marks,
}

/// `invoice.status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InvoiceStatus {
    /// It can still change, and nobody owes it.
    Draft,
    /// It is to be paid.
    Open,
    /// Given up, but still owed.
    Uncollectible,
    /// Paid.
    Paid,
    /// Withdrawn.
    Void,
    /// A status that this version does not know.
    Other(String),
}

impl InvoiceStatus {
    /// The statuses in which an invoice is of interest, in the order in which they are listed. An
    /// invoice only ever moves on in this order: listed so, one that moves meanwhile is met twice
    /// rather than never.
    pub const UNSETTLED: [Self; 3] = [Self::Draft, Self::Open, Self::Uncollectible];

    /// Whether Stripe may still finalise or collect it by itself. What was given up is owed, and
    /// waits for somebody to pay it.
    pub fn is_collected(&self) -> bool {
        matches!(self, Self::Draft | Self::Open)
    }

    /// Stripe's own word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Uncollectible => "uncollectible",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for InvoiceStatus {
    fn from(word: &str) -> Self {
        match word {
            "draft" => Self::Draft,
            "open" => Self::Open,
            "uncollectible" => Self::Uncollectible,
            "paid" => Self::Paid,
            "void" => Self::Void,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Why an invoice could not be finalised (`last_finalization_error`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalizationError {
    /// Stripe's code.
    pub code: String,
    /// Stripe's words.
    pub message: String,
}

/// How computing the taxes of an invoice went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvoiceTax {
    /// It went well, is yet to be done, or is not wanted.
    #[default]
    Fine,
    /// Stripe Tax cannot place the customer.
    LocationMissing,
    /// It failed for another reason.
    Failed,
}

/// A payment of an invoice that is not made yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPayment {
    /// What it waits for.
    pub awaits: Awaits,
    /// What it failed with last (`pm_…`).
    pub tried: Option<String>,
}

/// What the payment of an invoice waits for (the status of its `PaymentIntent`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Awaits {
    /// Nothing that is known.
    #[default]
    Nothing,
    /// A payment method that can be charged: there is none, or the last attempt was declined.
    PaymentMethod,
    /// The customer, who has to authenticate (3-D Secure).
    Action,
    /// The bank.
    Processing,
}

impl From<&str> for Awaits {
    fn from(status: &str) -> Self {
        match status {
            "requires_payment_method" => Self::PaymentMethod,
            "requires_action" => Self::Action,
            "processing" => Self::Processing,
            _ => Self::Nothing,
        }
    }
}
