//! `/v1/customers/{id}/balance_transactions`.

use serde_json::{Value, json};

use super::{customers, price_terms};
use crate::engine::balance::{self, Entry};
use crate::engine::save_customer;
use crate::model::{BalanceChange, BalanceTransaction, Metadata};
use crate::state::State;
use crate::wire::{
    Expansion, Field, Request, Route, Shape, StripeError, clearable, created_matches, get, list,
    opt, page, post, req,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/customers/{}/balance_transactions", CREATE, create),
    list(
        "/v1/customers/{}/balance_transactions",
        LIST,
        list_transactions,
    ),
    get("/v1/customers/{}/balance_transactions/{}", &[], retrieve),
    post("/v1/customers/{}/balance_transactions/{}", UPDATE, update),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[Expansion::Include {
    object: "customer",
    field: "invoice_credit_balance",
    load: |state, id| {
        let customer = state.customers.get(id)?;
        let currency = customer.currency.as_deref();
        let currency = currency.unwrap_or(balance::DEFAULT_CURRENCY);
        Some(json!({ currency: customer.balance }))
    },
}];

const CREATE: &[Field] = &[
    req("amount", Shape::Int),
    req("currency", Shape::Str),
    opt("description", Shape::Str),
    clearable("metadata", Shape::Metadata),
];
const UPDATE: &[Field] = &[
    opt("description", Shape::Str),
    clearable("metadata", Shape::Metadata),
];
const LIST: &[Field] = &[opt("created", Shape::Range), opt("invoice", Shape::Str)];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let customer = customers::live(state, request.id(), "id");
    let mut customer = customer.map_err(|error| error.status(404))?.clone();
    let currency = price_terms::read_currency(params, "currency")?;
    if let Some(own) = customer.currency.as_ref().filter(|own| **own != currency) {
        return Err(StripeError::invalid(format!(
            "stripe-sandbox keeps one balance for each customer, in their currency ({own}); Stripe keeps one for each \
             currency."
        ))
        .param("currency"));
    }
    let mut metadata = Metadata::new();
    params.assign_metadata("metadata", &mut metadata);
    customer.currency = Some(currency.clone());
    let entry = Entry {
        amount: params.i64("amount").unwrap_or_default(),
        kind: BalanceChange::Adjustment,
        currency,
        invoice: None,
        description: params.text("description").map(str::to_owned),
        metadata,
    };
    let id = balance::enter(state, &mut customer, entry);
    save_customer(state, customer);
    let transaction = find(state, request.id(), &id)?;
    Ok(transaction.render(state.livemode))
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let mut transaction = find(state, request.id(), request.nth_id(1))?.clone();
    params.assign("description", &mut transaction.description);
    params.assign_metadata("metadata", &mut transaction.metadata);
    let answer = transaction.render(state.livemode);
    let id = transaction.id.clone();
    state.billing.balance_transactions.insert(id, transaction);
    Ok(answer)
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let transaction = find(state, request.id(), request.nth_id(1))?;
    Ok(transaction.render(state.livemode))
}

fn list_transactions(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    customers::find(state, request.id())?;
    let invoice = params.text("invoice");
    let keep = |transaction: &BalanceTransaction| {
        transaction.customer == request.id()
            && invoice.is_none_or(|invoice| transaction.invoice.as_deref() == Some(invoice))
            && created_matches(params, "created", transaction.created)
    };
    page(
        request,
        "customer_balance_transaction",
        &state.billing.balance_transactions,
        keep,
        |transaction| transaction.render(state.livemode),
    )
}

fn find<'a>(
    state: &'a State,
    customer: &str,
    id: &str,
) -> Result<&'a BalanceTransaction, StripeError> {
    customers::find(state, customer)?;
    let transaction = state.billing.balance_transactions.get(id);
    transaction
        .filter(|transaction| transaction.customer == customer)
        .ok_or_else(|| StripeError::not_found("customer_balance_transaction", id))
}
