//! Telling people: a real mail server, one that breaks off where it hurts, and a receiver of events that
//! checks signatures.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod breaking_off;
mod end_to_end;
mod events;
mod exim;
mod mail;
mod manifests;
mod receiver;

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::Arc;

use tenant_billing::api::{DunningStage, Limits, NoticeKind};
use tenant_billing::converge::notice::{Notice, Recipient};
use tenant_billing::notify::{Addresses, Mail, Metrics, SmtpConfig, Templates, Tls, mailbox};

/// A notice to the customer at this address.
fn notice(kind: NoticeKind, address: &str) -> Notice {
    let time = "2027-03-04T10:00:00Z".parse().unwrap();
    let at = |time: &str| Some(time.parse().unwrap());
    Notice {
        tenant_id: "tenant_001".into(),
        manifest: "tenants/acme".into(),
        customer: Some(Recipient {
            name: "Acme Inc".into(),
            email: address.into(),
        }),
        plan: Some("pro".into()),
        amount_due: Some("99.00".into()),
        currency: Some("USD".into()),
        url: Some("https://pay.example/in_1?a=1&b=2".into()),
        day: Some(4),
        next_stage: Some(DunningStage::Limited),
        next_stage_at: at("2027-03-07T10:00:00Z"),
        suspend_at: at("2027-03-08T10:00:00Z"),
        limits: Some(Limits::from([("requestsPerMinute".into(), 60)])),
        message: Some("As it is.".into()),
        ..Notice::new("acct_1", kind, "in_1", "", time)
    }
}

fn addresses() -> Addresses {
    Addresses {
        from: mailbox("Example Cloud <billing@cloud.example>").unwrap(),
        reply_to: Some(mailbox("help@cloud.example").unwrap()),
        operators: vec![mailbox("ops@cloud.example").unwrap()],
    }
}

/// Mail to a server on this machine.
fn mail_to(
    port: u16,
    tls: Tls,
    ca: Option<PathBuf>,
    credentials: Option<(PathBuf, PathBuf)>,
) -> Mail {
    let templates = Templates::new(None, "Example Cloud", Arc::new(Metrics::default()));
    mail_of(templates, port, tls, ca, credentials)
}

/// The same with templates of a directory; tells how many of them can be used.
async fn mail_with(
    directory: Option<PathBuf>,
    port: u16,
    tls: Tls,
    ca: Option<PathBuf>,
    credentials: Option<(PathBuf, PathBuf)>,
) -> (Mail, usize) {
    let templates = Templates::new(directory, "Example Cloud", Arc::new(Metrics::default()));
    let usable = templates.check().await;
    (mail_of(templates, port, tls, ca, credentials), usable)
}

fn mail_of(
    templates: Templates,
    port: u16,
    tls: Tls,
    ca: Option<PathBuf>,
    credentials: Option<(PathBuf, PathBuf)>,
) -> Mail {
    let config = SmtpConfig {
        server: format!("localhost:{port}").parse().unwrap(),
        tls,
        ca_file: ca,
        credentials,
        addresses: addresses(),
    };
    Mail::new(config, Arc::new(templates))
}
