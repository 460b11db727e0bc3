//! An endpoint that takes webhooks, and an HMAC of its own to check them with.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use hyper::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::harness::{Sandbox, text};

/// One delivery as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) signature: String,
    pub(crate) body: String,
    pub(crate) at: i64,
}

impl Delivery {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("a webhook is JSON")
    }

    pub(crate) fn kind(&self) -> String {
        text(&self.event()["type"])
    }

    /// The header's time and whether one of its signatures is this secret's, by the published scheme:
    /// HMAC-SHA256 over `time.body`.
    pub(crate) fn verify(&self, secret: &str) -> (i64, bool) {
        let values = |name: &str| {
            let prefix = format!("{name}=");
            let parts = self.signature.split(',');
            parts
                .filter_map(|part| part.trim().strip_prefix(&prefix))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let time = values("t").first().expect("a time").clone();
        let expected = hmac_sha256(
            secret.as_bytes(),
            format!("{time}.{}", self.body).as_bytes(),
        );
        (
            time.parse().expect("seconds"),
            values("v1").contains(&expected),
        )
    }
}

#[derive(Clone, Default)]
struct Shared {
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

/// A listening endpoint. Answers 200 unless told otherwise.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Shared,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let shared = Shared::default();
        let router = Router::new()
            .route("/hook", post(receive))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// The next deliveries are answered so, one each.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        let statuses = statuses
            .iter()
            .map(|status| StatusCode::from_u16(*status).expect("a status"));
        self.shared
            .answers
            .lock()
            .expect("not poisoned")
            .extend(statuses);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().expect("not poisoned").clone()
    }

    /// Waits for so many deliveries.
    pub(crate) async fn wait_for(&self, sandbox: &Sandbox, count: usize) -> Vec<Delivery> {
        let enough = || async {
            let deliveries = self.deliveries();
            (deliveries.len() >= count).then_some(deliveries)
        };
        sandbox
            .eventually(format!("{count} deliveries"), enough)
            .await
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers
        .get("stripe-signature")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let at = jiff::Timestamp::now().as_second();
    let delivery = Delivery {
        signature: signature.to_owned(),
        body,
        at,
    };
    shared
        .deliveries
        .lock()
        .expect("not poisoned")
        .push(delivery);
    shared
        .answers
        .lock()
        .expect("not poisoned")
        .pop_front()
        .unwrap_or(StatusCode::OK)
}

/// RFC 2104, in hex. Written out here so that the sandbox's signatures are not checked with what made them.
fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    assert!(
        key.len() <= 64,
        "a longer key would have to be hashed first"
    );
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    outer
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[test]
fn the_hmac_is_that_of_rfc_4231() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(
        hmac_sha256(b"Jefe", b"what do ya want for nothing?"),
        expected
    );
}
