//! Notices as mail over SMTP.
//!
//! The conversation is led command by command instead of by a ready-made transport, since where it
//! breaks off decides everything: up to the end of the message the server has surely taken nothing,
//! and after it, without an answer, nobody knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{Error, response::Response};
use lettre::{Address, Message};

use super::message::{self, Addresses};
use super::templates::Templates;
use super::{Deliver, Failure, words};
use crate::converge::notice::{Channel, Notice};

/// How long connecting, with TLS and authentication, may take.
const CONNECTING: Duration = Duration::from_secs(20);
/// How long one command may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How long the server may take to accept a whole message. RFC 5321 asks for ten minutes of patience;
/// whoever waits longer than this is better told that it is uncertain.
const ACCEPTING: Duration = Duration::from_secs(60);

/// How the way to the server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// By STARTTLS, or not at all.
    Required,
    /// By STARTTLS if the server offers it.
    Opportunistic,
    /// From the first byte.
    Implicit,
    /// Not.
    None,
}

/// A mail server, as in `smtp.example.com:587`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, which is the one that its certificate has to be for.
    pub host: String,
    /// Its port, when it is not the usual one.
    pub port: Option<u16>,
}

impl std::str::FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without a port has colons of its own.
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err("use HOST or HOST:PORT, as in smtp.example.com:587".to_owned());
        }
        let port = port.map(|port| port.parse().map_err(|_| format!("{port} is not a port")));
        Ok(Self {
            host: host.to_owned(),
            port: port.transpose()?,
        })
    }
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: Server,
    /// How the way to it is encrypted.
    pub tls: Tls,
    /// Certificates of the authority that signed the server's, in PEM; without it those that browsers
    /// trust are.
    pub ca_file: Option<PathBuf>,
    /// The user's name and password, in two files that are read each time.
    pub credentials: Option<(PathBuf, PathBuf)>,
    /// Who writes to whom.
    pub addresses: Addresses,
}

/// The channel.
#[derive(Debug)]
pub struct Mail {
    config: Config,
    templates: Arc<Templates>,
}

impl Mail {
    /// Mail over that server.
    pub fn new(config: Config, templates: Arc<Templates>) -> Self {
        Self { config, templates }
    }

    fn port(&self) -> u16 {
        self.config.server.port.unwrap_or(match self.config.tls {
            Tls::Implicit => 465,
            _ => 587,
        })
    }

    /// A connection over which mail can be sent.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let connecting = tokio::time::timeout(CONNECTING, self.try_connect());
        let connected = connecting
            .await
            .unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
        let server = &self.config.server.host;
        let port = self.port();
        connected.map_err(|wrong| {
            format!("the mail server {server}:{port} cannot be used: {wrong}; see --smtp-server")
        })
    }

    async fn try_connect(&self) -> Result<AsyncSmtpConnection, String> {
        let config = &self.config;
        let server = (config.server.host.as_str(), self.port());
        let hello = ClientId::Domain(config.addresses.from.email.domain().to_owned());
        let tls = match config.tls {
            Tls::None => None,
            _ => Some(self.tls().await?),
        };
        let (at_once, later) = match config.tls {
            Tls::Implicit => (tls, None),
            _ => (None, tls),
        };
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECTING), &hello, at_once, None);
        let mut connection = connecting.await.map_err(|error| said(&error))?;
        if let Some(tls) = later {
            if connection.can_starttls() {
                let upgrading = connection.starttls(tls, &hello);
                upgrading.await.map_err(|error| said(&error))?;
            } else if config.tls == Tls::Required {
                connection.abort().await;
                return Err("it offers no STARTTLS, which --smtp-tls=required asks for".to_owned());
            }
        }
        if let Some((username, password)) = &config.credentials {
            if !connection.is_encrypted() {
                connection.abort().await;
                return Err(
                    "a password is not sent over a connection that is not encrypted".into(),
                );
            }
            let credentials = Credentials::new(secret(username).await?, secret(password).await?);
            let authenticated = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            if let Err(error) = authenticated {
                connection.abort().await;
                let said = said(&error);
                return Err(format!(
                    "{said}; it wants the user of --smtp-username-file and --smtp-password-file"
                ));
            }
        }
        Ok(connection)
    }

    async fn tls(&self) -> Result<TlsParameters, String> {
        let mut tls = TlsParametersBuilder::new(self.config.server.host.clone());
        if let Some(file) = &self.config.ca_file {
            let wrong = |what: &dyn std::fmt::Display| {
                format!("--smtp-ca-file {} cannot be used ({what})", file.display())
            };
            let pem = tokio::fs::read(file).await.map_err(|error| wrong(&error))?;
            let certificates = certificates(&pem).map_err(|error| wrong(&error))?;
            if certificates.is_empty() {
                return Err(wrong(&"it holds no certificate in PEM"));
            }
            for certificate in certificates {
                tls = tls.add_root_certificate(certificate);
            }
        }
        tls.build().map_err(|error| said(&error))
    }

    async fn try_deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let words = self.templates.mail(notice).await.map_err(Failure::Never)?;
        let mail = message::mail(notice, words, &self.config.addresses, SystemTime::now())
            .map_err(Failure::Never)?;
        let mut connection = self.connect().await.map_err(Failure::Down)?;
        let sent = send(&mut connection, &mail).await;
        // The mail is where it is whatever becomes of the farewell.
        let _ = tokio::time::timeout(Duration::from_secs(2), connection.abort()).await;
        sent
    }
}

impl Deliver for Mail {
    fn channel(&self) -> Channel {
        Channel::Mail
    }

    fn takes(&self, notice: &Notice) -> bool {
        self.config.addresses.has_any(notice)
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let mut connection = self.connect().await?;
            let lives = tokio::time::timeout(COMMAND, connection.test_connected()).await;
            let _ = tokio::time::timeout(Duration::from_secs(2), connection.abort()).await;
            match lives {
                Ok(true) => Ok(()),
                _ => Err("the mail server does not answer in time; see --smtp-server".to_owned()),
            }
        })
    }

    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.try_deliver(notice))
    }
}

/// Hands one mail over.
async fn send(connection: &mut AsyncSmtpConnection, mail: &Message) -> Result<(), Failure> {
    let envelope = mail.envelope();
    let parameters = parameters(connection, envelope)?;
    let from = MailFrom::new(envelope.from().cloned(), parameters);
    ask(connection.command(from), Asked::Sender).await?;
    for to in envelope.to() {
        ask(
            connection.command(Rcpt::new(to.clone(), vec![])),
            Asked::Recipient,
        )
        .await?;
    }
    ask(connection.command(Data), Asked::Sender).await?;
    let content = mail.formatted();
    match tokio::time::timeout(ACCEPTING, connection.message(&content)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.is_permanent() => Err(Failure::Never(format!(
            "the mail server refused the message: {}",
            said(&error)
        ))),
        Ok(Err(error)) if error.is_transient() => Err(Failure::Later(format!(
            "the mail server refused the message for now: {}",
            said(&error)
        ))),
        // A part of a message is none; but whether all of it went out cannot be told from here.
        Ok(Err(error)) => Err(unknown(&said(&error))),
        Err(_) => Err(unknown("it did not answer in time")),
    }
}

fn unknown(what: &str) -> Failure {
    Failure::Unknown(format!(
        "the mail server was given the message and did not say that it took it: {what}; its log tells, \
         by the Message-ID"
    ))
}

/// An address outside of ASCII needs a server that knows how to send to it.
fn parameters(
    connection: &AsyncSmtpConnection,
    envelope: &lettre::address::Envelope,
) -> Result<Vec<MailParameter>, Failure> {
    let info = connection.server_info();
    let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    let mut parameters = Vec::new();
    if !envelope.to().iter().chain(envelope.from()).all(is_ascii) {
        if !info.supports_feature(Extension::SmtpUtfEight) {
            let message =
                "an address has letters outside of ASCII, which the mail server cannot send to";
            return Err(Failure::Never(message.to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// What a command is about, which decides what a refusal means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Sender,
    Recipient,
}

/// Sends a command that comes before the message: whatever goes wrong, nothing was taken.
async fn ask(
    command: impl Future<Output = Result<Response, Error>>,
    asked: Asked,
) -> Result<(), Failure> {
    let error = match tokio::time::timeout(COMMAND, command).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => {
            return Err(Failure::Down(
                "the mail server does not answer in time".into(),
            ));
        }
    };
    let said = said(&error);
    Err(match asked {
        _ if error.is_transient() => {
            Failure::Later(format!("the mail server refused for now: {said}"))
        }
        Asked::Recipient if error.is_permanent() && !is_policy(&error) => {
            Failure::Never(format!("the mail server refused the recipient: {said}"))
        }
        // A server that relays for nobody says so of every recipient. That is a mistake in the
        // configuration, for which no customer should miss a mail for good.
        Asked::Recipient if error.is_permanent() => Failure::Later(format!(
            "the mail server does not send for this operator: {said}; see --smtp-username-file"
        )),
        Asked::Sender if error.is_permanent() => Failure::Later(format!(
            "the mail server does not take mail from --mail-from: {said}"
        )),
        _ => Failure::Down(format!("the connection to the mail server broke: {said}")),
    })
}

/// Whether a refusal has an enhanced status code of class 7, as in `550 5.7.1 relaying denied`: what
/// may be sent, rather than what can be delivered.
fn is_policy(error: &Error) -> bool {
    let said = std::error::Error::source(error).map(ToString::to_string);
    said.is_some_and(|said| said.trim_start().starts_with("5.7."))
}

/// What the server, or the network, said.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error).and_then(std::error::Error::source);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    words(&text)
}

async fn secret(file: &Path) -> Result<String, String> {
    let read = tokio::fs::read_to_string(file).await;
    let text = read.map_err(|error| format!("{} cannot be read ({error})", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Every certificate of a file: an authority that is being replaced is two.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(pem).map_err(|_| "it is not in PEM".to_owned())?;
    let blocks = text
        .split_inclusive(END)
        .filter(|block| block.contains(END));
    let read = |block: &str| {
        Certificate::from_pem(block.as_bytes()).map_err(|error| words(&error.to_string()))
    };
    blocks.map(read).collect()
}
