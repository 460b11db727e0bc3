//! The rules a status keeps, for whoever reads it with `kubectl wait`, Argo CD, Flux or kstatus.
//! They hold for every version of every object, not only for the last: a tool may look at any time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::GroupVersionKind,
    discovery::ApiResource,
    runtime::watcher,
};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinHandle};

/// A rule that can be broken. The numbers appear in failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Whoever has seen a generation says whether the object is ready.
    ReadyIsPresent = 1,
    /// A type appears once: lists of conditions are maps keyed by type.
    TypesAreUnique,
    /// True, False or Unknown.
    StatusIsKnown,
    /// Reconciling and Stalled are there only while they are true.
    AbnormalOnlyWhenTrue,
    /// Still trying and given up exclude each other.
    NeverReconcilingAndStalled,
    /// Ready means that nothing is left to do.
    ReadyForbidsAbnormal,
    /// All conditions speak of the generation the status speaks of.
    GenerationsAgree,
    /// Nothing was seen that was not there yet.
    GenerationExists,
    /// A program can match on the reason.
    ReasonIsCamelCase,
    /// A person can read why it is not ready.
    MessageIsASentence,
    /// It is known since when.
    TransitionTimeIsSet,
}

/// A broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// Which rule.
    pub(crate) rule: Rule,
    /// What was found.
    pub(crate) found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "KSTATUS{:02} {:?}: {}",
            self.rule as u8, self.rule, self.found
        )
    }
}

/// Panics, naming each broken rule, unless the object's status keeps them all.
#[track_caller]
pub(crate) fn assert_kstatus(object: &Value) {
    let violations = violations(object);
    assert!(
        violations.is_empty(),
        "the status of {} breaks:\n{}\n{object:#}",
        object["metadata"]["name"],
        lines(&violations)
    );
}

fn lines<'a>(violations: impl IntoIterator<Item = &'a Violation>) -> String {
    let lines: Vec<_> = violations
        .into_iter()
        .map(|violation| format!("  {violation}"))
        .collect();
    lines.join("\n")
}

/// The rules an object's status breaks. One without conditions that has seen no generation is new.
pub(crate) fn violations(object: &Value) -> Vec<Violation> {
    let status = &object["status"];
    let none = Vec::new();
    let conditions = status["conditions"].as_array().unwrap_or(&none);
    let mut broken = Vec::new();
    check_together(status, conditions, &mut broken);
    for condition in conditions {
        check_one(object, condition, &mut broken);
    }
    broken
}

fn text<'a>(condition: &'a Value, field: &str) -> &'a str {
    condition[field].as_str().unwrap_or_default()
}

fn is_true(conditions: &[Value], kind: &str) -> bool {
    conditions
        .iter()
        .any(|c| text(c, "type") == kind && text(c, "status") == "True")
}

fn check_together(status: &Value, conditions: &[Value], broken: &mut Vec<Violation>) {
    let mut require = |rule, kept: bool, found: &str| {
        if !kept {
            broken.push(Violation {
                rule,
                found: found.to_owned(),
            });
        }
    };
    let mut counts = BTreeMap::new();
    for condition in conditions {
        *counts.entry(text(condition, "type")).or_insert(0) += 1;
    }
    let observed = status["observedGeneration"].as_i64().unwrap_or(-1);
    let seen = observed >= 0 || !conditions.is_empty();
    let (ready, reconciling, stalled) = (
        is_true(conditions, "Ready"),
        is_true(conditions, "Reconciling"),
        is_true(conditions, "Stalled"),
    );
    require(
        Rule::ReadyIsPresent,
        !seen || counts.contains_key("Ready"),
        &format!("generation {observed} was observed, but there is no Ready condition"),
    );
    for (kind, count) in &counts {
        require(
            Rule::TypesAreUnique,
            *count == 1,
            &format!("{count} conditions {kind:?}"),
        );
    }
    require(
        Rule::NeverReconcilingAndStalled,
        !(reconciling && stalled),
        "Reconciling and Stalled are both True",
    );
    require(
        Rule::ReadyForbidsAbnormal,
        !(ready && reconciling),
        "Ready and Reconciling are True",
    );
    require(
        Rule::ReadyForbidsAbnormal,
        !(ready && stalled),
        "Ready and Stalled are True",
    );
}

fn check_one(object: &Value, condition: &Value, broken: &mut Vec<Violation>) {
    let (kind, status) = (text(condition, "type"), text(condition, "status"));
    let (reason, message) = (text(condition, "reason"), text(condition, "message"));
    let mut require = |rule, kept: bool, found: String| {
        if !kept {
            broken.push(Violation {
                rule,
                found: format!("{kind}: {found}"),
            });
        }
    };
    let abnormal = matches!(kind, "Reconciling" | "Stalled");
    let generation = object["metadata"]["generation"]
        .as_i64()
        .unwrap_or_default();
    let (observed, stated) = (
        condition["observedGeneration"].as_i64(),
        object["status"]["observedGeneration"].as_i64(),
    );
    let since = text(condition, "lastTransitionTime");

    require(
        Rule::StatusIsKnown,
        matches!(status, "True" | "False" | "Unknown"),
        format!("status {status:?}"),
    );
    require(
        Rule::AbnormalOnlyWhenTrue,
        !abnormal || status == "True",
        format!("present with status {status:?}"),
    );
    require(
        Rule::GenerationsAgree,
        observed.is_some() && observed == stated,
        format!("observedGeneration {observed:?} in a status that says {stated:?}"),
    );
    require(
        Rule::GenerationExists,
        observed.is_none_or(|observed| observed <= generation),
        format!("observedGeneration {observed:?}, but the generation is {generation}"),
    );
    require(
        Rule::ReasonIsCamelCase,
        is_camel_case(reason),
        format!("reason {reason:?}"),
    );
    // That something is ready needs no words; that it isn't does, and so do the abnormal types.
    require(
        Rule::MessageIsASentence,
        (kind == "Ready" && status == "True") || is_sentence(message) || !must_explain(kind),
        format!("message {message:?}"),
    );
    require(
        Rule::TransitionTimeIsSet,
        since.parse::<jiff::Timestamp>().is_ok(),
        format!("lastTransitionTime {since:?}"),
    );
}

/// The types kstatus looks at. Others may be good news when False.
fn must_explain(kind: &str) -> bool {
    matches!(kind, "Ready" | "Reconciling" | "Stalled")
}

fn is_camel_case(reason: &str) -> bool {
    reason.starts_with(|first: char| first.is_ascii_uppercase())
        && reason.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_sentence(message: &str) -> bool {
    message.split_whitespace().count() > 1 && message.trim() == message
}

/// How long the first list of a [`KstatusWatch`] may take.
const LISTING: Duration = Duration::from_secs(30);

/// What a [`KstatusWatch`] has seen.
#[derive(Debug, Default)]
struct Seen {
    versions: BTreeSet<(String, String)>,
    violations: BTreeMap<Violation, Value>,
}

impl Seen {
    fn look_at(&mut self, object: &DynamicObject) {
        let version = object.resource_version().unwrap_or_default();
        self.versions.insert((object.name_any(), version));
        let object = serde_json::to_value(object).expect("an object is JSON");
        for violation in violations(&object) {
            self.violations
                .entry(violation)
                .or_insert_with(|| object.clone());
        }
    }
}

/// Checks every version of every tenant in a namespace, and of the plans with a label, until the
/// end of the test. A rule broken meanwhile fails the test, also when it forgets to ask.
#[derive(Debug)]
pub(crate) struct KstatusWatch {
    seen: Arc<Mutex<Seen>>,
    apis: Vec<(Api<DynamicObject>, watcher::Config)>,
    tasks: Vec<JoinHandle<()>>,
}

impl KstatusWatch {
    /// Watches from now on: returns when no later version can be missed.
    pub(crate) async fn start(client: &Client, namespace: &str) -> Self {
        let tenants = Api::namespaced_with(client.clone(), namespace, &resource("TenantBilling"));
        let plans = Api::all_with(client.clone(), &resource("BillingPlan"));
        let label = super::process::plan_label(namespace);
        let apis = vec![
            (tenants, watcher::Config::default()),
            (plans, watcher::Config::default().labels(&label)),
        ];
        let seen = Arc::<Mutex<Seen>>::default();
        let (listed, mut all_listed) = mpsc::unbounded_channel();
        let watch =
            |(api, config)| tokio::spawn(look_on(api, config, Arc::clone(&seen), listed.clone()));
        let tasks: Vec<_> = apis.iter().cloned().map(watch).collect();
        for _ in &tasks {
            let waiting = tokio::time::timeout(LISTING, all_listed.recv());
            waiting
                .await
                .expect("the kinds can be listed: are the CRDs installed?");
        }
        Self { seen, apis, tasks }
    }

    /// Waits until as many versions have been seen.
    pub(crate) async fn saw(&self, count: usize) {
        super::eventually(&format!("{count} versions are seen"), async || {
            let seen = self.seen.lock().expect("what was seen").versions.len();
            if seen >= count {
                Ok(())
            } else {
                Err(format!("only {seen} were"))
            }
        })
        .await;
    }

    /// Looks at what is there now, and fails the test if any version ever broke a rule. Gives the
    /// number of versions seen.
    pub(crate) async fn finish(self) -> usize {
        for (api, config) in &self.apis {
            let labels = config.label_selector.clone().unwrap_or_default();
            let now = api
                .list(&ListParams::default().labels(&labels))
                .await
                .expect("listing");
            for object in &now {
                self.seen.lock().expect("what was seen").look_at(object);
            }
        }
        let seen = self.seen.lock().expect("what was seen").versions.len();
        // The rest is done when `self` is dropped.
        seen
    }
}

impl Drop for KstatusWatch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let Ok(seen) = self.seen.lock() else { return };
        if seen.violations.is_empty() || thread::panicking() {
            return;
        }
        let example = seen
            .violations
            .values()
            .next()
            .expect("there is a violation");
        panic!(
            "statuses seen break:\n{}\nsuch as {example:#}",
            lines(seen.violations.keys())
        );
    }
}

/// Looks at every version the server sends, and says so when the first list is complete.
async fn look_on(
    api: Api<DynamicObject>,
    config: watcher::Config,
    seen: Arc<Mutex<Seen>>,
    listed: mpsc::UnboundedSender<()>,
) {
    let mut events = watcher::watcher(api, config).boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                seen.lock().expect("what was seen").look_at(&object);
            }
            // Nobody listens any more when the watch had to list once again.
            Ok(watcher::Event::InitDone) => drop(listed.send(())),
            // The last version before a deletion came as an Apply. After an error the watcher
            // tries again; a lasting one shows in `start` or `finish`.
            Ok(watcher::Event::Delete(_) | watcher::Event::Init) | Err(_) => {}
        }
    }
}

/// One of the operator's kinds.
pub(crate) fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("tenantbilling.io", "v1alpha1", kind))
}
