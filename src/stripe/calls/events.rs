//! Stripe's list of events.
//!
//! The list is read without naming types: Stripe takes at most 20 of them, and there are more that
//! concern a tenant. What is a stranger's is passed over once it is here.

use stripe_core::event::ListEvent;

use super::{PAGE, Page};
use crate::stripe::error::Error;
use crate::stripe::event_view::{Event, EventView};
use crate::stripe::session::Session;

impl Session {
    /// The newest event; `None` when there was none within 30 days.
    pub async fn latest_event(&self) -> Result<Option<Event>, Error> {
        let page = self
            .list::<EventView>(&ListEvent::new().limit(1_i64))
            .await?;
        Ok(page.data.into_iter().next().map(Event::from))
    }

    /// A page of the events that came after `place`, oldest first. `next` is what to pass for the next
    /// page.
    pub async fn events_after(&self, place: &str) -> Result<Page<Event>, Error> {
        // Backwards through the list is forwards in time; each page still has its newest first.
        let list = ListEvent::new().limit(PAGE).ending_before(place);
        let mut page = self.list::<EventView>(&list).await?;
        page.data.reverse();
        super::page_of(page, |view| Ok(view.into()), |event: &Event| &event.id)
    }

    /// A page of all events, newest first.
    pub async fn events_before(&self, after: Option<&str>) -> Result<Page<Event>, Error> {
        let mut list = ListEvent::new().limit(PAGE);
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.list::<EventView>(&list).await?;
        super::page_of(page, |view| Ok(view.into()), |event: &Event| &event.id)
    }
}
