//! Changes of plan, quantity and price, from the manifest to the invoice.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod downgrades;
mod edits;
mod payer;
mod rollouts;
#[path = "../support/mod.rs"]
mod support;
mod taxes;
mod upgrades;
mod usage;
