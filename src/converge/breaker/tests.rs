mod properties;

use jiff::Timestamp;

use super::*;
use crate::api::AccessLevel::{Full, Limited, Suspended};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn full() -> Standing {
    Standing {
        level: Some(Full),
        ..Standing::default()
    }
}

/// This many tenants with full access, by number.
fn fleet(tenants: u32) -> Fleet<u32> {
    let mut fleet = Fleet::new(Threshold::default());
    for tenant in 0..tenants {
        fleet.see(&tenant, full(), at(0));
    }
    fleet
}

/// Asks for each of them, and gives those that were granted.
fn ask(fleet: &mut Fleet<u32>, tenants: impl IntoIterator<Item = u32>, minute: i64) -> Vec<u32> {
    let granted = |tenant: &u32| fleet.ask(tenant, Full, Limited, at(minute)) == Answer::Granted;
    tenants.into_iter().filter(granted).collect()
}

#[test]
fn the_larger_of_a_share_and_a_number_may_be_restricted() {
    let threshold = Threshold::default();
    for (tenants, limit) in [(0, 5), (1, 5), (50, 5), (59, 5), (60, 6), (10_000, 1_000)] {
        assert_eq!(threshold.of(tenants), limit, "{tenants}");
    }
}

#[test]
fn more_than_the_limit_within_an_hour_holds() {
    use Verdict::{Clear, Hold};
    for (restricted, waiting, coming, verdict) in [
        (0, 0, 0, Clear),
        (10, 0, 0, Clear),
        (9, 1, 0, Clear),
        (10, 1, 0, Hold),
        (0, 11, 0, Hold),
        (0, 10, 0, Clear),
        // About to be, and nobody is restricted yet.
        (0, 0, 10, Clear),
        (0, 0, 11, Hold),
        (0, 4, 6, Clear),
        (0, 4, 7, Hold),
        // Two hours, of which each may have its share.
        (10, 0, 10, Clear),
        // They were more when they were restricted, and nobody waits for anything.
        (50, 0, 0, Clear),
    ] {
        let facts = Facts {
            tenants: 100,
            restricted,
            waiting,
            coming,
            allowed: 0,
        };
        let found = judge(&facts, Threshold::default());
        assert_eq!(found, verdict, "{facts:?}");
    }
}

#[test]
fn a_few_are_restricted_at_once_and_one_more_than_the_limit_holds_everybody() {
    let mut fleet = fleet(20);
    assert_eq!(ask(&mut fleet, 0..8, 1), [0, 1, 2, 3, 4]);
    assert_eq!(fleet.facts().waiting, 3);
    // Who was granted is not taken back, and who asks again does not count again.
    assert_eq!(ask(&mut fleet, 0..8, 2), [0, 1, 2, 3, 4]);
    assert_eq!(fleet.facts().restricted, 5);
}

#[test]
fn nobody_is_restricted_when_it_is_known_beforehand_that_many_will_be() {
    let mut fleet = fleet(20);
    for tenant in 0..6 {
        let until = Some(at(90 + i64::from(tenant)));
        fleet.see(&tenant, Standing { until, ..full() }, at(1));
    }
    assert_eq!(fleet.facts().coming, 0);
    assert_eq!(ask(&mut fleet, [19], 33), [19], "most are yet far");
    fleet.pass(at(35));
    assert_eq!(fleet.facts().coming, 6);
    assert_eq!(fleet.verdict(), Verdict::Hold);
    assert_eq!(ask(&mut fleet, 0..6, 96), [0_u32; 0]);
}

#[test]
fn it_is_over_when_enough_have_paid() {
    let mut fleet = fleet(20);
    assert_eq!(ask(&mut fleet, 0..7, 1).len(), 5);
    assert_eq!(fleet.verdict(), Verdict::Hold);
    fleet.ask(&5, Full, Full, at(2));
    assert_eq!(fleet.verdict(), Verdict::Hold);
    fleet.ask(&6, Full, Full, at(3));
    assert_eq!(fleet.verdict(), Verdict::Clear);
    fleet.ask(&7, Full, Suspended, at(4));
    assert_eq!(fleet.verdict(), Verdict::Hold);
    fleet.forget(&7);
    assert_eq!(fleet.verdict(), Verdict::Clear);
}

#[test]
fn it_is_over_when_the_hour_has_passed() {
    let mut fleet = fleet(20);
    assert_eq!(ask(&mut fleet, 0..7, 1).len(), 5);
    fleet.pass(at(60));
    assert_eq!(fleet.verdict(), Verdict::Hold);
    fleet.pass(at(61));
    assert_eq!(fleet.verdict(), Verdict::Clear);
    assert_eq!(ask(&mut fleet, 5..7, 61), [5, 6]);
}

#[test]
fn a_wave_beyond_the_limit_waits_for_a_person_however_long() {
    let mut fleet = fleet(100);
    let wave = |fleet: &mut Fleet<u32>| {
        for tenant in 0..30 {
            let until = Some(at(30));
            fleet.see(&tenant, Standing { until, ..full() }, at(1));
        }
    };
    wave(&mut fleet);
    for hour in 1..50 {
        assert_eq!(ask(&mut fleet, 0..30, 60 * hour), [0_u32; 0]);
    }
}

#[test]
fn a_release_lets_those_through_that_waited_or_were_about_to_and_is_armed_again_after_an_hour() {
    let mut fleet = fleet(20);
    for tenant in 0..8 {
        let until = Some(at(i64::from(tenant) * 10));
        fleet.see(&tenant, Standing { until, ..full() }, at(0));
    }
    // Six until minute 61.
    assert_eq!(ask(&mut fleet, 0..2, 11), [0_u32; 0]);
    let release = fleet.release(at(11));
    assert_eq!(
        release.allowed, 8,
        "two wait, and six follow within the hour"
    );
    assert_eq!(fleet.verdict(), Verdict::Clear);
    assert_eq!(ask(&mut fleet, 0..8, 50).len(), 8);
    // The usual number may follow, as always.
    assert_eq!(ask(&mut fleet, 8..20, 55), [8, 9, 10, 11, 12]);
    assert_eq!(fleet.released(), Some(release));
    fleet.pass(at(71));
    assert_eq!(fleet.released(), None);
    assert_eq!(fleet.facts().restricted, 0, "that was released");
    assert_eq!(ask(&mut fleet, 13..20, 72).len(), 0);
}

#[test]
fn a_release_is_remembered_across_a_restart() {
    let release = Release {
        at: at(0),
        allowed: 10,
    };
    let restricted = |minute| Standing {
        level: Some(Limited),
        restricted: Some(at(minute)),
        ..Standing::default()
    };
    let mut fleet = fleet(0);
    fleet.restore(release, at(30));
    for tenant in 0..10 {
        fleet.see(&tenant, restricted(20), at(30));
    }
    for tenant in 10..20 {
        fleet.see(&tenant, full(), at(30));
    }
    assert_eq!(fleet.facts().restricted, 10);
    assert_eq!(ask(&mut fleet, 10..15, 31).len(), 5);
    let mut later = Fleet::new(Threshold::default());
    later.restore(release, at(65));
    later.see(&0, restricted(20), at(65));
    later.see(&1, restricted(61), at(65));
    assert_eq!(later.released(), None);
    assert_eq!(later.facts().restricted, 1);
}

#[test]
fn a_new_leader_counts_from_the_statuses_what_was_restricted_and_who_waits() {
    let mut fleet = fleet(10);
    for (tenant, minute) in [(10, 0), (11, 1), (12, 2), (13, 59)] {
        let seen = Standing {
            level: Some(Suspended),
            restricted: Some(at(minute)),
            ..Standing::default()
        };
        fleet.see(&tenant, seen, at(61));
    }
    let waits = Standing {
        waits: Waits::Yes,
        ..full()
    };
    fleet.see(&14, waits, at(61));
    let facts = fleet.facts();
    assert_eq!((facts.restricted, facts.waiting), (2, 1));
    // Ten that have access, one that waits, and two that had it within the hour.
    assert_eq!(facts.tenants, 13);
}

#[test]
fn a_status_that_is_older_than_the_grant_does_not_undo_it() {
    let mut fleet = fleet(20);
    assert_eq!(ask(&mut fleet, 0..5, 1).len(), 5);
    let waits = Standing {
        waits: Waits::Yes,
        ..full()
    };
    fleet.see(&0, waits, at(2));
    let facts = fleet.facts();
    assert_eq!((facts.restricted, facts.waiting), (5, 0));
    let written = Standing {
        level: Some(Limited),
        restricted: Some(at(1)),
        ..Standing::default()
    };
    fleet.see(&0, written, at(3));
    assert_eq!(fleet.facts().restricted, 5);
}

#[test]
fn what_others_have_restricted_counts_too() {
    let mut fleet = fleet(20);
    for tenant in 0..5 {
        let seen = Standing {
            level: Some(Limited),
            restricted: Some(at(1)),
            ..Standing::default()
        };
        fleet.see(&tenant, seen, at(2));
    }
    assert_eq!(ask(&mut fleet, [6], 3), [0_u32; 0]);
}

#[test]
fn access_is_given_back_during_a_hold() {
    let mut fleet = fleet(20);
    ask(&mut fleet, 0..7, 1);
    assert_eq!(fleet.verdict(), Verdict::Hold);
    assert_eq!(fleet.ask(&0, Limited, Full, at(2)), Answer::Granted);
    assert_eq!(fleet.ask(&9, Limited, Limited, at(2)), Answer::Granted);
}

#[test]
fn a_second_step_is_held_like_the_first() {
    let mut fleet = fleet(20);
    assert_eq!(ask(&mut fleet, 0..7, 1).len(), 5);
    assert_eq!(fleet.ask(&0, Limited, Suspended, at(2)), Answer::Held);
}
