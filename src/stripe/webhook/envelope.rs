//! What of an event is read: a few ids. Everything else is passed over without being kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Refusal;
use crate::stripe::Event;

/// Ids and names of Stripe's are shorter than this many bytes; what is longer is none.
const LONGEST: usize = 255;

/// What a webhook brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An event with the object it is about.
    Event(Event),
    /// An event of the v2 API, which only names an object. None of those says anything about the
    /// objects that are mirrored here.
    Thin {
        /// `evt_…`
        id: String,
        /// As in `v1.billing.meter.error_report_triggered`.
        kind: String,
    },
}

/// Reads what an event points at.
///
/// # Errors
/// When the body is not one of Stripe's events.
pub fn notice(body: &[u8]) -> Result<Notice, Refusal> {
    let wire: Wire = serde_json::from_slice(body).map_err(|_| Refusal::NotAnEvent)?;
    let filled = |text: Text| text.0.ok_or(Refusal::NotAnEvent);
    let (id, kind) = (filled(wire.id)?, filled(wire.kind)?);
    match wire.object.0.as_deref() {
        Some("v2.core.event") => Ok(Notice::Thin { id, kind }),
        Some("event") => Ok(Notice::Event(Event {
            id,
            kind,
            created: wire.created.0.ok_or(Refusal::NotAnEvent)?,
            livemode: wire.livemode.0,
            account: wire.account.0,
            ..wire.data.event()
        })),
        _ => Err(Refusal::NotAnEvent),
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    object: Text,
    #[serde(default)]
    id: Text,
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    created: Seconds,
    #[serde(default)]
    livemode: Flag,
    #[serde(default)]
    account: Text,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    object: Subject,
    #[serde(default)]
    previous_attributes: Option<Previous>,
}

#[derive(Default, Deserialize)]
struct Subject {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    object: Text,
    #[serde(default)]
    customer: Text,
    #[serde(default)]
    subscription: Text,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Previous {
    #[serde(default)]
    customer: Text,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    tenantbilling_owner: Text,
}

impl Data {
    fn event(self) -> Event {
        let object = self.object;
        let before = self.previous_attributes.and_then(|was| was.customer.0);
        Event {
            object: object.object.0.unwrap_or_default(),
            object_id: object.id.0,
            // A detached payment method has no customer any more, only a former one.
            customer: object.customer.0.or(before),
            subscription: object.subscription.0,
            owner: object
                .metadata
                .and_then(|metadata| metadata.tenantbilling_owner.0)
                .filter(|owner| !owner.is_empty()),
            ..Event::default()
        }
    }
}

/// A short text, or the id of an object in its place. Anything else is as good as absent.
#[derive(Default)]
struct Text(Option<String>);

/// A number of seconds. The v2 API writes times as texts; those are not read.
#[derive(Default)]
struct Seconds(Option<i64>);

/// Yes or no.
#[derive(Default)]
struct Flag(Option<bool>);

/// Takes any value, and what of it fits.
struct Lenient<T>(fn(Scalar<'_>) -> T);

/// What can be of use.
enum Scalar<'a> {
    Text(&'a str),
    Number(i64),
    Flag(bool),
    Object(Option<String>),
    Other,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient(|found| match found {
            Scalar::Text(text) if text.len() <= LONGEST => Self(Some(text.to_owned())),
            Scalar::Object(id) => Self(id),
            _ => Self(None),
        }))
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient(|found| match found {
            Scalar::Number(seconds) => Self(Some(seconds)),
            _ => Self(None),
        }))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient(|found| match found {
            Scalar::Flag(flag) => Self(Some(flag)),
            _ => Self(None),
        }))
    }
}

impl<'de, T> Visitor<'de> for Lenient<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(Scalar::Text(text)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok((self.0)(Scalar::Number(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok((self.0)(
            i64::try_from(number).map_or(Scalar::Other, Scalar::Number),
        ))
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok((self.0)(Scalar::Other))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<T, E> {
        Ok((self.0)(Scalar::Flag(flag)))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok((self.0)(Scalar::Other))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok((self.0)(Scalar::Other))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<T, A::Error> {
        let mut id = None;
        while let Some(Key { is_id }) = fields.next_key()? {
            if is_id {
                id = fields.next_value::<Text>()?.0;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok((self.0)(Scalar::Object(id)))
    }
}

/// The name of a field, of which only one matters.
struct Key {
    is_id: bool,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_id = Lenient(|found| matches!(found, Scalar::Text("id")));
        let is_id = deserializer.deserialize_str(is_id)?;
        Ok(Self { is_id })
    }
}
