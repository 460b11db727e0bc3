//! What a tenant's status tells the breaker.

use crate::api::{AccessLevel, ConditionType, TenantObject, reason};
use crate::converge::breaker::{Standing, Waits};

/// Reasons of a restriction that come of how a tenant began, and tell nothing of a fleet.
const NEVER_HAD_ACCESS: [&str; 3] = [
    reason::NOT_SUBSCRIBED,
    reason::AWAITING_PAYMENT,
    reason::PAYMENT_METHOD_MISSING,
];

/// A tenant as its status shows it.
pub(super) fn standing(object: &TenantObject) -> Standing {
    let Some(status) = object.status.as_valid() else {
        return Standing::default();
    };
    let clock = status
        .stripe
        .as_ref()
        .and_then(|stripe| stripe.test_clock.as_deref());
    let access = status.access.as_ref();
    let by_the_wall = access.filter(|_| clock.is_none());
    let restricted = by_the_wall.filter(|access| {
        access.level > AccessLevel::Full && !NEVER_HAD_ACCESS.contains(&access.reason.as_str())
    });
    let waits = status
        .conditions
        .iter()
        .any(|it| it.type_ == ConditionType::EnforcementHeld.as_str() && it.status == "True");
    // A status from before there was an access in it.
    let unsaid = || {
        let subscribed = status.stripe.as_ref()?.subscription_status.as_deref()?;
        ["active", "trialing", "past_due"]
            .contains(&subscribed)
            .then_some(AccessLevel::Full)
    };
    Standing {
        level: access.map(|access| access.level).or_else(unsaid),
        restricted: restricted.map(|access| access.since.0),
        // What ends for another reason than the dunning was wanted by somebody.
        until: by_the_wall
            .filter(|_| status.dunning.is_some())
            .and_then(|access| access.until.as_ref())
            .map(|until| until.0),
        waits: if waits { Waits::Yes } else { Waits::No },
    }
}
