//! `status.planChange`: the change that is under way, or was made last.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Seen;
use crate::api::{ChangePreview, PlanChangeState, PlanChangeStatus, TenantBillingStatus};
use crate::converge::money;
use crate::converge::plan::ChangeUnderWay;
use crate::converge::quote::Quote;

/// The status to record before a change is made.
pub fn with_change(previous: &TenantBillingStatus, change: &ChangeUnderWay) -> TenantBillingStatus {
    TenantBillingStatus {
        plan_change: Some(under_way(change)),
        ..previous.clone()
    }
}

/// What Stripe said that a change would charge which has not been made yet.
pub fn recorded_quote(status: &TenantBillingStatus) -> Option<Quote> {
    let change = status.plan_change.as_ref()?;
    let is_open = matches!(
        change.state,
        PlanChangeState::Held | PlanChangeState::Applying
    );
    let preview = change.preview.as_ref().filter(|_| is_open)?;
    let quote = Quote {
        fingerprint: preview.fingerprint.clone(),
        proration_date: preview.proration_date.0,
        taken_at: preview.taken_at.0,
        amount: money::read_back(&preview.amount, &preview.currency)?,
        currency: preview.currency.clone(),
        charged: preview.charged,
    };
    // Somebody may have edited the status; a preview that belies its own name is none.
    (quote.name() == preview.name).then_some(quote)
}

/// The change after a look.
pub(super) fn status(
    previous: Option<&PlanChangeStatus>,
    seen: &Seen<'_>,
    now: Timestamp,
) -> Option<PlanChangeStatus> {
    if let Some(change) = seen.change {
        return Some(under_way(change));
    }
    let made = seen.made.map(under_way);
    let latest = made.as_ref().or(previous)?;
    if latest.state == PlanChangeState::Applied {
        return Some(latest.clone());
    }
    // It is over: made if the subscription sells what it led to, withdrawn if not.
    let terms = seen.agreed?;
    (terms.digest() == latest.terms).then(|| PlanChangeStatus {
        state: PlanChangeState::Applied,
        effective_at: effective_at(latest).or(Some(Time(now))),
        schedule_id: None,
        ..latest.clone()
    })
}

/// When a change that has been made took effect, by the tenant's own clock.
fn effective_at(change: &PlanChangeStatus) -> Option<Time> {
    if change.state == PlanChangeState::Scheduled {
        return change.effective_at.clone();
    }
    let preview = change.preview.as_ref()?;
    Some(preview.proration_date.clone())
}

fn under_way(change: &ChangeUnderWay) -> PlanChangeStatus {
    PlanChangeStatus {
        from: change.from.label(),
        to: change.to.label(),
        state: change.state,
        effective_at: change.effective_at.map(Time),
        schedule_id: change.schedule.clone(),
        preview: change.quote.as_ref().map(preview),
        terms: change.to.digest(),
    }
}

fn preview(quote: &Quote) -> ChangePreview {
    ChangePreview {
        name: quote.name(),
        amount: money::format(quote.amount, &quote.currency),
        currency: quote.currency.clone(),
        charged: quote.charged,
        proration_date: Time(quote.proration_date),
        taken_at: Time(quote.taken_at),
        fingerprint: quote.fingerprint.clone(),
    }
}
