//! Reading again what concerns a tenant: before a change, after an event, when something is missing.

use jiff::Timestamp;

use super::Mirror;
use crate::converge::observed::{Found, TenantKey};
use crate::stripe::calls::Changed;
use crate::stripe::error::Error;
use crate::stripe::fact::{Origin, Tenants, id_of, key_of};
use crate::stripe::session::Session;

impl Mirror {
    /// Reads what concerns a tenant again, by id. A recorded customer that Stripe does not know
    /// counts as deleted.
    pub async fn refresh_tenant(
        &self,
        session: &Session,
        key: &TenantKey,
        recorded: Option<&str>,
    ) -> Result<(), Error> {
        let customers: Vec<String> = {
            let index = self.read();
            let ids = index.customer_ids(&key.tenant, recorded);
            ids.into_iter().map(str::to_owned).collect()
        };
        for customer in &customers {
            let pin = (recorded == Some(customer)).then_some(key.tenant.as_str());
            self.refresh_customer(session, customer, pin).await?;
        }
        // Subscriptions that name the tenant, but belong to nobody's customer.
        let strays: Vec<String> = {
            let index = self.read();
            let known: Vec<&str> = customers.iter().map(String::as_str).collect();
            let all = index.subscription_ids(&key.tenant, &known);
            let listed = index.subscription_ids("", &known);
            all.difference(&listed).map(ToString::to_string).collect()
        };
        for id in &strays {
            self.refresh_subscription(session, id).await?;
        }
        Ok(())
    }

    /// Looks for customers of a tenant made at or after a time, by the clock of the object: for a
    /// creation whose outcome is unknown. Gives the first one found.
    pub async fn discover_customer(
        &self,
        session: &Session,
        key: &TenantKey,
        since: Timestamp,
        test_clock: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let stamp = self.stamp(session);
        let found = session.customers_created_since(since, test_clock).await?;
        let mut discovered = None;
        for customer in found {
            let is_wanted =
                matches!(&customer, Found::Present(present) if present.key.as_ref() == Some(key));
            if is_wanted {
                let id = id_of(&customer).to_owned();
                self.refresh_customer(session, &id, Some(&key.tenant))
                    .await?;
                discovered.get_or_insert(id);
            } else {
                self.fold_customer(customer, &stamp);
            }
        }
        Ok(discovered)
    }

    /// Reads again what an answer names that is not to be believed itself, because Stripe had stored
    /// it: what it tells of may have been deleted since.
    pub async fn refresh(&self, session: &Session, named: &Changed) -> Result<(), Error> {
        match named {
            Changed::Customer(found) => {
                let key = key_of(found).map(|key| key.tenant.as_str());
                self.refresh_customer(session, id_of(found), key).await?;
            }
            Changed::Subscription(subscription) => {
                self.refresh_subscription(session, &subscription.id).await?;
            }
            Changed::ScheduleOf(subscription) => {
                self.refresh_subscription(session, subscription).await?;
            }
            Changed::Invoice(id) | Changed::Paid(id) => {
                self.refresh_invoice(session, id).await?;
            }
            // A page is no fact about a tenant; the status holds it.
            Changed::Setup(_) => {}
        }
        Ok(())
    }

    /// Reads a customer, all its subscriptions and its unsettled invoices again. `pin` is the tenant
    /// whose status records it. Gives the tenants concerned.
    pub(in crate::stripe) async fn refresh_customer(
        &self,
        session: &Session,
        id: &str,
        pin: Option<&str>,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        let (found, subscriptions, invoices) = tokio::join!(
            session.customer(id),
            session.subscriptions_of(id),
            session.unsettled_invoices_of(id)
        );
        let found = found?.unwrap_or_else(|| Found::Deleted(id.to_owned()));
        let is_deleted = matches!(found, Found::Deleted(_));
        let mut tenants: Tenants = self
            .fold(&stamp, |index, times| {
                index
                    .fold_customer(found, times, Origin::Single, pin)
                    .tenants
            })
            .into_iter()
            .collect();
        match subscriptions {
            Ok(subscriptions) => {
                for subscription in subscriptions {
                    tenants.extend(self.fold_subscription(subscription, &stamp));
                }
            }
            // Whether Stripe lists what a deleted customer had is not documented.
            Err(error) if is_deleted && error.is_missing() => {
                for id in self.subscriptions_known_of(id) {
                    tenants.extend(self.refresh_subscription(session, &id).await?);
                }
            }
            Err(error) => return Err(error),
        }
        match invoices {
            Ok(invoices) => tenants.extend(self.fold_invoices_of(id, invoices, &stamp)),
            // Nobody owes what a deleted customer was billed.
            Err(error) if is_deleted && error.is_missing() => {
                tenants.extend(self.fold_invoices_of(id, Vec::new(), &stamp));
            }
            Err(error) => return Err(error),
        }
        if self.is_of(&stamp.account) {
            self.write().mark_listed(id);
        }
        Ok(tenants.into_iter().collect())
    }

    /// Reads a subscription again. Gives the tenants concerned.
    pub(in crate::stripe) async fn refresh_subscription(
        &self,
        session: &Session,
        id: &str,
    ) -> Result<Vec<TenantKey>, Error> {
        let stamp = self.stamp(session);
        Ok(match session.subscription(id).await? {
            Some(subscription) => self.fold_subscription(subscription, &stamp),
            None => self.forget(id, &stamp),
        })
    }

    fn subscriptions_known_of(&self, customer: &str) -> Vec<String> {
        let index = self.read();
        let ids = index.subscription_ids("", &[customer]);
        ids.into_iter().map(str::to_owned).collect()
    }
}
