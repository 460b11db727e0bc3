//! Events to a receiver.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tenant_billing::api::NoticeKind;
use tenant_billing::notify::{Deliver as _, Events, EventsConfig, Failure};

use super::notice;
use super::receiver::Receiver;
use super::support::process::scratch;

/// 24 bytes, in base64 and in hexadecimal digits.
const SECRETS: [(&str, &str); 2] = [
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "000102030405060708090a0b0c0d0e0f1011121314151617",
    ),
    (
        "whsec_FxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA",
        "17161514131211100f0e0d0c0b0a09080706050403020100",
    ),
];

fn events(url: &str, secret_file: Option<PathBuf>) -> Events {
    let config = EventsConfig {
        url: url.to_owned(),
        secret_file,
        owner: "default".to_owned(),
    };
    Events::new(config).unwrap()
}

#[tokio::test]
async fn an_event_is_a_cloud_event_with_the_notice_in_it() {
    let receiver = Receiver::start().await;
    let notice = notice(NoticeKind::Warning, "billing@acme.example");
    events(&receiver.url, None).deliver(&notice).await.unwrap();
    let came = receiver.came();
    assert_eq!(came.len(), 1);
    let content = came[0].header("content-type");
    assert_eq!(content, "application/cloudevents+json; charset=UTF-8");
    assert!(came[0].headers.get("webhook-signature").is_none());
    let expected = json!({
        "specversion": "1.0",
        "id": notice.id,
        "source": "/tenantbilling.io/default",
        "type": "io.tenantbilling.notice.warning",
        "subject": "in_1",
        "time": "2027-03-04T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "tenantId": "tenant_001",
            "manifest": "tenants/acme",
            "customer": {"name": "Acme Inc", "email": "billing@acme.example"},
            "plan": "pro",
            "about": "in_1",
            "amountDue": "99.00",
            "currency": "USD",
            "url": "https://pay.example/in_1?a=1&b=2",
            "day": 4,
            "nextStage": "Limited",
            "nextStageAt": "2027-03-07T10:00:00Z",
            "suspendAt": "2027-03-08T10:00:00Z",
            "nextPaymentAttempt": null,
            "until": null,
            "limits": {"requestsPerMinute": 60},
            "message": "As it is.",
        },
    });
    assert_eq!(came[0].event(), expected);
}

#[tokio::test]
async fn events_are_signed_with_every_secret_of_the_file_as_it_is_then() {
    let receiver = Receiver::start().await;
    let file = scratch("notify.secret");
    fs::write(&file, format!("{}\n", SECRETS[0].0)).unwrap();
    let events = events(&receiver.url, Some(file.clone()));
    let notice = notice(NoticeKind::Warning, "billing@acme.example");
    events.deliver(&notice).await.unwrap();
    fs::write(&file, format!("{}\n\n{}\n", SECRETS[0].0, SECRETS[1].0)).unwrap();
    events.deliver(&notice).await.unwrap();
    let came = receiver.came();
    assert!(came[0].is_signed_with(SECRETS[0].1) && !came[0].is_signed_with(SECRETS[1].1));
    assert!(came[1].is_signed_with(SECRETS[0].1) && came[1].is_signed_with(SECRETS[1].1));
    assert_eq!(came[0].header("webhook-id"), notice.id);
    assert_eq!(
        came[1].header("webhook-id"),
        notice.id,
        "the same each time"
    );
    let sent: i64 = came[0].header("webhook-timestamp").parse().unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 60..=now).contains(&sent));

    for broken in ["", "password\n", "whsec_c2hvcnQ=\n"] {
        fs::write(&file, broken).unwrap();
        match events.deliver(&notice).await {
            Err(Failure::Down(message)) => assert!(message.contains("--notify-secret-file")),
            other => panic!("{broken}: {other:?}"),
        }
    }
    assert_eq!(receiver.came().len(), 2, "nothing is sent unsigned");
}

#[tokio::test]
async fn an_answer_decides_and_redirects_are_not_followed() {
    let receiver = Receiver::start().await;
    let events = events(&receiver.url, None);
    let notice = notice(NoticeKind::Warning, "billing@acme.example");
    let statuses = [
        200, 202, 410, 400, 307, 302, 404, 401, 408, 425, 429, 500, 503,
    ];
    receiver.answer(&statuses);
    for status in statuses {
        let outcome = events.deliver(&notice).await;
        let as_expected = match status {
            200 | 202 => outcome.is_ok(),
            400 | 410 => matches!(outcome, Err(Failure::Never(_))),
            _ => matches!(outcome, Err(Failure::Later(_))),
        };
        assert!(as_expected, "{status}: {outcome:?}");
        let message = outcome.err().map_or(0, |failure| failure.message().len());
        assert!(message < 500, "of a long answer only the beginning is told");
    }
    assert_eq!(receiver.came().len(), statuses.len());
}

#[tokio::test]
async fn a_receiver_that_nobody_started_is_down_and_one_that_hangs_up_leaves_it_unknown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let notice = notice(NoticeKind::Warning, "billing@acme.example");
    let events = events(&url, None);
    let hang_up = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        drop(stream);
    };
    let (outcome, ()) = tokio::join!(events.deliver(&notice), hang_up);
    assert!(matches!(&outcome, Err(Failure::Unknown(_))), "{outcome:?}");
    drop(listener);
    let outcome = events.deliver(&notice).await;
    assert!(matches!(&outcome, Err(Failure::Down(_))), "{outcome:?}");
}
