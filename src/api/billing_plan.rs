//! `BillingPlan`: one entry of the catalogue.

mod rules;
mod status;
mod usage;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DunningPolicy, PlanLimits};

pub use self::status::{
    BillingPlanStatus, CurrentPrice, OlderPrice, PlanMeter, PlanPrice, RolloutStatus,
};
pub use self::usage::{Aggregation, Granularity, Rate, TaxBehavior, UsagePrice, UsageTier};

/// A plan that tenants can be sold: what it costs and how long its trial is.
///
/// The operator makes a product, prices and meters for it in Stripe. Prices in Stripe are immutable:
/// when the terms of a plan change, new prices are made, and `rollout` says what becomes of the
/// tenants on the older ones. Those are archived when their last subscriber has left. Terms that
/// would cost tenants many times more, or less, than before are held until they are approved.
#[derive(CustomResource, KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[kube(
    group = "tenantbilling.io",
    version = "v1alpha1",
    kind = "BillingPlan",
    plural = "billingplans",
    shortname = "bp",
    category = "billing",
    status = "BillingPlanStatus",
    doc = "A plan that tenants can be sold: what it costs and how long its trial is.",
    printcolumn(name = "Amount", type_ = "string", json_path = ".status.price.amount"),
    printcolumn(
        name = "Currency",
        type_ = "string",
        json_path = ".status.price.currency"
    ),
    printcolumn(
        name = "Interval",
        type_ = "string",
        json_path = ".status.price.interval"
    ),
    printcolumn(
        name = "Subscribers",
        type_ = "integer",
        json_path = ".status.subscribers"
    ),
    printcolumn(
        name = "Older",
        type_ = "integer",
        json_path = ".status.rollout.onOlderPrices",
        priority = 1
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Price",
        type_ = "string",
        json_path = ".status.price.id",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(rules::KNOWN_CURRENCY)
        .message("currency is not an ISO 4217 code, in lower case, of a currency that Stripe can charge"),
    validation = Rule::new(rules::NO_DECIMALS)
        .message("an amount has decimals, but the currency has none; write \"500\", not \"500.00\""),
    validation = Rule::new(rules::WRITTEN_OUT)
        .message("an amount may mean major or minor units; write the decimals of the currency: \"99.00\""),
    validation = Rule::new(rules::TWO_DECIMALS)
        .message("an amount has more than the 2 decimals that the currency has"),
    validation = Rule::new(rules::THREE_DECIMALS)
        .message("an amount has more than the 3 decimals that the currency has"),
    validation = Rule::new("!has(self.usage) || self.usage.all(a, self.usage.exists_one(b, b.meter == a.meter))")
        .message("two entries of usage name one meter; a meter can be charged for once, with tiers if need be")
)]
pub struct BillingPlanSpec {
    /// Name of the product as customers see it on invoices. Defaults to the plan's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub display_name: Option<String>,

    /// Currency of every amount in this plan: a three-letter ISO 4217 code in lower case, as in
    /// `usd`, of a currency that Stripe can charge. Stripe binds a customer to the currency of
    /// their first subscription.
    #[schemars(length(max = 3), regex(pattern = r"^[a-z]{3}$"))]
    pub currency: String,

    /// The fixed fee per period.
    pub base: BasePrice,

    /// What is charged for usage, meter by meter; billed with the base fee, in the same period. At
    /// most 19, because a subscription has at most 20 items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 19))]
    pub usage: Vec<UsagePrice>,

    /// Whether the amounts contain the tax. Only matters where Stripe calculates taxes.
    #[serde(default)]
    pub tax_behavior: TaxBehavior,

    /// The trial that tenants on this plan get unless their own manifest says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<PlanTrial>,

    /// What tenants may use, by level of access. The names are yours; the operator passes them on to the
    /// tenant's status, its ConfigMap and the gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PlanLimits>,

    /// What becomes of tenants who do not pay, stage by stage. Without it: `Reminder` on day 1,
    /// `Warning` on day 4, `Limited` on day 7, `Suspended` on day 8. Day 1 is the 24 hours that begin
    /// with the first failed attempt to collect an invoice, or with its due date where invoices are
    /// sent; day 4 begins 72 hours later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dunning: Option<DunningPolicy>,

    /// What becomes of tenants on older prices when the terms change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
}

/// The fixed fee of a plan: either an amount, for which the operator makes a price, or the lookup
/// key of a price that exists in Stripe.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.amount) != has(self.lookupKey)")
        .message("set exactly one of amount (the operator makes the price) and lookupKey (the price exists in Stripe)"),
    validation = Rule::new("!has(self.lookupKey) || !has(self.interval)")
        .message("interval goes with amount; a price found by lookupKey has its own interval")
)]
pub struct BasePrice {
    /// Fee per period in major units of the currency, as a decimal string: `"99.00"` is 99 dollars
    /// in `usd`. It is written with decimals where the currency has them (usd 2, jpy 0, kwd 3):
    /// `"9900"` could be 9900 dollars or 9900 cents, and is refused. `"0"` is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub amount: Option<String>,

    /// How often the fee is due. Defaults to `Month`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,

    /// Lookup key of an existing, active, recurring price in Stripe, to use instead of `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub lookup_key: Option<String>,
}

/// A billing interval.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Interval {
    /// Every month, on the day the subscription began.
    #[default]
    Month,
    /// Every year.
    Year,
}

impl Interval {
    /// The value of `recurring.interval` in Stripe.
    pub const fn as_stripe(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// The trial of a plan.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct PlanTrial {
    /// Length of the trial in days; 0 means none. Stripe allows at most 730.
    #[schemars(range(min = 0, max = 730))]
    pub days: i32,
}

/// What becomes of tenants on older prices when the terms of their plan change.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// `Grandfather` (the default): they keep the price they have. `AtRenewal`: they get the new one
    /// when their period ends. `Now`: at once, prorated as their manifest says.
    #[serde(default)]
    pub existing: Existing,

    /// How many tenants are moved, or scheduled to be moved, in an hour. Without it, as many as
    /// Stripe takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub per_hour: Option<i32>,

    /// Move nobody for now. Those already scheduled stay so.
    #[serde(default)]
    pub paused: bool,
}

/// What becomes of tenants on older prices.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum Existing {
    /// They keep the price they have.
    #[default]
    Grandfather,
    /// They get the new price when their period ends.
    AtRenewal,
    /// They get the new price at once.
    Now,
}
