//! What a subscription's items were charged for the current period: the base of credits.
//!
//! With Stripe's flexible billing mode a credit is a share of what was really debited, not of the item's price: the
//! two differ after a change with `proration_behavior=none`.

use super::calendar::Period;
use super::proration;
use crate::model::invoice::{CreditedItems, Line, Status};
use crate::model::subscription::Subscription;
use crate::state::State;

/// A line that charged an item, and the invoice it is on, if on any yet.
#[derive(Clone, Debug)]
pub struct Debit<'a> {
    invoice: Option<&'a str>,
    line: &'a Line,
}

/// All that an item was charged and that no credit has taken back.
#[derive(Clone, Debug)]
pub struct Debits<'a>(Vec<Debit<'a>>);

/// The lines that charged for the subscription's current period and have not been credited.
///
/// A void invoice charged and credited nothing, and neither has one that a pending change waits for.
pub fn open<'a>(state: &'a State, subscription: &'a Subscription) -> Vec<Debit<'a>> {
    let held = subscription
        .pending_update
        .as_ref()
        .map(|update| update.invoice.as_str());
    let counted = state.billing.invoices.iter().filter(|invoice| {
        invoice.subscription == subscription.id
            && invoice.status != Status::Void
            && held != Some(invoice.id.as_str())
    });
    let invoiced = counted.flat_map(|invoice| {
        let id = Some(invoice.id.as_str());
        invoice
            .lines
            .iter()
            .map(move |line| Debit { invoice: id, line })
    });
    let pending = subscription.pending_lines.iter();
    let pending = pending.map(|line| Debit {
        invoice: None,
        line,
    });
    let current = subscription.period();
    let lines: Vec<_> = invoiced
        .chain(pending)
        .filter(|debit| debit.line.subscription == subscription.id)
        .filter(|debit| within(current, debit.line.period))
        .collect();
    let credited: Vec<&String> = lines.iter().flat_map(|debit| &debit.line.credits).collect();
    let left = lines
        .iter()
        .filter(|debit| debit.line.credits.is_empty() && !credited.contains(&&debit.line.id));
    left.cloned().collect()
}

/// What was charged for one item; `None` if nothing was, not even zero.
pub fn of_item<'a>(debits: &[Debit<'a>], item: &str) -> Option<Debits<'a>> {
    let own = debits.iter().filter(|debit| debit.line.item == item);
    let own: Vec<_> = own.cloned().collect();
    (!own.is_empty()).then_some(Debits(own))
}

impl Debits<'_> {
    /// The share of the amounts that falls to `left`.
    pub fn remaining(&self, left: Period) -> i64 {
        // The tiers of one charge are shared as one amount, lest their roundings add up.
        let mut charges: Vec<(Period, i64)> = Vec::new();
        for Debit { line, .. } in &self.0 {
            match charges
                .iter_mut()
                .find(|(period, _)| *period == line.period)
            {
                Some((_, amount)) => *amount += line.amount,
                None => charges.push((line.period, line.amount)),
            }
        }
        charges
            .into_iter()
            .map(|(period, amount)| proration::share(amount, period, left))
            .sum()
    }

    /// Ids of the lines.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|debit| debit.line.id.clone()).collect()
    }

    /// The newest invoice among them with its lines, as Stripe names what a line credits.
    pub fn credited(&self) -> Option<CreditedItems> {
        let invoice = self.0.iter().rev().find_map(|debit| debit.invoice)?;
        let lines = self.0.iter().filter(|debit| debit.invoice == Some(invoice));
        Some(CreditedItems {
            invoice: invoice.to_owned(),
            lines: lines.map(|debit| debit.line.id.clone()).collect(),
        })
    }
}

/// Usage of the period before and what is left of periods given up do not belong to the current one.
fn within(current: Period, charged: Period) -> bool {
    charged.start >= current.start && charged.end == current.end
}
