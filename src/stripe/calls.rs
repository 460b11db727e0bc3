//! The calls the operator makes, answered in facts.

mod catalogue;
mod events;
mod notices;
mod records;

use jiff::Timestamp;
use miniserde::Deserialize;
use stripe_billing::subscription::{
    ListSubscription, ListSubscriptionStatus, RetrieveSubscription,
};
use stripe_billing::subscription_item::ListSubscriptionItem;
use stripe_billing::test_helpers_test_clock::RetrieveTestHelpersTestClock;
use stripe_checkout::checkout_session::RetrieveCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::customer::{ListCustomer, ListPaymentMethodsCustomer, RetrieveCustomer};
use stripe_types::RangeQueryTs;

pub use self::catalogue::ChangedCatalogue;
pub use self::notices::Carried;
pub(super) use self::records::Disputed;
use super::error::{Class, Error};
use super::idempotency::key_for_step;
use super::requests::{CUSTOMER_EXPAND, EXPAND, build, checked, for_step, preview};
use super::session::{Answer, Session};
use super::views::{
    CheckoutSessionView, CustomerView, InvoiceView, ItemView, ListView, PaymentMethodView,
    PreviewView, ScheduleView, SetupSession, SubscriptionView, TestClock, TestClockView,
};
use crate::converge::observed::{Found, Subscription, TenantKey};
use crate::converge::plan::Attached;
use crate::converge::quote::{Quote, QuoteRequest};
use crate::converge::steps::{CollectionStep, Step};

/// The most that Stripe puts on a page.
const PAGE: i64 = 100;

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to pass as `after` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// The object a step made or changed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// A customer.
    Customer(Box<Found>),
    /// A subscription.
    Subscription(Box<Subscription>),
    /// The schedule of the subscription with this id, which has to be read again.
    ScheduleOf(String),
    /// A page on which the customer can leave a payment method.
    Setup(SetupSession),
    /// The invoice with this id, which has to be read again.
    Invoice(String),
    /// The invoice with this id was paid: it has to be read again, and so has its subscription.
    Paid(String),
}

impl Session {
    /// Carries out a step of a tenant's plan, under its idempotency key. `customer` is whom to
    /// subscribe when the step doesn't say.
    pub async fn run_step(
        &self,
        step: &Step,
        tenant: &TenantKey,
        customer: Option<&str>,
        attempt: u32,
    ) -> Result<Answer<Changed>, Error> {
        let request = for_step(step, tenant, customer)?;
        let key = key_for_step(step, &request, tenant, attempt);
        match step {
            Step::CreateCustomer { .. }
            | Step::UpdateCustomer { .. }
            | Step::SetDefaultPaymentMethod { .. } => self
                .send::<CustomerView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(Changed::Customer(Box::new(view.into())))),
            Step::CreateSetupSession { .. } => self
                .send::<CheckoutSessionView>(&request, Some(&key))
                .await?
                .try_map(|view| Ok(Changed::Setup(view.try_into()?))),
            Step::Collection(
                CollectionStep::HoldInvoice { invoice, .. }
                | CollectionStep::ReleaseInvoice { invoice, .. },
            ) => self
                .send::<InvoiceView>(&request, Some(&key))
                .await?
                .try_map(|_| Ok(Changed::Invoice(invoice.clone()))),
            Step::PayInvoice { invoice, .. } => self
                .send::<InvoiceView>(&request, Some(&key))
                .await?
                .try_map(|_| Ok(Changed::Paid(invoice.clone()))),
            Step::CancelNow { subscription } => self.cancel(&request, subscription).await,
            Step::CreateSchedule { subscription, .. }
            | Step::ScheduleChange { subscription, .. }
            | Step::ReleaseSchedule { subscription, .. } => self
                .send::<ScheduleView>(&request, Some(&key))
                .await?
                .try_map(|_| Ok(Changed::ScheduleOf(subscription.clone()))),
            _ => {
                let answer = self.send::<SubscriptionView>(&request, Some(&key)).await?;
                self.whole(answer).await
            }
        }
    }

    /// DELETE takes no idempotency key. When its answer is lost, the repetition meets a subscription
    /// that Stripe will not cancel again; that it has ended is what was wanted.
    async fn cancel(&self, request: &RequestBuilder, id: &str) -> Result<Answer<Changed>, Error> {
        let error = match self.send::<SubscriptionView>(request, None).await {
            Ok(answer) => return self.whole(answer).await,
            Err(error) if error.is_missing() => error,
            Err(error) => return Err(error),
        };
        match self.subscription(id).await? {
            Some(subscription) if !subscription.status.is_live() => Ok(Answer {
                value: Changed::Subscription(Box::new(subscription)),
                request_id: error.request_id,
                replayed: false,
            }),
            _ => Err(error),
        }
    }

    /// What a change would charge.
    pub async fn quote(&self, request: &QuoteRequest, now: Timestamp) -> Result<Quote, Error> {
        let answer = self.send::<PreviewView>(&preview(request)?, None).await?;
        let (amount, charged) = answer.value.charge(request)?;
        Ok(Quote {
            charged,
            ..request.answered(amount, now)
        })
    }

    /// A Checkout Session in setup mode; `None` when Stripe does not know the id.
    pub async fn setup_session(&self, id: &str) -> Result<Option<SetupSession>, Error> {
        let request = RetrieveCheckoutSession::new(checked(id)?);
        let view = self.find::<CheckoutSessionView>(&request).await?;
        view.map(TryInto::try_into).transpose()
    }

    /// The payment method a customer left last, be it the default or not.
    pub async fn latest_payment_method(&self, customer: &str) -> Result<Attached, Error> {
        let request = ListPaymentMethodsCustomer::new(checked(customer)?).limit(1);
        // Lists have their newest first.
        let page = self.list::<PaymentMethodView>(&request).await?;
        let latest = page.data.into_iter().next();
        Ok(latest.map_or(Attached::Nothing, |view| Attached::Latest(view.id)))
    }

    /// A page of all customers, or of those on a test clock. Stripe lists no deleted ones.
    pub async fn list_customers(
        &self,
        after: Option<&str>,
        test_clock: Option<&str>,
    ) -> Result<Page<Found>, Error> {
        self.customers_page(ListCustomer::new(), after, test_clock)
            .await
    }

    /// All customers made at or after a time.
    pub async fn customers_created_since(
        &self,
        since: Timestamp,
        test_clock: Option<&str>,
    ) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let list = ListCustomer::new().created(RangeQueryTs::gte(since.as_second()));
            let page = self
                .customers_page(list, after.as_deref(), test_clock)
                .await?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// A page of all subscriptions, live or ended, or of those on a test clock.
    pub async fn list_subscriptions(
        &self,
        after: Option<&str>,
        test_clock: Option<&str>,
    ) -> Result<Page<Subscription>, Error> {
        let mut list = ListSubscription::new();
        if let Some(clock) = test_clock {
            list = list.test_clock(clock);
        }
        self.subscriptions_page(list, after).await
    }

    /// Every subscription of a customer, live or ended.
    pub async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let list = ListSubscription::new().customer(customer);
            let page = self.subscriptions_page(list, after.as_deref()).await?;
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// A customer; `None` when Stripe has never heard of the id, or has forgotten it with its
    /// test clock.
    pub async fn customer(&self, id: &str) -> Result<Option<Found>, Error> {
        let request = RetrieveCustomer::new(checked(id)?).expand([CUSTOMER_EXPAND.to_owned()]);
        let view = self.find::<CustomerView>(&request).await?;
        Ok(view.map(Found::from))
    }

    /// A subscription; `None` when Stripe does not know the id.
    pub async fn subscription(&self, id: &str) -> Result<Option<Subscription>, Error> {
        let request = RetrieveSubscription::new(checked(id)?).expand([EXPAND.to_owned()]);
        match self.find::<SubscriptionView>(&request).await? {
            Some(view) => Ok(Some(self.with_all_items(view).await?)),
            None => Ok(None),
        }
    }

    /// A subscription with all its items: what it comes with is only a first page of them.
    async fn with_all_items(&self, view: SubscriptionView) -> Result<Subscription, Error> {
        let mut unfinished = view.unfinished();
        let mut subscription: Subscription = view.try_into()?;
        while let Some((id, last)) = unfinished {
            let list = ListSubscriptionItem::new(&id)
                .limit(PAGE)
                .starting_after(&last);
            let page = self.list::<ItemView>(&list).await?;
            unfinished = page
                .data
                .last()
                .filter(|_| page.has_more == Some(true))
                .map(|last| (id, last.id().to_owned()));
            for item in page.data {
                subscription.items.push(item.try_into()?);
            }
        }
        Ok(subscription)
    }

    async fn whole(&self, answer: Answer<SubscriptionView>) -> Result<Answer<Changed>, Error> {
        let subscription = self.with_all_items(answer.value).await?;
        Ok(Answer {
            value: Changed::Subscription(Box::new(subscription)),
            request_id: answer.request_id,
            replayed: answer.replayed,
        })
    }

    /// A test clock; `None` when it does not exist any more.
    pub async fn test_clock(&self, id: &str) -> Result<Option<TestClock>, Error> {
        let request = RetrieveTestHelpersTestClock::new(checked(id)?);
        let view = self.find::<TestClockView>(&request).await?;
        view.map(TryInto::try_into).transpose()
    }

    async fn customers_page(
        &self,
        list: ListCustomer,
        after: Option<&str>,
        test_clock: Option<&str>,
    ) -> Result<Page<Found>, Error> {
        let mut list = list.limit(PAGE).expand([format!("data.{CUSTOMER_EXPAND}")]);
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        if let Some(clock) = test_clock {
            list = list.test_clock(clock);
        }
        let page = self.list::<CustomerView>(&list).await?;
        page_of(page, |view| Ok(view.into()), found_id)
    }

    async fn subscriptions_page(
        &self,
        list: ListSubscription,
        after: Option<&str>,
    ) -> Result<Page<Subscription>, Error> {
        let mut list = list
            .status(ListSubscriptionStatus::All)
            .limit(PAGE)
            .expand([format!("data.{EXPAND}")]);
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.list::<SubscriptionView>(&list).await?;
        let mut items = Vec::with_capacity(page.data.len());
        for view in page.data {
            items.push(self.with_all_items(view).await?);
        }
        let next = items
            .last()
            .filter(|_| page.has_more == Some(true))
            .map(|last| last.id.clone());
        Ok(Page { items, next })
    }

    async fn list<T: Deserialize>(
        &self,
        request: &impl StripeRequest,
    ) -> Result<ListView<T>, Error> {
        let answer = self.send::<ListView<T>>(&build(request), None).await?;
        Ok(answer.value)
    }

    async fn find<T: Deserialize>(&self, request: &impl StripeRequest) -> Result<Option<T>, Error> {
        match self.send::<T>(&build(request), None).await {
            Ok(answer) => Ok(Some(answer.value)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<T> Answer<T> {
    fn try_map<U>(self, map: impl FnOnce(T) -> Result<U, Error>) -> Result<Answer<U>, Error> {
        Ok(Answer {
            value: map(self.value)?,
            request_id: self.request_id,
            replayed: self.replayed,
        })
    }
}

fn found_id(found: &Found) -> &str {
    match found {
        Found::Present(customer) => &customer.id,
        Found::Deleted(id) => id,
    }
}

fn page_of<V, T>(
    page: ListView<V>,
    read: impl Fn(V) -> Result<T, Error>,
    id: impl Fn(&T) -> &str,
) -> Result<Page<T>, Error> {
    let items: Vec<T> = page.data.into_iter().map(read).collect::<Result<_, _>>()?;
    let next = items
        .last()
        .filter(|_| page.has_more == Some(true))
        .map(|last| id(last).to_owned());
    Ok(Page { items, next })
}
