//! What holds for whatever comes in at the webhook endpoint. Checked by the fuzz target next to this
//! file, and by `tests/hearing` on what proptest thinks of.

use jiff::Timestamp;
use tenant_billing::stripe::{SigningSecret, notice, verify};

/// Feeds a header and a body, neither of which anybody has signed; then the body once more, signed.
///
/// # Panics
/// When something passes that was not signed, or something does not that was; or when reading either
/// panics.
pub fn request(header: &[u8], body: &[u8]) {
    let now = Timestamp::UNIX_EPOCH;
    // Nobody else knows this key, so no input can hold a signature made with it.
    let secrets: Vec<_> = SigningSecret::new("whsec_of_nobody").into_iter().collect();
    assert!(verify(Some(header), body, &secrets, now).is_err());
    assert!(verify(None, body, &secrets, now).is_err());
    for secret in &secrets {
        let genuine = secret.sign(body, now);
        assert_eq!(
            verify(Some(genuine.as_bytes()), body, &secrets, now),
            Ok(())
        );
        // One more byte is another body.
        let mut longer = body.to_vec();
        longer.push(b' ');
        assert!(verify(Some(genuine.as_bytes()), &longer, &secrets, now).is_err());
    }
    // As one reads it who has found a secret: an event, or a refusal, and each time the same.
    assert_eq!(notice(body), notice(body));
}
