//! The place in Stripe's event list, kept in the cluster next to the lease.
//!
//! A `ConfigMap`, written by the leader alone and only when the place has moved. Nothing rests on it: a
//! leader that starts lists the account whole, whatever the place says. It is read once, to tell which
//! tenants something happened to meanwhile, and whether events have become unreadable. So a write
//! that is lost, late or undone costs a line in a status and no more, and what somebody else wrote
//! into it is said and replaced.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;

use super::kept_map::KeptMap;
use super::lease::LeaseConfig;
use crate::converge::observed::Account;
use crate::stripe::{EventCursor, Place};

const ACCOUNT: &str = "account";
const LIVEMODE: &str = "livemode";
const EVENT: &str = "lastEvent";
const CREATED: &str = "lastEventCreated";

/// What was found in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing was kept.
    Nothing,
    /// This place.
    At(EventCursor),
    /// Something that is no place, and what is wrong with it.
    Garbage(String),
}

/// Keeps the place.
pub(super) struct Keeper {
    map: KeptMap,
    /// What is known to be written.
    written: Option<EventCursor>,
}

impl Keeper {
    /// Keeps the place in a `ConfigMap` named after the lease.
    pub(super) fn new(client: Client, lease: &LeaseConfig) -> Self {
        Self {
            map: KeptMap::new(client, lease, "events"),
            written: None,
        }
    }

    /// Reads what an earlier leader has kept.
    pub(super) async fn load(&mut self) -> Result<Kept, String> {
        let Some(map) = self.map.load().await? else {
            return Ok(Kept::Nothing);
        };
        Ok(match read(&map.data.unwrap_or_default()) {
            Ok(cursor) => {
                self.written = Some(cursor.clone());
                Kept::At(cursor)
            }
            Err(wrong) => Kept::Garbage(wrong),
        })
    }

    /// Keeps a place, unless it is the one that is kept. One that could not be written is by the next.
    pub(super) async fn keep(&mut self, cursor: &EventCursor) {
        if self.written.as_ref() == Some(cursor) {
            return;
        }
        match self.map.write(&data(cursor)).await {
            Ok(()) => self.written = Some(cursor.clone()),
            Err(error) => tracing::warn!(
                error,
                configmap = self.map.name(),
                "the place in Stripe's event list is not kept"
            ),
        }
    }

    /// The object that Kubernetes events about the place belong to.
    pub(super) fn object(&self) -> ConfigMap {
        self.map.object()
    }
}

/// Written to be read by people, too.
fn data(cursor: &EventCursor) -> BTreeMap<&'static str, String> {
    let mut data = BTreeMap::from([
        (ACCOUNT, cursor.account.id.to_string()),
        (LIVEMODE, cursor.account.livemode.to_string()),
    ]);
    if let Some(last) = &cursor.last {
        let created = Timestamp::from_second(last.created).unwrap_or_default();
        data.insert(EVENT, last.id.clone());
        data.insert(CREATED, created.to_string());
    }
    data
}

fn read(data: &BTreeMap<String, String>) -> Result<EventCursor, String> {
    let field = |name: &str| data.get(name).filter(|value| !value.is_empty());
    let account = field(ACCOUNT).ok_or_else(|| format!("data.{ACCOUNT} is missing"))?;
    let livemode = match field(LIVEMODE).map(String::as_str) {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(format!("data.{LIVEMODE} is neither true nor false")),
    };
    let last = match (field(EVENT), field(CREATED)) {
        (None, None) => None,
        (Some(id), Some(created)) if id.starts_with("evt_") => {
            let created: Timestamp = created
                .parse()
                .map_err(|_| format!("data.{CREATED} is no time"))?;
            Some(Place {
                id: id.clone(),
                created: created.as_second(),
            })
        }
        _ => {
            return Err(format!(
                "data.{EVENT} and data.{CREATED} do not name an event"
            ));
        }
    };
    Ok(EventCursor {
        account: Account {
            id: account.as_str().into(),
            livemode,
        },
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(last: Option<Place>) -> EventCursor {
        EventCursor {
            account: Account {
                id: "acct_1".into(),
                livemode: true,
            },
            last,
        }
    }

    fn owned(data: BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
        data.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    #[test]
    fn a_place_is_read_as_it_was_kept() {
        let place = Place {
            id: "evt_1".into(),
            created: 1_790_000_000,
        };
        for kept in [cursor(Some(place)), cursor(None)] {
            assert_eq!(read(&owned(data(&kept))), Ok(kept));
        }
    }

    #[test]
    fn what_is_no_place_is_named() {
        let whole = owned(data(&cursor(Some(Place {
            id: "evt_1".into(),
            created: 1,
        }))));
        for (field, value, named) in [
            (ACCOUNT, "", "data.account is missing"),
            (
                LIVEMODE,
                "perhaps",
                "data.livemode is neither true nor false",
            ),
            (
                EVENT,
                "gone",
                "data.lastEvent and data.lastEventCreated do not name an event",
            ),
            (
                EVENT,
                "",
                "data.lastEvent and data.lastEventCreated do not name an event",
            ),
            (CREATED, "yesterday", "data.lastEventCreated is no time"),
        ] {
            let mut broken = whole.clone();
            broken.insert(field.to_owned(), value.to_owned());
            assert_eq!(read(&broken), Err(named.to_owned()), "{field}={value}");
        }
        assert!(read(&BTreeMap::new()).is_err());
    }
}
