//! View of an invoice that does not exist: what a change would charge.

use miniserde::Deserialize;

use super::ListView;
use crate::api::Charged;
use crate::converge::quote::QuoteRequest;
use crate::stripe::error::{Class, Error};

/// An invoice as previewed.
#[derive(Deserialize)]
pub(in crate::stripe) struct PreviewView {
    total: Option<i64>,
    currency: Option<String>,
    lines: Option<ListView<LineView>>,
}

#[derive(Deserialize)]
struct LineView {
    amount: i64,
    period: Option<PeriodView>,
    parent: Option<ParentView>,
    taxes: Option<Vec<TaxAmountView>>,
}

#[derive(Deserialize)]
struct PeriodView {
    start: Option<i64>,
}

#[derive(Deserialize)]
struct ParentView {
    subscription_item_details: Option<DetailsView>,
    invoice_item_details: Option<DetailsView>,
}

#[derive(Deserialize)]
struct DetailsView {
    proration: Option<bool>,
}

#[derive(Deserialize)]
struct TaxAmountView {
    amount: i64,
    tax_behavior: Option<String>,
}

impl PreviewView {
    /// What the change charges, in minor units: the whole invoice when it makes one, else the lines
    /// that prorate it.
    pub(in crate::stripe) fn amount(self, request: &QuoteRequest) -> Result<i64, Error> {
        let unreadable = |what: &str| {
            let message = format!("the preview of a change of {} {what}", request.subscription);
            Error::new(Class::Unreadable, message)
        };
        if self.currency.as_ref() != Some(&request.currency) {
            return Err(unreadable("is in another currency"));
        }
        if request.charged == Charged::Now {
            return self.total.ok_or_else(|| unreadable("has no total"));
        }
        let lines = self.lines.ok_or_else(|| unreadable("has no lines"))?;
        if lines.has_more == Some(true) {
            return Err(unreadable("has more lines than its first page shows"));
        }
        let from = request.proration_date.as_second();
        let of_this_change = |line: &&LineView| line.is_proration_from(from);
        Ok(lines
            .data
            .iter()
            .filter(of_this_change)
            .map(LineView::charge)
            .sum())
    }
}

impl LineView {
    fn is_proration_from(&self, from: i64) -> bool {
        let starts = self.period.as_ref().and_then(|period| period.start);
        let is_proration = self.parent.as_ref().is_some_and(|parent| {
            [
                &parent.subscription_item_details,
                &parent.invoice_item_details,
            ]
            .into_iter()
            .flatten()
            .any(|details| details.proration == Some(true))
        });
        is_proration && starts == Some(from)
    }

    fn charge(&self) -> i64 {
        let on_top = |tax: &&TaxAmountView| tax.tax_behavior.as_deref() == Some("exclusive");
        let taxes = self.taxes.iter().flatten().filter(on_top);
        self.amount + taxes.map(|tax| tax.amount).sum::<i64>()
    }
}
