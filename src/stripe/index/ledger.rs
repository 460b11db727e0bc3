//! Records of customers that come and go, by id and by customer: what is settled leaves no trace but,
//! until the next scan, the time at which it was seen to be settled.

use std::collections::HashMap;

use crate::stripe::fact::{Id, Origin, Times};

/// A fact about a customer.
pub(in crate::stripe) trait Record: PartialEq {
    fn id(&self) -> &str;
    fn customer(&self) -> &str;
    /// When it was made, in Stripe.
    fn created(&self) -> i64;
    /// Whether it is worth remembering.
    fn is_kept(&self) -> bool;
}

/// Records, by id and by customer.
pub(in crate::stripe) struct Ledger<R> {
    records: HashMap<Id, (R, Times)>,
    of: HashMap<Id, Vec<Id>>,
    /// When those that are gone were last heard of: an older page, or an answer that was on its way,
    /// must not bring them back.
    gone: HashMap<Id, Times>,
}

impl<R> Default for Ledger<R> {
    fn default() -> Self {
        Self {
            records: HashMap::new(),
            of: HashMap::new(),
            gone: HashMap::new(),
        }
    }
}

impl<R: Record> Ledger<R> {
    /// The customers that have records.
    pub(super) fn customers(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(AsRef::as_ref)
    }

    pub(in crate::stripe) fn get(&self, id: &str) -> Option<&R> {
        self.records.get(id).map(|(record, _)| record)
    }

    /// The records of a customer.
    pub(in crate::stripe) fn of(&self, customer: &str) -> impl Iterator<Item = &R> {
        let ids = self.of.get(customer).into_iter().flatten();
        ids.filter_map(|id| self.get(id))
    }

    /// The records of these customers, the oldest first.
    pub(super) fn of_all(&self, customers: &[&str]) -> Vec<R>
    where
        R: Clone,
    {
        let all = customers.iter().flat_map(|customer| self.of(customer));
        let mut all: Vec<R> = all.cloned().collect();
        all.sort_by(|a, b| (a.created(), a.id()).cmp(&(b.created(), b.id())));
        all
    }

    /// Puts a record in, or takes it out if it is not worth remembering. Whether that changed
    /// anything.
    pub(super) fn fold(&mut self, record: R, times: Times, origin: Origin) -> bool {
        let id: Id = record.id().into();
        let known = self.records.get(&id).map(|(_, known)| known);
        let known = known.or_else(|| self.gone.get(&id));
        if known.is_some_and(|known| !known.is_superseded_by(times, origin)) {
            return false;
        }
        if !record.is_kept() {
            return self.forget(&id, times);
        }
        self.gone.remove(&id);
        let before = self.take(&id);
        let changed = before.is_none_or(|before| before != record);
        link(&mut self.of, Some(record.customer()), &id);
        self.records.insert(id, (record, times));
        changed
    }

    /// Takes out what is gone. Whether it was there.
    pub(super) fn forget(&mut self, id: &str, times: Times) -> bool {
        self.gone.insert(id.into(), times);
        self.take(id).is_some()
    }

    /// Takes out what a list should have met and did not. `times` are those of the list's first
    /// request. Gives the customers concerned.
    pub(super) fn settle(&mut self, times: Times, is_missed: impl Fn(&R) -> bool) -> Vec<String> {
        let missed: Vec<Id> = self
            .records
            .iter()
            .filter(|(_, (record, known))| known.folded < times.sent && is_missed(record))
            .map(|(id, _)| id.clone())
            .collect();
        let mut customers = Vec::with_capacity(missed.len());
        for id in missed {
            if let Some((record, _)) = self.records.get(&id) {
                customers.push(record.customer().to_owned());
            }
            self.forget(&id, times);
        }
        customers
    }

    /// Forgets what was gone before a scan began: none of its pages can bring that back.
    pub(super) fn sweep(&mut self, scan_began: u64) {
        self.gone.retain(|_, times| times.folded >= scan_began);
    }

    fn take(&mut self, id: &str) -> Option<R> {
        let (record, _) = self.records.remove(id)?;
        unlink(&mut self.of, Some(record.customer()), id);
        Some(record)
    }
}

/// Notes an id under a key, if there is one.
pub(super) fn link(map: &mut HashMap<Id, Vec<Id>>, key: Option<&str>, id: &str) {
    if let Some(key) = key {
        map.entry(key.into())
            .or_insert_with(|| Vec::with_capacity(1))
            .push(id.into());
    }
}

/// Takes an id out from under a key.
pub(super) fn unlink(map: &mut HashMap<Id, Vec<Id>>, key: Option<&str>, id: &str) {
    let Some(key) = key else { return };
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|known| &**known != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Note {
        text: &'static str,
        kept: bool,
    }

    impl Record for Note {
        fn id(&self) -> &'static str {
            "n"
        }

        fn customer(&self) -> &'static str {
            "cus_1"
        }

        fn created(&self) -> i64 {
            0
        }

        fn is_kept(&self) -> bool {
            self.kept
        }
    }

    const OPEN: Note = Note {
        text: "open",
        kept: true,
    };
    const SETTLED: Note = Note {
        text: "settled",
        kept: false,
    };

    fn at(sent: u64, folded: u64) -> Times {
        Times { sent, folded }
    }

    fn texts(ledger: &Ledger<Note>) -> Vec<&'static str> {
        ledger.of("cus_1").map(|note| note.text).collect()
    }

    #[test]
    fn what_was_asked_for_before_it_was_settled_does_not_bring_it_back() {
        let mut ledger = Ledger::default();
        assert!(ledger.fold(OPEN, at(1, 2), Origin::Single));
        assert!(!ledger.fold(OPEN, at(3, 4), Origin::Single), "the same");
        assert!(ledger.fold(SETTLED, at(6, 7), Origin::Single));
        assert!(
            !ledger.fold(OPEN, at(5, 8), Origin::Single),
            "a late answer"
        );
        assert!(!ledger.fold(OPEN, at(6, 8), Origin::Page), "an old page");
        assert_eq!(texts(&ledger), [""; 0]);
        // Asked for after that, it is open again.
        assert!(ledger.fold(OPEN, at(9, 10), Origin::Page));
        assert_eq!(texts(&ledger), ["open"]);
    }

    #[test]
    fn a_list_settles_what_it_does_not_have_but_nothing_that_is_newer_than_it() {
        let mut ledger = Ledger::default();
        ledger.fold(OPEN, at(1, 5), Origin::Single);
        assert_eq!(ledger.settle(at(4, 6), |_| true), [""; 0]);
        assert_eq!(ledger.settle(at(7, 8), |_| false), [""; 0]);
        assert_eq!(ledger.settle(at(7, 8), |_| true), ["cus_1"]);
        assert_eq!(texts(&ledger), [""; 0]);
        assert_eq!(ledger.customers().count(), 0);
    }

    #[test]
    fn what_is_settled_costs_nothing_once_a_later_scan_is_through() {
        let mut ledger = Ledger::default();
        ledger.fold(OPEN, at(1, 2), Origin::Single);
        ledger.fold(SETTLED, at(3, 4), Origin::Single);
        ledger.sweep(4);
        assert_eq!(
            ledger.gone.len(),
            1,
            "a page of this scan may still have it"
        );
        ledger.sweep(5);
        assert!(ledger.gone.is_empty() && ledger.records.is_empty() && ledger.of.is_empty());
    }
}
