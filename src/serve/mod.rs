//! HTTP: health, metrics, webhooks and access.

mod access;
mod forward;
mod listen;
mod secrets;
mod stripe_metrics;
mod webhook;
mod webhook_metrics;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;

pub use self::access::{Gate, UnknownTenants};
pub use self::listen::serve;
pub use self::secrets::Secrets;
pub use self::webhook::{Endpoint, LARGEST_BODY, PATH as WEBHOOK_PATH};
pub use self::webhook_metrics::WebhookMetrics;
use crate::stripe;

/// The routes `/livez`, `/readyz`, `/metrics`, `/webhooks/stripe`, `/access` and `/ext-authz`. Without an
/// `endpoint` webhooks are answered that they are not set up.
///
/// Liveness says only that the process answers: restarting it would not bring Stripe or the API
/// server back. A replica that waits for leadership is as ready as the one that leads, once it has seen
/// every manifest: before that it could tell gateways nothing. So is one with a webhook secret that is
/// missing: everything else works without, and taking the replica out of service would cure nothing;
/// `/readyz` names it. One whose watch fails stays ready, too: what it knows is the best there is.
pub fn router(
    mut registry: Registry,
    stripe: stripe::Client,
    endpoint: Option<Arc<Endpoint>>,
    gate: Arc<Gate>,
) -> Router {
    registry.register_collector(Box::new(stripe_metrics::StripeMetrics(stripe)));
    let webhooks = match endpoint.clone() {
        Some(endpoint) => post(webhook::receive).with_state(endpoint),
        None => post(webhook::not_set_up),
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(ready).with_state((endpoint, Arc::clone(&gate))),
        )
        .route("/metrics", get(metrics).with_state(Arc::new(registry)))
        .route(WEBHOOK_PATH, webhooks)
        .merge(access::routes(gate))
}

type Health = (Option<Arc<Endpoint>>, Arc<Gate>);

async fn ready(State((endpoint, gate)): State<Health>) -> (StatusCode, String) {
    let (status, mut text) = if gate.is_ready() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let waiting = "waiting for the list of TenantBillings: until it is complete every tenant's \
                       access is Unknown\n";
        (StatusCode::SERVICE_UNAVAILABLE, waiting.to_owned())
    };
    for problem in endpoint.map_or_else(Vec::new, |endpoint| endpoint.problems()) {
        text.push_str("webhook secrets: ");
        text.push_str(&problem);
        text.push('\n');
    }
    (status, text)
}

async fn metrics(State(registry): State<Arc<Registry>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
