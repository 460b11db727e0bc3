//! Owned by the billing engine: test_clock.
