//! Requests that hold back what a subscription charges, and let it go.

use stripe_billing::invoice::UpdateInvoice;
use stripe_billing::subscription::{
    UpdateSubscriptionPauseCollection, UpdateSubscriptionPauseCollectionBehavior,
};
use stripe_client_core::RequestBuilder;

use super::{Entry, build, checked, metadata_map, with_metadata};
use crate::api::metadata;
use crate::converge::steps::CollectionStep;
use crate::stripe::error::Error;

/// The request for a step.
pub(super) fn request(step: &CollectionStep) -> Result<RequestBuilder, Error> {
    match step {
        // Pause and mark in one request: apart, a crash in between would make the pause look like
        // somebody else's.
        CollectionStep::Hold {
            subscription, mark, ..
        } => {
            let behavior = UpdateSubscriptionPauseCollectionBehavior::KeepAsDraft;
            let update = with_metadata(subscription, [held_by(mark.to_string())])?
                .pause_collection(UpdateSubscriptionPauseCollection::new(behavior));
            Ok(build(&update))
        }
        // The typed builder cannot unset an object. The pair sorts where it stands: after `expand`.
        CollectionStep::Resume { subscription, .. } => {
            let mut request = build(&super::subscription::update(subscription)?);
            let body = request.body.take().unwrap_or_default();
            request.body = Some(format!("{body}&pause_collection="));
            Ok(request)
        }
        // Again flag and mark in one: an invoice that is kept back without a mark is somebody else's.
        CollectionStep::HoldInvoice { invoice, mark } => {
            let update = UpdateInvoice::new(checked(invoice)?)
                .auto_advance(false)
                .metadata(metadata_map([held_by(mark.to_string())]));
            Ok(build(&update))
        }
        CollectionStep::ReleaseInvoice { invoice, .. } => {
            let update = UpdateInvoice::new(checked(invoice)?)
                .auto_advance(true)
                .metadata(metadata_map([held_by(String::new())]));
            Ok(build(&update))
        }
        CollectionStep::Unmark { subscription, .. } => {
            let nothing = held_by(String::new());
            Ok(build(&with_metadata(subscription, [nothing])?))
        }
    }
}

fn held_by(mark: String) -> Entry {
    (metadata::HELD_BY, mark)
}
