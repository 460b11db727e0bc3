//! Leadership by a `Lease`: at most one replica changes anything in Stripe.
//!
//! Every write carries the `resourceVersion` it is based on, so of two replicas that see an expired
//! lease one gets a conflict. Leadership is a deadline, not a flag: a leader that cannot renew stops
//! by itself before another may begin, and every mutation checks the deadline first. Whether a lease
//! has expired is judged by how long its record has not changed on the watcher's own clock, so the
//! clocks of replicas need not agree.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::WEBHOOK_ADDRESS_ANNOTATION;

/// Which lease, and how long it lasts.
#[derive(Clone, Debug)]
pub struct LeaseConfig {
    /// Namespace of the lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// This replica.
    pub identity: String,
    /// How long a record counts after it was written.
    pub duration: Duration,
    /// Where the other replicas reach this one (`HOST:PORT`), to be written on the lease.
    pub advertised: Option<String>,
}

impl LeaseConfig {
    /// How often the leader renews, and others look.
    fn period(&self) -> Duration {
        self.duration / 5
    }

    /// How long a leader trusts a renewal. Less than `duration`, so that it has stopped before
    /// another begins.
    fn trusted_for(&self) -> Duration {
        self.duration * 2 / 3
    }
}

/// Leadership as the rest of the operator sees it.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<Option<Instant>>);

impl Leadership {
    /// Whether this replica leads right now.
    pub fn holds(&self) -> bool {
        self.0
            .borrow()
            .is_some_and(|deadline| Instant::now() < deadline)
    }

    /// Waits until this replica leads.
    pub async fn acquired(&mut self) {
        // A closed channel means that the process is ending.
        let _ = self.0.wait_for(Option::is_some).await;
    }

    /// Waits until leadership, once held, is lost.
    pub async fn lost(&mut self) {
        loop {
            let deadline = *self.0.borrow_and_update();
            let Some(deadline) = deadline else { return };
            tokio::select! {
                () = tokio::time::sleep_until(deadline.into()) => if !self.holds() { return },
                changed = self.0.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// There is none.
    Create,
    /// It is free or expired.
    Acquire,
    /// It is ours.
    Renew,
    /// It is another's.
    Wait,
}

/// `unchanged_for` is how long this replica has seen the same record.
fn decide(
    spec: Option<&LeaseSpec>,
    me: &str,
    unchanged_for: Duration,
    duration: Duration,
) -> Decision {
    let Some(spec) = spec else {
        return Decision::Create;
    };
    match spec.holder_identity.as_deref() {
        None | Some("") => Decision::Acquire,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) => {
            let seconds = spec
                .lease_duration_seconds
                .and_then(|s| u64::try_from(s).ok());
            let lasts = seconds.map_or(duration, Duration::from_secs);
            if unchanged_for > lasts {
                Decision::Acquire
            } else {
                Decision::Wait
            }
        }
    }
}

/// Runs for leadership until `shutdown`, then releases the lease.
///
/// The returned future has to be polled for leadership to be renewed. It tells `leader` where the
/// replica that leads is, when that is another one.
pub fn elect(
    client: Client,
    config: LeaseConfig,
    leader: watch::Sender<Option<String>>,
    shutdown: CancellationToken,
) -> (Leadership, impl Future<Output = ()> + Send) {
    let (sender, receiver) = watch::channel(None);
    let elector = Elector {
        api: Api::namespaced(client, &config.namespace),
        config,
        sender,
        leader,
        seen: None,
    };
    (Leadership(receiver), elector.run(shutdown))
}

struct Elector {
    api: Api<Lease>,
    config: LeaseConfig,
    sender: watch::Sender<Option<Instant>>,
    leader: watch::Sender<Option<String>>,
    /// The last record and when it was first seen.
    seen: Option<(LeaseSpec, Instant)>,
}

impl Elector {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(self.config.period());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = tick.tick() => {}
            }
            // A call that outlasts the period is no renewal; the deadline then runs out by itself.
            let began = Instant::now();
            match tokio::time::timeout(self.config.period(), self.step()).await {
                Ok(Ok(true)) => {
                    self.sender
                        .send_replace(Some(began + self.config.trusted_for()));
                }
                Ok(Ok(false)) => {
                    self.sender.send_replace(None);
                }
                Ok(Err(error)) => tracing::warn!(%error, "lease: cannot read or write it"),
                Err(_) => tracing::warn!("lease: the API server does not answer"),
            }
        }
        self.release().await;
    }

    /// One look, and one write if it is due. Says whether this replica leads now.
    async fn step(&mut self) -> Result<bool, kube::Error> {
        let lease = self.api.get_opt(&self.config.name).await?;
        let spec = lease
            .as_ref()
            .map(|lease| lease.spec.clone().unwrap_or_default());
        let unchanged_for = self.note(spec.clone());
        let decision = decide(
            spec.as_ref(),
            &self.config.identity,
            unchanged_for,
            self.config.duration,
        );
        let written = match (decision, lease) {
            (Decision::Wait, lease) => {
                self.leader
                    .send_replace(lease.as_ref().and_then(address_on));
                return Ok(false);
            }
            (Decision::Create, _) | (_, None) => {
                let mut lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.config.name.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.claim(None)),
                };
                write_address(&mut lease, self.config.advertised.as_deref());
                self.api.create(&PostParams::default(), &lease).await
            }
            (Decision::Acquire | Decision::Renew, Some(lease)) => {
                let mut claimed = Lease {
                    spec: Some(self.claim(lease.spec.as_ref())),
                    ..lease
                };
                write_address(&mut claimed, self.config.advertised.as_deref());
                self.api
                    .replace(&self.config.name, &PostParams::default(), &claimed)
                    .await
            }
        };
        match written {
            Ok(_) => {
                self.leader.send_replace(None);
                if decision != Decision::Renew {
                    tracing::info!(identity = self.config.identity, "lease: leading");
                }
                Ok(true)
            }
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn note(&mut self, spec: Option<LeaseSpec>) -> Duration {
        let Some(spec) = spec else {
            self.seen = None;
            return Duration::ZERO;
        };
        match &self.seen {
            Some((same, since)) if *same == spec => since.elapsed(),
            _ => {
                self.seen = Some((spec, Instant::now()));
                Duration::ZERO
            }
        }
    }

    fn claim(&self, previous: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let held =
            previous.filter(|spec| spec.holder_identity.as_ref() == Some(&self.config.identity));
        let transitions = previous
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: i32::try_from(self.config.duration.as_secs()).ok(),
            acquire_time: held.map_or(Some(now.clone()), |spec| spec.acquire_time.clone()),
            renew_time: Some(now),
            lease_transitions: Some(if held.is_some() {
                transitions
            } else {
                transitions + 1
            }),
            ..LeaseSpec::default()
        }
    }

    /// Lets the next replica begin at once instead of after the lease's duration.
    async fn release(mut self) {
        let led = self.sender.send_replace(None).is_some();
        if !led {
            return;
        }
        let release = async {
            let Some(mut lease) = self.api.get_opt(&self.config.name).await? else {
                return Ok(());
            };
            let Some(spec) = lease.spec.as_mut() else {
                return Ok(());
            };
            if spec.holder_identity.as_ref() != Some(&self.config.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            write_address(&mut lease, None);
            self.api
                .replace(&self.config.name, &PostParams::default(), &lease)
                .await
                .map(|_| ())
        };
        match tokio::time::timeout(self.config.period(), release).await {
            Ok(Ok(())) => tracing::info!("lease: released"),
            Ok(Err(error)) => tracing::warn!(%error, "lease: not released; it expires by itself"),
            Err(_) => tracing::warn!("lease: not released in time; it expires by itself"),
        }
        self.seen = None;
    }
}

/// Where the replica that holds a lease takes webhooks.
fn address_on(lease: &Lease) -> Option<String> {
    let annotations = lease.metadata.annotations.as_ref()?;
    annotations.get(WEBHOOK_ADDRESS_ANNOTATION).cloned()
}

fn write_address(lease: &mut Lease, address: Option<&str>) {
    let annotations = lease.metadata.annotations.get_or_insert_default();
    match address {
        Some(address) => {
            annotations.insert(WEBHOOK_ADDRESS_ANNOTATION.to_owned(), address.to_owned());
        }
        // Of a predecessor that is gone.
        None => {
            annotations.remove(WEBHOOK_ADDRESS_ANNOTATION);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(15);

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_missing_lease_is_created_and_a_released_one_acquired() {
        assert_eq!(decide(None, "me", Duration::ZERO, LASTS), Decision::Create);
        assert_eq!(
            decide(Some(&held_by("")), "me", Duration::ZERO, LASTS),
            Decision::Acquire
        );
        let never_held = LeaseSpec::default();
        assert_eq!(
            decide(Some(&never_held), "me", Duration::ZERO, LASTS),
            Decision::Acquire
        );
    }

    #[test]
    fn anothers_lease_is_left_alone_until_it_has_not_changed_for_its_duration() {
        let other = held_by("other");
        assert_eq!(decide(Some(&other), "me", LASTS, LASTS), Decision::Wait);
        let later = LASTS + Duration::from_millis(1);
        assert_eq!(decide(Some(&other), "me", later, LASTS), Decision::Acquire);
    }

    #[test]
    fn the_duration_in_the_lease_counts_not_our_own() {
        let other = LeaseSpec {
            lease_duration_seconds: Some(60),
            ..held_by("other")
        };
        assert_eq!(decide(Some(&other), "me", LASTS * 2, LASTS), Decision::Wait);
    }

    #[test]
    fn our_own_lease_is_renewed_however_old() {
        assert_eq!(
            decide(Some(&held_by("me")), "me", LASTS * 9, LASTS),
            Decision::Renew
        );
    }

    #[test]
    fn a_leader_stops_trusting_itself_before_another_may_begin() {
        let config = LeaseConfig {
            namespace: String::new(),
            name: String::new(),
            identity: String::new(),
            duration: LASTS,
            advertised: None,
        };
        assert!(config.trusted_for() < config.duration);
        assert!(
            config.period() * 2 < config.trusted_for(),
            "one lost renewal must not end it"
        );
    }
}
