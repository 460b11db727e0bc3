//! What holds for whatever invoices, at any time.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// Invoices of the subscription, overdue or soon to be, up to 60 days after the start. What is attempted was so by hour 960.
fn invoices() -> impl Strategy<Value = Vec<Invoice>> {
    let one = (0_i64..960, 0_i64..4, 1_i64..9, any::<bool>(), any::<bool>());
    prop::collection::vec(one, 1..6).prop_map(|drawn| {
        let made = drawn.into_iter().enumerate();
        made.map(|(index, (at, kind, attempts, given_up, retried))| {
            let id = format!("in_{index}");
            let mut invoice = if kind == 0 {
                due(&id, at)
            } else {
                failed(&id, at)
            };
            if invoice.due_date.is_none() {
                invoice.attempt_count = attempts;
                invoice.next_payment_attempt = retried.then(|| hours(2000 + at));
            }
            if given_up {
                invoice.status = InvoiceStatus::Uncollectible;
            }
            invoice
        })
        .collect()
    })
}

fn schedules() -> impl Strategy<Value = DunningTerms> {
    let stages = [
        DunningStage::Reminder,
        DunningStage::Warning,
        DunningStage::Limited,
        DunningStage::Suspended,
    ];
    let chosen = subsequence(stages.to_vec(), 1..=4);
    let steps = prop::collection::vec(1_i64..9, 4);
    (chosen, steps, any::<bool>(), prop::option::of(0_i64..1200)).prop_map(
        |(stages, steps, by_day, hold)| {
            let mut at = 0;
            let numbered = stages.into_iter().zip(steps).map(|(stage, step)| {
                at += step;
                (stage, at)
            });
            let numbered = numbered.collect();
            let schedule = if by_day {
                Schedule::Days(numbered)
            } else {
                Schedule::Attempts(numbered)
            };
            DunningTerms {
                schedule,
                hold_until: hold.map(|hold| hours(hold * 2)),
            }
        },
    )
}

fn stage_of(invoices: &[Invoice], terms: &DunningTerms, at: i64) -> Option<DunningStage> {
    let observed = observed(invoices.to_vec());
    judged(&observed, terms, hours(at)).and_then(|dunning| dunning.stage)
}

proptest! {
    /// The day, or the attempt, of the stage in force has come, for the invoice that decides.
    #[test]
    fn no_stage_comes_before_its_day(invoices in invoices(), terms in schedules(), at in 960_i64..2000) {
        let observed = observed(invoices);
        let Some(dunning) = judged(&observed, &terms, hours(at)) else { return Ok(()) };
        let Some(stage) = dunning.stage else { return Ok(()) };
        let (stages, number) = match &terms.schedule {
            Schedule::Days(stages) => (stages.clone(), dunning.day),
            Schedule::Attempts(stages) if dunning.anchor.due_date.is_none() => {
                let given_up = dunning.anchor.status == InvoiceStatus::Uncollectible;
                (stages.clone(), if given_up { 1000 } else { dunning.anchor.attempt_count.max(1) })
            }
            Schedule::Attempts(_) => {
                let Schedule::Days(default) = Schedule::default() else { unreachable!() };
                (default, dunning.day)
            }
        };
        let begins = stages.iter().find(|(known, _)| *known == stage).map(|(_, begins)| *begins);
        prop_assert!(begins.is_some_and(|begins| begins <= number), "{stage:?} at {number}: {stages:?}");
        // And none that is further has.
        prop_assert!(stages.iter().all(|(known, begins)| *known <= stage || *begins > number));
        prop_assert!(terms.hold_until.is_none_or(|until| until <= hours(at)));
    }

    /// As time passes, and nothing is paid, it only goes forward.
    #[test]
    fn it_never_goes_back_while_nothing_is_paid(invoices in invoices(), terms in schedules(), at in 960_i64..2000, later in 0_i64..500) {
        prop_assert!(stage_of(&invoices, &terms, at) <= stage_of(&invoices, &terms, at + later));
    }

    /// Whatever the others do: as long as the one that decides is unpaid, it does not go back.
    #[test]
    fn it_never_goes_back_while_the_anchor_is_unpaid(invoices in invoices(), terms in schedules(), at in 960_i64..2000, later in 0_i64..500) {
        let before = observed(invoices);
        let Some(dunning) = judged(&before, &terms, hours(at)) else { return Ok(()) };
        let alone = vec![dunning.anchor.clone()];
        prop_assert!(dunning.stage <= stage_of(&alone, &terms, at + later));
    }

    #[test]
    fn paying_any_of_them_is_never_worse_than_paying_none(invoices in invoices(), terms in schedules(), at in 960_i64..2000, paid in any::<u8>()) {
        let left: Vec<Invoice> = invoices
            .iter()
            .enumerate()
            .filter(|(index, _)| paid & (1 << index) == 0)
            .map(|(_, invoice)| invoice.clone())
            .collect();
        prop_assert!(stage_of(&left, &terms, at) <= stage_of(&invoices, &terms, at));
    }

    #[test]
    fn the_order_of_the_invoices_does_not_matter(
        (invoices, shuffled) in invoices().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        terms in schedules(),
        at in 960_i64..2000,
    ) {
        let (one, other) = (observed(invoices), observed(shuffled));
        prop_assert_eq!(judged(&one, &terms, hours(at)), judged(&other, &terms, hours(at)));
    }

    /// The announced time is the time: until then nothing changes, and then the announced stage is there,
    /// or one that is further.
    #[test]
    fn the_next_stage_comes_when_it_was_announced(invoices in invoices(), mut terms in schedules(), at in 960_i64..2000) {
        // What attempts do is known only once they are made.
        if matches!(terms.schedule, Schedule::Attempts(_)) {
            terms.schedule = Schedule::default();
        }
        let observed = observed(invoices.clone());
        let Some(dunning) = judged(&observed, &terms, hours(at)) else { return Ok(()) };
        let due = next_overdue(&observed.subscriptions[0], &invoices, hours(at));
        let Some((next, Some(when))) = dunning.next else { return Ok(()) };
        prop_assert!(when > hours(at));
        let second = SignedDuration::from_secs(1);
        if due.is_none_or(|due| due >= when) {
            let just_before = judged(&observed, &terms, when - second).and_then(|d| d.stage);
            prop_assert_eq!(just_before, dunning.stage);
        }
        let then = judged(&observed, &terms, when).and_then(|d| d.stage);
        prop_assert!(then >= Some(next), "{:?} at {}", then, when);
    }

    /// Access is less at the announced time, and not before.
    #[test]
    fn access_is_restricted_when_it_was_announced(invoices in invoices(), mut terms in schedules(), at in 960_i64..2000) {
        if matches!(terms.schedule, Schedule::Attempts(_)) {
            terms.schedule = Schedule::default();
        }
        let observed = observed(invoices);
        let Some(dunning) = judged(&observed, &terms, hours(at)) else { return Ok(()) };
        let level = |now| judged(&observed, &terms, now).map_or(AccessLevel::Full, |d| d.level());
        if let Some(when) = dunning.restricts_at {
            prop_assert!(level(when) > dunning.level());
            prop_assert_eq!(level(when - SignedDuration::from_secs(1)), dunning.level());
        } else {
            prop_assert_eq!(level(hours(at + 9000)), dunning.level());
        }
    }
}
