//! The only room that talks to Stripe.
//!
//! ```text
//! Client --session()--> Session --calls--> facts (converge::observed)
//!                          |                  |
//!                          |               Mirror  <-- EventCursor
//!                          +--- requests: Step -> request -> Answer
//! ```
//!
//! Requests are async-stripe's typed builders, sent over a transport of our own: the crate's client
//! opens a connection per request and keeps the response headers to itself. Answers are read
//! through thin views instead of its types: those reject an object for a missing field that nobody
//! here reads.

mod budget;
mod calls;
mod client;
mod error;
mod requests;
mod session;
mod stats;
mod transport;
mod views;

pub use budget::Priority;
pub use calls::{Changed, ChangedCatalogue, Page};
pub use client::{Account, Client, Config, KeySource, Secret};
pub use error::{Class, Error};
pub use requests::{
    IdempotencyKey, for_catalogue_step, for_step, idempotency_key, key_for_catalogue_step,
    key_for_step,
};
pub use session::{Answer, Session};
pub use stats::{Stats, StatsSnapshot};
pub use views::{Event, TestClock};
