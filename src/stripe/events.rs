//! Stripe's event list as a source of hints, and how far it has been read.
//!
//! The place in the list is kept in the cluster, but nothing rests on it: whoever starts lists the
//! account whole. It tells which tenants something happened to meanwhile, and whether anything has
//! become untraceable.

use jiff::{SignedDuration, Timestamp};

use super::calls::Page;
use super::error::Error;
use super::event_view::Event;
use super::inbox::{Inbox, Marked};
use super::mirror::Mirror;
use super::session::Session;
use crate::api::EventSource;
use crate::converge::observed::Account;

/// Stripe forgets events after this long.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Pages of events that are read to tell whom something happened to while nobody listened. An
/// account with more is no poorer for it: everything has been compared by then.
const MOST_PAGES: usize = 20;

/// A place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last event that was read (`evt_…`).
    pub id: String,
    /// When it happened, in Unix seconds.
    pub created: i64,
}

/// How far the event list of an account has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Whose list it is. Live and test mode have a list each.
    pub account: Account,
    /// The last event that was read; `None` when there was none.
    pub last: Option<Place>,
}

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The list was read to its end.
    Read,
    /// There is no room for more hints. The cursor stands before those there was no room for.
    Full,
    /// The place in the list is lost: it is older than the 30 days that Stripe keeps events, or the
    /// account is another one. Everything has to be listed now, after which nothing is missing.
    Lost,
}

/// What happened between two places in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// These events, newest first; in an account where a great deal happens, only the newest.
    Events(Vec<Event>),
    /// It can't be told any more.
    Expired,
}

impl EventCursor {
    /// Notes the newest event. To be called before the mirror's scan begins: what happens while it is
    /// running is then seen by the first poll.
    pub async fn start(session: &Session) -> Result<Self, Error> {
        Ok(Self {
            account: session.account().clone(),
            last: session.latest_event().await?.as_ref().map(Place::of),
        })
    }

    /// Reads the events since the last poll and takes them in. Moves on with every event that the
    /// inbox has room for: from then on it is the inbox that keeps it.
    ///
    /// While the mirror has not been scanned once, nothing is read: the events keep.
    pub async fn poll(
        &mut self,
        session: &Session,
        mirror: &Mirror,
        inbox: &Inbox,
    ) -> Result<Poll, Error> {
        if *session.account() != self.account {
            return Ok(Poll::Lost);
        }
        if !mirror.is_complete() || mirror.account().as_ref() != Some(&self.account) {
            return Ok(Poll::Read);
        }
        loop {
            let page = match &self.last {
                Some(last) => session.events_after(&last.id).await,
                None => all(session).await,
            };
            let page = match page {
                Ok(page) => page,
                Err(error) if self.last.is_some() && error.is_missing() => return Ok(Poll::Lost),
                Err(error) => return Err(error),
            };
            for event in &page.items {
                if inbox.mark(event, EventSource::Poll) == Marked::Full {
                    return Ok(Poll::Full);
                }
                self.last = Some(Place::of(event));
            }
            if page.next.is_none() {
                return Ok(Poll::Read);
            }
        }
    }

    /// What happened since `self`, which was kept by an earlier process, and up to `newest`.
    pub async fn missed(&self, newest: &Self, session: &Session) -> Result<Missed, Error> {
        let mut missed = Vec::new();
        let Some(newest) = &newest.last else {
            // There was an event once, and there is none now.
            return Ok(match self.last {
                Some(_) => Missed::Expired,
                None => Missed::Events(missed),
            });
        };
        if self.last.as_ref() == Some(newest) {
            return Ok(Missed::Events(missed));
        }
        let now = Timestamp::now().as_second().max(newest.created);
        if let Some(last) = &self.last
            && now - last.created > KEPT_FOR.as_secs()
        {
            return Ok(Missed::Expired);
        }
        let mut after = None;
        for _ in 0..MOST_PAGES {
            let page = session.events_before(after.as_deref()).await?;
            for event in page.items {
                if let Some(last) = &self.last {
                    if event.id == last.id {
                        return Ok(Missed::Events(missed));
                    }
                    if event.created < last.created {
                        return Ok(Missed::Expired);
                    }
                }
                missed.push(event);
            }
            after = page.next;
            if after.is_none() {
                return Ok(match self.last {
                    Some(_) => Missed::Expired,
                    None => Missed::Events(missed),
                });
            }
        }
        Ok(Missed::Events(missed))
    }
}

/// The first events of an account that had none, oldest first.
async fn all(session: &Session) -> Result<Page<Event>, Error> {
    let mut page = session.events_before(None).await?;
    while let Some(next) = page.next.take() {
        let further = session.events_before(Some(&next)).await?;
        page.items.extend(further.items);
        page.next = further.next;
    }
    page.items.reverse();
    Ok(page)
}

impl Place {
    fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            created: event.created,
        }
    }
}
