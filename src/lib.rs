//! tenant-billing: makes Stripe match what tenants' manifests declare.
