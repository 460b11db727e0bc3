//! What a disputed payment holds back, and how that is let go.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::convergence::any_observed;
use super::*;

prop_compose! {
    fn any_draft()(
        of in prop::sample::select(vec![Some("sub_1"), Some("sub_2"), None]),
        hours_ago in prop::sample::select(vec![1_i64, 24, 72]),
        auto_advance in prop::bool::weighted(0.3),
        status in prop::sample::select(vec![
            InvoiceStatus::Draft, InvoiceStatus::Draft, InvoiceStatus::Open, InvoiceStatus::Uncollectible,
        ]),
        marked in prop::bool::weighted(0.3),
    ) -> Invoice {
        let auto_advance = auto_advance && status.is_collected();
        Invoice {
            subscription: of.map(str::to_owned),
            created: now() - hours_ago.hours(),
            auto_advance,
            status,
            held: (marked && !auto_advance).then(mark),
            ..draft("")
        }
    }
}

prop_compose! {
    /// Any state, with pauses, marks, disputes and drafts on top.
    pub(super) fn any_disputed()(
        mut observed in any_observed(),
        behaviors in prop::array::uniform2(prop::option::of(prop::sample::select(vec!["keep_as_draft", "void"]))),
        marked in prop::array::uniform2(any::<bool>()),
        status in prop::option::of(prop::sample::select(vec![
            DisputeStatus::NeedsResponse, DisputeStatus::UnderReview, DisputeStatus::Won, DisputeStatus::Lost,
        ])),
        readable in prop::bool::weighted(0.9),
        drafts in prop::collection::vec(any_draft(), 0..4),
    ) -> Observed {
        for (at, subscription) in observed.subscriptions.iter_mut().enumerate() {
            // Stripe lets nobody pause what is not paid for the first time.
            if subscription.status != SubscriptionStatus::Incomplete {
                subscription.collection_paused = behaviors[at].map(pause);
                subscription.held = marked[at].then(mark);
            }
        }
        let disputes = status.map(|status| dispute("du_1", status)).into_iter().collect();
        observed.disputes = readable.then(|| Disputes { disputes, warnings: Vec::new() });
        let numbered = drafts.into_iter().enumerate();
        observed.invoices = numbered.map(|(n, draft)| Invoice { id: format!("in_{n}"), ..draft }).collect();
        observed
    }
}

/// Whether the operator's mark, and at most its own pause, is on a subscription.
fn is_ours(subscription: &Subscription) -> bool {
    let pause_or_none = subscription
        .collection_paused
        .as_ref()
        .is_none_or(|paused| *paused == pause("keep_as_draft"));
    subscription.held.is_some() && pause_or_none
}

/// Whether an invoice was held back, if its subscription was.
fn is_of_hold(invoice: &Invoice) -> bool {
    let made_by_it = invoice.status == InvoiceStatus::Draft && invoice.created >= mark().since;
    !invoice.auto_advance && invoice.status.is_collected() && (made_by_it || invoice.held.is_some())
}

/// Nothing is released but what was held, and nothing kept without a mark.
fn others_untouched(before: &Observed, after: &Observed) -> Result<(), TestCaseError> {
    let was = |id: &str| before.subscriptions.iter().find(|s| s.id == *id);
    for (before, after) in before.invoices.iter().zip(&after.invoices) {
        let of = before.subscription.as_deref().and_then(was);
        let released = of.is_some_and(is_ours) && is_of_hold(before) && after.auto_advance;
        let kept = before.auto_advance && !after.auto_advance && after.held.is_some();
        prop_assert!(
            before == after || released || kept,
            "somebody else's invoice"
        );
    }
    Ok(())
}

/// What a converged state has to be with regard to holds.
pub(super) fn held_or_let_go(
    desired: &Desired,
    before: &Observed,
    after: &Observed,
    recorded: &Recorded,
) -> Result<(), TestCaseError> {
    others_untouched(before, after)?;
    let is_own = |s: &&Subscription| {
        s.status.is_live() && (s.key.is_some() || Some(&s.id) == recorded.subscription_id.as_ref())
    };
    let own: Vec<&Subscription> = after.subscriptions.iter().filter(is_own).collect();
    let [one] = own.as_slice() else { return Ok(()) };
    let excepted = one.status == SubscriptionStatus::Incomplete
        || desired.lifecycle == Lifecycle::Canceled
        || after.customers.is_empty();
    if excepted {
        return Ok(());
    }
    let earlier = before.subscriptions.iter().find(|s| s.id == one.id);
    let paused = earlier.and_then(|earlier| earlier.collection_paused.clone());
    if paused.is_some() && !earlier.is_some_and(is_ours) {
        prop_assert_eq!(&one.collection_paused, &paused, "their pause");
        return Ok(());
    }
    let mut invoices = after.invoices.iter();
    let is_own = |invoice: &Invoice| invoice.subscription.as_ref() == Some(&one.id);
    let hold = desired.on_dispute != OnDispute::Report;
    match &after.disputes {
        None if hold => prop_assert_eq!(&one.collection_paused, &paused),
        Some(seen) if hold && seen.disputes.iter().any(|d| d.status.is_open()) => {
            prop_assert_eq!(&one.collection_paused, &Some(pause("keep_as_draft")));
            prop_assert!(one.held.is_some(), "held without a mark");
            let charged = invoices.find(|invoice| is_own(invoice) && invoice.auto_advance);
            prop_assert_eq!(charged, None, "it goes on being charged");
        }
        _ => {
            prop_assert_eq!(&one.collection_paused, &None);
            prop_assert_eq!(&one.held, &None);
            let was_ours = earlier.is_some_and(is_ours);
            let left = invoices.find(|invoice| was_ours && is_own(invoice) && is_of_hold(invoice));
            prop_assert_eq!(left, None, "an invoice of the hold is left behind");
        }
    }
    Ok(())
}

fn disputed(status: DisputeStatus) -> Disputes {
    Disputes {
        disputes: vec![dispute("du_1", status)],
        warnings: Vec::new(),
    }
}

fn holding() -> Desired {
    Desired {
        on_dispute: OnDispute::Hold,
        ..desired()
    }
}

fn held() -> Subscription {
    Subscription {
        collection_paused: Some(pause("keep_as_draft")),
        held: Some(mark()),
        ..active()
    }
}

fn observed(subscription: Subscription, disputes: impl Into<Option<Disputes>>) -> Observed {
    Observed {
        disputes: disputes.into(),
        ..with(vec![subscription])
    }
}

fn drafts(subscription: Subscription, drafts: Vec<Invoice>) -> Observed {
    Observed {
        invoices: drafts,
        ..observed(subscription, disputed(DisputeStatus::Won))
    }
}

const HOLD: &str = "~ hold what sub_1 charges while du_1 is open";
const RESUME: &str = "~ collect what sub_1 charges again";
const UNMARK: &str = "~ note on sub_1 that the hold for du_1 is over";

#[test]
fn a_dispute_holds_what_is_charged_when_the_manifest_says_so() {
    let open = observed(active(), disputed(DisputeStatus::NeedsResponse));
    assert_idle(&plan_of(&desired(), &open));
    for on_dispute in [OnDispute::Hold, OnDispute::Suspend] {
        let desired = Desired {
            on_dispute,
            ..desired()
        };
        assert_eq!(steps(&desired, &open), [HOLD]);
    }
}

#[test]
fn an_inquiry_holds_too_and_so_does_a_status_nobody_knows() {
    for status in [
        DisputeStatus::WarningUnderReview,
        DisputeStatus::Other("new".into()),
    ] {
        let open = observed(active(), disputed(status));
        assert_eq!(steps(&holding(), &open), [HOLD]);
    }
}

#[test]
fn while_it_is_held_nothing_is_done() {
    let open = observed(held(), disputed(DisputeStatus::UnderReview));
    assert_idle(&plan_of(&holding(), &open));
}

#[test]
fn however_it_is_decided_what_was_held_is_let_go() {
    for status in [
        DisputeStatus::Won,
        DisputeStatus::Lost,
        DisputeStatus::WarningClosed,
        DisputeStatus::Prevented,
    ] {
        let decided = observed(held(), disputed(status));
        assert_eq!(steps(&holding(), &decided), [RESUME]);
    }
}

#[test]
fn a_manifest_that_no_longer_says_hold_lets_go_at_once() {
    let open = observed(held(), disputed(DisputeStatus::NeedsResponse));
    assert_eq!(steps(&desired(), &open), [RESUME]);
}

#[test]
fn a_second_dispute_keeps_holding_when_the_first_is_decided() {
    let mut both = disputed(DisputeStatus::Lost);
    let second = dispute("du_2", DisputeStatus::NeedsResponse);
    both.disputes.push(second);
    assert_idle(&plan_of(&holding(), &observed(held(), both)));
}

#[test]
fn drafts_of_the_hold_are_released_one_by_one_and_the_mark_goes_last() {
    let resumed = Subscription {
        collection_paused: None,
        ..held()
    };
    let both = drafts(resumed, vec![draft("in_1"), draft("in_2")]);
    assert_eq!(
        steps(&holding(), &both),
        [
            "~ release in_1, which was held for du_1",
            "~ release in_2, which was held for du_1",
            UNMARK
        ]
    );
}

#[test]
fn invoices_that_are_being_collected_when_a_hold_begins_are_held_and_released_by_their_mark() {
    let collected = Invoice {
        status: InvoiceStatus::Open,
        auto_advance: true,
        ..draft("in_1")
    };
    let by_hand = Invoice {
        subscription: None,
        ..collected.clone()
    };
    let open = Observed {
        invoices: vec![collected.clone(), by_hand],
        ..observed(held(), disputed(DisputeStatus::NeedsResponse))
    };
    assert_eq!(steps(&holding(), &open), ["~ hold in_1 while du_1 is open"]);

    let kept = Invoice {
        auto_advance: false,
        held: Some(mark()),
        created: mark().since - 24.hours(),
        ..collected
    };
    let resumed = Subscription {
        collection_paused: None,
        ..held()
    };
    assert_eq!(
        steps(&holding(), &drafts(resumed, vec![kept])),
        ["~ release in_1, which was held for du_1", UNMARK]
    );
}

#[test]
fn drafts_of_others_are_left_alone() {
    let resumed = Subscription {
        collection_paused: None,
        ..held()
    };
    let before_the_hold = Invoice {
        created: mark().since - 1.seconds(),
        ..draft("in_1")
    };
    let by_hand = Invoice {
        subscription: None,
        ..draft("in_2")
    };
    let advancing = Invoice {
        auto_advance: true,
        ..draft("in_3")
    };
    let open = Invoice {
        status: InvoiceStatus::Open,
        ..draft("in_4")
    };
    // Stripe lets nobody have it collected again.
    let given_up = Invoice {
        status: InvoiceStatus::Uncollectible,
        held: Some(mark()),
        ..draft("in_5")
    };
    let others = vec![before_the_hold, by_hand, advancing, open, given_up];
    let others = drafts(resumed, others);
    assert_eq!(steps(&holding(), &others), [UNMARK]);
}

#[test]
fn somebody_elses_pause_is_respected_and_reported_whether_or_not_something_is_disputed() {
    let paused = Subscription {
        collection_paused: Some(pause("void")),
        ..active()
    };
    for status in [DisputeStatus::NeedsResponse, DisputeStatus::Won] {
        let plan = plan_of(&holding(), &observed(paused.clone(), disputed(status)));
        assert_eq!(plan.steps, []);
        let reported = &plan.reported[0];
        assert_eq!(reported.field, "subscription.pauseCollection");
        assert_eq!(reported.observed, "void");
    }
}

#[test]
fn a_hold_that_somebody_changed_into_another_pause_is_theirs() {
    let changed = Subscription {
        collection_paused: Some(pause("mark_uncollectible")),
        ..held()
    };
    let plan = plan_of(&holding(), &observed(changed, disputed(DisputeStatus::Won)));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.reported.len(), 1);
}

#[test]
fn a_hold_that_somebody_undid_is_restored_as_drift_and_remembers_its_beginning() {
    let undone = Subscription {
        collection_paused: None,
        ..held()
    };
    let open = observed(undone, disputed(DisputeStatus::NeedsResponse));
    let plan = plan_of(&holding(), &open);
    assert_eq!(described(&plan), [HOLD]);
    assert!(plan.steps[0].is_repair(crate::converge::steps::Unedited::No));
    let Step::Collection(CollectionStep::Hold { mark: kept, .. }) = &plan.steps[0] else {
        panic!("{:?}", plan.steps);
    };
    assert_eq!(*kept, mark());
}

#[test]
fn disputes_that_cannot_be_read_neither_hold_nor_let_go() {
    assert_idle(&plan_of(&holding(), &observed(held(), None)));
    assert_idle(&plan_of(&holding(), &observed(active(), None)));
}

#[test]
fn a_first_payment_that_is_open_cannot_be_held() {
    let incomplete = subscription("sub_1", SubscriptionStatus::Incomplete);
    let open = observed(incomplete, disputed(DisputeStatus::NeedsResponse));
    assert_eq!(steps(&holding(), &open), [""; 0]);
}

#[test]
fn a_mark_that_somebody_edited_still_lets_everything_go() {
    assert_eq!(HoldMark::read(&mark().to_string()), mark());
    assert_eq!(HoldMark::read("du_1@x").since, Timestamp::UNIX_EPOCH);
    assert_eq!(HoldMark::read("whatever").by, "whatever");
}

#[test]
fn an_invoice_that_is_going_to_be_late_is_looked_at_then() {
    let waiting = Invoice {
        auto_advance: true,
        finalizes_at: Some(now()),
        ..draft("in_1")
    };
    let plan = plan_of(&desired(), &drafts(active(), vec![waiting]));
    assert_eq!(plan.look_at, Some(now() + 2.hours()));
}
