//! How a tenant pays, as its manifest declares it.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::{Collection, PaymentPolicy, PaymentRequirement, PaymentStatus};

/// Days to pay an invoice when nobody says how many.
const DAYS_UNTIL_DUE: i64 = 30;

/// How invoices are paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum CollectionMethod {
    /// Stripe charges the payment method on file.
    #[default]
    Automatic,
    /// Stripe sends invoices, due after so many days.
    Invoice {
        /// Days to pay.
        days_until_due: i64,
    },
}

/// For people, and for `status.drift`.
impl fmt::Display for CollectionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic => f.write_str("Automatic"),
            Self::Invoice { days_until_due } => write!(f, "Invoice, {days_until_due} days"),
        }
    }
}

/// How a tenant should pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentTerms {
    /// When a payment method has to be on file.
    pub requirement: PaymentRequirement,
    /// How invoices are paid; `None` leaves a running subscription alone.
    pub collection: Option<CollectionMethod>,
    /// Where customers go from the page on which they leave a payment method.
    pub return_url: Option<String>,
}

impl Default for PaymentTerms {
    fn default() -> Self {
        Self::of(None, None)
    }
}

impl PaymentTerms {
    /// What a manifest says. `return_url` is the operator's, for manifests without one.
    pub fn of(policy: Option<&PaymentPolicy>, return_url: Option<&str>) -> Self {
        let own = policy.and_then(|policy| policy.return_url.as_deref());
        let collection = policy.map(|policy| match policy.collection {
            Collection::Automatic => CollectionMethod::Automatic,
            Collection::Invoice => CollectionMethod::Invoice {
                days_until_due: policy.days_until_due.map_or(DAYS_UNTIL_DUE, i64::from),
            },
        });
        let usual = match collection {
            Some(CollectionMethod::Invoice { .. }) => PaymentRequirement::NotRequired,
            _ => PaymentRequirement::BeforeTrialEnd,
        };
        Self {
            requirement: policy.and_then(|policy| policy.method).unwrap_or(usual),
            collection,
            return_url: own.or(return_url).map(str::to_owned),
        }
    }

    /// How a new subscription's invoices are paid.
    pub fn collection(&self) -> CollectionMethod {
        self.collection.unwrap_or_default()
    }
}

/// The page on which a customer leaves a payment method: a Checkout Session in setup mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupLink {
    /// `cs_…`
    pub session: String,
    /// The page.
    pub url: String,
    /// By the wall clock, also for customers on a test clock.
    pub expires_at: Timestamp,
}

impl SetupLink {
    /// The one that a status holds.
    pub fn recorded(status: &PaymentStatus) -> Option<Self> {
        Some(Self {
            session: status.setup_session_id.clone()?,
            url: status.setup_url.clone()?,
            expires_at: status.setup_url_expires_at.as_ref()?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(json: serde_json::Value) -> PaymentTerms {
        let policy: PaymentPolicy = serde_json::from_value(json).unwrap();
        PaymentTerms::of(Some(&policy), Some("https://operator.example"))
    }

    #[test]
    fn a_payment_method_is_required_by_the_end_of_the_trial_unless_invoices_are_sent() {
        assert_eq!(
            PaymentTerms::default().requirement,
            PaymentRequirement::BeforeTrialEnd
        );
        let sent = terms(serde_json::json!({"collection": "Invoice"}));
        assert_eq!(sent.requirement, PaymentRequirement::NotRequired);
        assert_eq!(
            sent.collection(),
            CollectionMethod::Invoice { days_until_due: 30 }
        );
        let both = terms(serde_json::json!({"collection": "Invoice", "method": "BeforeTrial"}));
        assert_eq!(both.requirement, PaymentRequirement::BeforeTrial);
    }

    #[test]
    fn a_manifest_without_a_word_on_payment_leaves_the_collection_of_a_running_subscription_alone()
    {
        assert_eq!(PaymentTerms::default().collection, None);
        let method = terms(serde_json::json!({"method": "BeforeTrial"}));
        assert_eq!(method.collection, Some(CollectionMethod::Automatic));
    }

    #[test]
    fn a_tenants_own_return_url_goes_before_the_operators() {
        let own = terms(serde_json::json!({"returnUrl": "https://tenant.example"}));
        assert_eq!(own.return_url.as_deref(), Some("https://tenant.example"));
        let none = terms(serde_json::json!({}));
        assert_eq!(none.return_url.as_deref(), Some("https://operator.example"));
    }
}
