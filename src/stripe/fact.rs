//! Facts about one object, and which of two is the fresher.
//!
//! Every request gets a number before it is sent, and every fact one when it is put in. A fact read
//! by itself replaces what was asked for earlier. One from a page of a scan replaces only what was
//! put in before that page was asked for: a scan is slow, and its pages are stale the moment
//! something is read or changed by id meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::converge::observed::{
    Customer, Dispute, Found, FraudWarning, Invoice, Subscription, TenantKey,
};

/// An id, as small as it gets.
pub(super) type Id = Box<str>;

/// Where a fact comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A read or a change of this object alone.
    Single,
    /// A page of a scan.
    Page,
}

/// When a fact was asked for, and when it was put in.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) sent: u64,
    pub(super) folded: u64,
}

impl Times {
    pub(super) fn is_superseded_by(self, newer: Self, origin: Origin) -> bool {
        match origin {
            Origin::Single => newer.sent >= self.sent,
            Origin::Page => newer.sent > self.folded,
        }
    }
}

/// What a scan found.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) clock: Option<Id>,
    pub(super) started: u64,
    pub(super) customers: HashMap<Id, (u64, Found)>,
    pub(super) subscriptions: HashMap<Id, (u64, Subscription)>,
    pub(super) invoices: Paged<Invoice>,
    /// `None` when the key may not read them.
    pub(super) disputes: Option<(Paged<Dispute>, Paged<FraudWarning>)>,
}

/// What a list of records found.
pub(super) struct Paged<R> {
    pub(super) found: HashMap<Id, (u64, R)>,
    pub(super) reach: Reach,
}

impl<R> Paged<R> {
    /// Nothing yet.
    pub(super) fn within(reach: Reach) -> Self {
        Self {
            found: HashMap::new(),
            reach,
        }
    }
}

impl<R> Default for Paged<R> {
    fn default() -> Self {
        Self::within(Reach::Account)
    }
}

/// Whose records a list would have had.
#[derive(Clone)]
pub(super) enum Reach {
    /// Those of everybody who is on no test clock.
    Account,
    /// Those of these customers.
    Customers(HashSet<String>),
}

/// The tenants that a change of facts concerns.
pub(super) type Tenants = BTreeSet<TenantKey>;

/// What putting a fact in did.
#[derive(Default)]
pub(super) struct Folded {
    /// Whom the object concerns, before and after.
    pub(super) tenants: Tenants,
    pub(super) changed: bool,
}

impl Folded {
    pub(super) fn unchanged(tenants: Tenants) -> Self {
        Self {
            tenants,
            changed: false,
        }
    }

    pub(super) fn changed_tenants(self) -> Tenants {
        if self.changed {
            self.tenants
        } else {
            Tenants::new()
        }
    }
}

/// The id of a customer, deleted or not.
pub(super) fn id_of(found: &Found) -> &str {
    match found {
        Found::Present(customer) => &customer.id,
        Found::Deleted(id) => id,
    }
}

/// Whose a customer says it is.
pub(super) fn key_of(found: &Found) -> Option<&TenantKey> {
    match found {
        Found::Present(Customer { key, .. }) => key.as_ref(),
        Found::Deleted(_) => None,
    }
}
