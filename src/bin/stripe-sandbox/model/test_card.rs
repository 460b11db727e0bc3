//! Stripe's test cards.

use super::{Aftermath, CardBehavior};

/// A test card: its numbers and what it does.
#[derive(Clone, Debug)]
pub struct TestCard {
    /// Brand.
    pub brand: &'static str,
    /// `credit` or `debit`.
    pub funding: &'static str,
    /// The whole number.
    pub number: &'static str,
    /// When attached or set up.
    pub on_setup: CardBehavior,
    /// When charged.
    pub on_charge: CardBehavior,
    /// Once it has paid.
    pub aftermath: Aftermath,
}

/// What distinguishes a card beside its looks.
enum Kind {
    Works,
    /// Refused at once, at attachment too.
    Declines(&'static str),
    /// Attaches, then refuses charges.
    DeclinesCharges(&'static str),
    /// Authentication at every charge and at setup.
    Authenticates,
    /// Authentication at setup; later charges pass.
    AuthenticatesSetup,
    /// Pays, and more follows.
    Troubles(Aftermath),
}

use Kind::{Authenticates, AuthenticatesSetup, Declines, DeclinesCharges, Troubles, Works};

/// Name behind `pm_card_` (or `tok_`), number, brand, funding, kind.
const CARDS: &[(&str, &str, &str, &str, Kind)] = &[
    ("visa", "4242424242424242", "visa", "credit", Works),
    ("visa_debit", "4000056655665556", "visa", "debit", Works),
    (
        "mastercard",
        "5555555555554444",
        "mastercard",
        "credit",
        Works,
    ),
    (
        "mastercard_debit",
        "5200828282828210",
        "mastercard",
        "debit",
        Works,
    ),
    (
        "mastercard_prepaid",
        "5105105105105100",
        "mastercard",
        "prepaid",
        Works,
    ),
    ("amex", "378282246310005", "amex", "credit", Works),
    ("discover", "6011111111111117", "discover", "credit", Works),
    ("diners", "3056930009020004", "diners", "credit", Works),
    ("jcb", "3566002020360505", "jcb", "credit", Works),
    ("unionpay", "6200000000000005", "unionpay", "credit", Works),
    (
        "chargeDeclined",
        "4000000000000002",
        "visa",
        "credit",
        Declines("generic_decline"),
    ),
    (
        "chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "visa",
        "credit",
        Declines("insufficient_funds"),
    ),
    (
        "chargeDeclinedLostCard",
        "4000000000009987",
        "visa",
        "credit",
        Declines("lost_card"),
    ),
    (
        "chargeDeclinedStolenCard",
        "4000000000009979",
        "visa",
        "credit",
        Declines("stolen_card"),
    ),
    (
        "chargeDeclinedExpiredCard",
        "4000000000000069",
        "visa",
        "credit",
        Declines("expired_card"),
    ),
    (
        "chargeDeclinedIncorrectCvc",
        "4000000000000127",
        "visa",
        "credit",
        Declines("incorrect_cvc"),
    ),
    (
        "chargeDeclinedProcessingError",
        "4000000000000119",
        "visa",
        "credit",
        Declines("processing_error"),
    ),
    (
        "chargeDeclinedFraudulent",
        "4100000000000019",
        "visa",
        "credit",
        Declines("fraudulent"),
    ),
    (
        "chargeCustomerFail",
        "4000000000000341",
        "visa",
        "credit",
        DeclinesCharges("generic_decline"),
    ),
    (
        "authenticationRequired",
        "4000002760003184",
        "visa",
        "credit",
        Authenticates,
    ),
    (
        "threeDSecure2Required",
        "4000000000003220",
        "visa",
        "credit",
        Authenticates,
    ),
    (
        "authenticationRequiredOnSetup",
        "4000002500003155",
        "visa",
        "credit",
        AuthenticatesSetup,
    ),
    (
        "createDispute",
        "4000000000000259",
        "visa",
        "credit",
        Troubles(Aftermath::Fraudulent),
    ),
    (
        "createDisputeProductNotReceived",
        "4000000000002685",
        "visa",
        "credit",
        Troubles(Aftermath::NotReceived),
    ),
    (
        "createDisputeInquiry",
        "4000000000001976",
        "visa",
        "credit",
        Troubles(Aftermath::Inquiry),
    ),
    (
        "createIssuerFraudRecord",
        "4000000000005423",
        "visa",
        "credit",
        Troubles(Aftermath::Warning),
    ),
];

impl TestCard {
    /// The card that `pm_card_NAME` stands for. `pm_card_visa_chargeDeclined…` is the same as without `visa_`.
    pub fn by_payment_method(id: &str) -> Option<Self> {
        Self::by_name(id.strip_prefix("pm_card_")?)
    }

    /// The card that `tok_NAME` stands for.
    pub fn by_token(token: &str) -> Option<Self> {
        Self::by_name(token.strip_prefix("tok_")?)
    }

    /// The card with this number.
    pub fn by_number(number: &str) -> Option<Self> {
        let digits = number.replace(' ', "");
        CARDS
            .iter()
            .find(|card| card.1 == digits)
            .map(Self::from_row)
    }

    fn by_name(name: &str) -> Option<Self> {
        let row = |name: &str| CARDS.iter().find(|card| card.0 == name);
        row(name)
            .or_else(|| row(name.strip_prefix("visa_")?))
            .map(Self::from_row)
    }

    /// Last four digits.
    pub fn last4(&self) -> &'static str {
        self.number
            .get(self.number.len().saturating_sub(4)..)
            .unwrap_or(self.number)
    }

    fn from_row(
        (_, number, brand, funding, kind): &(&str, &'static str, &'static str, &'static str, Kind),
    ) -> Self {
        let decline = |code: &str| CardBehavior::Decline(code.to_owned());
        let (on_setup, on_charge) = match kind {
            Works | Troubles(_) => (CardBehavior::Success, CardBehavior::Success),
            Declines(code) => (decline(code), decline(code)),
            DeclinesCharges(code) => (CardBehavior::Success, decline(code)),
            Authenticates => (CardBehavior::RequiresAction, CardBehavior::RequiresAction),
            AuthenticatesSetup => (CardBehavior::RequiresAction, CardBehavior::Success),
        };
        Self {
            brand,
            funding,
            number,
            on_setup,
            on_charge,
            aftermath: match kind {
                Troubles(aftermath) => *aftermath,
                _ => Aftermath::Nothing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_tokens_mean_the_same_card() {
        let by_name =
            TestCard::by_payment_method("pm_card_visa_chargeDeclinedInsufficientFunds").unwrap();
        assert_eq!(
            by_name.on_charge,
            CardBehavior::Decline("insufficient_funds".into())
        );
        assert_eq!(by_name.last4(), "9995");
        assert_eq!(
            TestCard::by_number("4242 4242 4242 4242").unwrap().brand,
            "visa"
        );
        assert_eq!(
            TestCard::by_token("tok_mastercard").unwrap().last4(),
            "4444"
        );
        assert!(TestCard::by_payment_method("pm_card_nonsense").is_none());
    }

    #[test]
    fn the_card_that_fails_later_can_be_attached() {
        let card = TestCard::by_payment_method("pm_card_chargeCustomerFail").unwrap();
        assert_eq!(card.on_setup, CardBehavior::Success);
        assert_eq!(
            card.on_charge,
            CardBehavior::Decline("generic_decline".into())
        );
    }
}
