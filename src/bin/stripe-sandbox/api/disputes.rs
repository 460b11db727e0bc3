//! `/v1/disputes` and `/v1/radar/early_fraud_warnings`.

use serde_json::{Value, json};

use crate::engine::disputes;
use crate::model::dispute::{Dispute, DisputeStatus, EVIDENCE, FraudWarning};
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, clearable, created_matches, get, list,
    opt, page, post, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    list("/v1/disputes", LIST, list_disputes),
    get("/v1/disputes/{}", &[], retrieve),
    post("/v1/disputes/{}", UPDATE, update),
    post("/v1/disputes/{}/close", &[], close),
    list("/v1/radar/early_fraud_warnings", LIST, list_warnings),
    get("/v1/radar/early_fraud_warnings/{}", &[], retrieve_warning),
];

/// What `expand` can name here beside members of other objects' names.
pub const EXPANSIONS: &[Expansion] = &[];

const LIST: &[Field] = &[
    opt("charge", Shape::Str),
    opt("created", Shape::Range),
    opt("payment_intent", Shape::Str),
];

const UPDATE: &[Field] = &[
    opt("evidence", Shape::Object(EVIDENCE_FIELDS)),
    clearable("metadata", Shape::Metadata),
    opt("submit", Shape::Bool),
];

const EVIDENCE_FIELDS: &[Field] = &[
    clearable("access_activity_log", Shape::Str),
    clearable("billing_address", Shape::Str),
    unsupported("cancellation_policy"),
    clearable("cancellation_policy_disclosure", Shape::Str),
    clearable("cancellation_rebuttal", Shape::Str),
    unsupported("customer_communication"),
    clearable("customer_email_address", Shape::Str),
    clearable("customer_name", Shape::Str),
    clearable("customer_purchase_ip", Shape::Str),
    unsupported("customer_signature"),
    unsupported("duplicate_charge_documentation"),
    clearable("duplicate_charge_explanation", Shape::Str),
    clearable("duplicate_charge_id", Shape::Str),
    unsupported("enhanced_evidence"),
    clearable("product_description", Shape::Str),
    unsupported("receipt"),
    unsupported("refund_policy"),
    clearable("refund_policy_disclosure", Shape::Str),
    clearable("refund_refusal_explanation", Shape::Str),
    clearable("service_date", Shape::Str),
    unsupported("service_documentation"),
    clearable("shipping_address", Shape::Str),
    clearable("shipping_carrier", Shape::Str),
    clearable("shipping_date", Shape::Str),
    unsupported("shipping_documentation"),
    clearable("shipping_tracking_number", Shape::Str),
    unsupported("uncategorized_file"),
    clearable("uncategorized_text", Shape::Str),
];

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    render(state, request.id())
}

fn list_disputes(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |dispute: &Dispute| {
        params
            .text("charge")
            .is_none_or(|charge| dispute.charge == charge)
            && params
                .text("payment_intent")
                .is_none_or(|intent| dispute.payment_intent == intent)
            && created_matches(params, "created", dispute.created)
    };
    page(request, "dispute", &state.billing.disputes, keep, |row| {
        row.render(state)
    })
}

/// Takes evidence, and submits it unless told not to yet. In test mode Stripe decides by what it says.
fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let before = find(state, request.id())?.clone();
    let mut dispute = before.clone();
    params.assign_metadata("metadata", &mut dispute.metadata);
    let given = params.object("evidence");
    if given.is_some() && dispute.status.is_final() {
        return Err(StripeError::invalid("This dispute is already closed"));
    }
    for name in EVIDENCE {
        match params.str(&format!("evidence.{name}")) {
            Some("") => drop(dispute.evidence.remove(*name)),
            Some(text) => drop(dispute.evidence.insert((*name).to_owned(), json!(text))),
            None => {}
        }
    }
    let submitted = given.is_some() && params.bool("submit") != Some(false);
    dispute.submission_count += u32::from(submitted);
    let inquiry = dispute.status.is_inquiry();
    let words = params.text("evidence.uncategorized_text");
    let (was, is) = (before.render(state), dispute.render(state));
    state.billing.disputes.insert(request.id(), dispute);
    state.emit_update("charge.dispute.updated", &was, is);
    if submitted {
        disputes::move_on(state, request.id(), verdict(inquiry, words))?;
    }
    render(state, request.id())
}

/// What becomes of submitted evidence: it is read, for ever unless it says how that ends.
fn verdict(inquiry: bool, words: Option<&str>) -> DisputeStatus {
    match (inquiry, words) {
        (true, Some("winning_evidence" | "losing_evidence")) => DisputeStatus::WarningClosed,
        (true, Some("escalate_inquiry_evidence")) => DisputeStatus::NeedsResponse,
        (true, _) => DisputeStatus::WarningUnderReview,
        (false, Some("winning_evidence")) => DisputeStatus::Won,
        (false, Some("losing_evidence")) => DisputeStatus::Lost,
        (false, _) => DisputeStatus::UnderReview,
    }
}

fn close(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let end = if find(state, request.id())?.status.is_inquiry() {
        DisputeStatus::WarningClosed
    } else {
        DisputeStatus::Lost
    };
    disputes::move_on(state, request.id(), end)?;
    render(state, request.id())
}

fn retrieve_warning(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let warning = state.billing.fraud_warnings.get(request.id());
    warning
        .map(|warning| warning.render(state))
        .ok_or_else(|| StripeError::not_found("early_fraud_warning", request.id()))
}

fn list_warnings(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |warning: &FraudWarning| {
        params
            .text("charge")
            .is_none_or(|charge| warning.charge == charge)
            && params
                .text("payment_intent")
                .is_none_or(|intent| warning.payment_intent == intent)
            && created_matches(params, "created", warning.created)
    };
    let warnings = &state.billing.fraud_warnings;
    page(request, "early_fraud_warning", warnings, keep, |row| {
        row.render(state)
    })
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a Dispute, StripeError> {
    let dispute = state.billing.disputes.get(id);
    dispute.ok_or_else(|| StripeError::not_found("dispute", id))
}

fn render(state: &State, id: &str) -> Result<Value, StripeError> {
    find(state, id).map(|dispute| dispute.render(state))
}
