//! Idempotency keys: what makes a repeated POST the same request.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use stripe_client_core::RequestBuilder;

use crate::converge::catalogue::{CatalogueStep, DesiredPlan};
use crate::converge::observed::TenantKey;
use crate::converge::steps::Step;
use crate::stripe::requests::NoticeMark;

/// Makes a repeated POST the same request. Deterministic: a request repeated after a crash has the
/// key it had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<stripe_client_core::IdempotencyKey> for IdempotencyKey {
    fn from(key: stripe_client_core::IdempotencyKey) -> Self {
        Self(key.into_inner())
    }
}

/// The idempotency key of an operation on a tenant.
///
/// `basis` is the observed state the operation starts from: doing the same again later, from
/// another state, is another request. `attempt` counts up when Stripe has stored a failure under
/// the key, or its answer turned out to be about something that is gone by now.
pub fn idempotency_key(
    tenant: &TenantKey,
    operation: &str,
    body: &str,
    basis: &str,
    attempt: u32,
) -> IdempotencyKey {
    let attempt = attempt.to_string();
    let mut hash = Sha256::new();
    for part in [
        &tenant.owner,
        &tenant.tenant,
        operation,
        body,
        basis,
        &attempt,
    ] {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut key = String::with_capacity(45);
    key.push_str("tenantbilling");
    for byte in hash.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    IdempotencyKey(key)
}

/// The idempotency key of a step's request. Its path counts as well: the same change to another
/// object is another request, and Stripe refuses a key that comes with another path.
pub fn key_for_step(
    step: &Step,
    request: &RequestBuilder,
    tenant: &TenantKey,
    attempt: u32,
) -> IdempotencyKey {
    idempotency_key(
        tenant,
        step.operation(),
        &target_and_body(request),
        &step.basis(),
        attempt,
    )
}

/// The idempotency key of a catalogue step's request. A plan is no tenant, but its name under the
/// same owner serves as one: the operation's name keeps the two apart. A meter belongs to no plan:
/// plans that make the same one at once make the same request.
pub fn key_for_catalogue_step(
    step: &CatalogueStep,
    request: &RequestBuilder,
    plan: &DesiredPlan,
    attempt: u32,
) -> IdempotencyKey {
    let (owner, tenant, operation) = match step {
        CatalogueStep::CreateMeter(meter) => ("", &meter.event_name, "Meter"),
        _ => (plan.owner.as_str(), &plan.name, "Catalogue"),
    };
    let whose = TenantKey {
        owner: owner.to_owned(),
        tenant: tenant.clone(),
    };
    idempotency_key(&whose, operation, &target_and_body(request), "", attempt)
}

/// The idempotency key of writing a notice's mark.
///
/// Where it says that something begins, the mark itself does not count, only what it said before: of
/// two processes that begin from the same mark, the second gets a refusal or the first one's answer,
/// and no go-ahead of its own.
pub fn key_for_notice_mark(
    mark: &NoticeMark<'_>,
    request: &RequestBuilder,
    tenant: &TenantKey,
    attempt: u32,
) -> IdempotencyKey {
    let before = mark.before.to_string();
    let (operation, what) = if mark.after.by.is_empty() {
        ("EndNotice", target_and_body(request))
    } else {
        let what = format!("{}\n{}", request.path, mark.kind.as_str());
        ("BeginNotice", what)
    };
    idempotency_key(tenant, operation, &what, &before, attempt)
}

fn target_and_body(request: &RequestBuilder) -> String {
    format!(
        "{}\n{}",
        request.path,
        request.body.as_deref().unwrap_or_default()
    )
}
