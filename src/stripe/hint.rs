//! What an event says: which object to read again, and how that is done.
//!
//! A new kind of object is a new [`Hint`], a line in [`Hint::of`] and one in [`Hint::read`].

use std::collections::BTreeSet;

use super::error::{Class, Error};
use super::event_view::Event;
use super::mirror::Mirror;
use super::session::Session;
use crate::converge::observed::TenantKey;

/// An id, as small as it gets.
type Id = Box<str>;

/// An object to read again, or something else to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hint {
    /// A customer: its data, or what it pays with.
    Customer(Id),
    /// A subscription.
    Subscription(Id),
    /// An invoice.
    Invoice(Id),
    /// A dispute. It names a charge, so whose it is shows only when it is read.
    Dispute(Id),
    /// An early fraud warning; of it the same is true.
    FraudWarning(Id),
    /// A test clock: time passed for those who live on it.
    TestClock(Id),
    /// Some price: a plan that waits for one may find it now.
    Prices,
}

/// A hint, with what tells whether it is worth a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) hint: Hint,
    /// The customer that the object belongs to.
    pub(super) customer: Option<Id>,
    /// The object carries our owner's name. Reading it settles whether it is ours.
    pub(super) claims: bool,
}

/// Whether a hint is worth a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It concerns somebody here, or may.
    Wanted,
    /// It concerns strangers.
    Stranger,
    /// It can't be told before the account has been listed once.
    NotYet,
}

/// Whom reading an object again concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Tenants to look at.
    pub tenants: Vec<TenantKey>,
    /// A test clock whose tenants are to be looked at.
    pub clock: Option<Box<str>>,
    /// Plans that wait for a price are to be looked at.
    pub prices: Prices,
}

/// Whether a price changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prices {
    /// None did, as far as is known.
    #[default]
    Same,
    /// One did.
    Changed,
}

impl Hint {
    /// What an event points at; `None` when that is nothing that is kept here. Payments and charges
    /// are not listed: what comes of one shows in an event of its invoice.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let own = event.object_id.as_deref();
        let customer = event.customer.as_deref();
        Some(match event.object.as_str() {
            "customer" => Self::Customer(own?.into()),
            "subscription" => Self::Subscription(own?.into()),
            // What is to come is part of what is kept of a subscription.
            "subscription_schedule" => match event.subscription.as_deref() {
                Some(subscription) => Self::Subscription(subscription.into()),
                None => Self::Customer(customer?.into()),
            },
            // One that is only to come has no id.
            "invoice" => match own {
                Some(own) => Self::Invoice(own.into()),
                None => Self::Customer(customer?.into()),
            },
            // What counts is what their customer pays with by now.
            "checkout.session" | "setup_intent" | "payment_method" | "card" | "source"
            | "bank_account" | "discount" => Self::Customer(customer?.into()),
            "dispute" => Self::Dispute(own?.into()),
            "radar.early_fraud_warning" => Self::FraudWarning(own?.into()),
            "test_helpers.test_clock" => Self::TestClock(own?.into()),
            "price" => Self::Prices,
            _ => return None,
        })
    }

    /// Reads the object again and takes it into the mirror.
    pub(super) async fn read(&self, session: &Session, mirror: &Mirror) -> Result<Touched, Error> {
        let tenants = match self {
            Self::Customer(id) => read_customer(id, session, mirror).await?,
            Self::Subscription(id) => mirror.refresh_subscription(session, id).await?,
            Self::Invoice(id) => mirror.refresh_invoice(session, id).await?,
            Self::Dispute(id) => mirror.refresh_dispute(session, id).await?,
            Self::FraudWarning(id) => mirror.refresh_fraud_warning(session, id).await?,
            Self::TestClock(_) | Self::Prices => Vec::new(),
        };
        Ok(Touched {
            tenants,
            ..self.other_than_tenants()
        })
    }

    /// The tenants that the object, or the customer it belongs to, concerns as far as is known.
    pub(super) fn known_tenants(&self, customer: Option<&str>, mirror: &Mirror) -> Vec<TenantKey> {
        let own = match self {
            Self::Customer(id) | Self::Subscription(id) => Some(&**id),
            _ => None,
        };
        let ids = own.into_iter().chain(customer);
        let tenants: BTreeSet<TenantKey> = ids.flat_map(|id| mirror.tenants_of(id)).collect();
        tenants.into_iter().collect()
    }

    fn other_than_tenants(&self) -> Touched {
        let mut touched = Touched::default();
        match self {
            Self::TestClock(id) => touched.clock = Some(id.clone()),
            Self::Prices => touched.prices = Prices::Changed,
            _ => {}
        }
        touched
    }
}

impl Pointer {
    pub(super) fn of(event: &Event, owner: &str) -> Option<Self> {
        let hint = Hint::of(event)?;
        let carries_name = matches!(event.object.as_str(), "customer" | "subscription");
        Some(Self {
            claims: carries_name && event.owner.as_deref() == Some(owner),
            customer: event.customer.as_deref().map(Id::from),
            hint,
        })
    }

    /// Whom the object concerns as far as the mirror knows.
    pub(super) fn without_reading(&self, mirror: &Mirror) -> Touched {
        Touched {
            tenants: self.hint.known_tenants(self.customer.as_deref(), mirror),
            ..self.hint.other_than_tenants()
        }
    }

    /// Strangers cost nothing: an object is read again only when it, or its customer, is known
    /// here, or when it claims to be ours.
    pub(super) fn judge(&self, mirror: &Mirror) -> Verdict {
        let index = mirror.read();
        if !index.is_complete() {
            return Verdict::NotYet;
        }
        let customer = self.customer.as_deref();
        let customer_known = customer.is_some_and(|id| index.knows_customer(id));
        let wanted = match &self.hint {
            Hint::Customer(id) => self.claims || index.knows_customer(id),
            Hint::Subscription(id) => self.claims || customer_known || index.knows_subscription(id),
            Hint::Invoice(_) => customer_known,
            Hint::Dispute(_) | Hint::FraudWarning(_) | Hint::TestClock(_) | Hint::Prices => true,
        };
        if wanted {
            Verdict::Wanted
        } else {
            Verdict::Stranger
        }
    }
}

impl Mirror {
    /// What an event points at, if that is anything that is kept here.
    pub(super) fn pointer(&self, event: &Event) -> Option<Pointer> {
        Pointer::of(event, self.read().owner())
    }

    /// The tenants that a customer or subscription concerns, as far as is known.
    fn tenants_of(&self, id: &str) -> Vec<TenantKey> {
        self.read().concerned(id).into_iter().collect()
    }
}

async fn read_customer(
    id: &str,
    session: &Session,
    mirror: &Mirror,
) -> Result<Vec<TenantKey>, Error> {
    if !mirror.knows_customer(id) {
        // A new one of ours; or one that was somebody else's until now, with whatever it has.
        return mirror.refresh_customer(session, id, None).await;
    }
    let stamp = mirror.stamp(session);
    Ok(match session.customer(id).await? {
        Some(found) => mirror.fold_customer(found, &stamp),
        None => mirror.forget(id, &stamp),
    })
}

impl Error {
    /// Whether a failure to read lies in the one object, so that trying again would not help.
    /// Anything else passes.
    pub(super) fn is_of_the_object(&self) -> bool {
        match self.class {
            Class::Invalid | Class::NotFound => true,
            Class::Unreadable => self.status.is_none_or(|status| status < 300),
            _ => false,
        }
    }
}
