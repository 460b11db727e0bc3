use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest as _};

use crate::stripe::scripted::{Reply, Scripted, account, page};
use crate::stripe::{Class, Client, Config, Error, IdempotencyKey, KeySource, Secret, Session};

/// The first requests are answered by `script` with their number, the account is known.
fn server(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::start(move |request| {
        if request.is("GET", "/v1/account") {
            return account();
        }
        script(count.fetch_add(1, Ordering::SeqCst))
    })
}

#[derive(Debug, miniserde::Deserialize)]
struct Made {
    id: String,
}

fn made() -> Reply {
    Reply::Json(200, r#"{"id":"cus_1"}"#.to_owned())
}

async fn create(session: &Session, key: Option<&IdempotencyKey>) -> Result<Made, Error> {
    let mut request = RequestBuilder::new(StripeMethod::Post, "/customers");
    request.body = Some("name=Acme".to_owned());
    Ok(session.send::<Made>(&request, key).await?.value)
}

fn key() -> IdempotencyKey {
    stripe_client_core::IdempotencyKey::new("key-1")
        .unwrap()
        .into()
}

#[tokio::test]
async fn many_calls_share_one_connection_and_say_who_they_are() {
    let stripe = server(|_| page(&[], false));
    let session = stripe.client().session().await.unwrap();
    for _ in 0..5 {
        session.list_customers(None, None).await.unwrap();
    }
    assert_eq!(stripe.connections(), 1);
    let received = stripe.received();
    assert_eq!(received.len(), 5);
    assert_eq!(
        received[0].target,
        "/v1/customers?expand[0]=data.tax&limit=100"
    );
    assert_eq!(
        received[0].header("authorization"),
        Some("Bearer sk_test_1")
    );
    assert_eq!(
        received[0].header("stripe-version"),
        Some("2026-09-30.endive")
    );
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_repeated_under_the_same_key() {
    let stripe = server(|n| if n == 0 { Reply::Drop } else { made() });
    let client = stripe.client();
    let session = client.session().await.unwrap();
    assert_eq!(create(&session, Some(&key())).await.unwrap().id, "cus_1");
    let received = stripe.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert_eq!(request.header("idempotency-key"), Some("key-1"));
        assert_eq!(request.body, "name=Acme");
    }
    let stats = client.stats().snapshot();
    assert_eq!((stats.network_failed, stats.retries), (1, 1));
}

#[tokio::test]
async fn a_post_without_a_key_is_never_repeated_and_its_outcome_is_unknown() {
    let stripe = server(|_| Reply::Drop);
    let session = stripe.client().session().await.unwrap();
    let error = create(&session, None).await.unwrap_err();
    assert_eq!(error.class, Class::Network);
    assert!(error.outcome_unknown());
    assert_eq!(stripe.received().len(), 1);
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown() {
    let limited = r#"{"error":{"type":"invalid_request_error","code":"lock_timeout"}}"#;
    let stripe = server(|n| match n {
        0 => Reply::Drop,
        _ => Reply::With(429, "stripe-should-retry: false", limited.to_owned()),
    });
    let session = stripe.client().session().await.unwrap();
    let error = create(&session, Some(&key())).await.unwrap_err();
    assert_eq!(error.class, Class::RateLimited);
    assert!(error.outcome_unknown());
    assert_eq!(stripe.received().len(), 2);
}

#[tokio::test]
async fn without_a_connection_nothing_can_have_happened() {
    // Bound and closed again: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let key = KeySource::Value(Secret::new("sk_test_1"));
    let client = Client::new(Config::new(base, key)).unwrap();
    let error = client.session().await.unwrap_err();
    assert_eq!(error.class, Class::Network);
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let stripe = server(|n| match n {
        0 => Reply::With(429, "retry-after: 1", r#"{"error":{}}"#.to_owned()),
        _ => page(&[], false),
    });
    let client = stripe.client();
    let session = client.session().await.unwrap();
    let started = Instant::now();
    session.list_customers(None, None).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(client.stats().snapshot().rate_limited, 1);
}

#[tokio::test]
async fn a_proxys_error_page_keeps_its_status() {
    let stripe = server(|_| {
        Reply::With(
            502,
            "stripe-should-retry: false",
            "<html>Bad Gateway</html>".to_owned(),
        )
    });
    let session = stripe.client().session().await.unwrap();
    let error = session.list_customers(None, None).await.unwrap_err();
    assert_eq!((error.class, error.status), (Class::Server, Some(502)));
    assert_eq!(error.request_id.as_deref(), Some("req_1"));
    assert!(!error.to_string().contains("html"));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_on() {
    let stripe = server(|_| Reply::Hang);
    let mut config = stripe.config();
    // Long enough for the account on a busy machine, and waited for once.
    config.timeout = Duration::from_secs(2);
    let session = Client::new(config).unwrap().session().await.unwrap();
    let error = create(&session, Some(&key())).await.unwrap_err();
    assert_eq!(error.class, Class::Timeout);
    assert!(error.outcome_unknown());
    assert_eq!(stripe.received().len(), 1);
}

#[tokio::test]
async fn a_replayed_answer_says_so() {
    let stripe = server(|_| {
        Reply::With(
            200,
            "idempotent-replayed: true",
            r#"{"id":"cus_1"}"#.to_owned(),
        )
    });
    let session = stripe.client().session().await.unwrap();
    let request = RequestBuilder::new(StripeMethod::Post, "/customers");
    let answer = session.send::<Made>(&request, Some(&key())).await.unwrap();
    assert!(answer.replayed);
    assert_eq!(answer.request_id.as_deref(), Some("req_1"));
}

#[tokio::test]
async fn a_stored_failure_is_not_asked_for_again() {
    let stored = r#"{"error":{"type":"api_error"}}"#;
    let stripe = server(|_| Reply::With(500, "idempotent-replayed: true", stored.to_owned()));
    let session = stripe.client().session().await.unwrap();
    let error = create(&session, Some(&key())).await.unwrap_err();
    assert!(error.replayed, "another key is the cure");
    assert_eq!(stripe.received().len(), 1);
}

#[tokio::test]
async fn a_failure_stored_a_moment_ago_is_our_own_and_calls_for_no_other_key() {
    let body = || r#"{"error":{"type":"api_error"}}"#.to_owned();
    let stripe = server(move |number| match number {
        0 => Reply::Json(500, body()),
        _ => Reply::With(500, "idempotent-replayed: true", body()),
    });
    let session = stripe.client().session().await.unwrap();
    let error = create(&session, Some(&key())).await.unwrap_err();
    assert!(!error.replayed);
    assert_eq!(stripe.received().len(), 3);
}

#[tokio::test]
async fn a_refused_key_is_replaced_from_its_file_at_once() {
    let stripe = Scripted::start(|request| match request.header("authorization") {
        Some("Bearer sk_test_old") if !request.is("GET", "/v1/account") => {
            Reply::Json(401, r#"{"error":{"message":"Invalid API Key"}}"#.to_owned())
        }
        _ if request.is("GET", "/v1/account") => account(),
        _ => page(&[], false),
    });
    let path = std::env::temp_dir().join(format!("tenant-billing-key-{}", fastrand::u64(..)));
    std::fs::write(&path, "sk_test_old\n").unwrap();
    let mut config = stripe.config();
    config.key = KeySource::File(path.clone());
    let client = Client::new(config).unwrap();

    let session = client.session().await.unwrap();
    std::fs::write(&path, "sk_test_new\n").unwrap();
    let error = session.list_customers(None, None).await.unwrap_err();
    assert_eq!(error.class, Class::Unauthorized);

    let session = client.session().await.unwrap();
    session.list_customers(None, None).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(&*session.account().id, "acct_1");
    assert!(!session.account().livemode);
}

#[tokio::test]
async fn a_key_that_is_none_is_not_sent() {
    let stripe = server(|_| made());
    let mut config = stripe.config();
    config.key = KeySource::Value(Secret::new("pk_test_1"));
    let error = Client::new(config).unwrap().session().await.unwrap_err();
    assert_eq!(error.class, Class::Unauthorized);
    assert_eq!(stripe.connections(), 0);
}

#[tokio::test]
async fn async_stripes_own_requests_can_be_sent_as_well() {
    let stripe = server(|_| made());
    let session = stripe.client().session().await.unwrap();
    let created = stripe_core::customer::CreateCustomer::new()
        .name("Acme")
        .build()
        .customize::<Made>()
        .send(&session)
        .await
        .unwrap();
    assert_eq!(created.id, "cus_1");
    assert_eq!(stripe.received()[0].body, "name=Acme");
}
