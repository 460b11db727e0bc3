//! One control plane for a whole test run.
//!
//! `cargo test` runs a process for each test binary, nextest one for each test; all are children of
//! one runner. So the runner's process id and start time name the run: whoever comes first starts
//! `tests/control-plane run` for the runner's lifetime and installs the manifests, under a file lock
//! the others wait on. Nothing has to be started before or stopped after `cargo test`.

use std::{
    fs::{self, File},
    os::unix::process::{CommandExt, parent_id},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        },
        core::v1::{Namespace, ServiceAccount},
        rbac::v1::{Role, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    runtime::wait::{await_condition, conditions},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where the shipped manifests put the operator.
pub(crate) const SYSTEM_NAMESPACE: &str = "tenant-billing-system";
/// The shipped service account.
pub(crate) const SERVICE_ACCOUNT: &str = "tenant-billing";

/// The control plane of this test run.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    dir: PathBuf,
}

/// Per process; across processes the lock and the files in the run's directory decide.
static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();

impl ControlPlane {
    /// The run's control plane, started and furnished by whoever asks first.
    pub(crate) async fn shared() -> Self {
        let shared = tokio::task::spawn_blocking(|| SHARED.get_or_init(join_run)).await;
        match shared.expect("bringing up the control plane panicked") {
            Ok(control_plane) => control_plane.clone(),
            Err(message) => panic!("no control plane: {message}"),
        }
    }

    /// A client that may do anything. A new one each time: a client's connection belongs to the
    /// runtime it was made on, and every test has its own.
    pub(crate) async fn admin(&self) -> Client {
        client(&self.admin_kubeconfig()).await
    }

    /// A client with the operator's own rights.
    pub(crate) async fn operator(&self) -> Client {
        client(&self.operator_kubeconfig()).await
    }

    /// Credentials of a cluster administrator.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// A token of the shipped service account: what the operator is to run with, so that a right
    /// missing from `manifests/` fails a test.
    pub(crate) fn operator_kubeconfig(&self) -> PathBuf {
        self.dir.join("operator-kubeconfig")
    }

    /// A fresh namespace. It is never deleted: it goes with the control plane.
    pub(crate) async fn namespace(&self) -> String {
        let namespaces: Api<Namespace> = Api::all(self.admin().await);
        let fresh = serde_json::from_value(json!({"metadata": {"generateName": "test-"}}))
            .expect("a namespace");
        let created = namespaces.create(&PostParams::default(), &fresh).await;
        let name = created.expect("creating a namespace").name_any();
        self.allow_own_maps(&name).await;
        name
    }

    /// The shipped rights name the `ConfigMap`s that one operator keeps. The operators of a test keep
    /// theirs under other names, and get the same rights for those.
    async fn allow_own_maps(&self, lease: &str) {
        let admin = self.admin().await;
        let name = format!("{lease}-maps");
        let maps = ["events", "enforcement"].map(|map| format!("{lease}-{map}"));
        let role: Role = serde_json::from_value(json!({
            "metadata": {"name": name},
            "rules": [{
                "apiGroups": [""], "resources": ["configmaps"], "resourceNames": maps,
                "verbs": ["get", "patch"],
            }],
        }))
        .expect("a role");
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{
                "kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": SYSTEM_NAMESPACE,
            }],
        }))
        .expect("a role binding");
        let params = PostParams::default();
        let roles: Api<Role> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
        roles.create(&params, &role).await.expect("creating a role");
        let bindings: Api<RoleBinding> = Api::namespaced(admin, SYSTEM_NAMESPACE);
        let bound = bindings.create(&params, &binding).await;
        bound.expect("creating a role binding");
    }

    /// The run's directory, with the logs of both servers.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

async fn client(kubeconfig: &Path) -> Client {
    try_client(kubeconfig)
        .await
        .expect("a client for the control plane")
}

async fn try_client(kubeconfig: &Path) -> Result<Client, String> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|e| e.to_string())?;
    Client::try_from(config).map_err(|e| e.to_string())
}

/// Enters the run: leads it, or waits for the process that does.
fn join_run() -> Result<ControlPlane, String> {
    let runner = parent_id();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("control-plane")
        .join(format!("{runner}-{}", start_time(runner)?));
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let lock = File::create(dir.join("run.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;

    let outcome = dir.join("outcome");
    match fs::read_to_string(&outcome).as_deref() {
        Ok("") => {}
        // Every test would wait for the same failure again.
        Ok(failure) => return Err(failure.to_owned()),
        Err(_) => {
            remove_finished_runs(&dir);
            let result = lead(&dir, runner);
            fs::write(&outcome, result.as_ref().err().map_or("", String::as_str))
                .map_err(|e| e.to_string())?;
            result?;
        }
    }
    Ok(ControlPlane { dir })
}

/// The kernel's start time of a process, which tells it from a later one with the same id.
fn start_time(pid: u32) -> Result<String, String> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    // The second field, the program's name, may hold spaces and parentheses.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().nth(19);
    ticks
        .map(str::to_owned)
        .ok_or_else(|| format!("{path}: unexpected content"))
}

/// Removes what earlier runs left: their logs. A run whose runner lives is left alone.
fn remove_finished_runs(current: &Path) {
    let Some(Ok(entries)) = current.parent().map(fs::read_dir) else {
        return;
    };
    for entry in entries.flatten().filter(|entry| entry.path() != current) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let alive = name
            .split_once('-')
            .and_then(|(pid, start)| Some(start_time(pid.parse().ok()?).ok()? == start));
        if alive != Some(true) {
            // Two runs may both clean up; that the other was faster is fine.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Starts the servers for the runner's lifetime and installs the manifests.
fn lead(dir: &Path, runner: u32) -> Result<(), String> {
    let log = dir.join("run.log");
    let output = File::create(&log).map_err(|e| e.to_string())?;
    let run = Command::new(repository().join("tests/control-plane"))
        .arg("run")
        .arg("--dir")
        .arg(dir)
        .args(["--while-pid", &runner.to_string()])
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(|e| e.to_string())?)
        .stderr(output)
        // Its own group: a runner that stops a test stops the test's group, and this outlives it.
        .process_group(0)
        .spawn()
        .map_err(|e| format!("tests/control-plane: {e}"))?;
    wait_until_ready(run, &dir.join("ready"), &log)?;

    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?
        .block_on(furnish(dir))
}

fn wait_until_ready(mut run: Child, ready: &Path, log: &Path) -> Result<(), String> {
    // No deadline: the first run on a machine may build the servers, and then says so in its log.
    while !ready.exists() {
        if let Some(status) = run.try_wait().map_err(|e| e.to_string())? {
            let log = fs::read_to_string(log).unwrap_or_default();
            return Err(format!("tests/control-plane run ended, {status}:\n{log}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Lets one field of tenants hold what the operator cannot read, as a definition from another
/// version, or one edited by hand, may. Everything else is as shipped.
fn loosen(crd: &mut Value) {
    let customer = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/customer";
    let line2 = format!("{customer}/properties/address/properties/line2");
    if let Some(line2) = crd.pointer_mut(&line2) {
        *line2 = json!({"x-kubernetes-int-or-string": true});
    }
}

/// Installs the CRDs and the operator's rights, and writes the operator's credentials.
async fn furnish(dir: &Path) -> Result<(), String> {
    let admin = try_client(&dir.join("kubeconfig")).await?;
    let crds: Api<CustomResourceDefinition> = Api::all(admin.clone());
    for file in yaml_files(&repository().join("crds"))? {
        // Created, not applied: server-side apply on a server before 1.25 refuses the CEL rules,
        // while creating drops them.
        let text = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let mut crd: Value =
            serde_yaml::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        loosen(&mut crd);
        let crd = serde_json::from_value(crd).map_err(|e| format!("{}: {e}", file.display()))?;
        let created = crds.create(&PostParams::default(), &crd).await;
        created.map_err(|e| format!("{}: {e}", file.display()))?;
    }
    for file in ["namespace.yaml", "rbac.yaml"] {
        let file = repository().join("manifests/base").join(file);
        apply(&admin, &file)
            .await
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    for crd in crds
        .list(&kube::api::ListParams::default())
        .await
        .map_err(|e| e.to_string())?
    {
        await_condition(
            crds.clone(),
            &crd.name_any(),
            conditions::is_crd_established(),
        )
        .await
        .map_err(|e| e.to_string())?;
    }
    write_operator_kubeconfig(&admin, dir).await
}

/// The repository's root.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .map_err(|e| format!("{}: {e}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Server-side applies every document of a file.
pub(crate) async fn apply(client: &Client, file: &Path) -> Result<(), String> {
    for object in objects(file)? {
        apply_object(client, &object, &PatchParams::apply("tests").force()).await?;
    }
    Ok(())
}

/// The documents of a file.
pub(crate) fn objects(file: &Path) -> Result<Vec<DynamicObject>, String> {
    let text = fs::read_to_string(file).map_err(|e| e.to_string())?;
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = Value::deserialize(document).map_err(|e| e.to_string())?;
        if !value.is_null() {
            objects.push(serde_json::from_value(value).map_err(|e| e.to_string())?);
        }
    }
    Ok(objects)
}

/// Server-side applies one object of any kind the server knows.
pub(crate) async fn apply_object(
    client: &Client,
    object: &DynamicObject,
    how: &PatchParams,
) -> Result<(), String> {
    let types = object
        .types
        .as_ref()
        .ok_or("a document without apiVersion and kind")?;
    let gvk = GroupVersionKind::try_from(types).map_err(|e| e.to_string())?;
    let (resource, _) = kube::discovery::pinned_kind(client, &gvk)
        .await
        .map_err(|e| e.to_string())?;
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.patch(&object.name_any(), how, &Patch::Apply(object))
        .await
        .map(drop)
        .map_err(|e| format!("{} {}: {e}", types.kind, object.name_any()))
}

/// Whether the client may, by the server's own word. `resource` is
/// `GROUP/RESOURCE[/SUBRESOURCE][:NAME]`.
pub(crate) async fn may(client: &Client, verb: &str, resource: &str, namespace: &str) -> bool {
    let (resource, name) = resource.split_once(':').unwrap_or((resource, ""));
    let (group, resource) = resource.split_once('/').expect("GROUP/RESOURCE");
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let question = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: Some(subresource.to_owned()),
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()).filter(|name| !name.is_empty()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::all(client.clone())
        .create(&PostParams::default(), &question)
        .await
        .unwrap();
    answer.status.unwrap().allowed
}

async fn write_operator_kubeconfig(admin: &Client, dir: &Path) -> Result<(), String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
    let day = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(86_400),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let granted = accounts
        .create_token_request(SERVICE_ACCOUNT, &PostParams::default(), &day)
        .await
        .map_err(|e| format!("a token for {SERVICE_ACCOUNT}: {e}"))?;
    let token = granted.status.ok_or("a TokenRequest without status")?.token;

    let text = fs::read_to_string(dir.join("kubeconfig")).map_err(|e| e.to_string())?;
    let mut kubeconfig: Value = serde_yaml::from_str(&text).map_err(|e| e.to_string())?;
    kubeconfig["users"][0]["user"] = json!({"token": token});
    fs::write(dir.join("operator-kubeconfig"), kubeconfig.to_string()).map_err(|e| e.to_string())
}
