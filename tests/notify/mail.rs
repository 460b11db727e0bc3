//! Mail through a real server, read back.

use std::fs;

use mail_parser::{Address, Message, MessageParser};
use tenant_billing::api::NoticeKind;
use tenant_billing::notify::{Deliver as _, Failure, Mail, Tls};

use super::exim::Exim;
use super::{mail_to, notice};

fn mail(server: &Exim) -> Mail {
    let credentials = Some(server.credentials());
    mail_to(server.port, Tls::Required, Some(server.ca()), credentials)
}

fn parsed(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).unwrap()
}

fn text_of<'a>(mail: &'a Message<'_>, header: &'a str) -> &'a str {
    let value = mail.header(header).unwrap();
    value.as_text().unwrap()
}

fn addresses(of: Option<&Address<'_>>) -> Vec<(Option<String>, String)> {
    let found = of
        .into_iter()
        .flat_map(|addresses| addresses.clone().into_list());
    found
        .map(|one| (one.name.map(Into::into), one.address.unwrap().into_owned()))
        .collect()
}

#[tokio::test]
async fn every_kind_of_notice_arrives_as_it_was_written() {
    let server = Exim::start().await;
    let mail = mail(&server);
    mail.ready().await.unwrap();
    for kind in NoticeKind::ALL {
        let notice = notice(kind, "billing@acme.example");
        mail.deliver(&notice).await.unwrap();
    }
    let arrived = server.mails(NoticeKind::ALL.len()).await;
    for kind in NoticeKind::ALL {
        let sent = notice(kind, "billing@acme.example");
        let mails = arrived.iter().map(|bytes| parsed(bytes));
        let mut of_kind =
            mails.filter(|mail| text_of(mail, "X-Tenant-Billing-Notice") == kind.as_str());
        let mail = of_kind.next().unwrap();
        assert!(of_kind.next().is_none(), "{kind:?} came twice");
        let for_operators = matches!(kind, NoticeKind::Dispute | NoticeKind::EnforcementHeld);
        let to = if for_operators {
            (None, "ops@cloud.example".to_owned())
        } else {
            (
                Some("Acme Inc".to_owned()),
                "billing@acme.example".to_owned(),
            )
        };
        assert_eq!(addresses(mail.to()), std::slice::from_ref(&to));
        assert_eq!(text_of(&mail, "Envelope-to").trim(), to.1);
        let from = (
            Some("Example Cloud".to_owned()),
            "billing@cloud.example".to_owned(),
        );
        assert_eq!(addresses(mail.from()), [from]);
        assert_eq!(
            addresses(mail.reply_to()),
            [(None, "help@cloud.example".to_owned())]
        );
        assert_eq!(
            mail.message_id(),
            Some(format!("{}@cloud.example", sent.id).as_str())
        );
        assert_eq!(text_of(&mail, "Auto-Submitted"), "auto-generated");
        assert!(mail.date().is_some());
        assert!(!mail.subject().unwrap().is_empty());
        let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
        assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1));
        assert!(text.contains("https://pay.example/in_1?a=1&b=2"), "{text}");
        assert!(text.contains("Example Cloud") && html.contains("Example Cloud"));
        assert!(html.contains("<!doctype html>"), "{html}");
    }
}

#[tokio::test]
async fn names_and_addresses_of_bad_people_write_no_header() {
    let server = Exim::start().await;
    let mail = mail(&server);
    let hostile =
        "Eve\r\nBcc: all@victim.example\r\n\r\n<h1>\u{2028}Ünïcode, \"quoted\" <x@y.example>";
    let mut bad = notice(NoticeKind::Warning, "billing@acme.example");
    bad.customer.as_mut().unwrap().name = hostile.into();
    bad.amount_due = Some("99.00\r\nX-Injected: yes".into());
    mail.deliver(&bad).await.unwrap();
    let arrived = server.mails(1).await;
    let found = parsed(&arrived[0]);
    assert_eq!(
        text_of(&found, "Envelope-to").trim(),
        "billing@acme.example"
    );
    assert!(found.header("Bcc").is_none() && found.header("X-Injected").is_none());
    let to = addresses(found.to());
    assert_eq!(to.len(), 1, "{to:?}");
    assert_eq!(to[0].1, "billing@acme.example");
    assert!(
        to[0]
            .0
            .as_ref()
            .unwrap()
            .contains("Ünïcode, \"quoted\" <x@y.example>")
    );
    assert!(found.subject().unwrap().contains("99.00 X-Injected: yes"));

    for address in [
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "a@b.example> NOTIFY=NEVER",
        "not an address",
        "",
    ] {
        let refused = mail.deliver(&notice(NoticeKind::Warning, address)).await;
        match refused {
            Err(Failure::Never(message)) => assert!(message.contains("spec.customer.email")),
            other => panic!("{address}: {other:?}"),
        }
    }
    assert_eq!(server.arrived().len(), 1);
}

#[tokio::test]
async fn a_bad_recipient_is_final_a_busy_one_is_not_and_a_relay_that_is_set_up_wrong_loses_nothing()
{
    let server = Exim::start().await;
    let mail = mail(&server);
    let deliver = async |address| mail.deliver(&notice(NoticeKind::Reminder, address)).await;
    let Err(Failure::Never(message)) = deliver("nobody@acme.example").await else {
        panic!("an address that does not exist was not refused for good");
    };
    assert!(message.contains("no such user"), "{message}");
    assert!(
        !message.contains("nobody@"),
        "an address in a message: {message}"
    );
    let busy = deliver("busy@acme.example").await;
    assert!(matches!(&busy, Err(Failure::Later(_))), "{busy:?}");
    let relay = deliver("a@elsewhere.example").await;
    assert!(matches!(&relay, Err(Failure::Later(_))), "{relay:?}");
    assert!(server.arrived().is_empty());
}

#[tokio::test]
async fn a_server_that_comes_up_is_used() {
    let mut server = Exim::prepare().await;
    let mail = mail(&server);
    let notice = notice(NoticeKind::Reminder, "billing@acme.example");
    let message = mail.ready().await.unwrap_err();
    assert!(message.contains("--smtp-server"), "{message}");
    assert!(matches!(mail.deliver(&notice).await, Err(Failure::Down(_))));
    server.run().await;
    mail.ready().await.unwrap();
    mail.deliver(&notice).await.unwrap();
    server.mails(1).await;
    server.stop().await;
    assert!(mail.ready().await.is_err());
    server.run().await;
    mail.deliver(&notice).await.unwrap();
    server.mails(2).await;
}

#[tokio::test]
async fn what_is_set_up_wrong_is_named() {
    let server = Exim::start().await;
    let (username, password) = server.credentials();
    let ca = Some(server.ca());
    let wrong = username.with_file_name("wrong");
    fs::write(&wrong, "wrong").unwrap();
    let with = |tls, ca, credentials| mail_to(server.port, tls, ca, credentials);
    let credentials = Some((username.clone(), password.clone()));
    for (mail, named) in [
        // An authority that nobody knows.
        (
            with(Tls::Required, None, credentials.clone()),
            "certificate",
        ),
        (
            with(Tls::Required, Some(wrong.clone()), credentials.clone()),
            "--smtp-ca-file",
        ),
        (
            with(
                Tls::Required,
                ca.clone(),
                Some((username.clone(), wrong.clone())),
            ),
            "--smtp-password-file",
        ),
        (
            with(
                Tls::Required,
                ca.clone(),
                Some((username, wrong.with_file_name("gone"))),
            ),
            "cannot be read",
        ),
        (
            with(Tls::Implicit, ca.clone(), credentials),
            "--smtp-server",
        ),
    ] {
        let message = mail.ready().await.unwrap_err();
        assert!(message.to_lowercase().contains(named), "{named}: {message}");
    }
    // Without a password, or encryption, this server takes nothing, which is no verdict on the notice.
    let notice = notice(NoticeKind::Reminder, "billing@acme.example");
    for mail in [with(Tls::Required, ca, None), with(Tls::None, None, None)] {
        mail.ready().await.unwrap();
        let refused = mail.deliver(&notice).await;
        assert!(matches!(&refused, Err(Failure::Later(_))), "{refused:?}");
    }
    assert!(server.arrived().is_empty());
}

#[tokio::test]
async fn a_password_that_is_replaced_counts_without_a_restart() {
    let server = Exim::start().await;
    let (_, password) = server.credentials();
    let mail = mail(&server);
    let right = fs::read(&password).unwrap();
    fs::write(&password, "old").unwrap();
    assert!(mail.ready().await.is_err());
    fs::write(&password, right).unwrap();
    mail.ready().await.unwrap();
}
