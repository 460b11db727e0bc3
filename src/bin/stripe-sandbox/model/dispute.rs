//! Disputes, and the warnings of fraud that may come before them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Metadata;
use crate::state::State;

/// Where a dispute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// An inquiry awaits evidence: no money has been taken.
    WarningNeedsResponse,
    /// An inquiry's evidence is being read.
    WarningUnderReview,
    /// An inquiry came to nothing. Final.
    WarningClosed,
    /// Evidence is awaited.
    NeedsResponse,
    /// Evidence is being read.
    UnderReview,
    /// The money is back. Final.
    Won,
    /// The money is gone. Final.
    Lost,
    /// It was settled before it became a dispute. Final.
    Prevented,
}

impl DisputeStatus {
    /// Whether nothing can happen to the dispute any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::WarningClosed | Self::Won | Self::Lost | Self::Prevented
        )
    }

    /// Whether it is an inquiry only.
    pub fn is_inquiry(self) -> bool {
        matches!(
            self,
            Self::WarningNeedsResponse | Self::WarningUnderReview | Self::WarningClosed
        )
    }
}

/// A dispute of a charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispute {
    /// `du_…`
    pub id: String,
    /// Amount disputed.
    pub amount: i64,
    /// Its movements of the account's balance.
    pub movements: Vec<Movement>,
    /// The charge disputed.
    pub charge: String,
    /// When it was opened, by the wall clock.
    pub created: i64,
    /// Currency.
    pub currency: String,
    /// Until when evidence can be given.
    pub due_by: i64,
    /// The evidence given, by name.
    pub evidence: Map<String, Value>,
    /// Metadata.
    pub metadata: Metadata,
    /// How the charge was paid for.
    pub payment_intent: String,
    /// Stripe's word for why.
    pub reason: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// How often evidence was submitted.
    pub submission_count: u32,
}

/// A movement of the account's balance because of a dispute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Movement {
    /// `txn_…`
    pub id: String,
    /// Amount; negative when it is taken.
    pub amount: i64,
    /// When.
    pub created: i64,
    /// What Stripe takes for it.
    pub fee: i64,
}

/// Evidence that can be given in words.
pub const EVIDENCE: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
];

/// Evidence that is a file, which the sandbox does not take.
const FILES: &[&str] = &[
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
];

impl Dispute {
    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        let movements = self.movements.iter();
        let movements: Vec<_> = movements.map(|it| it.render(self)).collect();
        let inquiry = self.status.is_inquiry();
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": movements,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": self.render_evidence(),
            "evidence_details": {
                "due_by": self.due_by,
                "enhanced_eligibility": {},
                "has_evidence": !self.evidence.is_empty(),
                "past_due": state.wall_clock() > self.due_by,
                "submission_count": self.submission_count,
            },
            "is_charge_refundable": inquiry && !self.status.is_final(),
            "livemode": state.livemode,
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method_details": self.render_card(state),
            "reason": self.reason,
            "status": self.status,
        })
    }

    fn render_evidence(&self) -> Value {
        let mut evidence = Map::new();
        for name in EVIDENCE.iter().chain(FILES) {
            let given = self.evidence.get(*name).cloned();
            evidence.insert((*name).to_owned(), given.unwrap_or(Value::Null));
        }
        evidence.insert("enhanced_evidence".to_owned(), json!({}));
        Value::Object(evidence)
    }

    fn render_card(&self, state: &State) -> Value {
        let charge = state.billing.charges.get(&self.charge);
        let method = charge.and_then(|charge| state.payment_methods.get(&charge.payment_method));
        let brand = method.map_or("unknown", |method| method.brand.as_str());
        let case = match self.status {
            status if status.is_inquiry() => "inquiry",
            DisputeStatus::Prevented => "resolution",
            _ => "chargeback",
        };
        json!({
            "card": { "brand": brand, "case_type": case, "network": brand, "network_reason_code": null },
            "type": "card",
        })
    }
}

impl Movement {
    fn render(&self, dispute: &Dispute) -> Value {
        let (what, category) = if self.amount < 0 {
            ("Chargeback withdrawal for", "dispute")
        } else {
            ("Chargeback reversal for", "dispute_reversal")
        };
        let fees: Vec<_> = (self.fee != 0)
            .then(|| {
                json!({
                    "amount": self.fee, "application": null, "currency": dispute.currency,
                    "description": "Dispute fee", "type": "stripe_fee",
                })
            })
            .into_iter()
            .collect();
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.created,
            "balance_type": "payments",
            "created": self.created,
            "currency": dispute.currency,
            "description": format!("{what} {}", dispute.charge),
            "exchange_rate": null,
            "fee": self.fee,
            "fee_details": fees,
            "net": self.amount - self.fee,
            "reporting_category": category,
            "source": dispute.id,
            "status": "available",
            "type": "adjustment",
        })
    }
}

/// A card issuer's early warning that a charge may be fraudulent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FraudWarning {
    /// `issfr_…`
    pub id: String,
    /// The charge warned of.
    pub charge: String,
    /// When, by the wall clock.
    pub created: i64,
    /// The issuer's word for it.
    pub fraud_type: String,
    /// How the charge was paid for.
    pub payment_intent: String,
    /// Whether a refund could still avert a dispute.
    pub actionable: bool,
}

impl FraudWarning {
    /// Stripe's object.
    pub fn render(&self, state: &State) -> Value {
        json!({
            "id": self.id,
            "object": "radar.early_fraud_warning",
            "actionable": self.actionable,
            "charge": self.charge,
            "created": self.created,
            "fraud_type": self.fraud_type,
            "livemode": state.livemode,
            "payment_intent": self.payment_intent,
        })
    }
}
