//! The outbox with receivers and a Stripe that do as they are told, under a clock that does too.

mod cases;
mod crashes;
mod model;
