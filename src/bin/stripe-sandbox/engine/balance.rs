//! A customer's balance: every change of it leaves a transaction.

use crate::model::{BalanceChange, BalanceTransaction, Customer, Metadata};
use crate::state::{State, new_id};

/// A change of a balance.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Negative for credit, positive for debt.
    pub amount: i64,
    /// Why.
    pub kind: BalanceChange,
    /// Currency.
    pub currency: String,
    /// The invoice that causes it.
    pub invoice: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
}

impl Entry {
    /// What an invoice does to the balance.
    pub fn of_invoice(kind: BalanceChange, amount: i64, invoice: &str, currency: &str) -> Self {
        Self {
            amount,
            kind,
            currency: currency.to_owned(),
            invoice: Some(invoice.to_owned()),
            description: None,
            metadata: Metadata::new(),
        }
    }
}

/// Changes the balance and leaves a transaction, whose id is returned. Storing the customer is left to the caller.
pub fn enter(state: &mut State, customer: &mut Customer, entry: Entry) -> String {
    customer.balance += entry.amount;
    record(state, customer, entry)
}

/// Leaves a transaction for a balance that was set, if it differs from what it was before.
pub fn set(state: &mut State, customer: &Customer, before: i64, kind: BalanceChange) {
    if customer.balance == before {
        return;
    }
    let currency = customer.currency.clone();
    let entry = Entry {
        amount: customer.balance - before,
        kind,
        currency: currency.unwrap_or_else(|| DEFAULT_CURRENCY.to_owned()),
        invoice: None,
        description: None,
        metadata: Metadata::new(),
    };
    record(state, customer, entry);
}

/// The account's own currency, for customers who have none yet.
pub const DEFAULT_CURRENCY: &str = "usd";

fn record(state: &mut State, customer: &Customer, entry: Entry) -> String {
    let transaction = BalanceTransaction {
        id: new_id("cbtxn"),
        amount: entry.amount,
        created: state.now(customer.test_clock.as_deref()),
        currency: entry.currency,
        customer: customer.id.clone(),
        description: entry.description,
        ending_balance: customer.balance,
        invoice: entry.invoice,
        metadata: entry.metadata,
        kind: entry.kind,
    };
    let id = transaction.id.clone();
    state
        .billing
        .balance_transactions
        .insert(id.clone(), transaction);
    id
}
