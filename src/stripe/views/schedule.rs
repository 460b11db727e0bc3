//! View of a subscription schedule, which a subscription names by its id or holds in full.

use miniserde::Deserialize;
use miniserde::json::Value;

use super::{MetadataView, id_of, require, time};
use crate::converge::observed::{Phase, PhaseItem, Schedule};
use crate::stripe::error::{Class, Error};

/// A subscription schedule.
#[derive(Deserialize)]
pub(in crate::stripe) struct ScheduleView {
    id: String,
    metadata: Option<MetadataView>,
    phases: Option<Vec<PhaseView>>,
}

#[derive(Deserialize)]
struct PhaseView {
    start_date: Option<i64>,
    end_date: Option<i64>,
    items: Option<Vec<PhaseItemView>>,
}

#[derive(Deserialize)]
struct PhaseItemView {
    price: Option<Value>,
    quantity: Option<i64>,
}

impl TryFrom<ScheduleView> for Schedule {
    type Error = Error;

    fn try_from(view: ScheduleView) -> Result<Self, Error> {
        let id = view.id;
        let phases = require(&id, "phases", view.phases)?;
        Ok(Self {
            key: view.metadata.unwrap_or_default().key(),
            phases: phases
                .into_iter()
                .map(|phase| phase.read(&id))
                .collect::<Result<_, _>>()?,
            id,
        })
    }
}

impl PhaseView {
    fn read(self, id: &str) -> Result<Phase, Error> {
        let start = require(id, "phases[].start_date", self.start_date)?;
        let end = require(id, "phases[].end_date", self.end_date)?;
        let items = require(id, "phases[].items", self.items)?;
        Ok(Phase {
            start: time(id, "phases[].start_date", start)?,
            end: time(id, "phases[].end_date", end)?,
            items: items
                .into_iter()
                .map(|item| {
                    Ok(PhaseItem {
                        price: require(id, "phases[].items[].price", id_of(item.price))?,
                        quantity: item.quantity,
                    })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The schedule in a field that holds its id, or the schedule itself when that was expanded.
pub(super) fn schedule(value: Option<Value>) -> Result<Option<Schedule>, Error> {
    match value {
        Some(Value::Object(object)) => {
            let text = miniserde::json::to_string(&Value::Object(object));
            let view: ScheduleView = miniserde::json::from_str(&text).map_err(|_| {
                Error::new(Class::Unreadable, "a subscription schedule cannot be read")
            })?;
            view.try_into().map(Some)
        }
        value => Ok(id_of(value).map(|id| Schedule {
            id,
            key: None,
            phases: Vec::new(),
        })),
    }
}
