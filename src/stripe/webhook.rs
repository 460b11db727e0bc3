//! Webhooks as Stripe signs and sends them: whether a request is Stripe's, and what it points at.
//!
//! Pure: no IO, no clock, no log. Of a body nothing is kept but a few ids; the rest is passed over
//! as it is read, and no message repeats any of it.
//!
//! The scheme is that of Stripe's documentation: the header `Stripe-Signature` carries a time `t` and
//! one or more `v1`, each HMAC-SHA256 over `t`, a full stop and the raw body. During a rotation Stripe
//! signs with both secrets, and so does this side accept any of several.

mod envelope;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use hmac::digest::CtOutput;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

pub use self::envelope::{Notice, notice};

/// How far the time of a signature may be from now, in either direction. Stripe's own libraries
/// allow as much. A repetition by Stripe is signed anew, so only a replay by others is older.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Bytes of HMAC-SHA256.
const DIGEST: usize = 32;

/// Why a request is refused. Says what to do about it, and nothing of what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is missing.
    #[error(
        "the header Stripe-Signature is missing; only Stripe's own requests are taken here, and a \
         proxy in between has to pass the header on"
    )]
    Unsigned,
    /// The header is not of Stripe's form.
    #[error(
        "the header Stripe-Signature is not of the form t=TIME,v1=SIGNATURE; is a proxy changing it?"
    )]
    Malformed,
    /// The header holds only schemes other than `v1`.
    #[error("the header Stripe-Signature holds no signature of the scheme v1")]
    UnknownScheme,
    /// No secret gives this signature.
    #[error(
        "the signature fits none of the signing secrets; give the operator the secret (whsec_…) of \
         this endpoint, and let no proxy change the body"
    )]
    Forged,
    /// The signature is genuine and was made at another time.
    #[error(
        "the signature was made {0} s from now, and at most 300 are allowed; a request that was \
         replayed is refused, so let the clocks of the cluster be right"
    )]
    OutOfTime(i64),
    /// The body is signed, but is no event.
    #[error("the body is not one of Stripe's events; send this endpoint nothing but events")]
    NotAnEvent,
}

/// The secret of a webhook endpoint, ready for use. Never printed.
#[derive(Clone)]
pub struct SigningSecret(Hmac<Sha256>);

impl SigningSecret {
    /// Takes a secret as Stripe shows it (`whsec_…`). There is none in an empty text.
    pub fn new(secret: &str) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// Signs a body as Stripe does. Gives the header's value.
    pub fn sign(&self, body: &[u8], time: Timestamp) -> String {
        use fmt::Write as _;
        let time = time.as_second();
        let mut header = format!("t={time},v1=");
        let digest = self.digest(time.to_string().as_bytes(), body).into_bytes();
        for byte in digest {
            // Writing to a string does not fail.
            let _ = write!(header, "{byte:02x}");
        }
        header
    }

    fn digest(&self, time: &[u8], body: &[u8]) -> CtOutput<Hmac<Sha256>> {
        let mut mac = self.0.clone();
        mac.update(time);
        mac.update(b".");
        mac.update(body);
        mac.finalize()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Checks that a body was signed with one of the secrets, and lately.
///
/// # Errors
/// Says why it is not taken for Stripe's.
pub fn verify(
    header: Option<&[u8]>,
    body: &[u8],
    secrets: &[SigningSecret],
    now: Timestamp,
) -> Result<(), Refusal> {
    let header = header.ok_or(Refusal::Unsigned)?;
    let time = time_of(header)?;
    if candidates(header).next().is_none() {
        return Err(Refusal::UnknownScheme);
    }
    let genuine = secrets.iter().any(|secret| {
        // The comparison takes the same time wherever the two differ.
        let expected = secret.digest(time, body);
        candidates(header).any(|candidate| CtOutput::new(candidate.into()) == expected)
    });
    if !genuine {
        return Err(Refusal::Forged);
    }
    let age = now.as_second().saturating_sub(seconds(time)?);
    if age.unsigned_abs() > TOLERANCE.as_secs() {
        return Err(Refusal::OutOfTime(age));
    }
    Ok(())
}

/// The fields of the header, as name and value.
fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|byte| *byte == b',').filter_map(|field| {
        let at = field.iter().position(|byte| *byte == b'=')?;
        Some((field[..at].trim_ascii(), field[at + 1..].trim_ascii()))
    })
}

/// The one time in the header, in the digits that were signed.
fn time_of(header: &[u8]) -> Result<&[u8], Refusal> {
    let mut times = fields(header).filter(|(name, _)| *name == b"t");
    match (times.next(), times.next()) {
        (Some((_, time)), None) => seconds(time).map(|_| time),
        _ => Err(Refusal::Malformed),
    }
}

fn seconds(digits: &[u8]) -> Result<i64, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Refusal::Malformed)?;
    text.parse().map_err(|_| Refusal::Malformed)
}

/// Every signature of the scheme in use that has the right length.
fn candidates(header: &[u8]) -> impl Iterator<Item = [u8; DIGEST]> {
    fields(header)
        .filter(|(name, _)| *name == b"v1")
        .filter_map(|(_, hex)| unhex(hex))
}

fn unhex(hex: &[u8]) -> Option<[u8; DIGEST]> {
    if hex.len() != 2 * DIGEST {
        return None;
    }
    let mut bytes = [0; DIGEST];
    for (byte, digits) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}
