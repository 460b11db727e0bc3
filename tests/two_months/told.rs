//! Who was told what: a receiver of events, and what it must have received.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

use super::model::STAGES;

/// A stage of the dunning, by number, and the invoice.
pub(crate) type Stage = (String, usize);

/// The ids of the events about each stage, each with how often it came.
type Events = BTreeMap<Stage, BTreeMap<String, usize>>;

/// A receiver that takes everything.
pub(crate) struct Receiver {
    pub(crate) url: String,
    came: Arc<Mutex<Events>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let came: Arc<Mutex<Events>> = Arc::default();
        let router = Router::new()
            .route("/", post(receive))
            .with_state(Arc::clone(&came));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, came }
    }

    /// What of this has not been told.
    pub(crate) fn lacks(&self, wanted: &BTreeSet<Stage>) -> Vec<Stage> {
        let came = self.came.lock().unwrap();
        let lacking = wanted.iter().filter(|stage| !came.contains_key(*stage));
        lacking.cloned().collect()
    }

    /// Asserts that nothing was told twice, which is what the id of an event is for, nor anything that
    /// never came to be. `reached` has the furthest stage of each invoice at the end of any day.
    pub(crate) fn assert_exact(&self, reached: &BTreeMap<String, usize>, kills: usize) {
        let came = self.came.lock().unwrap();
        let mut again = 0;
        for ((invoice, stage), ids) in came.iter() {
            let (name, _) = STAGES[*stage];
            assert_eq!(ids.len(), 1, "{name} for {invoice} was told as {ids:?}");
            again += ids.values().sum::<usize>() - 1;
            // An invoice may fail and be paid within a day.
            let furthest = reached.get(invoice).copied().unwrap_or(0);
            assert!(
                *stage <= furthest,
                "{name} for {invoice} was told too early"
            );
        }
        println!(
            "{} stages were told, {again} of them sent again",
            came.len()
        );
        assert!(
            again <= kills * 8,
            "only what a crash leaves in doubt is sent again, not {again}"
        );
    }
}

async fn receive(State(came): State<Arc<Mutex<Events>>>, body: Bytes) -> StatusCode {
    let event: Value = serde_json::from_slice(&body).unwrap();
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let kind = text("type");
    let stage = STAGES
        .iter()
        .position(|(stage, _)| kind == format!("io.tenantbilling.notice.{}", stage.to_lowercase()));
    if let Some(stage) = stage {
        let mut came = came.lock().unwrap();
        let ids = came.entry((text("subject"), stage)).or_default();
        *ids.entry(text("id")).or_default() += 1;
    }
    StatusCode::NO_CONTENT
}
