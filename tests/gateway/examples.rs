//! The examples for the gateways that the tests do not run: they are YAML, ask the Service that is shipped
//! at a path that is served, and say what happens when it does not answer.

use std::fs;

use kube::api::PatchParams;
use serde::Deserialize as _;
use serde_json::Value;

use super::support::control_plane::{ControlPlane, apply_object, objects, repository};

/// Every text in a document.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => {
            for item in items {
                texts(item, found);
            }
        }
        Value::Object(fields) => {
            for field in fields.values() {
                texts(field, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_example_asks_the_shipped_service_and_tells_how_it_fails() {
    let shipped = objects(&repository().join("manifests/base/service.yaml")).unwrap();
    let service = "tenant-billing-access";
    let shipped = shipped
        .iter()
        .find(|object| object.metadata.name.as_deref() == Some(service));
    let port = &shipped.unwrap().data["spec"]["ports"][0]["port"];
    assert_eq!(port, 8080);
    let mut count = 0;
    for entry in fs::read_dir(repository().join("examples/gateways")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(
            text.contains("fail open") && text.to_lowercase().contains("fail closed")
                || text.contains("fails closed"),
            "{name} does not tell how it fails"
        );
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let documents: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
            .map(|document| Value::deserialize(document).unwrap())
            .collect();
        let mut found = Vec::new();
        for document in &documents {
            texts(document, &mut found);
        }
        assert!(
            found.iter().any(|text| text.contains(service)),
            "{name} asks nobody"
        );
        let served = |text: &&str| text.contains("/ext-authz") || text.contains("/access/");
        assert!(found.iter().any(served), "{name} asks for nothing");
    }
    assert!(count >= 4, "{count} examples");
}

#[tokio::test]
async fn a_server_accepts_the_ingress() {
    let admin = ControlPlane::shared().await.admin().await;
    let file = repository().join("examples/gateways/ingress-nginx.yaml");
    let dry_run = PatchParams::apply("tests").force().dry_run();
    for object in objects(&file).unwrap() {
        apply_object(&admin, &object, &dry_run).await.unwrap();
        let annotations = object.metadata.annotations.unwrap();
        let url = &annotations["nginx.ingress.kubernetes.io/auth-url"];
        assert!(!url.contains([' ', '\n']), "{url:?}");
    }
}
