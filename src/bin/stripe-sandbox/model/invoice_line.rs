//! Lines of invoices.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::invoice::Invoice;
use super::{Metadata, tax::LineTax};
use crate::engine::calendar::Period;

/// What of a proration line credits which earlier lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditedItems {
    /// The invoice that charged them.
    pub invoice: String,
    /// Its lines.
    pub lines: Vec<String>,
}

/// What of a line is usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Usage {
    /// It is counted again when the invoice is finalised.
    Counted,
    /// Likewise, but it was used in a trial.
    Free,
    /// It was counted for good when its price was removed.
    Settled,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `il_…`
    pub id: String,
    /// Amount in minor units; negative for a credit.
    pub amount: i64,
    /// What it is for.
    pub description: String,
    /// The time it is for.
    pub period: Period,
    /// Price charged.
    pub price: String,
    /// Product of the price.
    pub product: String,
    /// Amount for a unit; `None` for a tier's flat amount.
    pub unit_amount: Option<Decimal>,
    /// Units.
    pub quantity: u64,
    /// Subscription billed.
    pub subscription: String,
    /// Its item.
    pub item: String,
    /// `ii_…` of a proration, or of the usage of a price that was removed.
    pub invoice_item: Option<String>,
    /// What a proration credits, where that is on an invoice.
    pub credited: Option<CreditedItems>,
    /// Whether it is for usage.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Ids of the lines a proration credits, on an invoice or not.
    #[serde(default)]
    pub credits: Vec<String>,
    /// Its tax, if tax is calculated.
    #[serde(default)]
    pub tax: Option<LineTax>,
    /// The item's metadata.
    pub metadata: Metadata,
}

impl Line {
    /// Stripe's object.
    pub fn render(&self, invoice: &Invoice, livemode: bool) -> Value {
        let proration = self.invoice_item.is_some() && self.usage.is_none();
        let credited = self.credited.as_ref().map(
            |credited| json!({ "invoice": credited.invoice, "invoice_line_items": credited.lines }),
        );
        json!({
            "id": self.id,
            "object": "line_item",
            "amount": self.amount,
            "currency": invoice.currency,
            "description": self.description,
            "discount_amounts": [],
            "discountable": !proration,
            "discounts": [],
            "invoice": invoice.id,
            "livemode": livemode,
            "metadata": self.metadata,
            "parent": {
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": self.invoice_item,
                    "proration": proration,
                    "proration_details": { "credited_items": credited },
                    "subscription": self.subscription,
                    "subscription_item": self.item,
                },
                "type": "subscription_item_details",
            },
            "period": { "end": self.period.end, "start": self.period.start },
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": { "price": self.price, "product": self.product },
                "type": "price_details",
                "unit_amount_decimal": self.unit_amount.map(|amount| amount.normalize().to_string()),
            },
            "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(),
            "subscription": self.subscription,
            "subtotal": self.amount,
            "taxes": self.tax.iter().map(|tax| tax.render(self.amount)).collect::<Vec<_>>(),
        })
    }
}
