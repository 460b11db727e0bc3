//! `stripe-sandbox`: a stateful stand-in for Stripe, over HTTP, in one process and without an account.
//!
//! It answers as Stripe's API version `2026-09-30.endive` does, keeps what it is told, bills, charges test
//! cards, retries failed payments, moves test clocks, and sends signed webhooks. Point any Stripe client's
//! base URL at it; any well-formed key works.
//!
//! ```text
//! stripe-sandbox --listen 127.0.0.1:12111 --state sandbox.json
//! curl http://127.0.0.1:12111/v1/customers -u sk_test_anything: -d email=jane@example.com
//! ```
//!
//! It prints one line, `stripe-sandbox listening on http://ADDRESS`, when it is ready, and ends on SIGTERM or
//! SIGINT.
//!
//! # Pages
//!
//! What Stripe would show to a customer the sandbox shows itself, under the host a request was sent to or under
//! `--public-url`: the page of a Checkout session (its `url`), that of an invoice (its `hosted_invoice_url`), and the
//! billing portal (its session's `url`).
//!
//! # Control plane
//!
//! Under `/_sandbox`, in plain JSON and without a key. What is absent from a body keeps its default.
//!
//! - `GET /_sandbox/requests?method=&path=`: every `/v1` request so far; `DELETE` forgets them.
//! - `POST /_sandbox/checkout/ID`: goes through the page of a Checkout session. `card` is a test card's name
//!   (`pm_card_visa`), its number, or a payment method; `authenticate`, where the card asks for it, is whether its owner
//!   proves to be so. Without it such a card waits; it alone answers one that waits. Refused cards answer 402.
//! - `POST /_sandbox/disputes`: the newest charge of a `customer` or an `invoice`, or a `charge`, is disputed, with a
//!   `reason` and a `status` (`needs_response`, or `warning_needs_response` for an inquiry). `/_sandbox/disputes/ID` moves
//!   one on to a `status` (`under_review`, `won`, `lost`, `warning_closed`, `prevented`, …).
//! - `POST /_sandbox/early_fraud_warnings`: the issuer warns of a charge, named likewise, with a `fraud_type`.
//! - `POST /_sandbox/faults`: what happens to coming requests. `method`, `path` (its beginning), `skip`
//!   (requests let through first), `times` (0: until deleted), and `kind`: `status` (with `status`, `body`
//!   `json` or `html`, `retry_after`, `should_retry`), `drop_before`, `drop_after`, `hold_before`,
//!   `hold_after`, `delay` (with `delay_ms`). `GET` counts hits; `DELETE`, of one or all, ends holds.
//! - `POST /_sandbox/invoices/ID/finalization`: every try to finalise an invoice fails with this `code` and `message`;
//!   `DELETE` ends that.
//! - `POST /_sandbox/invoices/ID/pay`: pays an open invoice on its page; `card` and `authenticate` as above.
//! - `POST /_sandbox/keys/revoke` and `/restore`: a `key` is invalid, and valid again.
//! - `POST /_sandbox/keys/account`: a `key` belongs to another `account`, with data of its own.
//! - `POST /_sandbox/cards`: what a `payment_method`, or every card of a `customer`, does from now on;
//!   `behavior` is `success`, `decline:CODE` or `requires_action`.
//! - `POST /_sandbox/dashboard`: a change as a person makes it in the Dashboard, written as the API call it
//!   amounts to: `method`, `path`, `params`.
//! - `POST /_sandbox/portal/ID`: what a customer does in a portal session, as far as its configuration lets them: leaves a
//!   `card` (`authenticate` as above), which becomes the default, ends a subscription (`cancel`), or keeps one (`keep`).
//! - `POST /_sandbox/webhooks`: `mode` is `normal`, `pause`, `duplicate`, `reverse`, `drop` or `chaos`, of which
//!   `duplicate_percent` come twice, `lose_percent` never, and each after up to `max_delay_ms`; what becomes of the
//!   first delivery, the second, … from then on follows from `seed`. `/_sandbox/webhooks/flush` sends what a pause kept
//!   back.
//! - `GET /_sandbox/state`: how many objects there are.
//! - `POST /_sandbox/settings`: `rate_limit_read`, `rate_limit_write`, `past_due_outcome`, `retry_days`,
//!   `now_offset_seconds` (how far its wall clock is ahead), `tax_percent` (0 at first), `tax_locations`
//!   (`{"BR": "not_collecting"}`), `meter_lag_seconds` (how long meter events stay out of
//!   summaries and previews), `newest_meter_event` (which event of a window counts: `received`, the one received
//!   last, or `timestamp`, the latest by its own account), `unknown_tax_location` (what becomes of an invoice which Stripe
//!   finalises by itself when nobody knows where its customer is: `untaxed`, what Stripe documents today, or `fails`,
//!   what it did until November 2024), `keep_drafts` (no draft is finalised by itself); `GET` shows them.
//!
//! # Where it differs from Stripe
//!
//! - It has a part of the endpoints. What it lacks answers 404 and says so; a parameter which Stripe knows
//!   and the sandbox does not model is refused with a message that says so, never accepted and ignored.
//! - There are no coupons and no search.
//! - Checkout sessions are those in setup mode, on a hosted page. A session's setup intent exists from the beginning.
//!   Its page asks for no address, whatever `billing_address_collection` says.
//! - The portal leaves cards and cancels. Of flows it has `payment_method_update`. An account without a default
//!   configuration gets one with its first session, as if saved in the Dashboard. A session can be used for five minutes,
//!   and for an hour after each visit; Stripe says only that it is short-lived.
//! - Disputes are of whole charges, for 14 days of evidence in words, and never lost for want of it. Submitted evidence
//!   decides as in Stripe's test mode (`uncategorized_text` is `winning_evidence`, `losing_evidence` or
//!   `escalate_inquiry_evidence`), at once. Test cards that cause disputes and warnings cause them with the payment.
//!   Disputes and warnings are dated by the wall clock. There are no refunds, nor balance transactions of charges.
//! - Cards are the only payment methods, and only Stripe's test cards, in test mode. Authentication is completed on a
//!   page or in the control plane; no `client_secret` opens a dialog.
//! - `hosted_invoice_url` and a session's `url` name the host that the request reading them was sent to. `invoice_pdf`
//!   is that page, too, and no PDF.
//! - What is due by the wall clock is done within a second; a test clock moves when a request comes.
//! - One API version; requests naming another are refused. The v2 API is absent.
//! - Lists are ordered by when the sandbox made an object, also when a test clock dates it differently.
//! - A change whose `expand` names a member the answer does not have is made before it is refused.
//! - Failed webhooks are retried after seconds rather than hours (`--webhook-retry-seconds`). Failed payments
//!   are retried on fixed days (`--retry-days`); Stripe's Smart Retries choose theirs.
//! - Rate limits count per account and mode, not per endpoint too, and no request waits for another's lock.
//! - `Stripe-Should-Retry` is true for conflicts and 5xx, false for other errors, and absent for rate limits.
//! - `tax.automatic_tax` of a customer is judged by the presence of a country (and a state or postal code in
//!   the US and Canada) alone, unless the setting `tax_locations` says `not_collecting`, `failed` or
//!   `unrecognized_location` of that country. Tax is `tax_percent` everywhere, without rates or jurisdictions.
//! - Of a meter event the meter, the timestamp and the identifier are checked at once. A customer who does not exist
//!   and a value that is no whole number of at most 15 digits are found later by Stripe, which tells v2 event
//!   destinations; here such events are accepted, never count, and are only numbered in `/_sandbox/state`.
//! - Identifiers and adjustments go by the sandbox's wall clock, also for customers on a test clock: a day is a day
//!   since an event was received. Adjustments are complete at once.
//! - Summaries by hour or day leave out those in which nothing happened. The wording of errors about meters, other
//!   than an unknown event name and a used identifier, is the sandbox's own.
//! - Usage belongs to the price that was in effect at an event's timestamp; Stripe speaks of when it was reported.
//!   What is reported late for a price already removed is billed by neither. A removed price without anything to
//!   bill leaves no invoice item, nor does a cancelled subscription without usage leave an invoice.
//! - Each tier is a line, and its flat amount another; a line is rounded half away from zero to the minor unit.
//! - A customer has one balance, in one currency. An invoice below zero becomes credit by a transaction of type
//!   `applied_to_invoice`; amounts below Stripe's minimum charge are charged all the same.
//! - Any `cancel_at` or `cancel_at_period_end` in the update of a subscription with a schedule is refused, be it
//!   what it is already. What is not written down of schedules (how a direct change shows in the phases, the
//!   status after a release at the end) is guessed; the engine's documentation says how.
//! - Live and test mode hold separate data, as in Stripe, but live mode takes no money either.

// Stripe's larger objects, written as one `json!`, pass the default.
#![recursion_limit = "256"]
// In a binary nothing is reachable from outside; `pub` says here what other modules may use.
#![allow(unreachable_pub)]

mod api;
mod control;
mod engine;
mod hosted;
mod model;
mod net;
mod sandbox;
mod state;
mod table;
mod webhook;
mod wire;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use rust_decimal::Decimal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::net::{Listener, Scissors};
use crate::sandbox::{App, Options, Sandbox};
use crate::state::{Newest, PastDueOutcome, Settings, UnknownLocation};

/// A stateful stand-in for Stripe.
#[derive(Debug, Parser)]
#[command(
    name = "stripe-sandbox",
    version,
    after_help = "Examples:\n  stripe-sandbox --state sandbox.json\n  \
                  curl http://127.0.0.1:12111/v1/customers -u sk_test_anything: -d name=Acme\n  \
                  curl http://127.0.0.1:12111/_sandbox/requests"
)]
struct Arguments {
    /// Address to listen at; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// File to keep everything in across restarts.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The control plane's requests mean live mode unless they say otherwise.
    #[arg(long)]
    live_mode: bool,
    /// Where people's browsers reach the pages it serves [default: where a request was sent to].
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Read requests allowed in a second [default: 25 in test mode, 100 in live mode].
    #[arg(long)]
    rate_limit_read: Option<u32>,
    /// Write requests allowed in a second [default: 25 in test mode, 100 in live mode].
    #[arg(long)]
    rate_limit_write: Option<u32>,
    /// Days from one failed payment attempt to the next.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 5, 7])]
    retry_days: Vec<i64>,
    /// What becomes of a subscription when its payment retries are exhausted.
    #[arg(long, value_enum, default_value_t)]
    past_due_outcome: PastDueOutcome,
    /// Seconds from one failed webhook delivery to the next attempt.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 5, 30])]
    webhook_retry_seconds: Vec<u64>,
}

impl Arguments {
    fn options(&self) -> Options {
        let settings = |rate| Settings {
            rate_limit_read: self.rate_limit_read.unwrap_or(rate),
            rate_limit_write: self.rate_limit_write.unwrap_or(rate),
            past_due_outcome: self.past_due_outcome,
            retry_days: self.retry_days.clone(),
            now_offset_seconds: 0,
            meter_lag_seconds: 0,
            newest_meter_event: Newest::default(),
            tax_percent: Decimal::ZERO,
            tax_locations: BTreeMap::new(),
            unknown_tax_location: UnknownLocation::default(),
            keep_drafts: false,
        };
        Options {
            test: settings(25),
            live: settings(100),
            livemode: self.live_mode,
            public_url: self
                .public_url
                .as_ref()
                .map(|url| url.trim_end_matches('/').to_owned()),
            listen_url: format!("http://{}", self.listen),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let mut sandbox = Sandbox::new(arguments.options());
    if let Some(file) = &arguments.state {
        sandbox
            .load(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    }
    let app = App::new(sandbox);
    let pauses = arguments
        .webhook_retry_seconds
        .iter()
        .copied()
        .map(Duration::from_secs)
        .collect();
    let sender = tokio::spawn(webhook::Sender::new(app.clone(), pauses)?.run());
    let (listener, address) = Listener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen at {}: {error}", arguments.listen))?;
    app.lock().listens_at(format!("http://{address}"));
    tokio::spawn(end_on_signal(app.clone())?);
    if let Some(file) = arguments.state.clone() {
        tokio::spawn(save_as_it_changes(app.clone(), file));
    }
    tokio::spawn(let_time_pass(app.clone()));
    println!("stripe-sandbox listening on http://{address}");
    serve(app.clone(), listener).await?;
    sender.await?;
    if let Some(file) = &arguments.state {
        app.save(file)
            .await
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
}

async fn serve(app: App, listener: Listener) -> std::io::Result<()> {
    let shutdown = app.shutdown.clone();
    let router = control::router()
        .merge(hosted::router())
        .fallback(wire::serve)
        .with_state(app);
    axum::serve(
        listener,
        router.into_make_service_with_connect_info::<Scissors>(),
    )
    .with_graceful_shutdown(shutdown.cancelled_owned())
    .await
}

/// A future that cancels everything once the process is asked to end.
fn end_on_signal(app: App) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.shutdown.cancel();
    })
}

/// Does once a second what is due by the wall clock, so that nothing waits for a request.
async fn let_time_pass(app: App) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = app.shutdown.cancelled() => return,
        }
        let mut sandbox = app.lock();
        let mut happened = false;
        for state in sandbox.accounts.values_mut() {
            let before = state.events.len();
            engine::process_wall_clock(state);
            happened |= state.events.len() > before;
        }
        sandbox.dirty |= happened;
        drop(sandbox);
        if happened {
            app.deliveries.notify_one();
        }
    }
}

/// Saves once a second while there is something new, so that a kill loses a second at most.
async fn save_as_it_changes(app: App, file: impl AsRef<Path>) {
    let file = file.as_ref();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = app.shutdown.cancelled() => return,
        }
        if !app.lock().dirty {
            continue;
        }
        if let Err(error) = app.save(file).await {
            tracing::error!(file = %file.display(), %error, "the state could not be saved");
        }
    }
}
