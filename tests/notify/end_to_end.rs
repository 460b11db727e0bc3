//! From a payment that fails to the mail that says so, with everything in between: a real control plane,
//! a real mail server, and an operator that dies where it hurts.

use std::collections::BTreeMap;

use mail_parser::{HeaderValue, MessageParser};
use serde_json::{Value, json};

use super::exim::Exim;
use super::receiver::Receiver;
use super::support::eventually;
use super::support::paying::{DAY, FEBRUARY, HOUR, TENANT, invoices_of, paying, told_once, world};
use super::support::world::{World, id};

/// When the first payment of February's invoice is attempted: an hour after it was made.
const FAILS: i64 = FEBRUARY + HOUR;
/// Whatever the operator writes onto an invoice.
const WRITE_TO_INVOICE: &str = "/v1/invoices/in_";

/// A world whose people are told by both channels.
async fn telling(server: &Exim, receiver: &Receiver) -> World {
    let mut world = world().await;
    let (username, password) = server.credentials();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    for (flag, value) in [
        ("--smtp-server", format!("localhost:{}", server.port)),
        ("--smtp-ca-file", path(server.ca())),
        ("--smtp-username-file", path(username)),
        ("--smtp-password-file", path(password)),
        (
            "--mail-from",
            "Example Cloud <billing@cloud.example>".to_owned(),
        ),
        ("--mail-operators", "ops@cloud.example".to_owned()),
        ("--product-name", "Example Cloud".to_owned()),
        ("--notify-url", receiver.url.clone()),
    ] {
        world.options = world.options.flag(flag, &value);
    }
    world
}

/// The tenant on a test clock, subscribed, whose next payment is going to fail; gives the clock and the
/// customer.
async fn about_to_fail(world: &World) -> (String, String) {
    let (clock, customer) = paying(world, json!({})).await;
    world
        .add_card(&customer, "pm_card_chargeCustomerFail")
        .await;
    (clock, customer)
}

async fn fail(world: &World, clock: &str, customer: &str) -> String {
    world.stripe.advance(clock, FAILS + 60).await;
    let invoice = invoices_of(world, customer).await.swap_remove(0);
    assert_eq!(invoice["status"], "open");
    id(&invoice).to_owned()
}

/// How many mails of each kind have arrived.
fn mails(server: &Exim) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for bytes in server.arrived() {
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let kind = mail.header("X-Tenant-Billing-Notice");
        let kind = kind.and_then(HeaderValue::as_text).unwrap();
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

async fn mailed(server: &Exim, kind: &str) {
    eventually(&format!("a mail of {kind}"), async || {
        let mails = mails(server);
        if mails.contains_key(kind) {
            Ok(())
        } else {
            Err(format!("there are {mails:?}"))
        }
    })
    .await;
}

/// Waits until the mark of a kind on the invoice says so much of a channel.
async fn marked(world: &World, invoice: &str, kind: &str, text: &str) {
    let path = format!("/v1/invoices/{invoice}");
    eventually(&format!("{kind} marked {text}"), async || {
        let invoice = world.stripe.get(&path).await;
        let mark = &invoice["metadata"][format!("tenantbilling_told_{kind}")];
        if mark.as_str().is_some_and(|mark| mark.contains(text)) {
            Ok(())
        } else {
            Err(format!("the metadata are {}", invoice["metadata"]))
        }
    })
    .await;
}

/// Waits until the status shows a notice in a state; gives its message.
async fn shows(world: &World, kind: &str, state: &str) -> String {
    let of_kind = |tenant: &Value| {
        let notices = tenant["status"]["notices"].as_array().cloned();
        let mut notices = notices.unwrap_or_default().into_iter();
        notices.find(|notice| notice["kind"] == kind && notice["state"] == state)
    };
    let what = format!("{kind} is {state}");
    let tenant = world.until(TENANT, &what, |tenant| {
        of_kind(tenant).is_some_and(|notice| notice["message"].is_string())
    });
    let notice = of_kind(&tenant.await).unwrap();
    notice["message"].as_str().unwrap().to_owned()
}

/// Waits until the status shows no notice.
async fn shows_none(world: &World) {
    let none = |tenant: &Value| tenant["status"]["notices"].is_null();
    world.until(TENANT, "nothing is left to tell", none).await;
}

#[tokio::test]
async fn every_stage_is_told_once_by_each_channel_and_noted_on_the_invoice() {
    let server = Exim::start().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let operator = world.operator().await;
    let (clock, customer) = about_to_fail(&world).await;
    let invoice = fail(&world, &clock, &customer).await;
    for (day, kind) in [
        (1, "reminder"),
        (4, "warning"),
        (7, "limited"),
        (8, "suspended"),
    ] {
        if day > 1 {
            let then = FAILS + (day - 1) * DAY + 60;
            world.stripe.advance(&clock, then).await;
        }
        mailed(&server, kind).await;
        marked(&world, &invoice, kind, "mail:sent@").await;
        marked(&world, &invoice, kind, "events:sent@").await;
    }
    world.stripe.pay_hosted(&invoice, "pm_card_visa").await;
    mailed(&server, "reactivated").await;
    shows_none(&world).await;
    let kinds = ["limited", "reactivated", "reminder", "suspended", "warning"];
    let once: BTreeMap<String, usize> = kinds.iter().map(|kind| ((*kind).to_owned(), 1)).collect();
    assert_eq!(mails(&server), once);
    for kind in kinds {
        let events = receiver.events(kind).await;
        assert_eq!(events.len(), 1, "{kind}");
        let data = &events[0]["data"];
        assert_eq!(data["tenantId"], world.tenant_id(TENANT));
    }
    let suspended = receiver.events("suspended").await;
    assert_eq!(suspended[0]["subject"], invoice);
    assert_eq!(suspended[0]["data"]["amountDue"], "99.00");

    // Nothing is told again by an operator that begins anew.
    operator.terminate().await;
    let _operator = world.operator().await;
    world.look_again(TENANT).await;
    shows_none(&world).await;
    assert_eq!(mails(&server), once);
    let notes = world.notes(TENANT).await;
    let sent = notes.iter().filter(|note| note["reason"] == "NoticeSent");
    for note in sent {
        let text = note["note"].as_str().unwrap();
        assert!(!text.contains('@') && !text.contains("://"), "{text}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_is_down_delays_the_mail_and_never_the_dunning() {
    let mut server = Exim::prepare().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let _operator = world.operator().await;
    let (clock, customer) = about_to_fail(&world).await;
    let invoice = fail(&world, &clock, &customer).await;
    let message = shows(&world, "Reminder", "Pending").await;
    assert!(message.contains("--smtp-server"), "{message}");
    marked(&world, &invoice, "reminder", "events:sent@").await;

    world.stripe.advance(&clock, FAILS + 3 * DAY + 60).await;
    shows(&world, "Warning", "Pending").await;
    let tenant = world.get(TENANT).await;
    assert_eq!(tenant["status"]["dunning"]["stage"], "Warning");
    assert_eq!(receiver.events("warning").await.len(), 1);
    server.run().await;
    mailed(&server, "warning").await;
    shows_none(&world).await;
    // The reminder came to nothing meanwhile.
    assert_eq!(mails(&server), BTreeMap::from([("warning".to_owned(), 1)]));
    world.finish().await;
}

/// The operator is killed while a write to the invoice is held; then another one goes on. Gives what it
/// finds.
async fn killed_while(fault: Value) -> (World, Exim, Receiver, String, String) {
    let server = Exim::start().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let operator = world.operator().await;
    let (clock, customer) = about_to_fail(&world).await;
    let mut what = json!({"method": "POST", "path": WRITE_TO_INVOICE});
    let fields = fault.as_object().unwrap().clone();
    what.as_object_mut().unwrap().extend(fields);
    let fault = world.stripe.fault(what).await;
    let invoice = fail(&world, &clock, &customer).await;
    eventually("the write to the invoice", async || {
        match world.stripe.fault_hits(&fault).await {
            0 => Err("it was not made".to_owned()),
            _ => Ok(()),
        }
    })
    .await;
    operator.kill();
    world.stripe.clear_fault(&fault).await;
    (world, server, receiver, clock, invoice)
}

#[tokio::test]
async fn killed_between_the_mark_and_the_mail_it_is_uncertain_and_never_sent() {
    let (world, server, receiver, clock, invoice) =
        killed_while(json!({"kind": "hold_after"})).await;
    let _operator = world.operator().await;
    let message = shows(&world, "Reminder", "Uncertain").await;
    assert!(message.contains("never sent twice"), "{message}");
    marked(&world, &invoice, "reminder", "events:sent@").await;
    assert_eq!(receiver.events("reminder").await.len(), 1);
    told_once(&world, "Warning", "NoticeUncertain").await;
    // What comes next is told as ever.
    world.stripe.advance(&clock, FAILS + 3 * DAY + 60).await;
    mailed(&server, "warning").await;
    assert_eq!(mails(&server), BTreeMap::from([("warning".to_owned(), 1)]));
    world.finish().await;
}

#[tokio::test]
async fn killed_between_the_mail_and_the_mark_it_is_not_sent_twice() {
    let (world, server, receiver, clock, invoice) =
        killed_while(json!({"kind": "hold_before", "skip": 1})).await;
    mailed(&server, "reminder").await;
    marked(&world, &invoice, "reminder", "mail:sending@").await;
    let _operator = world.operator().await;
    shows(&world, "Reminder", "Uncertain").await;
    marked(&world, &invoice, "reminder", "events:sent@").await;
    let events = receiver.events("reminder").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["id"], events[1]["id"], "a receiver can tell");
    world.stripe.advance(&clock, FAILS + 3 * DAY + 60).await;
    mailed(&server, "warning").await;
    let once = BTreeMap::from([("reminder".to_owned(), 1), ("warning".to_owned(), 1)]);
    assert_eq!(mails(&server), once);
    world.finish().await;
}

#[tokio::test]
async fn a_receiver_that_fails_is_sent_the_same_event_again_and_no_mail_twice() {
    let server = Exim::start().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let _operator = world.operator().await;
    let (clock, customer) = about_to_fail(&world).await;
    receiver.answer(&[503]);
    let invoice = fail(&world, &clock, &customer).await;
    mailed(&server, "reminder").await;
    marked(&world, &invoice, "reminder", "events:sent@").await;
    let events = receiver.events("reminder").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], events[1]);
    shows_none(&world).await;
    assert_eq!(mails(&server), BTreeMap::from([("reminder".to_owned(), 1)]));
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_refused_and_tried_again_when_the_mark_is_taken_away() {
    let server = Exim::start().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let _operator = world.operator().await;
    let (clock, customer) = about_to_fail(&world).await;
    let nobody = json!({"customer": {"name": "Acme Inc", "email": "nobody@acme.example"}});
    world.edit(TENANT, nobody).await;
    world.ready(TENANT).await;
    let invoice = fail(&world, &clock, &customer).await;
    let message = shows(&world, "Reminder", "Refused").await;
    assert!(message.contains("tenantbilling_told_reminder"), "{message}");
    marked(&world, &invoice, "reminder", "mail:refused@").await;
    told_once(&world, "Warning", "NoticeRefused").await;
    let somebody = json!({"customer": {"name": "Acme Inc", "email": "billing@acme.example"}});
    world.edit(TENANT, somebody).await;
    let path = format!("/v1/invoices/{invoice}");
    let without = [("metadata[tenantbilling_told_reminder]", "events:sent@5")];
    world.stripe.post(&path, &without).await;
    mailed(&server, "reminder").await;
    shows_none(&world).await;
    assert_eq!(receiver.events("reminder").await.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_dispute_is_told_to_those_who_run_the_operator_and_noted_on_the_dispute() {
    let server = Exim::start().await;
    let receiver = Receiver::start().await;
    let world = telling(&server, &receiver).await;
    let operator = world.operator().await;
    let (_, customer) = paying(&world, json!({})).await;
    let dispute = world.stripe.open_dispute(&customer, "needs_response").await;
    mailed(&server, "dispute").await;
    let to = server.arrived().swap_remove(0);
    let to = MessageParser::default()
        .parse(&to)
        .unwrap()
        .to()
        .unwrap()
        .clone();
    assert_eq!(to.first().unwrap().address(), Some("ops@cloud.example"));
    let path = format!("/v1/disputes/{}", id(&dispute));
    eventually("the dispute is marked", async || {
        let metadata = world.stripe.get(&path).await["metadata"].clone();
        match metadata["tenantbilling_told_dispute"].as_str() {
            Some(mark) if mark.contains("mail:sent@") => Ok(()),
            _ => Err(format!("the metadata are {metadata}")),
        }
    })
    .await;
    assert_eq!(receiver.events("dispute").await.len(), 1);
    operator.terminate().await;
    let _operator = world.operator().await;
    world.look_again(TENANT).await;
    shows_none(&world).await;
    assert_eq!(mails(&server), BTreeMap::from([("dispute".to_owned(), 1)]));
    world.finish().await;
}
