//! The billing portal's page: a customer's cards and subscriptions.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cards::{self, Payer, field};
use super::html::{self, Text};
use super::{Page, pay_with};
use crate::engine::setups::Authentication;
use crate::engine::{live_subscriptions, portal};
use crate::model::portal::{AfterFlow, PortalConfiguration, PortalSession};
use crate::state::State;
use crate::wire::{Method, Params, Request, StripeError, execute};

/// What a customer does on the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// A card to leave.
    pub card: Option<String>,
    /// Whether its owner proves to be so, if its issuer asks.
    pub authenticate: Option<Authentication>,
    /// A subscription to end.
    pub cancel: Option<String>,
    /// A subscription that is to end, to be kept.
    pub keep: Option<String>,
}

impl Deed {
    fn read(form: &[u8]) -> Self {
        let Payer { card, authenticate } = Payer::read(form);
        Self {
            card,
            authenticate,
            cancel: field(form, "cancel"),
            keep: field(form, "keep"),
        }
    }
}

/// The page.
pub(super) const PAGE: Page = Page {
    has,
    show: |state, id| render(state, id, None),
    submit: |state, id, form| {
        let deed = Deed::read(form);
        match carry_out(state, id, &deed) {
            Ok(()) => after(state, id, &deed).unwrap_or_else(|| render(state, id, None)),
            Err(error) => render(state, id, Some(&error)),
        }
    },
};

/// Whether the account has this session.
pub fn has(state: &State, id: &str) -> bool {
    state.portal_sessions.contains(id)
}

/// Does what a customer does on the page, as far as the configuration lets them.
pub fn carry_out(state: &mut State, id: &str, deed: &Deed) -> Result<(), StripeError> {
    let (session, configuration) = portal::visit(state, id).ok_or_else(over)?;
    if let Some(card) = &deed.card {
        require(&configuration, "payment_method_update")?;
        let method = pay_with(state, card)?;
        portal::add_card(state, &session, &method)?;
    }
    if let Some(authentication) = deed.authenticate
        && (portal::awaiting(state, id).is_some() || deed.card.is_none())
    {
        portal::authenticate(state, &session, authentication)?;
    }
    if let Some(subscription) = &deed.cancel {
        require(&configuration, "subscription_cancel")?;
        let how = &configuration.features["subscription_cancel"];
        own(state, &session, subscription)?;
        if how["mode"] == "immediately" {
            let prorate = how["proration_behavior"] != "none";
            let invoice_now = how["proration_behavior"] == "always_invoice";
            let params = json!({ "prorate": prorate, "invoice_now": invoice_now });
            return change(state, Method::Delete, subscription, &params);
        }
        let params = json!({ "cancel_at_period_end": true });
        return change(state, Method::Post, subscription, &params);
    }
    if let Some(subscription) = &deed.keep {
        require(&configuration, "subscription_cancel")?;
        own(state, &session, subscription)?;
        let params = json!({ "cancel_at_period_end": false });
        return change(state, Method::Post, subscription, &params);
    }
    Ok(())
}

fn over() -> StripeError {
    StripeError::invalid("This portal session has expired. Ask for a new link.")
}

fn require(configuration: &PortalConfiguration, feature: &str) -> Result<(), StripeError> {
    if configuration.allows(feature) {
        return Ok(());
    }
    let message = format!("The portal configuration does not enable {feature}.");
    Err(StripeError::invalid(message))
}

fn own(state: &State, session: &PortalSession, subscription: &str) -> Result<(), StripeError> {
    let found = state.billing.subscriptions.get(subscription);
    let own = found.filter(|found| found.customer == session.customer);
    let own = own.map(|_| ());
    own.ok_or_else(|| StripeError::not_found("subscription", subscription))
}

/// Changes a subscription as the API would, though no request of the account's does it.
fn change(
    state: &mut State,
    method: Method,
    subscription: &str,
    params: &Value,
) -> Result<(), StripeError> {
    let path = format!("/v1/subscriptions/{subscription}");
    let (route, ids) =
        crate::api::route(method, &path).ok_or_else(|| StripeError::unrecognized_url("", &path))?;
    let request = Request {
        id: None,
        path,
        ids,
        params: Params::from_json(params),
        idempotency_key: None,
        base_url: state.base_url.clone(),
    };
    execute(state, route, &request).map(|_| ())
}

/// Where a customer goes who was sent here to leave a card, and did.
fn after(state: &State, id: &str, deed: &Deed) -> Option<Response<Body>> {
    let left = deed.card.is_some() || deed.authenticate == Some(Authentication::Passed);
    if !left || portal::awaiting(state, id).is_some() {
        return None;
    }
    match state.portal_sessions.get(id)?.after_card.as_ref()? {
        AfterFlow::PortalHomepage => None,
        AfterFlow::Redirect(url) => Some(html::go_to(url)),
        AfterFlow::HostedConfirmation(message) => {
            let message = message
                .as_deref()
                .unwrap_or("Your payment method was saved.");
            Some(html::page(StatusCode::OK, "Done", message, ""))
        }
    }
}

fn render(state: &mut State, id: &str, error: Option<&StripeError>) -> Response<Body> {
    let Some((session, configuration)) = portal::visit(state, id) else {
        let text = over().message;
        return html::page(StatusCode::GONE, "This page has expired", &text, "");
    };
    if portal::awaiting(state, id).is_some() {
        return html::authentication("saves it");
    }
    let mut content = html::alert(error.map(|error| error.message.as_str()));
    if configuration.allows("payment_method_update") {
        content += &cards_of(state, &session);
    }
    if session.after_card.is_none() {
        content += &subscriptions_of(state, &session, &configuration);
    }
    if let Some(url) = &session.return_url {
        let _ = write!(content, "<p><a href=\"{}\">Return</a></p>", Text(url));
    }
    let headline = configuration.headline.as_deref();
    let headline = headline.unwrap_or("What you pay with, and for. These are test cards.");
    html::page(StatusCode::OK, "Your billing", headline, &content)
}

fn cards_of(state: &State, session: &PortalSession) -> String {
    let mut html = String::from("<ul>");
    let default = state.customers.get(&session.customer);
    let default = default.and_then(|it| it.invoice_settings.default_payment_method.as_deref());
    let methods = state.payment_methods.iter();
    for method in methods.filter(|it| it.customer.as_deref() == Some(&session.customer)) {
        let mark = if default == Some(&method.id) {
            " (default)"
        } else {
            ""
        };
        let _ = write!(html, "<li>{} {}{mark}</li>", method.brand, method.last4);
    }
    html + "</ul><form method=\"post\">\n" + &cards::choice() + "<button>Add card</button></form>\n"
}

fn subscriptions_of(
    state: &State,
    session: &PortalSession,
    configuration: &PortalConfiguration,
) -> String {
    let mut html = String::from("<form method=\"post\">");
    for subscription in live_subscriptions(state, &session.customer) {
        let id = Text(&subscription.id);
        let (name, button) = if subscription.cancel_at.is_some() {
            ("keep", "Keep subscription")
        } else {
            ("cancel", "Cancel subscription")
        };
        let status = json!(subscription.status);
        let status = status.as_str().unwrap_or_default();
        let _ = write!(html, "<p>{id}: {status}</p>");
        if configuration.allows("subscription_cancel") {
            let _ = write!(
                html,
                "<button class=\"quiet\" name=\"{name}\" value=\"{id}\">{button}</button>"
            );
        }
    }
    html + "</form>"
}
