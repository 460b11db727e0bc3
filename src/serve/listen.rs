//! Taking connections. The framework's own loop sets no time limit on the headers of a request, so a
//! client that never ends them would keep its connection for ever.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the headers of a request may take, and a connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers together may be this large.
const LARGEST_HEADERS: usize = 32 * 1024;
/// How long requests that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(5);
/// The pause after a connection could not be taken, as when there are too many.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers requests until `shutdown`, and lets those finish that have begun by then.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("requests that take too long are cut off");
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Answers are small and wanted at once. Failing to say so only makes them later.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
