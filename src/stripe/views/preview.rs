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
    /// What the change charges, in minor units, and when: the whole invoice when it makes one, else
    /// the lines that prorate it.
    pub(in crate::stripe) fn charge(self, request: &QuoteRequest) -> Result<(i64, Charged), Error> {
        let unreadable = |what: &str| {
            let message = format!("the preview of a change of {} {what}", request.subscription);
            Error::new(Class::Unreadable, message)
        };
        if self.currency.as_ref() != Some(&request.currency) {
            return Err(unreadable("is in another currency"));
        }
        let total = self.total.ok_or_else(|| unreadable("has no total"))?;
        if request.charged == Charged::Now {
            return Ok((total, Charged::Now));
        }
        let lines = self.lines.ok_or_else(|| unreadable("has no lines"))?;
        if lines.has_more == Some(true) {
            return Err(unreadable("has more lines than its first page shows"));
        }
        let from = request.proration_date.as_second();
        let of_this_change = lines.data.iter().filter(|line| line.starts_at(from));
        // A period that begins with the change is charged at once, whether expected or not.
        if of_this_change.clone().any(|line| !line.is_proration()) {
            return Ok((total, Charged::Now));
        }
        let amount = of_this_change.map(LineView::charge).sum();
        Ok((amount, Charged::NextInvoice))
    }
}

impl LineView {
    fn starts_at(&self, time: i64) -> bool {
        self.period.as_ref().and_then(|period| period.start) == Some(time)
    }

    fn is_proration(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| {
            [
                &parent.subscription_item_details,
                &parent.invoice_item_details,
            ]
            .into_iter()
            .flatten()
            .any(|details| details.proration == Some(true))
        })
    }

    fn charge(&self) -> i64 {
        let on_top = |tax: &&TaxAmountView| tax.tax_behavior.as_deref() == Some("exclusive");
        let taxes = self.taxes.iter().flatten().filter(on_top);
        self.amount + taxes.map(|tax| tax.amount).sum::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Proration;

    const NOW: i64 = 1_800_000_000;

    fn charge(charged: Charged, invoice: &Value) -> Result<(i64, Charged), String> {
        let request = QuoteRequest {
            subscription: "sub_1".into(),
            items: Vec::new(),
            proration: Proration::Create,
            proration_date: Timestamp::from_second(NOW).unwrap(),
            charged,
            currency: "usd".into(),
            fingerprint: String::new(),
        };
        let view: PreviewView = miniserde::json::from_str(&invoice.to_string()).unwrap();
        view.charge(&request).map_err(|error| error.to_string())
    }

    fn line(amount: i64, start: i64, proration: bool) -> Value {
        json!({
            "amount": amount, "period": {"start": start, "end": start + 10},
            "parent": {"subscription_item_details": {"proration": proration}, "invoice_item_details": null},
            "taxes": [
                {"amount": amount / 10, "tax_behavior": "exclusive"},
                {"amount": 7, "tax_behavior": "inclusive"},
            ],
        })
    }

    fn invoice(lines: &[Value]) -> Value {
        json!({"total": 4242, "currency": "usd", "lines": {"data": lines, "has_more": false}})
    }

    #[test]
    fn the_lines_of_the_change_count_with_the_taxes_on_top() {
        let earlier = line(1000, NOW - 500, true);
        let invoice = invoice(&[earlier, line(-300, NOW, true), line(900, NOW, true)]);
        assert_eq!(
            charge(Charged::NextInvoice, &invoice),
            Ok((660, Charged::NextInvoice))
        );
    }

    #[test]
    fn a_period_that_begins_with_the_change_is_charged_at_once() {
        let invoice = invoice(&[line(-300, NOW, true), line(4542, NOW, false)]);
        for expected in [Charged::Now, Charged::NextInvoice] {
            assert_eq!(charge(expected, &invoice), Ok((4242, Charged::Now)));
        }
    }

    #[test]
    fn what_cannot_be_told_is_an_error_and_no_price() {
        let mut cut = invoice(&[line(900, NOW, true)]);
        cut["lines"]["has_more"] = json!(true);
        let refused = charge(Charged::NextInvoice, &cut).unwrap_err();
        assert!(refused.contains("more lines"), "{refused}");
        let mut foreign = invoice(&[]);
        foreign["currency"] = json!("eur");
        let refused = charge(Charged::Now, &foreign).unwrap_err();
        assert!(refused.contains("another currency"), "{refused}");
    }
}
