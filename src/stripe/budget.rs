//! How many requests an account gets per second, and who gets them first.
//!
//! ```text
//! interactive ----------------------> [ whole budget ] --> Stripe
//! bulk --------> [ half of it ] ----> [ whole budget ]
//! ```
//!
//! Bulk work (scans) has to pass two gates. However much of it there is, half of the budget is
//! left to interactive work: a person who edits a manifest does not wait for a scan.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// Who waits for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody is waiting: an edit, an event, a payment.
    Interactive,
    /// Scans and other work that nobody waits for.
    Bulk,
}

type Limiter<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The budget of one account.
pub(super) struct Budget<C: Clock = DefaultClock> {
    clock: C,
    whole: Limiter<C>,
    bulk: Limiter<C>,
    paused_until: Mutex<Option<C::Instant>>,
}

#[derive(Clone, Copy)]
enum Gate {
    Bulk,
    Whole,
}

impl<C: Clock + Clone> Budget<C> {
    /// A budget of so many requests per second, but one at least.
    pub(super) fn new(per_second: u32, clock: C) -> Self {
        // A burst comes on top of the rate: a quarter keeps the worst second within Stripe's own
        // limit, which the default rates leave that much below.
        let at_least_one = |rate: u32| NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let quota =
            |rate| Quota::per_second(at_least_one(rate)).allow_burst(at_least_one(rate / 4));
        Self {
            whole: RateLimiter::direct_with_clock(quota(per_second), clock.clone()),
            bulk: RateLimiter::direct_with_clock(quota(per_second / 2), clock.clone()),
            paused_until: Mutex::new(None),
            clock,
        }
    }

    /// Waits until a request of this priority may be sent.
    pub(super) async fn acquire(&self, priority: Priority) {
        for gate in Self::gates(priority) {
            while let Err(wait) = self.pass(*gate) {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Sends nothing for a while, because Stripe asked for it.
    pub(super) fn pause(&self, duration: Duration) {
        let until = self.clock.now() + Nanos::from(duration);
        let mut paused = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |earlier| earlier.max(until)));
    }

    const fn gates(priority: Priority) -> &'static [Gate] {
        match priority {
            Priority::Interactive => &[Gate::Whole],
            Priority::Bulk => &[Gate::Bulk, Gate::Whole],
        }
    }

    fn pass(&self, gate: Gate) -> Result<(), Duration> {
        let now = self.clock.now();
        let paused = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .filter(|until| *until > now);
        if let Some(until) = paused {
            return Err(until.duration_since(now).into());
        }
        let limiter = match gate {
            Gate::Bulk => &self.bulk,
            Gate::Whole => &self.whole,
        };
        limiter.check().map_err(|denied| denied.wait_time_from(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn budget(per_second: u32) -> (Budget<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Budget::new(per_second, clock.clone()), clock)
    }

    fn sendable(budget: &Budget<FakeRelativeClock>, priority: Priority) -> usize {
        let pass = || {
            Budget::<FakeRelativeClock>::gates(priority)
                .iter()
                .all(|gate| budget.pass(*gate).is_ok())
        };
        std::iter::from_fn(|| pass().then_some(())).count()
    }

    #[test]
    fn bulk_work_leaves_room_for_interactive_work() {
        let (budget, _clock) = budget(80);
        assert_eq!(sendable(&budget, Priority::Bulk), 10);
        assert_eq!(sendable(&budget, Priority::Bulk), 0);
        assert_eq!(sendable(&budget, Priority::Interactive), 10);
        assert_eq!(sendable(&budget, Priority::Interactive), 0);
    }

    #[test]
    fn no_second_sees_more_than_the_rate_and_its_burst() {
        let (budget, clock) = budget(20);
        let mut sent = sendable(&budget, Priority::Interactive);
        for _ in 0..10 {
            clock.advance(Duration::from_millis(100));
            sent += sendable(&budget, Priority::Interactive);
        }
        assert_eq!(sent, 25);
    }

    #[test]
    fn a_pause_stops_everybody_and_the_longest_counts() {
        let (budget, clock) = budget(80);
        budget.pause(Duration::from_secs(3));
        budget.pause(Duration::from_secs(1));
        assert_eq!(budget.pass(Gate::Whole), Err(Duration::from_secs(3)));
        assert_eq!(sendable(&budget, Priority::Bulk), 0);
        clock.advance(Duration::from_secs(3));
        assert_eq!(sendable(&budget, Priority::Interactive), 20);
    }

    #[test]
    fn a_budget_of_one_request_per_second_still_lets_bulk_work_through() {
        let (budget, _clock) = budget(1);
        assert_eq!(sendable(&budget, Priority::Bulk), 1);
    }
}
