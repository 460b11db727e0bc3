//! Bringing the customer in line.

use crate::api::Address;
use crate::converge::desired::Desired;
use crate::converge::observed::Customer;
use crate::converge::steps::{Change, CustomerUpdate, Step};

/// The one update that brings the declared fields, and the identity, in line.
pub(super) fn update_customer(desired: &Desired, customer: &Customer) -> Option<Step> {
    let wanted = &desired.customer;
    let mut update = CustomerUpdate::default();
    let mut changes = Vec::new();
    let mut text = |field: &'static str, want: Option<&String>, have: Option<&String>| {
        let want = want.filter(|want| have != Some(*want))?.clone();
        changes.push(Change::new(field, have.map_or("", String::as_str), &want));
        Some(want)
    };
    update.name = text("customer.name", Some(&wanted.name), customer.name.as_ref());
    update.email = text(
        "customer.email",
        Some(&wanted.email),
        customer.email.as_ref(),
    );
    update.phone = text(
        "customer.phone",
        wanted.phone.as_ref(),
        customer.phone.as_ref(),
    );
    update.description = text(
        "customer.description",
        wanted.description.as_ref(),
        customer.description.as_ref(),
    );
    if let Some(address) = wanted
        .address
        .as_ref()
        .filter(|a| customer.address.as_ref() != Some(*a))
    {
        let have = customer.address.clone().unwrap_or_default();
        changes.push(Change::new(
            "customer.address",
            &one_line(&have),
            &one_line(address),
        ));
        update.address = Some(address.clone());
    }
    if customer.key.as_ref() != Some(&desired.key) {
        let have = customer.key.as_ref().map_or("", |key| &key.tenant);
        changes.push(Change::new("customer.metadata", have, &desired.key.tenant));
        update.restore_identity = true;
    }
    (!changes.is_empty()).then(|| Step::UpdateCustomer {
        customer: customer.id.clone(),
        update: Box::new(update),
        changes,
    })
}

fn one_line(address: &Address) -> String {
    let parts = [
        &address.line1,
        &address.line2,
        &address.postal_code,
        &address.city,
        &address.state,
        &address.country,
    ];
    parts
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
