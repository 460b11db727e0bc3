//! Billing periods, aligned to an anchor.
//!
//! Every boundary is computed from the anchor, never from the boundary before it: January 31 is followed
//! by February 28 and then March 31. Adding a month to February 28 would lose the anchor's day for ever.
//! All arithmetic is in UTC, as Stripe's is. Times outside the calendar's range saturate.

use jiff::{Span, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::model::Interval;

/// Seconds in an hour.
pub const HOUR: i64 = 3_600;
/// Seconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// How often a price recurs: so many of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The unit counted.
    pub unit: Interval,
    /// How many units make one period; at least 1.
    pub count: u32,
}

/// A half-open span of time, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// First second inside.
    pub start: i64,
    /// First second after.
    pub end: i64,
}

impl Period {
    /// The length in seconds.
    pub fn seconds(self) -> i64 {
        self.end - self.start
    }
}

impl Cadence {
    /// The instant `periods` whole intervals after (or before, when negative) `anchor`.
    pub fn boundary(self, anchor: i64, periods: i64) -> i64 {
        let units = periods.saturating_mul(i64::from(self.count.max(1)));
        match self.unit {
            Interval::Day => anchor.saturating_add(units.saturating_mul(DAY)),
            Interval::Week => anchor.saturating_add(units.saturating_mul(7 * DAY)),
            Interval::Month => add_months(anchor, units),
            Interval::Year => add_months(anchor, units.saturating_mul(12)),
        }
    }

    /// The period of this anchor that contains `at`.
    pub fn period_containing(self, anchor: i64, at: i64) -> Period {
        // The estimate is at most one off: no interval is more than 4 % shorter or longer than its mean
        // over the spans it is divided by, and clamping moves a boundary by at most three days.
        let mut n = at.saturating_sub(anchor).div_euclid(self.mean_seconds());
        while self.boundary(anchor, n) > at {
            n -= 1;
        }
        while self.boundary(anchor, n + 1) <= at {
            n += 1;
        }
        Period {
            start: self.boundary(anchor, n),
            end: self.boundary(anchor, n + 1),
        }
    }

    /// Average length, for ordering intervals by length and estimating.
    pub fn mean_seconds(self) -> i64 {
        let unit = match self.unit {
            Interval::Day => DAY,
            Interval::Week => 7 * DAY,
            Interval::Month => 2_629_746,
            Interval::Year => 31_556_952,
        };
        unit * i64::from(self.count.max(1))
    }
}

fn add_months(anchor: i64, months: i64) -> i64 {
    let span = Span::new()
        .try_months(months)
        .unwrap_or_else(|_| Span::new());
    seconds(datetime(anchor).saturating_add(span))
}

fn datetime(unix: i64) -> DateTime {
    let limit = if unix < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(unix)
        .unwrap_or(limit)
        .to_zoned(TimeZone::UTC)
        .datetime()
}

fn seconds(datetime: DateTime) -> i64 {
    TimeZone::UTC
        .to_timestamp(datetime)
        .unwrap_or(Timestamp::MAX)
        .as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn every(count: u32, unit: Interval) -> Cadence {
        Cadence { unit, count }
    }

    #[test]
    fn a_month_end_anchor_is_clamped_and_then_regained() {
        let anchor = at("2027-01-31T10:30:00Z");
        let month = every(1, Interval::Month);
        let boundaries: Vec<_> = (0..5).map(|n| month.boundary(anchor, n)).collect();
        assert_eq!(
            boundaries,
            [
                at("2027-01-31T10:30:00Z"),
                at("2027-02-28T10:30:00Z"),
                at("2027-03-31T10:30:00Z"),
                at("2027-04-30T10:30:00Z"),
                at("2027-05-31T10:30:00Z"),
            ]
        );
    }

    #[test]
    fn a_leap_day_anchor_bills_on_february_28_in_other_years() {
        let anchor = at("2028-02-29T00:00:00Z");
        let year = every(1, Interval::Year);
        assert_eq!(year.boundary(anchor, 1), at("2029-02-28T00:00:00Z"));
        assert_eq!(year.boundary(anchor, 4), at("2032-02-29T00:00:00Z"));
    }

    #[test]
    fn the_last_second_belongs_to_the_period_and_the_boundary_to_the_next() {
        let anchor = at("2027-01-31T00:00:00Z");
        let month = every(1, Interval::Month);
        let end = at("2027-02-28T00:00:00Z");
        assert_eq!(
            month.period_containing(anchor, end - 1),
            Period { start: anchor, end }
        );
        assert_eq!(
            month.period_containing(anchor, end),
            Period {
                start: end,
                end: at("2027-03-31T00:00:00Z")
            }
        );
    }

    #[test]
    fn a_future_anchor_gives_periods_before_it() {
        let anchor = at("2027-03-01T00:00:00Z");
        let period =
            every(1, Interval::Month).period_containing(anchor, at("2027-02-10T00:00:00Z"));
        assert_eq!(
            period,
            Period {
                start: at("2027-02-01T00:00:00Z"),
                end: anchor
            }
        );
    }

    #[test]
    fn counted_units_of_every_kind() {
        let anchor = at("2026-11-30T06:00:00Z");
        assert_eq!(
            every(3, Interval::Month).boundary(anchor, 1),
            at("2027-02-28T06:00:00Z")
        );
        assert_eq!(
            every(2, Interval::Week).boundary(anchor, 1),
            at("2026-12-14T06:00:00Z")
        );
        assert_eq!(
            every(10, Interval::Day).boundary(anchor, 2),
            at("2026-12-20T06:00:00Z")
        );
        assert_eq!(
            every(1, Interval::Day)
                .period_containing(anchor, anchor)
                .seconds(),
            DAY
        );
    }

    #[test]
    fn every_instant_lies_in_its_own_period_and_periods_touch() {
        for unit in [
            Interval::Day,
            Interval::Week,
            Interval::Month,
            Interval::Year,
        ] {
            for count in [1, 2, 5] {
                let interval = every(count, unit);
                let anchor = at("2027-01-31T12:00:00Z");
                for step in -40..40 {
                    let instant = anchor + step * 11 * DAY + 17;
                    let period = interval.period_containing(anchor, instant);
                    assert!(period.start <= instant && instant < period.end);
                    let next = interval.period_containing(anchor, period.end);
                    assert_eq!(next.start, period.end);
                }
            }
        }
    }
}
