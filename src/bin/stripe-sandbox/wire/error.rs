//! Stripe's error bodies.

use serde_json::{Map, Value, json};

/// Whether a request got as far as being carried out. Stripe keeps the answer for an idempotency key only then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Refused while its parameters were read.
    Validation,
    /// Refused by what Stripe found when carrying it out.
    Execution,
}

/// An error as Stripe answers it.
#[derive(Clone, Debug, PartialEq)]
pub struct StripeError {
    /// HTTP status.
    pub status: u16,
    /// `type`: `invalid_request_error`, `card_error`, `api_error`, `idempotency_error`.
    pub kind: &'static str,
    /// `code`, where Stripe gives one.
    pub code: Option<String>,
    /// What went wrong, for people.
    pub message: String,
    /// Parameter at fault.
    pub param: Option<String>,
    /// Whether the request was being carried out already.
    pub phase: Phase,
    /// Further members of the error object: `decline_code`, `payment_intent`, `setup_intent`, …
    pub extra: Map<String, Value>,
}

impl StripeError {
    /// An `invalid_request_error` found while carrying the request out.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
            phase: Phase::Execution,
            extra: Map::new(),
        }
    }

    /// An `invalid_request_error` found while reading the parameters.
    pub fn validation(param: &str, message: impl Into<String>) -> Self {
        Self {
            phase: Phase::Validation,
            ..Self::invalid(message)
        }
        .param(param)
    }

    /// A required parameter is absent.
    pub fn missing(param: &str) -> Self {
        Self::validation(param, format!("Missing required param: {param}."))
            .code("parameter_missing")
    }

    /// A parameter Stripe does not know.
    pub fn unknown(param: &str) -> Self {
        Self::validation(param, format!("Received unknown parameter: {param}"))
            .code("parameter_unknown")
    }

    /// A parameter Stripe knows and this sandbox does not model.
    pub fn unsupported(param: &str) -> Self {
        Self::validation(
            param,
            format!("stripe-sandbox does not support the parameter {param}; Stripe does."),
        )
    }

    /// The object named by the path does not exist.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self {
            status: 404,
            ..Self::no_such(what, id, "id")
        }
    }

    /// The object named by a parameter does not exist.
    pub fn no_such(what: &str, id: &str, param: &str) -> Self {
        Self::invalid(format!("No such {what}: '{id}'"))
            .code("resource_missing")
            .param(param)
    }

    /// A card refused the charge or the setup.
    pub fn card(decline: &str, message: impl Into<String>) -> Self {
        let code = match decline {
            "expired_card"
            | "incorrect_cvc"
            | "processing_error"
            | "incorrect_number"
            | "authentication_required" => decline,
            _ => "card_declined",
        };
        let mut error = Self {
            status: 402,
            kind: "card_error",
            ..Self::invalid(message)
        }
        .code(code);
        if code == "card_declined" || code == "authentication_required" {
            error.extra.insert("decline_code".into(), json!(decline));
        }
        error
    }

    /// Too many requests.
    pub fn rate_limit() -> Self {
        Self::invalid(
            "Request rate limit exceeded. Learn more about rate limits here \
             https://stripe.com/docs/rate-limits.",
        )
        .code("rate_limit")
        .status(429)
    }

    /// No route.
    pub fn unrecognized_url(method: &str, path: &str) -> Self {
        Self::validation("", format!(
            "Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. \
             If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your \
             code. stripe-sandbox has a part of Stripe's endpoints only.",
        ))
        .without_param()
        .status(404)
    }

    /// What an injected fault with this status says.
    pub fn for_status(status: u16) -> Self {
        match status {
            429 => Self::rate_limit(),
            409 => Self::invalid(
                "This object cannot be accessed right now because another request is accessing it.",
            )
            .code("lock_timeout")
            .status(status),
            500.. => Self {
                kind: "api_error",
                ..Self::invalid(
                    "An unknown error occurred. (A fault injected into stripe-sandbox.)",
                )
            }
            .status(status),
            _ => Self::invalid("A fault injected into stripe-sandbox.").status(status),
        }
    }

    /// The same error with a code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same error naming a parameter.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same error naming no parameter.
    #[must_use]
    pub fn without_param(mut self) -> Self {
        self.param = None;
        self
    }

    /// The same error with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same error with another member (`payment_intent`, `setup_intent`, …).
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.extra.insert(member.to_owned(), value);
        self
    }

    /// The body Stripe would send.
    pub fn body(&self, request_id: &str) -> Value {
        let mut error = self.extra.clone();
        if let Some(code) = &self.code {
            error.insert("code".into(), json!(code));
            let page = code.replace('_', "-");
            let url = format!("https://stripe.com/docs/error-codes/{page}");
            error.insert("doc_url".into(), json!(url));
        }
        error.insert("message".into(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".into(), json!(param));
        }
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        error.insert("request_log_url".into(), json!(log));
        error.insert("type".into(), json!(self.kind));
        json!({ "error": error })
    }
}
