use std::collections::BTreeMap;

use kube::Config;
use serde_json::{Value, json};

use super::record::read;
use super::*;
use crate::api::AccessLevel::{Full, Limited, Suspended};
use crate::converge::breaker::Release;
use crate::converge::notice::{Channel, Sending};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn reference(name: &str) -> TenantRef {
    ObjectRef::new(name).within("tenants")
}

/// A breaker whose record nobody can reach.
fn unread() -> Breaker {
    let nowhere = Config::new("http://127.0.0.1:9".parse().unwrap());
    let lease = LeaseConfig {
        namespace: "system".into(),
        name: "operator".into(),
        identity: "a".into(),
        duration: std::time::Duration::from_secs(15),
        advertised: None,
    };
    let client = Client::try_from(nowhere).unwrap();
    Breaker::new(client, &lease, Threshold::default())
}

/// One that has read that there is nothing, and has seen these.
fn watching(statuses: &[(&str, Value)]) -> Breaker {
    let breaker = unread();
    breaker.resume(Kept::default(), at(0));
    breaker.observe(&Event::Init, at(0));
    for (name, status) in statuses {
        let object = Event::InitApply(manifest(name, status));
        breaker.observe(&object, at(0));
    }
    breaker.observe(&Event::InitDone, at(0));
    breaker
}

fn manifest(name: &str, status: &Value) -> TenantObject {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "tenants"},
        "spec": {"plan": "pro", "customer": {"name": "A", "email": "a@b.example"}},
        "status": status,
    }))
    .unwrap()
}

fn access(level: AccessLevel, reason: &str) -> Value {
    json!({
        "observedGeneration": 1, "conditions": [],
        "access": {"level": level, "since": at(-10).to_string(), "reason": reason},
    })
}

fn full() -> Value {
    access(Full, "Subscribed")
}

fn names(tenants: usize) -> Vec<String> {
    (0..tenants).map(|n| format!("t-{n}")).collect()
}

fn ask(breaker: &Breaker, name: &str, minute: i64) -> Permit {
    breaker.may_restrict(&reference(name), Full, Limited, at(minute))
}

fn facts(breaker: &Breaker) -> Facts {
    breaker.state().facts
}

#[tokio::test]
async fn nobody_is_restricted_before_it_is_known_whether_an_earlier_leader_held() {
    let breaker = unread();
    let held = ask(&breaker, "t-0", 1);
    assert_eq!(held, Permit::Held(HoldName::unread()));
    let to_more = breaker.may_restrict(&reference("t-1"), Limited, Full, at(1));
    assert_eq!(to_more, Permit::Granted);
    let Permit::Held(name) = held else { panic!() };
    assert!(
        breaker
            .explain(&name)
            .contains("system/operator-enforcement")
    );
    let unanswered = breaker.resume(Kept::default(), at(2));
    assert_eq!(unanswered, [reference("t-0")]);
    assert_eq!(ask(&breaker, "t-0", 2), Permit::Granted);
}

#[tokio::test]
async fn one_more_than_the_limit_begins_a_hold_with_a_name_and_numbers() {
    let fleet = names(20);
    let statuses: Vec<_> = fleet.iter().map(|name| (name.as_str(), full())).collect();
    let breaker = watching(&statuses);
    for name in &fleet[..5] {
        assert_eq!(ask(&breaker, name, 1), Permit::Granted);
    }
    assert_eq!(breaker.held(), None);
    let name = HoldName::of(at(2));
    for tenant in &fleet[5..8] {
        assert_eq!(ask(&breaker, tenant, 2), Permit::Held(name.clone()));
    }
    let held = breaker.held().unwrap();
    assert_eq!((held.name.clone(), held.since), (name, at(2)));
    assert_eq!((held.facts.restricted, held.facts.waiting), (5, 3));
    assert_eq!(held.limit, 5);
    assert_eq!(
        held.message,
        "Nobody's access is reduced for now: of 20 tenants 5 lost access within the past hour, 3 wait to, \
         and 0 would within the coming hour, and more than 5 within an hour look like an outage. It ends by \
         itself when enough of them have paid. If it is none, let them go: kubectl annotate configmap \
         operator-enforcement --namespace system --overwrite \
         tenantbilling.io/release-enforcement=2027-01-15T08:02:00Z"
    );
}

#[tokio::test]
async fn a_release_by_another_name_ends_nothing() {
    let fleet = names(20);
    let statuses: Vec<_> = fleet.iter().map(|name| (name.as_str(), full())).collect();
    let breaker = watching(&statuses);
    for name in &fleet[..7] {
        ask(&breaker, name, 1);
    }
    breaker.release(&HoldName::of(at(0)).to_string(), at(2));
    assert!(breaker.held().is_some());
    breaker.release(&HoldName::of(at(1)).to_string(), at(2));
    assert_eq!(breaker.held(), None);
    assert_eq!(breaker.waiting().len(), 2);
    assert_eq!(ask(&breaker, &fleet[5], 3), Permit::Granted);
    assert_eq!(ask(&breaker, &fleet[6], 3), Permit::Granted);
}

#[tokio::test]
async fn a_new_leader_goes_on_with_a_hold_until_it_has_seen_that_it_is_over() {
    let waits = |name| {
        let mut status = full();
        status["conditions"] = json!([{
            "type": "EnforcementHeld", "status": "True", "reason": "EnforcementHeld", "message": "It waits.",
            "lastTransitionTime": at(-5).to_string(),
        }]);
        (name, status)
    };
    let kept = || Kept {
        hold: Some(("before".into(), at(-5))),
        ..Kept::default()
    };
    let breaker = unread();
    breaker.resume(kept(), at(0));
    breaker.observe(&Event::Init, at(0));
    breaker.pass(at(0));
    assert_eq!(breaker.held().unwrap().name, HoldName("before".into()));
    let fleet = names(6);
    for name in &fleet {
        let (name, status) = waits(name.as_str());
        breaker.observe(&Event::InitApply(manifest(name, &status)), at(0));
    }
    breaker.observe(&Event::InitDone, at(0));
    breaker.pass(at(0));
    let held = breaker.held().unwrap();
    assert_eq!((held.since, held.facts.waiting), (at(-5), 6));
    // One has paid, which its status will tell.
    breaker.observe(&Event::Apply(manifest("t-0", &full())), at(1));
    breaker.pass(at(1));
    assert_eq!(breaker.held(), None);
}

#[tokio::test]
async fn only_what_payments_and_disputes_have_taken_counts_as_restricted() {
    let on_a_clock = {
        let mut status = access(Limited, "PaymentOverdue");
        status["stripe"] =
            json!({"accountId": "acct_1", "livemode": false, "testClock": "clock_1"});
        status
    };
    for (status, restricted) in [
        (access(Limited, "PaymentOverdue"), 1),
        (access(Suspended, "Unpaid"), 1),
        (access(Suspended, "DisputeOpen"), 1),
        (full(), 0),
        // How tenants begin.
        (access(Suspended, "NotSubscribed"), 0),
        (access(Suspended, "AwaitingPayment"), 0),
        (access(Suspended, "PaymentMethodMissing"), 0),
        // Its time is not ours.
        (on_a_clock, 0),
        (json!({"observedGeneration": 1}), 0),
        (json!({"observedGeneration": "x"}), 0),
    ] {
        let breaker = watching(&[("t-0", status.clone())]);
        assert_eq!(facts(&breaker).restricted, restricted, "{status}");
    }
}

#[tokio::test]
async fn who_was_subscribed_before_statuses_told_of_access_has_some_to_lose() {
    for (subscribed, tenants) in [("active", 1), ("past_due", 1), ("canceled", 0)] {
        let status = json!({
            "observedGeneration": 1,
            "stripe": {"accountId": "acct_1", "livemode": false, "subscriptionStatus": subscribed},
        });
        let breaker = watching(&[("t-0", status)]);
        assert_eq!(facts(&breaker).tenants, tenants, "{subscribed}");
    }
}

#[tokio::test]
async fn only_the_dunning_is_foreseen() {
    let ending = |dunning: Value| {
        let mut status = full();
        status["access"]["until"] = json!(at(30).to_string());
        status["dunning"] = dunning;
        status
    };
    let dunning = json!({
        "stage": "Warning", "day": 6, "since": at(-9000).to_string(), "invoice": "in_1", "amountDue": "1.00",
        "currency": "usd", "overdueInvoices": 1, "attempts": 1, "message": "It is overdue.",
    });
    let breaker = watching(&[("t-0", ending(dunning)), ("t-1", ending(Value::Null))]);
    assert_eq!(facts(&breaker).coming, 1);
}

#[tokio::test]
async fn who_is_deleted_or_no_longer_listed_counts_no_more() {
    let breaker = watching(&[("t-0", full()), ("t-1", full()), ("t-2", full())]);
    assert_eq!(facts(&breaker).tenants, 3);
    breaker.observe(&Event::Delete(manifest("t-0", &full())), at(1));
    let mut going = manifest("t-1", &full());
    going.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    breaker.observe(&Event::Apply(going), at(1));
    assert_eq!(facts(&breaker).tenants, 1);
    breaker.observe(&Event::Init, at(2));
    breaker.observe(&Event::InitDone, at(2));
    assert_eq!(facts(&breaker).tenants, 0);
}

#[tokio::test]
async fn a_wave_over_the_whole_fleet_restricts_no_more_than_the_limit() {
    let fleet = names(10_000);
    let statuses: Vec<_> = fleet.iter().map(|name| (name.as_str(), full())).collect();
    let breaker = watching(&statuses);
    let granted = fleet
        .iter()
        .filter(|name| ask(&breaker, name, 1) == Permit::Granted);
    assert_eq!(granted.count(), 1_000);
    assert_eq!(breaker.held().unwrap().facts.waiting, 9_000);
}

#[tokio::test]
async fn the_record_is_read_as_it_was_written() {
    let breaker = watching(&[]);
    let mark = Mark::default().with(Channel::Mail, Some(Sending::Accepted(at(3))));
    let hold = Hold {
        name: HoldName::of(at(2)),
        since: at(2),
        told: mark.clone(),
    };
    let release = Release {
        at: at(1),
        allowed: 7,
    };
    let kept = |hold: Option<Hold>, release: Option<Release>| {
        let state = State {
            hold,
            release,
            facts: Facts::default(),
            limit: 5,
        };
        read(&breaker.record.data(&state, &BTreeMap::new()))
    };
    let both = kept(Some(hold), Some(release)).unwrap();
    assert_eq!(both.hold, Some(("2027-01-15T08:02:00Z".to_owned(), at(2))));
    assert_eq!((both.told, both.release), (mark, Some(release)));
    assert_eq!(kept(None, Some(release)).unwrap().hold, None);
    assert_eq!(kept(None, None), Ok(Kept::default()));
}

#[tokio::test]
async fn a_release_that_is_over_is_still_known_and_what_others_wrote_is_not_kept() {
    let breaker = watching(&[]);
    let state = || breaker.state();
    let release = Release {
        at: at(1),
        allowed: 7,
    };
    let released = State {
        release: Some(release),
        ..state()
    };
    let written = breaker.record.data(&released, &BTreeMap::new());
    assert_eq!(
        written["message"],
        "A person has let 7 more tenants than usual lose access within the hour that ends at \
         2027-01-15T09:01:00Z; then the usual limit is in force again."
    );
    let over = breaker.record.data(&state(), &written);
    assert_eq!(over["state"], "Clear");
    assert_eq!(read(&over).unwrap().release, Some(release));
    let garbage = BTreeMap::from([("releasedAt".to_owned(), "yesterday".to_owned())]);
    let replaced = breaker.record.data(&state(), &garbage);
    assert_eq!(
        replaced,
        BTreeMap::from([("state".to_owned(), "Clear".to_owned())])
    );
}

#[test]
fn what_is_no_record_is_named() {
    for (data, named) in [
        (json!({"state": "Tripped"}), "data.state is Tripped"),
        (
            json!({"state": "Held", "hold": "a"}),
            "data.since is missing",
        ),
        (
            json!({"state": "Held", "since": "now"}),
            "data.since is no time",
        ),
        (
            json!({"state": "Held", "since": "2027-01-15T08:02:00Z"}),
            "data.hold is missing",
        ),
        (
            json!({"state": "Clear", "releasedAt": "2027-01-15T08:02:00Z", "allowed": "many"}),
            "data.allowed is no number",
        ),
    ] {
        let data = serde_json::from_value(data).unwrap();
        assert_eq!(read(&data), Err(named.to_owned()));
    }
}
