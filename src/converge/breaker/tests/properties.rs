//! What holds whatever happens.

use std::collections::{BTreeMap, HashSet};

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::api::AccessLevel;

/// Something that happens to a tenant.
#[derive(Clone, Copy, Debug)]
enum Event {
    Seen(u32, Standing),
    Gone(u32),
    Asks(u32, AccessLevel),
    Pays(u32),
    Released,
    Nothing,
}

const TENANTS: u32 = 40;

fn levels() -> impl Strategy<Value = AccessLevel> {
    prop::sample::select(vec![Full, Limited, Suspended])
}

fn standings(minute: i64) -> impl Strategy<Value = Standing> {
    let times = (
        prop::option::of(-90_i64..=0),
        prop::option::of(-10_i64..200),
    );
    (prop::option::of(levels()), times, any::<bool>()).prop_map(
        move |(level, (restricted, until), waits)| Standing {
            level,
            restricted: restricted.map(|ago| at(minute + ago)),
            until: until.map(|ahead| at(minute + ahead)),
            waits: if waits { Waits::Yes } else { Waits::No },
        },
    )
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..TENANTS, standings(0)).prop_map(|(tenant, seen)| Event::Seen(tenant, seen)),
        1 => (0..TENANTS).prop_map(Event::Gone),
        8 => (0..TENANTS, levels()).prop_map(|(tenant, to)| Event::Asks(tenant, to)),
        2 => (0..TENANTS).prop_map(Event::Pays),
        1 => Just(Event::Released),
        1 => Just(Event::Nothing),
    ]
}

/// Times that never go back, and what happens then.
fn histories() -> impl Strategy<Value = Vec<(i64, Event)>> {
    prop::collection::vec((0_i64..25, events()), 1..120).prop_map(|steps| {
        let mut minute = 0;
        let timed = steps.into_iter().map(|(wait, event)| {
            minute += wait;
            let event = match event {
                Event::Seen(tenant, seen) => {
                    let moved = |time: Timestamp| time + SignedDuration::from_mins(minute);
                    let seen = Standing {
                        restricted: seen.restricted.map(moved),
                        until: seen.until.map(moved),
                        ..seen
                    };
                    Event::Seen(tenant, seen)
                }
                other => other,
            };
            (minute, event)
        });
        timed.collect()
    })
}

/// Lets something happen. Gives whether a tenant was newly granted less.
fn happen(fleet: &mut Fleet<u32>, minute: i64, event: Event) -> Option<u32> {
    let before = fleet.facts().restricted;
    match event {
        Event::Seen(tenant, standing) => fleet.see(&tenant, standing, at(minute)),
        Event::Gone(tenant) => fleet.forget(&tenant),
        Event::Pays(tenant) => {
            fleet.ask(&tenant, Limited, Full, at(minute));
        }
        Event::Released => {
            fleet.release(at(minute));
        }
        Event::Nothing => fleet.pass(at(minute)),
        Event::Asks(tenant, to) => {
            fleet.pass(at(minute));
            let before = before.min(fleet.facts().restricted);
            let granted = fleet.ask(&tenant, Full, to, at(minute)) == Answer::Granted;
            let newly = fleet.facts().restricted > before;
            return (granted && to > Full && newly).then_some(tenant);
        }
    }
    None
}

proptest! {
    #[test]
    fn counting_as_things_change_comes_to_the_same_as_counting_afterwards(history in histories()) {
        let mut fleet = fleet(TENANTS);
        for (minute, event) in history {
            happen(&mut fleet, minute, event);
            let counted = fleet.facts();
            let mut again = fleet.clone();
            again.count_anew();
            prop_assert_eq!(counted, again.facts(), "after {:?} at {}", event, minute);
        }
    }

    #[test]
    fn without_a_release_never_more_than_the_limit_are_restricted_in_any_hour(
        history in histories(),
    ) {
        let mut fleet = fleet(TENANTS);
        let mut granted: BTreeMap<u32, i64> = BTreeMap::new();
        for (minute, event) in history {
            // Tenants come and go, and what others restrict is not the breaker's doing.
            if matches!(event, Event::Released | Event::Gone(_) | Event::Seen(..)) {
                continue;
            }
            let Some(tenant) = happen(&mut fleet, minute, event) else { continue };
            granted.insert(tenant, minute);
            let within = granted.values().filter(|then| **then > minute - 60).count();
            prop_assert!(within <= 5, "{within} until minute {minute}");
        }
    }

    #[test]
    fn fewer_waiting_or_coming_or_restricted_is_never_worse(
        (tenants, allowed) in (0_usize..200, 0_usize..20),
        (restricted, waiting, coming) in (0_usize..40, 0_usize..40, 0_usize..40),
        (fewer_restricted, fewer_waiting, fewer_coming) in (0_usize..40, 0_usize..40, 0_usize..40),
    ) {
        let facts = Facts { tenants, restricted, waiting, coming, allowed };
        let fewer = Facts {
            restricted: restricted.min(fewer_restricted),
            waiting: waiting.min(fewer_waiting),
            coming: coming.min(fewer_coming),
            ..facts
        };
        if judge(&facts, Threshold::default()) == Verdict::Clear {
            prop_assert_eq!(judge(&fewer, Threshold::default()), Verdict::Clear);
        }
    }

    #[test]
    fn the_order_in_which_tenants_ask_decides_neither_how_many_are_granted_nor_whether_it_holds(
        (tenants, wave) in (1_u32..120, 1_u32..60),
        coming in 0_u32..30,
        shuffled in Just((0_u32..200).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let outcome = |order: &mut dyn Iterator<Item = u32>| {
            let mut fleet = fleet(tenants);
            for tenant in 0..coming.min(tenants) {
                fleet.see(&tenant, Standing { until: Some(at(10)), ..full() }, at(0));
            }
            let wave = order.filter(|tenant| *tenant < wave.min(tenants));
            let granted: HashSet<u32> = ask(&mut fleet, wave.collect::<Vec<_>>(), 1).into_iter().collect();
            (granted.len(), fleet.verdict())
        };
        // Those that were foreseen count until they ask, so that order matters only beyond the limit.
        let (in_order, shuffled) = (outcome(&mut (0..200)), outcome(&mut shuffled.iter().copied()));
        prop_assert_eq!(in_order.1, shuffled.1);
        if coming == 0 {
            prop_assert_eq!(in_order.0, shuffled.0);
        }
        prop_assert!(in_order.0 <= 5.max(tenants as usize / 10));
    }
}
