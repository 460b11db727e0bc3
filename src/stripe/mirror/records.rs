//! The mirror's invoices, disputes and fraud warnings: how they are listed with the account, and read
//! again one by one.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use jiff::{SignedDuration, Timestamp};

use super::{Mirror, Stamp};
use crate::converge::observed::{
    Dispute, Found, FraudWarning, Invoice, InvoiceStatus, OpenPayment, TenantKey,
};
use crate::stripe::calls::{Carried, Disputed, Page};
use crate::stripe::error::{Class, Error};
use crate::stripe::fact::{Id, Paged, Reach, Scan};
use crate::stripe::index::{Indexed, Record as _};
use crate::stripe::session::Session;

/// How far back disputes and warnings are listed. Customers may dispute for up to 120 days after a
/// charge; Stripe then gives the merchant one to three weeks, and the bank up to 90 days more. So a
/// dispute is decided within 180 days of being opened, and a warning that old leads to none any more.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(180 * 24);

impl Mirror {
    /// Reads an invoice again. Gives the tenants concerned. To be called when an event names it.
    pub async fn refresh_invoice(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let invoice = session.invoice(id).await?;
        Ok(self.fold_or_forget(invoice, id, &stamp))
    }

    /// Reads a customer's unsettled invoices again. Gives the tenants concerned. To be called after a
    /// change that may have left one open.
    pub async fn refresh_invoices_of(
        &self,
        session: &Session,
        customer: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let invoices = session.unsettled_invoices_of(customer).await?;
        Ok(self.fold_invoices_of(customer, invoices, &stamp))
    }

    /// Reads a dispute again. Gives the tenants concerned. To be called when an event names it.
    pub async fn refresh_dispute(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let read = async {
            Ok(match session.dispute(id).await? {
                Some(disputed) if self.knows_customer(&disputed.dispute.customer) => {
                    Some(self.with_invoice(session, disputed).await?)
                }
                _ => None,
            })
        };
        let Some(dispute) = unless_forbidden(read.await)? else {
            return Ok(Vec::new());
        };
        Ok(self.fold_or_forget(dispute, id, &stamp))
    }

    /// Reads an early fraud warning again. Gives the tenants concerned. To be called when an event
    /// names it.
    pub async fn refresh_fraud_warning(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let Some(warning) = unless_forbidden(session.fraud_warning(id).await)? else {
            return Ok(Vec::new());
        };
        Ok(self.fold_or_forget(warning, id, &stamp))
    }

    /// Takes in an invoice that was read or changed by itself. Gives the tenants it concerns.
    pub fn fold_invoice(&self, invoice: Invoice, stamp: &Stamp) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| index.fold_record(invoice, times))
    }

    /// Takes in an object on which a notice's mark was written. Gives the tenants it concerns.
    pub fn fold_carried(&self, carried: Carried, stamp: &Stamp) -> Vec<TenantKey> {
        match carried {
            Carried::Invoice(invoice) => self.fold_invoice(*invoice, stamp),
            Carried::Subscription(subscription) => self.fold_subscription(*subscription, stamp),
            Carried::Customer(customer) => self.fold_customer(Found::Present(*customer), stamp),
            Carried::Dispute(mut dispute) => {
                dispute.invoice = self.invoice_known_of(&dispute.id);
                self.fold(stamp, |index, times| index.fold_record(*dispute, times))
            }
        }
    }

    /// Takes in all unsettled invoices of a customer; what else was known of it is settled.
    pub(super) fn fold_invoices_of(
        &self,
        customer: &str,
        invoices: Vec<Invoice>,
        stamp: &Stamp,
    ) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| {
            let listed: Vec<String> = invoices.iter().map(|i| i.id.clone()).collect();
            let mut tenants = index.settle_invoices_of(customer, &listed, times);
            for invoice in invoices {
                tenants.extend(index.fold_record(invoice, times));
            }
            tenants
        })
    }

    fn fold_or_forget<R: Indexed>(
        &self,
        record: Option<R>,
        id: &str,
        stamp: &Stamp,
    ) -> Vec<TenantKey> {
        self.fold(stamp, |index, times| match record {
            Some(record) => index.fold_record(record, times),
            None => index.forget_record::<R>(id, times),
        })
    }

    /// Lists what the customers and subscriptions of a scan leave open.
    pub(super) async fn scan_records(
        &self,
        session: &Session,
        scan: &mut Scan,
    ) -> Result<(), Error> {
        self.scan_invoices(session, scan).await?;
        match self.scan_disputes(session, scan).await {
            Ok(disputes) => scan.disputes = Some(disputes),
            // A restricted key may be kept from them. That is no reason to see nothing at all.
            Err(error) if matches!(error.class, Class::Forbidden | Class::NotFound) => {
                tracing::warn!(%error, "disputes cannot be read; the key needs read access to disputes and Radar");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn scan_invoices(&self, session: &Session, scan: &mut Scan) -> Result<(), Error> {
        // Invoices cannot be listed by test clock, and those on one are in no list of the account.
        let of: Vec<Option<String>> = match scan.clock {
            None => vec![None],
            Some(_) => Self::billed(scan).into_iter().map(Some).collect(),
        };
        let mut found = HashMap::new();
        for customer in &of {
            for status in &InvoiceStatus::UNSETTLED {
                let ask = |after: Option<String>| async move {
                    let sent = self.tick();
                    let list = session.list_invoices(status, customer.as_deref(), after.as_deref());
                    Ok((sent, list.await?))
                };
                all_pages(ask, |sent, invoices| {
                    let index = self.read_of(session)?;
                    let own = invoices.into_iter().filter(|invoice| {
                        scan.customers.contains_key(invoice.customer.as_str())
                            || index.knows_customer(&invoice.customer)
                    });
                    found.extend(own.map(|i| (i.id.as_str().into(), (sent, i))));
                    Ok(())
                })
                .await?;
            }
        }
        if found.values().any(|(_, invoice)| is_payable(invoice)) {
            let mut open = self.open_payments(session, &found).await?;
            for (_, invoice) in found.values_mut() {
                let payment = open.remove(&invoice.id).unwrap_or_default();
                invoice.awaits = payment.awaits;
                invoice.tried = payment.tried;
            }
        }
        let reach = match scan.clock {
            None => Reach::Account,
            Some(_) => Reach::Customers(of.into_iter().flatten().collect()),
        };
        scan.invoices = Paged { found, reach };
        Ok(())
    }

    /// The customers of a clock's scan who may have an unsettled invoice: those who were ever subscribed.
    /// Three requests each; Stripe allows only a few customers on a clock.
    fn billed(scan: &Scan) -> Vec<String> {
        let subscriptions = scan.subscriptions.values().map(|(_, found)| found);
        let billed: BTreeSet<&str> = subscriptions.map(|s| s.customer.as_str()).collect();
        billed.into_iter().map(str::to_owned).collect()
    }

    /// The open payments of invoices that were found, by invoice.
    async fn open_payments<F>(
        &self,
        session: &Session,
        found: &HashMap<Id, F>,
    ) -> Result<HashMap<String, OpenPayment>, Error> {
        let mut open = HashMap::new();
        let ask = |after: Option<String>| async move {
            Ok((0, session.list_open_payments(after.as_deref()).await?))
        };
        all_pages(ask, |_, payments| {
            let own = payments
                .into_iter()
                .filter(|(invoice, _)| found.contains_key(invoice.as_str()));
            open.extend(own);
            Ok(())
        })
        .await?;
        Ok(open)
    }

    async fn scan_disputes(
        &self,
        session: &Session,
        scan: &Scan,
    ) -> Result<(Paged<Dispute>, Paged<FraudWarning>), Error> {
        // On a clock, times are what the clock says.
        let since = scan.clock.is_none().then(|| Timestamp::now() - LOOK_BACK);
        let reach = match scan.clock {
            None => Reach::Account,
            Some(_) => Reach::Customers(scan.customers.keys().map(ToString::to_string).collect()),
        };
        let is_own =
            |customer: &str| scan.customers.contains_key(customer) || self.knows_customer(customer);
        let mut own: Vec<(u64, Disputed)> = Vec::new();
        let ask = |after: Option<String>| async move {
            let sent = self.tick();
            let list = session.list_disputes(since, after.as_deref());
            Ok((sent, list.await?))
        };
        all_pages(ask, |sent, page| {
            let kept = page.into_iter().filter(|d| is_own(&d.dispute.customer));
            own.extend(kept.map(|d| (sent, d)));
            Ok(())
        })
        .await?;
        let mut disputes = Paged::within(reach.clone());
        for (sent, disputed) in own {
            let dispute = self.with_invoice(session, disputed).await?;
            let id = dispute.id.as_str().into();
            disputes.found.insert(id, (sent, dispute));
        }
        let mut warnings = Paged::within(reach);
        let ask = |after: Option<String>| async move {
            let sent = self.tick();
            let list = session.list_fraud_warnings(since, after.as_deref());
            Ok((sent, list.await?))
        };
        all_pages(ask, |sent, page| {
            let kept = page.into_iter().filter(|w| is_own(w.customer()));
            let kept = kept.map(|w| (w.id.as_str().into(), (sent, w)));
            warnings.found.extend(kept);
            Ok(())
        })
        .await?;
        Ok((disputes, warnings))
    }

    /// Which invoice a dispute is about does not change: it is asked for once.
    async fn with_invoice(&self, session: &Session, disputed: Disputed) -> Result<Dispute, Error> {
        let Disputed {
            mut dispute,
            payment_intent,
        } = disputed;
        dispute.invoice = self.invoice_known_of(&dispute.id);
        if let Some(payment) = payment_intent.filter(|_| dispute.invoice.is_none()) {
            dispute.invoice = session.invoice_of_payment(&payment).await?;
        }
        Ok(dispute)
    }

    fn invoice_known_of(&self, dispute: &str) -> Option<String> {
        let index = self.read();
        Dispute::ledger(&index).get(dispute)?.invoice.clone()
    }
}

fn is_payable(invoice: &Invoice) -> bool {
    invoice.status != InvoiceStatus::Draft && invoice.amount > 0
}

/// A key need not be allowed to read disputes and warnings: the scan has said what is missing for want
/// of it, and an event about one is no reason to ask again and again.
fn unless_forbidden<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class == Class::Forbidden => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks for every page of a list. `ask` gives the number of the request along with the page.
pub(super) async fn all_pages<T, Asked>(
    ask: impl Fn(Option<String>) -> Asked,
    mut keep: impl FnMut(u64, Vec<T>) -> Result<(), Error>,
) -> Result<(), Error>
where
    Asked: Future<Output = Result<(u64, Page<T>), Error>>,
{
    let mut after = None;
    loop {
        let (sent, Page { items, next }) = ask(after).await?;
        keep(sent, items)?;
        if next.is_none() {
            return Ok(());
        }
        after = next;
    }
}
