//! Owned by the billing engine: charge.
