//! The brain: what should be, what is, and the steps between.
//!
//! Everything here is a pure function of its arguments: no IO, no clock, no logging, no Kubernetes
//! or Stripe client. Time comes in as a value.
//!
//! ```text
//! manifest + plan --desired::tenant--> Desired  \
//!                                                plan::plan --> Plan { steps, hold, drift }
//! Stripe's objects ------------------> Observed /                     |
//!                                                status::tenant <-----+--> TenantBillingStatus
//! ```

pub mod access;
pub mod breaker;
pub mod catalogue;
pub mod concern;
pub mod conditions;
pub mod currency;
pub mod desired;
pub mod dunning;
pub mod money;
pub mod news;
pub mod notice;
pub mod observed;
pub mod payment;
pub mod plan;
pub mod quote;
pub mod status;
pub mod steps;
pub mod terms;
pub mod trial;
