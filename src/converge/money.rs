//! Money as people write it and as Stripe counts it.

use rust_decimal::{Decimal, RoundingStrategy};

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
    /// A whole number where the currency has decimals: it may be meant in minor units.
    #[error(
        "\"{amount}\" may mean major or minor units of {currency}; write the decimals: \"{major}\" or \"{minor}\""
    )]
    Ambiguous {
        /// As written.
        amount: String,
        /// Its currency.
        currency: String,
        /// What it is in major units.
        major: String,
        /// What it is in minor units.
        minor: String,
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
    /// A price per unit that has no end, or too late an end.
    #[error(
        "\"{amount}\" per {per} has no price per unit with at most 12 decimals of the smallest unit of \
         {currency}; let per be a power of ten"
    )]
    NoUnitPrice {
        /// As written.
        amount: String,
        /// For how many units.
        per: i64,
        /// Its currency.
        currency: String,
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

/// Decimals that Stripe takes of a price per unit, counted from the minor unit.
const RATE_DECIMALS: u32 = 12;

/// Reads an amount in major units for `per` units into Stripe's minor units for one.
pub fn parse_rate(amount: &str, per: i64, currency: &str) -> Result<Decimal, MoneyError> {
    let minor = Decimal::from(parse_minor(amount, currency)?);
    minor
        .checked_div(Decimal::from(per))
        .map(|unit| unit.normalize())
        .filter(|unit| unit.scale() <= RATE_DECIMALS && unit * Decimal::from(per) == minor)
        .ok_or_else(|| MoneyError::NoUnitPrice {
            amount: amount.to_owned(),
            per,
            currency: currency.to_owned(),
        })
}

/// Reads an amount in major units that is charged as it is into Stripe's minor units.
pub fn parse(amount: &str, currency: &str) -> Result<i64, MoneyError> {
    let minor = parse_minor(amount, currency)?;
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

fn parse_minor(amount: &str, currency: &str) -> Result<i64, MoneyError> {
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
    // Who knows Stripe writes 9900 for 99 dollars.
    let has_decimals = digits > 0 && !WHOLE_ONLY.contains(&currency);
    if has_decimals && minor > 0 && !amount.contains('.') {
        return Err(MoneyError::Ambiguous {
            amount: amount.to_owned(),
            currency: currency.to_owned(),
            major: format(minor, currency),
            minor: format(minor / 10_i64.pow(digits), currency),
        });
    }
    Ok(minor)
}

/// Writes Stripe's minor units as major units, with all the decimals the currency has.
pub fn format(minor: i64, currency: &str) -> String {
    Decimal::new(minor, exponent(currency)).to_string()
}

/// Writes an amount that was calculated, in minor units, as major units, rounded to the decimals
/// the currency has.
pub fn format_rounded(minor: Decimal, currency: &str) -> String {
    let digits = exponent(currency);
    let major = minor / Decimal::from(10_i64.pow(digits));
    let mut major = major.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    major.rescale(digits);
    major.to_string()
}

/// Writes a price per unit, in minor units, as a person would: as the amount for the fewest units,
/// of 1, 1000, 1000000 …, for which it has no more decimals than the currency.
pub fn format_rate(unit: Decimal, currency: &str) -> String {
    let digits = exponent(currency);
    let unit = unit.normalize();
    // Beyond 12 decimals nothing is left; Stripe keeps no more.
    let power = unit.scale().min(RATE_DECIMALS).div_ceil(3) * 3;
    let per = 10_i64.pow(power);
    let mut amount = unit * Decimal::from(per) / Decimal::from(10_i64.pow(digits));
    amount.rescale(digits);
    if per == 1 {
        format!("{amount} {currency}")
    } else {
        format!("{amount} {currency} per {per}")
    }
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
    use super::{format, format_rate, format_rounded, parse, parse_rate};
    use proptest::prelude::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        assert_eq!(parse("99.00", "usd"), Ok(9900));
        assert_eq!(parse("99.0", "usd"), Ok(9900));
        assert_eq!(parse("1000", "huf"), Ok(100_000));
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
            ("9900", "usd", "\"9900.00\" or \"99.00\""),
            ("5", "kwd", "\"5.000\" or \"0.005\""),
            ("1.255", "kwd", "third decimal"),
            ("10.50", "isk", "whole amounts"),
            ("1000000.00", "usd", "more than Stripe takes"),
            ("99999999999999999999", "usd", "more than Stripe takes"),
        ] {
            let error = parse(amount, currency).expect_err(amount).to_string();
            assert!(error.contains(part), "{amount} {currency}: {error}");
        }
    }

    #[test]
    fn a_rate_is_the_price_of_one_unit_or_refused() {
        for (amount, per, currency, unit, text) in [
            ("0.80", 1000, "usd", "0.08", "0.80 usd per 1000"),
            ("0.80", 1, "usd", "80", "0.80 usd"),
            ("1", 1_000_000, "jpy", "0.000001", "1 jpy per 1000000"),
            ("1.255", 10, "kwd", "125.5", "125.500 kwd per 1000"),
            ("0", 7, "usd", "0", "0.00 usd"),
            ("0.75", 3, "usd", "25", "0.25 usd"),
            (
                "99999.99",
                1_000_000_000,
                "usd",
                "0.009999999",
                "99999.99 usd per 1000000000",
            ),
        ] {
            let rate = parse_rate(amount, per, currency).unwrap();
            assert_eq!(rate.to_string(), unit);
            assert_eq!(format_rate(rate, currency), text);
        }
        for (amount, per, part) in [
            ("0.80", 3, "\"0.80\" per 3 has no price per unit"),
            ("9,900", 1, "not an amount"),
            ("99.999", 1, "more than the 2 decimals"),
        ] {
            let error = parse_rate(amount, per, "usd").unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(format_rounded("9900.5".parse().unwrap(), "usd"), "99.01");
        assert_eq!(format_rounded("9900.5".parse().unwrap(), "jpy"), "9901");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(minor in 0_i64..=99_999_990, currency in prop::sample::select(vec!["usd", "jpy", "kwd"])) {
            let minor = minor / 10 * 10;
            prop_assert_eq!(parse(&format(minor, currency), currency), Ok(minor));
        }
    }
}
