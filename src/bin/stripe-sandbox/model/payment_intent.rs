//! Owned by the billing engine: payment_intent.
