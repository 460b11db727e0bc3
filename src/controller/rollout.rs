//! Turns in the rollouts of plans: how many tenants are moved to new prices in an hour.
//!
//! Kept in the leader's memory. A new leader gives the first turn only after one interval, so that
//! no number of restarts moves tenants faster than the plan says.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::index::TenantRef;
use crate::api::Rollout;
use crate::converge::plan::Turn;

/// Turns, by plan.
#[derive(Default)]
pub(super) struct Rollouts(Mutex<HashMap<String, Line>>);

/// Those who wait for the same prices.
struct Line {
    /// Digest of the prices.
    prices: String,
    per_hour: i32,
    /// When the next one who asks may be moved.
    next: Timestamp,
    turns: HashMap<TenantRef, Timestamp>,
}

impl Line {
    fn new(prices: &str, per_hour: i32, next: Timestamp) -> Self {
        Self {
            prices: prices.to_owned(),
            per_hour,
            next,
            turns: HashMap::new(),
        }
    }
}

impl Rollouts {
    /// Whether a tenant may be moved to the prices with this digest.
    pub(super) fn turn(
        &self,
        plan: &str,
        rollout: &Rollout,
        prices: &str,
        tenant: &TenantRef,
        now: Timestamp,
    ) -> Turn {
        if rollout.paused {
            // Who waited keeps no claim: the pause may last for days, and nobody is to be moved in
            // a rush at its end.
            self.lines().remove(plan);
            return Turn::Later(None);
        }
        let Some(per_hour) = rollout.per_hour else {
            return Turn::Granted;
        };
        let spacing = SignedDuration::from_secs(3600) / per_hour.max(1);
        let mut lines = self.lines();
        let line = lines
            .entry(plan.to_owned())
            .or_insert_with(|| Line::new(prices, per_hour, now + spacing));
        if line.prices != prices || line.per_hour != per_hour {
            let next = line.next.min(now + spacing).max(now);
            *line = Line::new(prices, per_hour, next);
        }
        let turn = *line.turns.entry(tenant.clone()).or_insert_with(|| {
            let turn = line.next.max(now);
            line.next = turn + spacing;
            turn
        });
        if turn <= now {
            Turn::Granted
        } else {
            Turn::Later(Some(turn))
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<String, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector::ObjectRef;

    use super::*;
    use crate::api::Existing;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn tenant(name: &str) -> TenantRef {
        ObjectRef::new(name).within("tenants")
    }

    fn rollout(per_hour: Option<i32>) -> Rollout {
        Rollout {
            existing: Existing::Now,
            per_hour,
            paused: false,
        }
    }

    #[test]
    fn without_a_rate_everybody_has_a_turn() {
        let turn = Rollouts::default().turn("pro", &rollout(None), "p", &tenant("a"), at(0));
        assert_eq!(turn, Turn::Granted);
    }

    #[test]
    fn turns_are_spaced_and_kept() {
        let rollouts = Rollouts::default();
        let ask = |name: &str, second| {
            rollouts.turn("pro", &rollout(Some(60)), "p", &tenant(name), at(second))
        };
        assert_eq!(ask("a", 0), Turn::Later(Some(at(60))));
        assert_eq!(ask("b", 0), Turn::Later(Some(at(120))));
        assert_eq!(
            ask("b", 61),
            Turn::Later(Some(at(120))),
            "it keeps its turn"
        );
        assert_eq!(ask("a", 61), Turn::Granted);
        assert_eq!(ask("a", 70), Turn::Granted, "also when a move is repeated");
        assert_eq!(ask("c", 400), Turn::Granted, "nobody waited");
        assert_eq!(ask("d", 400), Turn::Later(Some(at(460))));
    }

    #[test]
    fn a_pause_stops_everybody_and_other_prices_make_another_line() {
        let rollouts = Rollouts::default();
        let rate = rollout(Some(60));
        let paused = Rollout {
            paused: true,
            ..rate.clone()
        };
        rollouts.turn("pro", &rate, "p", &tenant("a"), at(0));
        let turn = rollouts.turn("pro", &paused, "p", &tenant("a"), at(61));
        assert_eq!(turn, Turn::Later(None));
        let turn = rollouts.turn("pro", &rate, "p", &tenant("a"), at(100));
        assert_eq!(turn, Turn::Later(Some(at(160))), "the pause ended");
        let turn = rollouts.turn("pro", &rate, "q", &tenant("b"), at(100));
        assert_eq!(turn, Turn::Later(Some(at(160))), "newer prices");
    }
}
