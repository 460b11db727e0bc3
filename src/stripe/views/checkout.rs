//! Checkout Sessions and payment methods, as far as they are read.

use miniserde::Deserialize;

use super::{filled, require, time};
use crate::converge::payment::SetupLink;
use crate::stripe::error::Error;

/// A Checkout Session.
#[derive(Deserialize)]
pub(in crate::stripe) struct CheckoutSessionView {
    id: String,
    status: Option<String>,
    url: Option<String>,
    expires_at: Option<i64>,
}

/// What a Checkout Session in setup mode is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupSession {
    /// `cs_…`
    pub id: String,
    /// The page, while the customer can use it.
    pub link: Option<SetupLink>,
}

impl TryFrom<CheckoutSessionView> for SetupSession {
    type Error = Error;

    fn try_from(view: CheckoutSessionView) -> Result<Self, Error> {
        let open = view.status.as_deref() == Some("open");
        let url = filled(view.url).filter(|_| open);
        let expires_at = require(&view.id, "expires_at", view.expires_at)?;
        let expires_at = time(&view.id, "expires_at", expires_at)?;
        Ok(Self {
            link: url.map(|url| SetupLink {
                session: view.id.clone(),
                url,
                expires_at,
            }),
            id: view.id,
        })
    }
}

/// A payment method.
#[derive(Deserialize)]
pub(in crate::stripe) struct PaymentMethodView {
    pub(in crate::stripe) id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(json: &str) -> SetupSession {
        let view: CheckoutSessionView = miniserde::json::from_str(json).unwrap();
        view.try_into().unwrap()
    }

    #[test]
    fn a_page_is_good_while_its_session_is_open() {
        let open = session(
            r#"{"id":"cs_1","status":"open","url":"https://checkout.example/cs_1","expires_at":1800000000}"#,
        );
        let link = open.link.unwrap();
        assert_eq!(link.url, "https://checkout.example/cs_1");
        assert_eq!(link.expires_at.as_second(), 1_800_000_000);
        for status in ["complete", "expired"] {
            let over = session(&format!(
                r#"{{"id":"cs_1","status":"{status}","url":null,"expires_at":1800000000}}"#
            ));
            assert_eq!(over.link, None, "{status}");
        }
    }
}
