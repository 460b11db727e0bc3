//! Who gets told: notices as mail and as CloudEvents, behind one trait.
//!
//! This room knows neither Kubernetes nor Stripe, and keeps no record. It delivers what it is handed,
//! once per call, and says of a failure whether the receiver surely did not take it. What was told,
//! and when to try again, is the business of the controller's outbox.
//!
//! ```text
//! Notice -> Mail   -> templates (built in, or of the user's) -> SMTP
//!        -> Events -> a CloudEvent -> POST, signed
//! ```

mod cloudevents;
mod message;
mod metrics;
mod people;
mod smtp;
mod templates;

#[cfg(test)]
mod tests;

use std::fmt;

use futures::future::BoxFuture;

pub use self::cloudevents::{Config as EventsConfig, Events};
pub use self::message::{Addresses, mailbox};
pub use self::metrics::{Metrics, Outcome};
pub use self::smtp::{Config as SmtpConfig, Mail, Server, Tls};
pub use self::templates::Templates;
use crate::converge::notice::{Channel, Notice};

/// A way to tell people.
pub trait Deliver: fmt::Debug + Send + Sync {
    /// Which.
    fn channel(&self) -> Channel;

    /// Whether this notice is for this channel at all, as mail to operators is only when they have an
    /// address.
    fn takes(&self, notice: &Notice) -> bool;

    /// Whether the receiver can be reached now. The message says what stands in the way, and what to do.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Delivers a notice, once.
    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Why a notice was not delivered, or perhaps was. The messages carry no address, name or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The receiver could not be reached, and takes nothing at all for now.
    Down(String),
    /// The receiver did not take this notice, and may later.
    Later(String),
    /// The receiver did not take this notice, and never will.
    Never(String),
    /// It was sent, and nobody knows whether the receiver took it.
    Unknown(String),
}

impl Failure {
    /// What stands in the way, and what to do.
    pub fn message(&self) -> &str {
        match self {
            Self::Down(message)
            | Self::Later(message)
            | Self::Never(message)
            | Self::Unknown(message) => message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// Words of a receiver's, fit to be shown: one line of bounded length, without mail addresses and
/// links.
fn words(text: &str) -> String {
    const LONGEST: usize = 300;
    let kept = text.split_whitespace().map(|word| {
        let is_private = word.contains('@') || word.contains("://");
        if is_private { "[…]" } else { word }
    });
    let line = kept.collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
