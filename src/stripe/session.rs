//! Sending requests within one account: budget, retries, and reading the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use miniserde::Deserialize;
use stripe_client_core::{CustomizedStripeRequest, RequestBuilder, StripeClient, StripeMethod};

use super::budget::{Budget, Priority};
use super::client::{Secret, Shared};
use super::error::{Class, Error};
use super::idempotency::IdempotencyKey;
use super::transport::{Failure, RawAnswer};
use crate::converge::observed::Account;

/// Repetitions of a failed attempt. More than these are the caller's: it has a backoff per tenant.
const RETRIES: u32 = 2;
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
/// A `Retry-After` beyond this is not waited out here; the caller's backoff is.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The pause of the whole budget when Stripe asks for fewer requests and says not how long.
const PAUSE: Duration = Duration::from_secs(1);

/// One key, one account, one priority. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    key: Secret,
    account: Account,
    budget: Arc<Budget>,
    priority: Priority,
}

/// An answer, and what its headers say.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// `req_…`
    pub request_id: Option<Box<str>>,
    /// It is the answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("account", &self.account)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: Secret,
        account: Account,
        budget: Arc<Budget>,
        priority: Priority,
    ) -> Self {
        Self {
            shared,
            key,
            account,
            budget,
            priority,
        }
    }

    /// The account that is acted on.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// This session for work nobody waits for.
    #[must_use]
    pub fn bulk(&self) -> Self {
        Self {
            priority: Priority::Bulk,
            ..self.clone()
        }
    }

    /// This session for work somebody waits for.
    #[must_use]
    pub fn interactive(&self) -> Self {
        Self {
            priority: Priority::Interactive,
            ..self.clone()
        }
    }

    /// Sends a request and reads its answer. A POST is repeated only under an idempotency key.
    pub async fn send<T: Deserialize>(
        &self,
        request: &RequestBuilder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Answer<T>, Error> {
        let answer = self.send_raw(request, key, self.shared.timeout).await?;
        let value = std::str::from_utf8(&answer.body)
            .ok()
            .and_then(|text| miniserde::json::from_str(text).ok());
        match value {
            Some(value) => Ok(Answer {
                value,
                request_id: answer.request_id,
                replayed: answer.replayed,
            }),
            None => Err(self.unreadable(request, &answer)),
        }
    }

    /// Sends a request, repeating it while that is safe and promising.
    async fn send_raw(
        &self,
        request: &RequestBuilder,
        key: Option<&IdempotencyKey>,
        timeout: Duration,
    ) -> Result<RawAnswer, Error> {
        let transport = &self.shared.transport;
        let stats = &self.shared.stats;
        // Reading and deleting twice is the same as once.
        let repeatable = !matches!(request.method, StripeMethod::Post) || key.is_some();
        let mut unknown = false;
        let mut attempt = 0;
        loop {
            self.budget.acquire(self.priority).await;
            let outcome = transport
                .exchange(request, self.key.expose(), key, timeout, attempt)
                .await;
            let mut failure = match outcome {
                Ok(answer) => {
                    stats.count_success();
                    if answer.replayed {
                        stats.count_replay();
                    }
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            failure.error = failure.error.after(unknown);
            // What answers our own repetition is about our own attempt a moment ago. Only as the
            // first answer is it that of an earlier time: it stays the same however often one asks,
            // and another key is the cure.
            failure.error.replayed &= attempt == 0;
            unknown = failure.error.outcome_unknown();
            self.note(&failure);
            let promising = repeatable && !failure.error.replayed;
            let wait = promising.then(|| failure.wait(attempt)).flatten();
            let Some(wait) = wait else {
                return Err(failure.error);
            };
            tokio::time::sleep(wait).await;
            stats.count_retry();
            attempt += 1;
        }
    }

    /// What a failure means for all other requests.
    fn note(&self, failure: &Failure) {
        let error = &failure.error;
        self.shared.stats.count_failure(error.class);
        match error.class {
            Class::Unauthorized => self.shared.refused(&self.key),
            // Contention for one object is no reason to slow down everything else.
            Class::RateLimited if error.code.as_deref() != Some("lock_timeout") => {
                let pause = failure.retry_after.unwrap_or(PAUSE).min(LONGEST_WAIT);
                self.budget.pause(pause);
            }
            _ => {}
        }
    }

    /// The error for an answer of 2xx that is not what it should be.
    fn unreadable(&self, request: &RequestBuilder, answer: &RawAnswer) -> Error {
        self.shared.stats.count_failure(Class::Unreadable);
        let culprit = std::str::from_utf8(&answer.body)
            .ok()
            .and_then(super::views::name_of_unreadable);
        let what = culprit.map_or_else(
            || format!("the answer to {}", request.path),
            |id| format!("{id} in the answer to {}", request.path),
        );
        let mut error = Error::new(
            Class::Unreadable,
            format!("{what} is not what the API version promises"),
        );
        error.status = Some(answer.status);
        error.request_id.clone_from(&answer.request_id);
        error.replayed = answer.replayed;
        error
    }
}

impl StripeClient for Session {
    type Err = Error;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, Error> {
        let (request, overrides) = request.into_pieces();
        if overrides.account_id.is_some() {
            let message = "a session acts on its own account only";
            return Err(Error::new(Class::Invalid, message));
        }
        let key = overrides
            .request_strategy
            .and_then(|strategy| strategy.get_key())
            .map(IdempotencyKey::from);
        let timeout = overrides.timeout.unwrap_or(self.shared.timeout);
        let answer = self.send_raw(&request, key.as_ref(), timeout).await?;
        Ok(answer.body)
    }
}

impl Failure {
    /// How long to wait before the next attempt; `None` when there is to be none.
    fn wait(&self, attempt: u32) -> Option<Duration> {
        let promising = matches!(
            self.error.class,
            Class::Network | Class::RateLimited | Class::Server | Class::Conflict
        );
        // A foreign 4xx page is no verdict of Stripe's, but repeating it at once helps nobody.
        if attempt >= RETRIES || !self.should_retry.unwrap_or(promising) {
            return None;
        }
        if self.retry_after.is_some_and(|wait| wait > LONGEST_WAIT) {
            return None;
        }
        let backoff = FIRST_BACKOFF * 2_u32.pow(attempt);
        // Between once and twice the backoff: those who failed together come back apart.
        let jittered = backoff.mul_f64(1.0 + fastrand::f64());
        Some(jittered.max(self.retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, should_retry: Option<bool>, retry_after: Option<u64>) -> Failure {
        Failure {
            error: Error::from_answer(status, br#"{"error":{}}"#, None, false),
            should_retry,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn only_promising_failures_are_repeated_and_at_most_twice() {
        for status in [409, 429, 500, 503] {
            assert!(failure(status, None, None).wait(0).is_some(), "{status}");
            assert!(failure(status, None, None).wait(1).is_some(), "{status}");
            assert_eq!(failure(status, None, None).wait(2), None, "{status}");
        }
        for status in [400, 401, 402, 403, 404] {
            assert_eq!(failure(status, None, None).wait(0), None, "{status}");
        }
        let timeout = Failure::from(Error::new(Class::Timeout, ""));
        assert_eq!(timeout.wait(0), None);
    }

    #[test]
    fn stripes_word_on_retrying_counts_more_than_the_status() {
        assert_eq!(failure(500, Some(false), None).wait(0), None);
        assert!(failure(400, Some(true), None).wait(0).is_some());
    }

    #[test]
    fn retry_after_is_the_least_wait_and_a_long_one_is_left_to_the_caller() {
        assert_eq!(
            failure(429, None, Some(3)).wait(0),
            Some(Duration::from_secs(3))
        );
        assert_eq!(failure(429, None, Some(60)).wait(0), None);
    }

    #[test]
    fn the_backoff_doubles_and_is_spread() {
        for (attempt, least) in [(0, 200), (1, 400)] {
            let wait = failure(500, None, None).wait(attempt).unwrap();
            assert!(
                wait >= Duration::from_millis(least) && wait <= Duration::from_millis(2 * least)
            );
        }
    }
}
