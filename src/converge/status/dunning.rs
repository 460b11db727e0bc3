//! Where the dunning stands, and what may be used because of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Enforcement, Glimpse, Seen, subscription_of};
use crate::api::{
    AccessLevel, AccessStatus, ConditionType, DunningStage, DunningState, DunningStatus,
    NoticeKind, NoticeState, NoticeStatus, TenantBillingStatus, reason,
};
use crate::converge::access::{self, Access};
use crate::converge::conditions::{Conditions, Truth};
use crate::converge::dunning::{self, Dunning, DunningTerms};
use crate::converge::money;
use crate::converge::observed::Observed;

/// What a look judges a tenant's dunning by.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// What is, after the steps.
    pub observed: &'a Observed,
    /// What should be, when the manifest could be read that far.
    pub desired: Option<&'a crate::converge::desired::Desired>,
    /// Now, by the clock that the tenant lives on.
    pub now: Timestamp,
}

impl<'a> Judged<'a> {
    /// The tenant's dunning; `None` while nothing is overdue.
    pub fn dunning(self, previous: &TenantBillingStatus) -> Option<Dunning<'a>> {
        let default = DunningTerms::default();
        let terms = self.desired.map_or(&default, |desired| &desired.dunning);
        let recorded = recorded(previous);
        let key = match self.desired {
            Some(desired) => Some(&desired.key),
            None => self.observed.customers.first()?.key.as_ref(),
        };
        dunning::judge(self.observed, key?, recorded, terms, self.now)
    }

    /// What the tenant may use, if nothing holds the enforcement.
    pub fn access(self, previous: &TenantBillingStatus) -> Access {
        let recorded = recorded(previous).map(str::to_owned);
        let subscription = subscription_of(self.observed, recorded.as_ref());
        let on_dispute = self.desired.map(|desired| desired.on_dispute);
        let dunning = self.dunning(previous);
        let on_dispute = on_dispute.unwrap_or_default();
        access::of(self.observed, subscription, on_dispute, dunning.as_ref())
    }

    /// Whether what was found is further than what is recorded. Then Stripe is asked once more before
    /// anybody is told, or access is taken: a payment may have come in meanwhile.
    pub fn escalates(self, previous: &TenantBillingStatus) -> bool {
        let dunning = self.dunning(previous);
        let state = dunning.as_ref().map(state);
        let known = previous.dunning.as_ref().map(|dunning| dunning.stage);
        let further = rank(state) > rank(known);
        further || level_before(previous).is_some_and(|known| self.access(previous).level > known)
    }
}

/// The level that a look starts from; `None` for a tenant that never had any.
pub fn level_before(previous: &TenantBillingStatus) -> Option<AccessLevel> {
    previous.access.as_ref().map(|access| access.level)
}

fn recorded(status: &TenantBillingStatus) -> Option<&str> {
    status.stripe.as_ref()?.subscription_id.as_deref()
}

fn state(dunning: &Dunning<'_>) -> DunningState {
    match dunning.stage {
        Some(stage) => stage.into(),
        None if dunning.held_until.is_some() => DunningState::Held,
        None => DunningState::Grace,
    }
}

fn rank(state: Option<DunningState>) -> u8 {
    match state {
        None | Some(DunningState::Held | DunningState::Grace) => 0,
        Some(DunningState::Reminder) => 1,
        Some(DunningState::Warning) => 2,
        Some(DunningState::Limited) => 3,
        Some(DunningState::Suspended) => 4,
    }
}

/// Sets `status.dunning` and `status.access`.
pub(super) fn record(status: &mut TenantBillingStatus, seen: &Seen<'_>, now: Timestamp) {
    let judged = seen.judged();
    let found = judged.dunning(status);
    let wanted = judged.access(status);
    status.dunning = found.as_ref().map(shown);
    let known = status.access.take();
    let (level, reason) = match (&seen.enforcement, &known) {
        (Enforcement::Held(_), Some(known)) if known.level < wanted.level => {
            (known.level, reason::TOO_MANY_AT_ONCE)
        }
        // Held from the first look on: it has what it had before anybody looked.
        (Enforcement::Held(_), None) => (AccessLevel::Full, reason::TOO_MANY_AT_ONCE),
        _ => (wanted.level, wanted.reason),
    };
    let since = known
        .filter(|known| known.level == level)
        .map_or(Time(now), |known| known.since);
    let until = wanted.until.filter(|_| level == wanted.level);
    status.access = Some(AccessStatus {
        level,
        since,
        until: until.map(Time),
        reason: reason.to_owned(),
        limits: seen.limits.of(level).clone(),
    });
}

/// Gives access back to who has paid although the manifest cannot be acted on. That it is to be told is
/// noted for the next look that can.
pub(super) fn relieve(status: &mut TenantBillingStatus, glimpse: &Glimpse<'_>, now: Timestamp) {
    let judged = Judged {
        observed: glimpse.observed,
        desired: None,
        now: glimpse.now,
    };
    let (Some(over), None) = (&status.dunning, judged.dunning(status)) else {
        return;
    };
    let invoice = over.invoice.clone();
    let access = judged.access(status);
    status.dunning = None;
    let restricted = status.access.as_ref();
    let by_dunning = [reason::PAYMENT_OVERDUE, reason::TOO_MANY_AT_ONCE];
    let Some(known) = restricted.filter(|known| by_dunning.contains(&known.reason.as_str())) else {
        return;
    };
    if access.level >= known.level {
        return;
    }
    status.access = Some(AccessStatus {
        level: access.level,
        since: Time(now),
        until: None,
        reason: access.reason.to_owned(),
        limits: glimpse.limits.of(access.level).clone(),
    });
    if access.level == AccessLevel::Full {
        status.notices.push(NoticeStatus {
            kind: NoticeKind::Reactivated,
            about: invoice,
            since: Time(now),
            state: NoticeState::Pending,
            message: Some("it is told once the manifest can be acted on again".to_owned()),
        });
    }
}

/// Sets `EnforcementHeld`, which is there only while it holds.
pub(super) fn condition(conditions: &mut Conditions<'_>, seen: &Seen<'_>) {
    if let Enforcement::Held(message) = &seen.enforcement {
        conditions.set(
            ConditionType::EnforcementHeld,
            Truth::True,
            reason::TOO_MANY_AT_ONCE,
            message,
        );
    }
}

fn shown(dunning: &Dunning<'_>) -> DunningStatus {
    let invoice = dunning.anchor;
    DunningStatus {
        stage: state(dunning),
        day: dunning.day,
        since: Time(dunning.since),
        invoice: invoice.id.clone(),
        amount_due: money::format(dunning.amount, &invoice.currency),
        currency: invoice.currency.clone(),
        overdue_invoices: i64::try_from(dunning.overdue).unwrap_or(i64::MAX),
        attempts: invoice.attempt_count,
        next_payment_attempt: invoice.next_payment_attempt.map(Time),
        next_stage: dunning.next.map(|(stage, _)| stage),
        next_stage_at: dunning.next.and_then(|(_, at)| at).map(Time),
        suspend_at: dunning.suspend_at.map(Time),
        held_until: dunning.held_until.map(Time),
        message: message(dunning),
    }
}

/// Why it stands where it stands, and what comes next. No amounts and no links: it may go into events.
fn message(dunning: &Dunning<'_>) -> String {
    let id = &dunning.anchor.id;
    let mut message = match dunning.anchor.due_date {
        Some(due) => format!(
            "{id} was due at {due} and is not paid (day {})",
            dunning.day
        ),
        None => format!(
            "a payment of {id} failed at {} (day {}, attempt {})",
            dunning.since,
            dunning.day,
            dunning.anchor.attempt_count.max(1)
        ),
    };
    // Writing to a String cannot fail.
    if dunning.overdue > 1 {
        let _ = write!(message, "; {} invoices are overdue", dunning.overdue);
    }
    if let Some(until) = dunning.held_until {
        let _ = write!(message, "; the manifest holds the dunning until {until}");
    }
    let _ = match dunning.next {
        Some((stage, Some(at))) => write!(message, ". Unless it is paid: {stage:?} at {at}"),
        Some((stage, None)) => write!(
            message,
            ". Unless it is paid: {stage:?} after more failed attempts"
        ),
        None => write!(message, ". There is no further stage"),
    };
    let suspends = dunning
        .suspend_at
        .filter(|_| !matches!(dunning.next, None | Some((DunningStage::Suspended, _))));
    if let Some(at) = suspends {
        let _ = write!(message, ", Suspended at {at}");
    }
    message
}
