use std::sync::Arc;

use crate::converge::observed::TenantKey;
use crate::stripe::{EventCursor, Inbox, Mirror, Missed, Outcome, Poll, Session};

use super::mirror::subscriptions;
use super::shelf::{
    Shelf, customer, dispute, event, served, subscription, tenant, two_tenants_and_a_stranger,
};

/// A mirror that has been scanned, its inbox, and a cursor from before.
async fn listed(session: &Session) -> (Arc<Mirror>, Inbox, EventCursor) {
    let mirror = Arc::new(Mirror::new("default"));
    let cursor = EventCursor::start(session).await.unwrap();
    mirror.rebuild(session).await.unwrap();
    let inbox = Inbox::new(Arc::clone(&mirror));
    (mirror, inbox, cursor)
}

/// Reads everything in the inbox; gives whom it concerned.
async fn empty(inbox: &Inbox, session: &Session, mirror: &Mirror) -> Vec<TenantKey> {
    let mut touched = Vec::new();
    while !inbox.is_empty() {
        let errand = inbox.next().await;
        touched.extend(errand.read(session, mirror).await.unwrap().tenants);
        inbox.settle(errand, Outcome::Done);
    }
    touched
}

fn happen(shelf: &mut Shelf, id: &'static str, object: &str) {
    shelf.events.insert(0, (id, event(id, object)));
}

#[tokio::test]
async fn events_lead_to_one_read_for_each_of_our_objects_and_none_for_strangers() {
    let (stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (mirror, inbox, mut cursor) = listed(&session).await;
    {
        let mut shelf = shelf.lock().unwrap();
        shelf.customers[0].1 = customer("cus_a", "acme", "Renamed");
        // The payloads lie: nothing but their ids may count.
        let stale = customer("cus_a", "acme", "Payload");
        happen(&mut shelf, "evt_2", &stale);
        happen(&mut shelf, "evt_3", &stale);
        happen(&mut shelf, "evt_4", &customer("cus_s", "", "Stranger"));
    }
    let before = stripe.received().len();
    let poll = cursor.poll(&session, &mirror, &inbox).await;
    assert_eq!(poll, Ok(Poll::Read));
    assert_eq!(empty(&inbox, &session, &mirror).await, [tenant("acme")]);
    let observed = mirror.observe(&tenant("acme"), None, None).unwrap();
    assert_eq!(observed.customers[0].name.as_deref(), Some("Renamed"));
    assert_eq!(stripe.received().len() - before, 2);
    // Read once: the next poll asks from there on.
    assert_eq!(cursor.poll(&session, &mirror, &inbox).await, Ok(Poll::Read));
    assert!(inbox.is_empty());
    assert_eq!(stripe.received().len() - before, 3);
}

#[tokio::test]
async fn a_customer_that_becomes_ours_is_read_with_its_subscriptions() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (mirror, inbox, mut cursor) = listed(&session).await;
    {
        let mut shelf = shelf.lock().unwrap();
        let adopted = customer("cus_s", "third", "Stranger");
        happen(&mut shelf, "evt_2", &adopted);
        shelf.customers[2].1 = adopted;
    }
    cursor.poll(&session, &mirror, &inbox).await.unwrap();
    empty(&inbox, &session, &mirror).await;
    assert_eq!(subscriptions(&mirror, &tenant("third")), ["sub_s"]);
}

#[tokio::test]
async fn a_place_that_is_gone_is_told_and_a_new_one_goes_on_from_now() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (mirror, inbox, mut cursor) = listed(&session).await;
    shelf.lock().unwrap().events = vec![("evt_9", event("evt_9", "{}"))];
    let poll = cursor.poll(&session, &mirror, &inbox).await;
    assert_eq!(poll, Ok(Poll::Lost));
    let mut anew = EventCursor::start(&session).await.unwrap();
    assert_eq!(anew.poll(&session, &mirror, &inbox).await, Ok(Poll::Read));
    // A later process finds the same out about the place that was kept.
    let missed = cursor.missed(&anew, &session).await;
    assert_eq!(missed, Ok(Missed::Expired));
}

#[tokio::test]
async fn what_was_missed_is_told_newest_first_up_to_the_kept_place() {
    let (stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (_mirror, inbox, cursor) = listed(&session).await;
    {
        let mut shelf = shelf.lock().unwrap();
        happen(&mut shelf, "evt_2", &customer("cus_a", "acme", "A"));
        happen(&mut shelf, "evt_3", &subscription("sub_l", "cus_x", "bolt"));
    }
    let newest = EventCursor::start(&session).await.unwrap();
    let before = stripe.received().len();
    let Missed::Events(events) = cursor.missed(&newest, &session).await.unwrap() else {
        panic!("expired");
    };
    let ids: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["evt_3", "evt_2"]);
    assert_eq!(stripe.received().len() - before, 1);
    let concerned = |at: usize| inbox.concerned(&events[at]).tenants;
    assert_eq!(concerned(0), [tenant("bolt")]);
    assert_eq!(concerned(1), [tenant("acme")]);
    // Nothing was missed: nothing is asked.
    let same = newest.missed(&newest, &session).await;
    assert_eq!(same, Ok(Missed::Events(Vec::new())));
    assert_eq!(stripe.received().len() - before, 1);
}

#[tokio::test]
async fn an_account_without_events_is_followed_from_its_first_one() {
    let mut shelf = two_tenants_and_a_stranger();
    shelf.events.clear();
    let (_stripe, shelf, session) = served(shelf).await;
    let (mirror, inbox, mut cursor) = listed(&session).await;
    assert_eq!(cursor.last, None);
    {
        let mut shelf = shelf.lock().unwrap();
        happen(&mut shelf, "evt_1", &customer("cus_a", "acme", "A"));
        happen(&mut shelf, "evt_2", &customer("cus_b", "bolt", "B"));
    }
    cursor.poll(&session, &mirror, &inbox).await.unwrap();
    assert_eq!(inbox.len(), 2);
    assert_eq!(cursor.last.map(|last| last.id).as_deref(), Some("evt_2"));
}

#[tokio::test]
async fn a_full_inbox_stops_the_cursor_before_what_it_had_no_room_for() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (mirror, _, mut cursor) = listed(&session).await;
    let inbox = Inbox::with_capacity(Arc::clone(&mirror), 1);
    {
        let mut shelf = shelf.lock().unwrap();
        happen(&mut shelf, "evt_2", &customer("cus_a", "acme", "A"));
        happen(&mut shelf, "evt_3", &customer("cus_b", "bolt", "B"));
    }
    let poll = cursor.poll(&session, &mirror, &inbox).await;
    assert_eq!(poll, Ok(Poll::Full));
    assert_eq!(empty(&inbox, &session, &mirror).await, [tenant("acme")]);
    assert_eq!(cursor.poll(&session, &mirror, &inbox).await, Ok(Poll::Read));
    assert_eq!(empty(&inbox, &session, &mirror).await, [tenant("bolt")]);
}

#[tokio::test]
async fn a_dispute_names_its_tenant_through_the_charge() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let (mirror, inbox, mut cursor) = listed(&session).await;
    {
        let mut shelf = shelf.lock().unwrap();
        happen(
            &mut shelf,
            "evt_2",
            r#"{"id":"dp_1","object":"dispute","charge":"ch_1"}"#,
        );
        shelf
            .disputes
            .push(("dp_1", dispute("dp_1", "cus_b", "needs_response")));
    }
    cursor.poll(&session, &mirror, &inbox).await.unwrap();
    assert_eq!(empty(&inbox, &session, &mirror).await, [tenant("bolt")]);
}
