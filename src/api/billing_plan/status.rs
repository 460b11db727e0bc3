//! What the operator reports about a plan.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Existing, Interval};

/// What the operator found and made in Stripe for a plan.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BillingPlanStatus {
    /// The generation of the manifest that this status describes.
    #[serde(default = "never_observed")]
    pub observed_generation: i64,

    /// The Stripe account the plan lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,

    /// Whether that is live mode (real money) rather than test mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,

    /// The product in Stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<String>,

    /// The fixed fee that new tenants subscribe to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<PlanPrice>,

    /// The prices that new tenants subscribe to: the fixed fee, and one for each meter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<CurrentPrice>,

    /// Prices of earlier terms that are still in use or usable, the newest first; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older_prices: Vec<OlderPrice>,

    /// How many prices of earlier terms are still in use or usable, also those that are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_price_count: Option<i64>,

    /// The meters in Stripe that count the plan's usage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<PlanMeter>,

    /// Live subscriptions to the plan, at whatever price. Absent until Stripe has been listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<i64>,

    /// How far tenants on older prices have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,

    /// `Ready`, and `Reconciling` or `Stalled` while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The fixed fee of a plan, as it is in Stripe.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlanPrice {
    /// Stripe's id of the price.
    pub id: String,
    /// The key under which the price is found again.
    pub lookup_key: String,
    /// Fee per period in major units of the currency.
    pub amount: String,
    /// Its currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `Month` or `Year`.
    pub interval: Interval,
}

/// A price that new tenants subscribe to.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentPrice {
    /// What it is for: `base`, or `usage/` and the meter's event name.
    pub component: String,
    /// Stripe's id of the price.
    pub id: String,
    /// The key under which the price is found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_key: Option<String>,
    /// What it costs, in words, as in `99.00 usd/month`.
    pub amount: String,
    /// Live subscriptions to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<i64>,
}

/// A price of earlier terms.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OlderPrice {
    /// Stripe's id of the price.
    pub id: String,
    /// What it is for: `base`, or `usage/` and the meter's event name.
    pub component: String,
    /// Live subscriptions to it.
    pub subscribers: i64,
    /// How many of them have a schedule that ends without it.
    pub scheduled_away: i64,
    /// When it was first seen to be no longer the plan's.
    pub since: Time,
}

/// A meter that counts usage of the plan.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PlanMeter {
    /// The meter's event name.
    pub event_name: String,
    /// Stripe's id of the meter.
    pub id: String,
}

/// How far the tenants on older prices have come.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// What becomes of them, as in the spec.
    pub existing: Existing,
    /// Live subscriptions that are on an older price.
    pub on_older_prices: i64,
    /// How many of them have a schedule that ends without it.
    pub scheduled: i64,
    /// How many are moved in an hour at most, as in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<i32>,
    /// Whether nobody is moved for now, as in the spec.
    #[serde(default)]
    pub paused: bool,
}

const fn never_observed() -> i64 {
    -1
}
