//! `/v1/payment_intents` and `/v1/charges`: those of invoices, the only ones there are.

use serde_json::Value;

use super::payment_methods;
use crate::engine::dunning::{self, Trigger};
use crate::engine::payments;
use crate::model::charge::Charge;
use crate::model::invoice::Status as InvoiceStatus;
use crate::model::payment_intent::{PaymentIntent, Status};
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, created_matches, get, list, opt, page,
    post, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    list("/v1/payment_intents", LIST, list_intents),
    get("/v1/payment_intents/{}", &[], retrieve),
    post("/v1/payment_intents/{}/confirm", CONFIRM, confirm),
    list("/v1/charges", LIST_CHARGES, list_charges),
    get("/v1/charges/{}", &[], retrieve_charge),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "payment_intent",
        load: |state, id| Some(state.billing.payment_intents.get(id)?.render(state)),
    },
    Expansion::Reference {
        field: "latest_charge",
        load: load_charge,
    },
    Expansion::Reference {
        field: "charge",
        load: load_charge,
    },
];

fn load_charge(state: &State, id: &str) -> Option<Value> {
    Some(state.billing.charges.get(id)?.render(state))
}

const LIST: &[Field] = &[
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
];

const LIST_CHARGES: &[Field] = &[
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    opt("payment_intent", Shape::Str),
    unsupported("transfer_group"),
];

const CONFIRM: &[Field] = &[
    unsupported("capture_method"),
    unsupported("confirmation_token"),
    unsupported("error_on_requires_action"),
    unsupported("mandate"),
    unsupported("mandate_data"),
    opt("off_session", Shape::Bool),
    opt("payment_method", Shape::Str),
    unsupported("payment_method_data"),
    unsupported("payment_method_options"),
    unsupported("radar_options"),
    unsupported("receipt_email"),
    opt("return_url", Shape::Str),
    unsupported("setup_future_usage"),
    unsupported("shipping"),
    opt("use_stripe_sdk", Shape::Bool),
];

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    find(state, request.id()).map(|intent| intent.render(state))
}

fn list_intents(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |intent: &PaymentIntent| {
        params
            .text("customer")
            .is_none_or(|customer| intent.customer == customer)
            && created_matches(params, "created", intent.created)
    };
    page(
        request,
        "payment_intent",
        &state.billing.payment_intents,
        keep,
        |row| row.render(state),
    )
}

/// Confirming the payment intent of an invoice pays the invoice.
fn confirm(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let intent = find(state, request.id())?.clone();
    if matches!(intent.status, Status::Succeeded | Status::Canceled) {
        return Err(StripeError::invalid(
            "You cannot confirm this PaymentIntent because it has already succeeded or been canceled.",
        )
        .code("payment_intent_unexpected_state"));
    }
    let given = request.params.text("payment_method");
    let given = given
        .map(|id| payment_methods::resolve(state, id, "payment_method"))
        .transpose()?;
    let Some(method) = given.or_else(|| intent.payment_method.clone()) else {
        return Err(StripeError::invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
        )
        .code("payment_intent_unexpected_state"));
    };
    let invoice = state.billing.invoices.get(&intent.invoice);
    let payable = invoice.filter(|row| {
        matches!(
            row.status,
            InvoiceStatus::Open | InvoiceStatus::Uncollectible
        )
    });
    let clock = payable
        .map(|invoice| invoice.test_clock.clone())
        .ok_or_else(|| {
            StripeError::invalid("The invoice of this PaymentIntent can no longer be paid.")
        })?;
    let now = state.now(clock.as_deref());
    let outcome = dunning::attempt(state, &intent.invoice, Trigger::Request, Some(method), now);
    let rendered = find(state, request.id())?.render(state);
    match (payments::error(&outcome), outcome) {
        (Some(error), payments::Outcome::Declined(_)) => {
            Err(error.with("payment_intent", rendered))
        }
        _ => Ok(rendered),
    }
}

fn retrieve_charge(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let charge = load_charge(state, request.id());
    charge.ok_or_else(|| StripeError::not_found("charge", request.id()))
}

fn list_charges(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let keep = |charge: &Charge| {
        params
            .text("customer")
            .is_none_or(|customer| charge.customer == customer)
            && params
                .text("payment_intent")
                .is_none_or(|intent| charge.payment_intent == intent)
            && created_matches(params, "created", charge.created)
    };
    page(request, "charge", &state.billing.charges, keep, |row| {
        row.render(state)
    })
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a PaymentIntent, StripeError> {
    let intent = state.billing.payment_intents.get(id);
    intent.ok_or_else(|| StripeError::not_found("payment_intent", id))
}
