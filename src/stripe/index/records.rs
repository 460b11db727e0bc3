//! Invoices, disputes and fraud warnings in the mirror's memory: those of known customers, as long as
//! they matter.

use std::collections::HashSet;

use super::ledger::{Ledger, Record};
use super::{Index, Scan, Tenants, Times};
use crate::converge::observed::{
    Dispute, Disputes, FraudWarning, Invoice, InvoiceStatus, Observed,
};
use crate::stripe::fact::{Origin, Paged, Reach};

impl Record for Invoice {
    fn id(&self) -> &str {
        &self.id
    }

    fn customer(&self) -> &str {
        &self.customer
    }

    fn created(&self) -> i64 {
        self.created.as_second()
    }

    fn is_kept(&self) -> bool {
        InvoiceStatus::UNSETTLED.contains(&self.status)
    }
}

/// A closed dispute is kept: that it was lost is worth knowing for a while. Scans end it.
impl Record for Dispute {
    fn id(&self) -> &str {
        &self.id
    }

    fn customer(&self) -> &str {
        &self.customer
    }

    fn created(&self) -> i64 {
        self.created.as_second()
    }

    fn is_kept(&self) -> bool {
        true
    }
}

impl Record for FraudWarning {
    fn id(&self) -> &str {
        &self.id
    }

    fn customer(&self) -> &str {
        &self.customer
    }

    fn created(&self) -> i64 {
        self.created.as_second()
    }

    fn is_kept(&self) -> bool {
        self.actionable
    }
}

/// The records of an index.
#[derive(Default)]
pub(super) struct Records {
    invoices: Ledger<Invoice>,
    disputes: Ledger<Dispute>,
    warnings: Ledger<FraudWarning>,
    /// The account's disputes could be read.
    disputes_read: bool,
}

/// A kind of record, and where the index keeps it.
pub(in crate::stripe) trait Indexed: Record + Sized {
    fn ledger(index: &Index) -> &Ledger<Self>;
    fn ledger_mut(index: &mut Index) -> &mut Ledger<Self>;
}

impl Indexed for Invoice {
    fn ledger(index: &Index) -> &Ledger<Self> {
        &index.records.invoices
    }

    fn ledger_mut(index: &mut Index) -> &mut Ledger<Self> {
        &mut index.records.invoices
    }
}

impl Indexed for Dispute {
    fn ledger(index: &Index) -> &Ledger<Self> {
        &index.records.disputes
    }

    fn ledger_mut(index: &mut Index) -> &mut Ledger<Self> {
        &mut index.records.disputes
    }
}

impl Indexed for FraudWarning {
    fn ledger(index: &Index) -> &Ledger<Self> {
        &index.records.warnings
    }

    fn ledger_mut(index: &mut Index) -> &mut Ledger<Self> {
        &mut index.records.warnings
    }
}

impl Index {
    /// Puts a record in that was read or changed by itself, unless it concerns nobody here.
    pub(in crate::stripe) fn fold_record<R: Indexed>(
        &mut self,
        record: R,
        times: Times,
    ) -> Tenants {
        if !self.knows_customer(record.customer()) {
            return Tenants::new();
        }
        let concerned = self.tenants_of_customer(record.customer());
        R::ledger_mut(self).fold(record, times, Origin::Single);
        concerned
    }

    /// Takes out a record that Stripe does not know any more.
    pub(in crate::stripe) fn forget_record<R: Indexed>(
        &mut self,
        id: &str,
        times: Times,
    ) -> Tenants {
        let customer = R::ledger(self).get(id).map(|r| r.customer().to_owned());
        R::ledger_mut(self).forget(id, times);
        customer.map_or_else(Tenants::new, |customer| self.tenants_of_customer(&customer))
    }

    /// Takes out what a complete list of a customer's unsettled invoices does not have.
    pub(in crate::stripe) fn settle_invoices_of(
        &mut self,
        customer: &str,
        listed: &[String],
        times: Times,
    ) -> Tenants {
        let is_missed =
            |invoice: &Invoice| invoice.customer == customer && !listed.contains(&invoice.id);
        let settled = self.records.invoices.settle(times, is_missed);
        let settled = settled.iter().map(|of| self.tenants_of_customer(of));
        settled.flatten().collect()
    }

    pub(super) fn observe_records(&self, customers: &[&str], observed: &mut Observed) {
        observed.invoices = self.records.invoices.of_all(customers);
        observed.disputes = self.records.disputes_read.then(|| Disputes {
            disputes: self.records.disputes.of_all(customers),
            warnings: self.records.warnings.of_all(customers),
        });
    }

    /// Puts in what a scan found, and takes out what it should have met and did not.
    pub(super) fn apply_records(&mut self, scan: &mut Scan, folded: u64, concerned: &mut Tenants) {
        let began = scan.started;
        let invoices = std::mem::take(&mut scan.invoices);
        self.apply_paged(invoices, (began, folded), concerned);
        if let Some((disputes, warnings)) = scan.disputes.take() {
            self.records.disputes_read = true;
            self.apply_paged(disputes, (began, folded), concerned);
            self.apply_paged(warnings, (began, folded), concerned);
        }
    }

    fn apply_paged<R: Indexed>(
        &mut self,
        paged: Paged<R>,
        (began, folded): (u64, u64),
        concerned: &mut Tenants,
    ) {
        let times = Times {
            sent: began,
            folded,
        };
        let reached: HashSet<String> = {
            let all = R::ledger(self).customers();
            let reached = all.filter(|customer| self.reaches(&paged.reach, customer));
            reached.map(str::to_owned).collect()
        };
        let is_missed = |record: &R| {
            !paged.found.contains_key(record.id()) && reached.contains(record.customer())
        };
        for customer in R::ledger_mut(self).settle(times, is_missed) {
            concerned.extend(self.tenants_of_customer(&customer));
        }
        for (sent, record) in paged.found.into_values() {
            if !self.knows_customer(record.customer()) {
                continue;
            }
            let times = Times { sent, folded };
            let tenants = self.tenants_of_customer(record.customer());
            if R::ledger_mut(self).fold(record, times, Origin::Page) {
                concerned.extend(tenants);
            }
        }
        R::ledger_mut(self).sweep(began);
    }

    /// Whether a list would have had the records of a customer.
    fn reaches(&self, reach: &Reach, customer: &str) -> bool {
        match reach {
            Reach::Account => self.clock_of(customer).is_none(),
            Reach::Customers(listed) => listed.contains(customer),
        }
    }
}
