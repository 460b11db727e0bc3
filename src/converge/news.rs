//! What people are told by a Kubernetes event: that something begins which needs them, and that it is
//! over. Told from the status before and after a look, so that a restart tells nothing again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::Truth;
use crate::api::{AccessLevel, ConditionType, DunningState, TenantBillingStatus};

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// How it is told.
    pub tone: Tone,
    /// Reason of the event.
    pub reason: String,
    /// What is the case.
    pub message: String,
}

/// How something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It needs somebody.
    Warning,
    /// It is over.
    Normal,
}

/// A condition whose beginning is told.
struct Told {
    kind: ConditionType,
    /// The value that needs somebody.
    bad: Truth,
    /// What makes it another trouble than before.
    same: fn(&Condition, &Condition) -> bool,
    end: End,
}

/// How the end of a trouble is told.
enum End {
    Untold,
    /// Under this reason.
    As(&'static str),
    /// Under the condition's own reason.
    AsItIs,
}

const TOLD: [Told; 4] = [
    Told {
        kind: ConditionType::Stalled,
        bad: Truth::True,
        same: |a, b| a.reason == b.reason && a.message == b.message,
        end: End::Untold,
    },
    // The message tells when the next attempt is made, which is not news each time.
    Told {
        kind: ConditionType::PaymentCurrent,
        bad: Truth::False,
        same: |a, b| a.reason == b.reason,
        end: End::As("PaymentRecovered"),
    },
    Told {
        kind: ConditionType::Disputed,
        bad: Truth::True,
        same: |a, b| a.reason == b.reason,
        end: End::AsItIs,
    },
    Told {
        kind: ConditionType::EnforcementHeld,
        bad: Truth::True,
        same: |_, _| true,
        end: End::Untold,
    },
];

/// What a look found that people are to be told.
pub fn of(before: &TenantBillingStatus, after: &TenantBillingStatus) -> Vec<News> {
    let mut news = between(&before.conditions, &after.conditions);
    news.extend(of_dunning(before, after));
    news.extend(of_access(before, after));
    news
}

/// The stages that take no access; those that do are told with what they take.
fn of_dunning(before: &TenantBillingStatus, after: &TenantBillingStatus) -> Option<News> {
    let now = after.dunning.as_ref()?;
    let known = before.dunning.as_ref();
    if known.is_some_and(|known| known.stage == now.stage && known.invoice == now.invoice) {
        return None;
    }
    let reason = match now.stage {
        DunningState::Reminder => "DunningReminder",
        DunningState::Warning => "DunningWarning",
        _ => return None,
    };
    Some(News {
        tone: Tone::Warning,
        reason: reason.to_owned(),
        message: now.message.clone(),
    })
}

fn of_access(before: &TenantBillingStatus, after: &TenantBillingStatus) -> Option<News> {
    let (known, now) = (before.access.as_ref()?, after.access.as_ref()?);
    let (tone, reason) = match (known.level, now.level) {
        (known, now) if known == now => return None,
        (_, AccessLevel::Full) => (Tone::Normal, "AccessGranted"),
        (AccessLevel::Suspended, AccessLevel::Limited) => (Tone::Normal, "AccessLimited"),
        (_, AccessLevel::Limited) => (Tone::Warning, "AccessLimited"),
        (_, AccessLevel::Suspended) => (Tone::Warning, "AccessSuspended"),
    };
    let why = after.dunning.as_ref().filter(|_| tone == Tone::Warning);
    let why = why.map_or_else(String::new, |dunning| format!(": {}", dunning.message));
    let level = now.level.as_str();
    Some(News {
        tone,
        reason: reason.to_owned(),
        message: format!("access is {level} ({}){why}", now.reason),
    })
}

/// What the conditions tell of. What two conditions say for the same reason is told
/// once.
fn between(before: &[Condition], after: &[Condition]) -> Vec<News> {
    let mut news: Vec<News> = Vec::new();
    for told in &TOLD {
        let told = told.news(before, after);
        news.extend(told.filter(|told| news.iter().all(|known| known.reason != told.reason)));
    }
    news
}

impl Told {
    fn news(&self, before: &[Condition], after: &[Condition]) -> Option<News> {
        let of = |list: &'_ [Condition]| {
            let found = list.iter().find(|c| c.type_ == self.kind.as_str());
            found.cloned()
        };
        let is_bad = |condition: &Condition| condition.status == self.bad.as_str();
        let now = of(after)?;
        let trouble = of(before).filter(is_bad);
        let (tone, reason) = match trouble {
            Some(known) if is_bad(&now) && (self.same)(&known, &now) => return None,
            _ if is_bad(&now) => (Tone::Warning, now.reason),
            None => return None,
            // What was not looked at is not over.
            Some(_) if now.status == Truth::Unknown.as_str() => return None,
            Some(_) => match self.end {
                End::Untold => return None,
                End::As(reason) => (Tone::Normal, reason.to_owned()),
                End::AsItIs => (Tone::Normal, now.reason),
            },
        };
        Some(News {
            tone,
            reason,
            message: now.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::api::reason;
    use crate::converge::conditions::Conditions;

    fn one(kind: ConditionType, truth: Truth, reason: &str, message: &str) -> Vec<Condition> {
        let mut conditions = Conditions::after(&[], 1, Timestamp::UNIX_EPOCH);
        conditions.set(kind, truth, reason, message);
        conditions.finish()
    }

    fn past_due(message: &str) -> Vec<Condition> {
        let kind = ConditionType::PaymentCurrent;
        one(kind, Truth::False, reason::PAST_DUE, message)
    }

    fn current() -> Vec<Condition> {
        let kind = ConditionType::PaymentCurrent;
        one(kind, Truth::True, reason::NOTHING_OVERDUE, "paid")
    }

    fn told(before: &[Condition], after: &[Condition]) -> Vec<(Tone, String)> {
        let news = between(before, after);
        news.into_iter().map(|n| (n.tone, n.reason)).collect()
    }

    #[test]
    fn a_trouble_is_told_when_it_begins_and_when_it_is_over_and_not_in_between() {
        let begun = [(Tone::Warning, "PastDue".to_owned())];
        assert_eq!(told(&[], &past_due("a")), begun);
        assert_eq!(told(&current(), &past_due("a")), begun);
        assert_eq!(told(&past_due("a"), &past_due("the next attempt")), []);
        let over = [(Tone::Normal, "PaymentRecovered".to_owned())];
        assert_eq!(told(&past_due("a"), &current()), over);
        assert_eq!(told(&current(), &current()), []);
        assert_eq!(told(&[], &current()), []);
        // Cancelled: nothing was paid, so nothing is told.
        assert_eq!(told(&past_due("a"), &[]), []);
    }

    #[test]
    fn another_reason_is_another_trouble() {
        let kind = ConditionType::PaymentCurrent;
        let unpaid = one(kind, Truth::False, reason::UNPAID, "a");
        assert_eq!(
            told(&past_due("a"), &unpaid),
            [(Tone::Warning, "Unpaid".to_owned())]
        );
    }

    #[test]
    fn a_stall_is_told_again_when_it_says_something_else() {
        let stalled = |message| one(ConditionType::Stalled, Truth::True, "InvalidSpec", message);
        assert_eq!(told(&stalled("a"), &stalled("a")), []);
        assert_eq!(told(&stalled("a"), &stalled("b")).len(), 1);
        assert_eq!(told(&stalled("a"), &[]), []);
    }

    #[test]
    fn the_end_of_a_dispute_is_told_with_how_it_ended() {
        let disputed = |truth, reason| one(ConditionType::Disputed, truth, reason, "m");
        let open = disputed(Truth::True, reason::DISPUTE_OPEN);
        assert_eq!(
            told(&open, &disputed(Truth::False, reason::DISPUTE_LOST)),
            [(Tone::Normal, "DisputeLost".to_owned())]
        );
        assert_eq!(told(&[], &disputed(Truth::False, reason::DISPUTE_LOST)), []);
    }

    #[test]
    fn what_two_conditions_say_for_one_reason_is_told_once() {
        let mut after = one(
            ConditionType::Stalled,
            Truth::True,
            "SubscriptionExpired",
            "a",
        );
        let kind = ConditionType::PaymentCurrent;
        after.extend(one(kind, Truth::False, "SubscriptionExpired", "b"));
        assert_eq!(told(&[], &after).len(), 1);
    }
}
