use jiff::Timestamp;
use proptest::prelude::*;

use super::{Notice, Refusal, SigningSecret, notice, verify};
use crate::stripe::Event;

const NOW: i64 = 1_790_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn secret(text: &str) -> SigningSecret {
    SigningSecret::new(text).unwrap()
}

/// Checks a header against the secrets `whsec_new` and `whsec_old`.
fn checked(header: &str, body: &[u8]) -> Result<(), Refusal> {
    let secrets = [secret("whsec_new"), secret("whsec_old")];
    verify(Some(header.as_bytes()), body, &secrets, at(NOW))
}

#[test]
fn the_signature_is_the_one_that_openssl_computes() {
    // printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_test
    let mac = "35495024f4ef3f94e5a93e22221544c4b75e9a42300cd965ab81cb85cd994e91";
    let header = secret("whsec_test").sign(b"{}", at(1_700_000_000));
    assert_eq!(header, format!("t=1700000000,v1={mac}"));
}

#[test]
fn each_of_several_secrets_and_each_of_several_signatures_will_do() {
    let body = br#"{"id":"evt_1"}"#;
    let old = secret("whsec_old").sign(body, at(NOW));
    let new = secret("whsec_new").sign(body, at(NOW));
    let other = secret("whsec_other").sign(body, at(NOW));
    assert_eq!(checked(&old, body), Ok(()));
    assert_eq!(checked(&new, body), Ok(()));
    assert_eq!(checked(&other, body), Err(Refusal::Forged));
    // As Stripe signs while a secret is rotated, with schemes nobody knows and spaces around.
    let both = format!("{other}, v0=abc , {}", old.split_once(',').unwrap().1);
    assert_eq!(checked(&both, body), Ok(()));
}

#[test]
fn a_changed_body_or_time_makes_it_a_forgery() {
    let header = secret("whsec_new").sign(b"body", at(NOW));
    assert_eq!(checked(&header, b"body"), Ok(()));
    assert_eq!(checked(&header, b"bodz"), Err(Refusal::Forged));
    assert_eq!(checked(&header, b"bod"), Err(Refusal::Forged));
    let moved = header.replace(&NOW.to_string(), &(NOW + 1).to_string());
    assert_eq!(checked(&moved, b"body"), Err(Refusal::Forged));
}

#[test]
fn a_replay_is_refused_after_five_minutes_in_either_direction() {
    for (age, expected) in [
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err(Refusal::OutOfTime(301))),
        (-301, Err(Refusal::OutOfTime(-301))),
        (86_400, Err(Refusal::OutOfTime(86_400))),
    ] {
        let header = secret("whsec_new").sign(b"{}", at(NOW - age));
        assert_eq!(checked(&header, b"{}"), expected, "{age}");
    }
}

#[test]
fn headers_of_another_form_are_named_as_that() {
    let signature = "0".repeat(64);
    let with = |time: &str| format!("t={time},v1={signature}");
    for malformed in [
        String::new(),
        format!("v1={signature}"),
        with(""),
        with("-1"),
        with("+1"),
        with("1e9"),
        with("99999999999999999999"),
        format!("t=1,t=2,v1={signature}"),
    ] {
        let found = checked(&malformed, b"{}");
        assert_eq!(found, Err(Refusal::Malformed), "{malformed}");
    }
    for unknown in ["t=1", "t=1,v0=00", "t=1,v1=", "t=1,v1=00", "t=1,v1"] {
        let found = checked(unknown, b"{}");
        assert_eq!(found, Err(Refusal::UnknownScheme), "{unknown}");
    }
    let not_hex = format!("t=1,v1={}", "zz".repeat(32));
    assert_eq!(checked(&not_hex, b"{}"), Err(Refusal::UnknownScheme));
    assert_eq!(verify(None, b"{}", &[], at(NOW)), Err(Refusal::Unsigned));
    assert_eq!(checked(&with("1"), b"{}"), Err(Refusal::Forged));
}

#[test]
fn no_secret_means_that_nothing_is_genuine_and_an_empty_one_is_none() {
    let header = secret("whsec_new").sign(b"{}", at(NOW));
    let found = verify(Some(header.as_bytes()), b"{}", &[], at(NOW));
    assert_eq!(found, Err(Refusal::Forged));
    assert!(SigningSecret::new("").is_none());
    assert_eq!(format!("{:?}", secret("whsec_new")), "[redacted]");
}

#[test]
fn every_refusal_says_what_to_do_and_nothing_of_the_body() {
    for (refusal, cure) in [
        (Refusal::Unsigned, "has to pass the header on"),
        (Refusal::Malformed, "is a proxy changing it?"),
        (Refusal::UnknownScheme, "scheme v1"),
        (Refusal::Forged, "give the operator the secret"),
        (Refusal::OutOfTime(400), "clocks of the cluster"),
        (Refusal::NotAnEvent, "nothing but events"),
    ] {
        assert!(refusal.to_string().contains(cure), "{refusal}");
    }
}

fn event(json: &str) -> Event {
    match notice(json.as_bytes()) {
        Ok(Notice::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_an_event_only_what_it_points_at_is_read() {
    let read = event(
        r#"{"id":"evt_1","object":"event","type":"customer.subscription.updated","created":7,
            "livemode":false,"api_version":"2099-01-01.future","pending_webhooks":1,"data":{"object":{
            "id":"sub_1","object":"subscription","customer":"cus_1","items":{"data":[{"id":"si_1","x":[1,{}]}]},
            "metadata":{"tenantbilling_owner":"default","other":"x"}},"previous_attributes":{"status":"trialing"}},
            "request":{"id":null}}"#,
    );
    let expected = Event {
        id: "evt_1".into(),
        kind: "customer.subscription.updated".into(),
        created: 7,
        livemode: Some(false),
        account: None,
        object: "subscription".into(),
        object_id: Some("sub_1".into()),
        customer: Some("cus_1".into()),
        subscription: None,
        owner: Some("default".into()),
    };
    assert_eq!(read, expected);
}

#[test]
fn expanded_objects_former_customers_and_connected_accounts_are_read_as_ids() {
    let read = event(
        r#"{"id":"evt_1","object":"event","type":"x","created":7,"account":"acct_2","data":{"object":{
            "id":"in_1","object":"invoice","customer":{"object":"customer","id":"cus_1"},"subscription":null}}}"#,
    );
    assert_eq!(read.customer.as_deref(), Some("cus_1"));
    assert_eq!(read.account.as_deref(), Some("acct_2"));
    let read = event(
        r#"{"id":"evt_1","object":"event","type":"payment_method.detached","created":7,"data":{"object":{
            "id":"pm_1","object":"payment_method","customer":null},"previous_attributes":{"customer":"cus_1"}}}"#,
    );
    assert_eq!(read.customer.as_deref(), Some("cus_1"));
}

#[test]
fn an_event_without_an_id_in_its_object_is_one_all_the_same() {
    let read = event(
        r#"{"id":"evt_1","object":"event","type":"invoice.upcoming","created":7,
            "data":{"object":{"object":"invoice","customer":"cus_1","id":7,"metadata":null}}}"#,
    );
    assert_eq!(read.object_id, None);
    assert_eq!(read.customer.as_deref(), Some("cus_1"));
}

#[test]
fn a_thin_event_is_told_from_others() {
    let thin =
        br#"{"id":"evt_test_1","object":"v2.core.event","created":"2026-11-22T08:00:00.000Z",
        "type":"v1.billing.meter.error_report_triggered","livemode":true,
        "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}"#;
    let expected = Notice::Thin {
        id: "evt_test_1".into(),
        kind: "v1.billing.meter.error_report_triggered".into(),
    };
    assert_eq!(notice(thin), Ok(expected));
}

#[test]
fn what_is_no_event_is_refused() {
    let long = format!(
        r#"{{"id":"{}","object":"event","type":"x","created":1}}"#,
        "e".repeat(300)
    );
    let nested = "[".repeat(100_000);
    for body in [
        "",
        "null",
        "[]",
        "\"evt_1\"",
        r#"{"id":"evt_1"}"#,
        r#"{"id":"evt_1","object":"event","type":"x"}"#,
        r#"{"id":"evt_1","object":"customer","type":"x","created":1}"#,
        r#"{"id":null,"object":"event","type":"x","created":1}"#,
        r#"{"id":"evt_1","object":"event","type":"x","created":1}trailing"#,
        r#"{"id":"evt_1","object":"event","type":"x","created":1,"data":{"object":{"id""#,
        &long,
        &nested,
    ] {
        let shown = &body[..body.len().min(80)];
        assert_eq!(notice(body.as_bytes()), Err(Refusal::NotAnEvent), "{shown}");
    }
    let not_text = [
        &b"{\"id\":\"evt_\xff\""[..],
        b"\xff\xfe",
        b"{\"\xc3\x28\":1}",
    ];
    for body in not_text {
        assert_eq!(notice(body), Err(Refusal::NotAnEvent));
    }
}

proptest! {
    #[test]
    fn a_header_with_one_byte_changed_is_refused(at_byte in 0_usize..80, bit in 0_u8..7) {
        let body = br#"{"id":"evt_1"}"#;
        let genuine = secret("whsec_new").sign(body, at(NOW));
        let mut header = genuine.clone().into_bytes();
        let index = at_byte % header.len();
        header[index] ^= 1 << bit;
        // Hexadecimal digits have two cases, and both are the same number.
        let is_digit = index > genuine.len() - 65;
        let same = is_digit && header.eq_ignore_ascii_case(genuine.as_bytes());
        let secrets = [secret("whsec_new")];
        let found = verify(Some(&header), body, &secrets, at(NOW));
        prop_assert_eq!(found.is_ok(), same, "{:?}", String::from_utf8_lossy(&header));
    }

    #[test]
    fn a_truncated_event_is_refused(cut in 1_usize..150) {
        let whole = br#"{"id":"evt_1","object":"event","type":"x","created":1,"data":{"object":{"id":"cus_1","object":"customer","metadata":{"a":"b"}},"p":[1,2,{"q":"r"}]}}"#;
        let kept = whole.len().saturating_sub(cut);
        prop_assert_eq!(notice(&whole[..kept]), Err(Refusal::NotAnEvent));
    }
}
