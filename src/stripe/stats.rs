//! What was sent to Stripe, in numbers. Exported as metrics elsewhere.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::Class;

/// Counters since the start of the process. An attempt is one HTTP exchange; a request has one or
/// more of them.
#[derive(Debug, Default)]
pub struct Stats {
    succeeded: AtomicU64,
    rejected: AtomicU64,
    rate_limited: AtomicU64,
    server_failed: AtomicU64,
    network_failed: AtomicU64,
    unreadable: AtomicU64,
    retries: AtomicU64,
    replayed: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Attempts answered with 2xx.
    pub succeeded: u64,
    /// Attempts Stripe rejected: 4xx other than 429.
    pub rejected: u64,
    /// Attempts answered with 429.
    pub rate_limited: u64,
    /// Attempts answered with 5xx.
    pub server_failed: u64,
    /// Attempts without a complete answer: no connection, a broken one, a timeout.
    pub network_failed: u64,
    /// Answers that were not understood.
    pub unreadable: u64,
    /// Attempts that repeated an earlier one.
    pub retries: u64,
    /// Answers that were those of an earlier request with the same idempotency key.
    pub replayed: u64,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            succeeded: self.succeeded.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            rate_limited: self.rate_limited.load(Relaxed),
            server_failed: self.server_failed.load(Relaxed),
            network_failed: self.network_failed.load(Relaxed),
            unreadable: self.unreadable.load(Relaxed),
            retries: self.retries.load(Relaxed),
            replayed: self.replayed.load(Relaxed),
        }
    }

    pub(super) fn count_success(&self) {
        self.succeeded.fetch_add(1, Relaxed);
    }

    pub(super) fn count_replay(&self) {
        self.replayed.fetch_add(1, Relaxed);
    }

    pub(super) fn count_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failure(&self, class: Class) {
        let counter = match class {
            Class::Network | Class::Timeout => &self.network_failed,
            Class::RateLimited => &self.rate_limited,
            Class::Server => &self.server_failed,
            Class::Unreadable => &self.unreadable,
            Class::Unauthorized
            | Class::Forbidden
            | Class::Card
            | Class::NotFound
            | Class::Conflict
            | Class::Idempotency
            | Class::Invalid => &self.rejected,
        };
        counter.fetch_add(1, Relaxed);
    }
}
