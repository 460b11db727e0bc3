//! Setting up a card without charging it: the attempt, and the authentication its issuer may ask for.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::payment_methods::{attach, declined};
use crate::model::{
    CardBehavior, Metadata, PaymentMethod, SetupIntent, SetupIntentStatus as Status,
};
use crate::state::{State, token};
use crate::wire::StripeError;

/// How a customer fares with whom their card's issuer asks to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "bool")]
pub enum Authentication {
    /// They did.
    Passed,
    /// They did not.
    Failed,
}

impl From<bool> for Authentication {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

/// Makes an intent for a card to be left on a page of Stripe's. Returns its id.
pub fn begin(
    state: &mut State,
    customer: Option<&str>,
    description: Option<&str>,
    metadata: Metadata,
) -> String {
    let id = state.new_id("seti");
    let intent = SetupIntent {
        client_secret: format!("{id}_secret_{}", token(25)),
        id: id.clone(),
        created: state.wall_clock(),
        livemode: state.livemode,
        automatic_payment_methods: Some(json!({ "allow_redirects": "always", "enabled": true })),
        customer: customer.map(str::to_owned),
        description: description.map(str::to_owned),
        metadata,
        usage: "off_session".to_owned(),
        ..SetupIntent::default()
    };
    let rendered = intent.render();
    state.setup_intents.insert(id.clone(), intent);
    state.emit("setup_intent.created", rendered, None);
    id
}

/// Tries the payment method of an intent that may be confirmed.
pub fn attempt(state: &mut State, id: &str) -> Result<Value, StripeError> {
    let (method, _) = parties(state, id)?;
    let behavior = state
        .payment_methods
        .get(&method)
        .map(|method| method.on_setup.clone())
        .unwrap_or_default();
    match behavior {
        CardBehavior::Success => succeed(state, id),
        CardBehavior::RequiresAction => Ok(settle(
            state,
            id,
            Status::RequiresAction,
            None,
            "setup_intent.requires_action",
        )),
        CardBehavior::Decline(code) => Err(fail(state, id, declined(&code))),
    }
}

/// Ends the wait of an intent for its customer's authentication.
pub fn authenticate(
    state: &mut State,
    id: &str,
    authentication: Authentication,
) -> Result<Value, StripeError> {
    match authentication {
        Authentication::Passed => succeed(state, id),
        Authentication::Failed => {
            let error = StripeError::invalid(
                "The latest attempt to set up the payment method has failed because authentication failed.",
            )
            .status(402)
            .code("setup_intent_authentication_failure");
            Err(fail(state, id, error))
        }
    }
}

/// Gives an intent up.
pub fn cancel(state: &mut State, mut intent: SetupIntent, reason: Option<&str>) -> Value {
    intent.status = Status::Canceled;
    intent.cancellation_reason = reason.map(str::to_owned);
    let answer = intent.render();
    state.setup_intents.insert(intent.id.clone(), intent);
    state.emit("setup_intent.canceled", answer.clone(), None);
    answer
}

/// The payment method to be set up, and whose it is to be.
fn parties(state: &State, id: &str) -> Result<(String, Option<String>), StripeError> {
    let intent = state.setup_intents.get(id);
    let intent = intent.ok_or_else(|| StripeError::not_found("setupintent", id))?;
    let method = intent.payment_method.clone().unwrap_or_default();
    Ok((method, intent.customer.clone()))
}

fn succeed(state: &mut State, id: &str) -> Result<Value, StripeError> {
    let (method, customer) = parties(state, id)?;
    if let Some(customer) = customer {
        attach(state, &method, &customer)?;
    }
    Ok(settle(
        state,
        id,
        Status::Succeeded,
        None,
        "setup_intent.succeeded",
    ))
}

fn fail(state: &mut State, id: &str, error: StripeError) -> StripeError {
    let method = parties(state, id).ok().map(|(method, _)| method);
    let method = method
        .and_then(|id| state.payment_methods.get(&id))
        .map(PaymentMethod::render);
    let mut stored = error.body("")["error"].clone();
    if let Some(members) = stored.as_object_mut() {
        members.remove("request_log_url");
        members.insert("payment_method".into(), json!(method));
    }
    let status = Status::RequiresPaymentMethod;
    let intent = settle(state, id, status, Some(stored), "setup_intent.setup_failed");
    error
        .with("setup_intent", intent)
        .with("payment_method", json!(method))
}

fn settle(
    state: &mut State,
    id: &str,
    status: Status,
    error: Option<Value>,
    event: &'static str,
) -> Value {
    let attempt = state.new_id("setatt");
    let Some(intent) = state.setup_intents.get_mut(id) else {
        return Value::Null;
    };
    intent.status = status;
    intent.latest_attempt = Some(attempt);
    if error.is_some() {
        // Like Stripe, a refused method is dropped: the next confirmation must name one.
        intent.payment_method = None;
    }
    intent.last_setup_error = error;
    let rendered = intent.render();
    state.emit(event, rendered.clone(), None);
    rendered
}
