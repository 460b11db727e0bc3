//! A stateful stand-in for Stripe.

// Stripe's larger objects, written as one `json!`, pass the default.
#![recursion_limit = "256"]

mod api;
mod engine;
mod model;
mod state;
mod table;
mod wire;

fn main() {}
