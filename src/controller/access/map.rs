//! One tenant's `ConfigMap`: what it says, whose it is, and whether it says what it should.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;

use super::{ManifestKey, Published};
use crate::api::{ACCESS_LABEL, ACCESS_SUFFIX, MANAGER, TenantBilling};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const LEVEL: &str = "level";
const DOCUMENT: &str = "access.json";

/// Its name.
pub(super) fn name(key: &ManifestKey) -> String {
    format!("{}{ACCESS_SUFFIX}", key.name)
}

/// The manifest that a `ConfigMap` of this name belongs to, by its name.
pub(super) fn manifest_of(map: &ConfigMap) -> Option<ManifestKey> {
    let name = map.metadata.name.as_deref()?.strip_suffix(ACCESS_SUFFIX)?;
    Some(ManifestKey::new(map.metadata.namespace.as_deref()?, name))
}

/// What it should be.
pub(super) fn wanted(key: &ManifestKey, published: &Published) -> serde_json::Result<ConfigMap> {
    let access = &published.access;
    let document = serde_json::to_string(&access.document(&published.tenant_id))?;
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(key)),
            namespace: Some(key.namespace.to_string()),
            labels: Some(BTreeMap::from([
                (MANAGED_BY.to_owned(), MANAGER.to_owned()),
                (ACCESS_LABEL.to_owned(), String::new()),
            ])),
            owner_references: Some(vec![OwnerReference {
                api_version: TenantBilling::api_version(&()).into_owned(),
                kind: TenantBilling::kind(&()).into_owned(),
                name: key.name.to_string(),
                uid: published.uid.to_string(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            (LEVEL.to_owned(), access.level.as_str().to_owned()),
            (DOCUMENT.to_owned(), document),
        ])),
        ..ConfigMap::default()
    })
}

/// Stands for everything in it that is the operator's; what others add is theirs.
pub(super) fn digest(map: &ConfigMap) -> u64 {
    let mut hash = DefaultHasher::new();
    for key in [LEVEL, DOCUMENT] {
        map.data
            .as_ref()
            .and_then(|data| data.get(key))
            .hash(&mut hash);
    }
    for label in [MANAGED_BY, ACCESS_LABEL] {
        map.metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(label))
            .hash(&mut hash);
    }
    let owners = map.metadata.owner_references.iter().flatten();
    for owner in owners.filter(|owner| is_manifest(owner)) {
        (&owner.name, &owner.uid, owner.controller).hash(&mut hash);
    }
    hash.finish()
}

/// Whose a `ConfigMap` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The manifest's.
    Manifest,
    /// That of a manifest of the same name which is gone: the garbage collector has yet to come.
    Former,
    /// Somebody else's.
    Other,
}

/// Whose `map` is, as seen from the manifest with this `uid`.
pub(super) fn owner(map: &ConfigMap, key: &ManifestKey, uid: &str) -> Owner {
    let owners = map.metadata.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| is_manifest(owner) && *owner.name == *key.name);
    match owners.next() {
        None => Owner::Other,
        Some(owner) if owner.uid == uid || owners.any(|owner| owner.uid == uid) => Owner::Manifest,
        Some(_) => Owner::Former,
    }
}

fn is_manifest(owner: &OwnerReference) -> bool {
    let group = owner.api_version.split('/').next().unwrap_or_default();
    group == crate::api::GROUP && owner.kind == TenantBilling::kind(&())
}

/// The manifest, for Kubernetes events about it.
pub(super) fn reference(key: &ManifestKey, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(TenantBilling::api_version(&()).into_owned()),
        kind: Some(TenantBilling::kind(&()).into_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.to_string()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::AccessLevel;
    use crate::controller::access::Access;

    pub(in super::super) fn published(uid: &str, level: AccessLevel) -> Published {
        Published {
            tenant_id: "t1".into(),
            uid: uid.into(),
            access: Arc::new(Access {
                level,
                reason: "PaymentOverdue".into(),
                since: "2026-01-01T00:00:00Z".parse().unwrap(),
                until: Some("2026-01-02T00:00:00Z".parse().unwrap()),
                plan: Some("pro".into()),
                limits: Arc::new([("requestsPerMinute".to_owned(), 60)].into()),
            }),
        }
    }

    fn key() -> ManifestKey {
        ManifestKey::new("n", "acme")
    }

    fn map() -> ConfigMap {
        wanted(&key(), &published("u1", AccessLevel::Limited)).unwrap()
    }

    #[test]
    fn it_tells_the_level_and_everything_else_as_json() {
        let map = map();
        assert_eq!(map.metadata.name.as_deref(), Some("acme-access"));
        assert_eq!(manifest_of(&map), Some(key()));
        let data = map.data.unwrap();
        assert_eq!(data["level"], "Limited");
        assert_eq!(
            data["access.json"],
            r#"{"tenantId":"t1","level":"Limited","reason":"PaymentOverdue","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","plan":"pro","limits":{"requestsPerMinute":60}}"#
        );
    }

    #[test]
    fn any_edit_of_what_is_the_operators_shows_and_no_other() {
        let before = digest(&map());
        let edits: [fn(&mut ConfigMap); 6] = [
            |map| {
                map.data
                    .get_or_insert_default()
                    .insert("level".into(), "Full".into());
            },
            |map| {
                map.data.get_or_insert_default().remove("access.json");
            },
            |map| {
                map.metadata
                    .labels
                    .get_or_insert_default()
                    .remove(ACCESS_LABEL);
            },
            |map| map.metadata.owner_references = None,
            |map| map.metadata.owner_references.as_mut().unwrap()[0].uid = "u2".into(),
            |map| map.data = None,
        ];
        for edit in edits {
            let mut edited = map();
            edit(&mut edited);
            assert_ne!(digest(&edited), before, "{edited:?}");
        }
        let mut noted = map();
        noted
            .data
            .get_or_insert_default()
            .insert("note".into(), "x".into());
        noted.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
        noted.metadata.resource_version = Some("7".into());
        assert_eq!(digest(&noted), before);
    }

    #[test]
    fn only_a_reference_to_this_very_manifest_makes_it_ours() {
        let of = |edit: fn(&mut ConfigMap), uid: &str| {
            let mut map = map();
            edit(&mut map);
            owner(&map, &key(), uid)
        };
        assert_eq!(of(|_| {}, "u1"), Owner::Manifest);
        assert_eq!(of(|_| {}, "u2"), Owner::Former);
        assert_eq!(
            of(|map| map.metadata.owner_references = None, "u1"),
            Owner::Other
        );
        let foreign: fn(&mut ConfigMap) = |map| {
            map.metadata.owner_references.as_mut().unwrap()[0].api_version = "apps/v1".into();
        };
        assert_eq!(of(foreign, "u1"), Owner::Other);
        let another: fn(&mut ConfigMap) = |map| {
            map.metadata.owner_references.as_mut().unwrap()[0].name = "globex".into();
        };
        assert_eq!(of(another, "u1"), Owner::Other);
    }
}
