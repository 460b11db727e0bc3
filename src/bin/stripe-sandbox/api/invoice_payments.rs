//! `/v1/invoice_payments`.

use serde_json::Value;

use crate::model::invoice::{InvoicePayment, PaymentStatus};
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, created_matches, get, list, opt, page,
    req, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    list("/v1/invoice_payments", LIST, list_payments),
    get("/v1/invoice_payments/{}", &[], retrieve),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];

const LIST: &[Field] = &[
    opt("created", Shape::Range),
    opt("invoice", Shape::Str),
    opt(
        "payment",
        Shape::Object(&[
            req("type", Shape::Enum(&["payment_intent"])),
            opt("payment_intent", Shape::Str),
            unsupported("payment_record"),
        ]),
    ),
    opt("status", Shape::Enum(&["canceled", "open", "paid"])),
];

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let payment = state.billing.invoice_payments.get(request.id());
    let payment = payment.ok_or_else(|| StripeError::not_found("invoice_payment", request.id()))?;
    Ok(payment.render(state))
}

fn list_payments(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let status: Option<PaymentStatus> = params.parse("status");
    let keep = |payment: &InvoicePayment| {
        params
            .text("invoice")
            .is_none_or(|invoice| payment.invoice == invoice)
            && params
                .text("payment.payment_intent")
                .is_none_or(|intent| payment.payment_intent == intent)
            && status.is_none_or(|status| payment.status == status)
            && created_matches(params, "created", payment.created)
    };
    page(
        request,
        "invoice_payment",
        &state.billing.invoice_payments,
        keep,
        |row| row.render(state),
    )
}
