//! Requests that note on an object what people were told about it.

use std::collections::HashMap;

use stripe_billing::invoice::UpdateInvoice;
use stripe_client_core::RequestBuilder;
use stripe_core::customer::UpdateCustomer;
use stripe_core::dispute::UpdateDispute;

use super::{CHARGE, CUSTOMER_EXPAND, INVOICE_EXPAND, build, checked, subscription};
use crate::api::NoticeKind;
use crate::converge::notice::{Carrier, Mark, key};
use crate::stripe::error::{Class, Error};

/// A mark that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct NoticeMark<'a> {
    /// The object that carries it.
    pub carrier: &'a Carrier,
    /// The kind of notice.
    pub kind: NoticeKind,
    /// What it said when it was read.
    pub before: &'a Mark,
    /// What it is to say.
    pub after: &'a Mark,
}

/// The request that writes a mark and leaves the other metadata alone.
pub fn for_notice_mark(mark: &NoticeMark<'_>) -> Result<RequestBuilder, Error> {
    // A mark without a word is the empty text, which takes the key away.
    let metadata = HashMap::from([(key(mark.kind), text(mark.after))]);
    Ok(match mark.carrier {
        Carrier::Invoice(id) => {
            let update = UpdateInvoice::new(checked(id)?).expand([INVOICE_EXPAND.to_owned()]);
            build(&update.metadata(metadata))
        }
        Carrier::Subscription(id) => build(&subscription::update(id)?.metadata(metadata)),
        Carrier::Customer(id) => {
            let update = UpdateCustomer::new(checked(id)?).expand([CUSTOMER_EXPAND.to_owned()]);
            build(&update.metadata(metadata))
        }
        Carrier::Dispute(id) => {
            let update = UpdateDispute::new(checked(id)?).expand([CHARGE.to_owned()]);
            build(&update.metadata(metadata))
        }
        Carrier::Cluster => return Err(no_object()),
    })
}

/// A mark that says nothing of any channel is none.
fn text(mark: &Mark) -> String {
    if mark.channels.is_empty() {
        String::new()
    } else {
        mark.to_string()
    }
}

/// What concerns all tenants is on no object of Stripe's.
pub(in crate::stripe) fn no_object() -> Error {
    let message = "a notice about all tenants has no object in Stripe that could carry its mark";
    Error::new(Class::Invalid, message)
}
