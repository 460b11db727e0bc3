//! What the tests against a real control plane share.
//!
//! | module | gives |
//! |---|---|
//! | [`control_plane`] | one etcd and kube-apiserver for the whole test run, with the shipped manifests installed |
//! | [`process`] | the operator as a process that can be stopped, killed and started again |
//! | [`sandbox`] | the Stripe stand-in as a process, with a client for its two APIs |
//! | [`kstatus`] | the rules every status ever written must keep |
//! | [`paying`] | a tenant that pays, on a test clock |
//! | [`webhooks`] | an operator that hears by webhooks |
//! | [`world`] | all of these together for one test, with the verbs a test speaks in |
//!
//! A failing helper fails the test that called it, so helpers panic instead of returning errors.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "shared by test binaries of which each uses a part, and only by tests"
)]

use std::time::{Duration, Instant};

pub(crate) mod control_plane;
pub(crate) mod kstatus;
pub(crate) mod paying;
pub(crate) mod process;
pub(crate) mod sandbox;
pub(crate) mod webhooks;
pub(crate) mod world;

/// How long [`eventually`] tries. Far longer than anything takes on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `check` succeeds, and gives what it found. Fails the test, with the last thing found
/// instead, when that takes too long.
pub(crate) async fn eventually<T>(
    expected: &str,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(found) if begin.elapsed() > DEADLINE => {
                panic!("expected within {DEADLINE:?}: {expected}; but {found}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
