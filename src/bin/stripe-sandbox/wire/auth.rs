//! API keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StripeError;

/// The account keys belong to unless said otherwise.
pub const DEFAULT_ACCOUNT: &str = "acct_1SandboxDefault00";

/// Which keys are valid, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Keys refused.
    pub revoked: BTreeSet<String>,
    /// Keys of accounts other than the default one.
    pub accounts: BTreeMap<String, String>,
}

/// Whom a request acts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller {
    /// `acct_…`
    pub account: String,
    /// Live or test data.
    pub livemode: bool,
}

impl Keys {
    /// Checks an `Authorization` header.
    pub fn authenticate(&self, header: Option<&str>) -> Result<Caller, StripeError> {
        let refuse = |message: String| StripeError::invalid(message).status(401);
        let Some(key) = header.and_then(key) else {
            return Err(refuse(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using \
                 Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See \
                 https://stripe.com/docs/api#authentication for details, or we can help at \
                 https://support.stripe.com/."
                    .to_owned(),
            ));
        };
        let livemode = match mode(&key) {
            Some(livemode) if !self.revoked.contains(&key) => livemode,
            _ => {
                return Err(refuse(format!(
                    "Invalid API Key provided: {}",
                    masked(&key)
                )));
            }
        };
        let account = self
            .accounts
            .get(&key)
            .map_or(DEFAULT_ACCOUNT, String::as_str)
            .to_owned();
        Ok(Caller { account, livemode })
    }
}

/// Whether a secret or restricted key is a live one; `None` when it is neither.
fn mode(key: &str) -> Option<bool> {
    let rest = key
        .strip_prefix("sk_")
        .or_else(|| key.strip_prefix("rk_"))?;
    let (mode, secret) = rest.split_once('_')?;
    let well_formed = !secret.is_empty()
        && secret
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match mode {
        "test" if well_formed => Some(false),
        "live" if well_formed => Some(true),
        _ => None,
    }
}

/// All but the last four characters hidden, as Stripe does.
fn masked(key: &str) -> String {
    let length = key.chars().count();
    key.chars()
        .enumerate()
        .map(|(at, c)| if at < 8 || at + 4 >= length { c } else { '*' })
        .collect()
}

fn key(header: &str) -> Option<String> {
    let (scheme, credentials) = header.split_once(' ')?;
    let key = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().to_owned(),
        "basic" => {
            let decoded = String::from_utf8(base64(credentials.trim())?).ok()?;
            decoded.split(':').next()?.to_owned()
        }
        _ => return None,
    };
    (!key.is_empty()).then_some(key)
}

/// Decodes standard base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut have) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push(((bits >> have) & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_and_basic_name_the_same_caller() {
        let keys = Keys::default();
        let bearer = keys.authenticate(Some("Bearer sk_test_abc")).unwrap();
        // "sk_test_abc:"
        assert_eq!(
            keys.authenticate(Some("Basic c2tfdGVzdF9hYmM6")).unwrap(),
            bearer
        );
        assert!(!bearer.livemode);
        assert!(
            keys.authenticate(Some("Bearer rk_live_abc"))
                .unwrap()
                .livemode
        );
    }

    #[test]
    fn absent_malformed_and_revoked_keys_are_refused() {
        let mut keys = Keys::default();
        keys.revoked.insert("sk_test_gone".into());
        for header in [
            None,
            Some("Bearer "),
            Some("Bearer pk_test_a"),
            Some("Bearer sk_test_gone"),
        ] {
            assert_eq!(
                keys.authenticate(header).unwrap_err().status,
                401,
                "{header:?}"
            );
        }
    }
}
