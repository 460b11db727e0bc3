//! A notice as a mail: its headers, its two bodies, and whom it goes to. Pure.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::people::line;
use super::templates::Rendered;
use crate::api::NoticeKind;
use crate::converge::notice::Notice;

/// Who writes, and to whom it goes when it is not for a customer.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `From`.
    pub from: Mailbox,
    /// `Reply-To`.
    pub reply_to: Option<Mailbox>,
    /// Those who run the operator.
    pub operators: Vec<Mailbox>,
}

/// An address as somebody gives it, as in `billing@example.com` or `Example Cloud <billing@example.com>`.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| {
        format!("{error}; give an address as in billing@example.com or \"Example <billing@example.com>\"")
    })
}

/// Whether a kind is for those who run the operator, and not for a customer.
pub(super) const fn is_for_operators(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Dispute | NoticeKind::EnforcementHeld)
}

impl Addresses {
    /// Whether there is anybody whom this notice goes to.
    pub(super) fn has_any(&self, notice: &Notice) -> bool {
        if is_for_operators(notice.kind) {
            !self.operators.is_empty()
        } else {
            notice.customer.is_some()
        }
    }

    fn recipients(&self, notice: &Notice) -> Result<Vec<Mailbox>, String> {
        if is_for_operators(notice.kind) {
            return Ok(self.operators.clone());
        }
        let customer = notice.customer.as_ref().ok_or("there is no customer")?;
        let address: Address = customer.email.parse().map_err(|_| {
            "the customer's mail address is not one; correct spec.customer.email".to_owned()
        })?;
        let name = Some(line(&customer.name)).filter(|name| !name.is_empty());
        Ok(vec![Mailbox::new(name, address)])
    }
}

/// The mail for a notice. An error is what keeps it from ever being sent.
pub(super) fn mail(
    notice: &Notice,
    words: Rendered,
    addresses: &Addresses,
    now: SystemTime,
) -> Result<Message, String> {
    // The same for the same notice, so that whoever gets it twice all the same can tell.
    let id = format!("<{}@{}>", notice.id, addresses.from.email.domain());
    let mut mail = Message::builder()
        .from(addresses.from.clone())
        .subject(words.subject)
        .date(now)
        .message_id(Some(id))
        // Keeps out-of-office replies from coming back.
        .raw_header(header("Auto-Submitted", "auto-generated")?)
        .raw_header(header("X-Tenant-Billing-Notice", notice.kind.as_str())?);
    if let Some(reply_to) = &addresses.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    for to in addresses.recipients(notice)? {
        mail = mail.to(to);
    }
    let body = MultiPart::alternative_plain_html(words.text, words.html);
    mail.multipart(body)
        .map_err(|error| format!("the mail cannot be written: {error}"))
}

fn header(name: &str, value: &str) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned())
        .map_err(|_| format!("{name} is no name of a header"))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}
