//! HTTP: health and metrics.

mod stripe_metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Router, routing::get};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::stripe;

/// Answers `/livez`, `/readyz` and `/metrics` until `shutdown`.
///
/// Liveness says only that the process answers: restarting it would not bring Stripe or the API
/// server back. A replica that waits for leadership is as ready as the one that leads.
///
/// # Errors
/// When `address` cannot be bound.
pub async fn health_and_metrics(
    address: SocketAddr,
    mut registry: Registry,
    stripe: stripe::Client,
    shutdown: CancellationToken,
) -> std::io::Result<impl Future<Output = std::io::Result<()>>> {
    registry.register_collector(Box::new(stripe_metrics::StripeMetrics(stripe)));
    let listener = TcpListener::bind(address).await?;
    tracing::info!(addr = %listener.local_addr()?, "serving health and metrics");
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(registry));
    Ok(axum::serve(listener, router)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .into_future())
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
