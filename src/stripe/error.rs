//! What can go wrong between here and Stripe, reduced to what decides what happens next.

use std::fmt;

use miniserde::Deserialize;

/// The kind of a failure: what to do about it follows from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// No connection, or it broke.
    Network,
    /// No complete answer within the time limit.
    Timeout,
    /// Too many requests, or too much contention for one object.
    RateLimited,
    /// Stripe failed (5xx).
    Server,
    /// The key is missing, malformed or no longer valid.
    Unauthorized,
    /// The key is valid but may not do this.
    Forbidden,
    /// The card or other payment method was declined.
    Card,
    /// Stripe says that the object in the path does not exist.
    NotFound,
    /// Another request is working on the same thing.
    Conflict,
    /// The idempotency key was used for another request before.
    Idempotency,
    /// Stripe understood the request and rejects it; so it will again.
    Invalid,
    /// The answer is not Stripe's, or not what its API version promises.
    Unreadable,
}

/// A request that did not succeed.
///
/// `Display` is one sentence, fit for a condition or a log line: Stripe's words with anything that
/// looks like a key taken out, and the request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub class: Class,
    /// HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// Stripe's error code, as in `resource_missing`.
    pub code: Option<Box<str>>,
    /// The parameter Stripe objects to.
    pub param: Option<Box<str>>,
    /// Why the bank declined.
    pub decline_code: Option<Box<str>>,
    /// Stripe's message, or ours when Stripe said nothing.
    pub message: String,
    /// `req_…`, under which the Dashboard shows the request.
    pub request_id: Option<Box<str>>,
    /// The answer is that of an earlier request with the same idempotency key.
    pub replayed: bool,
    /// The request, or an earlier attempt at it, may have been carried out all the same.
    pub(super) maybe_executed: bool,
}

impl Error {
    /// An error without an answer from Stripe.
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            status: None,
            code: None,
            param: None,
            decline_code: None,
            message: safe(&message.into()),
            request_id: None,
            replayed: false,
            maybe_executed: matches!(class, Class::Timeout | Class::Unreadable),
        }
    }

    /// The error that an answer with a status other than 2xx stands for.
    pub(super) fn from_answer(
        status: u16,
        body: &[u8],
        request_id: Option<&str>,
        replayed: bool,
    ) -> Self {
        let parsed = std::str::from_utf8(body)
            .ok()
            .and_then(|text| miniserde::json::from_str::<ErrorBody>(text).ok());
        let mut error = match parsed {
            Some(ErrorBody { error }) => Self {
                class: classify(status, &error),
                code: error.code.map(Into::into),
                param: error.param.map(Into::into),
                decline_code: error.decline_code.map(Into::into),
                ..Self::new(Class::Invalid, error.message.unwrap_or_default())
            },
            None => Self::new(
                classify_foreign(status),
                "the answer is not one of Stripe's; is a proxy in between?",
            ),
        };
        error.status = Some(status);
        error.request_id = request_id.map(Into::into);
        error.replayed = replayed;
        error.maybe_executed = matches!(error.class, Class::Server | Class::Unreadable);
        error
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.class,
            Class::Network
                | Class::Timeout
                | Class::RateLimited
                | Class::Server
                | Class::Conflict
                | Class::Unreadable
        )
    }

    /// Whether the request may have been carried out although it failed here: before a creation is
    /// repeated under another key, what it would have made has to be looked for.
    pub fn outcome_unknown(&self) -> bool {
        self.maybe_executed
    }

    /// Whether Stripe says that an object, in the path or in a parameter, does not exist.
    pub fn is_missing(&self) -> bool {
        self.class == Class::NotFound || self.code.as_deref() == Some("resource_missing")
    }

    /// Carries over that an earlier attempt may have been executed, unless this answer proves how
    /// it ended: with one idempotency key, a verdict on the request is the verdict on all attempts.
    pub(super) fn after(mut self, earlier_unknown: bool) -> Self {
        let verdict = matches!(self.class, Class::Card | Class::Invalid | Class::NotFound);
        self.maybe_executed |= earlier_unknown && !verdict;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lead = match self.class {
            Class::Network => "Stripe could not be reached",
            Class::Timeout => "Stripe did not answer in time",
            Class::RateLimited => "Stripe asks for fewer requests",
            Class::Server => "Stripe failed",
            Class::Unauthorized => "Stripe does not accept the key",
            Class::Forbidden => "the key may not do this",
            Class::Card => "the payment method was declined",
            Class::NotFound => "Stripe does not know the object",
            Class::Conflict => "another request is working on the same object",
            Class::Idempotency => "the idempotency key was used for another request",
            Class::Invalid => "Stripe rejected the request",
            Class::Unreadable => "the answer could not be read",
        };
        f.write_str(lead)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message.trim_end_matches('.'))?;
        }
        let status = self.status.map(|status| status.to_string());
        let details: Vec<String> = [
            ("", self.code.as_deref()),
            ("parameter ", self.param.as_deref()),
            ("declined as ", self.decline_code.as_deref()),
            ("status ", status.as_deref()),
            ("request ", self.request_id.as_deref()),
        ]
        .into_iter()
        .filter_map(|(label, value)| Some(format!("{label}{}", safe(value?))))
        .collect();
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl stripe_client_core::StripeClientErr for Error {
    fn deserialize_err(message: impl fmt::Display) -> Self {
        Self::new(Class::Unreadable, message.to_string())
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorView,
}

#[derive(Deserialize)]
struct ErrorView {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    param: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

fn classify(status: u16, error: &ErrorView) -> Class {
    let kind = error.kind.as_deref().unwrap_or_default();
    match (status, error.code.as_deref()) {
        (_, Some("idempotency_key_in_use")) => Class::Conflict,
        _ if kind == "idempotency_error" => Class::Idempotency,
        (401, _) => Class::Unauthorized,
        (403, _) => Class::Forbidden,
        (404, _) => Class::NotFound,
        (409, _) => Class::Conflict,
        (429, _) => Class::RateLimited,
        (424 | 500.., _) => Class::Server,
        (402, _) => Class::Card,
        _ if kind == "card_error" => Class::Card,
        (400..=499, _) => Class::Invalid,
        _ => Class::Unreadable,
    }
}

/// A page of a proxy or a CDN. Its 404 must not pass for "the customer is gone", nor its 401 for a
/// revoked key.
fn classify_foreign(status: u16) -> Class {
    match status {
        429 => Class::RateLimited,
        500.. => Class::Server,
        _ => Class::Unreadable,
    }
}

/// One line of bounded length, with everything that looks like a secret cut short.
fn safe(text: &str) -> String {
    const LONGEST: usize = 500;
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        match secret_in(word) {
            Some(start) => {
                line.push_str(&word[..start]);
                line.push_str("[redacted]");
            }
            None => line.push_str(word),
        }
    }
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 1).collect();
        line.push('…');
    }
    line
}

/// Where in a word a key or secret begins.
fn secret_in(word: &str) -> Option<usize> {
    ["sk_", "rk_", "whsec_", "_secret_"]
        .iter()
        .filter_map(|mark| {
            // `task_1` contains `sk_` and is no key, and neither is the prefix alone.
            let is_secret = |start: &usize| {
                let alphanumeric = |c: char| c.is_ascii_alphanumeric();
                let inside = word[..*start].ends_with(alphanumeric);
                let alone = !word[start + mark.len()..].starts_with(alphanumeric);
                *mark == "_secret_" || !(inside || alone)
            };
            word.match_indices(mark)
                .map(|(start, _)| start)
                .find(is_secret)
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripe(status: u16, body: &str) -> Error {
        Error::from_answer(status, body.as_bytes(), Some("req_1"), false)
    }

    #[test]
    fn statuses_and_types_decide_the_class() {
        for (status, body, class) in [
            (
                400,
                r#"{"error":{"type":"invalid_request_error"}}"#,
                Class::Invalid,
            ),
            (
                400,
                r#"{"error":{"type":"idempotency_error"}}"#,
                Class::Idempotency,
            ),
            (
                401,
                r#"{"error":{"type":"invalid_request_error"}}"#,
                Class::Unauthorized,
            ),
            (402, r#"{"error":{"type":"card_error"}}"#, Class::Card),
            (
                403,
                r#"{"error":{"type":"invalid_request_error"}}"#,
                Class::Forbidden,
            ),
            (
                404,
                r#"{"error":{"code":"resource_missing"}}"#,
                Class::NotFound,
            ),
            (
                409,
                r#"{"error":{"type":"idempotency_error"}}"#,
                Class::Idempotency,
            ),
            (
                409,
                r#"{"error":{"code":"idempotency_key_in_use","type":"idempotency_error"}}"#,
                Class::Conflict,
            ),
            (409, r#"{"error":{"type":"api_error"}}"#, Class::Conflict),
            (
                429,
                r#"{"error":{"code":"lock_timeout"}}"#,
                Class::RateLimited,
            ),
            (500, r#"{"error":{"type":"api_error"}}"#, Class::Server),
            (404, "<html>not here</html>", Class::Unreadable),
            (401, "<html>log in to the proxy</html>", Class::Unreadable),
            (429, "slow down", Class::RateLimited),
            (502, "<html>bad gateway</html>", Class::Server),
            (302, "", Class::Unreadable),
        ] {
            assert_eq!(stripe(status, body).class, class, "{status} {body}");
            assert_eq!(stripe(status, body).status, Some(status));
        }
    }

    #[test]
    fn an_error_is_one_sentence_without_secrets_or_payment_objects() {
        let error = stripe(
            402,
            r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds",
               "message":"Your card has insufficient funds.\nKey (sk_live_51abc) task_1.","param":"source",
               "payment_intent":{"id":"pi_1","client_secret":"pi_1_secret_x"}}}"#,
        );
        assert_eq!(
            error.to_string(),
            "the payment method was declined: Your card has insufficient funds. Key ([redacted] task_1 \
             (card_declined, parameter source, declined as insufficient_funds, status 402, request req_1)"
        );
        assert!(!format!("{error:?}").contains("sk_live_51abc"));
        assert_eq!(
            safe("use pi_1_secret_x please"),
            "use pi_1[redacted] please"
        );
        assert_eq!(
            safe("keys are like sk_… (or rk_…)"),
            "keys are like sk_… (or rk_…)"
        );
        assert_eq!(safe(&"x".repeat(900)).chars().count(), 500);
    }

    #[test]
    fn an_outcome_stays_unknown_until_stripe_gives_a_verdict() {
        assert!(stripe(500, "{}").outcome_unknown());
        assert!(Error::new(Class::Timeout, "").outcome_unknown());
        assert!(!stripe(400, r#"{"error":{}}"#).outcome_unknown());
        assert!(!stripe(429, r#"{"error":{}}"#).outcome_unknown());
        assert!(stripe(429, r#"{"error":{}}"#).after(true).outcome_unknown());
        assert!(stripe(401, r#"{"error":{}}"#).after(true).outcome_unknown());
        assert!(!stripe(402, r#"{"error":{}}"#).after(true).outcome_unknown());
    }
}
