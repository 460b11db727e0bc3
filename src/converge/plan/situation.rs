//! What a plan depends on besides manifest and Stripe.

use jiff::Timestamp;

use crate::converge::payment::SetupLink;
use crate::converge::quote::Quote;

/// What an earlier look wrote into the status. Everything in it can be lost: it only sharpens
/// what Stripe itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The subscription last known to be the tenant's, even if its metadata was edited since.
    pub subscription_id: Option<String>,
    /// What the subscription was brought to.
    pub terms: Option<RecordedTerms>,
    /// A schedule was about to be made.
    pub schedule_begun: bool,
    /// Digest of the desired state that was brought about.
    pub applied_digest: Option<String>,
    /// The page on which the customer was last asked for a payment method.
    pub setup: Option<SetupLink>,
}

/// What a subscription was brought to, as the status records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTerms {
    /// The plan.
    pub plan: String,
    /// The price of the base fee.
    pub base: String,
    /// The metered prices.
    pub usage: Vec<String>,
    /// How many of the base fee.
    pub quantity: i64,
}

/// What a plan depends on besides manifest and Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Now: the time of the tenant's test clock, if it lives on one.
    pub now: Timestamp,
    /// Now, whatever clock the tenant lives on: Stripe's pages expire by it.
    pub wall: Timestamp,
    /// Whether the tenant may be moved to new prices.
    pub turn: Turn,
    /// What Stripe last said that a change would charge.
    pub quote: Option<Quote>,
    /// The preview that a person has approved.
    pub approved: Option<String>,
    /// Invoices and the payment methods with which their payment was refused in this look.
    pub refused: Vec<(String, String)>,
    /// The payment method the customer left last, be it the default or not; `None` while that was
    /// not asked, since it takes a request.
    pub attached: Option<Attached>,
}

/// What payment methods a customer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// None at all.
    Nothing,
    /// At least this one (`pm_…`), which came last.
    Latest(String),
}

impl Situation {
    /// Nothing but the time.
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            wall: now,
            turn: Turn::Unasked,
            quote: None,
            approved: None,
            refused: Vec::new(),
            attached: None,
        }
    }
}

/// Whether a tenant may be moved to the new prices of its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It was not asked yet.
    Unasked,
    /// It may.
    Granted,
    /// Later, at this time; `None` while the rollout is paused.
    Later(Option<Timestamp>),
}
