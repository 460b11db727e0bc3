//! Which notices are due: judged anew at each look, like everything else. What was told already, the
//! marks on Stripe's objects say.
//!
//! | kind | due | once per |
//! |---|---|---|
//! | a stage of the dunning | while the stage is in force, and so is what it takes | invoice |
//! | `Reactivated` | from the look on that gives access back, until told | invoice |
//! | `ActionRequired` | while a payment waits for the customer | invoice |
//! | `TrialEnding` | from the reminder to the end | end of the trial |
//! | `PaymentMethodNeeded` | while the subscription waits for one and there is a page | subscription |
//! | `Dispute` | while it is open | dispute |
//!
//! A stage that was never told, because the next one came first, is told no more: nobody wants to be
//! warned of what has happened.

use jiff::Timestamp;

use super::{Carrier, Mark, Notice, Recipient};
use crate::api::{AccessLevel, DunningStage, Limits, NoticeKind, TenantBillingStatus, reason};
use crate::converge::concern::{self, Matter};
use crate::converge::desired::Desired;
use crate::converge::dunning::{self, Dunning};
use crate::converge::money;
use crate::converge::observed::{
    Invoice, InvoiceStatus, Observed, Subscription, SubscriptionStatus,
};
use crate::converge::payment::SetupLink;
use crate::converge::status::Judged;

/// A notice that is due, and what the mirror shows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// What is told.
    pub notice: Notice,
    /// The object that carries its mark.
    pub carrier: Carrier,
    /// Tells apart what is about the same object twice, as in [`Mark::occasion`].
    pub occasion: String,
    /// The mark as the mirror has it.
    pub mark: Mark,
}

/// What a look came to, as far as somebody may have to be told of it.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The account (`acct_…`).
    pub account: &'a str,
    /// `<namespace>/<name>`
    pub manifest: &'a str,
    /// What should be.
    pub desired: &'a Desired,
    /// What is.
    pub observed: &'a Observed,
    /// The page on which the customer is asked for a payment method.
    pub setup: Option<&'a SetupLink>,
    /// Why the desired state is not reached: one of [`reason`].
    pub hold: Option<&'a str>,
    /// The status before the look.
    pub before: &'a TenantBillingStatus,
    /// And after it.
    pub after: &'a TenantBillingStatus,
    /// Now, by the clock that the tenant lives on.
    pub now: Timestamp,
    /// Now, whatever clock it lives on.
    pub wall: Timestamp,
}

/// What is due, in no particular order.
pub fn due(telling: Telling<'_>) -> Vec<Due> {
    let judged = Judged {
        observed: telling.observed,
        desired: Some(telling.desired),
        now: telling.now,
    };
    let dunning = judged.dunning(telling.after);
    let mut due: Vec<Due> = Vec::new();
    due.extend(dunning.as_ref().and_then(|dunning| telling.stage(dunning)));
    due.extend(telling.reactivated());
    if let Some(subscription) = telling.subscription() {
        due.extend(telling.action_required(subscription));
        due.extend(telling.trial_ending(subscription));
    }
    due.extend(telling.method_needed());
    due.extend(telling.disputes());
    due
}

impl<'a> Telling<'a> {
    /// The subscription the status is about.
    fn subscription(&self) -> Option<&'a Subscription> {
        let id = self.after.stripe.as_ref()?.subscription_id.as_ref()?;
        let mut all = self.observed.subscriptions.iter();
        all.find(|subscription| subscription.id == *id)
    }

    /// A notice with what all of them tell. What is on its way keeps the time it has.
    fn notice(&self, kind: NoticeKind, about: &str, occasion: &str) -> Notice {
        let mut known = self.before.notices.iter();
        let known = known.find(|known| known.kind == kind && known.about == about);
        let time = known.map_or(self.wall, |known| known.since.0);
        let customer = &self.desired.customer;
        Notice {
            tenant_id: self.desired.key.tenant.clone(),
            manifest: self.manifest.to_owned(),
            customer: Some(Recipient {
                name: customer.name.clone(),
                email: customer.email.clone(),
            }),
            plan: Some(self.desired.plan.clone()),
            ..Notice::new(self.account, kind, about, occasion, time)
        }
    }

    fn stage(&self, dunning: &Dunning<'a>) -> Option<Due> {
        let stage = dunning.stage?;
        // What is not in force, because the enforcement is held, or was before, is not told.
        let access = self.after.access.as_ref()?;
        if access.level < dunning::level(stage) {
            return None;
        }
        let kind = match stage {
            DunningStage::Reminder => NoticeKind::Reminder,
            DunningStage::Warning => NoticeKind::Warning,
            DunningStage::Limited => NoticeKind::Limited,
            DunningStage::Suspended => NoticeKind::Suspended,
        };
        let invoice = dunning.anchor;
        let notice = Notice {
            amount_due: Some(money::format(dunning.amount, &invoice.currency)),
            day: Some(dunning.day),
            next_stage: dunning.next.map(|(stage, _)| stage),
            next_stage_at: dunning.next.and_then(|(_, at)| at),
            suspend_at: dunning.suspend_at,
            next_payment_attempt: invoice.next_payment_attempt,
            limits: self.limits().filter(|_| access.level != AccessLevel::Full),
            message: self
                .after
                .dunning
                .as_ref()
                .map(|known| known.message.clone()),
            ..self.of_invoice(kind, invoice)
        };
        Some(carried_by(invoice, notice))
    }

    /// What may be used, as the status says: while a change of plan waits, that is what the former one
    /// allows.
    fn limits(&self) -> Option<Limits> {
        let limits = &self.after.access.as_ref()?.limits;
        (!limits.is_empty()).then(|| limits.clone())
    }

    fn of_invoice(&self, kind: NoticeKind, invoice: &Invoice) -> Notice {
        Notice {
            amount_due: Some(money::format(invoice.amount, &invoice.currency)),
            currency: Some(invoice.currency.to_uppercase()),
            url: invoice.hosted_url.clone(),
            ..self.notice(kind, &invoice.id, "")
        }
    }

    /// Access is as before: what was overdue is not any more. Until it is told, the status remembers:
    /// the invoice itself has left the mirror.
    fn reactivated(&self) -> Option<Due> {
        let kind = NoticeKind::Reactivated;
        if self.after.access.as_ref()?.level != AccessLevel::Full {
            return None;
        }
        let on_its_way = self.before.notices.iter().find(|known| known.kind == kind);
        let restricted = self
            .before
            .access
            .as_ref()
            .is_some_and(|access| access.level != AccessLevel::Full);
        let anchor = self.before.dunning.as_ref().filter(|_| restricted);
        let invoice = anchor
            .map(|dunning| &dunning.invoice)
            .or_else(|| on_its_way.map(|known| &known.about))?;
        // A manifest that holds gives access back as well, and nothing is paid.
        let still_owed =
            |open: &Invoice| open.id == *invoice && open.status != InvoiceStatus::Draft;
        if self.observed.invoices.iter().any(still_owed) {
            return None;
        }
        let notice = Notice {
            limits: self.limits(),
            ..self.notice(kind, invoice, "")
        };
        Some(Due {
            notice,
            carrier: Carrier::Invoice(invoice.clone()),
            occasion: String::new(),
            mark: Mark::default(),
        })
    }

    fn action_required(&self, subscription: &Subscription) -> Option<Due> {
        let concerns = concern::concerns(subscription, &self.observed.invoices, self.now);
        let waits = concerns.iter().find(|concern| {
            matches!(
                concern.matter,
                Matter::ActionRequired | Matter::AwaitingPayment
            )
        })?;
        let invoice = waits.invoice?;
        let notice = Notice {
            until: waits.before,
            message: Some(waits.message.clone()),
            ..self.of_invoice(NoticeKind::ActionRequired, invoice)
        };
        Some(carried_by(invoice, notice))
    }

    fn trial_ending(&self, subscription: &Subscription) -> Option<Due> {
        let kind = NoticeKind::TrialEnding;
        let end = subscription.trial_end?;
        let from = self.desired.trial_ending.reminder(end)?;
        let runs = subscription.status == SubscriptionStatus::Trialing && !subscription.is_ending();
        if !runs || self.now < from || self.now >= end {
            return None;
        }
        let occasion = end.as_second().to_string();
        let notice = Notice {
            until: Some(end),
            url: self.setup.map(|page| page.url.clone()),
            ..self.notice(kind, &subscription.id, &occasion)
        };
        Some(Due {
            notice,
            carrier: Carrier::Subscription(subscription.id.clone()),
            mark: subscription.notices.of(kind, &occasion),
            occasion,
        })
    }

    /// Something waits for a payment method: the beginning, or a trial that has ended.
    fn method_needed(&self) -> Option<Due> {
        let kind = NoticeKind::PaymentMethodNeeded;
        let page = self.setup?;
        let customer = self.observed.customers.first()?;
        if self.hold != Some(reason::PAYMENT_METHOD_MISSING) {
            return None;
        }
        // What waits: this subscription, or the one after it; without any, the first.
        let occasion = self
            .subscription()
            .map_or("first", |subscription| &subscription.id);
        let notice = Notice {
            url: Some(page.url.clone()),
            ..self.notice(kind, &customer.id, occasion)
        };
        Some(Due {
            notice,
            carrier: Carrier::Customer(customer.id.clone()),
            occasion: occasion.to_owned(),
            mark: customer.notices.of(kind, occasion),
        })
    }

    fn disputes(&self) -> Vec<Due> {
        let kind = NoticeKind::Dispute;
        let seen = self
            .observed
            .disputes
            .iter()
            .flat_map(|seen| &seen.disputes);
        let open = seen.filter(|dispute| dispute.status.is_open());
        open.map(|dispute| Due {
            notice: Notice {
                amount_due: Some(money::format(dispute.amount, &dispute.currency)),
                currency: Some(dispute.currency.to_uppercase()),
                until: dispute.evidence_due_by,
                message: Some(format!("{} is disputed: {}", dispute.id, dispute.reason)),
                ..self.notice(kind, &dispute.id, "")
            },
            carrier: Carrier::Dispute(dispute.id.clone()),
            occasion: String::new(),
            mark: dispute.notices.of(kind, ""),
        })
        .collect()
    }
}

fn carried_by(invoice: &Invoice, notice: Notice) -> Due {
    Due {
        carrier: Carrier::Invoice(invoice.id.clone()),
        occasion: String::new(),
        mark: invoice.notices.of(notice.kind, ""),
        notice,
    }
}

#[cfg(test)]
mod tests;
