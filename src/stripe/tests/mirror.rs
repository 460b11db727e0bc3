use std::sync::{Arc, Mutex, mpsc};

use super::shelf::{customer, missing, served, subscription, tenant, two_tenants_and_a_stranger};
use crate::converge::observed::TenantKey;
use crate::converge::observed::{Disputes, Observed};
use crate::converge::steps::Step;
use crate::stripe::scripted::{Reply, Scripted, account, page};
use crate::stripe::{Changed, Mirror};

pub(super) fn subscriptions(mirror: &Mirror, key: &TenantKey) -> Vec<String> {
    let observed = mirror.observe(key, None, None).unwrap();
    observed.subscriptions.into_iter().map(|s| s.id).collect()
}

#[tokio::test]
async fn a_scan_keeps_what_is_ours_and_what_could_bill_our_customers() {
    let (stripe, _shelf, session) = served(two_tenants_and_a_stranger()).await;
    let mirror = Mirror::new("default");
    assert_eq!(mirror.observe(&tenant("acme"), None, None), None);
    let concerned = mirror.rebuild(&session).await.unwrap();
    assert_eq!(concerned, [tenant("acme"), tenant("bolt")]);
    // Customers, subscriptions, invoices of three statuses, disputes, fraud warnings.
    assert_eq!(stripe.received().len(), 7);
    assert_eq!(mirror.counts(), (2, 3));
    // A foreign subscription of our customer, and one of ours with a stranger.
    assert_eq!(subscriptions(&mirror, &tenant("acme")), ["sub_a", "sub_f"]);
    assert_eq!(subscriptions(&mirror, &tenant("bolt")), ["sub_l"]);
    assert_eq!(
        mirror.observe(&tenant("new"), None, None),
        Some(Observed {
            disputes: Some(Disputes::default()),
            ..Observed::default()
        })
    );
    assert_eq!(mirror.observe(&tenant("acme"), None, Some("clock_1")), None);
    assert_eq!(mirror.rebuild(&session).await.unwrap(), []);
}

#[tokio::test]
async fn a_page_of_a_scan_does_not_replace_what_was_read_after_it_was_asked_for() {
    let (asked, on_asked) = mpsc::channel();
    let (release, on_release) = mpsc::channel::<()>();
    let on_release = Mutex::new(on_release);
    let stripe = Scripted::start(move |request| match request {
        request if request.is("GET", "/v1/account") => account(),
        request if request.is("GET", "/v1/customers") => {
            asked.send(()).unwrap();
            on_release.lock().unwrap().recv().unwrap();
            page(
                &[
                    customer("cus_a", "acme", "Old"),
                    customer("cus_b", "bolt", "Page"),
                ],
                false,
            )
        }
        request if request.is("GET", "/v1/customers/cus_a") => {
            Reply::Json(200, customer("cus_a", "acme", "Fresh"))
        }
        _ => page(&[], false),
    });
    let session = stripe.client().session().await.unwrap();
    let mirror = Arc::new(Mirror::new("default"));
    let scan = tokio::spawn({
        let (mirror, session) = (Arc::clone(&mirror), session.clone());
        async move { mirror.rebuild(&session).await }
    });
    // The page has been asked for; now the same customer is read by itself, and only then does the
    // page arrive.
    tokio::task::spawn_blocking(move || on_asked.recv().unwrap())
        .await
        .unwrap();
    mirror
        .refresh_tenant(&session, &tenant("acme"), Some("cus_a"))
        .await
        .unwrap();
    let before = mirror
        .observe(&tenant("acme"), Some("cus_a"), None)
        .unwrap();
    assert_eq!(before.customers[0].name.as_deref(), Some("Fresh"));
    release.send(()).unwrap();
    scan.await.unwrap().unwrap();
    let name = |key: &str| {
        mirror.observe(&tenant(key), None, None).unwrap().customers[0]
            .name
            .clone()
    };
    assert_eq!(name("acme").as_deref(), Some("Fresh"));
    assert_eq!(name("bolt").as_deref(), Some("Page"));
}

#[tokio::test]
async fn a_recorded_customer_stays_the_tenants_until_it_is_deleted() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    // Its metadata never said so: the scan dropped it.
    assert_eq!(mirror.observe(&tenant("third"), Some("cus_s"), None), None);
    mirror
        .refresh_tenant(&session, &tenant("third"), Some("cus_s"))
        .await
        .unwrap();
    let observe = || {
        mirror
            .observe(&tenant("third"), Some("cus_s"), None)
            .unwrap()
    };
    assert_eq!(observe().customers[0].id, "cus_s");
    assert_eq!(observe().subscriptions[0].id, "sub_s");
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(observe().customers[0].id, "cus_s");

    shelf.lock().unwrap().customers[2].1 = r#"{"id":"cus_s","deleted":true}"#.to_owned();
    assert_eq!(mirror.rebuild(&session).await.unwrap(), [tenant("third")]);
    assert_eq!(mirror.observe(&tenant("third"), Some("cus_s"), None), None);
    mirror
        .refresh_tenant(&session, &tenant("third"), Some("cus_s"))
        .await
        .unwrap();
    assert_eq!(observe().deleted_customer.as_deref(), Some("cus_s"));
    assert!(observe().customers.is_empty());
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(observe().deleted_customer.as_deref(), Some("cus_s"));
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_again() {
    let (_stripe, shelf, session) = served(two_tenants_and_a_stranger()).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    let since = jiff::Timestamp::from_second(1).unwrap();
    let new = tenant("new");
    let discover = || mirror.discover_customer(&session, &new, since, None);
    assert_eq!(discover().await.unwrap(), None);
    shelf
        .lock()
        .unwrap()
        .customers
        .insert(0, ("cus_n", customer("cus_n", "new", "New")));
    assert_eq!(discover().await.unwrap().as_deref(), Some("cus_n"));
    assert_eq!(
        mirror.observe(&new, None, None).unwrap().customers[0].id,
        "cus_n"
    );
}

#[tokio::test]
async fn cancelling_what_has_ended_already_succeeds() {
    let ended = subscription("sub_a", "cus_a", "acme").replace("active", "canceled");
    let live = subscription("sub_b", "cus_a", "acme");
    let stripe = Scripted::start(move |request| match request.method.as_str() {
        "DELETE" => missing(),
        _ if request.is("GET", "/v1/account") => account(),
        _ if request.is("GET", "/v1/subscriptions/sub_a") => Reply::Json(200, ended.clone()),
        _ => Reply::Json(200, live.clone()),
    });
    let session = stripe.client().session().await.unwrap();
    let key = tenant("acme");
    let cancel = |id: &str| Step::CancelNow {
        subscription: id.into(),
    };
    let answer = session
        .run_step(&cancel("sub_a"), &key, None, 0)
        .await
        .unwrap();
    assert!(matches!(answer.value, Changed::Subscription(s) if s.id == "sub_a"));
    let error = session
        .run_step(&cancel("sub_b"), &key, None, 0)
        .await
        .unwrap_err();
    assert!(error.is_missing());
}
