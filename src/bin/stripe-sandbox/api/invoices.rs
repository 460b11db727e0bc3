//! `/v1/invoices`.

use serde_json::Value;

use super::invoice_previews::{PREVIEW, create_preview};
use super::payment_methods;
use crate::engine::calendar::HOUR;
use crate::engine::drafts::{self, Finalizer};
use crate::engine::dunning::{self, Trigger};
use crate::engine::invoices::{self, Settlement};
use crate::engine::{payments, save_invoice};
use crate::model::invoice::{Invoice, Line, Status};
use crate::model::subscription::CollectionMethod;
use crate::state::State;
use crate::table::Table;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, clearable, created_matches, get, list,
    opt, page, post, unsupported,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    list("/v1/invoices", LIST, list_invoices),
    post("/v1/invoices/create_preview", PREVIEW, create_preview),
    get("/v1/invoices/{}", &[], retrieve),
    post("/v1/invoices/{}", UPDATE, update),
    list("/v1/invoices/{}/lines", &[], list_lines),
    post("/v1/invoices/{}/finalize", FINALIZE, finalize),
    post("/v1/invoices/{}/pay", PAY, pay),
    post("/v1/invoices/{}/void", &[], void),
    post(
        "/v1/invoices/{}/mark_uncollectible",
        &[],
        mark_uncollectible,
    ),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "invoice",
        load,
    },
    Expansion::Reference {
        field: "latest_invoice",
        load,
    },
    Expansion::Include {
        object: "invoice",
        field: "payments",
        load: |state, id| Some(state.billing.invoices.get(id)?.render_payments(state)),
    },
    Expansion::Include {
        object: "invoice",
        field: "confirmation_secret",
        load: |state, id| {
            Some(
                state
                    .billing
                    .invoices
                    .get(id)?
                    .render_confirmation_secret(state),
            )
        },
    },
];

fn load(state: &State, id: &str) -> Option<Value> {
    Some(state.billing.invoices.get(id)?.render(state))
}

const LIST: &[Field] = &[
    opt(
        "collection_method",
        Shape::Enum(&["charge_automatically", "send_invoice"]),
    ),
    opt("created", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("due_date", Shape::Range),
    opt(
        "status",
        Shape::Enum(&["draft", "open", "paid", "uncollectible", "void"]),
    ),
    opt("subscription", Shape::Str),
];

const UPDATE: &[Field] = &[
    unsupported("account_tax_ids"),
    unsupported("application_fee_amount"),
    opt("auto_advance", Shape::Bool),
    unsupported("automatic_tax"),
    unsupported("automatically_finalizes_at"),
    unsupported("collection_method"),
    unsupported("custom_fields"),
    unsupported("days_until_due"),
    clearable("default_payment_method", Shape::Str),
    unsupported("default_source"),
    unsupported("default_tax_rates"),
    clearable("description", Shape::Str),
    unsupported("discounts"),
    unsupported("due_date"),
    unsupported("effective_at"),
    clearable("footer", Shape::Str),
    unsupported("issuer"),
    clearable("metadata", Shape::Metadata),
    unsupported("number"),
    unsupported("on_behalf_of"),
    unsupported("payment_settings"),
    unsupported("rendering"),
    unsupported("shipping_cost"),
    unsupported("shipping_details"),
    unsupported("statement_descriptor"),
    unsupported("transfer_data"),
];

const FINALIZE: &[Field] = &[opt("auto_advance", Shape::Bool)];

const PAY: &[Field] = &[
    unsupported("forgive"),
    unsupported("mandate"),
    opt("off_session", Shape::Bool),
    opt("paid_out_of_band", Shape::Bool),
    opt("payment_method", Shape::Str),
    unsupported("source"),
];

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    render(state, request.id())
}

fn list_invoices(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let (customer, subscription) = (params.text("customer"), params.text("subscription"));
    let status: Option<Status> = params.parse("status");
    let method: Option<CollectionMethod> = params.parse("collection_method");
    let narrowed = customer.is_some() || subscription.is_some();
    let keep = |invoice: &Invoice| {
        (narrowed || invoice.test_clock.is_none())
            && customer.is_none_or(|customer| invoice.customer == customer)
            && subscription.is_none_or(|subscription| invoice.subscription == subscription)
            && status.is_none_or(|status| invoice.status == status)
            && method.is_none_or(|method| invoice.collection_method == method)
            && created_matches(params, "created", invoice.created)
            && (!params.has("due_date")
                || invoice
                    .due_date
                    .is_some_and(|due| created_matches(params, "due_date", due)))
    };
    page(
        request,
        "invoice",
        &state.billing.invoices,
        keep,
        |invoice| invoice.render(state),
    )
}

fn list_lines(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let invoice = find(state, request.id())?;
    // Lines are listed in their own order, and a page begins with what is newest.
    let mut table: Table<Line> = Table::default();
    for line in invoice.lines.iter().rev() {
        table.insert(line.id.clone(), line.clone());
    }
    page(
        request,
        "line_item",
        &table,
        |_| true,
        |line| line.render(invoice, state.livemode),
    )
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut invoice = find(state, request.id())?.clone();
    params.assign_metadata("metadata", &mut invoice.metadata);
    if let Some(param) = ["description", "footer"]
        .into_iter()
        .find(|name| params.has(name))
    {
        require(
            &invoice,
            &[Status::Draft],
            &format!("{param} can be updated on drafts only."),
        )
        .map_err(|error| error.code("invoice_not_editable").param(param))?;
    }
    params.assign("description", &mut invoice.description);
    params.assign("footer", &mut invoice.footer);
    if let Some(method) = params.text("default_payment_method") {
        invoice.default_payment_method = Some(own_method(
            state,
            &invoice,
            method,
            "default_payment_method",
        )?);
    } else if params.is_unset("default_payment_method") {
        invoice.default_payment_method = None;
    }
    let now = state.now(invoice.test_clock.as_deref());
    match params.bool("auto_advance") {
        Some(true) => advance_automatically(&mut invoice, now)?,
        Some(false) => invoices::stop(&mut invoice),
        None => {}
    }
    save_invoice(state, invoice);
    render(state, request.id())
}

fn advance_automatically(invoice: &mut Invoice, now: i64) -> Result<(), StripeError> {
    require(
        invoice,
        &[Status::Draft, Status::Open],
        "auto_advance can be set on draft and open invoices only.",
    )?;
    let charged = invoice.collection_method == CollectionMethod::ChargeAutomatically;
    if invoice.status == Status::Draft {
        invoice.automatically_finalizes_at.get_or_insert(now + HOUR);
    }
    if charged {
        invoice.next_payment_attempt.get_or_insert(now + HOUR);
    }
    invoice.auto_advance = true;
    Ok(())
}

fn finalize(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let invoice = find(state, request.id())?;
    require(
        invoice,
        &[Status::Draft],
        "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
    )?;
    let automatic = request
        .params
        .bool("auto_advance")
        .unwrap_or(invoice.auto_advance);
    let now = state.now(invoice.test_clock.as_deref());
    drafts::finalize(state, request.id(), Finalizer::Request, now);
    check_final(find(state, request.id())?)?;
    let mut invoice = find(state, request.id())?.clone();
    if invoice.status == Status::Open {
        if automatic {
            advance_automatically(&mut invoice, now)?;
        } else {
            invoices::stop(&mut invoice);
        }
        save_invoice(state, invoice);
    }
    render(state, request.id())
}

/// Answers with what keeps a draft from being final.
fn check_final(invoice: &Invoice) -> Result<(), StripeError> {
    match &invoice.last_finalization_error {
        Some(problem) if invoice.status == Status::Draft => {
            Err(StripeError::invalid(&problem.message).code(&problem.code))
        }
        _ => Ok(()),
    }
}

fn pay(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let invoice = find(state, request.id())?.clone();
    match invoice.status {
        Status::Paid => return Err(StripeError::invalid("Invoice is already paid")),
        Status::Void => {
            return Err(StripeError::invalid(
                "This invoice is void and can no longer be paid.",
            ));
        }
        Status::Draft | Status::Open | Status::Uncollectible => {}
    }
    let method = params.text("payment_method");
    let method = method
        .map(|id| own_method(state, &invoice, id, "payment_method"))
        .transpose()?;
    let now = state.now(invoice.test_clock.as_deref());
    drafts::finalize(state, request.id(), Finalizer::Request, now);
    check_final(find(state, request.id())?)?;
    if find(state, request.id())?.status == Status::Paid {
        return render(state, request.id());
    }
    if params.bool("paid_out_of_band") == Some(true) {
        invoices::settle(state, request.id(), Settlement::OutOfBand, now);
        return render(state, request.id());
    }
    if method.is_none() && payments::method_for(state, &invoice).is_none() {
        return Err(payments::no_payment_method());
    }
    let outcome = dunning::attempt(state, request.id(), Trigger::Request, method, now);
    let intent = payments::intent_of(state, request.id());
    match (payments::error(&outcome), intent) {
        (None, _) => render(state, request.id()),
        (Some(error), Some(intent)) => {
            let intent = state
                .billing
                .payment_intents
                .get(&intent)
                .map(|intent| intent.render(state));
            Err(error.with("payment_intent", intent.unwrap_or_default()))
        }
        (Some(error), None) => Err(error),
    }
}

fn void(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let invoice = find(state, request.id())?;
    require(
        invoice,
        &[Status::Open, Status::Uncollectible],
        "You can only pass in open or uncollectible invoices to void.",
    )?;
    let now = state.now(invoice.test_clock.as_deref());
    invoices::void(state, request.id(), now);
    render(state, request.id())
}

fn mark_uncollectible(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let invoice = find(state, request.id())?;
    require(
        invoice,
        &[Status::Open],
        "You can only mark open invoices as uncollectible.",
    )?;
    let now = state.now(invoice.test_clock.as_deref());
    invoices::write_off(state, request.id(), "user_forgiven", now);
    render(state, request.id())
}

fn own_method(
    state: &mut State,
    invoice: &Invoice,
    id: &str,
    param: &str,
) -> Result<String, StripeError> {
    let id = payment_methods::resolve(state, id, param)?;
    let method = state.payment_methods.get(&id);
    match method.filter(|method| method.customer.as_deref() == Some(&invoice.customer)) {
        Some(_) => Ok(id),
        None => Err(StripeError::invalid(format!(
            "The payment method {id} is not attached to the invoice's customer."
        ))
        .param(param)),
    }
}

fn require(invoice: &Invoice, allowed: &[Status], message: &str) -> Result<(), StripeError> {
    if allowed.contains(&invoice.status) {
        Ok(())
    } else {
        Err(StripeError::invalid(message))
    }
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a Invoice, StripeError> {
    state
        .billing
        .invoices
        .get(id)
        .ok_or_else(|| StripeError::not_found("invoice", id))
}

fn render(state: &State, id: &str) -> Result<Value, StripeError> {
    find(state, id).map(|invoice| invoice.render(state))
}
