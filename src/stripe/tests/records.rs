use std::sync::{Arc, Mutex, mpsc};

use super::shelf::{Shelf, dispute, served, tenant, two_tenants_and_a_stranger};
use crate::converge::observed::{Awaits, DisputeStatus, InvoiceStatus, InvoiceTax, Observed};
use crate::stripe::Mirror;
use crate::stripe::scripted::{Reply, Scripted, account, page};

fn invoice(id: &str, customer: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"invoice","customer":"{customer}","status":"{status}","amount_due":9900,
        "amount_remaining":9900,"currency":"usd","created":1,"auto_advance":true,"billing_reason":"subscription_cycle",
        "attempt_count":1,"parent":{{"subscription_details":{{"subscription":"sub_a"}}}}}}"#
    )
}

fn payment(id: &str, invoice: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"invoice_payment","invoice":"{invoice}","status":"open",
        "payment":{{"type":"payment_intent","payment_intent":{{"id":"pi_1","status":"{status}"}}}}}}"#
    )
}

fn warning(id: &str, customer: &str, actionable: bool) -> String {
    format!(
        r#"{{"id":"{id}","object":"radar.early_fraud_warning","fraud_type":"misc","actionable":{actionable},"created":5,
        "charge":{{"id":"ch_1","object":"charge","customer":"{customer}"}}}}"#
    )
}

fn a_troubled_tenant() -> Shelf {
    Shelf {
        invoices: vec![
            ("in_draft", invoice("in_draft", "cus_a", "draft")),
            ("in_open", invoice("in_open", "cus_a", "open")),
            ("in_paid", invoice("in_paid", "cus_a", "paid")),
            ("in_s", invoice("in_s", "cus_s", "open")),
            ("in_lost", invoice("in_lost", "cus_s", "uncollectible")),
        ],
        payments: vec![
            ("inpay_1", payment("inpay_1", "in_open", "requires_action")),
            ("inpay_2", payment("inpay_2", "in_s", "requires_action")),
        ],
        ..two_tenants_and_a_stranger()
    }
}

fn observe(mirror: &Mirror) -> Observed {
    mirror.observe(&tenant("acme"), None, None).unwrap()
}

fn invoices(mirror: &Mirror) -> Vec<(String, Awaits)> {
    let invoices = observe(mirror).invoices;
    invoices.into_iter().map(|i| (i.id, i.awaits)).collect()
}

fn disputes(mirror: &Mirror) -> Vec<(String, DisputeStatus)> {
    let disputes = observe(mirror).disputes.unwrap().disputes;
    disputes.into_iter().map(|d| (d.id, d.status)).collect()
}

#[tokio::test]
async fn a_scan_keeps_unsettled_invoices_of_ours_with_what_their_payment_waits_for() {
    let (stripe, _shelf, session) = served(a_troubled_tenant()).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(
        invoices(&mirror),
        [
            ("in_draft".to_owned(), Awaits::Nothing),
            ("in_open".to_owned(), Awaits::Action)
        ]
    );
    // Customers, subscriptions, drafts, open and uncollectible invoices, their payments, disputes, warnings.
    let asked: Vec<String> = stripe.received().into_iter().map(|r| r.target).collect();
    assert_eq!(asked.len(), 8, "{asked:#?}");
    assert_eq!(mirror.rebuild(&session).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_written_off_is_known_like_what_is_open_until_it_is_paid_or_void() {
    for end in ["paid", "void"] {
        let (_stripe, shelf, session) = served(a_troubled_tenant()).await;
        let turn = |status: &str| {
            shelf.lock().unwrap().invoices[1].1 = invoice("in_open", "cus_a", status);
        };
        let found = |mirror: &Mirror| {
            let invoices = observe(mirror).invoices.into_iter();
            let owed = invoices.filter(|invoice| invoice.id == "in_open");
            owed.map(|i| (i.status, i.amount, i.awaits))
                .collect::<Vec<_>>()
        };
        let given_up = [(InvoiceStatus::Uncollectible, 9_900, Awaits::Action)];
        turn("uncollectible");
        let mirror = Mirror::new("default");
        mirror.rebuild(&session).await.unwrap();
        assert_eq!(found(&mirror), given_up);
        turn("open");
        mirror.refresh_invoice(&session, "in_open").await.unwrap();
        assert_eq!(found(&mirror)[0].0, InvoiceStatus::Open);
        turn("uncollectible");
        assert_eq!(mirror.rebuild(&session).await.unwrap(), [tenant("acme")]);
        assert_eq!(found(&mirror), given_up);
        turn(end);
        let concerned = mirror.refresh_invoice(&session, "in_open").await.unwrap();
        assert_eq!(concerned, [tenant("acme")]);
        assert_eq!(found(&mirror), []);
    }
}

#[tokio::test]
async fn a_fleet_that_owes_nothing_is_not_asked_for_payments() {
    let (stripe, _shelf, session) = served(two_tenants_and_a_stranger()).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    let asked = stripe.received();
    assert!(asked.iter().all(|r| !r.is("GET", "/v1/invoice_payments")));
    assert_eq!(asked.len(), 7);
}

#[tokio::test]
async fn what_is_paid_leaves_the_mirror_however_that_is_learned() {
    let (_stripe, shelf, session) = served(a_troubled_tenant()).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    let pay = |at: usize, id: &'static str| {
        shelf.lock().unwrap().invoices[at].1 = invoice(id, "cus_a", "paid");
    };
    pay(1, "in_open");
    let concerned = mirror.refresh_invoice(&session, "in_open").await.unwrap();
    assert_eq!(concerned, [tenant("acme")]);
    assert_eq!(invoices(&mirror).len(), 1);

    pay(0, "in_draft");
    mirror
        .refresh_tenant(&session, &tenant("acme"), Some("cus_a"))
        .await
        .unwrap();
    assert_eq!(invoices(&mirror), []);

    shelf.lock().unwrap().invoices[0].1 = invoice("in_draft", "cus_a", "open");
    assert_eq!(mirror.rebuild(&session).await.unwrap(), [tenant("acme")]);
    pay(0, "in_draft");
    assert_eq!(mirror.rebuild(&session).await.unwrap(), [tenant("acme")]);
    assert_eq!(invoices(&mirror), []);

    // A draft can be deleted.
    shelf.lock().unwrap().invoices[0].1 = invoice("in_draft", "cus_a", "draft");
    mirror.refresh_invoice(&session, "in_draft").await.unwrap();
    assert_eq!(invoices(&mirror).len(), 1);
    shelf.lock().unwrap().invoices.remove(0);
    mirror.refresh_invoice(&session, "in_draft").await.unwrap();
    assert_eq!(invoices(&mirror), []);
}

#[tokio::test]
async fn a_page_does_not_bring_back_an_invoice_that_was_seen_paid_meanwhile() {
    let (asked, on_asked) = mpsc::channel();
    let (release, on_release) = mpsc::channel::<()>();
    let on_release = Mutex::new(on_release);
    let shelf = a_troubled_tenant();
    let stripe = Scripted::start(move |request| match request {
        request if request.is("GET", "/v1/account") => account(),
        request if request.is("GET", "/v1/customers") => {
            page(&[shelf.customers[0].1.clone()], false)
        }
        request if request.is("GET", "/v1/invoices/in_open") => {
            Reply::Json(200, invoice("in_open", "cus_a", "paid"))
        }
        request if request.is("GET", "/v1/invoices") && request.target.contains("status=open") => {
            asked.send(()).unwrap();
            on_release.lock().unwrap().recv().unwrap();
            page(&[invoice("in_open", "cus_a", "open")], false)
        }
        _ => page(&[], false),
    });
    let session = stripe.client().session().await.unwrap();
    let mirror = Arc::new(Mirror::new("default"));
    let scan = || {
        let (mirror, session) = (Arc::clone(&mirror), session.clone());
        tokio::spawn(async move { mirror.rebuild(&session).await })
    };
    let first = scan();
    release.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(invoices(&mirror).len(), 1);
    on_asked.recv().unwrap();

    let second = scan();
    tokio::task::spawn_blocking(move || on_asked.recv().unwrap())
        .await
        .unwrap();
    mirror.refresh_invoice(&session, "in_open").await.unwrap();
    release.send(()).unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(invoices(&mirror), []);
}

#[tokio::test]
async fn an_invoice_tells_why_it_could_not_be_finalised() {
    let failed = invoice("in_draft", "cus_a", "draft").replace(
        r#""attempt_count":1"#,
        r#""attempt_count":0,"automatic_tax":{"enabled":true,"status":"requires_location_inputs"},
        "last_finalization_error":{"type":"invalid_request_error","code":"customer_tax_location_invalid","message":"No."}"#,
    );
    let (_stripe, _shelf, session) = served(Shelf {
        invoices: vec![("in_draft", failed)],
        ..two_tenants_and_a_stranger()
    })
    .await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    let invoice = observe(&mirror).invoices.remove(0);
    assert_eq!(invoice.status, InvoiceStatus::Draft);
    assert_eq!(invoice.tax, InvoiceTax::LocationMissing);
    assert_eq!(invoice.finalization_error.unwrap().message, "No.");
}

#[tokio::test]
async fn disputes_and_warnings_of_our_customers_are_known_with_the_invoice_they_are_about() {
    let shelf = Shelf {
        disputes: vec![
            ("du_1", dispute("du_1", "cus_a", "needs_response")),
            ("du_s", dispute("du_s", "cus_s", "needs_response")),
        ],
        warnings: vec![("issfr_1", warning("issfr_1", "cus_a", true))],
        payments: vec![(
            "inpay_1",
            r#"{"id":"inpay_1","invoice":"in_paid","payment":{"payment_intent":"pi_1"}}"#
                .to_owned(),
        )],
        ..two_tenants_and_a_stranger()
    };
    let (stripe, shelf, session) = served(shelf).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(
        disputes(&mirror),
        [("du_1".to_owned(), DisputeStatus::NeedsResponse)]
    );
    let seen = observe(&mirror).disputes.unwrap();
    assert_eq!(seen.disputes[0].invoice.as_deref(), Some("in_paid"));
    assert_eq!(seen.warnings[0].id, "issfr_1");

    // Which invoice it is does not change, and is not asked for again.
    let before = stripe.received().len();
    shelf.lock().unwrap().disputes[0].1 = dispute("du_1", "cus_a", "won");
    let concerned = mirror.refresh_dispute(&session, "du_1").await.unwrap();
    assert_eq!(concerned, [tenant("acme")]);
    assert_eq!(disputes(&mirror)[0].1, DisputeStatus::Won);
    assert_eq!(stripe.received().len() - before, 1);

    // Refunded, or disputed: a warning that nothing can be done about any more is gone.
    shelf.lock().unwrap().warnings[0].1 = warning("issfr_1", "cus_a", false);
    mirror
        .refresh_fraud_warning(&session, "issfr_1")
        .await
        .unwrap();
    assert_eq!(observe(&mirror).disputes.unwrap().warnings, []);
    let stranger = mirror.refresh_dispute(&session, "du_s").await.unwrap();
    assert_eq!(stranger, []);
}

#[tokio::test]
async fn a_key_that_may_not_read_disputes_sees_everything_else() {
    let shelf = Shelf {
        restricted: true,
        ..a_troubled_tenant()
    };
    let (_stripe, shelf, session) = served(shelf).await;
    let mirror = Mirror::new("default");
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(invoices(&mirror).len(), 2);
    assert_eq!(observe(&mirror).disputes, None);

    // What was seen before the key was restricted stays.
    let one = vec![("du_1", dispute("du_1", "cus_a", "needs_response"))];
    shelf.lock().unwrap().disputes = one;
    shelf.lock().unwrap().restricted = false;
    mirror.rebuild(&session).await.unwrap();
    shelf.lock().unwrap().restricted = true;
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(disputes(&mirror).len(), 1);

    // Nor does an event about one hold up anybody.
    let touched = mirror.refresh_dispute(&session, "du_1").await;
    assert_eq!(touched, Ok(Vec::new()));
    let touched = mirror.refresh_fraud_warning(&session, "issfr_1").await;
    assert_eq!(touched, Ok(Vec::new()));
    assert_eq!(disputes(&mirror).len(), 1);
}

#[tokio::test]
async fn invoices_on_a_test_clock_are_listed_customer_by_customer_and_outlive_the_accounts_scan() {
    let on_clock = |shelf: Shelf| Shelf {
        customers: vec![(
            "cus_a",
            shelf.customers[0]
                .1
                .replace("{\"id\"", "{\"test_clock\":\"clock_1\",\"id\""),
        )],
        subscriptions: vec![shelf.subscriptions[0].clone()],
        ..shelf
    };
    let (stripe, shelf, session) = served(on_clock(a_troubled_tenant())).await;
    let mirror = Mirror::new("default");
    mirror.rebuild_clock(&session, "clock_1").await.unwrap();
    let observe = || mirror.observe(&tenant("acme"), None, Some("clock_1"));
    let ids = || {
        let invoices = observe().unwrap().invoices;
        invoices.into_iter().map(|i| i.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ["in_draft", "in_open"]);
    let asked = stripe.received();
    let lists = asked.iter().filter(|r| r.is("GET", "/v1/invoices"));
    assert!(lists.clone().all(|r| r.target.contains("customer=cus_a")));
    assert_eq!(lists.count(), 3);

    // The account's own lists do not show what is on a clock.
    let kept = std::mem::take(&mut *shelf.lock().unwrap());
    mirror.rebuild(&session).await.unwrap();
    assert_eq!(ids(), ["in_draft", "in_open"]);
    *shelf.lock().unwrap() = kept;
    shelf.lock().unwrap().invoices.clear();
    mirror.rebuild_clock(&session, "clock_1").await.unwrap();
    assert_eq!(ids(), [""; 0]);
}
