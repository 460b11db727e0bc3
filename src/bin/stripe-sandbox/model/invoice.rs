//! Owned by the billing engine: invoice.
