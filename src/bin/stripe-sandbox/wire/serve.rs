//! The path of a request: authentication, rate limit, faults, idempotency, parameters, execution.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, Response, Uri, header};
use serde_json::Value;

use super::answer::Answer;
use super::fault::{Fault, Kind};
use super::idempotency::{self, StoredAnswer};
use super::log::Entry;
use super::{API_VERSION, Caller, Method, Params, Phase, Request, Route, StripeError, Traffic};
use super::{declare, expand, list};
use crate::net::Scissors;
use crate::sandbox::{App, Sandbox};
use crate::state::{Actor, State, new_id};
use crate::{api, engine};

/// A request as it arrived.
struct Arrival {
    id: String,
    method: String,
    path: String,
    params: Params,
    authorization: Option<String>,
    version: Option<String>,
    account: Option<String>,
    host: Option<String>,
    idempotency_key: Option<String>,
    /// Its number in the log.
    number: u64,
}

/// What comes of a request.
enum Outcome {
    Answer(Answer),
    /// The connection closes instead.
    Cut,
}

/// What is to be done with a request that passed all gates.
struct Work {
    route: &'static Route,
    request: Request,
    caller: Caller,
    fault: Option<Fault>,
    /// Releases the idempotency key, also when the client goes away meanwhile.
    _claim: Option<Claim>,
}

/// Serves everything that is not the control plane.
pub async fn serve(
    Shared(app): Shared<App>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: axum::http::Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let arrival = arrive(&app, method.as_str(), &uri, &headers, &body);
    let outcome = handle(&app, &arrival).await;
    match outcome {
        Outcome::Answer(answer) => {
            if let Some(entry) = app.lock().log.entry(arrival.number) {
                entry.status = Some(answer.status);
                entry.replayed = answer.original_request.is_some();
            }
            answer.response(&arrival.id, arrival.idempotency_key.as_deref())
        }
        Outcome::Cut => {
            scissors.cut();
            Response::new(Body::empty())
        }
    }
}

fn arrive(app: &App, method: &str, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Arrival {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let query = uri.query().unwrap_or_default();
    let form = String::from_utf8_lossy(body);
    let mut params = Params::decode(query);
    params.merge(Params::decode(&form));
    let id = new_id("req");
    let idempotency_key = header("idempotency-key");
    let milliseconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let entry = Entry {
        id: id.clone(),
        method: method.to_owned(),
        path: uri.path().to_owned(),
        query: query.to_owned(),
        body: form.into_owned(),
        params: Value::Object(params.0.clone()),
        idempotency_key: idempotency_key.clone(),
        at_ms: milliseconds.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        }),
        ..Entry::default()
    };
    let number = app.lock().log.begin(entry);
    Arrival {
        id,
        method: method.to_owned(),
        path: uri.path().to_owned(),
        params,
        authorization: header(header::AUTHORIZATION.as_str()),
        version: header("stripe-version"),
        account: header("stripe-account"),
        host: header(header::HOST.as_str()),
        idempotency_key,
        number,
    }
}

async fn handle(app: &App, arrival: &Arrival) -> Outcome {
    let work = match admit(app, arrival) {
        Ok(work) => work,
        Err(outcome) => return outcome,
    };
    match work.fault.as_ref().map(|fault| (fault, fault.spec.kind)) {
        Some((fault, Kind::Delay)) => {
            tokio::time::sleep(Duration::from_millis(fault.spec.delay_ms)).await;
        }
        Some((fault, Kind::HoldBefore)) => hold(app, &fault.id).await,
        _ => {}
    }
    let answer = carry_out(app, &work);
    match work.fault.as_ref().map(|fault| (fault, fault.spec.kind)) {
        Some((_, Kind::DropAfter)) => Outcome::Cut,
        Some((fault, Kind::HoldAfter)) => {
            hold(app, &fault.id).await;
            Outcome::Answer(answer)
        }
        _ => Outcome::Answer(answer),
    }
}

/// All gates, in Stripe's order. An `Err` is what the request gets instead of being carried out.
fn admit(app: &App, arrival: &Arrival) -> Result<Work, Outcome> {
    let mut guard = app.lock();
    let sandbox = &mut *guard;
    let refuse = |error: StripeError| Outcome::Answer(Answer::error(&error, &arrival.id));
    let caller = authenticate(sandbox, arrival).map_err(refuse)?;
    limit(sandbox, &caller, arrival).map_err(refuse)?;
    let key = arrival
        .idempotency_key
        .as_deref()
        .filter(|_| arrival.method == "POST");
    let stored = key.and_then(|key| idempotency::find(sandbox.account(&caller), key).cloned());
    let fault = sandbox
        .faults
        .hit(&arrival.method, &arrival.path, stored.is_some());
    if let (Some(fault), Some(entry)) = (&fault, sandbox.log.entry(arrival.number)) {
        entry.fault = Some(fault.id.clone());
    }
    match &fault {
        Some(fault) if fault.spec.kind == Kind::DropBefore => return Err(Outcome::Cut),
        Some(fault) if fault.spec.kind == Kind::Status && !fault.spec.is_outcome() => {
            return Err(Outcome::Answer(Answer::fault(&fault.spec, &arrival.id)));
        }
        _ => {}
    }
    if let Some(key) = key {
        idempotency::check_key(key).map_err(refuse)?;
        if let Some(stored) = &stored {
            idempotency::check_same(stored, key, &arrival.path, &arrival.params).map_err(refuse)?;
            let answer = Answer::replayed(stored);
            return Err(match fault {
                Some(fault) if fault.spec.kind == Kind::DropAfter => Outcome::Cut,
                _ => Outcome::Answer(answer),
            });
        }
    }
    let (route, ids) = find_route(arrival).map_err(refuse)?;
    check_params(route, &arrival.params).map_err(refuse)?;
    // The last gate: a claim released while the lock is held would wait for it for ever.
    let claim = match key {
        Some(key) => Some(Claim::new(app, sandbox, &caller, key).map_err(refuse)?),
        None => None,
    };
    let request = Request {
        id: Some(arrival.id.clone()),
        path: arrival.path.clone(),
        ids,
        params: arrival.params.clone(),
        idempotency_key: key.map(str::to_owned),
        base_url: sandbox.base_url(arrival.host.as_deref()),
    };
    Ok(Work {
        route,
        request,
        caller,
        fault,
        _claim: claim,
    })
}

fn authenticate(sandbox: &Sandbox, arrival: &Arrival) -> Result<Caller, StripeError> {
    let caller = sandbox
        .keys
        .authenticate(arrival.authorization.as_deref())?;
    if let Some(account) = arrival
        .account
        .as_deref()
        .filter(|account| *account != caller.account)
    {
        let message = format!(
            "The provided key does not have access to account '{account}' (or that account does not exist)."
        );
        return Err(StripeError::invalid(message)
            .code("account_invalid")
            .status(403));
    }
    if let Some(version) = arrival
        .version
        .as_deref()
        .filter(|version| *version != API_VERSION)
    {
        // Answering in another shape than asked for would be found out much later.
        let message =
            format!("stripe-sandbox speaks Stripe API version {API_VERSION}, not {version}.");
        return Err(StripeError::invalid(message));
    }
    Ok(caller)
}

fn limit(sandbox: &mut Sandbox, caller: &Caller, arrival: &Arrival) -> Result<(), StripeError> {
    let settings = &sandbox.account(caller).settings;
    let (traffic, rate) = match arrival.method.as_str() {
        "GET" => (Traffic::Read, settings.rate_limit_read),
        _ => (Traffic::Write, settings.rate_limit_write),
    };
    let limiter = sandbox.limiters.entry(caller.clone()).or_default();
    if limiter.allow(traffic, rate, Instant::now()) {
        Ok(())
    } else {
        Err(StripeError::rate_limit())
    }
}

/// The route of a request, and the ids in its path.
fn find_route(arrival: &Arrival) -> Result<(&'static Route, Vec<String>), StripeError> {
    let method = match arrival.method.as_str() {
        "GET" => Some(Method::Get),
        "POST" => Some(Method::Post),
        "DELETE" => Some(Method::Delete),
        _ => None,
    };
    method
        .and_then(|method| api::route(method, &arrival.path))
        .ok_or_else(|| StripeError::unrecognized_url(&arrival.method, &arrival.path))
}

/// Checks parameters against the route's declaration.
pub fn check_params(route: &Route, params: &Params) -> Result<(), StripeError> {
    const EXPAND: &[super::Field] = &[super::clearable(
        "expand",
        super::Shape::List(&super::Shape::Str),
    )];
    let cursor = if route.paged { list::CURSOR } else { &[] };
    declare::check(params, &[route.params, EXPAND, cursor])?;
    expand::check(params)
}

/// Does it, and keeps the answer for the idempotency key.
fn carry_out(app: &App, work: &Work) -> Answer {
    let mut guard = app.lock();
    let sandbox = &mut *guard;
    let writes = work.route.method != Method::Get;
    let state = sandbox.account(&work.caller);
    let request = &work.request;
    let request_id = request.id.as_deref().unwrap_or_default();
    let (answer, phase) = match &work.fault {
        Some(fault) if fault.spec.is_outcome() => {
            (Answer::fault(&fault.spec, request_id), Phase::Execution)
        }
        _ => match execute(state, work.route, request) {
            Ok(value) => (Answer::ok(&value), Phase::Execution),
            Err(error) => (Answer::error(&error, request_id), error.phase),
        },
    };
    if let Some(key) = &request.idempotency_key
        && phase == Phase::Execution
        && !matches!(answer.status, 401 | 409 | 429)
    {
        let stored = StoredAnswer {
            path: request.path.clone(),
            params: idempotency::canonical(&request.params),
            status: answer.status,
            body: answer.body.clone(),
            request_id: request_id.to_owned(),
            created: state.wall_clock(),
        };
        state.answers.insert(key.clone(), stored);
    }
    let pending = !state.outbox.is_empty();
    sandbox.dirty |= writes || pending;
    if pending {
        app.deliveries.notify_one();
    }
    answer
}

/// Carries a request out: first what is due by now, then what is asked.
pub fn execute(state: &mut State, route: &Route, request: &Request) -> Result<Value, StripeError> {
    state.actor = Actor::default();
    state.base_url.clone_from(&request.base_url);
    engine::process_due(state);
    state.actor = Actor {
        request_id: request.id.clone(),
        idempotency_key: request.idempotency_key.clone(),
    };
    let outcome = (route.handler)(state, request);
    state.actor = Actor::default();
    let mut answer = outcome?;
    expand::apply(state, &request.params, &mut answer)?;
    Ok(answer)
}

/// Waits until the fault is deleted or the process ends. A client that goes drops this future.
async fn hold(app: &App, fault: &str) {
    let mut changes = app.faults_changed.subscribe();
    while app.lock().faults.contains(fault) {
        tokio::select! {
            news = changes.changed() => if news.is_err() { return },
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// An idempotency key in use by a request being carried out.
struct Claim {
    app: App,
    key: (Caller, String),
}

impl Claim {
    fn new(
        app: &App,
        sandbox: &mut Sandbox,
        caller: &Caller,
        key: &str,
    ) -> Result<Self, StripeError> {
        let claim = (caller.clone(), key.to_owned());
        if sandbox.in_flight.insert(claim.clone()) {
            Ok(Self {
                app: app.clone(),
                key: claim,
            })
        } else {
            Err(idempotency::in_use(key))
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.app.lock().in_flight.remove(&self.key);
    }
}
