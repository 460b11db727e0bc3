//! Why a look at an object could not be finished.

use crate::api::reason;
use crate::converge::conditions::Outcome;
use crate::stripe::{self, Class};

/// Why a look at an object could not be finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Stripe refused, or could not be asked.
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    /// The API server refused, or could not be asked.
    #[error("the Kubernetes API: {}", in_short(.0))]
    Kube(Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("the Kubernetes API did not answer within {0:?}")]
    KubeTimeout(std::time::Duration),
    /// Another replica leads.
    #[error("this replica no longer leads; nothing more is changed by it")]
    NotLeading,
    /// Something that a look rests on has not been seen since the start. It will be, by itself.
    #[error("{0}")]
    NotYet(&'static str),
    /// The steps do not lead to the desired state.
    #[error("after {0} changes Stripe still differs from the manifest: {1}")]
    NotConverging(usize, String),
}

/// The server's own words; the rest of its answer repeats them.
fn in_short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.reason),
        other => other.to_string(),
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    /// What the mirror shows of a tenant is not all there is.
    pub(super) const NOT_LISTED: Self =
        Self::NotYet("Stripe's customers and subscriptions are being listed");

    /// What the status says about it; `None` when it is none of the tenant's business.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let message = self.to_string();
        let retry = |reason| Outcome::Reconciling {
            reason,
            message: message.clone(),
        };
        Some(match self {
            Self::Kube(_) | Self::KubeTimeout(_) | Self::NotLeading => return None,
            Self::NotYet(_) | Self::NotConverging(..) => retry(reason::PROGRESSING),
            Self::Stripe(error) => match error.class {
                Class::Card => Outcome::Stalled {
                    reason: reason::CARD_DECLINED,
                    message,
                },
                Class::Invalid => Outcome::Stalled {
                    reason: reason::STRIPE_REJECTED,
                    message,
                },
                Class::RateLimited => retry(reason::STRIPE_RATE_LIMITED),
                Class::Unauthorized | Class::Forbidden => retry(reason::STRIPE_UNAUTHORIZED),
                // What was there a moment ago is gone: the next look reads it again.
                Class::NotFound | Class::Conflict | Class::Idempotency => {
                    retry(reason::PROGRESSING)
                }
                Class::Network | Class::Timeout | Class::Server | Class::Unreadable => {
                    retry(reason::STRIPE_UNAVAILABLE)
                }
            },
        })
    }
}
