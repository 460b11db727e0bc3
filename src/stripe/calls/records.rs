//! The calls about invoices, disputes and early fraud warnings.

use jiff::Timestamp;
use serde::Serialize;
use stripe_billing::invoice::{ListInvoice, RetrieveInvoice};
use stripe_billing::invoice_payment::{
    ListInvoicePayment, ListInvoicePaymentPayment, ListInvoicePaymentPaymentType,
    ListInvoicePaymentStatus,
};
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::dispute::{ListDispute, RetrieveDispute};
use stripe_shared::InvoiceStatus as ListStatus;
use stripe_types::RangeQueryTs;

use super::{PAGE, Page};
use crate::converge::observed::{Dispute, FraudWarning, Invoice, InvoiceStatus, OpenPayment};
use crate::stripe::error::{Class, Error};
use crate::stripe::requests::{CHARGE, INVOICE_EXPAND, checked};
use crate::stripe::session::Session;
use crate::stripe::views::{
    DisputeView, FraudWarningView, InvoicePaymentView, InvoiceView, ListView,
};

const PAYMENT: &str = "data.payment.payment_intent";

/// No crate of async-stripe that is worth its compile time has these.
const WARNINGS: &str = "/radar/early_fraud_warnings";

/// Query of a list of early fraud warnings.
#[derive(Serialize)]
struct ListWarnings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<RangeQueryTs>,
    expand: [&'static str; 1],
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Serialize)]
struct Expand {
    expand: [&'static str; 1],
}

impl Session {
    /// A page of the invoices of one status: of a customer, or of everybody who is on no test clock.
    pub(in crate::stripe) async fn list_invoices(
        &self,
        status: &InvoiceStatus,
        customer: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page<Invoice>, Error> {
        let mut list = ListInvoice::new().status(listed_as(status)).limit(PAGE);
        if let Some(customer) = customer {
            list = list.customer(checked(customer)?);
        }
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.list::<InvoiceView>(&list).await?;
        kept(page, InvoiceView::id, TryInto::try_into)
    }

    /// Every unsettled invoice of a customer, with what the payments of those that are owed wait for.
    pub(in crate::stripe) async fn unsettled_invoices_of(
        &self,
        customer: &str,
    ) -> Result<Vec<Invoice>, Error> {
        let mut found = Vec::new();
        for status in &InvoiceStatus::UNSETTLED {
            let mut after = None;
            loop {
                let page = self
                    .list_invoices(status, Some(customer), after.as_deref())
                    .await?;
                for invoice in page.items {
                    // A draft has no payment yet.
                    let whole = if invoice.status == InvoiceStatus::Draft {
                        None
                    } else {
                        self.invoice(&invoice.id).await?
                    };
                    found.push(whole.unwrap_or(invoice));
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// An invoice, with what its payment waits for; `None` when Stripe does not know the id, as that
    /// of a draft that was deleted, or it is nobody's.
    pub(in crate::stripe) async fn invoice(&self, id: &str) -> Result<Option<Invoice>, Error> {
        let request = RetrieveInvoice::new(checked(id)?).expand([INVOICE_EXPAND.to_owned()]);
        match self.find::<InvoiceView>(&request).await? {
            Some(view) => view.try_into(),
            None => Ok(None),
        }
    }

    /// A page of all payments of invoices that are open: the invoice, and what it waits for.
    pub(in crate::stripe) async fn list_open_payments(
        &self,
        after: Option<&str>,
    ) -> Result<Page<(String, OpenPayment)>, Error> {
        let mut list = ListInvoicePayment::new()
            .status(ListInvoicePaymentStatus::Open)
            .expand([PAYMENT.to_owned()])
            .limit(PAGE);
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.list::<InvoicePaymentView>(&list).await?;
        kept(page, InvoicePaymentView::id, |payment| {
            let open = payment.open();
            Ok(payment.invoice().zip(open))
        })
    }

    /// A page of the disputes opened since a time, the newest first.
    pub(in crate::stripe) async fn list_disputes(
        &self,
        since: Option<Timestamp>,
        after: Option<&str>,
    ) -> Result<Page<Disputed>, Error> {
        let mut list = ListDispute::new()
            .expand([format!("data.{CHARGE}")])
            .limit(PAGE);
        if let Some(since) = since {
            list = list.created(RangeQueryTs::gte(since.as_second()));
        }
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.list::<DisputeView>(&list).await?;
        kept(page, DisputeView::id, Disputed::read)
    }

    /// A dispute; `None` when Stripe does not know the id, or it is about the charge of a guest.
    pub(in crate::stripe) async fn dispute(&self, id: &str) -> Result<Option<Disputed>, Error> {
        let request = RetrieveDispute::new(checked(id)?).expand([CHARGE.to_owned()]);
        match self.find::<DisputeView>(&request).await? {
            Some(view) => Disputed::read(view),
            None => Ok(None),
        }
    }

    /// The invoice that a payment was for; a charge does not say.
    pub(in crate::stripe) async fn invoice_of_payment(
        &self,
        payment_intent: &str,
    ) -> Result<Option<String>, Error> {
        let mut payment =
            ListInvoicePaymentPayment::new(ListInvoicePaymentPaymentType::PaymentIntent);
        payment.payment_intent = Some(checked(payment_intent)?.to_owned());
        let list = ListInvoicePayment::new().payment(payment).limit(1);
        let page = self.list::<InvoicePaymentView>(&list).await?;
        let first = page.data.into_iter().next();
        Ok(first.and_then(InvoicePaymentView::invoice))
    }

    /// A page of the early fraud warnings since a time, the newest first.
    pub(in crate::stripe) async fn list_fraud_warnings(
        &self,
        since: Option<Timestamp>,
        after: Option<&str>,
    ) -> Result<Page<FraudWarning>, Error> {
        let list = ListWarnings {
            created: since.map(|since| RangeQueryTs::gte(since.as_second())),
            expand: ["data.charge"],
            limit: PAGE,
            starting_after: after,
        };
        let request = RequestBuilder::new(StripeMethod::Get, WARNINGS).query(&list);
        let answer = self
            .send::<ListView<FraudWarningView>>(&request, None)
            .await?;
        kept(answer.value, FraudWarningView::id, TryInto::try_into)
    }

    /// An early fraud warning; `None` when Stripe does not know the id, or it is about the charge of
    /// a guest.
    pub(in crate::stripe) async fn fraud_warning(
        &self,
        id: &str,
    ) -> Result<Option<FraudWarning>, Error> {
        let path = format!("{WARNINGS}/{}", checked(id)?);
        let request =
            RequestBuilder::new(StripeMethod::Get, path).query(&Expand { expand: [CHARGE] });
        match self.send::<FraudWarningView>(&request, None).await {
            Ok(answer) => answer.value.try_into(),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A dispute, and the payment that it is about, which leads to the invoice.
pub(in crate::stripe) struct Disputed {
    pub(in crate::stripe) dispute: Dispute,
    pub(in crate::stripe) payment_intent: Option<String>,
}

impl Disputed {
    fn read(view: DisputeView) -> Result<Option<Self>, Error> {
        let payment_intent = view.payment_intent();
        let dispute: Option<Dispute> = view.try_into()?;
        Ok(dispute.map(|dispute| Self {
            dispute,
            payment_intent,
        }))
    }
}

fn listed_as(status: &InvoiceStatus) -> ListStatus {
    match status {
        InvoiceStatus::Draft => ListStatus::Draft,
        InvoiceStatus::Open => ListStatus::Open,
        InvoiceStatus::Uncollectible => ListStatus::Uncollectible,
        InvoiceStatus::Paid => ListStatus::Paid,
        InvoiceStatus::Void => ListStatus::Void,
        InvoiceStatus::Other(word) => ListStatus::Unknown(word.clone()),
    }
}

/// A page without what is of no use here. It may be the last that is of no use: what leads to the next
/// page is its id all the same.
fn kept<V, T>(
    page: ListView<V>,
    id: impl Fn(&V) -> &str,
    read: impl Fn(V) -> Result<Option<T>, Error>,
) -> Result<Page<T>, Error> {
    let last = page.data.last().filter(|_| page.has_more == Some(true));
    let next = last.map(|last| id(last).to_owned());
    let items = page
        .data
        .into_iter()
        .map(read)
        .filter_map(Result::transpose);
    let items = items.collect::<Result<_, _>>()?;
    Ok(Page { items, next })
}
