//! A stateful stand-in for Stripe.
fn main() {}
