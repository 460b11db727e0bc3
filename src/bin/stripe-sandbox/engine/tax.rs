//! Stripe Tax, simplified: one rate for every place where tax is collected.

use rust_decimal::Decimal;

use super::drafts::Finalizer;
use super::pricing::round;
use super::save_subscription;
use crate::model::Customer;
use crate::model::invoice::{Invoice, Line};
use crate::model::subscription::AutomaticTax;
use crate::model::tax::{InvoiceTax, LineTax, TaxBehavior};
use crate::state::{State, TaxLocation, UnknownLocation};
use crate::wire::StripeError;

/// What Stripe says of a customer whose place it does not know.
pub const LOCATION_UNKNOWN: &str = "The customer's location isn't recognized. Set a valid customer address in order to \
                                    automatically calculate tax.";

/// Puts tax on lines as far as it can be calculated, and says how far that is.
pub fn assess(
    state: &State,
    setting: AutomaticTax,
    customer: Option<&Customer>,
    lines: &mut [Line],
) -> InvoiceTax {
    for line in lines.iter_mut() {
        line.tax = None;
    }
    if setting != AutomaticTax::On {
        return InvoiceTax::Off;
    }
    let location = customer.map_or(TaxLocation::UnrecognizedLocation, |customer| {
        customer.tax_location(&state.settings)
    });
    let exempt = customer.map_or("none", |customer| customer.tax_exempt.as_str());
    let percent = state.settings.tax_percent;
    let (percent, reason) = match (location, exempt) {
        (TaxLocation::UnrecognizedLocation, _) => return InvoiceTax::RequiresLocationInputs,
        (TaxLocation::Failed, _) => return InvoiceTax::Failed,
        (TaxLocation::NotCollecting, _) => (Decimal::ZERO, "not_collecting"),
        (TaxLocation::Supported, "exempt") => (Decimal::ZERO, "customer_exempt"),
        (TaxLocation::Supported, "reverse") => (Decimal::ZERO, "reverse_charge"),
        (TaxLocation::Supported, _) if percent.is_zero() => (percent, "zero_rated"),
        (TaxLocation::Supported, _) => (percent, "standard_rated"),
    };
    for line in lines {
        let price = state.prices.get(&line.price);
        let inclusive = price.is_some_and(|price| price.tax_behavior == "inclusive");
        let behavior = if inclusive {
            TaxBehavior::Inclusive
        } else {
            TaxBehavior::Exclusive
        };
        line.tax = Some(LineTax {
            amount: amount(line.amount, percent, behavior),
            behavior,
            reason: reason.to_owned(),
        });
    }
    InvoiceTax::Complete
}

/// Calculates tax by where the customer is now. When Stripe finalises by itself, not knowing the place turns automatic tax
/// off, here and in the subscription, unless the settings have it fail as a request to finalise does.
pub fn assess_finally(state: &mut State, invoice: &mut Invoice, finalizer: Finalizer) {
    let subscription = state.billing.subscriptions.get(&invoice.subscription);
    let Some(mut subscription) = subscription.cloned() else {
        return;
    };
    if invoice.automatic_tax == InvoiceTax::Off {
        return;
    }
    let customer = state.customers.get(&invoice.customer);
    let setting = subscription.automatic_tax;
    invoice.automatic_tax = assess(state, setting, customer, &mut invoice.lines);
    let gives_up = finalizer == Finalizer::Stripe
        && state.settings.unknown_tax_location == UnknownLocation::Untaxed;
    if invoice.automatic_tax == InvoiceTax::RequiresLocationInputs && gives_up {
        invoice.automatic_tax = InvoiceTax::Disabled;
        subscription.automatic_tax = AutomaticTax::Disabled;
        save_subscription(state, subscription);
    }
}

/// The tax on an amount, or in it.
fn amount(amount: i64, percent: Decimal, behavior: TaxBehavior) -> i64 {
    let amount = Decimal::from(amount);
    match behavior {
        TaxBehavior::Exclusive => round(amount * percent / Decimal::ONE_HUNDRED),
        TaxBehavior::Inclusive => round(amount * percent / (Decimal::ONE_HUNDRED + percent)),
    }
}

/// Refuses automatic tax for a customer whose place is not known.
pub fn require_location(state: &State, customer: &Customer) -> Result<(), StripeError> {
    if customer.tax_location(&state.settings) != TaxLocation::UnrecognizedLocation {
        return Ok(());
    }
    Err(StripeError::invalid(LOCATION_UNKNOWN).code("customer_tax_location_invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_is_added_to_an_exclusive_amount_and_taken_out_of_an_inclusive_one() {
        let percent = Decimal::new(19, 0);
        assert_eq!(amount(10_000, percent, TaxBehavior::Exclusive), 1_900);
        assert_eq!(amount(11_900, percent, TaxBehavior::Inclusive), 1_900);
        assert_eq!(amount(-11_900, percent, TaxBehavior::Inclusive), -1_900);
        // 3.325 and 3.325/1.0… cents: halves go away from zero.
        assert_eq!(amount(50, Decimal::new(7, 0), TaxBehavior::Exclusive), 4);
    }
}
