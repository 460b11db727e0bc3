//! What part of a period's amount belongs to a part of the period: by the second, rounded half away from
//! zero to whole minor units. Pure.
//!
//! Minor units make the currency irrelevant here: 1 yen, 1 cent and 1 fils are each the smallest amount.

use rust_decimal::Decimal;

use super::{calendar::Period, pricing::round};

/// The share of `amount`, due for the whole of `whole`, that falls to `part`. A part is clipped to the whole; a whole
/// of no length has no parts.
pub fn share(amount: i64, whole: Period, part: Period) -> i64 {
    let start = part.start.clamp(whole.start, whole.end);
    let end = part.end.clamp(start, whole.end);
    if whole.seconds() <= 0 {
        return 0;
    }
    // 10^14 minor units times 10^9 seconds stays far below Decimal's 7.9 * 10^28.
    let numerator = Decimal::from(amount) * Decimal::from(end - start);
    round(numerator / Decimal::from(whole.seconds()))
}

#[cfg(test)]
mod tests {
    use super::{super::calendar::DAY, *};

    fn remaining(amount: i64, period: Period, at: i64) -> i64 {
        share(
            amount,
            period,
            Period {
                start: at,
                end: period.end,
            },
        )
    }

    const APRIL: Period = Period {
        start: 0,
        end: 30 * DAY,
    };

    #[test]
    fn half_a_month_costs_half() {
        assert_eq!(remaining(9_900, APRIL, 15 * DAY), 4_950);
        assert_eq!(remaining(9_900, APRIL, 0), 9_900);
        assert_eq!(remaining(9_900, APRIL, 30 * DAY), 0);
    }

    #[test]
    fn shares_are_by_the_second_and_rounded_to_the_cent() {
        // 9,900 * 864,001 / 2,592,000 = 3300.0038…
        assert_eq!(remaining(9_900, APRIL, 20 * DAY - 1), 3_300);
        // 1,000 / 3 = 333.33…, 2,000 / 3 = 666.66…
        assert_eq!(remaining(1_000, APRIL, 20 * DAY), 333);
        assert_eq!(remaining(2_000, APRIL, 20 * DAY), 667);
        assert_eq!(remaining(1, APRIL, 15 * DAY), 1);
    }

    #[test]
    fn a_credit_mirrors_the_charge() {
        assert_eq!(remaining(-2_000, APRIL, 20 * DAY), -667);
        assert_eq!(remaining(-1, APRIL, 15 * DAY), -1);
    }

    #[test]
    fn zero_and_three_decimal_currencies_round_to_their_own_smallest_unit() {
        // ¥1,000 for a third of the period is ¥333; KWD 12.345 is 12,345 fils, a third of it 4,115.
        assert_eq!(remaining(1_000, APRIL, 20 * DAY), 333);
        assert_eq!(remaining(12_345, APRIL, 20 * DAY), 4_115);
    }

    #[test]
    fn an_instant_outside_the_period_is_clipped() {
        assert_eq!(remaining(500, APRIL, -5), 500);
        assert_eq!(remaining(500, APRIL, 31 * DAY), 0);
        assert_eq!(remaining(500, Period { start: 7, end: 7 }, 7), 0);
    }
}
