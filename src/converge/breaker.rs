//! The breaker: when many tenants would lose access at once, that is an outage and not a hundred bad
//! payers, and nobody does until a person has looked.
//!
//! It holds the whole fleet at its present access when more tenants than the limit
//!
//! * were newly restricted within the past hour, or wait to be, or
//! * wait to be, or will have to be within the coming hour: so an outage is caught before the first
//!   tenant is restricted.
//!
//! It is over by itself when that is no longer so: they paid, or the hour has passed. A person can
//! release a hold. That lets as many through as were waiting or about to, within an hour; then the
//! rule is the usual one again.
//!
//! ```text
//! statuses (watch) -see--> Fleet --facts--> judge --> Clear | Hold
//! looks            -ask-->   '-- who was restricted when, who waits, who is next
//! ```
//!
//! Restricted is who goes from more access to less: from `Full` to `Limited`, or to `Suspended` from
//! either. Who never had any is not, and giving access back is never held.

mod fleet;
#[cfg(test)]
mod tests;
mod times;

use jiff::SignedDuration;

pub use self::fleet::{Answer, Fleet, Release, Standing, Waits};

/// The hour of the rule.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How many tenants may newly be restricted within an hour: the larger of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// In percent of the tenants that have access to lose. With 100 nothing is ever held.
    pub percent: u8,
    /// However few tenants there are.
    pub least: usize,
}

impl Default for Threshold {
    fn default() -> Self {
        Self {
            percent: 10,
            least: 5,
        }
    }
}

impl Threshold {
    /// How many of this many tenants may be restricted.
    pub fn of(self, tenants: usize) -> usize {
        let share = tenants.saturating_mul(usize::from(self.percent)) / 100;
        share.max(self.least)
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Tenants that have access to lose, or have lost it within the past hour.
    pub tenants: usize,
    /// Those that were newly restricted within the past hour, and since the last release.
    pub restricted: usize,
    /// Those that would be restricted now.
    pub waiting: usize,
    /// Those whose status says that they will be within the coming hour.
    pub coming: usize,
    /// How many more than usual a person has let through.
    pub allowed: usize,
}

impl Facts {
    /// How many may newly be restricted within an hour.
    pub fn limit(&self, threshold: Threshold) -> usize {
        threshold.of(self.tenants).saturating_add(self.allowed)
    }
}

/// Whether tenants may be restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Clear,
    /// Nobody may.
    Hold,
}

/// Judges a fleet.
pub fn judge(facts: &Facts, threshold: Threshold) -> Verdict {
    let limit = facts.limit(threshold);
    // Where nobody waits there is nothing to hold, however many were restricted.
    let now = facts.waiting > 0 && facts.restricted.saturating_add(facts.waiting) > limit;
    let soon = facts.waiting.saturating_add(facts.coming) > limit;
    if now || soon {
        Verdict::Hold
    } else {
        Verdict::Clear
    }
}
