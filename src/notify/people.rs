//! A notice in words for people: what templates are given.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::DunningStage;
use crate::converge::notice::Notice;

/// What templates are given. Every name is always there; what a notice doesn't have is `none`.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    /// Who sells, as in the signature.
    product: String,
    /// The kind of notice, as in names of templates.
    kind: &'static str,
    /// The tenant; empty in what concerns all of them.
    tenant: String,
    /// The manifest, as `<namespace>/<name>`; empty in what concerns all of them.
    manifest: String,
    /// The customer's name.
    customer: Option<String>,
    /// The plan.
    plan: Option<String>,
    /// The object in Stripe, as in `in_…`.
    about: String,
    /// What is to be paid, as in `99.00 USD`.
    amount: Option<String>,
    /// The page where the customer can do something about it.
    url: Option<String>,
    /// The day of the dunning.
    day: Option<i64>,
    /// The stage that comes next, as in `Suspended`.
    next_stage: Option<DunningStage>,
    /// When it comes.
    next_stage_at: Option<String>,
    /// When access is suspended.
    suspend_at: Option<String>,
    /// When the payment is attempted again.
    next_payment_attempt: Option<String>,
    /// Until when something can be done, or is the case.
    until: Option<String>,
    /// What may be used from now on.
    limits: Option<BTreeMap<String, i64>>,
    /// What is the case, for those who run the operator.
    message: Option<String>,
}

impl Words {
    pub(super) fn of(notice: &Notice, product: &str) -> Self {
        let amount = notice.amount_due.as_ref().zip(notice.currency.as_ref());
        Self {
            product: line(product),
            kind: notice.kind.as_str(),
            tenant: line(&notice.tenant_id),
            manifest: line(&notice.manifest),
            customer: notice.customer.as_ref().map(|to| line(&to.name)),
            plan: notice.plan.as_deref().map(line),
            about: line(&notice.about),
            amount: amount.map(|(amount, currency)| line(&format!("{amount} {currency}"))),
            url: notice.url.as_deref().and_then(page),
            day: notice.day,
            next_stage: notice.next_stage,
            next_stage_at: notice.next_stage_at.map(time),
            suspend_at: notice.suspend_at.map(time),
            next_payment_attempt: notice.next_payment_attempt.map(time),
            until: notice.until.map(time),
            limits: notice.limits.clone(),
            message: notice.message.as_deref().map(line),
        }
    }
}

/// A text in one line. A name with line breaks could otherwise write a paragraph of its own into a
/// mail, or a header.
pub(super) fn line(text: &str) -> String {
    let visible = text.replace(
        |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}',
        " ",
    );
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A link, if it leads to a page: nothing else gets behind a button in a mail.
fn page(url: &str) -> Option<String> {
    let is_page = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = !url.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_page && is_plain).then(|| url.to_owned())
}

/// As in `4 March 2027, 10:00 UTC`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}
