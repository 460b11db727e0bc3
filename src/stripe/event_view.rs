//! Events, as far as they are read.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::views::{filled, id_of};
use crate::api::metadata;

/// An event, reduced to what it points at. What it says about that is history by the time it is
/// read, and is never acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// As in `customer.subscription.updated`.
    pub kind: String,
    /// Unix seconds.
    pub created: i64,
    /// Whether it happened in live mode.
    pub livemode: Option<bool>,
    /// The connected account it happened in; absent when that is the account itself.
    pub account: Option<String>,
    /// Kind of the object, as in `subscription`.
    pub object: String,
    /// Id of the object.
    pub object_id: Option<String>,
    /// The customer that the object belongs to, or did until this event.
    pub customer: Option<String>,
    /// The subscription that the object belongs to.
    pub subscription: Option<String>,
    /// The owner in the object's metadata. A hint whether a look is worth a request, no more.
    pub owner: Option<String>,
}

/// An event as answered. The list holds events about every kind of object, so nothing is taken for
/// granted about the shape of one.
#[derive(Deserialize)]
pub(super) struct EventView {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    created: Option<i64>,
    livemode: Option<bool>,
    account: Option<String>,
    data: Option<EventDataView>,
}

#[derive(Deserialize)]
struct EventDataView {
    object: Option<EventObjectView>,
    previous_attributes: Option<PreviousView>,
}

#[derive(Deserialize)]
struct EventObjectView {
    id: Option<Value>,
    object: Option<Value>,
    customer: Option<Value>,
    subscription: Option<Value>,
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct PreviousView {
    customer: Option<Value>,
}

impl From<EventView> for Event {
    fn from(view: EventView) -> Self {
        let (object, previous) = view
            .data
            .map_or((None, None), |data| (data.object, data.previous_attributes));
        let mut event = Self {
            id: view.id,
            kind: view.kind.unwrap_or_default(),
            created: view.created.unwrap_or_default(),
            livemode: view.livemode,
            account: view.account,
            ..Self::default()
        };
        if let Some(object) = object {
            event.object = id_of(object.object).unwrap_or_default();
            event.object_id = id_of(object.id);
            event.subscription = id_of(object.subscription);
            // A detached payment method has no customer any more, only a former one.
            event.customer =
                id_of(object.customer).or_else(|| id_of(previous.and_then(|was| was.customer)));
            event.owner = filled(owner_in(object.metadata));
        }
        event
    }
}

/// The owner that metadata names.
fn owner_in(found: Option<Value>) -> Option<String> {
    match found {
        Some(Value::Object(mut fields)) => match fields.remove(metadata::OWNER) {
            Some(Value::String(owner)) => Some(owner),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        miniserde::json::from_str::<EventView>(json).unwrap().into()
    }

    #[test]
    fn an_event_is_reduced_to_the_ids_it_points_at() {
        let read = event(
            r#"{"id":"evt_1","type":"customer.subscription.updated","created":7,"livemode":false,
                "data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1","status":"active",
                "metadata":{"tenantbilling_owner":"default"}},"previous_attributes":{"status":"trialing"}}}"#,
        );
        let expected = Event {
            id: "evt_1".into(),
            kind: "customer.subscription.updated".into(),
            created: 7,
            livemode: Some(false),
            account: None,
            object: "subscription".into(),
            object_id: Some("sub_1".into()),
            customer: Some("cus_1".into()),
            subscription: None,
            owner: Some("default".into()),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_detached_payment_method_still_names_its_former_customer() {
        let read = event(
            r#"{"id":"evt_1","type":"payment_method.detached","data":{
                "object":{"id":"pm_1","object":"payment_method","customer":null},
                "previous_attributes":{"customer":"cus_1"}}}"#,
        );
        assert_eq!(read.customer.as_deref(), Some("cus_1"));
    }

    #[test]
    fn an_event_without_an_object_is_no_obstacle() {
        assert_eq!(event(r#"{"id":"evt_1","type":"x.y"}"#).object_id, None);
    }
}
