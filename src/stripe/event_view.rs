//! Events, as far as they are read.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::views::{MetadataView, filled, id_of};

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
    /// Kind of the object, as in `subscription`.
    pub object: String,
    /// Id of the object.
    pub object_id: Option<String>,
    /// The customer that the object belongs to, or did until this event.
    pub customer: Option<String>,
    /// The owner in the object's metadata. A hint whether a look is worth a request, no more.
    pub owner: Option<String>,
}

/// An event as answered.
#[derive(Deserialize)]
pub(super) struct EventView {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    created: Option<i64>,
    data: Option<EventDataView>,
}

#[derive(Deserialize)]
struct EventDataView {
    object: Option<EventObjectView>,
    previous_attributes: Option<PreviousView>,
}

#[derive(Deserialize)]
struct EventObjectView {
    id: Option<String>,
    object: Option<String>,
    customer: Option<Value>,
    metadata: Option<MetadataView>,
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
            ..Self::default()
        };
        if let Some(object) = object {
            event.object = object.object.unwrap_or_default();
            event.object_id = object.id;
            // A detached payment method has no customer any more, only a former one.
            event.customer =
                id_of(object.customer).or_else(|| id_of(previous.and_then(|was| was.customer)));
            event.owner = filled(object.metadata.unwrap_or_default().owner);
        }
        event
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
            object: "subscription".into(),
            object_id: Some("sub_1".into()),
            customer: Some("cus_1".into()),
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
