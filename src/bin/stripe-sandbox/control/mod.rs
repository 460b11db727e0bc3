//! `/_sandbox`: what a test or a demo may do that Stripe has no endpoint for. Plain JSON, no authentication.

mod customers;
mod disputes;
mod invoices;
mod webhooks;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{delete, get, post};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api;
use crate::model::CardBehavior;
use crate::sandbox::{App, Sandbox};
use crate::state::{Newest, PastDueOutcome, Settings, State, TaxLocation, UnknownLocation};
use crate::wire::{Caller, FaultSpec, Method, Params, Request, StripeError, check_params, execute};

/// An answer of the control plane.
type Reply = Result<Value, Refusal>;

/// What the control plane says to a request it cannot follow.
#[derive(Debug)]
struct Refusal(StatusCode, Value);

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(status, json!({ "error": message.into() }))
    }
}

/// The control plane's routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/_sandbox/requests", get(requests).delete(forget_requests))
        .route(
            "/_sandbox/faults",
            get(faults).post(add_fault).delete(clear_faults),
        )
        .route("/_sandbox/faults/{id}", delete(remove_fault))
        .route("/_sandbox/disputes", post(disputes::open))
        .route("/_sandbox/disputes/{id}", post(disputes::move_on))
        .route("/_sandbox/early_fraud_warnings", post(disputes::warn))
        .route(
            "/_sandbox/invoices/{id}/finalization",
            post(invoices::refuse_finalization).delete(invoices::allow_finalization),
        )
        .route("/_sandbox/invoices/{id}/pay", post(customers::pay))
        .route("/_sandbox/keys/{action}", post(keys))
        .route("/_sandbox/cards", post(cards))
        .route("/_sandbox/checkout/{id}", post(customers::checkout))
        .route("/_sandbox/dashboard", post(dashboard))
        .route("/_sandbox/webhooks", post(webhooks::change))
        .route("/_sandbox/webhooks/flush", post(webhooks::flush))
        .route("/_sandbox/portal/{id}", post(customers::portal))
        .route("/_sandbox/state", get(counts))
        .route("/_sandbox/settings", get(settings).post(change_settings))
}

fn respond(reply: Reply) -> Response<Body> {
    let (status, value) = match reply {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, value)) => (status, value),
    };
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))
}

#[derive(Deserialize)]
struct Filter {
    method: Option<String>,
    path: Option<String>,
}

async fn requests(Shared(app): Shared<App>, Query(filter): Query<Filter>) -> Response<Body> {
    respond(Ok(app
        .lock()
        .log
        .render(filter.method.as_deref(), filter.path.as_deref())))
}

async fn forget_requests(Shared(app): Shared<App>) -> Response<Body> {
    app.lock().log.clear();
    respond(Ok(json!({})))
}

async fn faults(Shared(app): Shared<App>) -> Response<Body> {
    respond(Ok(app.lock().faults.render()))
}

async fn add_fault(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    respond(read::<FaultSpec>(&body).and_then(|spec| {
        if !(400..=599).contains(&spec.status) {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "status must be an error's",
            ));
        }
        Ok(json!({ "id": app.lock().faults.add(spec) }))
    }))
}

async fn clear_faults(Shared(app): Shared<App>) -> Response<Body> {
    app.lock().faults.clear();
    app.faults_changed.send_modify(|changes| *changes += 1);
    respond(Ok(json!({})))
}

async fn remove_fault(Shared(app): Shared<App>, Path(id): Path<String>) -> Response<Body> {
    let removed = app.lock().faults.remove(&id);
    app.faults_changed.send_modify(|changes| *changes += 1);
    respond(if removed {
        Ok(json!({}))
    } else {
        Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("no fault {id}"),
        ))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
    account: Option<String>,
}

async fn keys(Shared(app): Shared<App>, Path(action): Path<String>, body: Bytes) -> Response<Body> {
    respond(read::<Key>(&body).and_then(|Key { key, account }| {
        let mut sandbox = app.lock();
        sandbox.dirty = true;
        match (action.as_str(), account) {
            ("revoke", None) => {
                sandbox.keys.revoked.insert(key);
            }
            ("restore", None) => {
                sandbox.keys.revoked.remove(&key);
            }
            ("account", Some(account)) => {
                sandbox.keys.accounts.insert(key, account);
            }
            _ => {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "revoke, restore, or account with an account",
                ));
            }
        }
        Ok(json!({}))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    payment_method: Option<String>,
    customer: Option<String>,
    behavior: String,
}

async fn cards(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    respond(read::<Card>(&body).and_then(|card| {
        let behavior = match card.behavior.split_once(':') {
            None if card.behavior == "success" => CardBehavior::Success,
            None if card.behavior == "requires_action" => CardBehavior::RequiresAction,
            Some(("decline", code)) if !code.is_empty() => CardBehavior::Decline(code.to_owned()),
            _ => {
                let message = "behavior is success, requires_action or decline:CODE";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
            }
        };
        let mut sandbox = app.lock();
        sandbox.dirty = true;
        let methods = sandbox
            .accounts
            .values_mut()
            .flat_map(|state| state.payment_methods.iter_mut());
        let mut changed = 0;
        for method in methods {
            let named = card.payment_method.as_deref() == Some(&method.id);
            let owned = card.customer.is_some() && method.customer == card.customer;
            if named || owned {
                method.on_setup = behavior.clone();
                method.on_charge = behavior.clone();
                changed += 1;
            }
        }
        if changed == 0 {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no such card"));
        }
        Ok(json!({ "changed": changed }))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    method: String,
    path: String,
    #[serde(default)]
    params: Value,
    account: Option<String>,
    livemode: Option<bool>,
}

async fn dashboard(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    let reply = read::<Edit>(&body).and_then(|edit| {
        let mut sandbox = app.lock();
        sandbox.dirty = true;
        carry_out(&mut sandbox, &edit).map_err(|error| {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            Refusal(status, error.body("req_dashboard"))
        })
    });
    app.deliveries.notify_one();
    respond(reply)
}

/// Does as a person in the Dashboard would: no key, no limit, no log, and the events name no request.
fn carry_out(sandbox: &mut Sandbox, edit: &Edit) -> Result<Value, StripeError> {
    let method = match edit.method.to_ascii_uppercase().as_str() {
        "GET" => Some(Method::Get),
        "POST" => Some(Method::Post),
        "DELETE" => Some(Method::Delete),
        _ => None,
    };
    let (route, ids) = method
        .and_then(|method| api::route(method, &edit.path))
        .ok_or_else(|| StripeError::unrecognized_url(&edit.method, &edit.path))?;
    let params = Params::from_json(&edit.params);
    check_params(route, &params)?;
    let default = sandbox.default_caller();
    let caller = Caller {
        account: edit.account.clone().unwrap_or(default.account),
        livemode: edit.livemode.unwrap_or(default.livemode),
    };
    let request = Request {
        id: None,
        path: edit.path.clone(),
        ids,
        params,
        idempotency_key: None,
        base_url: sandbox.base_url(None),
    };
    execute(sandbox.account(&caller), route, &request)
}

async fn counts(Shared(app): Shared<App>) -> Response<Body> {
    let mut sandbox = app.lock();
    let default = sandbox.default_caller();
    let mut all = count(sandbox.account(&default));
    let accounts: Value = sandbox
        .accounts
        .iter()
        .map(|(caller, state)| {
            let mode = if caller.livemode { "live" } else { "test" };
            (format!("{}/{mode}", caller.account), count(state))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    all["accounts"] = accounts;
    respond(Ok(all))
}

fn count(state: &State) -> Value {
    let mut counts = json!({
        "customers": state.customers.iter().filter(|customer| !customer.deleted).count(),
        "payment_methods": state.payment_methods.len(),
        "products": state.products.len(),
        "prices": state.prices.len(),
        "setup_intents": state.setup_intents.len(),
        "events": state.events.len(),
        "webhook_endpoints": state.webhook_endpoints.len(),
        "idempotency_keys": state.answers.len(),
        "webhooks_outstanding": state.outbox.len() + state.delivering.len(),
    });
    for (name, number) in state.billing.counts() {
        counts[name] = json!(number);
    }
    counts
}

/// Settings to change; what is absent stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    rate_limit_read: Option<u32>,
    rate_limit_write: Option<u32>,
    past_due_outcome: Option<PastDueOutcome>,
    retry_days: Option<Vec<i64>>,
    tax_percent: Option<Decimal>,
    tax_locations: Option<BTreeMap<String, TaxLocation>>,
    now_offset_seconds: Option<i64>,
    meter_lag_seconds: Option<i64>,
    newest_meter_event: Option<Newest>,
    unknown_tax_location: Option<UnknownLocation>,
    keep_drafts: Option<bool>,
}

impl Change {
    fn apply(&self, settings: &mut Settings) {
        settings.rate_limit_read = self.rate_limit_read.unwrap_or(settings.rate_limit_read);
        settings.rate_limit_write = self.rate_limit_write.unwrap_or(settings.rate_limit_write);
        settings.past_due_outcome = self.past_due_outcome.unwrap_or(settings.past_due_outcome);
        settings.now_offset_seconds = self
            .now_offset_seconds
            .unwrap_or(settings.now_offset_seconds);
        settings.meter_lag_seconds = self.meter_lag_seconds.unwrap_or(settings.meter_lag_seconds);
        settings.newest_meter_event = self
            .newest_meter_event
            .unwrap_or(settings.newest_meter_event);
        settings.unknown_tax_location = self
            .unknown_tax_location
            .unwrap_or(settings.unknown_tax_location);
        settings.keep_drafts = self.keep_drafts.unwrap_or(settings.keep_drafts);
        if let Some(percent) = self.tax_percent {
            settings.tax_percent = percent;
        }
        if let Some(locations) = &self.tax_locations {
            settings.tax_locations.clone_from(locations);
        }
        if let Some(days) = &self.retry_days {
            settings.retry_days.clone_from(days);
        }
    }
}

async fn settings(Shared(app): Shared<App>) -> Response<Body> {
    let mut sandbox = app.lock();
    let caller = sandbox.default_caller();
    respond(Ok(json!(sandbox.account(&caller).settings)))
}

async fn change_settings(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    respond(read::<Change>(&body).map(|change| {
        let mut sandbox = app.lock();
        change.apply(&mut sandbox.options.test);
        change.apply(&mut sandbox.options.live);
        for state in sandbox.accounts.values_mut() {
            change.apply(&mut state.settings);
        }
        sandbox.dirty = true;
        let caller = sandbox.default_caller();
        json!(sandbox.account(&caller).settings)
    }))
}
