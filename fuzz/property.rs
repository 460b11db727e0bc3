//! What holds for whatever comes in at the webhook endpoint. Checked by the fuzz target next to this
//! file, and by `tests/hearing` on what proptest thinks of.
#![allow(clippy::expect_used, reason = "used by tests only")]

use std::sync::Arc;

use axum::http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tenant_billing::controller::{AccessIndex, Reception};
use tenant_billing::serve::{
    self, Endpoint, Gate, LARGEST_BODY, Secrets, UnknownTenants, WEBHOOK_PATH, WebhookMetrics,
};
use tenant_billing::stripe::{
    Client, Config, Inbox, KeySource, Mirror, Secret, SigningSecret, notice, verify,
};
use tokio_util::sync::CancellationToken;

/// Nobody else knows this key, so no input can hold a signature made with it.
const SECRET: &str = "whsec_of_nobody";

/// An endpoint, without a socket in front of it.
pub struct Target {
    runtime: tokio::runtime::Runtime,
    router: TowerToHyperService<axum::Router>,
    secret: SigningSecret,
}

impl Target {
    /// Starts it.
    ///
    /// # Panics
    /// When the machine is not fit for tests: no room for a small file, no runtime.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let name = format!(
            "webhook-property-{}-{}",
            std::process::id(),
            fastrand::u64(..)
        );
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, SECRET).expect("writing a secret");
        let (secrets, _) =
            runtime.block_on(Secrets::load(vec![file.clone()], CancellationToken::new()));
        std::fs::remove_file(file).expect("removing it");
        let inbox = Arc::new(Inbox::new(Arc::new(Mirror::new("default"))));
        let mut registry = Registry::default();
        let metrics = WebhookMetrics::register(&mut registry);
        let endpoint = Endpoint::new(secrets, Reception::alone(inbox), metrics);
        let access = Arc::new(AccessIndex::default());
        let gate = Gate::new(access, UnknownTenants::Allow, &mut registry);
        let key = KeySource::Value(Secret::new("sk_test_1"));
        // Nothing is ever sent there.
        let stripe = Client::new(Config::new("http://127.0.0.1:1", key)).expect("a client");
        Self {
            runtime,
            router: TowerToHyperService::new(serve::router(
                registry,
                stripe,
                Some(Arc::new(endpoint)),
                gate,
            )),
            secret: SigningSecret::new(SECRET).expect("a secret"),
        }
    }

    /// Feeds a header and a body, neither of which anybody has signed; then the body once more, signed.
    ///
    /// # Panics
    /// When something passes that was not signed, or something does not that was; or when reading
    /// either panics.
    pub fn check(&self, header: &[u8], body: &[u8]) {
        self.check_pure(header, body);
        let too_large = body.len() > LARGEST_BODY;
        let refused = if too_large {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        assert_eq!(self.answer(None, body), refused);
        if let Ok(header) = HeaderValue::from_bytes(header) {
            assert_eq!(self.answer(Some(header), body), refused);
        }
        let genuine = self.secret.sign(body, Timestamp::now());
        let genuine = HeaderValue::try_from(genuine).expect("a header");
        let answer = self.answer(Some(genuine), body);
        let expected: &[StatusCode] = match notice(body) {
            _ if too_large => &[StatusCode::PAYLOAD_TOO_LARGE],
            Err(_) => &[StatusCode::BAD_REQUEST],
            // There may be no more room.
            Ok(_) => &[StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE],
        };
        assert!(expected.contains(&answer), "{answer}");
    }

    fn check_pure(&self, header: &[u8], body: &[u8]) {
        let now = Timestamp::UNIX_EPOCH;
        let secrets = [self.secret.clone()];
        assert!(verify(Some(header), body, &secrets, now).is_err());
        let genuine = self.secret.sign(body, now);
        let genuine = genuine.as_bytes();
        assert_eq!(verify(Some(genuine), body, &secrets, now), Ok(()));
        // One more byte is another body.
        let mut longer = body.to_vec();
        longer.push(b' ');
        assert!(verify(Some(genuine), &longer, &secrets, now).is_err());
        // Each time the same.
        assert_eq!(notice(body), notice(body));
    }

    fn answer(&self, signature: Option<HeaderValue>, body: &[u8]) -> StatusCode {
        let mut request = Request::post(WEBHOOK_PATH);
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        let request = request.body(body).expect("a request");
        let answer = self.runtime.block_on(self.router.call(request));
        answer.expect("routers do not fail").status()
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}
