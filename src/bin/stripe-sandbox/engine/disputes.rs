//! What a card's owner and its issuer do about a charge afterwards: disputes, inquiries and warnings of fraud.
//!
//! ```text
//! warning_needs_response -> warning_under_review -> warning_closed      an inquiry: no money moves
//!          `--escalated-->  needs_response -> under_review -> won | lost     the money is taken, and given back if won
//! ```

use serde_json::Map;

use super::calendar::DAY;
use crate::model::charge::Charge;
use crate::model::dispute::{Dispute, DisputeStatus, FraudWarning, Movement};
use crate::model::{Aftermath, Metadata};
use crate::state::State;
use crate::wire::StripeError;

/// How long evidence can be given. The real time is the card network's, between a week and three.
const EVIDENCE_FOR: i64 = 14 * DAY;
/// What a dispute costs, in minor units.
const FEE: i64 = 1_500;

/// The newest charge that took a customer's money, perhaps only for one invoice.
pub fn newest_charge(
    state: &State,
    customer: Option<&str>,
    invoice: Option<&str>,
) -> Option<Charge> {
    let mut charges = state.billing.charges.iter().rev();
    let of_invoice = |charge: &Charge| {
        let intent = state.billing.payment_intents.get(&charge.payment_intent);
        intent.map(|intent| intent.invoice.as_str())
    };
    let found = charges.find(|charge| {
        charge.failure.is_none()
            && customer.is_none_or(|customer| charge.customer == customer)
            && invoice.is_none_or(|invoice| of_invoice(charge) == Some(invoice))
    });
    found.cloned()
}

/// What the card that paid an invoice brings about, if it is one of Stripe's for that.
pub fn follow(state: &mut State, invoice: &str) {
    let Some(charge) = newest_charge(state, None, Some(invoice)) else {
        return;
    };
    let method = state.payment_methods.get(&charge.payment_method);
    let Some(aftermath) = method.map(|method| method.aftermath) else {
        return;
    };
    match aftermath {
        Aftermath::Nothing => {}
        Aftermath::Fraudulent => drop(open(
            state,
            &charge,
            "fraudulent",
            DisputeStatus::NeedsResponse,
        )),
        Aftermath::NotReceived => {
            let reason = "product_not_received";
            open(state, &charge, reason, DisputeStatus::NeedsResponse);
        }
        Aftermath::Inquiry => {
            open(
                state,
                &charge,
                "fraudulent",
                DisputeStatus::WarningNeedsResponse,
            );
        }
        Aftermath::Warning => drop(warn(state, &charge, "made_with_stolen_card")),
    }
}

/// Opens a dispute of a whole charge. Returns its id.
pub fn open(state: &mut State, charge: &Charge, reason: &str, status: DisputeStatus) -> String {
    let now = state.wall_clock();
    let mut dispute = Dispute {
        id: state.new_id("du"),
        amount: charge.amount,
        movements: Vec::new(),
        charge: charge.id.clone(),
        created: now,
        currency: charge.currency.clone(),
        due_by: now + EVIDENCE_FOR,
        evidence: Map::new(),
        metadata: Metadata::new(),
        payment_intent: charge.payment_intent.clone(),
        reason: reason.to_owned(),
        status,
        submission_count: 0,
    };
    if let Some(charge) = state.billing.charges.get_mut(&charge.id) {
        charge.disputed = true;
    }
    settle_warnings(state, &charge.id);
    let withdrawn = !status.is_inquiry() && status != DisputeStatus::Prevented;
    if withdrawn {
        withdraw(state, &mut dispute);
    }
    let id = dispute.id.clone();
    let rendered = dispute.render(state);
    state.billing.disputes.insert(id.clone(), dispute);
    state.emit("charge.dispute.created", rendered.clone(), None);
    if withdrawn {
        state.emit("charge.dispute.funds_withdrawn", rendered, None);
    }
    id
}

/// Moves a dispute on, with the money that goes with that.
pub fn move_on(state: &mut State, id: &str, status: DisputeStatus) -> Result<(), StripeError> {
    let before = state.billing.disputes.get(id).cloned();
    let before = before.ok_or_else(|| StripeError::not_found("dispute", id))?;
    if before.status.is_final() {
        return Err(StripeError::invalid("This dispute is already closed"));
    }
    let mut dispute = Dispute {
        status,
        ..before.clone()
    };
    let escalated = before.status.is_inquiry() && !status.is_inquiry();
    let withdrawn = escalated && status != DisputeStatus::Prevented;
    if withdrawn {
        withdraw(state, &mut dispute);
    }
    let reinstated = status == DisputeStatus::Won;
    if reinstated {
        let movement = movement(state, dispute.amount, 0);
        dispute.movements.push(movement);
    }
    let was = before.render(state);
    let rendered = dispute.render(state);
    state.billing.disputes.insert(id, dispute);
    if withdrawn {
        state.emit("charge.dispute.funds_withdrawn", rendered.clone(), None);
    }
    if reinstated {
        state.emit("charge.dispute.funds_reinstated", rendered.clone(), None);
    }
    if status.is_final() {
        state.emit("charge.dispute.closed", rendered, None);
    } else {
        state.emit_update("charge.dispute.updated", &was, rendered);
    }
    Ok(())
}

/// A card issuer's warning. Returns its id.
pub fn warn(state: &mut State, charge: &Charge, fraud_type: &str) -> String {
    let warning = FraudWarning {
        id: state.new_id("issfr"),
        charge: charge.id.clone(),
        created: state.wall_clock(),
        fraud_type: fraud_type.to_owned(),
        payment_intent: charge.payment_intent.clone(),
        actionable: !charge.disputed,
    };
    let id = warning.id.clone();
    let rendered = warning.render(state);
    state.billing.fraud_warnings.insert(id.clone(), warning);
    state.emit("radar.early_fraud_warning.created", rendered, None);
    id
}

/// Nothing can be done about a warning once the charge is disputed.
fn settle_warnings(state: &mut State, charge: &str) {
    let warnings = state.billing.fraud_warnings.iter();
    let actionable = warnings.filter(|warning| warning.actionable && warning.charge == charge);
    let actionable: Vec<_> = actionable.cloned().collect();
    for warning in actionable {
        let before = warning.render(state);
        let settled = FraudWarning {
            actionable: false,
            ..warning
        };
        let after = settled.render(state);
        let warnings = &mut state.billing.fraud_warnings;
        warnings.insert(settled.id.clone(), settled);
        state.emit_update("radar.early_fraud_warning.updated", &before, after);
    }
}

fn withdraw(state: &mut State, dispute: &mut Dispute) {
    let movement = movement(state, -dispute.amount, FEE);
    dispute.movements.push(movement);
}

fn movement(state: &mut State, amount: i64, fee: i64) -> Movement {
    Movement {
        id: state.new_id("txn"),
        amount,
        created: state.wall_clock(),
        fee,
    }
}
