//! tenant-billing: makes Stripe match what tenants' manifests declare.
pub mod api;
pub mod converge;
pub mod stripe;
