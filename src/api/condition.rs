//! Condition types and reasons: the vocabulary of `status.conditions`.
//!
//! Reasons are API. Tools match on them, so they are constants, documented here, and asserted
//! verbatim in tests.

/// The condition types the operator sets.
///
/// `Ready` is always present once an object has been looked at. `Reconciling` and `Stalled` are
/// abnormal-true: present only while true, and never both (kstatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Stripe matches the manifest.
    Ready,
    /// Work is under way or will be retried by itself.
    Reconciling,
    /// A person has to act; nothing is retried until something changes.
    Stalled,
    /// The customer has a default payment method.
    PaymentMethodReady,
    /// No payment of the subscription is overdue, or waits for somebody.
    PaymentCurrent,
    /// A payment is disputed, or a card network warns that it may be.
    Disputed,
    /// Access would be less, but so many tenants would be restricted at once that none is.
    EnforcementHeld,
    /// Stripe differed, or differs, from the manifest without the manifest having changed.
    Drifted,
}

impl ConditionType {
    /// The value of `type` in the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::PaymentMethodReady => "PaymentMethodReady",
            Self::PaymentCurrent => "PaymentCurrent",
            Self::Disputed => "Disputed",
            Self::EnforcementHeld => "EnforcementHeld",
            Self::Drifted => "Drifted",
        }
    }
}

/// Every reason a condition can carry.
pub mod reason {
    macro_rules! reasons {
        ($($(#[doc = $doc:literal])+ $name:ident = $value:literal;)+) => {
            $($(#[doc = $doc])+ pub const $name: &str = $value;)+
            /// Every reason with its meaning, for the generated documentation.
            pub const ALL: &[(&str, &str)] = &[$(($value, concat!($($doc),+))),+];
        };
    }

    reasons! {
        /// Stripe matches the manifest.
        SUCCEEDED = "Succeeded";
        /// Changes are being made in Stripe.
        PROGRESSING = "Progressing";
        /// `spec.suspend` is true: nothing is checked or changed.
        SUSPENDED = "Suspended";
        /// A field of the manifest is wrong; the message names it.
        INVALID_SPEC = "InvalidSpec";
        /// No BillingPlan has the name in `spec.plan`.
        PLAN_NOT_FOUND = "PlanNotFound";
        /// The BillingPlan exists but has no usable price yet.
        PLAN_NOT_READY = "PlanNotReady";
        /// No active price has a `lookupKey` of the plan.
        PRICE_NOT_FOUND = "PriceNotFound";
        /// The price behind a lookup key of the plan is not what the plan says.
        PRICE_MISMATCH = "PriceMismatch";
        /// New terms differ so much from the old ones that they wait for approval; the old ones hold.
        PRICE_CHANGE_HELD = "PriceChangeHeld";
        /// The meter exists with other settings, or an older plan claims it with other settings.
        METER_CONFLICT = "MeterConflict";
        /// An older manifest already bills this `tenantId`.
        TENANT_ID_CONFLICT = "TenantIdConflict";
        /// More than one live subscription in Stripe carries this tenant's identity.
        DUPLICATE_SUBSCRIPTIONS = "DuplicateSubscriptions";
        /// More than one customer in Stripe carries this tenant's identity.
        DUPLICATE_CUSTOMERS = "DuplicateCustomers";
        /// The tenant's customer has a live subscription that the operator did not make.
        FOREIGN_SUBSCRIPTION = "ForeignSubscription";
        /// The tenant's customer was deleted in Stripe.
        CUSTOMER_DELETED = "CustomerDeleted";
        /// The subscription was cancelled in Stripe, not by the manifest; this is respected.
        CANCELED_IN_STRIPE = "CanceledInStripe";
        /// The first payment was not completed within Stripe's 23 hours.
        SUBSCRIPTION_EXPIRED = "SubscriptionExpired";
        /// The subscription or customer is bound to another currency than the plan's.
        CURRENCY_LOCKED = "CurrencyLocked";
        /// A subscription schedule made by someone else governs the subscription.
        SCHEDULE_ATTACHED = "ScheduleAttached";
        /// A change of plan is not made yet: it would charge more than allowed, or the subscription
        /// has to be paid first.
        PLAN_CHANGE_HELD = "PlanChangeHeld";
        /// Stripe Tax cannot place the customer: `tax.ifNoLocation` is `Block`, or an invoice cannot be
        /// finalised for that reason.
        TAX_LOCATION_UNKNOWN = "TaxLocationUnknown";
        /// The subscription would have more items than Stripe allows.
        TOO_MANY_ITEMS = "TooManyItems";
        /// The customer has no default payment method and the plan has no trial.
        PAYMENT_METHOD_MISSING = "PaymentMethodMissing";
        /// The first payment of the subscription awaits the customer.
        AWAITING_PAYMENT = "AwaitingPayment";
        /// The key in use belongs to another Stripe account, or mode, than the tenant.
        WRONG_ACCOUNT = "WrongAccount";
        /// Stripe refused the card.
        CARD_DECLINED = "CardDeclined";
        /// Stripe refused the request as invalid; the message carries Stripe's words.
        STRIPE_REJECTED = "StripeRejected";
        /// Stripe refused the API key.
        STRIPE_UNAUTHORIZED = "StripeUnauthorized";
        /// Stripe asked for fewer requests.
        STRIPE_RATE_LIMITED = "StripeRateLimited";
        /// Stripe could not be reached or answered with a server error.
        STRIPE_UNAVAILABLE = "StripeUnavailable";
        /// The customer has a default payment method.
        PAYMENT_METHOD_ON_FILE = "PaymentMethodOnFile";
        /// Nothing is overdue.
        NOTHING_OVERDUE = "NothingOverdue";
        /// An invoice is overdue, and the dunning has come to a stage that takes access.
        PAYMENT_OVERDUE = "PaymentOverdue";
        /// So many tenants would be restricted within an hour that all keep the access they have.
        TOO_MANY_AT_ONCE = "TooManyAtOnce";
        /// A payment failed and Stripe is retrying it.
        PAST_DUE = "PastDue";
        /// Stripe gave up retrying a payment.
        UNPAID = "Unpaid";
        /// The customer has to authenticate a payment (3-D Secure).
        PAYMENT_ACTION_REQUIRED = "PaymentActionRequired";
        /// Stripe could not finalise an invoice; the message carries Stripe's words.
        INVOICE_NOT_FINALIZED = "InvoiceNotFinalized";
        /// An invoice is still a draft although it should have been finalised.
        INVOICE_STUCK_IN_DRAFT = "InvoiceStuckInDraft";
        /// A payment is disputed.
        DISPUTE_OPEN = "DisputeOpen";
        /// A card network warns that a payment may be fraudulent.
        FRAUD_WARNING = "FraudWarning";
        /// The last dispute was won.
        DISPUTE_WON = "DisputeWon";
        /// The last dispute was lost.
        DISPUTE_LOST = "DisputeLost";
        /// Nothing is disputed.
        NO_DISPUTE = "NoDispute";
        /// The tenant is subscribed.
        SUBSCRIBED = "Subscribed";
        /// The tenant has no subscription that is running.
        NOT_SUBSCRIBED = "NotSubscribed";
        /// Stripe matches the last desired state.
        NO_DRIFT = "NoDrift";
        /// A change made in Stripe was put right.
        DRIFT_REVERTED = "DriftReverted";
        /// A change made in Stripe stands; the message says why.
        DRIFT_REPORTED = "DriftReported";
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    const BEGIN: &str = "<!-- reasons: written by `UPDATE_DOCS=1 cargo test --lib readme` -->\n";
    const END: &str = "<!-- /reasons -->";

    #[test]
    fn the_table_of_reasons_in_the_readme_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (head, rest) = readme.split_once(BEGIN).unwrap();
        let (table, tail) = rest.split_once(END).unwrap();
        let rows = reason::ALL
            .iter()
            .map(|(name, meaning)| format!("| `{name}` | {} |\n", meaning.trim()));
        let fresh = format!(
            "\n| reason | meaning |\n|---|---|\n{}\n",
            rows.collect::<String>()
        );
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{head}{BEGIN}{fresh}{END}{tail}")).unwrap();
        } else {
            assert_eq!(table, fresh, "run UPDATE_DOCS=1 cargo test --lib readme");
        }
    }

    #[test]
    fn reasons_are_unique_camel_case_and_documented() {
        let mut seen = std::collections::HashSet::new();
        for (name, meaning) in reason::ALL {
            assert!(seen.insert(name), "{name} appears twice");
            assert!(
                name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name.chars().all(|c| c.is_ascii_alphanumeric()),
                "{name} is not CamelCase"
            );
            assert!(meaning.trim().ends_with('.'), "{name} lacks a meaning");
        }
    }
}
