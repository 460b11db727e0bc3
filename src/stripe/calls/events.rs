//! Stripe's list of events, and what is read only because an event points at it.
//!
//! The list is read without naming types: Stripe takes at most 20 of them, and there are more that
//! concern a tenant. What is a stranger's is passed over once it is here.

use miniserde::Deserialize;
use miniserde::json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::event::ListEvent;

use super::{PAGE, Page, checked};
use crate::stripe::error::Error;
use crate::stripe::event_view::{Event, EventView};
use crate::stripe::session::Session;
use crate::stripe::views::id_of;

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

    /// The customer whose charge a dispute or an early fraud warning is about.
    pub(in crate::stripe) async fn charged_customer(
        &self,
        kind: Concerning,
        id: &str,
    ) -> Result<Option<String>, Error> {
        let path = match kind {
            Concerning::Dispute => "/disputes",
            Concerning::FraudWarning => "/radar/early_fraud_warnings",
        };
        let path = format!("{path}/{}", checked(id)?);
        let mut request = RequestBuilder::new(StripeMethod::Get, path);
        request.query = Some("expand%5B0%5D=charge".to_owned());
        let answer = self.send::<ConcernView>(&request, None).await?;
        Ok(answer
            .value
            .charge
            .and_then(|charge| id_of(charge.customer)))
    }
}

/// What is about a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::stripe) enum Concerning {
    Dispute,
    FraudWarning,
}

#[derive(Deserialize)]
struct ConcernView {
    charge: Option<ChargeView>,
}

#[derive(Deserialize)]
struct ChargeView {
    customer: Option<Value>,
}
