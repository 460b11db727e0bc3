//! Every manifest that users are shown is accepted by a server and by the operator's own rules.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use kube::{
    Api,
    api::{DynamicObject, PostParams},
};
use serde::Deserialize as _;
use serde_json::Value;
use support::{
    control_plane::{ControlPlane, repository},
    kstatus::resource,
};
use tenant_billing::{
    api::{BillingPlanSpec, TenantBillingSpec},
    converge::{catalogue, desired},
};

/// The manifests in `examples/` and in the README, each with where it stands.
fn shown() -> Vec<(String, Value)> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            texts.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    for block in readme.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap().to_owned();
        texts.push(("README.md".to_owned(), block));
    }
    let documents = texts.iter().flat_map(|(name, text)| {
        serde_yaml::Deserializer::from_str(text)
            .map(|document| (name.clone(), Value::deserialize(document).unwrap()))
    });
    documents
        .filter(|(_, document)| !document.is_null())
        .collect()
}

#[tokio::test]
async fn every_manifest_that_users_are_shown_is_accepted() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace().await;
    let admin = control_plane.admin().await;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut kinds = std::collections::BTreeMap::new();
    for (place, mut manifest) in shown() {
        let kind = manifest["kind"].as_str().unwrap().to_owned();
        let spec = manifest["spec"].clone();
        let api: Api<DynamicObject> = match kind.as_str() {
            "BillingPlan" => {
                let spec: BillingPlanSpec = serde_json::from_value(spec).unwrap();
                catalogue::desired("default", "example", &spec).unwrap();
                Api::all_with(admin.clone(), &resource(&kind))
            }
            "TenantBilling" => {
                let spec: TenantBillingSpec = serde_json::from_value(spec).unwrap();
                desired::check_tenant(&spec).unwrap();
                manifest["metadata"]["namespace"] = Value::from(namespace.as_str());
                Api::namespaced_with(admin.clone(), &namespace, &resource(&kind))
            }
            "Namespace" => continue,
            other => panic!("{place}: an unexpected {other}"),
        };
        let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
        let accepted = api.create(&dry_run, &object).await.unwrap();
        // What the schema does not know is pruned without a word.
        assert_eq!(
            accepted.data["spec"].as_object().unwrap().len(),
            with_defaults(&manifest)
        );
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert!(
        kinds["BillingPlan"] >= 4 && kinds["TenantBilling"] >= 4,
        "{kinds:?}"
    );
}

/// How many fields the spec has once the server has added its defaults.
fn with_defaults(manifest: &Value) -> usize {
    let spec = manifest["spec"].as_object().unwrap();
    let defaulted: &[&str] = match manifest["kind"].as_str() {
        Some("BillingPlan") => &["taxBehavior"],
        Some("TenantBilling") => &["lifecycle", "deletionPolicy", "suspend", "quantity"],
        _ => &[],
    };
    spec.len()
        + defaulted
            .iter()
            .filter(|field| !spec.contains_key(**field))
            .count()
}
