//! How fast webhooks are acknowledged: the real router and inbox, over loopback, with a load generator on
//! the same cores.
//!
//! ```text
//! cargo bench --bench webhook             # ten seconds each
//! cargo bench --bench webhook -- --quick  # one second each
//! ```
//!
//! Every request is a different event of some 3 kB about one of 10,000 subscriptions, signed beforehand,
//! and ends in the inbox. What is read again because of it is not measured: Stripe isn't on this
//! machine. At a fixed rate, latency counts from the instant at which a request was due, so that a
//! stall shows in all the requests it delays.

mod load;

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tenant_billing::controller::{AccessIndex, Reception};
use tenant_billing::serve::{
    self, Endpoint, Gate, Secrets, UnknownTenants, WEBHOOK_PATH, WebhookMetrics,
};
use tenant_billing::stripe::{
    Client, Config, Inbox, KeySource, Mirror, Outcome, Secret, SigningSecret,
};
use tokio_util::sync::CancellationToken;

use load::Failure;

const SECRET: &str = "whsec_bench";
/// Customers in the mirror, each with a subscription.
const TENANTS: usize = 10_000;
/// Different events; more than the inbox remembers, so that none is known when it comes round.
const EVENTS: usize = 20_000;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let address = runtime.block_on(serve_endpoint())?;
    load::table(address, &signed_requests()?)
}

/// Starts the endpoint with a mirror of all tenants. What reaches the inbox is taken out at once.
async fn serve_endpoint() -> Result<SocketAddr, Failure> {
    let stripe = Client::new(Config {
        max_requests_per_second: Some(100_000),
        ..Config::new(
            stripe_of_lists()?,
            KeySource::Value(Secret::new("sk_test_1")),
        )
    })?;
    let mirror = Arc::new(Mirror::new("default"));
    mirror.rebuild(&stripe.session().await?).await?;
    assert_eq!(mirror.counts(), (TENANTS, TENANTS));
    let inbox = Arc::new(Inbox::new(mirror));
    let emptied = Arc::clone(&inbox);
    tokio::spawn(async move {
        loop {
            let errand = emptied.next().await;
            emptied.settle(errand, Outcome::Done);
        }
    });
    let mut registry = Registry::with_prefix("tenant_billing");
    let metrics = WebhookMetrics::register(&mut registry);
    let shutdown = CancellationToken::new();
    let (secrets, _) = Secrets::load(vec![secret_file()?], shutdown.clone()).await;
    let endpoint = Endpoint::new(secrets, Reception::alone(inbox), metrics);
    let access = Arc::new(AccessIndex::default());
    let gate = Gate::new(access, UnknownTenants::Allow, &mut registry);
    let router = serve::router(registry, stripe, Some(Arc::new(endpoint)), gate);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve::serve(listener, router, shutdown));
    Ok(address)
}

fn secret_file() -> io::Result<PathBuf> {
    let name = format!("webhook-bench-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, SECRET)?;
    Ok(path)
}

/// A server that answers every list of Stripe's with one page. Gives its address.
fn stripe_of_lists() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer_lists(stream));
        }
    });
    Ok(base)
}

fn answer_lists(stream: TcpStream) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut target = String::new();
        if reader.read_line(&mut target)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = target.split([' ', '?']).nth(1).unwrap_or_default();
        let body = match path {
            "/v1/account" => r#"{"id":"acct_1","object":"account"}"#.to_owned(),
            "/v1/customers" => page(|n, text| {
                write!(
                    text,
                    r#"{{"id":"cus_{n}","object":"customer","metadata":{}}}"#,
                    metadata(n)
                )
            }),
            "/v1/subscriptions" => page(|n, text| {
                write!(
                    text,
                    r#"{{"id":"sub_{n}","object":"subscription","customer":"cus_{n}","status":"active",
                    "currency":"usd","cancel_at_period_end":false,"start_date":1,"created":1,
                    "items":{{"data":[]}},"metadata":{}}}"#,
                    metadata(n)
                )
            }),
            _ => r#"{"object":"list","has_more":false,"data":[]}"#.to_owned(),
        };
        let length = body.len();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
    }
}

fn metadata(n: usize) -> String {
    format!(r#"{{"tenantbilling_owner":"default","tenantbilling_tenant":"tenant-{n}"}}"#)
}

fn page(item: impl Fn(usize, &mut String) -> std::fmt::Result) -> String {
    let mut text = r#"{"object":"list","has_more":false,"data":["#.to_owned();
    for n in 0..TENANTS {
        if n > 0 {
            text.push(',');
        }
        // Writing to a string does not fail.
        let _ = item(n, &mut text);
    }
    text + "]}"
}

/// Whole requests, headers and all.
fn signed_requests() -> Result<Vec<Vec<u8>>, Failure> {
    let secret = SigningSecret::new(SECRET).ok_or("no secret")?;
    let now = Timestamp::now();
    let requests = (0..EVENTS).map(|n| {
        let body = event(n, now.as_second());
        let signature = secret.sign(body.as_bytes(), now);
        let length = body.len();
        let head = format!(
            "POST {WEBHOOK_PATH} HTTP/1.1\r\nhost: bench\r\nuser-agent: Stripe/1.0\r\n\
             content-type: application/json; charset=utf-8\r\nstripe-signature: {signature}\r\n\
             content-length: {length}\r\n\r\n"
        );
        (head + &body).into_bytes()
    });
    Ok(requests.collect())
}

/// An event as large as one about a subscription usually is.
fn event(n: usize, now: i64) -> String {
    let tenant = n % TENANTS;
    let item = r#"{
            "id": "si_1", "object": "subscription_item", "billing_thresholds": null, "created": 1790000000,
            "current_period_end": 1792592000, "current_period_start": 1790000000, "discounts": [],
            "metadata": {}, "plan": {"id": "price_1", "object": "plan", "active": true, "amount": 9900,
            "amount_decimal": "9900", "billing_scheme": "per_unit", "created": 1790000000, "currency": "usd",
            "interval": "month", "interval_count": 1, "livemode": false, "metadata": {}, "meter": null,
            "nickname": null, "product": "prod_1", "tiers_mode": null, "transform_usage": null,
            "trial_period_days": null, "usage_type": "licensed"}, "price": {"id": "price_1",
            "object": "price", "active": true, "billing_scheme": "per_unit", "created": 1790000000,
            "currency": "usd", "custom_unit_amount": null, "livemode": false, "lookup_key": "a-lookup-key",
            "metadata": {}, "nickname": null, "product": "prod_1", "recurring": {"interval": "month",
            "interval_count": 1, "meter": null, "trial_period_days": null, "usage_type": "licensed"},
            "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "recurring",
            "unit_amount": 9900, "unit_amount_decimal": "9900"}, "quantity": 1, "subscription": "sub_1",
            "tax_rates": []
          }"#;
    format!(
        r#"{{
  "id": "evt_{n:024}",
  "object": "event",
  "api_version": "2026-09-30.endive",
  "created": {now},
  "data": {{
    "object": {{
      "id": "sub_{tenant}",
      "object": "subscription",
      "application": null, "application_fee_percent": null,
      "automatic_tax": {{"disabled_reason": null, "enabled": false, "liability": null}},
      "billing_cycle_anchor": 1790000000, "billing_mode": {{"type": "flexible"}},
      "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
      "cancellation_details": {{"comment": null, "feedback": null, "reason": null}},
      "collection_method": "charge_automatically", "created": 1790000000, "currency": "usd",
      "customer": "cus_{tenant}",
      "days_until_due": null, "default_payment_method": null, "default_source": null,
      "description": null, "discounts": [], "ended_at": null,
      "items": {{"object": "list", "data": [{item}], "has_more": false, "total_count": 1,
        "url": "/v1/subscription_items?subscription=sub_1"}},
      "latest_invoice": "in_1", "livemode": false,
      "metadata": {},
      "next_pending_invoice_item_invoice": null, "pause_collection": null,
      "payment_settings": {{"payment_method_options": null, "save_default_payment_method": "off"}},
      "pending_setup_intent": null, "pending_update": null, "schedule": null,
      "start_date": 1790000000, "status": "active", "test_clock": null,
      "trial_end": null, "trial_settings": {{"end_behavior": {{"missing_payment_method": "create_invoice"}}}}
    }},
    "previous_attributes": {{"status": "trialing"}}
  }},
  "livemode": false,
  "pending_webhooks": 1,
  "request": {{"id": null, "idempotency_key": null}},
  "type": "customer.subscription.updated"
}}"#,
        metadata(tenant)
    )
}
