//! Prices.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;

/// How often a price recurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Daily.
    Day,
    /// Weekly.
    Week,
    /// Monthly.
    Month,
    /// Yearly.
    Year,
}

/// Whether a price is charged for a quantity or for what meters count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageType {
    /// For a quantity set beforehand.
    #[default]
    Licensed,
    /// For usage.
    Metered,
}

/// Whether a unit costs the same always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingScheme {
    /// It does.
    #[default]
    PerUnit,
    /// It depends on the tier.
    Tiered,
}

/// How tiers apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TiersMode {
    /// Each unit by its own tier.
    Graduated,
    /// All units by the tier of the whole quantity.
    Volume,
}

/// Rounding of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// A started package is charged.
    Up,
    /// A started package is free.
    Down,
}

/// Units are sold in packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformQuantity {
    /// Units in a package.
    pub divide_by: i64,
    /// What a started package counts as.
    pub round: Round,
}

/// The recurring part of a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recurring {
    /// Unit of the period.
    pub interval: Interval,
    /// Units in a period.
    pub interval_count: i64,
    /// Licensed or metered.
    pub usage_type: UsageType,
    /// Meter counted.
    pub meter: Option<String>,
}

/// A tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// Last unit of the tier; `None` for no end.
    pub up_to: Option<i64>,
    /// Amount for each unit.
    pub unit_amount: Option<Decimal>,
    /// Amount for the tier as such.
    pub flat_amount: Option<Decimal>,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// Whether it can be subscribed to.
    pub active: bool,
    /// Per unit or tiered.
    pub billing_scheme: BillingScheme,
    /// Creation.
    pub created: i64,
    /// Lowercase ISO code.
    pub currency: String,
    /// Live mode.
    pub livemode: bool,
    /// Name to find it by, unique among all prices.
    pub lookup_key: Option<String>,
    /// Metadata.
    pub metadata: Metadata,
    /// Name for staff.
    pub nickname: Option<String>,
    /// Its product.
    pub product: String,
    /// Recurrence; `None` for one-time prices.
    pub recurring: Option<Recurring>,
    /// `exclusive`, `inclusive` or `unspecified`.
    pub tax_behavior: String,
    /// Tiers.
    pub tiers: Vec<Tier>,
    /// How tiers apply.
    pub tiers_mode: Option<TiersMode>,
    /// Packages.
    pub transform_quantity: Option<TransformQuantity>,
    /// Amount for a unit in minor units; `None` for tiered prices.
    pub unit_amount: Option<Decimal>,
}

impl Price {
    /// Stripe's price object, without `tiers`, which must be asked for with `expand`.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": self.billing_scheme,
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": self.livemode,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": self.recurring.as_ref().map(render_recurring),
            "tax_behavior": self.tax_behavior,
            "tiers_mode": self.tiers_mode,
            "transform_quantity": self.transform_quantity,
            "type": if self.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount.and_then(whole),
            "unit_amount_decimal": self.unit_amount.map(text),
        })
    }

    /// The `tiers` member; null for a price without.
    pub fn render_tiers(&self) -> Value {
        if self.tiers_mode.is_none() {
            return Value::Null;
        }
        self.tiers
            .iter()
            .map(|tier| {
                json!({
                    "flat_amount": tier.flat_amount.and_then(whole),
                    "flat_amount_decimal": tier.flat_amount.map(text),
                    "unit_amount": tier.unit_amount.and_then(whole),
                    "unit_amount_decimal": tier.unit_amount.map(text),
                    "up_to": tier.up_to,
                })
            })
            .collect()
    }

    /// The `plan` older clients still read on a subscription's items.
    pub fn render_plan(&self) -> Value {
        let recurring = self.recurring.as_ref();
        json!({
            "id": self.id,
            "object": "plan",
            "active": self.active,
            "amount": self.unit_amount.and_then(whole),
            "amount_decimal": self.unit_amount.map(text),
            "billing_scheme": self.billing_scheme,
            "created": self.created,
            "currency": self.currency,
            "interval": recurring.map_or(Interval::Month, |recurring| recurring.interval),
            "interval_count": recurring.map_or(1, |recurring| recurring.interval_count),
            "livemode": self.livemode,
            "metadata": self.metadata,
            "meter": recurring.and_then(|recurring| recurring.meter.as_deref()),
            "nickname": self.nickname,
            "product": self.product,
            "tiers_mode": self.tiers_mode,
            "transform_usage": self.transform_quantity,
            "trial_period_days": null,
            "usage_type": recurring.map_or(UsageType::Licensed, |recurring| recurring.usage_type),
        })
    }
}

fn render_recurring(recurring: &Recurring) -> Value {
    json!({
        "interval": recurring.interval,
        "interval_count": recurring.interval_count,
        "meter": recurring.meter,
        "trial_period_days": null,
        "usage_type": recurring.usage_type,
    })
}

/// The integer form of an amount; Stripe gives null when the amount is a fraction of a minor unit.
fn whole(amount: Decimal) -> Option<i64> {
    if amount.is_integer() {
        amount.to_i64()
    } else {
        None
    }
}

/// The decimal form of an amount, without trailing zeros.
fn text(amount: Decimal) -> String {
    amount.normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiered(tiers: Vec<Tier>) -> Price {
        Price {
            id: "price_1".into(),
            active: true,
            billing_scheme: BillingScheme::Tiered,
            created: 1,
            currency: "usd".into(),
            livemode: false,
            lookup_key: None,
            metadata: Metadata::new(),
            nickname: None,
            product: "prod_1".into(),
            recurring: None,
            tax_behavior: "unspecified".into(),
            tiers,
            tiers_mode: Some(TiersMode::Graduated),
            transform_quantity: None,
            unit_amount: None,
        }
    }

    #[test]
    fn tiers_show_only_when_asked_for_and_fractions_only_as_decimals() {
        let price = tiered(vec![
            Tier {
                up_to: Some(100),
                unit_amount: Some(Decimal::ZERO),
                flat_amount: None,
            },
            Tier {
                up_to: None,
                unit_amount: Some(Decimal::new(80, 3)),
                flat_amount: Some(Decimal::new(500, 0)),
            },
        ]);
        assert_eq!(price.render().get("tiers"), None);
        assert_eq!(
            price.render_tiers(),
            json!([
                {"flat_amount": null, "flat_amount_decimal": null, "unit_amount": 0, "unit_amount_decimal": "0", "up_to": 100},
                {"flat_amount": 500, "flat_amount_decimal": "500", "unit_amount": null, "unit_amount_decimal": "0.08", "up_to": null},
            ])
        );
        assert_eq!(price.render()["unit_amount"], Value::Null);
    }
}
