use super::*;
use serde_json::{Value, json};

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

fn manifest(name: &str, tenant_id: Option<&str>, created: &str, level: Option<&str>) -> Value {
    let access = level.map(|level| {
        json!({"level": level, "reason": "Subscribed", "since": EARLY, "limits": {"requestsPerMinute": 60}})
    });
    json!({
        "metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}"), "creationTimestamp": created},
        "spec": {"tenantId": tenant_id, "plan": "pro"},
        "status": {"plan": "pro", "access": access},
    })
}

fn object(manifest: &Value) -> WatchedObject {
    serde_json::from_value(manifest.clone()).unwrap()
}

fn apply(index: &AccessIndex, manifest: &Value) {
    index.observe(&Event::Apply(object(manifest)));
}

fn listed() -> AccessIndex {
    let index = AccessIndex::default();
    index.observe(&Event::Init);
    index.observe(&Event::InitDone);
    index
}

fn level(index: &AccessIndex, tenant_id: &str) -> Result<AccessLevel, Unknown> {
    index.lookup(tenant_id).map(|access| access.level)
}

#[test]
fn everything_is_unknown_until_the_first_list_is_complete() {
    let index = AccessIndex::default();
    index.observe(&Event::Init);
    index.observe(&Event::InitApply(object(&manifest(
        "a",
        Some("t1"),
        EARLY,
        Some("Full"),
    ))));
    assert_eq!(level(&index, "t1"), Err(Unknown::NotListed));
    index.observe(&Event::InitDone);
    assert_eq!(level(&index, "t1"), Ok(AccessLevel::Full));
    assert_eq!(level(&index, "t2"), Err(Unknown::NoManifest));
    // Nor is it forgotten while it is listed again.
    index.observe(&Event::Init);
    assert_eq!(level(&index, "t1"), Ok(AccessLevel::Full));
    index.observe(&Event::InitDone);
    assert_eq!(level(&index, "t1"), Err(Unknown::NoManifest));
    assert_eq!(index.tenants(), 0);
}

#[test]
fn a_manifest_without_access_is_unknown_and_its_id_defaults_to_its_name() {
    let index = listed();
    apply(&index, &manifest("a", None, EARLY, None));
    assert_eq!(level(&index, "n/a"), Err(Unknown::NotLookedAt));
    apply(&index, &manifest("a", None, EARLY, Some("Limited")));
    let access = index.lookup("n/a").unwrap();
    assert_eq!(access.level, AccessLevel::Limited);
    assert_eq!(access.plan.as_deref(), Some("pro"));
    assert_eq!(access.limits["requestsPerMinute"], 60);
}

#[test]
fn the_older_manifest_counts_in_whatever_order_they_are_seen_and_the_newer_after_it() {
    let older = manifest("older", Some("t1"), EARLY, Some("Suspended"));
    let newer = manifest("newer", Some("t1"), LATE, Some("Full"));
    for order in [[&older, &newer], [&newer, &older]] {
        let index = listed();
        for manifest in order {
            apply(&index, manifest);
        }
        assert_eq!(level(&index, "t1"), Ok(AccessLevel::Suspended));
        assert_eq!(index.tenants(), 1);
        // One that is being deleted bills nobody any more, as soon as another one does.
        let mut going = older.clone();
        going["metadata"]["deletionTimestamp"] = json!(LATE);
        apply(&index, &going);
        assert_eq!(level(&index, "t1"), Ok(AccessLevel::Full));
        index.observe(&Event::Delete(object(&newer)));
        assert_eq!(level(&index, "t1"), Ok(AccessLevel::Suspended));
        index.observe(&Event::Delete(object(&going)));
        assert_eq!(level(&index, "t1"), Err(Unknown::NoManifest));
    }
}

#[test]
fn of_two_manifests_of_one_second_the_name_decides() {
    let index = listed();
    apply(&index, &manifest("b", Some("t1"), EARLY, Some("Full")));
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Limited")));
    assert_eq!(level(&index, "t1"), Ok(AccessLevel::Limited));
}

#[test]
fn a_tenant_id_that_changes_leaves_nothing_behind() {
    // A server without CEL lets that pass.
    let index = listed();
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Full")));
    apply(&index, &manifest("a", Some("t2"), EARLY, Some("Full")));
    assert_eq!(level(&index, "t1"), Err(Unknown::NoManifest));
    assert_eq!(level(&index, "t2"), Ok(AccessLevel::Full));
}

#[test]
fn what_cannot_be_read_is_unknown_and_harms_nobody_else() {
    let index = listed();
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Doubled")));
    assert_eq!(level(&index, "t1"), Err(Unknown::NotLookedAt));
    let mut strange = manifest("b", None, EARLY, Some("Full"));
    strange["spec"] = json!({"tenantId": 7, "plan": {}});
    apply(&index, &strange);
    assert_eq!(level(&index, "n/b"), Ok(AccessLevel::Full));
}

#[test]
fn who_publishes_is_told_of_all_manifests_and_then_of_each_that_says_something_else() {
    let index = listed();
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Full")));
    let mut changes = index.changes();
    let mut told = || std::iter::from_fn(|| changes.try_recv().ok()).collect::<Vec<_>>();
    let key = |name: &str| ManifestKey::new("n", name);
    assert_eq!(told(), [key("a")]);
    // A change that concerns something else.
    let mut same = manifest("a", Some("t1"), EARLY, Some("Full"));
    same["metadata"]["resourceVersion"] = json!("2");
    apply(&index, &same);
    assert_eq!(told(), []);
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Limited")));
    apply(&index, &manifest("b", Some("t2"), EARLY, None));
    assert_eq!(told(), [key("a"), key("b")]);
    assert!(index.published(&key("b")).is_none());
    let published = index.published(&key("a")).unwrap();
    assert_eq!((&*published.tenant_id, &*published.uid), ("t1", "uid-a"));
    // A manifest of the same name that was made anew owns another ConfigMap.
    let mut anew = manifest("a", Some("t1"), EARLY, Some("Limited"));
    anew["metadata"]["uid"] = json!("another");
    apply(&index, &anew);
    assert_eq!(told(), [key("a")]);
}

#[test]
fn a_failing_watch_is_told_until_something_comes_from_it() {
    let index = listed();
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Full")));
    assert!(!index.is_failing());
    index.note_failure();
    assert!(index.is_failing());
    assert_eq!(
        level(&index, "t1"),
        Ok(AccessLevel::Full),
        "the last known is told"
    );
    apply(&index, &manifest("a", Some("t1"), EARLY, Some("Full")));
    assert!(!index.is_failing());
}
