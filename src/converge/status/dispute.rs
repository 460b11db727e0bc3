//! What is called in question about a tenant's payments.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Seen;
use crate::api::{
    ConditionType, DisputeSummary, FraudWarningSummary, OnDispute, TenantBillingStatus, reason,
};
use crate::converge::conditions::{Conditions, Truth};
use crate::converge::money;
use crate::converge::observed::{Dispute, DisputeStatus, Disputes, FraudWarning};

/// The newest win.
const MOST: usize = 20;

/// Sets `status.disputes` and `status.fraudWarnings`, as far as they could be read.
pub(super) fn record(status: &mut TenantBillingStatus, disputes: Option<&Disputes>) {
    let Some(seen) = disputes else { return };
    let newest = seen.disputes.iter().rev().take(MOST);
    status.disputes = newest.map(summary).collect();
    let newest = seen.warnings.iter().rev().take(MOST);
    status.fraud_warnings = newest.map(warning_summary).collect();
}

/// Sets `Disputed`. What could not be read leaves it as it was.
pub(super) fn condition(conditions: &mut Conditions<'_>, seen: &Seen<'_>) {
    let Some(disputes) = &seen.observed.disputes else {
        return conditions.keep(ConditionType::Disputed);
    };
    let on_dispute = seen.desired.map(|desired| desired.on_dispute);
    let (truth, reason, message) = judge(disputes, on_dispute.unwrap_or_default());
    conditions.set(ConditionType::Disputed, truth, reason, &message);
}

fn judge(seen: &Disputes, on_dispute: OnDispute) -> (Truth, &'static str, String) {
    let open: Vec<&Dispute> = seen
        .disputes
        .iter()
        .filter(|dispute| dispute.status.is_open())
        .collect();
    if !open.is_empty() {
        let consequence = match on_dispute {
            OnDispute::Report => "",
            OnDispute::Hold => "; nothing more is collected until that is decided",
            OnDispute::Suspend => {
                "; nothing more is collected and access is suspended until that is decided"
            }
        };
        let each: Vec<String> = open.iter().map(|dispute| described(dispute)).collect();
        let message = format!("{}{consequence}", each.join("; "));
        return (Truth::True, reason::DISPUTE_OPEN, message);
    }
    if let Some(warning) = seen.warnings.last() {
        let message = format!(
            "{}: a card network takes {} for fraudulent ({}); refunding it in Stripe can prevent a dispute",
            warning.id, warning.charge, warning.kind
        );
        return (Truth::True, reason::FRAUD_WARNING, message);
    }
    let Some(last) = seen.disputes.last() else {
        let message = "nothing is disputed".to_owned();
        return (Truth::False, reason::NO_DISPUTE, message);
    };
    let (reason, how) = match last.status {
        DisputeStatus::Won => (reason::DISPUTE_WON, "was won"),
        DisputeStatus::Lost => (reason::DISPUTE_LOST, "was lost"),
        DisputeStatus::Prevented => (reason::NO_DISPUTE, "was settled before it became one"),
        _ => (reason::NO_DISPUTE, "was an inquiry that came to nothing"),
    };
    let consequence = match on_dispute {
        OnDispute::Report => "",
        OnDispute::Hold | OnDispute::Suspend => ", and what was held back is collected",
    };
    let message = format!(
        "{} {how}; nothing is disputed any more{consequence}",
        last.id
    );
    (Truth::False, reason, message)
}

fn described(dispute: &Dispute) -> String {
    let id = &dispute.id;
    let about = dispute
        .invoice
        .as_ref()
        .map_or_else(String::new, |invoice| format!(" of {invoice}"));
    let reason = &dispute.reason;
    if dispute.status.needs_response() {
        let due = dispute
            .evidence_due_by
            .map_or_else(String::new, |at| format!(" by {at}"));
        format!(
            "{id}: the customer disputes the payment{about} ({reason}); submit evidence in Stripe{due}, or \
             accept it there"
        )
    } else {
        format!("{id}: the customer disputes the payment{about} ({reason}); the bank decides")
    }
}

fn summary(dispute: &Dispute) -> DisputeSummary {
    DisputeSummary {
        id: dispute.id.clone(),
        status: dispute.status.as_str().to_owned(),
        reason: dispute.reason.clone(),
        amount: money::format(dispute.amount, &dispute.currency),
        currency: dispute.currency.clone(),
        invoice: dispute.invoice.clone(),
        created_at: Time(dispute.created),
        evidence_due_by: dispute.evidence_due_by.map(Time),
    }
}

fn warning_summary(warning: &FraudWarning) -> FraudWarningSummary {
    FraudWarningSummary {
        id: warning.id.clone(),
        charge: warning.charge.clone(),
        kind: warning.kind.clone(),
        created_at: Time(warning.created),
    }
}
