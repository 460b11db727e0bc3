//! Dunning: what becomes of a tenant whose payment failed, day by day.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whichever of two stages is the milder begins first.
const LATER_STAGES_LATER: &str = "self.stages.all(a, self.stages.all(b, a.stage == b.stage || \
    ({'Reminder': 1, 'Warning': 2, 'Limited': 3, 'Suspended': 4}[a.stage] < \
    {'Reminder': 1, 'Warning': 2, 'Limited': 3, 'Suspended': 4}[b.stage]) == \
    ((has(a.day) ? a.day : has(a.attempts) ? a.attempts : 0) < \
    (has(b.day) ? b.day : has(b.attempts) ? b.attempts : 0))))";

/// What becomes of tenants who do not pay, stage by stage.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.stages.all(s, has(s.day)) || self.stages.all(s, has(s.attempts))")
        .message("give every stage a day, or every stage a number of attempts"),
    validation = Rule::new("self.stages.all(a, self.stages.exists_one(b, b.stage == a.stage))")
        .message("a stage is named twice"),
    validation = Rule::new(LATER_STAGES_LATER)
        .message("each stage has to begin later than the milder ones")
)]
pub struct DunningPolicy {
    /// The stages, from the mildest to the last; each at most once, each on a later day (or at a later
    /// attempt) than the one before. A stage that is left out is skipped.
    #[schemars(length(min = 1, max = 4))]
    pub stages: Vec<StageRule>,
}

/// When a stage of the dunning begins.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.day) != has(self.attempts)")
        .message("set exactly one of day and attempts")
)]
pub struct StageRule {
    /// Which.
    pub stage: DunningStage,

    /// The day it begins on, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub day: Option<i32>,

    /// The failed attempt to collect it begins with, instead of a day; when Stripe gives up
    /// collecting, the last stage begins. An invoice that is sent is never attempted: for those the days
    /// of the default count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: Option<i32>,
}

/// A stage of the dunning, from the mildest to the last.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum DunningStage {
    /// The customer is told that a payment failed.
    Reminder,
    /// The customer is told what comes next.
    Warning,
    /// Access is limited, as the plan's `limits.Limited` says.
    Limited,
    /// Access is suspended until the invoice is paid.
    Suspended,
}

/// The dunning of one tenant.
#[derive(KubeSchema, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantDunning {
    /// No stage is in force, and nobody is told of any, before this instant: for a customer who has
    /// promised to pay. Access that was taken for an unpaid invoice is given back meanwhile. After it
    /// the stage that has been reached by then is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Time>,
}

/// Where the dunning of a tenant stands; there while an invoice is overdue.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DunningStatus {
    /// The stage in force.
    pub stage: DunningState,

    /// The day, counted from 1.
    pub day: i64,

    /// When day 1 began: the first failed attempt, or the due date.
    pub since: Time,

    /// The invoice that decides (`in_…`): the one that is overdue for longest.
    pub invoice: String,

    /// What is overdue in all, in major units of the currency.
    pub amount_due: String,

    /// The currency, in lower case.
    pub currency: String,

    /// How many invoices are overdue.
    pub overdue_invoices: i64,

    /// How often a payment of the invoice was attempted.
    pub attempts: i64,

    /// When Stripe attempts its next payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_payment_attempt: Option<Time>,

    /// The stage that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_stage: Option<DunningStage>,

    /// When it comes, unless the invoice is paid; absent when that is not known, because it depends on
    /// attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_stage_at: Option<Time>,

    /// When access is suspended, unless the invoice is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_at: Option<Time>,

    /// The manifest holds the dunning until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Time>,

    /// Why it stands where it stands, and what comes next, in words.
    pub message: String,
}

/// The stage of the dunning that is in force.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, Hash)]
pub enum DunningState {
    /// An invoice is overdue, and the first stage has not come yet.
    Grace,
    /// The manifest holds the dunning (`dunning.holdUntil`).
    Held,
    /// The customer was told that a payment failed.
    Reminder,
    /// The customer was told what comes next.
    Warning,
    /// Access is limited.
    Limited,
    /// Access is suspended.
    Suspended,
}

impl From<DunningStage> for DunningState {
    fn from(stage: DunningStage) -> Self {
        match stage {
            DunningStage::Reminder => Self::Reminder,
            DunningStage::Warning => Self::Warning,
            DunningStage::Limited => Self::Limited,
            DunningStage::Suspended => Self::Suspended,
        }
    }
}
