//! The cards a page offers, and the one a person chose.

use std::fmt::Write as _;

use serde::Deserialize;

use super::html::Text;
use crate::api::payment_methods;
use crate::engine::setups::Authentication;
use crate::model::TestCard;
use crate::state::State;
use crate::wire::StripeError;

/// Name behind `pm_card_` and what the card does, for people.
const OFFERED: &[(&str, &str)] = &[
    ("visa", "Works"),
    ("mastercard", "Works"),
    (
        "authenticationRequiredOnSetup",
        "Asks for authentication when it is saved, and never again",
    ),
    (
        "authenticationRequired",
        "Asks for authentication every time",
    ),
    ("chargeCustomerFail", "Can be saved; charging it fails"),
    ("chargeDeclined", "Is declined"),
    (
        "chargeDeclinedInsufficientFunds",
        "Is declined for lack of funds",
    ),
    (
        "createDispute",
        "Works; every charge is disputed afterwards",
    ),
];

/// Makes a payment method of a card: named as Stripe's tests do (`pm_card_visa`), by its number, or by the id of one
/// there is.
pub fn pay_with(state: &mut State, card: &str) -> Result<String, StripeError> {
    if card.starts_with(|first: char| first.is_ascii_digit()) {
        payment_methods::from_number(state, card)
    } else {
        payment_methods::resolve(state, card, "card")
    }
}

/// The form's part for choosing a card.
pub(super) fn choice() -> String {
    let mut html = String::new();
    let cards = OFFERED.iter().filter_map(|(name, what)| {
        let id = format!("pm_card_{name}");
        Some((TestCard::by_payment_method(&id)?, what))
    });
    for (at, (card, what)) in cards.enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        let _ = writeln!(
            html,
            "<label><input type=\"radio\" name=\"card\" value=\"{}\"{checked}> {} ending in {}<small>{}</small></label>",
            card.number,
            card.brand,
            card.last4(),
            Text(what)
        );
    }
    html + "<input type=\"text\" name=\"number\" placeholder=\"or type the number of another test card\" \
            autocomplete=\"off\" inputmode=\"numeric\">\n"
}

/// A card, and how its owner fares if its issuer asks who they are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payer {
    /// The card: `pm_card_…`, a number, or the id of a payment method.
    pub card: Option<String>,
    /// Whether they prove to be its owner.
    pub authenticate: Option<Authentication>,
}

impl Payer {
    /// Reads a form. A card that was typed goes before the one that is ticked.
    pub(super) fn read(form: &[u8]) -> Self {
        let passed = field(form, "authenticate").map(|it| it == "true");
        Self {
            card: field(form, "number").or_else(|| field(form, "card")),
            authenticate: passed.map(Authentication::from),
        }
    }
}

/// What was payer into a field of a form, unless nothing was.
pub(super) fn field(form: &[u8], wanted: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(form);
    let (_, value) = pairs.find(|(name, _)| name == wanted)?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_number_goes_before_the_card_ticked() {
        let payer = Payer::read(b"card=4242424242424242&number=4000+0027+6000+3184");
        assert_eq!(payer.card.as_deref(), Some("4000 0027 6000 3184"));
        let payer = Payer::read(b"card=4242424242424242&number=");
        assert_eq!(payer.card.as_deref(), Some("4242424242424242"));
        assert_eq!(
            Payer::read(b"authenticate=false").authenticate,
            Some(Authentication::Failed)
        );
    }

    #[test]
    fn every_card_offered_is_a_test_card() {
        for (name, _) in OFFERED {
            let card = TestCard::by_payment_method(&format!("pm_card_{name}"));
            assert!(card.is_some(), "{name}");
        }
    }
}
