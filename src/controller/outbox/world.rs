//! What the outbox needs of everything else.

use super::BoxFuture;
use super::entries::Owner;
use crate::converge::notice::Due;
use crate::converge::notice::{Channel, Mark};

/// What is noted on the carrier of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Standing {
    /// It is gone, or not to be told of any more, as an invoice that is paid.
    Pointless,
    /// It says this.
    Marked(Mark),
}

/// What came of writing a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Written {
    /// It says what was to be written, and nobody else wrote it.
    Done,
    /// Another write came first, or may have: it has to be read again.
    Stale,
}

/// What became of a notice, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Became {
    Sent,
    Uncertain,
    Refused,
}

/// What the outbox needs of everything else.
pub(in crate::controller) trait World: Send + Sync {
    /// Reads the carrier again.
    fn read<'a>(&'a self, offered: &'a Due) -> BoxFuture<'a, Result<Standing, String>>;

    /// Writes the mark. `before` is what it said when it was read; `attempt` counts the answers of an
    /// earlier time that were passed over.
    fn write<'a>(
        &'a self,
        offered: &'a Due,
        before: &'a Mark,
        after: &'a Mark,
        attempt: u32,
    ) -> BoxFuture<'a, Result<Written, String>>;

    /// Tells what became of a notice.
    fn tell<'a>(
        &'a self,
        owner: &'a Owner,
        offered: &'a Due,
        channel: Channel,
        became: Became,
    ) -> BoxFuture<'a, ()>;

    /// Asks for a look at whoever these notices are of.
    fn look_again(&self, owners: Vec<Owner>);
}
