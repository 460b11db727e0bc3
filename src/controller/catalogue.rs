//! The plans as they were last resolved against Stripe.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::converge::conditions::Outcome;
use crate::converge::desired::ResolvedPlan;
use crate::converge::observed::Account;

/// What a look at a plan came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Generation of the manifest that was looked at.
    pub(super) generation: i64,
    /// The Stripe account and mode it was resolved in.
    pub(super) account: Option<Account>,
    /// The plan, or why it cannot be sold.
    pub(super) plan: Result<ResolvedPlan, Outcome>,
}

/// The plans as they were last resolved against Stripe, by name.
#[derive(Default)]
pub(super) struct Catalogue(RwLock<HashMap<String, Entry>>);

impl Catalogue {
    /// Records a look at a plan; says whether its tenants have to know.
    pub(super) fn record(&self, name: &str, entry: Entry) -> bool {
        let mut plans = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let news = plans.get(name) != Some(&entry);
        plans.insert(name.to_owned(), entry);
        news
    }

    /// The last look at a plan.
    pub(super) fn get(&self, name: &str) -> Option<Entry> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }
}
