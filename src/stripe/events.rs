//! Stripe's event list as a source of hints: which objects to read again.
//!
//! Nothing is ever taken from an event but ids. Events may come late, twice or out of order; reading
//! the object they point at gives the truth each time, once per object and poll.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};

use super::error::{Class, Error};
use super::event_view::Event;
use super::mirror::Mirror;
use super::session::Session;
use crate::converge::observed::{Account, TenantKey};

/// Objects that are read again at the same time.
const CONCURRENT_READS: usize = 8;

/// How far the event list has been read.
#[derive(Clone, Debug)]
pub struct EventCursor {
    account: Account,
    last: Option<String>,
}

/// What a poll brought.
#[derive(Debug)]
pub enum Poll {
    /// The list was read to its end.
    Read {
        /// The tenants to look at again.
        touched: Vec<TenantKey>,
        /// Objects that cannot be read, however often one tries. They hold up nobody else; the next
        /// rebuild comes upon them again.
        failures: Vec<Error>,
        /// A price changed, so that a plan which waits for one may find it now.
        prices: bool,
    },
    /// The place in the list is lost: it is older than the 30 days that Stripe keeps events, or the
    /// account is another one. The cursor stands at the newest event; the mirror has to be rebuilt
    /// now, after which nothing is missing.
    RebuildNeeded,
}

impl EventCursor {
    /// Remembers the newest event. To be called before the mirror's first scan begins: what happens
    /// while it is running is then seen by the first poll.
    pub async fn start(session: &Session) -> Result<Self, Error> {
        Ok(Self {
            account: session.account().clone(),
            last: session.latest_event().await?,
        })
    }

    /// Reads the events since the last poll, and the objects they point at. Moves on only when all
    /// of that has succeeded.
    ///
    /// While the mirror has not been scanned once, nothing is read: what concerns it can't be told
    /// yet, and the events keep.
    pub async fn poll(&mut self, session: &Session, mirror: &Mirror) -> Result<Poll, Error> {
        if *session.account() != self.account {
            *self = Self::start(session).await?;
            return Ok(Poll::RebuildNeeded);
        }
        if !mirror.is_complete() || mirror.account().as_ref() != Some(&self.account) {
            return Ok(Poll::nothing());
        }
        let events = match session.events_after(self.last.as_deref()).await {
            Ok(events) => events,
            Err(error) if self.last.is_some() && error.is_missing() => {
                *self = Self::start(session).await?;
                return Ok(Poll::RebuildNeeded);
            }
            Err(error) => return Err(error),
        };
        let Some(newest) = events.last().map(|event| event.id.clone()) else {
            return Ok(Poll::nothing());
        };
        let (touched, failures) = read_again(Hints::of(&events, mirror), session, mirror).await?;
        self.last = Some(newest);
        let prices = events.iter().any(|event| event.object == "price");
        Ok(Poll::Read {
            touched,
            failures,
            prices,
        })
    }
}

impl Poll {
    const fn nothing() -> Self {
        Self::Read {
            touched: Vec::new(),
            failures: Vec::new(),
            prices: false,
        }
    }
}

/// The objects worth reading again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hints {
    customers: BTreeSet<String>,
    subscriptions: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Hint {
    Customer(String),
    Subscription(String),
}

impl Hints {
    /// Strangers cost nothing: an object is read again only when it, or its customer, is known
    /// here, or when it claims to be ours, which reading it then settles.
    fn of(events: &[Event], mirror: &Mirror) -> Self {
        let mut hints = Self::default();
        for event in events {
            let claims = event
                .owner
                .as_deref()
                .is_some_and(|owner| mirror.is_owner(owner));
            let customer = event.customer.as_ref();
            let customer_known = customer.is_some_and(|id| mirror.knows_customer(id));
            match (event.object.as_str(), &event.object_id) {
                ("customer", Some(id)) if claims || mirror.knows_customer(id) => {
                    hints.customers.insert(id.clone());
                }
                ("subscription", Some(id))
                    if claims || customer_known || mirror.knows_subscription(id) =>
                {
                    hints.subscriptions.insert(id.clone());
                }
                // Payment methods, cards: what counts is what their customer's default is now.
                ("customer" | "subscription", _) => {}
                _ if customer_known => hints.customers.extend(customer.cloned()),
                _ => {}
            }
        }
        hints
    }

    fn into_iter(self) -> impl Iterator<Item = Hint> {
        let subscriptions = self.subscriptions.into_iter().map(Hint::Subscription);
        self.customers
            .into_iter()
            .map(Hint::Customer)
            .chain(subscriptions)
    }
}

async fn read_again(
    hints: Hints,
    session: &Session,
    mirror: &Mirror,
) -> Result<(Vec<TenantKey>, Vec<Error>), Error> {
    let mut reads = stream::iter(hints.into_iter())
        .map(|hint| read_one(hint, session, mirror))
        .buffer_unordered(CONCURRENT_READS);
    let mut touched = BTreeSet::new();
    let mut failures = Vec::new();
    while let Some(read) = reads.next().await {
        match read {
            Ok(tenants) => touched.extend(tenants),
            Err(error) if is_of_the_object(&error) => failures.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((touched.into_iter().collect(), failures))
}

async fn read_one(hint: Hint, session: &Session, mirror: &Mirror) -> Result<Vec<TenantKey>, Error> {
    match hint {
        Hint::Subscription(id) => mirror.refresh_subscription(session, &id).await,
        Hint::Customer(id) if mirror.knows_customer(&id) => {
            let stamp = mirror.stamp(session);
            Ok(match session.customer(&id).await? {
                Some(found) => mirror.fold_customer(found, &stamp),
                None => mirror.forget(&id, &stamp),
            })
        }
        // A new one of ours; or one that was somebody else's until now, with whatever it has.
        Hint::Customer(id) => mirror.refresh_customer(session, &id, None).await,
    }
}

/// Whether a failure lies in the one object. Anything else concerns all of them, and the poll is
/// repeated.
fn is_of_the_object(error: &Error) -> bool {
    match error.class {
        Class::Invalid | Class::NotFound => true,
        Class::Unreadable => error.status.is_none_or(|status| status < 300),
        _ => false,
    }
}
