//! The sentences on invoice lines.

use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;

use super::pricing::Portion;
use crate::model::{Interval, Price};

/// Digits after the decimal point of a currency.
pub fn exponent(currency: &str) -> u32 {
    match currency {
        "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd"
        | "vuv" | "xaf" | "xof" | "xpf" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    }
}

/// `$99.00`, `¥500`, `KWD 1.250`; more digits where the amount has them.
pub fn money(minor: Decimal, currency: &str) -> String {
    let places = exponent(currency);
    let scale = Decimal::from(10_u32.pow(places));
    let mut major = (minor / scale).normalize();
    if major.scale() < places {
        major.rescale(places);
    }
    let symbol = match currency {
        "usd" => "$",
        "eur" => "€",
        "gbp" => "£",
        "jpy" => "¥",
        _ => return format!("{} {major}", currency.to_uppercase()),
    };
    format!("{symbol}{major}")
}

/// `1 × Pro (at $99.00 / month)`.
pub fn charge(product: &str, price: &Price, portion: &Portion) -> String {
    let every = every(price);
    match (portion.tier, portion.unit_amount) {
        (None, Some(amount)) => {
            let amount = money(amount, &price.currency);
            format!("{} × {product} (at {amount} / {every})", portion.quantity)
        }
        (Some(tier), Some(amount)) => {
            let amount = money(amount, &price.currency);
            format!(
                "{} × {product} (Tier {tier} at {amount} / {every})",
                portion.quantity
            )
        }
        (tier, None) => {
            let amount = money(Decimal::from(portion.amount), &price.currency);
            format!(
                "{product} (Tier {} flat fee at {amount} / {every})",
                tier.unwrap_or(1)
            )
        }
    }
}

/// `Free trial for 10 × API calls`.
pub fn free_trial(product: &str, quantity: u64) -> String {
    format!("Free trial for {quantity} × {product}")
}

/// `Unused time on 2 × Pro after 05 Mar 2027`.
pub fn credit(product: &str, quantity: u64, at: i64) -> String {
    format!(
        "Unused time on {} after {}",
        counted(product, quantity),
        date(at)
    )
}

/// `Remaining time on Pro after 05 Mar 2027`.
pub fn remainder(product: &str, quantity: u64, at: i64) -> String {
    format!(
        "Remaining time on {} after {}",
        counted(product, quantity),
        date(at)
    )
}

fn counted(product: &str, quantity: u64) -> String {
    if quantity == 1 {
        product.to_owned()
    } else {
        format!("{quantity} × {product}")
    }
}

fn every(price: &Price) -> String {
    let Some(recurring) = &price.recurring else {
        return "once".to_owned();
    };
    let unit = match recurring.interval {
        Interval::Day => "day",
        Interval::Week => "week",
        Interval::Month => "month",
        Interval::Year => "year",
    };
    if recurring.interval_count == 1 {
        unit.to_owned()
    } else {
        format!("every {} {unit}s", recurring.interval_count)
    }
}

fn date(at: i64) -> String {
    let at = Timestamp::from_second(at)
        .unwrap_or(Timestamp::MAX)
        .to_zoned(TimeZone::UTC);
    at.strftime("%d %b %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_its_currencys_digits_and_more_only_when_it_must() {
        assert_eq!(money(Decimal::from(9_900), "usd"), "$99.00");
        assert_eq!(money(Decimal::new(8, 2), "usd"), "$0.0008");
        assert_eq!(money(Decimal::from(500), "jpy"), "¥500");
        assert_eq!(money(Decimal::from(1_250), "kwd"), "KWD 1.250");
    }

    #[test]
    fn dates_are_written_out() {
        assert_eq!(
            credit("Pro", 1, 1_804_204_800),
            "Unused time on Pro after 05 Mar 2027"
        );
        assert_eq!(
            remainder("Pro", 2, 1_804_204_800),
            "Remaining time on 2 × Pro after 05 Mar 2027"
        );
    }
}
