//! What a change will charge, asked of Stripe before it is made.
//!
//! A quote pins the instant from which Stripe prorates. The change is made with the same instant, so
//! that it charges what the quote says, however long it took to be approved.

use jiff::{SignedDuration, Timestamp};

use super::desired::digest;
use super::steps::ItemChange;
use crate::api::{Charged, Proration};

/// A quote older than this is asked for again before a change rests on it: invoice items, taxes and
/// usage go on changing.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(15);

/// What to ask Stripe for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteRequest {
    /// `sub_…`
    pub subscription: String,
    /// The change.
    pub items: Vec<ItemChange>,
    /// What becomes of the rest of the period.
    pub proration: Proration,
    /// The instant from which it is prorated.
    pub proration_date: Timestamp,
    /// Whether the change begins a new period or has an invoice of its own.
    pub charged: Charged,
    /// Lower case.
    pub currency: String,
    /// Digest of the change.
    pub fingerprint: String,
}

/// What a change will charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Digest of the change it is about.
    pub fingerprint: String,
    /// The instant from which it is prorated.
    pub proration_date: Timestamp,
    /// When Stripe computed it.
    pub taken_at: Timestamp,
    /// Minor units, taxes included; negative for a credit.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// When it is charged.
    pub charged: Charged,
}

impl Quote {
    /// The name by which it is approved. Another amount, instant or change has another name.
    pub fn name(&self) -> String {
        let date = self.proration_date.as_second().to_string();
        let digest = digest(&[&self.fingerprint, &date, &self.amount.to_string()]);
        format!("pv-{}", &digest[..10])
    }

    /// Whether it can still be relied on.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.taken_at).abs() <= FRESH_FOR
    }
}

impl QuoteRequest {
    /// The quote that came of it.
    pub fn answered(&self, amount: i64, taken_at: Timestamp) -> Quote {
        Quote {
            fingerprint: self.fingerprint.clone(),
            proration_date: self.proration_date,
            taken_at,
            amount,
            currency: self.currency.clone(),
            charged: self.charged,
        }
    }
}

/// What a change rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Footing {
    /// This quote allows it.
    Allowed(Quote),
    /// A quote has to be asked for first, prorated from the given instant.
    Ask(Timestamp),
    /// It charges more than it may, and nobody has approved it.
    Held(Quote),
}

/// Whether a change can be made now. `quote` is the last one taken, `approved` the name a person
/// gave, `most` the most it may charge without.
pub fn footing(
    fingerprint: &str,
    quote: Option<&Quote>,
    approved: Option<&str>,
    most: Option<i64>,
    now: Timestamp,
) -> Footing {
    let Some(quote) = quote.filter(|quote| quote.fingerprint == fingerprint) else {
        return Footing::Ask(now);
    };
    let is_approved = approved.is_some_and(|name| name == quote.name());
    let is_too_much = most.is_some_and(|most| quote.amount > most);
    match (is_too_much, is_approved, quote.is_fresh(now)) {
        // What a person is asked to approve keeps its name until it is.
        (true, false, _) => Footing::Held(quote.clone()),
        (_, _, true) => Footing::Allowed(quote.clone()),
        // If nothing has changed since, the same name comes of it, and the approval holds.
        (_, true, false) => Footing::Ask(quote.proration_date),
        (_, false, false) => Footing::Ask(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn quote(amount: i64) -> Quote {
        Quote {
            fingerprint: "f".into(),
            proration_date: at(0),
            taken_at: at(0),
            amount,
            currency: "usd".into(),
            charged: Charged::NextInvoice,
        }
    }

    #[test]
    fn a_change_needs_a_quote_of_its_own() {
        assert_eq!(
            footing("g", Some(&quote(1)), None, None, at(1)),
            Footing::Ask(at(1))
        );
        assert_eq!(footing("f", None, None, None, at(1)), Footing::Ask(at(1)));
    }

    #[test]
    fn what_charges_no_more_than_allowed_goes_ahead_while_the_quote_is_fresh() {
        let quote = quote(500);
        let most = Some(500);
        assert_eq!(
            footing("f", Some(&quote), None, most, at(1)),
            Footing::Allowed(quote.clone())
        );
        assert_eq!(
            footing("f", Some(&quote), None, most, at(60)),
            Footing::Ask(at(60))
        );
    }

    #[test]
    fn what_charges_more_waits_for_its_own_name_to_be_approved() {
        let quote = quote(501);
        let most = Some(500);
        let held = Footing::Held(quote.clone());
        assert_eq!(footing("f", Some(&quote), None, most, at(1)), held);
        // It keeps its name while it waits.
        assert_eq!(
            footing("f", Some(&quote), Some("pv-x"), most, at(6000)),
            held
        );
        let name = quote.name();
        assert_eq!(
            footing("f", Some(&quote), Some(&name), most, at(1)),
            Footing::Allowed(quote.clone())
        );
        // Approved late, it is asked for again as of the same instant: the same answer has the
        // same name.
        assert_eq!(
            footing("f", Some(&quote), Some(&name), most, at(6000)),
            Footing::Ask(at(0))
        );
        let again = Quote {
            taken_at: at(6000),
            ..quote.clone()
        };
        assert_eq!(
            footing("f", Some(&again), Some(&name), most, at(6000)),
            Footing::Allowed(again)
        );
        let dearer = Quote {
            amount: 502,
            taken_at: at(6000),
            ..quote
        };
        assert_eq!(
            footing("f", Some(&dearer), Some(&name), most, at(6000)),
            Footing::Held(dearer.clone())
        );
    }
}
