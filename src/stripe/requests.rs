//! Steps as requests: async-stripe's typed builders, filled in. Pure.
//!
//! Two traps of the form encoding decide how this is written. An empty map is sent as `metadata=`,
//! which clears all of it, so only maps with something in them are ever set; and one key is taken
//! away by giving it the empty text. The order of a map is random, so bodies are sorted: equal
//! steps have equal bodies, on which the idempotency key rests.

mod catalogue;
mod collection;
mod notice;
mod payment;
mod subscription;

use std::collections::HashMap;

use stripe_billing::subscription::{CancelSubscription, UpdateSubscription};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::customer::{CreateCustomer, OptionalFieldsCustomerAddress, UpdateCustomer};

pub use self::catalogue::for_catalogue_step;
pub(super) use self::notice::no_object;
pub use self::notice::{NoticeMark, for_notice_mark};
pub(super) use self::subscription::{EXPAND, preview};
use super::error::{Class, Error};
use crate::api::{Address, CustomerDetails, metadata};
use crate::converge::observed::TenantKey;
use crate::converge::steps::{CustomerUpdate, Step};
use crate::converge::trial::DeclaredTrial;

/// The value of [`metadata::CANCELED_BY`].
const CANCELED_BY_MANIFEST: &str = "manifest";

/// What is asked of Stripe whenever it answers with a customer: where its taxes are.
pub(super) const CUSTOMER_EXPAND: &str = "tax";
/// Whenever it answers with an invoice: what its payment waits for, which is known to its `PaymentIntent`.
/// Four levels are the most that Stripe expands.
pub(super) const INVOICE_EXPAND: &str = "payments.data.payment.payment_intent";
/// Whenever it answers with a dispute: the charge, which knows the customer.
pub(super) const CHARGE: &str = "charge";

/// The request that a step stands for. `customer` is whom to subscribe when the step doesn't say:
/// the one that the step before it made.
pub fn for_step(
    step: &Step,
    key: &TenantKey,
    customer: Option<&str>,
) -> Result<RequestBuilder, Error> {
    match step {
        Step::CreateCustomer {
            details,
            test_clock,
        } => Ok(create_customer(details, key, test_clock.as_deref())),
        Step::UpdateCustomer {
            customer, update, ..
        } => Ok(update_customer(checked(customer)?, update, key)),
        Step::CreateSubscription {
            customer: own, new, ..
        } => {
            let customer = own.as_deref().or(customer).ok_or_else(|| {
                Error::new(
                    Class::Invalid,
                    "there is no customer to subscribe; the step that makes one has to come first",
                )
            })?;
            subscription::create(customer, new, key)
        }
        Step::ChangeItems { .. }
        | Step::CreateSchedule { .. }
        | Step::ScheduleChange { .. }
        | Step::ReleaseSchedule { .. }
        | Step::SetAutomaticTax { .. } => subscription::change(step, key),
        Step::MoveTrialEnd { .. }
        | Step::SetTrialEnding { .. }
        | Step::RemindOfTrialEnd { .. }
        | Step::SetCollection { .. }
        | Step::SetDefaultPaymentMethod { .. }
        | Step::CreateSetupSession { .. }
        | Step::Resume { .. }
        | Step::PayInvoice { .. } => payment::request(step, key),
        Step::Collection(step) => collection::request(step),
        // The flag and the mark in one request: apart, a crash in between would make the manifest's
        // cancellation look like the customer's.
        Step::CancelAtPeriodEnd { subscription } => {
            let mark = canceled_by(CANCELED_BY_MANIFEST);
            Ok(build(
                &with_metadata(subscription, [mark])?.cancel_at_period_end(true),
            ))
        }
        Step::UndoCancellation { subscription, .. } => Ok(build(
            &with_metadata(subscription, [canceled_by("")])?.cancel_at_period_end(false),
        )),
        Step::MarkCanceled { subscription } => {
            let mark = canceled_by(CANCELED_BY_MANIFEST);
            Ok(build(&with_metadata(subscription, [mark])?))
        }
        Step::CancelNow { subscription } => {
            Ok(build(&CancelSubscription::new(checked(subscription)?)))
        }
        Step::RestoreIdentity {
            subscription,
            declared_trial,
            ..
        } => {
            let [owner, tenant] = identity(key);
            let entries = [owner, tenant, trial(*declared_trial)];
            Ok(build(&with_metadata(subscription, entries)?))
        }
    }
}

/// An update of a subscription that writes these keys and leaves the other metadata alone.
fn with_metadata(
    subscription: &str,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<UpdateSubscription, Error> {
    Ok(subscription::update(subscription)?.metadata(metadata_map(entries)))
}

fn create_customer(
    details: &CustomerDetails,
    key: &TenantKey,
    test_clock: Option<&str>,
) -> RequestBuilder {
    let mut create = CreateCustomer::new()
        .expand([CUSTOMER_EXPAND.to_owned()])
        .name(&details.name)
        .email(&details.email)
        .metadata(metadata_map(identity(key)));
    if let Some(phone) = &details.phone {
        create = create.phone(phone);
    }
    if let Some(description) = &details.description {
        create = create.description(description);
    }
    if let Some(address) = &details.address {
        create = create.address(address_fields(address, Option::clone));
    }
    if let Some(clock) = test_clock {
        create = create.test_clock(clock);
    }
    build(&create)
}

fn update_customer(customer: &str, update: &CustomerUpdate, key: &TenantKey) -> RequestBuilder {
    let mut request = UpdateCustomer::new(customer).expand([CUSTOMER_EXPAND.to_owned()]);
    if let Some(name) = &update.name {
        request = request.name(name);
    }
    if let Some(email) = &update.email {
        request = request.email(email);
    }
    if let Some(phone) = &update.phone {
        request = request.phone(phone);
    }
    if let Some(description) = &update.description {
        request = request.description(description);
    }
    if let Some(address) = &update.address {
        // The address is enforced as a whole: what the manifest leaves out is emptied.
        let whole = address_fields(address, |field| Some(field.clone().unwrap_or_default()));
        request = request.address(whole);
    }
    if update.restore_identity {
        request = request.metadata(metadata_map(identity(key)));
    }
    build(&request)
}

fn address_fields(
    address: &Address,
    field: fn(&Option<String>) -> Option<String>,
) -> OptionalFieldsCustomerAddress {
    OptionalFieldsCustomerAddress {
        city: field(&address.city),
        country: field(&address.country),
        line1: field(&address.line1),
        line2: field(&address.line2),
        postal_code: field(&address.postal_code),
        state: field(&address.state),
    }
}

type Entry = (&'static str, String);

fn identity(key: &TenantKey) -> [Entry; 2] {
    [
        (metadata::OWNER, key.owner.clone()),
        (metadata::TENANT, key.tenant.clone()),
    ]
}

fn trial(declared: DeclaredTrial) -> Entry {
    (metadata::TRIAL, declared.to_string())
}

fn canceled_by(who: &str) -> Entry {
    (metadata::CANCELED_BY, who.to_owned())
}

fn metadata_map(entries: impl IntoIterator<Item = Entry>) -> HashMap<String, String> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Builds a request with its body in canonical order.
pub(super) fn build(request: &impl StripeRequest) -> RequestBuilder {
    let mut request = request.build();
    request.body = request.body.filter(|body| !body.is_empty()).map(|body| {
        let mut pairs: Vec<&str> = body.split('&').collect();
        pairs.sort_unstable();
        pairs.join("&")
    });
    request
}

/// An id that may become part of a path. async-stripe does not encode it.
pub(super) fn checked(id: &str) -> Result<&str, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !id.is_empty() && id.bytes().all(plain) {
        Ok(id)
    } else {
        Err(Error::new(
            Class::Invalid,
            format!("\"{id}\" is not an id of Stripe's"),
        ))
    }
}

#[cfg(test)]
mod tests;
