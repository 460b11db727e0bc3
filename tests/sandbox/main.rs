//! Holds `stripe-sandbox` to Stripe: its rules, over HTTP, with every exchange judged by Stripe's own documents.

// clippy.toml allows these in test functions; here the helpers of tests are meant too.
#![allow(clippy::expect_used, clippy::panic)]

mod async_stripe;
mod fixtures;
mod harness;
#[path = "../support/openapi.rs"]
mod openapi;
mod oracles;

mod account;
mod balance;
mod cards;
mod catalog;
mod checkout;
mod clocks;
mod control;
mod customers;
mod disputes;
mod dunning;
mod errors;
mod events;
mod finalization;
mod hosted_invoices;
mod idempotency;
mod incomplete;
mod invoices;
mod lists;
mod lives;
mod meter_events;
mod metered;
mod metered_changes;
mod meters;
mod notes;
mod owed;
mod pausing;
mod payment_methods;
mod persistence;
mod portal;
mod preview_properties;
mod previews;
mod pricing;
mod proration;
mod receiver;
mod renewals;
mod resuming;
mod schedule_rules;
mod schedules;
mod setup_intents;
mod subscriptions;
mod taxes;
mod tiers;
mod tour;
mod trials;
mod webhooks;
