//! Tests of what the other tests stand on: that the control plane is shared and has the shipped
//! rights installed, and that no rule of kstatus can be broken unnoticed.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "also in the functions tests share")]

mod support;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use support::{
    control_plane::{ControlPlane, SYSTEM_NAMESPACE, apply_object, may, objects, repository},
    kstatus::{KstatusWatch, Rule, assert_kstatus, resource, violations},
};

#[tokio::test]
async fn the_shipped_rights_are_what_the_operator_needs_and_no_more() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace().await;
    let operator = control_plane.operator().await;
    let tenants = "tenantbilling.io/tenantbillings";
    let leases = "coordination.k8s.io/leases";
    for (verb, resource, namespace, allowed) in [
        ("watch", tenants, "", true),
        ("patch", tenants, &*namespace, true),
        (
            "patch",
            "tenantbilling.io/tenantbillings/status",
            &namespace,
            true,
        ),
        ("patch", "tenantbilling.io/billingplans/status", "", true),
        ("create", "events.k8s.io/events", &namespace, true),
        ("patch", "events.k8s.io/events", &namespace, true),
        ("update", leases, SYSTEM_NAMESPACE, true),
        ("create", "/configmaps", SYSTEM_NAMESPACE, true),
        (
            "patch",
            "/configmaps:tenant-billing-operator-events",
            SYSTEM_NAMESPACE,
            true,
        ),
        (
            "get",
            "/configmaps:tenant-billing-operator-events",
            SYSTEM_NAMESPACE,
            true,
        ),
        (
            "delete",
            "/configmaps:tenant-billing-operator-events",
            SYSTEM_NAMESPACE,
            false,
        ),
        (
            "patch",
            "/configmaps:tenant-billing-operator-enforcement",
            SYSTEM_NAMESPACE,
            true,
        ),
        (
            "delete",
            "/configmaps:tenant-billing-operator-enforcement",
            SYSTEM_NAMESPACE,
            false,
        ),
        ("create", "/configmaps", &namespace, true),
        ("watch", "/configmaps", "", true),
        ("patch", "/configmaps", &namespace, true),
        ("delete", "/configmaps", &namespace, false),
        ("update", "/configmaps", &namespace, false),
        ("create", tenants, &namespace, false),
        ("delete", tenants, &namespace, false),
        ("patch", "tenantbilling.io/billingplans", "", false),
        ("update", leases, &namespace, false),
        ("get", "/secrets", SYSTEM_NAMESPACE, false),
    ] {
        assert_eq!(
            may(&operator, verb, resource, namespace).await,
            allowed,
            "{verb} {resource} in {namespace:?}"
        );
    }
}

#[tokio::test]
async fn tests_share_the_control_plane_and_have_namespaces_of_their_own() {
    let (one, two) = (ControlPlane::shared().await, ControlPlane::shared().await);
    assert_eq!(one.dir(), two.dir());
    let (first, second) = (one.namespace().await, two.namespace().await);
    assert_ne!(first, second);

    let maps: Api<ConfigMap> = Api::namespaced(one.admin().await, &first);
    let map = serde_json::from_value(json!({"metadata": {"name": "map"}})).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let elsewhere: Api<ConfigMap> = Api::namespaced(two.admin().await, &second);
    assert!(elsewhere.get_opt("map").await.unwrap().is_none());

    let denied = Api::<Namespace>::all(one.operator().await)
        .get("default")
        .await
        .unwrap_err();
    assert!(matches!(denied, kube::Error::Api(status) if status.is_forbidden()));
}

/// The files that `manifests/default` consists of, but for the CRDs, which are installed already.
fn shipped_files() -> Vec<std::path::PathBuf> {
    let files = ["base", "default"].into_iter().flat_map(|name| {
        let dir = repository().join("manifests").join(name);
        let kustomization = std::fs::read_to_string(dir.join("kustomization.yaml")).unwrap();
        let kustomization: Value = serde_yaml::from_str(&kustomization).unwrap();
        let resources = kustomization["resources"].as_array().unwrap().clone();
        resources
            .into_iter()
            .map(move |file| dir.join(file.as_str().unwrap()))
    });
    files.filter(|file| file.is_file()).collect()
}

#[test]
fn the_overlay_for_old_servers_removes_every_cel_rule() {
    for (crd, patch) in [
        ("billingplans", "billingplans"),
        ("tenantbillings", "tenantbillings"),
    ] {
        let read = |path: String| -> Value {
            let text = std::fs::read_to_string(repository().join(path)).unwrap();
            serde_yaml::from_str(&text).unwrap()
        };
        let crd = read(format!("crds/{crd}.yaml"));
        let patch = read(format!("manifests/without-cel/{patch}.yaml"));
        let mut removed: Vec<_> = patch
            .as_array()
            .unwrap()
            .iter()
            .map(|op| op["path"].as_str().unwrap().to_owned())
            .collect();
        let mut rules = Vec::new();
        find_rules(&crd, "", &mut rules);
        removed.sort();
        rules.sort();
        assert!(!rules.is_empty());
        assert_eq!(removed, rules);
    }
}

/// The paths of all `x-kubernetes-validations`.
fn find_rules(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}/{name}");
                if name == "x-kubernetes-validations" {
                    found.push(path);
                } else {
                    find_rules(value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                find_rules(value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// `policy/v1` came with Kubernetes 1.21; the server Debian can build is older.
fn serves(version: &k8s_openapi::apimachinery::pkg::version::Info, object: &DynamicObject) -> bool {
    let policy = object
        .types
        .as_ref()
        .is_some_and(|types| types.api_version == "policy/v1");
    !policy || version.minor.trim_end_matches('+').parse::<u32>().unwrap() >= 21
}

#[tokio::test]
async fn a_server_accepts_every_shipped_manifest() {
    let admin = ControlPlane::shared().await.admin().await;
    let version = admin.apiserver_version().await.unwrap();
    let mut kinds = Vec::new();
    for file in shipped_files() {
        for object in objects(&file)
            .unwrap()
            .iter()
            .filter(|object| serves(&version, object))
        {
            let dry_run = PatchParams::apply("tests").force().dry_run();
            apply_object(&admin, object, &dry_run).await.unwrap();
            kinds.push(object.types.as_ref().unwrap().kind.clone());
        }
    }
    for kind in ["Deployment", "Service", "ClusterRole", "RoleBinding"] {
        assert!(
            kinds.iter().any(|known| known == kind),
            "no {kind} among {kinds:?}"
        );
    }
}

#[tokio::test]
async fn the_webhook_component_fits_the_deployment_and_its_example_is_accepted() {
    let control_plane = ControlPlane::shared().await;
    let admin = control_plane.admin().await;
    let manifests = repository().join("manifests");
    let dry_run = PatchParams::apply("tests").force().dry_run();
    for object in objects(&manifests.join("webhook/ingress.yaml")).unwrap() {
        apply_object(&admin, &object, &dry_run).await.unwrap();
    }

    let namespace = control_plane.namespace().await;
    let mut deployment = objects(&manifests.join("base/deployment.yaml"))
        .unwrap()
        .remove(0);
    deployment.metadata.namespace = Some(namespace.clone());
    let apply = PatchParams::apply("tests").force();
    apply_object(&admin, &deployment, &apply).await.unwrap();
    let text = std::fs::read_to_string(manifests.join("webhook/deployment.yaml")).unwrap();
    let patch: Value = serde_yaml::from_str(&text).unwrap();
    let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
    let api: Api<Deployment> = Api::namespaced(admin, &namespace);
    let patched = api
        .patch("tenant-billing", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let pod = patched.spec.unwrap().template.spec.unwrap();
    let container = &pod.containers[0];
    let mounted = container.volume_mounts.iter().flatten();
    let mounted: Vec<_> = mounted.map(|mount| mount.mount_path.as_str()).collect();
    assert_eq!(mounted, ["/etc/stripe", "/etc/stripe-webhook"]);
    let flags = container.args.clone().unwrap();
    assert_eq!(
        flags.last().unwrap(),
        "--webhook-secret-file=/etc/stripe-webhook"
    );
}

fn condition(kind: &str, status: &str) -> Value {
    json!({
        "type": kind,
        "status": status,
        "reason": "StripeUnavailable",
        "message": "Stripe did not answer; trying again.",
        "observedGeneration": 2,
        "lastTransitionTime": "2026-11-22T08:00:00Z",
    })
}

fn object(conditions: &[Value]) -> Value {
    json!({
        "metadata": {"name": "acme", "generation": 3},
        "status": {"observedGeneration": 2, "conditions": conditions},
    })
}

#[test]
fn statuses_that_keep_the_rules_pass() {
    let ready = condition("Ready", "True");
    let unready = condition("Ready", "False");
    let mut wordless = condition("Drifted", "False");
    wordless["message"] = json!("");
    for conditions in [
        vec![ready.clone()],
        vec![ready, wordless],
        vec![unready.clone(), condition("Reconciling", "True")],
        vec![unready, condition("Stalled", "True")],
        vec![
            condition("Ready", "Unknown"),
            condition("Reconciling", "True"),
        ],
    ] {
        assert_kstatus(&object(&conditions));
    }
}

#[test]
fn an_object_nobody_has_looked_at_passes() {
    assert_kstatus(&json!({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}));
    assert_kstatus(&json!({"metadata": {"generation": 1}}));
}

#[test]
fn each_rule_fails_when_it_alone_is_broken() {
    let changed = |field: &str, value: Value| {
        let mut unready = condition("Ready", "False");
        unready[field] = value;
        vec![unready]
    };
    let ready = || condition("Ready", "True");
    let unready = || condition("Ready", "False");
    let reconciling = || condition("Reconciling", "True");
    let stalled = || condition("Stalled", "True");
    let unborn = {
        let mut object = object(&[unready()]);
        object["metadata"]["generation"] = json!(1);
        object
    };
    let cases = [
        (Rule::ReadyIsPresent, object(&[])),
        (Rule::ReadyIsPresent, object(&[reconciling()])),
        (Rule::TypesAreUnique, object(&[unready(), unready()])),
        (
            Rule::StatusIsKnown,
            object(&changed("status", json!("Maybe"))),
        ),
        (
            Rule::AbnormalOnlyWhenTrue,
            object(&[ready(), condition("Stalled", "False")]),
        ),
        (
            Rule::NeverReconcilingAndStalled,
            object(&[unready(), reconciling(), stalled()]),
        ),
        (
            Rule::ReadyForbidsAbnormal,
            object(&[ready(), reconciling()]),
        ),
        (Rule::ReadyForbidsAbnormal, object(&[ready(), stalled()])),
        (
            Rule::GenerationsAgree,
            object(&changed("observedGeneration", json!(1))),
        ),
        (
            Rule::GenerationsAgree,
            object(&changed("observedGeneration", Value::Null)),
        ),
        (Rule::GenerationExists, unborn),
        (
            Rule::ReasonIsCamelCase,
            object(&changed("reason", json!(""))),
        ),
        (
            Rule::ReasonIsCamelCase,
            object(&changed("reason", json!("stripe-unavailable"))),
        ),
        (
            Rule::MessageIsASentence,
            object(&changed("message", json!(""))),
        ),
        (
            Rule::MessageIsASentence,
            object(&changed("message", json!("Unavailable"))),
        ),
        (
            Rule::TransitionTimeIsSet,
            object(&changed("lastTransitionTime", Value::Null)),
        ),
        (
            Rule::TransitionTimeIsSet,
            object(&changed("lastTransitionTime", json!("today"))),
        ),
    ];
    for (rule, object) in cases {
        let broken: Vec<_> = violations(&object).into_iter().map(|v| v.rule).collect();
        assert_eq!(broken, [rule], "{object:#}");
    }
}

#[test]
#[should_panic(expected = "KSTATUS07 GenerationsAgree: Ready: observedGeneration Some(1)")]
fn a_failure_names_the_rule_and_what_was_found() {
    let mut ready = condition("Ready", "True");
    ready["observedGeneration"] = json!(1);
    assert_kstatus(&object(&[ready]));
}

/// Writes a tenant and then the given statuses, one after the other, with a watch looking on.
async fn watched(statuses: Vec<Value>) -> Result<usize, String> {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace().await;
    let admin = control_plane.admin().await;
    let watch = KstatusWatch::start(&admin, &namespace).await;
    let api = Api::<DynamicObject>::namespaced_with(admin, &namespace, &resource("TenantBilling"));
    let tenant = json!({
        "apiVersion": "tenantbilling.io/v1alpha1",
        "kind": "TenantBilling",
        "metadata": {"name": "acme"},
        "spec": {
            "tenantId": namespace,
            "customer": {"name": "Acme Inc", "email": "billing@acme.example"},
            "plan": "pro",
        },
    });
    let tenant = serde_json::from_value(tenant).unwrap();
    api.create(&PostParams::default(), &tenant).await.unwrap();
    let count = statuses.len() + 1;
    for status in statuses {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status("acme", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    watch.saw(count).await;
    // In a task, so that its panic can be looked at.
    tokio::spawn(watch.finish()).await.map_err(|failure| {
        failure
            .into_panic()
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    })
}

fn seen_once(kind: &str, status: &str) -> Value {
    let mut condition = condition(kind, status);
    condition["observedGeneration"] = json!(1);
    json!({"observedGeneration": 1, "conditions": [condition]})
}

#[tokio::test]
async fn a_watch_counts_the_versions_it_has_seen() {
    let seen = watched(vec![
        seen_once("Ready", "False"),
        seen_once("Ready", "True"),
    ])
    .await;
    assert_eq!(seen, Ok(3));
}

#[tokio::test]
async fn a_watch_fails_the_test_for_a_status_that_has_long_been_put_right() {
    let seen = watched(vec![
        seen_once("Stalled", "True"),
        seen_once("Ready", "True"),
    ])
    .await;
    let failure = seen.unwrap_err();
    assert!(failure.contains("KSTATUS01 ReadyIsPresent"), "{failure}");
}
