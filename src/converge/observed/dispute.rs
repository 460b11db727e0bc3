//! Payments that a customer, or a card network, calls in question.

use jiff::Timestamp;

use crate::converge::notice::Marks;

/// A dispute, or an inquiry that may become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// `du_…`
    pub id: String,
    /// Whose charge is disputed (`cus_…`).
    pub customer: String,
    /// The invoice that the charge paid (`in_…`).
    pub invoice: Option<String>,
    /// Where it stands.
    pub status: DisputeStatus,
    /// Why, in Stripe's word, as in `fraudulent`.
    pub reason: String,
    /// What is disputed, in minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// When it was opened.
    pub created: Timestamp,
    /// By when evidence has to be submitted.
    pub evidence_due_by: Option<Timestamp>,
    /// What people were told about it (`tenantbilling_told_…`).
    pub notices: Marks,
}

/// `dispute.status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DisputeStatus {
    /// Evidence is asked for.
    NeedsResponse,
    /// The bank decides.
    UnderReview,
    /// An inquiry: evidence is asked for, no money is withdrawn.
    WarningNeedsResponse,
    /// An inquiry that the bank looks at.
    WarningUnderReview,
    /// An inquiry that came to nothing.
    WarningClosed,
    /// Decided for the merchant.
    Won,
    /// Decided for the customer.
    Lost,
    /// Settled before it became a dispute.
    Prevented,
    /// A status that this version does not know; treated as open, since charging on is the greater
    /// evil.
    Other(String),
}

impl DisputeStatus {
    /// Stripe's own word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NeedsResponse => "needs_response",
            Self::UnderReview => "under_review",
            Self::WarningNeedsResponse => "warning_needs_response",
            Self::WarningUnderReview => "warning_under_review",
            Self::WarningClosed => "warning_closed",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Prevented => "prevented",
            Self::Other(word) => word,
        }
    }

    /// Whether it is yet to be decided.
    pub const fn is_open(&self) -> bool {
        !matches!(
            self,
            Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented
        )
    }

    /// Whether evidence is asked for.
    pub const fn needs_response(&self) -> bool {
        matches!(self, Self::NeedsResponse | Self::WarningNeedsResponse)
    }
}

impl From<&str> for DisputeStatus {
    fn from(word: &str) -> Self {
        match word {
            "needs_response" => Self::NeedsResponse,
            "under_review" => Self::UnderReview,
            "warning_needs_response" => Self::WarningNeedsResponse,
            "warning_under_review" => Self::WarningUnderReview,
            "warning_closed" => Self::WarningClosed,
            "won" => Self::Won,
            "lost" => Self::Lost,
            "prevented" => Self::Prevented,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A card network's early warning that a charge may be fraudulent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FraudWarning {
    /// `issfr_…`
    pub id: String,
    /// Whose charge it is (`cus_…`).
    pub customer: String,
    /// The charge (`ch_…`).
    pub charge: String,
    /// What kind of fraud, in Stripe's word, as in `made_with_stolen_card`.
    pub kind: String,
    /// Refunding the charge can still prevent a dispute.
    pub actionable: bool,
    /// When it came.
    pub created: Timestamp,
}
