//! The page of an invoice: where a customer reads what is due, and pays it.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use rust_decimal::Decimal;

use super::cards::{self, Payer};
use super::html::{self, Text};
use super::{Page, pay_with};
use crate::api::payment_methods;
use crate::engine::dunning::{self, Trigger};
use crate::engine::{payments, wording};
use crate::model::invoice::{Invoice, Status};
use crate::state::State;
use crate::wire::StripeError;

/// The page.
pub(super) const PAGE: Page = Page {
    has,
    show: |state, id| render(state, id, None),
    submit: |state, id, form| {
        let error = pay(state, id, &Payer::read(form)).err();
        render(state, id, error.as_ref())
    },
};

/// Whether the account has this invoice.
pub fn has(state: &State, id: &str) -> bool {
    state.billing.invoices.contains(id)
}

/// Goes through the page: pays with a card, then authenticates it or not if its issuer asks. The card that paid becomes
/// the customer's, though not their default.
pub fn pay(state: &mut State, id: &str, payer: &Payer) -> Result<(), StripeError> {
    let invoice = payable(state, id)?;
    let now = state.now(invoice.test_clock.as_deref());
    if let Some(card) = &payer.card {
        let method = pay_with(state, card)?;
        let outcome = dunning::attempt(state, id, Trigger::Request, Some(method), now);
        if let (Some(error), payments::Outcome::Declined(_)) = (payments::error(&outcome), outcome)
        {
            return Err(error);
        }
    }
    let asked = dunning::awaits_authentication(state, id);
    match payer.authenticate {
        Some(authentication) if asked => dunning::authenticate(state, id, authentication, now)?,
        // A card that asks for nothing needs no answer.
        Some(_) | None if payer.card.is_some() => {}
        _ => return Err(StripeError::invalid("Choose a card first.")),
    }
    keep_card(state, &invoice)
}

fn payable(state: &State, id: &str) -> Result<Invoice, StripeError> {
    let invoice = state.billing.invoices.get(id);
    let invoice = invoice.ok_or_else(|| StripeError::not_found("invoice", id))?;
    match invoice.status {
        Status::Open | Status::Uncollectible => Ok(invoice.clone()),
        Status::Draft | Status::Paid | Status::Void => Err(StripeError::invalid(
            "There is nothing to pay: the invoice is not open.",
        )),
    }
}

/// Attaches the card that paid, which the payment intent keeps for later charges.
fn keep_card(state: &mut State, invoice: &Invoice) -> Result<(), StripeError> {
    let mut payments = state.billing.payments_of(&invoice.id).rev();
    let paid = payments.find(|payment| payment.paid_at.is_some());
    let intent =
        paid.and_then(|payment| state.billing.payment_intents.get(&payment.payment_intent));
    let method = intent.and_then(|intent| intent.payment_method.clone());
    drop(payments);
    method.map_or(Ok(()), |method| {
        payment_methods::attach(state, &method, &invoice.customer)
    })
}

fn render(state: &State, id: &str, error: Option<&StripeError>) -> Response<Body> {
    let Some(invoice) = state.billing.invoices.get(id) else {
        return html::nothing_here();
    };
    let number = invoice.number.as_deref().unwrap_or(id);
    let told = |status, heading: &str| html::page(status, heading, number, "");
    match invoice.status {
        Status::Draft => html::nothing_here(),
        Status::Paid => told(StatusCode::OK, "Invoice paid"),
        Status::Void => told(StatusCode::GONE, "This invoice is void"),
        Status::Open | Status::Uncollectible if dunning::awaits_authentication(state, id) => {
            html::authentication("pays with it")
        }
        Status::Open | Status::Uncollectible => form(invoice, number, error),
    }
}

fn form(invoice: &Invoice, number: &str, error: Option<&StripeError>) -> Response<Body> {
    let money = |minor: i64| wording::money(Decimal::from(minor), &invoice.currency);
    let lines = invoice.lines.iter();
    let lines: Vec<_> = lines
        .map(|line| {
            format!(
                "<li>{}: {}</li>",
                Text(&line.description),
                money(line.amount)
            )
        })
        .collect();
    let content = format!(
        "{}<ul>{}</ul><form method=\"post\">\n{}<button>Pay {}</button></form>",
        html::alert(error.map(|error| error.message.as_str())),
        lines.concat(),
        cards::choice(),
        money(invoice.amount_remaining()),
    );
    let text = format!("Invoice {number}. These are test cards.");
    html::page(StatusCode::OK, "Pay an invoice", &text, &content)
}
