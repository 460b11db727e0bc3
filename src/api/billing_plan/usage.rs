//! What a plan charges for usage.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is charged for the usage that one meter counts.
///
/// Give exactly one of `overage` (one price per unit), `tiers` (prices that change with the
/// quantity) and `lookupKey` (a metered price that exists in Stripe).
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.overage) ? 1 : 0) + (has(self.tiers) ? 1 : 0) + (has(self.lookupKey) ? 1 : 0) == 1")
        .message("set exactly one of overage, tiers and lookupKey"),
    validation = Rule::new("!has(self.lookupKey) || !has(self.included)")
        .message("included goes with overage or tiers; a price found by lookupKey has its own free units"),
    validation = Rule::new("!has(self.tiers) || !has(self.included) || self.tiers.all(t, !has(t.upTo) || t.upTo > self.included)")
        .message("every tier's upTo has to be greater than included, whose units are free already"),
    validation = Rule::new("!has(self.tiers) || [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19].all(i, i >= size(self.tiers) || has(self.tiers[i].upTo) == (i < size(self.tiers) - 1))")
        .message("every tier but the last needs upTo, and the last has none"),
    validation = Rule::new("!has(self.tiers) || [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18].all(i, i + 1 >= size(self.tiers) || !has(self.tiers[i].upTo) || !has(self.tiers[i + 1].upTo) || self.tiers[i].upTo < self.tiers[i + 1].upTo)")
        .message("the tiers' upTo have to increase from one to the next")
)]
pub struct UsagePrice {
    /// Event name of the meter in Stripe, as in `queries`. The operator makes the meter when there
    /// is none. A meter belongs to the account: plans that name the same one share it.
    #[schemars(
        length(min = 1, max = 100),
        regex(pattern = r"^[a-zA-Z0-9_.-]{1,100}$")
    )]
    pub meter: String,

    /// Name of the meter in Stripe's Dashboard. Defaults to what the meter is called there, or to
    /// its event name. Customers don't see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub display_name: Option<String>,

    /// Units in each period that cost nothing. Defaults to 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub included: Option<i64>,

    /// One price for every unit beyond `included`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage: Option<Rate>,

    /// Prices that change with the quantity (graduated): each unit costs what the tier says that it
    /// falls in. `included` counts: with 100 included and a first tier up to 1000, that tier
    /// prices the units 101 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub tiers: Option<Vec<UsageTier>>,

    /// Lookup key of an existing, active, metered price in Stripe for this meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub lookup_key: Option<String>,

    /// Within which window the usage reported last counts, instead of being added up. It cannot be
    /// changed once the meter exists.
    #[serde(default)]
    pub granularity: Granularity,

    /// How a period's usage follows from its windows. It cannot be changed once the meter exists.
    #[serde(default)]
    pub aggregation: Aggregation,
}

/// An amount for a number of units; charged pro rata for each unit.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Major units of the currency, as a decimal string: `"0.80"` is 80 cents in `usd`.
    #[schemars(length(max = 20), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub amount: String,

    /// The number of units that cost `amount`; a single unit costs that fraction of it. Defaults
    /// to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_i64))]
    pub per: Option<i64>,
}

/// One step of a price that changes with the quantity.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UsageTier {
    /// The last unit in a period that this tier prices. Every tier but the last has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub up_to: Option<i64>,

    /// Major units of the currency, as a decimal string: `"0.80"` is 80 cents in `usd`.
    #[schemars(length(max = 20), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub amount: String,

    /// The number of units that cost `amount`; a single unit costs that fraction of it. Defaults
    /// to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_i64))]
    pub per: Option<i64>,
}

/// The window within which the usage reported last counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// An hour of UTC.
    #[default]
    Hour,
    /// A day of UTC.
    Day,
}

impl Granularity {
    /// The value of `event_time_window` in Stripe.
    pub const fn as_stripe(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// How a period's usage follows from its windows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// The windows add up, as for queries.
    #[default]
    Sum,
    /// The last window counts, as for storage in use.
    Last,
}

impl Aggregation {
    /// The value of `default_aggregation.formula` in Stripe.
    pub const fn as_stripe(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Last => "last",
        }
    }
}

/// Whether prices contain the tax.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum TaxBehavior {
    /// Left to the default in Stripe's tax settings.
    #[default]
    Unspecified,
    /// Tax is added on top.
    Exclusive,
    /// The amounts contain the tax.
    Inclusive,
}

impl TaxBehavior {
    /// The value of `tax_behavior` in Stripe.
    pub const fn as_stripe(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Exclusive => "exclusive",
            Self::Inclusive => "inclusive",
        }
    }
}
