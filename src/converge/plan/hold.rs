//! Holding back what a subscription charges while a payment is disputed, and letting go.
//!
//! | disputed, and the manifest says hold | paused | marked | what is done |
//! |---|---|---|---|
//! | yes | no | | pause and mark, in one request |
//! | yes, or no | yes | no | somebody else's pause: respected and reported |
//! | yes | by us | yes | hold and mark invoices made before that are still being collected |
//! | no | by us | yes | resume; the mark stays |
//! | no | no | yes | release the invoices of the hold one by one, then take the mark away |
//!
//! An invoice is of the hold if it carries the mark; or if it is a draft that was made since the
//! subscription's mark, bills the subscription, and is not finalised by itself: collection that is
//! paused makes such drafts, and resuming it doesn't let them go.

use jiff::Timestamp;

use super::{Case, Difference, Plan};
use crate::api::{DriftClass, Lifecycle, OnDispute};
use crate::converge::desired::Desired;
use crate::converge::observed::{
    CollectionPause, Dispute, HoldMark, Invoice, InvoiceStatus, Observed, Subscription,
    SubscriptionStatus,
};
use crate::converge::steps::{Cause, Change, CollectionStep, Step};

/// What becomes of invoices while the operator holds.
const KEEP_AS_DRAFT: &str = "keep_as_draft";
const FIELD: &str = "subscription.pauseCollection";
const NOT_PAUSED: &str = "none";

/// Holds or lets go, whichever is due.
pub(super) fn converge(plan: &mut Plan, case: Case<'_>, subscription: &Subscription) {
    let Case {
        desired, observed, ..
    } = case;
    let now = case.situation.now;
    // Stripe lets nobody change a subscription whose first payment is open; one that is cancelled
    // charges nothing more.
    if desired.lifecycle == Lifecycle::Canceled
        || subscription.status == SubscriptionStatus::Incomplete
    {
        return;
    }
    let wanted = wanted(desired, observed);
    match (&subscription.collection_paused, &subscription.held) {
        (Some(pause), Some(mark)) if pause.behavior == KEEP_AS_DRAFT => match wanted {
            Wanted::LetGo => plan.steps.push(resume(subscription, mark)),
            Wanted::Hold(_) => plan.steps.extend(earlier(observed, subscription, mark)),
            Wanted::Unknown => {}
        },
        (Some(pause), _) => plan.reported.push(theirs(pause, wanted)),
        (None, mark) => match (wanted, mark) {
            (Wanted::Hold(dispute), mark) => {
                plan.steps
                    .push(hold(subscription, mark.as_ref(), dispute, now));
            }
            (Wanted::LetGo, Some(mark)) => {
                plan.steps.extend(let_go(observed, subscription, mark));
            }
            _ => {}
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    /// For this dispute.
    Hold(&'a Dispute),
    LetGo,
    /// Disputes could not be read: what is held stays held, what isn't does not begin to be.
    Unknown,
}

fn wanted<'a>(desired: &Desired, observed: &'a Observed) -> Wanted<'a> {
    if desired.on_dispute == OnDispute::Report {
        return Wanted::LetGo;
    }
    let Some(seen) = &observed.disputes else {
        return Wanted::Unknown;
    };
    let open = seen
        .disputes
        .iter()
        .find(|dispute| dispute.status.is_open());
    open.map_or(Wanted::LetGo, Wanted::Hold)
}

fn hold(
    subscription: &Subscription,
    mark: Option<&HoldMark>,
    dispute: &Dispute,
    now: Timestamp,
) -> Step {
    // Somebody has resumed what is held for this dispute. Drafts made before that are ours still.
    let undone = mark.is_some_and(|mark| mark.by == dispute.id);
    let since = mark.map_or(now, |mark| mark.since);
    Step::Collection(CollectionStep::Hold {
        subscription: subscription.id.clone(),
        mark: HoldMark {
            by: dispute.id.clone(),
            since,
        },
        cause: if undone {
            Cause::Restored
        } else {
            Cause::Wanted
        },
        changes: vec![Change::new(FIELD, NOT_PAUSED, KEEP_AS_DRAFT)],
    })
}

fn resume(subscription: &Subscription, mark: &HoldMark) -> Step {
    Step::Collection(CollectionStep::Resume {
        subscription: subscription.id.clone(),
        mark: mark.clone(),
        changes: vec![Change::new(FIELD, KEEP_AS_DRAFT, NOT_PAUSED)],
    })
}

fn own<'a>(
    observed: &'a Observed,
    subscription: &Subscription,
) -> impl Iterator<Item = &'a Invoice> {
    let of = |invoice: &&Invoice| invoice.subscription.as_ref() == Some(&subscription.id);
    observed.invoices.iter().filter(of)
}

/// Those that Stripe may collect by itself. One that was written off can be neither held nor let go.
fn collected<'a>(
    observed: &'a Observed,
    subscription: &Subscription,
) -> impl Iterator<Item = &'a Invoice> {
    own(observed, subscription).filter(|invoice| invoice.status.is_collected())
}

/// Pausing concerns the invoices to come. Those that are there already go on being charged.
fn earlier(observed: &Observed, subscription: &Subscription, mark: &HoldMark) -> Vec<Step> {
    collected(observed, subscription)
        .filter(|invoice| invoice.auto_advance)
        .map(|invoice| CollectionStep::HoldInvoice {
            invoice: invoice.id.clone(),
            mark: mark.clone(),
        })
        .map(Step::Collection)
        .collect()
}

/// The mark goes last: should the operator stop in between, it leads here again.
fn let_go(observed: &Observed, subscription: &Subscription, mark: &HoldMark) -> Vec<Step> {
    let of_the_hold = |invoice: &&Invoice| {
        let made_by_it = invoice.status == InvoiceStatus::Draft && invoice.created >= mark.since;
        !invoice.auto_advance && (invoice.held.is_some() || made_by_it)
    };
    let held = collected(observed, subscription).filter(of_the_hold);
    let released = held.map(|invoice| CollectionStep::ReleaseInvoice {
        invoice: invoice.id.clone(),
        mark: mark.clone(),
    });
    let unmark = CollectionStep::Unmark {
        subscription: subscription.id.clone(),
        mark: mark.clone(),
    };
    released.chain([unmark]).map(Step::Collection).collect()
}

fn theirs(pause: &CollectionPause, wanted: Wanted<'_>) -> Difference {
    let until = pause
        .resumes_at
        .map_or_else(String::new, |at| format!(" until {at}"));
    let desired = match wanted {
        Wanted::Hold(_) => KEEP_AS_DRAFT,
        Wanted::LetGo | Wanted::Unknown => NOT_PAUSED,
    };
    Difference {
        field: FIELD.into(),
        desired: desired.into(),
        observed: format!("{}{until}", pause.behavior),
        class: DriftClass::Reported,
    }
}
