//! What people are to be told, and what is noted on Stripe's objects of what they were told.
//!
//! A notice is about one object in Stripe, which carries a mark for each kind: written before it is
//! sent and again after. The mark is what keeps a crash, or a cluster that is restored from Git, from
//! telling anybody twice.
//!
//! ```text
//! tenantbilling_told_warning = "mail:sent@1767225600 events:sending@1767225600 by:3f9a1c04"
//! ```

mod due;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

pub use self::due::{Due, Telling, due};
use crate::api::{DunningStage, Limits, NoticeKind, metadata};

/// Something that somebody is to be told, once.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The same for the same notice, for ever: the id of its event, and of its mail.
    #[serde(skip)]
    pub id: String,
    /// What is told.
    #[serde(skip)]
    pub kind: NoticeKind,
    /// When it came about.
    #[serde(skip)]
    pub time: Timestamp,
    /// The tenant (`tenantId`); empty for what concerns all of them.
    pub tenant_id: String,
    /// The manifest, as `<namespace>/<name>`; empty for what concerns all of them.
    pub manifest: String,
    /// Whom a mail goes to, when it goes to the customer.
    pub customer: Option<Recipient>,
    /// The plan the tenant is on.
    pub plan: Option<String>,
    /// The object in Stripe that it is about, as in `in_…`.
    pub about: String,
    /// What is to be paid, in major units, as in `99.00`.
    pub amount_due: Option<String>,
    /// Its currency, in upper case.
    pub currency: Option<String>,
    /// The page where the customer can do something about it.
    pub url: Option<String>,
    /// The day of the dunning, counted from 1.
    pub day: Option<i64>,
    /// The stage that comes next.
    pub next_stage: Option<DunningStage>,
    /// When it comes.
    pub next_stage_at: Option<Timestamp>,
    /// When access is suspended, unless something is done.
    pub suspend_at: Option<Timestamp>,
    /// When Stripe attempts the next payment.
    pub next_payment_attempt: Option<Timestamp>,
    /// When the trial ends, the page expires, or Stripe stops waiting: whatever it is until.
    pub until: Option<Timestamp>,
    /// What may be used from now on, where that has changed.
    pub limits: Option<Limits>,
    /// What is the case, in words, for those who run the operator.
    pub message: Option<String>,
}

/// A customer, for a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// Name, as on invoices.
    pub name: String,
    /// Address.
    pub email: String,
}

impl Notice {
    /// A notice with nothing but what identifies it. `account` and `about` are ids in Stripe; `occasion`
    /// tells apart what is about the same object twice, as in the end of a trial.
    pub fn new(
        account: &str,
        kind: NoticeKind,
        about: &str,
        occasion: &str,
        time: Timestamp,
    ) -> Self {
        Self {
            id: super::desired::digest(&[account, kind.as_str(), about, occasion]),
            kind,
            time,
            tenant_id: String::new(),
            manifest: String::new(),
            customer: None,
            plan: None,
            about: about.to_owned(),
            amount_due: None,
            currency: None,
            url: None,
            day: None,
            next_stage: None,
            next_stage_at: None,
            suspend_at: None,
            next_payment_attempt: None,
            until: None,
            limits: None,
            message: None,
        }
    }
}

/// The object in Stripe whose metadata say what was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// An invoice (`in_…`).
    Invoice(String),
    /// A subscription (`sub_…`).
    Subscription(String),
    /// A customer (`cus_…`).
    Customer(String),
    /// A dispute (`du_…`).
    Dispute(String),
    /// None: what concerns all tenants is noted in the cluster.
    Cluster,
}

/// A way to tell people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Mail.
    Mail,
    /// CloudEvents over HTTP.
    Events,
}

impl Channel {
    /// As in marks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Events => "events",
        }
    }
}

/// How far the sending through a channel is, as an object's metadata say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It was begun.
    Begun(Timestamp),
    /// It was accepted.
    Accepted(Timestamp),
    /// It was refused for good, as by an address that does not exist, and is not tried again.
    Refused(Timestamp),
}

impl Sending {
    /// Whether nothing more is to be done.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Refused(_))
    }
}

/// What an object carries about a notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Tells apart what is about the same object twice; empty where nothing is.
    pub occasion: String,
    /// By channel.
    pub channels: Vec<(Channel, Sending)>,
    /// The process that began to send; empty when nothing is being sent. It tells whether what was
    /// begun was begun by this process, or by one that is gone.
    pub by: String,
}

impl Mark {
    /// What it says of a channel.
    pub fn of(&self, channel: Channel) -> Option<Sending> {
        let found = self.channels.iter().find(|(known, _)| *known == channel);
        found.map(|(_, sending)| *sending)
    }

    /// The same with another word on a channel; without one, as though nothing had been begun.
    #[must_use]
    pub fn with(&self, channel: Channel, sending: Option<Sending>) -> Self {
        let others = self.channels.iter().filter(|(known, _)| *known != channel);
        let mut channels: Vec<(Channel, Sending)> = others.copied().collect();
        channels.extend(sending.map(|sending| (channel, sending)));
        channels.sort_by_key(|(channel, _)| *channel);
        Self {
            occasion: self.occasion.clone(),
            channels,
            by: self.by.clone(),
        }
    }

    /// Whether it says of a channel that nothing more is to be done.
    pub fn is_over(&self, channel: Channel) -> bool {
        self.of(channel).is_some_and(Sending::is_over)
    }

    /// Reads a mark. What cannot be read was written by somebody else, and counts for nothing.
    pub fn read(text: &str) -> Self {
        let mut mark = Self::default();
        for word in text.split_whitespace() {
            if let Some(occasion) = word.strip_prefix("of:") {
                occasion.clone_into(&mut mark.occasion);
            } else if let Some(by) = word.strip_prefix("by:") {
                by.clone_into(&mut mark.by);
            } else if let Some(entry) = entry(word) {
                mark.channels.push(entry);
            }
        }
        mark
    }
}

fn entry(word: &str) -> Option<(Channel, Sending)> {
    let (channel, rest) = word.split_once(':')?;
    let (state, at) = rest.split_once('@')?;
    let at = Timestamp::from_second(at.parse().ok()?).ok()?;
    let channel = match channel {
        "mail" => Channel::Mail,
        "events" => Channel::Events,
        _ => return None,
    };
    match state {
        "sending" => Some((channel, Sending::Begun(at))),
        "sent" => Some((channel, Sending::Accepted(at))),
        "refused" => Some((channel, Sending::Refused(at))),
        _ => None,
    }
}

/// As in metadata.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        if !self.occasion.is_empty() {
            write!(f, "of:{}", self.occasion)?;
            space = " ";
        }
        for (channel, sending) in &self.channels {
            let (state, at) = match sending {
                Sending::Begun(at) => ("sending", at),
                Sending::Accepted(at) => ("sent", at),
                Sending::Refused(at) => ("refused", at),
            };
            write!(f, "{space}{}:{state}@{}", channel.as_str(), at.as_second())?;
            space = " ";
        }
        if !self.by.is_empty() {
            write!(f, "{space}by:{}", self.by)?;
        }
        Ok(())
    }
}

/// The metadata key of a kind's mark.
pub fn key(kind: NoticeKind) -> String {
    format!("{}{}", metadata::NOTICE_PREFIX, kind.as_str())
}

/// The marks that an object carries, by kind. Mostly none, and then it takes two words and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(Box<[(NoticeKind, Mark)]>);

impl Marks {
    /// Reads an object's metadata.
    pub fn read<'a>(metadata: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let marks = metadata.into_iter().filter_map(|(key, value)| {
            let kind = NoticeKind::named(key.strip_prefix(metadata::NOTICE_PREFIX)?)?;
            Some((kind, Mark::read(value)))
        });
        let mut marks: Vec<(NoticeKind, Mark)> = marks.collect();
        marks.sort_by_key(|(kind, _)| *kind);
        Self(marks.into_boxed_slice())
    }

    /// Reads the values of the keys of some kinds.
    pub fn of_kinds<'a>(values: impl IntoIterator<Item = (NoticeKind, Option<&'a str>)>) -> Self {
        let values = values.into_iter();
        let marks = values.filter_map(|(kind, value)| Some((kind, Mark::read(value?))));
        Self(marks.collect())
    }

    /// The mark of a kind on this occasion; an empty one where there is none.
    pub fn of(&self, kind: NoticeKind, occasion: &str) -> Mark {
        let found = self
            .0
            .iter()
            .find(|(known, mark)| *known == kind && mark.occasion == occasion);
        found.map_or_else(
            || Mark {
                occasion: occasion.to_owned(),
                ..Mark::default()
            },
            |(_, mark)| mark.clone(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    /// Stripe takes keys of up to 40 characters, and values of up to 500.
    #[test]
    fn every_mark_fits_into_metadata() {
        for kind in NoticeKind::ALL {
            assert!(key(kind).len() <= 40, "{}", key(kind));
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark {
            occasion: "1767225600".into(),
            ..Mark::default()
        };
        let mark = mark
            .with(Channel::Events, Some(Sending::Begun(second(7))))
            .with(Channel::Mail, Some(Sending::Begun(second(5))))
            .with(Channel::Mail, Some(Sending::Accepted(second(6))));
        let text = mark.to_string();
        assert_eq!(text, "of:1767225600 mail:sent@6 events:sending@7");
        assert_eq!(Mark::read(&text), mark);
        assert_eq!(mark.of(Channel::Mail), Some(Sending::Accepted(second(6))));
        let unsent = mark.with(Channel::Events, None);
        assert_eq!(unsent.of(Channel::Events), None);
        let mut refused = unsent.with(Channel::Mail, Some(Sending::Refused(second(8))));
        refused.by = "3f9a1c04".into();
        let text = refused.to_string();
        assert_eq!(text, "of:1767225600 mail:refused@8 by:3f9a1c04");
        assert_eq!(Mark::read(&text), refused);
        assert!(refused.is_over(Channel::Mail) && !mark.is_over(Channel::Events));
    }

    #[test]
    fn what_somebody_else_wrote_into_a_mark_counts_for_nothing() {
        let mark = Mark::read("hello mail:sent fax:sent@5 mail:lost@5 events:sent@x");
        assert_eq!(mark, Mark::default());
    }

    #[test]
    fn marks_are_found_by_kind_and_occasion() {
        let metadata = [
            ("tenantbilling_owner", "default"),
            ("tenantbilling_told_warning", "mail:sent@6"),
            ("tenantbilling_told_trial_ending", "of:9 mail:sent@6"),
            ("tenantbilling_told_unheard", "mail:sent@6"),
        ];
        let marks = Marks::read(metadata);
        let sent = |kind, occasion| marks.of(kind, occasion).of(Channel::Mail).is_some();
        assert!(sent(NoticeKind::Warning, ""));
        assert!(sent(NoticeKind::TrialEnding, "9"));
        assert!(!sent(NoticeKind::TrialEnding, "10"), "another trial's end");
        assert!(!sent(NoticeKind::Reminder, ""));
    }
}
