//! Whether a channel can be reached: asked once for all notices.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::notify::Deliver;

/// How long an answer that the receiver can be reached is good for.
const GOOD_FOR: Duration = Duration::from_secs(5);
const LONGEST_WAIT: f64 = 300.0;

/// Open until the receiver cannot be reached.
#[derive(Debug, Default)]
pub(super) struct Gate {
    inner: Mutex<Inner>,
    closing: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// What stands in the way.
    closed: Option<String>,
    /// How often the receiver could not be reached since it last took, or refused, something.
    failures: u32,
    good_until: Option<Instant>,
}

impl Gate {
    /// Whether something can be begun now.
    pub(super) async fn pass(&self, to: &dyn Deliver) -> Result<(), String> {
        {
            let inner = self.lock();
            if let Some(message) = &inner.closed {
                return Err(message.clone());
            }
            if inner.good_until.is_some_and(|until| until > Instant::now()) {
                return Ok(());
            }
        }
        match to.ready().await {
            Ok(()) => {
                self.lock().good_until = Some(Instant::now() + GOOD_FOR);
                Ok(())
            }
            Err(message) => {
                self.close(&message);
                Err(message)
            }
        }
    }

    /// The receiver could not be reached.
    pub(super) fn close(&self, message: &str) {
        let mut inner = self.lock();
        inner.closed = Some(message.to_owned());
        inner.good_until = None;
        inner.failures = inner.failures.saturating_add(1);
        drop(inner);
        self.closing.notify_one();
    }

    /// It seems to be there again. Only an answer of its own makes up for the failures.
    pub(super) fn open(&self) {
        self.lock().closed = None;
    }

    /// Whether nothing is known to stand in the way.
    pub(super) fn is_open(&self) -> bool {
        self.lock().closed.is_none()
    }

    /// The receiver answered.
    pub(super) fn answered(&self) {
        let mut inner = self.lock();
        inner.closed = None;
        inner.failures = 0;
        inner.good_until = Some(Instant::now() + GOOD_FOR);
    }

    /// Over when the gate is closed.
    pub(super) async fn closed(&self) {
        while self.lock().closed.is_none() {
            self.closing.notified().await;
        }
    }

    /// How long to wait before the receiver is asked again: 1 s, 2 s, 4 s … 5 min, give or take a
    /// quarter.
    pub(super) fn wait(&self) -> Duration {
        let doublings = self.lock().failures.saturating_sub(1).min(9);
        let seconds = f64::from(1_u32 << doublings).min(LONGEST_WAIT);
        Duration::from_secs_f64(seconds * (0.75 + 0.5 * fastrand::f64()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
