//! Money as people write it and as Stripe counts it.

use rust_decimal::Decimal;

/// Currencies without minor units in Stripe.
const ZERO_DECIMAL: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// Currencies with thousandths. Stripe wants their amounts rounded to ten thousandths, that is:
/// the last of the three digits is zero.
const THREE_DECIMAL: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];
/// Currencies without minor units in daily life that Stripe's API counts in hundredths all the
/// same, for the sake of older integrations; the hundredths have to be zero.
const WHOLE_ONLY: &[&str] = &["isk", "ugx", "huf", "twd"];
/// Stripe takes amounts of at most eight digits.
const LARGEST: i64 = 99_999_999;

/// An amount that cannot be charged, and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("\"{0}\" is not an amount; write major units as a decimal string, as in \"99.00\"")]
    NotANumber(String),
    /// More digits than the currency has.
    #[error("\"{amount}\" has more than the {digits} decimals that {currency} has")]
    TooPrecise {
        /// As written.
        amount: String,
        /// Its currency.
        currency: String,
        /// Decimals the currency has.
        digits: u32,
    },
    /// Stripe counts this currency's last digit but charges only multiples of ten, or hundred, of it.
    #[error("\"{amount}\" cannot be charged in {currency}: Stripe takes only {rule}")]
    NotChargeable {
        /// As written.
        amount: String,
        /// Its currency.
        currency: String,
        /// What Stripe takes.
        rule: &'static str,
    },
    /// More than Stripe's eight digits.
    #[error("\"{0}\" is more than Stripe takes (99999999 in the currency's smallest unit)")]
    TooLarge(String),
}

/// How many decimals amounts of a currency have in Stripe's API.
pub fn exponent(currency: &str) -> u32 {
    if ZERO_DECIMAL.contains(&currency) {
        0
    } else if THREE_DECIMAL.contains(&currency) {
        3
    } else {
        2
    }
}

/// Reads an amount in major units into Stripe's minor units.
pub fn parse(amount: &str, currency: &str) -> Result<i64, MoneyError> {
    let plain = !amount.is_empty()
        && amount.len() <= 20
        && amount.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && amount.starts_with(|c: char| c.is_ascii_digit())
        && amount.ends_with(|c: char| c.is_ascii_digit());
    let number: Decimal = Some(amount)
        .filter(|_| plain)
        .and_then(|amount| amount.parse().ok())
        .ok_or_else(|| MoneyError::NotANumber(amount.to_owned()))?;
    let digits = exponent(currency);
    if number.scale() > digits {
        return Err(MoneyError::TooPrecise {
            amount: amount.to_owned(),
            currency: currency.to_owned(),
            digits,
        });
    }
    let minor = number
        .checked_mul(Decimal::from(10_i64.pow(digits)))
        .and_then(|minor| i64::try_from(minor).ok())
        .filter(|minor| *minor <= LARGEST)
        .ok_or_else(|| MoneyError::TooLarge(amount.to_owned()))?;
    let rule = match currency {
        c if THREE_DECIMAL.contains(&c) && minor % 10 != 0 => {
            Some("amounts whose third decimal is 0")
        }
        c if WHOLE_ONLY.contains(&c) && minor % 100 != 0 => Some("whole amounts"),
        _ => None,
    };
    match rule {
        Some(rule) => Err(MoneyError::NotChargeable {
            amount: amount.to_owned(),
            currency: currency.to_owned(),
            rule,
        }),
        None => Ok(minor),
    }
}

/// Writes Stripe's minor units as major units, with all the decimals the currency has.
pub fn format(minor: i64, currency: &str) -> String {
    Decimal::new(minor, exponent(currency)).to_string()
}

/// Reads what [`format`] wrote; `None` when it is something else.
pub fn read_back(text: &str, currency: &str) -> Option<i64> {
    let number: Decimal = text.parse().ok()?;
    let minor = number.checked_mul(Decimal::from(10_i64.pow(exponent(currency))))?;
    minor
        .fract()
        .is_zero()
        .then(|| i64::try_from(minor).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{format, parse};
    use proptest::prelude::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        assert_eq!(parse("99.00", "usd"), Ok(9900));
        assert_eq!(parse("99", "usd"), Ok(9900));
        assert_eq!(parse("0", "usd"), Ok(0));
        assert_eq!(parse("500", "jpy"), Ok(500));
        assert_eq!(parse("1.250", "kwd"), Ok(1250));
        assert_eq!(parse("999999.99", "usd"), Ok(99_999_999));
    }

    #[test]
    fn what_cannot_be_charged_is_refused_with_its_reason() {
        for (amount, currency, part) in [
            ("", "usd", "not an amount"),
            ("-1", "usd", "not an amount"),
            ("+1", "usd", "not an amount"),
            ("1e3", "usd", "not an amount"),
            ("1,000.00", "usd", "not an amount"),
            (" 1", "usd", "not an amount"),
            ("1.", "usd", "not an amount"),
            (".5", "usd", "not an amount"),
            ("1.2.3", "usd", "not an amount"),
            ("\u{664}", "usd", "not an amount"),
            ("0.001", "usd", "more than the 2 decimals"),
            ("500.0", "jpy", "more than the 0 decimals"),
            ("1.255", "kwd", "third decimal"),
            ("10.50", "isk", "whole amounts"),
            ("1000000.00", "usd", "more than Stripe takes"),
            ("99999999999999999999", "usd", "more than Stripe takes"),
        ] {
            let error = parse(amount, currency).expect_err(amount).to_string();
            assert!(error.contains(part), "{amount} {currency}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(minor in 0_i64..=99_999_990, currency in prop::sample::select(vec!["usd", "jpy", "kwd"])) {
            let minor = minor / 10 * 10;
            prop_assert_eq!(parse(&format(minor, currency), currency), Ok(minor));
        }
    }
}
