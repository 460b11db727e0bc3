use super::*;
use axum::http::HeaderValue;
use http_body_util::BodyExt as _;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use crate::controller::WatchedObject;

fn gate(unknown: UnknownTenants) -> Arc<Gate> {
    let index = Arc::new(AccessIndex::default());
    index.observe(&Event::Init);
    for (name, level) in [
        ("full", "Full"),
        ("limited", "Limited"),
        ("suspended", "Suspended"),
    ] {
        let object: WatchedObject = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "tenants"}, "spec": {},
            "status": {"plan": "pro", "access": {
                "level": level, "reason": "Because", "since": "2026-01-01T00:00:00Z",
                "until": (level == "Limited").then_some("2026-01-02T00:00:00Z"),
                "limits": {"requestsPerMinute": 60},
            }},
        }))
        .unwrap();
        index.observe(&Event::InitApply(object));
    }
    index.observe(&Event::InitDone);
    Gate::new(index, unknown, &mut Registry::default())
}

fn query(text: &str) -> AskedQuery {
    let uri = format!("/?{text}").parse().unwrap();
    Query::try_from_uri(&uri)
}

async fn path(gate: &Arc<Gate>, tenant: &str, asked: &str) -> (StatusCode, HeaderMap, Value) {
    let path = Ok(Path(tenant.to_owned()));
    read(by_path(State(gate.clone()), path, query(asked)).await).await
}

async fn read(response: Response) -> (StatusCode, HeaderMap, Value) {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    (parts.status, parts.headers, body)
}

#[tokio::test]
async fn who_may_use_something_passes_and_who_may_not_has_to_pay_first() {
    let gate = gate(UnknownTenants::Allow);
    for (tenant, status, level) in [
        ("tenants/full", 200, "Full"),
        ("tenants/limited", 200, "Limited"),
        ("tenants/suspended", 402, "Suspended"),
        ("tenants/nobody", 200, "Unknown"),
    ] {
        let (found, headers, body) = path(&gate, tenant, "").await;
        assert_eq!(
            (found.as_u16(), &headers["x-tenant-access"]),
            (status, &HeaderValue::from_static(level))
        );
        assert_eq!(
            (&body["level"], &body["tenantId"]),
            (&json!(level), &json!(tenant))
        );
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn headers_and_body_tell_the_same() {
    let (_, headers, body) = path(&gate(UnknownTenants::Allow), "tenants/limited", "").await;
    for (name, value) in [
        ("x-tenant-access-reason", "Because"),
        ("x-tenant-plan", "pro"),
        ("x-tenant-access-until", "2026-01-02T00:00:00Z"),
        ("x-tenant-limits", r#"{"requestsPerMinute":60}"#),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(
        body,
        json!({
            "tenantId": "tenants/limited", "level": "Limited", "reason": "Because", "plan": "pro",
            "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z",
            "limits": {"requestsPerMinute": 60},
        })
    );
}

#[tokio::test]
async fn a_refusal_has_the_code_that_was_asked_for_and_only_a_refusal() {
    let gate = gate(UnknownTenants::Deny);
    for (asked, code) in [
        ("", 402),
        ("denied=401", 401),
        ("denied=402", 402),
        ("denied=403&x=y", 403),
    ] {
        let found = path(&gate, "tenants/suspended", asked).await.0;
        assert_eq!(found.as_u16(), code, "{asked}");
        assert_eq!(path(&gate, "tenants/nobody", asked).await.0.as_u16(), code);
        assert_eq!(path(&gate, "tenants/limited", asked).await.0, 200);
    }
    for asked in ["denied=200", "denied=", "denied=402&denied=403"] {
        let (status, _, body) = path(&gate, "tenants/full", asked).await;
        let message = body["error"].as_str().unwrap();
        assert!(
            status == 400 && message.contains("denied"),
            "{asked}: {message}"
        );
    }
}

#[tokio::test]
async fn the_header_names_one_tenant_or_the_request_is_refused_with_the_headers_name() {
    let gate = gate(UnknownTenants::Allow);
    let ask = async |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                TENANT_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let exact = by_header(State(gate.clone()), headers.clone(), query("")).await;
        let appended = read(by_appended_path(State(gate.clone()), headers).await).await;
        let exact = read(exact).await;
        assert_eq!((exact.0, &exact.2), (appended.0, &appended.2));
        exact
    };
    assert_eq!(ask(&["tenants/full"]).await.0, 200);
    assert_eq!(ask(&["tenants/suspended"]).await.0, 402);
    let long = "a".repeat(LONGEST_ID + 1);
    for values in [
        &[] as &[&str],
        &[""],
        &["tenants/full", "tenants/full"],
        &["tenants/full, tenants/limited"],
        &["mallory?denied=200"],
        &["größe"],
        &[&long],
    ] {
        let (status, headers, body) = ask(values).await;
        let message = body["error"].as_str().unwrap();
        assert!(
            status == 400 && message.contains("x-tenant-id"),
            "{values:?}: {message}"
        );
        assert_eq!(headers["cache-control"], "no-store");
    }
    let (status, _, body) = path(&gate, "a b", "").await;
    assert!(
        status == 400 && body["error"].as_str().unwrap().contains("/access/"),
        "{body}"
    );
}

#[tokio::test]
async fn before_the_first_list_everybody_is_unknown() {
    let index = Arc::new(AccessIndex::default());
    let gate = Gate::new(
        index.clone(),
        UnknownTenants::Allow,
        &mut Registry::default(),
    );
    let (status, headers, _) = path(&gate, "tenants/full", "").await;
    assert_eq!(status, 200);
    assert_eq!(headers["x-tenant-access-reason"], "NotListedYet");
    assert!(!gate.is_ready());
    index.observe(&Event::Init);
    index.observe(&Event::InitDone);
    assert!(gate.is_ready());
}
