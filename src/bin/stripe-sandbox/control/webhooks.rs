//! How webhooks are delivered.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Refusal, read, respond};
use crate::sandbox::App;
use crate::webhook::{Chaos, Dice, Mode, Sender};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    mode: Mode,
    seed: Option<u64>,
    duplicate_percent: Option<u8>,
    lose_percent: Option<u8>,
    max_delay_ms: Option<u64>,
}

impl Wanted {
    fn check(&self) -> Result<(), Refusal> {
        let refuse = |message| Err(Refusal::new(StatusCode::BAD_REQUEST, message));
        let percents = [self.duplicate_percent, self.lose_percent];
        let told = self.seed.is_some() || self.max_delay_ms.is_some();
        if self.mode != Mode::Chaos && (told || percents.iter().any(Option::is_some)) {
            return refuse("only the mode chaos takes anything beside the mode");
        }
        if percents.into_iter().flatten().any(|percent| percent > 100) {
            return refuse("a percentage is at most 100");
        }
        Ok(())
    }

    fn chaos(&self) -> Chaos {
        Chaos {
            seed: self.seed.unwrap_or(0),
            duplicate_percent: self.duplicate_percent.unwrap_or(0),
            lose_percent: self.lose_percent.unwrap_or(0),
            max_delay: Duration::from_millis(self.max_delay_ms.unwrap_or(0)),
        }
    }
}

pub(super) async fn change(Shared(app): Shared<App>, body: Bytes) -> Response<Body> {
    let reply = read::<Wanted>(&body).and_then(|wanted| {
        wanted.check()?;
        let mut sandbox = app.lock();
        sandbox.webhooks = wanted.mode;
        sandbox.chaos = Dice::new(wanted.chaos());
        Ok(json!({}))
    });
    app.deliveries.notify_one();
    respond(reply)
}

pub(super) async fn flush(Shared(app): Shared<App>) -> Response<Body> {
    Sender::flush(&app);
    respond(Ok(json!({})))
}
