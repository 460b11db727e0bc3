//! Everything the process holds: accounts, keys, faults, the request log, under one lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::state::{Settings, State};
use crate::webhook;
use crate::wire::{Caller, DEFAULT_ACCOUNT, Faults, Keys, Limiter, Log};

/// What the sandbox is told at start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Settings of accounts in test mode.
    pub test: Settings,
    /// Settings of accounts in live mode.
    pub live: Settings,
    /// Mode the control plane means where it does not say.
    pub livemode: bool,
    /// Where people reach the pages, if not where requests come in.
    pub public_url: Option<String>,
    /// Where it listens.
    pub listen_url: String,
}

/// The part that is written to `--state`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    accounts: Vec<State>,
    keys: Keys,
}

/// Everything under the lock.
#[derive(Debug)]
pub struct Sandbox {
    /// Accounts, each in test and live mode.
    pub accounts: BTreeMap<Caller, State>,
    /// API keys.
    pub keys: Keys,
    /// Settings of accounts yet to be made.
    pub options: Options,
    /// Faults in force.
    pub faults: Faults,
    /// Requests so far.
    pub log: Log,
    /// How webhooks are delivered.
    pub webhooks: webhook::Mode,
    /// What becomes of them in chaos.
    pub chaos: webhook::Dice,
    /// Rate limits.
    pub limiters: HashMap<Caller, Limiter>,
    /// Idempotency keys of requests being carried out.
    pub in_flight: HashSet<(Caller, String)>,
    /// Whether anything changed since it was last saved.
    pub dirty: bool,
}

impl Sandbox {
    /// A sandbox with nothing in it.
    pub fn new(options: Options) -> Self {
        Self {
            accounts: BTreeMap::new(),
            keys: Keys::default(),
            options,
            faults: Faults::default(),
            log: Log::default(),
            webhooks: webhook::Mode::Normal,
            chaos: webhook::Dice::new(webhook::Chaos::default()),
            limiters: HashMap::new(),
            in_flight: HashSet::new(),
            dirty: false,
        }
    }

    /// Notes where it listens, which is where pages are until a request says otherwise.
    pub fn listens_at(&mut self, url: String) {
        self.options.listen_url = url;
        let base_url = self.base_url(None);
        for state in self.accounts.values_mut() {
            state.base_url.clone_from(&base_url);
        }
    }

    /// Where pages are for someone who addressed this host.
    pub fn base_url(&self, host: Option<&str>) -> String {
        match (&self.options.public_url, host) {
            (Some(url), _) => url.clone(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => self.options.listen_url.clone(),
        }
    }

    /// What the caller sees; made on first sight.
    pub fn account(&mut self, caller: &Caller) -> &mut State {
        let base_url = self.base_url(None);
        let settings = if caller.livemode {
            &self.options.live
        } else {
            &self.options.test
        };
        self.accounts
            .entry(caller.clone())
            .or_insert_with(|| State {
                base_url,
                ..State::new(&caller.account, caller.livemode, settings.clone())
            })
    }

    /// Whom the control plane means when it does not say.
    pub fn default_caller(&self) -> Caller {
        Caller {
            account: DEFAULT_ACCOUNT.to_owned(),
            livemode: self.options.livemode,
        }
    }

    /// Reads what an earlier run saved; nothing if there was none.
    pub fn load(&mut self, file: &Path) -> io::Result<()> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let saved: Saved = serde_json::from_slice(&text)?;
        self.keys = saved.keys;
        for mut state in saved.accounts {
            // Deliveries cut short by the stop are made again: at least once, as Stripe promises.
            let unfinished = std::mem::take(&mut state.delivering);
            state.outbox.splice(0..0, unfinished);
            let caller = Caller {
                account: state.account.id.clone(),
                livemode: state.livemode,
            };
            self.accounts.insert(caller, state);
        }
        Ok(())
    }

    /// What `--state` keeps, as text.
    pub fn save(&mut self) -> io::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Saving<'a> {
            accounts: Vec<&'a State>,
            keys: &'a Keys,
        }
        let saving = Saving {
            accounts: self.accounts.values().collect(),
            keys: &self.keys,
        };
        let text = serde_json::to_vec(&saving)?;
        self.dirty = false;
        Ok(text)
    }
}

/// The sandbox as its tasks share it.
#[derive(Clone, Debug)]
pub struct App {
    sandbox: Arc<Mutex<Sandbox>>,
    /// Told when there may be webhooks to deliver.
    pub deliveries: Arc<Notify>,
    /// Changes when a fault is deleted; held requests watch it.
    pub faults_changed: watch::Sender<u64>,
    /// Cancelled when the process is to end.
    pub shutdown: CancellationToken,
}

impl App {
    /// Shares a sandbox.
    pub fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox: Arc::new(Mutex::new(sandbox)),
            deliveries: Arc::new(Notify::new()),
            faults_changed: watch::Sender::new(0),
            shutdown: CancellationToken::new(),
        }
    }

    /// Takes the lock. A handler that panicked has at worst left its own object half done, which is for
    /// whoever reads the panic to judge; it must not silence every later request.
    pub fn lock(&self) -> MutexGuard<'_, Sandbox> {
        self.sandbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the state beside the file and renames it over, so that a crash leaves the old or the new.
    pub async fn save(&self, file: &Path) -> io::Result<()> {
        let text = self.lock().save()?;
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        tokio::fs::write(&beside, text).await?;
        tokio::fs::rename(&beside, file).await
    }
}
