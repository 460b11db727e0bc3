//! The key, the account it belongs to, and the sessions that use both.
//!
//! A [`Session`] is fixed to one key and one account. Work that spans several requests takes one
//! session and can rely on it: a key that is rotated meanwhile never moves half of a plan to
//! another account.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::DefaultClock;
use stripe_client_core::StripeRequest as _;
use stripe_connect::account::RetrieveForMyAccountAccount;

use super::budget::{Budget, Priority};
use super::error::{Class, Error};
use super::session::Session;
use super::stats::Stats;
use super::transport::Transport;
use crate::converge::observed::Account;

/// How often a key file is looked at.
const KEY_FILE_INTERVAL: Duration = Duration::from_secs(5);

/// How long a failure to open a session is handed to those who wait for the same, instead of
/// having each of them run into its own timeout, one after the other.
const FAILURE_MEMORY: Duration = Duration::from_secs(2);

/// Requests per second when nothing is configured. Stripe allows 100 in live mode and 25 in test
/// mode; with the burst of a quarter these stay below, and leave others who use the account some.
const LIVE_RATE: u32 = 80;
const TEST_RATE: u32 = 20;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where the key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file, as a mounted Secret; replacing its content takes effect without a restart.
    File(PathBuf),
    /// The key itself.
    Value(Secret),
}

/// How to reach Stripe.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.stripe.com`, or a sandbox.
    pub api_base: String,
    /// The key.
    pub key: KeySource,
    /// The budget of an account; by default 80 with a live key and 20 with a test key.
    pub max_requests_per_second: Option<u32>,
    /// How long one attempt at a request may take.
    pub timeout: Duration,
}

impl Config {
    /// The usual configuration.
    pub fn new(api_base: impl Into<String>, key: KeySource) -> Self {
        Self {
            api_base: api_base.into(),
            key,
            max_requests_per_second: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Stripe. Cheap to clone; clones share connections, key and budgets.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) timeout: Duration,
    pub(super) stats: Stats,
    key: KeySource,
    max_requests_per_second: Option<u32>,
    budgets: Mutex<HashMap<Arc<str>, Arc<Budget>>>,
    /// The last key that Stripe refused.
    refused: Mutex<Option<Secret>>,
    opened: tokio::sync::Mutex<Opened>,
}

/// What is known about the current key.
#[derive(Default)]
struct Opened {
    key: Option<(Secret, Instant)>,
    account: Option<Account>,
    failure: Option<(Error, Instant)>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self {
            shared: Arc::new(Shared {
                transport: Transport::new(&config.api_base)?,
                timeout: config.timeout,
                stats: Stats::default(),
                key: config.key,
                max_requests_per_second: config.max_requests_per_second,
                budgets: Mutex::default(),
                refused: Mutex::default(),
                opened: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// What was sent so far, in numbers.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// A session with the current key. Costs a request only when the key is new or was refused.
    pub async fn session(&self) -> Result<Session, Error> {
        let mut opened = self.shared.opened.lock().await;
        let key = self.current_key(&mut opened).await?;
        if let Some(account) = &opened.account {
            return Ok(self.open(key, account.clone()));
        }
        if let Some((failure, at)) = &opened.failure
            && at.elapsed() < FAILURE_MEMORY
        {
            return Err(failure.clone());
        }
        match self.account_of(&key).await {
            Ok(account) => {
                opened.failure = None;
                opened.account = Some(account.clone());
                Ok(self.open(key, account))
            }
            Err(error) => {
                opened.failure = Some((error.clone(), Instant::now()));
                Err(error)
            }
        }
    }

    /// The key as it is now. Another one than before forgets what was known about that.
    async fn current_key(&self, opened: &mut Opened) -> Result<Secret, Error> {
        let refused = self.shared.take_refused();
        if let Some((key, read_at)) = &opened.key {
            if refused.as_ref() == Some(key) {
                opened.account = None;
            }
            // Without an account the key may have been refused: its successor is wanted at once.
            if opened.account.is_some() && read_at.elapsed() < KEY_FILE_INTERVAL {
                return Ok(key.clone());
            }
        }
        let key = self.read_key().await?;
        self.check_key(&key)?;
        if opened.key.as_ref().map(|(before, _)| before) != Some(&key) {
            *opened = Opened::default();
        }
        opened.key = Some((key.clone(), Instant::now()));
        Ok(key)
    }

    async fn read_key(&self) -> Result<Secret, Error> {
        match &self.shared.key {
            KeySource::Value(key) => Ok(key.clone()),
            KeySource::File(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                    let message = format!("the key file {}: {error}", path.display());
                    Error::new(Class::Unauthorized, message)
                })?;
                Ok(Secret::new(text.trim()))
            }
        }
    }

    fn check_key(&self, key: &Secret) -> Result<(), Error> {
        let problem = match mode(key) {
            None => {
                "the configured key is not a secret (sk_…) or restricted (rk_…) key of Stripe's"
            }
            Some(true) if self.shared.transport.is_exposed() => {
                "a live key is not sent over plain HTTP to another machine"
            }
            Some(_) => return Ok(()),
        };
        Err(Error::new(Class::Unauthorized, problem))
    }

    async fn account_of(&self, key: &Secret) -> Result<Account, Error> {
        #[derive(miniserde::Deserialize)]
        struct AccountView {
            id: String,
        }
        let livemode = mode(key) == Some(true);
        let unknown = Account {
            id: "".into(),
            livemode,
        };
        let request = RetrieveForMyAccountAccount::new().build();
        let answer = self
            .open(key.clone(), unknown)
            .send::<AccountView>(&request, None)
            .await?;
        Ok(Account {
            id: answer.value.id.into(),
            livemode,
        })
    }

    fn open(&self, key: Secret, account: Account) -> Session {
        let budget = self.shared.budget(&account);
        Session::new(
            Arc::clone(&self.shared),
            key,
            account,
            budget,
            Priority::Interactive,
        )
    }
}

impl Shared {
    /// Remembers that Stripe refused a key, so that the next session looks for another one.
    pub(super) fn refused(&self, key: &Secret) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
    }

    fn take_refused(&self) -> Option<Secret> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// One budget per account, whichever key is used: Stripe counts so too.
    fn budget(&self, account: &Account) -> Arc<Budget> {
        let default = if account.livemode {
            LIVE_RATE
        } else {
            TEST_RATE
        };
        let rate = self.max_requests_per_second.unwrap_or(default);
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets
            .entry(Arc::clone(&account.id))
            .or_insert_with(|| Arc::new(Budget::new(rate, DefaultClock::default())));
        Arc::clone(budget)
    }
}

/// Whether a key is for live mode; `None` when it is no usable key.
fn mode(key: &Secret) -> Option<bool> {
    let key = key.expose();
    let body = key
        .strip_prefix("sk_")
        .or_else(|| key.strip_prefix("rk_"))?;
    let plain = body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let (mode, rest) = body.split_once('_')?;
    match mode {
        _ if !plain || rest.is_empty() => None,
        "live" => Some(true),
        "test" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_in_the_key() {
        for (key, livemode) in [
            ("sk_live_1", Some(true)),
            ("rk_live_1", Some(true)),
            ("sk_test_1", Some(false)),
            ("rk_test_51_x", Some(false)),
            ("pk_live_1", None),
            ("sk_live_", None),
            ("sk_live_a b", None),
            ("", None),
        ] {
            assert_eq!(mode(&Secret::new(key)), livemode, "{key}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let config = Config::new(
            "http://localhost",
            KeySource::Value(Secret::new("sk_live_1")),
        );
        assert!(!format!("{config:?}").contains("sk_live_1"));
    }
}
