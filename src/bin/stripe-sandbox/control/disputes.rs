//! What card owners and issuers do about charges.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::customers::act_on;
use super::{Refusal, Reply, read, respond};
use crate::engine::disputes;
use crate::model::charge::Charge;
use crate::model::dispute::DisputeStatus;
use crate::sandbox::App;
use crate::state::State;

/// A charge, or the newest one that took money for an invoice or from a customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Complaint {
    charge: Option<String>,
    invoice: Option<String>,
    customer: Option<String>,
    reason: Option<String>,
    status: Option<DisputeStatus>,
    fraud_type: Option<String>,
}

impl Complaint {
    /// What it names, as a kind and an id.
    fn about(&self) -> Result<(&'static str, &str), Refusal> {
        match (&self.charge, &self.invoice, &self.customer) {
            (Some(id), None, None) => Ok(("charge", id)),
            (None, Some(id), None) => Ok(("invoice", id)),
            (None, None, Some(id)) => Ok(("customer", id)),
            _ => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "name one of charge, invoice and customer",
            )),
        }
    }

    fn charge(&self, state: &State) -> Option<Charge> {
        match &self.charge {
            Some(id) => state.billing.charges.get(id).cloned(),
            None => {
                disputes::newest_charge(state, self.customer.as_deref(), self.invoice.as_deref())
            }
        }
    }
}

fn complain(
    app: &App,
    body: &Bytes,
    act: impl FnOnce(&mut State, &Charge, &Complaint) -> Option<Value>,
) -> Reply {
    let complaint: Complaint = read(body)?;
    let (kind, id) = complaint.about()?;
    let what = format!("charge that took money, of the {kind}");
    let has = |state: &State| complaint.charge(state).is_some();
    act_on(app, &what, id, has, |state| {
        let charge = complaint.charge(state);
        let made = charge.and_then(|charge| act(state, &charge, &complaint));
        Ok(made.unwrap_or_default())
    })
}

/// Opens a dispute.
pub(super) async fn open(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    respond(complain(&app, &body, |state, charge, complaint| {
        let reason = complaint.reason.as_deref().unwrap_or("fraudulent");
        let status = complaint.status.unwrap_or(DisputeStatus::NeedsResponse);
        let id = disputes::open(state, charge, reason, status);
        Some(state.billing.disputes.get(&id)?.render(state))
    }))
}

/// Warns of fraud.
pub(super) async fn warn(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    respond(complain(&app, &body, |state, charge, complaint| {
        let kind = complaint.fraud_type.as_deref();
        let id = disputes::warn(state, charge, kind.unwrap_or("made_with_stolen_card"));
        Some(state.billing.fraud_warnings.get(&id)?.render(state))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    status: DisputeStatus,
}

/// Moves a dispute on.
pub(super) async fn move_on(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response<Body> {
    let reply = read::<Verdict>(&body).and_then(|verdict| {
        let has = |state: &State| state.billing.disputes.contains(&id);
        act_on(&app, "dispute", &id, has, |state| {
            disputes::move_on(state, &id, verdict.status)?;
            let dispute = state.billing.disputes.get(&id);
            Ok(dispute
                .map(|dispute| dispute.render(state))
                .unwrap_or_default())
        })
    });
    respond(reply)
}
