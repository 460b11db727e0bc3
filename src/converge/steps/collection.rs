//! Steps that hold back, and let go again, what a subscription charges.

use std::fmt;

use super::{Cause, Change};
use crate::converge::observed::HoldMark;

/// A change of whether a subscription's invoices are collected.
///
/// Holding pauses and marks the subscription in one request, then each invoice that was made before and
/// is still being collected. Letting go takes several, of which any may be the last before a crash:
/// resume (the mark stays), release the invoices one by one, take the mark away. While the mark stands,
/// what is left is found again; it tells since when drafts are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectionStep {
    /// Keep the invoices to come as drafts, and note why and since when.
    Hold {
        /// `sub_…`
        subscription: String,
        /// The note.
        mark: HoldMark,
        /// Whether somebody has undone it.
        cause: Cause,
        /// For people.
        changes: Vec<Change>,
    },
    /// Collect the invoices to come again.
    Resume {
        /// `sub_…`
        subscription: String,
        /// The note, which stays.
        mark: HoldMark,
        /// For people.
        changes: Vec<Change>,
    },
    /// Keep an invoice that was made before from being finalised or charged, and note that it was us.
    HoldInvoice {
        /// `in_…`
        invoice: String,
        /// The note.
        mark: HoldMark,
    },
    /// Have Stripe finalise and charge an invoice that was held back.
    ReleaseInvoice {
        /// `in_…`
        invoice: String,
        /// What it was held back for.
        mark: HoldMark,
    },
    /// Take the note away: everything is let go.
    Unmark {
        /// `sub_…`
        subscription: String,
        /// The note.
        mark: HoldMark,
    },
}

impl CollectionStep {
    /// Name of the operation.
    pub(super) const fn operation(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "HoldCollection",
            Self::Resume { .. } => "ResumeCollection",
            Self::HoldInvoice { .. } => "HoldInvoice",
            Self::ReleaseInvoice { .. } => "ReleaseInvoice",
            Self::Unmark { .. } => "UnmarkHold",
        }
    }

    /// Reason of the event that tells of it.
    pub(super) const fn event_reason(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "CollectionHeld",
            Self::Resume { .. } => "CollectionResumed",
            Self::HoldInvoice { .. } => "InvoiceHeld",
            Self::ReleaseInvoice { .. } => "InvoiceReleased",
            Self::Unmark { .. } => "SubscriptionUpdated",
        }
    }

    /// The values it changes.
    pub(super) fn changes(&self) -> &[Change] {
        match self {
            Self::Hold { changes, .. } | Self::Resume { changes, .. } => changes,
            Self::HoldInvoice { .. } | Self::ReleaseInvoice { .. } | Self::Unmark { .. } => &[],
        }
    }

    /// Whether it puts right what somebody has changed.
    pub(super) const fn is_repair(&self) -> bool {
        matches!(
            self,
            Self::Hold {
                cause: Cause::Restored,
                ..
            }
        )
    }

    /// The observed state it starts from: each hold has a mark of its own.
    pub(super) fn basis(&self) -> String {
        let (Self::Hold { mark, .. }
        | Self::Resume { mark, .. }
        | Self::HoldInvoice { mark, .. }
        | Self::ReleaseInvoice { mark, .. }
        | Self::Unmark { mark, .. }) = self;
        let before: Vec<&str> = self.changes().iter().map(|c| c.before.as_str()).collect();
        format!("{mark}\n{}", before.join("\n"))
    }
}

impl fmt::Display for CollectionStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold {
                subscription, mark, ..
            } => write!(
                f,
                "~ hold what {subscription} charges while {} is open",
                mark.by
            ),
            Self::Resume { subscription, .. } => {
                write!(f, "~ collect what {subscription} charges again")
            }
            Self::HoldInvoice { invoice, mark } => {
                write!(f, "~ hold {invoice} while {} is open", mark.by)
            }
            Self::ReleaseInvoice { invoice, mark } => {
                write!(f, "~ release {invoice}, which was held for {}", mark.by)
            }
            Self::Unmark { subscription, mark } => {
                write!(
                    f,
                    "~ note on {subscription} that the hold for {} is over",
                    mark.by
                )
            }
        }
    }
}
