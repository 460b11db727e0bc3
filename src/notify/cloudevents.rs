//! Notices as CloudEvents 1.0 over HTTP: structured JSON, signed in the manner of Standard Webhooks.
//!
//! An event has the same id each time it is sent, so that a receiver can tell a repetition: after an
//! unknown outcome it is sent again, unlike a mail.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use hmac::{Hmac, Mac as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;

use super::{Deliver, Failure, words};
use crate::converge::notice::{Channel, Notice};

const CONNECTING: Duration = Duration::from_secs(10);
/// How long the receiver may take in all.
const PATIENCE: Duration = Duration::from_secs(30);
const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// What a receiver says beyond that is not read.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Where events go.
#[derive(Clone, Debug)]
pub struct Config {
    /// The receiver.
    pub url: String,
    /// File with the signing secrets (`whsec_…`), one a line; read each time. Without it events are
    /// not signed.
    pub secret_file: Option<PathBuf>,
    /// The installation (`--owner`), which is part of the event's source.
    pub owner: String,
}

/// The channel.
#[derive(Debug)]
pub struct Events {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    config: Config,
}

/// As in the `CloudEvents` specification.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    /// Must not be empty where it is.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: &'a Notice,
}

impl Events {
    /// Events to that receiver.
    pub fn new(config: Config) -> Result<Self, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("--notify-url: {what}");
        let uri: Uri = config.url.parse().map_err(|error| wrong(&error))?;
        let is_http = matches!(uri.scheme_str(), Some("https" | "http"));
        if !is_http || uri.host().is_none_or(str::is_empty) {
            return Err(wrong(&"use a URL as in https://example.com/notices"));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTING));
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| wrong(&error))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector);
        Ok(Self { http, uri, config })
    }

    fn body(&self, notice: &Notice) -> Result<Vec<u8>, String> {
        let event = CloudEvent {
            specversion: "1.0",
            id: &notice.id,
            source: format!("/tenantbilling.io/{}", self.config.owner),
            kind: format!("io.tenantbilling.notice.{}", notice.kind.as_str()),
            subject: &notice.about,
            // To the second, as statuses and marks have it: the same each time.
            time: to_the_second(notice.time).to_string(),
            datacontenttype: "application/json",
            data: notice,
        };
        serde_json::to_vec(&event).map_err(|error| format!("the event cannot be written: {error}"))
    }

    async fn request(&self, notice: &Notice) -> Result<Request<Full<Bytes>>, Failure> {
        let body = self.body(notice).map_err(Failure::Never)?;
        let now = Timestamp::now().as_second().to_string();
        let mut request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=UTF-8")
            .header(
                USER_AGENT,
                concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", &now);
        if let Some(signature) = self.signature(&notice.id, &now, &body).await? {
            request = request.header("webhook-signature", signature);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Never(format!("the request cannot be written: {error}")))
    }

    /// One signature for each secret: while one is being replaced there are two.
    async fn signature(&self, id: &str, at: &str, body: &[u8]) -> Result<Option<String>, Failure> {
        let Some(file) = &self.config.secret_file else {
            return Ok(None);
        };
        let wrong = |what: &dyn std::fmt::Display| {
            let file = file.display();
            Failure::Down(format!(
                "--notify-secret-file {file} cannot be used: {what}"
            ))
        };
        let text = tokio::fs::read_to_string(file).await;
        let text = text.map_err(|error| wrong(&error))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let signed: Result<Vec<String>, &str> =
            lines.map(|secret| sign(secret, id, at, body)).collect();
        match signed {
            Ok(signed) if signed.is_empty() => Err(wrong(&"it holds no secret (whsec_…)")),
            Ok(signed) => Ok(Some(signed.join(" "))),
            Err(problem) => Err(wrong(&problem)),
        }
    }

    async fn try_deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let request = self.request(notice).await?;
        match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Unknown(
                "the receiver of --notify-url did not answer in time".to_owned(),
            )),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(), Failure> {
        let response = self.http.request(request).await.map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            let message = format!("the receiver of --notify-url: {}", words(&text));
            // Without a connection nothing was sent.
            if error.is_connect() {
                Failure::Down(message)
            } else {
                Failure::Unknown(message)
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(response.into_body(), LONGEST_ANSWER);
        // Its words are for the message only.
        let text = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let text = text.unwrap_or_default();
        let said = words(&String::from_utf8_lossy(&text));
        Err(judged(status, &said))
    }
}

impl Deliver for Events {
    fn channel(&self) -> Channel {
        Channel::Events
    }

    fn takes(&self, _: &Notice) -> bool {
        true
    }

    /// Always: an event that does not arrive is sent again.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.try_deliver(notice))
    }
}

/// What an answer means that is not 2xx.
fn judged(status: StatusCode, said: &str) -> Failure {
    let said = if said.is_empty() {
        format!("the receiver of --notify-url answers {}", status.as_u16())
    } else {
        format!(
            "the receiver of --notify-url answers {}: {said}",
            status.as_u16()
        )
    };
    match status.as_u16() {
        300..=399 => Failure::Later(format!(
            "{said}; redirects are not followed, so give the final URL"
        )),
        // Not about this event: the URL, or the secret, is wrong, or the receiver is being deployed. A
        // mistake of that kind should lose nothing.
        401 | 403 | 407 => Failure::Later(format!("{said}; see --notify-secret-file")),
        404 | 405 => Failure::Later(format!("{said}; see --notify-url")),
        408 | 425 | 429 | 500.. => Failure::Later(said),
        _ => Failure::Never(said),
    }
}

fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// As Standard Webhooks has it: HMAC-SHA256 over the id, the time and the body.
fn sign(secret: &str, id: &str, at: &str, body: &[u8]) -> Result<String, &'static str> {
    const WRONG: &str = "a secret is whsec_ and 24 to 64 bytes in base64, one a line";
    let key = STANDARD
        .decode(secret.trim_start_matches("whsec_"))
        .map_err(|_| WRONG)?;
    if !(24..=64).contains(&key.len()) {
        return Err(WRONG);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| WRONG)?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    Ok(format!("v1,{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.as_deref(), Ok(expected));
    }

    #[test]
    fn a_secret_that_is_none_is_named_as_that() {
        for secret in ["whsec_%%%", "whsec_c2hvcnQ=", "password"] {
            assert!(sign(secret, "id", "1", b"").is_err(), "{secret}");
        }
    }

    #[test]
    fn answers_about_the_event_are_final_and_those_about_the_receiver_are_not() {
        for (status, is_final) in [
            (400, true),
            (409, true),
            (410, true),
            (413, true),
            (422, true),
            (301, false),
            (401, false),
            (404, false),
            (408, false),
            (425, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let failure = judged(StatusCode::from_u16(status).unwrap(), "no");
            assert_eq!(matches!(failure, Failure::Never(_)), is_final, "{status}");
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_at_the_start() {
        for url in ["", "example.com/x", "ftp://example.com", "https://"] {
            let config = Config {
                url: url.into(),
                secret_file: None,
                owner: "default".into(),
            };
            assert!(Events::new(config).is_err(), "{url}");
        }
    }
}
