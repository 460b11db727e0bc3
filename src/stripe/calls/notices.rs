//! The calls about what people were told: reading the object that a notice is about, and noting on it
//! how far the sending is.

use crate::api::NoticeKind;
use crate::converge::notice::{Carrier, Mark};
use crate::converge::observed::{
    Customer, Dispute, Found, Invoice, InvoiceStatus, Subscription, TenantKey,
};
use crate::stripe::error::Error;
use crate::stripe::idempotency::key_for_notice_mark;
use crate::stripe::requests::{NoticeMark, for_notice_mark, no_object};
use crate::stripe::session::{Answer, Session};
use crate::stripe::views::{CustomerView, DisputeView, InvoiceView, SubscriptionView};

/// An object that carries marks, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// An invoice.
    Invoice(Box<Invoice>),
    /// A subscription.
    Subscription(Box<Subscription>),
    /// A customer.
    Customer(Box<Customer>),
    /// A dispute; the invoice that it is about is not read again.
    Dispute(Box<Dispute>),
}

impl Carried {
    /// What it says of a notice.
    pub fn mark(&self, kind: NoticeKind, occasion: &str) -> Mark {
        let notices = match self {
            Self::Invoice(invoice) => &invoice.notices,
            Self::Subscription(subscription) => &subscription.notices,
            Self::Customer(customer) => &customer.notices,
            Self::Dispute(dispute) => &dispute.notices,
        };
        notices.of(kind, occasion)
    }

    /// Whether it is an invoice that nobody owes any more.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Invoice(invoice) => !matches!(
                invoice.status,
                InvoiceStatus::Open | InvoiceStatus::Uncollectible
            ),
            _ => false,
        }
    }
}

impl Session {
    /// The object that carries a mark; `None` when it is gone.
    pub async fn carried(&self, carrier: &Carrier) -> Result<Option<Carried>, Error> {
        Ok(match carrier {
            Carrier::Invoice(id) => self.invoice(id).await?.map(carried_invoice),
            Carrier::Subscription(id) => self
                .subscription(id)
                .await?
                .map(|subscription| Carried::Subscription(Box::new(subscription))),
            Carrier::Customer(id) => self.customer(id).await?.and_then(carried_customer),
            Carrier::Dispute(id) => {
                let disputed = self.dispute(id).await?;
                disputed.map(|disputed| Carried::Dispute(Box::new(disputed.dispute)))
            }
            Carrier::Cluster => return Err(no_object()),
        })
    }

    /// Writes a mark. Gives the object as it is then; `None` when it has become nobody's.
    pub async fn write_mark(
        &self,
        mark: &NoticeMark<'_>,
        tenant: &TenantKey,
        attempt: u32,
    ) -> Result<Answer<Option<Carried>>, Error> {
        let request = for_notice_mark(mark)?;
        let key = key_for_notice_mark(mark, &request, tenant, attempt);
        match mark.carrier {
            Carrier::Invoice(_) => self
                .send::<InvoiceView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(Option::<Invoice>::try_from(view)?.map(carried_invoice))),
            Carrier::Subscription(_) => {
                let answer = self.send::<SubscriptionView>(&request, Some(&key)).await?;
                let subscription = self.with_all_items(answer.value).await?;
                Ok(Answer {
                    value: Some(Carried::Subscription(Box::new(subscription))),
                    request_id: answer.request_id,
                    replayed: answer.replayed,
                })
            }
            Carrier::Customer(_) => self
                .send::<CustomerView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(carried_customer(view.into()))),
            Carrier::Dispute(_) => self
                .send::<DisputeView>(&request, Some(&key))
                .await?
                .try_map(|view| {
                    let dispute = Option::<Dispute>::try_from(view)?;
                    Ok(dispute.map(|dispute| Carried::Dispute(Box::new(dispute))))
                }),
            Carrier::Cluster => Err(no_object()),
        }
    }
}

fn carried_invoice(invoice: Invoice) -> Carried {
    Carried::Invoice(Box::new(invoice))
}

fn carried_customer(found: Found) -> Option<Carried> {
    match found {
        Found::Present(customer) => Some(Carried::Customer(Box::new(customer))),
        Found::Deleted(_) => None,
    }
}
