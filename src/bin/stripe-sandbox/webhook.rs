//! Webhook delivery: signed, at least once, retried with growing pauses, in no promised order.

mod chaos;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use sha2::Sha256;
use tokio::sync::Semaphore;

pub use self::chaos::{Chaos, Dice};
use crate::sandbox::{App, Sandbox};
use crate::state::Delivery;
use crate::wire::Caller;

/// An endpoint has this long to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Deliveries under way at once.
const CONCURRENCY: usize = 64;

/// How webhooks are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As soon as there is one.
    Normal,
    /// Not until flushed or the mode changes.
    Pause,
    /// Each one twice.
    Duplicate,
    /// What one request caused, in reverse order.
    Reverse,
    /// Not at all: the endpoint failed for good.
    Drop,
    /// Some twice, some never, all of them late.
    Chaos,
}

/// A delivery with everything it needs, taken from the state when it is first tried.
#[derive(Clone, Debug)]
struct Parcel {
    caller: Caller,
    delivery: Delivery,
    url: String,
    secret: String,
    body: Bytes,
    /// How long each copy is held back before it is tried.
    delays: Vec<Duration>,
    /// What all its copies share.
    copies: Arc<Copies>,
}

/// How the delivery of a copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The endpoint took it.
    Acknowledged,
    /// The endpoint did not, and is asked no more.
    GivenUp,
}

/// How the copies of a delivery fare.
#[derive(Debug)]
struct Copies {
    under_way: AtomicUsize,
    acknowledged: AtomicBool,
}

impl Copies {
    fn new(number: usize) -> Arc<Self> {
        Arc::new(Self {
            under_way: AtomicUsize::new(number),
            acknowledged: AtomicBool::new(false),
        })
    }

    /// Notes that one was acknowledged; whether it is the first.
    fn acknowledge(&self) -> bool {
        !self.acknowledged.swap(true, Ordering::Relaxed)
    }

    /// Notes that one is over; whether it is the last.
    fn end(&self) -> bool {
        self.under_way.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Sends webhooks.
#[derive(Clone)]
pub struct Sender {
    app: App,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pauses: Arc<[Duration]>,
    permits: Arc<Semaphore>,
}

impl Sender {
    /// A sender that tries again after each of the pauses.
    pub fn new(app: App, pauses: Vec<Duration>) -> Result<Self, rustls::Error> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            app,
            client,
            pauses: pauses.into(),
            permits: Arc::new(Semaphore::new(CONCURRENCY)),
        })
    }

    /// Delivers until the process ends.
    pub async fn run(self) {
        loop {
            let (parcels, mode) = {
                let mut sandbox = self.app.lock();
                let mode = sandbox.webhooks;
                (take(&mut sandbox, mode), mode)
            };
            self.start(parcels, mode);
            tokio::select! {
                () = self.app.deliveries.notified() => {}
                () = self.app.shutdown.cancelled() => return,
            }
        }
    }

    /// Delivers what a pause has kept back, once.
    pub fn flush(app: &App) {
        let mut sandbox = app.lock();
        for state in sandbox.accounts.values_mut() {
            state.flushed = state.outbox.len();
        }
        drop(sandbox);
        app.deliveries.notify_one();
    }

    fn start(&self, parcels: Vec<Parcel>, mode: Mode) {
        if parcels.is_empty() {
            return;
        }
        let sender = self.clone();
        if mode == Mode::Reverse {
            // One after the other: order is the point.
            tokio::spawn(async move {
                for parcel in parcels {
                    sender.clone().deliver(parcel).await;
                }
            });
            return;
        }
        for parcel in parcels {
            for delay in parcel.delays.clone() {
                tokio::spawn(sender.clone().deliver_after(delay, parcel.clone()));
            }
        }
    }

    async fn deliver_after(self, delay: Duration, parcel: Parcel) {
        if !delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                // Stays under way in the state, and is tried by the next process.
                () = self.app.shutdown.cancelled() => return,
            }
        }
        self.deliver(parcel).await;
    }

    /// Tries until the endpoint acknowledges or the pauses are used up.
    async fn deliver(self, parcel: Parcel) {
        let mut pauses = self.pauses.iter();
        loop {
            let outcome = self.attempt(&parcel).await;
            let Err(reason) = outcome else {
                settle(&mut self.app.lock(), &parcel, Ending::Acknowledged);
                return;
            };
            tracing::debug!(event = parcel.delivery.event, url = parcel.url, %reason, "webhook not acknowledged");
            let Some(pause) = pauses.next() else {
                settle(&mut self.app.lock(), &parcel, Ending::GivenUp);
                return;
            };
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                // Stays under way in the state, and is tried again by the next process.
                () = self.app.shutdown.cancelled() => return,
            }
        }
    }

    async fn attempt(&self, parcel: &Parcel) -> Result<(), String> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let request = hyper::Request::post(&parcel.url)
            .header("content-type", "application/json; charset=utf-8")
            .header(
                "user-agent",
                "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            )
            .header(
                "stripe-signature",
                signature(&parcel.secret, time, &parcel.body),
            )
            .body(Full::new(parcel.body.clone()))
            .map_err(|error| error.to_string())?;
        let response = tokio::time::timeout(TIMEOUT, self.client.request(request))
            .await
            .map_err(|_| "timed out".to_owned())?
            .map_err(|error| error.to_string())?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(response.status().to_string())
        }
    }
}

/// What is to be delivered now.
fn take(sandbox: &mut Sandbox, mode: Mode) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    for (caller, state) in &mut sandbox.accounts {
        let count = if mode == Mode::Pause {
            state.flushed
        } else {
            state.outbox.len()
        };
        state.flushed = 0;
        let deliveries: Vec<Delivery> = state
            .outbox
            .drain(..count.min(state.outbox.len()))
            .collect();
        for delivery in deliveries {
            let endpoint = state.webhook_endpoints.get(&delivery.endpoint);
            let (Some(event), Some(endpoint)) = (state.events.get_mut(&delivery.event), endpoint)
            else {
                // The endpoint was deleted meanwhile; nobody is left to tell.
                continue;
            };
            let delays = match mode {
                Mode::Normal | Mode::Pause | Mode::Reverse => vec![Duration::ZERO],
                Mode::Duplicate => vec![Duration::ZERO; 2],
                Mode::Drop => Vec::new(),
                Mode::Chaos => sandbox.chaos.fate(),
            };
            if delays.is_empty() {
                event.undelivered = true;
                continue;
            }
            parcels.push(Parcel {
                caller: caller.clone(),
                url: endpoint.url.clone(),
                secret: endpoint.secret.clone(),
                body: format!("{:#}", event.render()).into(),
                delivery: delivery.clone(),
                copies: Copies::new(delays.len()),
                delays,
            });
            state.delivering.insert(delivery);
        }
    }
    if mode == Mode::Reverse {
        parcels.reverse();
    }
    parcels
}

/// Notes how a copy of a delivery ended. The delivery itself is over with its last copy.
fn settle(sandbox: &mut Sandbox, parcel: &Parcel, ending: Ending) {
    let Some(state) = sandbox.accounts.get_mut(&parcel.caller) else {
        return;
    };
    let first = ending == Ending::Acknowledged && parcel.copies.acknowledge();
    let last = parcel.copies.end();
    if let Some(event) = state.events.get_mut(&parcel.delivery.event) {
        if first {
            event.pending_webhooks -= 1;
        }
        if last && !parcel.copies.acknowledged.load(Ordering::Relaxed) {
            event.undelivered = true;
        }
    }
    if last {
        state.delivering.remove(&parcel.delivery);
    }
    sandbox.dirty = true;
}

/// The `Stripe-Signature` header: HMAC-SHA256 over time and body.
fn signature(secret: &str, time: u64, body: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut header = format!("t={time},v1=");
    // HMAC takes keys of any length.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(header, "{byte:02x}");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha256_of_time_and_body() {
        // Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test
        let header = signature("whsec_test", 1_700_000_000, b"{}");
        let (time, mac) = header.split_once(",v1=").unwrap();
        assert_eq!(time, "t=1700000000");
        assert_eq!(
            mac,
            "35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91"
        );
    }
}
