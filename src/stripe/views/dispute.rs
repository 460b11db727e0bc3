//! Disputes and early fraud warnings, as answered.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::{MetadataView, id_of, optional_time, require, time};
use crate::converge::observed::{Dispute, FraudWarning};
use crate::stripe::error::Error;

/// A dispute, with its charge expanded.
#[derive(Deserialize)]
pub(in crate::stripe) struct DisputeView {
    id: String,
    charge: Option<Value>,
    payment_intent: Option<Value>,
    status: Option<String>,
    reason: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    created: Option<i64>,
    evidence_details: Option<EvidenceView>,
    metadata: Option<MetadataView>,
}

#[derive(Deserialize)]
struct EvidenceView {
    due_by: Option<i64>,
}

/// An early fraud warning, with its charge expanded.
#[derive(Deserialize)]
pub(in crate::stripe) struct FraudWarningView {
    id: String,
    charge: Option<Value>,
    fraud_type: Option<String>,
    actionable: Option<bool>,
    created: Option<i64>,
}

/// A charge names its customer only when it was expanded; a guest's names none.
fn customer_of(charge: Option<&Value>) -> Option<String> {
    let Some(Value::Object(charge)) = charge else {
        return None;
    };
    id_of(charge.get("customer").cloned())
}

impl DisputeView {
    pub(in crate::stripe) fn id(&self) -> &str {
        &self.id
    }

    /// The payment that is disputed.
    pub(in crate::stripe) fn payment_intent(&self) -> Option<String> {
        id_of(self.payment_intent.clone())
    }
}

impl FraudWarningView {
    pub(in crate::stripe) fn id(&self) -> &str {
        &self.id
    }
}

/// `None` for the charge of a guest.
impl TryFrom<DisputeView> for Option<Dispute> {
    type Error = Error;

    fn try_from(view: DisputeView) -> Result<Self, Error> {
        let id = view.id;
        let Some(customer) = customer_of(view.charge.as_ref()) else {
            return Ok(None);
        };
        let due_by = view.evidence_details.and_then(|evidence| evidence.due_by);
        Ok(Some(Dispute {
            customer,
            invoice: None,
            status: require(&id, "status", view.status)?.as_str().into(),
            reason: view.reason.unwrap_or_default(),
            amount: require(&id, "amount", view.amount)?,
            currency: require(&id, "currency", view.currency)?,
            created: time(&id, "created", require(&id, "created", view.created)?)?,
            // Stripe gives 0 for a deadline that it doesn't know.
            evidence_due_by: optional_time(
                &id,
                "evidence_details.due_by",
                due_by.filter(|due_by| *due_by > 0),
            )?,
            notices: view.metadata.unwrap_or_default().notices(),
            id,
        }))
    }
}

/// `None` for the charge of a guest.
impl TryFrom<FraudWarningView> for Option<FraudWarning> {
    type Error = Error;

    fn try_from(view: FraudWarningView) -> Result<Self, Error> {
        let id = view.id;
        let Some(customer) = customer_of(view.charge.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(FraudWarning {
            customer,
            charge: require(&id, "charge", id_of(view.charge))?,
            kind: view.fraud_type.unwrap_or_default(),
            actionable: require(&id, "actionable", view.actionable)?,
            created: time(&id, "created", require(&id, "created", view.created)?)?,
            id,
        }))
    }
}
