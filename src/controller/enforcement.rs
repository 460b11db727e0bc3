//! Whether a look may take access from a tenant.

use jiff::Timestamp;

use super::breaker::Permit;
use super::context::Context;
use super::tenant::Tenant;
use crate::api::{AccessLevel, Lifecycle, NoticeKind, TenantBillingStatus, reason};
use crate::converge::desired::Desired;
use crate::converge::dunning::Dunning;
use crate::converge::notice::Mark;
use crate::converge::status::{Enforcement, Judged, level_before};

/// Asks the breaker. What the manifest itself asks for is never held.
pub(super) fn enforcement(
    tenant: &Tenant,
    context: &Context,
    recorded: &TenantBillingStatus,
    desired: &Desired,
    judged: Judged<'_>,
) -> Enforcement {
    let wanted = judged.access(recorded);
    let dunning = judged.dunning(recorded);
    let found = level_before(recorded);
    // A tenant that nobody has looked at before has what it has: everything, unless its invoice tells
    // that it was told otherwise, as after a cluster was lost.
    let found = found.or_else(|| {
        let dunned = wanted.reason == reason::PAYMENT_OVERDUE;
        dunned.then(|| dunning.as_ref().map_or(AccessLevel::Full, told))
    });
    let Some(from) = found else {
        return Enforcement::Free;
    };
    let to = match desired.lifecycle {
        Lifecycle::Canceled => from,
        Lifecycle::CancelAtPeriodEnd if wanted.reason == reason::NOT_SUBSCRIBED => from,
        Lifecycle::CancelAtPeriodEnd | Lifecycle::Active => wanted.level,
    };
    let permit = context
        .breaker
        .may_restrict(&tenant.reference(), from, to, Timestamp::now());
    match permit {
        Permit::Granted => Enforcement::Free,
        Permit::Held(hold) => Enforcement::Held(context.breaker.explain(&hold)),
    }
}

/// The level that the marks of the invoice tell of.
fn told(dunning: &Dunning<'_>) -> AccessLevel {
    let told = |kind| dunning.anchor.notices.of(kind, "") != Mark::default();
    if told(NoticeKind::Suspended) {
        AccessLevel::Suspended
    } else if told(NoticeKind::Limited) {
        AccessLevel::Limited
    } else {
        AccessLevel::Full
    }
}
