use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entries::Entries;
use super::{Errand, Inbox, Marked, name_of};
use crate::api::{EventSource, LastEvent};
use crate::stripe::hint::{Hint, Pointer};
use crate::stripe::{Event, Mirror};

fn event(id: &str, object: &str, of: &str) -> Event {
    Event {
        id: id.into(),
        kind: format!("{object}.updated"),
        created: 1_790_000_000,
        object: object.into(),
        object_id: Some(of.into()),
        owner: Some("default".into()),
        ..Event::default()
    }
}

fn name(id: &str, via: EventSource) -> LastEvent {
    name_of(&event(id, "customer", "cus_1"), via)
}

fn pointer(customer: &str) -> Pointer {
    Pointer {
        hint: Hint::Customer(customer.into()),
        customer: None,
        claims: true,
    }
}

fn put(entries: &mut Entries, customer: &str, id: &str, via: EventSource) -> Marked {
    entries.put(pointer(customer), name(id, via))
}

fn take(entries: &mut Entries, now: Instant) -> Option<(Hint, String)> {
    let (_, errand) = entries.take(now)?;
    Some((errand.hint, errand.event.id))
}

fn taken(entries: &mut Entries) -> Errand {
    entries.take(Instant::now()).unwrap().1
}

use EventSource::{Poll, Webhook};

#[test]
fn events_about_one_object_are_read_once_and_the_newest_is_told() {
    let mut entries = Entries::new(9);
    for id in ["evt_2", "evt_3", "evt_1"] {
        assert_eq!(put(&mut entries, "cus_1", id, Poll), Marked::Taken);
    }
    assert_eq!(entries.len(), 1);
    let now = Instant::now();
    let expected = (Hint::Customer("cus_1".into()), "evt_3".to_owned());
    assert_eq!(take(&mut entries, now), Some(expected));
    assert_eq!(take(&mut entries, now), None);
}

#[test]
fn an_event_that_was_here_before_is_known_whichever_way_it_comes() {
    let mut entries = Entries::new(9);
    assert_eq!(put(&mut entries, "cus_1", "evt_1", Webhook), Marked::Taken);
    let errand = taken(&mut entries);
    entries.settle(&errand.hint);
    assert_eq!(put(&mut entries, "cus_1", "evt_1", Poll), Marked::Known);
    assert_eq!(entries.len(), 0);
}

#[test]
fn what_comes_while_its_object_is_being_read_has_it_read_again() {
    let mut entries = Entries::new(9);
    put(&mut entries, "cus_1", "evt_1", Webhook);
    let errand = taken(&mut entries);
    put(&mut entries, "cus_1", "evt_2", Webhook);
    put(&mut entries, "cus_1", "evt_3", Webhook);
    assert!(
        entries.take(Instant::now()).is_none(),
        "not twice at the same time"
    );
    entries.settle(&errand.hint);
    let errand = taken(&mut entries);
    assert_eq!(errand.event.id, "evt_3");
    entries.settle(&errand.hint);
    assert_eq!(entries.len(), 0);
}

#[test]
fn what_a_webhook_brings_goes_before_what_a_poll_found() {
    let mut entries = Entries::new(9);
    put(&mut entries, "cus_1", "evt_1", Poll);
    put(&mut entries, "cus_2", "evt_2", Poll);
    put(&mut entries, "cus_3", "evt_3", Webhook);
    put(&mut entries, "cus_2", "evt_4", Webhook);
    let order: Vec<_> = std::iter::from_fn(|| take(&mut entries, Instant::now()))
        .map(|(hint, _)| hint)
        .collect();
    let expected = ["cus_3", "cus_2", "cus_1"].map(|id| Hint::Customer(id.into()));
    assert_eq!(order, expected);
}

#[test]
fn a_failure_waits_without_delaying_others_and_is_never_refused() {
    let mut entries = Entries::new(2);
    put(&mut entries, "cus_1", "evt_1", Webhook);
    put(&mut entries, "cus_2", "evt_2", Webhook);
    let now = Instant::now();
    let first = taken(&mut entries);
    let due = now + Duration::from_secs(5);
    entries.delay(first, due);
    assert_eq!(put(&mut entries, "cus_3", "evt_3", Webhook), Marked::Full);
    let second = taken(&mut entries);
    assert_eq!(second.event.id, "evt_2");
    entries.settle(&second.hint);
    assert_eq!(take(&mut entries, now), None);
    assert_eq!(entries.next_due(), Some(due));
    // News of it are noted, and still wait for its turn.
    assert_eq!(put(&mut entries, "cus_1", "evt_4", Webhook), Marked::Taken);
    assert_eq!(take(&mut entries, now), None);
    let (_, again) = entries.take(due).unwrap();
    assert_eq!((again.event.id.as_str(), again.failures), ("evt_4", 1));
    assert_eq!(
        put(&mut entries, "cus_3", "evt_3", Webhook),
        Marked::Taken,
        "what was refused may come again"
    );
}

#[test]
fn before_the_account_is_listed_everything_is_kept_that_could_be_ours() {
    let inbox = Inbox::with_capacity(Arc::new(Mirror::new("default")), 3);
    let mark = |event: &Event| inbox.mark(event, Webhook);
    let of_a_customer = |id: &str| Event {
        customer: Some("cus_1".into()),
        owner: None,
        ..event(id, "subscription", id)
    };
    assert_eq!(mark(&of_a_customer("1")), Marked::Taken);
    assert_eq!(mark(&event("2", "customer", "cus_2")), Marked::Taken);
    assert_eq!(mark(&event("3", "charge", "ch_1")), Marked::Ignored);
    assert_eq!(mark(&event("4", "price", "price_1")), Marked::Taken);
    assert_eq!(mark(&of_a_customer("5")), Marked::Full);
    assert_eq!(inbox.len(), 3);
}

#[test]
fn each_kind_of_object_points_at_what_has_to_be_read() {
    let customer = |id: &str| Some(Hint::Customer(id.into()));
    for (object, expected) in [
        ("customer", customer("own")),
        ("subscription", Some(Hint::Subscription("own".into()))),
        (
            "subscription_schedule",
            Some(Hint::Subscription("sub_1".into())),
        ),
        ("invoice", Some(Hint::Invoice("own".into()))),
        ("checkout.session", customer("cus_1")),
        ("setup_intent", customer("cus_1")),
        ("payment_method", customer("cus_1")),
        ("card", customer("cus_1")),
        ("dispute", Some(Hint::Dispute("own".into()))),
        (
            "radar.early_fraud_warning",
            Some(Hint::FraudWarning("own".into())),
        ),
        (
            "test_helpers.test_clock",
            Some(Hint::TestClock("own".into())),
        ),
        ("price", Some(Hint::Prices)),
        ("charge", None),
        ("payment_intent", None),
        ("product", None),
        ("", None),
    ] {
        let event = Event {
            customer: Some("cus_1".into()),
            subscription: Some("sub_1".into()),
            ..event("evt_1", object, "own")
        };
        assert_eq!(Hint::of(&event), expected, "{object}");
    }
    // A payment method that belongs to nobody concerns nobody.
    let loose = event("evt_1", "payment_method", "pm_1");
    assert_eq!(Hint::of(&loose), None);
}
