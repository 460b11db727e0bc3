//! What meters have counted.
//!
//! An event counts when its timestamp lies in the period asked about, whenever it was sent. Where a meter's events stand for an
//! hour or a day, only the newest event of each such window counts, so that sending a window's total again replaces it. *Newest*
//! is the one received last, whatever its timestamp says within the window, unless the settings say otherwise: Stripe's documents
//! do not tell which is meant.
//! The windows are told apart before the period is: of two events in one window on both sides of a period's end the one
//! received last counts, in its own period, and the other counts in neither. An event that was taken back makes room again for
//! the one before it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, Period};
use crate::model::{Formula, Meter, MeterEvent, Window};
use crate::state::{Newest, State};
use crate::table::Table;

/// How long an identifier cannot be used again, and an event can be taken back.
pub const IDENTIFIER_KEPT: i64 = DAY;

/// Meters and their events.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Metering {
    /// Meters, deactivated ones too.
    pub meters: Table<Meter>,
    /// Accepted events by meter and customer, in the order they were received.
    events: HashMap<String, HashMap<String, Vec<MeterEvent>>>,
    identifiers: HashMap<String, Reported>,
    /// Events that were accepted although they can never count.
    pub dropped: usize,
}

/// What of the events is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Which event of a window counts.
    pub newest: Newest,
    /// Only what was received until then, by Stripe's own clock.
    pub until: i64,
}

impl View {
    /// Everything received: what invoices are finalised with.
    pub fn complete(state: &State) -> Self {
        Self {
            newest: state.settings.newest_meter_event,
            until: i64::MAX,
        }
    }

    /// What summaries and previews show by now.
    pub fn lagging(state: &State) -> Self {
        let until = state.wall_clock() - state.settings.meter_lag_seconds;
        Self {
            until,
            ..Self::complete(state)
        }
    }
}

/// Where the event with an identifier is, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reported {
    meter: String,
    /// `None` for an event that never counts.
    customer: Option<String>,
    received: i64,
}

/// Why an event cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCanceled {
    /// The meter never got one with that identifier.
    Unknown,
    /// It was received too long ago.
    TooOld,
    /// It has been taken back before.
    Already,
}

impl Metering {
    /// The active meter that takes events of this name.
    pub fn active(&self, event_name: &str) -> Option<&Meter> {
        let mut meters = self.meters.iter();
        meters.find(|meter| meter.is_active() && meter.event_name == event_name)
    }

    /// Whether the identifier was used lately; `now` is when Stripe's own clock receives the next.
    pub fn is_used(&self, identifier: &str, now: i64) -> bool {
        let reported = self.identifiers.get(identifier);
        reported.is_some_and(|reported| now < reported.received + IDENTIFIER_KEPT)
    }

    /// Takes an event in, for a customer or, if it can never count, for nobody.
    pub fn record(&mut self, meter: &str, customer: Option<&str>, event: MeterEvent) {
        let reported = Reported {
            meter: meter.to_owned(),
            customer: customer.map(str::to_owned),
            received: event.received,
        };
        self.identifiers.insert(event.identifier.clone(), reported);
        let Some(customer) = customer else {
            self.dropped += 1;
            return;
        };
        let customers = self.events.entry(meter.to_owned()).or_default();
        customers
            .entry(customer.to_owned())
            .or_default()
            .push(event);
    }

    /// Takes an event back.
    pub fn cancel(
        &mut self,
        event_name: &str,
        identifier: &str,
        now: i64,
    ) -> Result<(), NotCanceled> {
        let reported = self.identifiers.get(identifier);
        let reported = reported.ok_or(NotCanceled::Unknown)?;
        let meter = self.meters.get(&reported.meter);
        if meter.is_none_or(|meter| meter.event_name != event_name) {
            return Err(NotCanceled::Unknown);
        }
        if now >= reported.received + IDENTIFIER_KEPT {
            return Err(NotCanceled::TooOld);
        }
        let Some(customer) = &reported.customer else {
            return Ok(());
        };
        let events = self.events.get_mut(&reported.meter);
        let events = events.and_then(|customers| customers.get_mut(customer));
        let event = events.and_then(|events| {
            let mut newest = events.iter_mut().rev();
            newest.find(|event| event.identifier == identifier)
        });
        match event {
            None => Err(NotCanceled::Unknown),
            Some(event) if event.canceled => Err(NotCanceled::Already),
            Some(event) => {
                event.canceled = true;
                Ok(())
            }
        }
    }

    /// What a meter says of a customer over a period; negative where more was taken away than added.
    pub fn aggregate(&self, meter: &str, customer: &str, period: Period, view: View) -> i64 {
        let Some(meter) = self.meters.get(meter) else {
            return 0;
        };
        value(
            meter.formula,
            &within(&self.counting(meter, customer, view), period),
        )
    }

    /// The units to be billed for a period: what was [aggregated](Self::aggregate), but never less than none.
    pub fn usage(&self, meter: &str, customer: &str, period: Period, view: View) -> u64 {
        u64::try_from(self.aggregate(meter, customer, period, view)).unwrap_or(0)
    }

    /// A period in parts, oldest first: what each part that has events comes to.
    pub fn grouped(
        &self,
        meter: &Meter,
        customer: &str,
        period: Period,
        part: Window,
        view: View,
    ) -> Vec<(Period, i64)> {
        let length = part.seconds();
        let mut parts: BTreeMap<i64, Vec<&MeterEvent>> = BTreeMap::new();
        for event in within(&self.counting(meter, customer, view), period) {
            let start = event.timestamp.div_euclid(length) * length;
            parts.entry(start).or_default().push(event);
        }
        let sum_up = |(start, events): (i64, Vec<&MeterEvent>)| {
            let end = start + length;
            (Period { start, end }, value(meter.formula, &events))
        };
        parts.into_iter().map(sum_up).collect()
    }

    /// How many events have been accepted and can count.
    pub fn len(&self) -> usize {
        let customers = self.events.values().flat_map(HashMap::values);
        customers.map(Vec::len).sum()
    }

    /// The events that have neither been taken back nor replaced, in the order they were received.
    fn counting(&self, meter: &Meter, customer: &str, view: View) -> Vec<&MeterEvent> {
        let customers = self.events.get(&meter.id);
        let events = customers.and_then(|customers| customers.get(customer));
        let seen = |event: &&MeterEvent| !event.canceled && event.received <= view.until;
        let kept = events.into_iter().flatten().filter(seen);
        let Some(window) = meter.event_time_window else {
            return kept.collect();
        };
        let mut windows: BTreeMap<i64, &MeterEvent> = BTreeMap::new();
        for event in kept {
            let newest = windows
                .entry(event.timestamp.div_euclid(window.seconds()))
                .or_insert(event);
            if view.newest == Newest::Received || event.timestamp >= newest.timestamp {
                *newest = event;
            }
        }
        windows.into_values().collect()
    }
}

fn within<'a>(events: &[&'a MeterEvent], period: Period) -> Vec<&'a MeterEvent> {
    let inside = |event: &&&MeterEvent| (period.start..period.end).contains(&event.timestamp);
    events.iter().filter(inside).copied().collect()
}

fn value(formula: Formula, events: &[&MeterEvent]) -> i64 {
    match formula {
        Formula::Sum => {
            let sum: i128 = events.iter().map(|event| i128::from(event.value)).sum();
            i64::try_from(sum.clamp(i64::MIN.into(), i64::MAX.into())).unwrap_or(i64::MAX)
        }
        Formula::Count => i64::try_from(events.len()).unwrap_or(i64::MAX),
        // Of several at the same instant the one received last.
        Formula::Last => {
            let last = events.iter().max_by_key(|event| event.timestamp);
            last.map_or(0, |event| event.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const ALL: View = View {
        newest: Newest::Received,
        until: i64::MAX,
    };

    fn metering(formula: Formula, window: Option<Window>) -> Metering {
        let mut metering = Metering::default();
        let meter = Meter {
            id: "mtr_1".into(),
            created: 0,
            updated: 0,
            display_name: "Calls".into(),
            event_name: "calls".into(),
            formula,
            event_time_window: window,
            customer_key: "stripe_customer_id".into(),
            value_key: "value".into(),
            deactivated_at: None,
        };
        metering.meters.insert("mtr_1", meter);
        metering
    }

    /// Reports `(identifier, timestamp, value)`, in this order.
    fn report(metering: &mut Metering, events: &[(&str, i64, i64)]) {
        for (identifier, timestamp, value) in events {
            let event = MeterEvent {
                identifier: (*identifier).to_owned(),
                event_name: "calls".into(),
                created: 0,
                received: *timestamp,
                timestamp: *timestamp,
                payload: BTreeMap::new(),
                value: *value,
                canceled: false,
            };
            metering.record("mtr_1", Some("cus_1"), event);
        }
    }

    fn count(metering: &Metering, start: i64, end: i64) -> i64 {
        metering.aggregate("mtr_1", "cus_1", Period { start, end }, ALL)
    }

    #[test]
    fn each_formula_makes_its_own_number_of_the_events_of_a_period() {
        let events = [("a", 10, 5), ("b", 30, 7), ("c", 20, -2), ("d", 100, 9)];
        for (formula, expected) in [(Formula::Sum, 10), (Formula::Count, 3), (Formula::Last, 7)] {
            let mut metering = metering(formula, None);
            report(&mut metering, &events);
            assert_eq!(count(&metering, 10, 100), expected, "{formula:?}");
            assert_eq!(count(&metering, 101, 200), 0, "{formula:?}");
        }
    }

    #[test]
    fn of_an_hour_counts_what_was_received_last() {
        let mut metering = metering(Formula::Sum, Some(Window::Hour));
        report(
            &mut metering,
            &[
                ("a", 10, 5),
                ("b", HOUR, 3),
                ("c", 5, 8),
                ("d", HOUR + 1, 4),
            ],
        );
        assert_eq!(count(&metering, 0, 2 * HOUR), 8 + 4);
    }

    #[test]
    fn of_an_hour_counts_what_happened_last_where_the_settings_say_so() {
        let mut metering = metering(Formula::Sum, Some(Window::Hour));
        report(&mut metering, &[("a", 10, 5), ("b", 5, 8), ("c", 10, 6)]);
        let view = View {
            newest: Newest::Timestamp,
            ..ALL
        };
        let hour = Period {
            start: 0,
            end: HOUR,
        };
        assert_eq!(metering.aggregate("mtr_1", "cus_1", hour, view), 6);
        let early = View { until: 5, ..view };
        assert_eq!(metering.aggregate("mtr_1", "cus_1", hour, early), 8);
    }

    #[test]
    fn a_replacement_beyond_the_periods_end_takes_its_hour_along() {
        let mut metering = metering(Formula::Sum, Some(Window::Hour));
        report(&mut metering, &[("a", 10, 5), ("b", 40, 6)]);
        assert_eq!(count(&metering, 0, 30), 0);
        assert_eq!(count(&metering, 30, HOUR), 6);
    }

    #[test]
    fn what_is_taken_back_makes_room_for_what_it_had_replaced() {
        let mut metering = metering(Formula::Sum, Some(Window::Day));
        report(&mut metering, &[("a", 10, 5), ("b", 20, 6)]);
        assert_eq!(metering.cancel("calls", "b", 100), Ok(()));
        assert_eq!(count(&metering, 0, DAY), 5);
        assert_eq!(
            metering.cancel("calls", "b", 100),
            Err(NotCanceled::Already)
        );
        assert_eq!(metering.cancel("else", "a", 100), Err(NotCanceled::Unknown));
        assert_eq!(
            metering.cancel("calls", "z", 100),
            Err(NotCanceled::Unknown)
        );
        assert_eq!(
            metering.cancel("calls", "a", DAY + 10),
            Err(NotCanceled::TooOld)
        );
    }

    #[test]
    fn a_negative_sum_is_no_usage() {
        let mut metering = metering(Formula::Sum, None);
        report(&mut metering, &[("a", 10, 5), ("b", 20, -6)]);
        assert_eq!(count(&metering, 0, 100), -1);
        let period = Period { start: 0, end: 100 };
        assert_eq!(metering.usage("mtr_1", "cus_1", period, ALL), 0);
    }

    #[test]
    fn parts_without_events_are_left_out() {
        let mut metering = metering(Formula::Sum, None);
        report(
            &mut metering,
            &[("a", 10, 5), ("b", 20, 6), ("c", 3 * HOUR, 1)],
        );
        let meter = metering.meters.get("mtr_1").unwrap();
        let period = Period { start: 0, end: DAY };
        let parts = metering.grouped(meter, "cus_1", period, Window::Hour, ALL);
        let parts: Vec<_> = parts.iter().map(|(part, sum)| (part.start, *sum)).collect();
        assert_eq!(parts, [(0, 11), (3 * HOUR, 1)]);
    }

    #[test]
    fn an_identifier_is_free_again_after_a_day() {
        let mut metering = metering(Formula::Sum, None);
        report(&mut metering, &[("a", 10, 5)]);
        assert!(metering.is_used("a", DAY + 9));
        assert!(!metering.is_used("a", DAY + 10));
    }
}
