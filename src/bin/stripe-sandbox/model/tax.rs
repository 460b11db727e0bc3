//! Taxes on invoices.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::invoice::Line;
use super::subscription::AutomaticTax;

/// Whether a tax is in an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxBehavior {
    /// It comes on top.
    Exclusive,
    /// It is in it.
    Inclusive,
}

/// A line's tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTax {
    /// Amount in minor units.
    pub amount: i64,
    /// On top of the line's amount, or in it.
    pub behavior: TaxBehavior,
    /// Stripe's word for why it is what it is.
    pub reason: String,
}

/// How far an invoice's tax has been calculated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceTax {
    /// It is not to be.
    #[default]
    Off,
    /// It has been.
    Complete,
    /// The customer's place is not known.
    RequiresLocationInputs,
    /// The customer's place could not be found out.
    Failed,
    /// It was given up when the invoice was finalised without knowing the place.
    Disabled,
}

impl InvoiceTax {
    /// What the subscription had it be.
    pub fn setting(self) -> AutomaticTax {
        match self {
            Self::Off | Self::Disabled => AutomaticTax::Off,
            Self::Complete | Self::RequiresLocationInputs | Self::Failed => AutomaticTax::On,
        }
    }

    /// The `automatic_tax` member.
    pub fn render(self) -> Value {
        let enabled = !matches!(self, Self::Off | Self::Disabled);
        let reason = (self == Self::Disabled).then_some("finalization_requires_location_inputs");
        json!({
            "disabled_reason": reason,
            "enabled": enabled,
            "liability": enabled.then(|| json!({ "type": "self" })),
            "provider": enabled.then_some("stripe"),
            "status": match self {
                Self::Off | Self::Disabled => None,
                Self::Complete => Some("complete"),
                Self::RequiresLocationInputs => Some("requires_location_inputs"),
                Self::Failed => Some("failed"),
            },
        })
    }
}

impl LineTax {
    /// Stripe's object, for a tax on `amount` or in it.
    pub fn render(&self, amount: i64) -> Value {
        let taxable = match self.behavior {
            TaxBehavior::Exclusive => amount,
            TaxBehavior::Inclusive => amount - self.amount,
        };
        json!({
            "amount": self.amount,
            "tax_behavior": self.behavior,
            "tax_rate_details": null,
            "taxability_reason": self.reason,
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        })
    }
}

/// The `total_taxes` of lines: one entry for what comes on top, one for what is within.
pub fn total_taxes(lines: &[Line]) -> Vec<Value> {
    let of = |behavior: TaxBehavior| {
        let taxed = lines
            .iter()
            .filter_map(|line| Some((line, line.tax.as_ref()?)));
        let own: Vec<_> = taxed.filter(|(_, tax)| tax.behavior == behavior).collect();
        let (_, first) = own.first()?;
        let total = LineTax {
            amount: own.iter().map(|(_, tax)| tax.amount).sum(),
            ..(*first).clone()
        };
        Some(total.render(own.iter().map(|(line, _)| line.amount).sum()))
    };
    let all = [TaxBehavior::Exclusive, TaxBehavior::Inclusive];
    all.into_iter().filter_map(of).collect()
}
