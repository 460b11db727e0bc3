//! The only room that talks to Stripe.
//!
//! ```text
//! Client --session()--> Session --calls--> facts (converge::observed)
//!                          |                  |
//!                          |               Mirror  <-- Inbox  <-- EventCursor, webhook
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
mod event_view;
mod events;
mod fact;
mod hint;
mod idempotency;
mod inbox;
mod index;
mod mirror;
mod requests;
mod session;
mod stats;
mod subscribers;
mod transport;
mod views;
mod webhook;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use budget::Priority;
pub use calls::{Carried, Changed, ChangedCatalogue, Page};
pub use client::{Client, Config, KeySource, Secret};
pub use error::{Class, Error};
pub use event_view::Event;
pub use events::{EventCursor, KEPT_FOR, Missed, Place, Poll};
pub use hint::{Hint, Prices, Touched};
pub use idempotency::{
    IdempotencyKey, idempotency_key, key_for_catalogue_step, key_for_notice_mark, key_for_step,
};
pub use inbox::{Errand, Inbox, Marked, Outcome, name_of};
pub use mirror::{Mirror, Stamp};
pub use requests::{NoticeMark, for_catalogue_step, for_notice_mark, for_step};
pub use session::{Answer, Session};
pub use stats::{Stats, StatsSnapshot};
pub use views::{SetupSession, TestClock};
pub use webhook::{Notice, Refusal, SigningSecret, notice, verify};
