//! What the endpoint takes, and what it refuses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::process::Operator;
use crate::support::sandbox::get_text;
use crate::support::{eventually, world::World};
use crate::{
    SECRET, SigningSecret, deliver, event, http, listening_world, outcomes, post, signed,
    until_leads,
};

/// A word that occurs nowhere but in refused bodies.
const MARK: &str = "xylophone";

async fn started(events: &str) -> (World, Operator) {
    let (world, _) = listening_world(events).await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    (world, operator)
}

#[tokio::test]
async fn what_is_not_stripes_is_refused_and_nothing_of_it_is_logged() {
    let (world, operator) = started("both").await;
    let http = http();
    let url = operator.webhook_url();
    let body = event("evt_1", "customer.updated", &json!({"note": MARK}));
    let late = SigningSecret::new(SECRET).unwrap().sign(
        body.as_bytes(),
        Timestamp::now() - SignedDuration::from_secs(301),
    );
    let genuine = signed(SECRET, body.as_bytes());
    let forged = signed("whsec_another", body.as_bytes());
    let cases = [
        (None, body.clone(), "Stripe-Signature is missing"),
        (Some("nonsense"), body.clone(), "is not of the form"),
        (
            Some(&*forged),
            body.clone(),
            "fits none of the signing secrets",
        ),
        (
            Some(&*genuine),
            body.replace('a', "b"),
            "fits none of the signing secrets",
        ),
        (
            Some(&*genuine),
            body[..body.len() - 9].to_owned(),
            "fits none",
        ),
        (
            Some(&*late),
            body.clone(),
            "a request that was replayed is refused",
        ),
    ];
    let refused = cases.len() as u64;
    for (signature, body, message) in cases {
        let answer = post(&http, &url, signature, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert!(answer.body.contains(message), "{answer:?}");
    }
    assert_eq!(outcomes(&operator, "refused").await, refused);

    // Signed, and still no event: truncated, not text, nothing.
    let truncated = &body.as_bytes()[..body.len() / 2];
    for body in [truncated, b"{\"id\":\"\xff\xfe\"}", b"", b"[]", b"{}"] {
        let answer = post(&http, &url, Some(&signed(SECRET, body)), body.to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert!(
            answer.body.contains("not one of Stripe's events"),
            "{answer:?}"
        );
    }
    assert_eq!(outcomes(&operator, "taken").await, 0);
    let log = operator.process().log();
    assert!(!log.contains(MARK), "{log}");
    world.finish().await;
}

/// Sends raw bytes and gives what comes back until the other side closes or falls silent.
async fn exchange(operator: &Operator, parts: &[&[u8]]) -> String {
    let address = operator.url().strip_prefix("http://").unwrap().to_owned();
    let bytes = parts.concat();
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        // It may be refused, and the connection closed, before all of it is sent.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    exchanged.await.unwrap()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read_whether_or_not_it_says_its_length() {
    let (world, operator) = started("both").await;
    let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=00\r\n";
    // It says its length, and sends nothing: waiting for the body would time out.
    let said = format!("{head}content-length: 262145\r\n\r\n");
    let answer = exchange(&operator, &[said.as_bytes()]).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // It does not say: 5 chunks of 64 KiB.
    let unsaid = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let chunk = [
        b"10000\r\n".to_vec(),
        vec![b' '; 0x1_0000],
        b"\r\n".to_vec(),
    ]
    .concat();
    let chunks = [unsaid.as_bytes(), &chunk, &chunk, &chunk, &chunk, &chunk];
    let answer = exchange(&operator, &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(outcomes(&operator, "too_large").await, 2);
    // The largest that is allowed is read, and then judged by its signature.
    let largest = format!("{head}content-length: 262144\r\nconnection: close\r\n\r\n");
    let answer = exchange(&operator, &[largest.as_bytes(), &vec![b' '; 262_144]]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    world.finish().await;
}

#[tokio::test]
async fn what_does_not_arrive_is_not_waited_for_and_delays_nobody() {
    let (world, operator) = started("both").await;
    let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=00\r\n\
                content-length: 100\r\n\r\n{";
    let parts = [head.as_bytes()];
    let slow = exchange(&operator, &parts);
    let began = Instant::now();
    let headers: [&[u8]; 1] = [b"POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\n"];
    let endless = exchange(&operator, &headers);
    let quick = async {
        let answer = deliver(&operator, &event("evt_1", "product.created", &json!({}))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(outcomes(&operator, "too_slow").await, 0, "not by then");
    };
    let (slow, endless, ()) = tokio::join!(slow, endless, quick);
    assert!(!endless.starts_with("HTTP/1.1 200"), "{endless}");
    assert!(began.elapsed() < Duration::from_secs(15), "both are let go");
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    assert_eq!(outcomes(&operator, "too_slow").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn what_concerns_nobody_here_is_acknowledged_and_counted() {
    let (world, operator) = started("both").await;
    world.stripe.forget_requests().await;
    let of = |kind: &str, object: serde_json::Value| event(&format!("evt_{kind}"), kind, &object);
    let stranger =
        json!({"id": "cus_1", "object": "customer", "metadata": {"tenantbilling_owner": "other"}});
    let other_mode = of("customer.updated", stranger.clone()).replace("false", "true");
    let connected = of("customer.updated", stranger.clone()).replace(
        "\"object\": \"event\"",
        "\"object\": \"event\", \"account\": \"acct_x\"",
    );
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "created": "2026-11-22T08:00:00.000Z",
        "type": "v1.billing.meter.error_report_triggered",
        "related_object": {"id": "mtr_1", "type": "billing.meter"},
    });
    for (outcome, body) in [
        (
            "ignored",
            of(
                "terminal.reader.action_failed",
                json!({"object": "terminal.reader"}),
            ),
        ),
        ("ignored", of("something.unheard.of", json!({}))),
        ("stranger", of("customer.updated", stranger)),
        ("elsewhere", other_mode),
        ("elsewhere", connected),
        ("thin", thin.to_string()),
    ] {
        let before = outcomes(&operator, outcome).await;
        let answer = deliver(&operator, &body).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::OK, r#"{"received":true}"#)
        );
        assert_eq!(
            outcomes(&operator, outcome).await,
            before + 1,
            "{outcome}: {body}"
        );
    }
    let requests = world.stripe.requests().await;
    let read = requests
        .iter()
        .filter(|request| request["path"] != "/v1/events");
    assert_eq!(read.count(), 0, "strangers cost nothing");
    world.finish().await;
}

#[tokio::test]
async fn a_secret_is_exchanged_by_writing_its_file_again() {
    let (world, file) = listening_world("both").await;
    let operator = world.operator().await;
    until_leads(&operator).await;
    let http = http();
    let url = operator.webhook_url();
    let body = event("evt_1", "product.created", &json!({}));
    let status = async |secret: &str| {
        let signature = signed(secret, body.as_bytes());
        post(&http, &url, Some(&signature), body.clone())
            .await
            .status
    };
    let until = async |secret: &str, wanted: StatusCode| {
        eventually(&format!("{secret}: {wanted}"), async || {
            match status(secret).await {
                found if found == wanted => Ok(()),
                found => Err(found.to_string()),
            }
        })
        .await;
    };
    let (old, new) = (SECRET, "whsec_new");
    assert_eq!(status(old).await, StatusCode::OK);
    assert_eq!(status(new).await, StatusCode::BAD_REQUEST);
    fs::write(&file, format!("{old}\n{new}\n")).unwrap();
    until(new, StatusCode::OK).await;
    assert_eq!(status(old).await, StatusCode::OK);
    fs::write(&file, new).unwrap();
    until(old, StatusCode::BAD_REQUEST).await;
    assert_eq!(status(new).await, StatusCode::OK);

    // Without a secret Stripe is told to try again, and the people are told why.
    fs::write(&file, "").unwrap();
    until(new, StatusCode::SERVICE_UNAVAILABLE).await;
    let (ready, text) = get_text(&format!("{}/readyz", operator.url())).await;
    assert_eq!(ready, StatusCode::OK);
    assert!(
        text.contains("holds no secret") && text.contains(file.to_str().unwrap()),
        "{text}"
    );
    assert!(operator.process().log().contains("holds no secret"));
    let log = operator.process().log();
    assert!(!log.contains(old) && !log.contains(new), "{log}");
    world.finish().await;
}

#[tokio::test]
async fn where_webhooks_are_not_set_up_it_is_said() {
    let mut plain = World::new().await;
    let (polling, _) = listening_world("poll").await;
    plain.options = plain.options.flag("--resync-seconds", crate::NEVER);
    for world in [plain, polling] {
        let operator = world.operator().await;
        let answer = deliver(&operator, "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let message = body["error"].as_str().unwrap();
        assert!(message.contains("--webhook-secret-file"), "{message}");
        world.finish().await;
    }
}
