//! One test's world: its own namespace on the shared control plane, its own Stripe, an operator
//! with the shipped rights, and a watch that checks every status ever written.

use kube::{
    Api, Client, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams,
    },
};
use serde_json::{Value, json};

use super::{
    control_plane::ControlPlane,
    eventually,
    kstatus::{KstatusWatch, resource},
    process::{Operator, OperatorOptions, plan_label},
    sandbox::Sandbox,
};

/// One test's world.
pub(crate) struct World {
    /// Stripe.
    pub(crate) stripe: Sandbox,
    /// Where the test's tenants live; also the operator's `--owner`.
    pub(crate) namespace: String,
    /// How to start an operator here.
    pub(crate) options: OperatorOptions,
    admin: Client,
    watch: KstatusWatch,
}

impl World {
    /// A namespace, a Stripe without rate limits, and no operator yet.
    pub(crate) async fn new() -> Self {
        let unlimited = [
            "--rate-limit-read",
            "100000",
            "--rate-limit-write",
            "100000",
        ];
        let stripe = Sandbox::start_with(&unlimited).await;
        let control_plane = ControlPlane::shared().await;
        let namespace = control_plane.namespace().await;
        let admin = control_plane.admin().await;
        // Short periods: nothing of what is tested depends on them being long.
        let options = OperatorOptions::new(&control_plane, &stripe, &namespace)
            .flag("--event-poll-seconds", "1")
            .flag("--lease-duration-seconds", "3")
            .flag("--max-requests-per-second", "1000");
        let watch = KstatusWatch::start(&admin, &namespace).await;
        Self {
            stripe,
            namespace,
            options,
            admin,
            watch,
        }
    }

    /// A client that may do anything.
    pub(crate) fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// Starts an operator.
    pub(crate) async fn operator(&self) -> Operator {
        Operator::start(&self.options).await
    }

    /// Ends the test: fails it if any status ever broke a rule of kstatus.
    pub(crate) async fn finish(self) {
        self.watch.finish().await;
    }

    /// The full name of a plan: plans are cluster-scoped, so tests keep theirs apart by prefix.
    pub(crate) fn plan_name(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// The tenant id of a tenant made by [`World::tenant`].
    pub(crate) fn tenant_id(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    fn tenants(&self) -> Api<DynamicObject> {
        let resource = resource("TenantBilling");
        Api::namespaced_with(self.admin.clone(), &self.namespace, &resource)
    }

    pub(crate) fn plans(&self) -> Api<DynamicObject> {
        Api::all_with(self.admin.clone(), &resource("BillingPlan"))
    }

    /// Applies a plan in dollars a month, with 14 days of trial.
    pub(crate) async fn plan(&self, name: &str, amount: &str) {
        let spec = json!({
            "currency": "usd",
            "base": {"amount": amount, "interval": "Month"},
            "trial": {"days": 14},
        });
        self.plan_with(name, spec).await;
    }

    /// Applies a plan; the server must accept it.
    pub(crate) async fn plan_with(&self, name: &str, spec: Value) {
        self.try_plan_with(name, spec)
            .await
            .expect("applying a plan");
    }

    /// Applies a plan, whatever the server says.
    pub(crate) async fn try_plan_with(
        &self,
        name: &str,
        spec: Value,
    ) -> Result<DynamicObject, kube::Error> {
        let label = plan_label(&self.namespace);
        let (key, value) = label.split_once('=').expect("a label");
        let name = self.plan_name(name);
        let plan = json!({
            "apiVersion": "tenantbilling.io/v1alpha1",
            "kind": "BillingPlan",
            "metadata": {"name": name, "labels": {key: value}},
            "spec": spec,
        });
        self.plans()
            .patch(
                &name,
                &PatchParams::apply("tests").force(),
                &Patch::Apply(plan),
            )
            .await
    }

    /// Deletes a plan.
    pub(crate) async fn delete_plan(&self, name: &str) {
        let name = self.plan_name(name);
        self.plans()
            .delete(&name, &DeleteParams::default())
            .await
            .expect("deleting a plan");
    }

    /// The manifest of an ordinary tenant on a plan, to be changed as the test needs it.
    pub(crate) fn manifest(&self, name: &str, plan: &str) -> Value {
        json!({
            "apiVersion": "tenantbilling.io/v1alpha1",
            "kind": "TenantBilling",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "customer": {"name": "Acme Inc", "email": "billing@acme.example"},
                "plan": self.plan_name(plan),
            },
        })
    }

    /// Applies the manifest of an ordinary tenant.
    pub(crate) async fn tenant(&self, name: &str, plan: &str) {
        self.apply(self.manifest(name, plan)).await;
    }

    /// Applies a tenant's manifest; the server must accept it.
    pub(crate) async fn apply(&self, manifest: Value) {
        self.try_apply(manifest).await.expect("applying a tenant");
    }

    /// Applies a tenant's manifest, whatever the server says.
    pub(crate) async fn try_apply(&self, manifest: Value) -> Result<DynamicObject, kube::Error> {
        let name = manifest["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let params = PatchParams::apply("tests").force();
        self.tenants()
            .patch(&name, &params, &Patch::Apply(manifest))
            .await
    }

    /// Changes some fields of a tenant's spec.
    pub(crate) async fn edit(&self, name: &str, spec: Value) {
        self.try_edit(name, spec).await.expect("editing a tenant");
    }

    /// Changes some fields of a tenant's spec, whatever the server says.
    pub(crate) async fn try_edit(
        &self,
        name: &str,
        spec: Value,
    ) -> Result<DynamicObject, kube::Error> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.tenants()
            .patch(name, &PatchParams::default(), &patch)
            .await
    }

    /// Writes over a tenant's status, as somebody with too many rights might.
    pub(crate) async fn overwrite_status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.tenants()
            .patch_status(name, &PatchParams::default(), &patch)
            .await
            .expect("writing a status");
    }

    /// Asks for an immediate look at a tenant and waits until it has been taken.
    pub(crate) async fn look_again(&self, name: &str) {
        let token = format!("{}", jiff::Timestamp::now());
        self.annotate(name, "tenantbilling.io/reconcile-requested-at", &token)
            .await;
        self.until(name, "the request for a look is handled", |tenant| {
            tenant["status"]["lastHandledReconcileAt"] == token.as_str()
        })
        .await;
    }

    /// Sets an annotation of a tenant.
    pub(crate) async fn annotate(&self, name: &str, annotation: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {annotation: value}}});
        self.tenants()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("annotating a tenant");
    }

    /// Deletes a tenant's manifest, and returns at once.
    pub(crate) async fn delete(&self, name: &str) {
        self.tenants()
            .delete(name, &DeleteParams::default())
            .await
            .expect("deleting a tenant");
    }

    /// Waits until a tenant's manifest is gone.
    pub(crate) async fn gone(&self, name: &str) {
        eventually(&format!("{name} is gone"), async || {
            match self
                .tenants()
                .get_opt(name)
                .await
                .expect("reading a tenant")
            {
                None => Ok(()),
                Some(tenant) => Err(format!("there is {:#}", tenant.data)),
            }
        })
        .await;
    }

    /// A tenant as it is.
    pub(crate) async fn get(&self, name: &str) -> Value {
        as_json(self.tenants().get(name).await.expect("reading a tenant"))
    }

    /// Type and reason of every event about a tenant, the oldest first; of a series once.
    pub(crate) async fn events(&self, name: &str) -> Vec<(String, String)> {
        self.notes(name)
            .await
            .into_iter()
            .map(|event| (text(&event["type"]), text(&event["reason"])))
            .collect()
    }

    /// Every event about a tenant, the oldest first; of a series once.
    pub(crate) async fn notes(&self, name: &str) -> Vec<Value> {
        let kind = GroupVersionKind::gvk("events.k8s.io", "v1", "Event");
        let resource = ApiResource::from_gvk_with_plural(&kind, "events");
        let events: Api<DynamicObject> =
            Api::namespaced_with(self.admin.clone(), &self.namespace, &resource);
        let found = events.list(&ListParams::default()).await;
        let mut found: Vec<Value> = found
            .expect("listing events")
            .into_iter()
            .map(as_json)
            .filter(|event| event["regarding"]["name"] == name)
            .collect();
        found.sort_by_key(|event| text(&event["eventTime"]));
        found
    }

    /// All tenants as they are.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let tenants = self
            .tenants()
            .list(&ListParams::default())
            .await
            .expect("listing tenants");
        tenants.into_iter().map(as_json).collect()
    }

    /// A plan as it is.
    pub(crate) async fn get_plan(&self, name: &str) -> Value {
        as_json(
            self.plans()
                .get(&self.plan_name(name))
                .await
                .expect("reading a plan"),
        )
    }

    /// Waits until a tenant is as `check` wants it.
    pub(crate) async fn until(
        &self,
        name: &str,
        expected: &str,
        check: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(&format!("{name}: {expected}"), async || {
            let tenant = self.get(name).await;
            if check(&tenant) {
                Ok(tenant)
            } else {
                Err(format!("it is {tenant:#}"))
            }
        })
        .await
    }

    /// Waits until a tenant's present generation is ready.
    pub(crate) async fn ready(&self, name: &str) -> Value {
        self.until(name, "ready", |tenant| {
            is_current(tenant) && condition(tenant, "Ready")["status"] == "True"
        })
        .await
    }

    /// Waits until `Ready` of a tenant's present generation has a reason.
    pub(crate) async fn reason(&self, name: &str, reason: &str) -> Value {
        self.until(name, reason, |tenant| {
            is_current(tenant) && condition(tenant, "Ready")["reason"] == reason
        })
        .await
    }

    /// Waits until a tenant has given up for a reason; gives the message, which is the same in
    /// both conditions.
    pub(crate) async fn stalled(&self, name: &str, reason: &str) -> String {
        assert_stalled(&self.reason(name, reason).await, reason)
    }

    /// Waits until a plan has given up for a reason; gives the message.
    pub(crate) async fn plan_stalled(&self, name: &str, reason: &str) -> String {
        assert_stalled(&self.plan_reason(name, reason).await, reason)
    }

    /// Waits until a tenant is still trying for a reason; gives the message.
    pub(crate) async fn reconciling(&self, name: &str, reason: &str) -> String {
        assert_abnormal(&self.reason(name, reason).await, "Reconciling", reason)
    }

    /// Waits until `Ready` of a plan's present generation has a reason.
    pub(crate) async fn plan_reason(&self, name: &str, reason: &str) -> Value {
        eventually(&format!("{name}: {reason}"), async || {
            let plan = self.get_plan(name).await;
            let as_wanted = is_current(&plan) && condition(&plan, "Ready")["reason"] == reason;
            if as_wanted {
                Ok(plan)
            } else {
                Err(format!("it is {plan:#}"))
            }
        })
        .await
    }

    /// The customers in Stripe that carry a tenant's identity. Those on `test_clock`, if given.
    pub(crate) async fn customers(&self, name: &str, test_clock: Option<&str>) -> Vec<Value> {
        let clock = test_clock
            .map(|clock| format!("&test_clock={clock}"))
            .unwrap_or_default();
        let id = self.tenant_id(name);
        let mut found = self.all(&format!("/v1/customers?limit=100{clock}")).await;
        found.retain(|customer| customer["metadata"]["tenantbilling_tenant"] == id.as_str());
        found
    }

    /// Every subscription of a customer, live or ended.
    pub(crate) async fn subscriptions(&self, customer: &str) -> Vec<Value> {
        self.all(&format!(
            "/v1/subscriptions?limit=100&status=all&customer={customer}"
        ))
        .await
    }

    async fn all(&self, path: &str) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        loop {
            let after = found.last().and_then(|last| last["id"].as_str());
            let after = after
                .map(|id| format!("&starting_after={id}"))
                .unwrap_or_default();
            let page = self.stripe.get(&format!("{path}{after}")).await;
            found.extend(page["data"].as_array().expect("a list").iter().cloned());
            if page["has_more"] != true {
                return found;
            }
        }
    }

    /// Asserts that a tenant has one customer and one live subscription, and gives both.
    pub(crate) async fn one_of_each(&self, name: &str, test_clock: Option<&str>) -> (Value, Value) {
        let mut customers = self.customers(name, test_clock).await;
        assert_eq!(customers.len(), 1, "customers of {name}: {customers:#?}");
        let customer = customers.remove(0);
        let mut live = self.subscriptions(id(&customer)).await;
        live.retain(|s| s["status"] != "canceled" && s["status"] != "incomplete_expired");
        assert_eq!(live.len(), 1, "live subscriptions of {name}: {live:#?}");
        (customer, live.remove(0))
    }

    /// Gives a tenant's customer a default card, as a checkout would; gives the card's id.
    pub(crate) async fn add_card(&self, customer: &str, card: &str) -> String {
        let path = format!("/v1/payment_methods/{card}/attach");
        let attached = self.stripe.post(&path, &[("customer", customer)]).await;
        let card = id(&attached).to_owned();
        let default = [("invoice_settings[default_payment_method]", card.as_str())];
        self.stripe
            .post(&format!("/v1/customers/{customer}"), &default)
            .await;
        card
    }

    /// Creates an object as an administrator of the cluster.
    pub(crate) async fn create(&self, manifest: Value) -> DynamicObject {
        let object: DynamicObject = serde_json::from_value(manifest).expect("an object");
        self.tenants()
            .create(&PostParams::default(), &object)
            .await
            .expect("creating a tenant")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn as_json(object: DynamicObject) -> Value {
    debug_assert!(!object.name_any().is_empty());
    serde_json::to_value(object).expect("an object is JSON")
}

/// Asserts that an object has given up for a reason; gives the message.
pub(crate) fn assert_stalled(object: &Value, reason: &str) -> String {
    assert_abnormal(object, "Stalled", reason)
}

fn assert_abnormal(object: &Value, kind: &str, reason: &str) -> String {
    let (ready, abnormal) = (condition(object, "Ready"), condition(object, kind));
    assert_eq!(ready["status"], "False", "{object:#}");
    assert_eq!(
        (&abnormal["status"], &abnormal["reason"]),
        (&json!("True"), &json!(reason))
    );
    assert_eq!(ready["message"], abnormal["message"]);
    ready["message"].as_str().expect("a message").to_owned()
}

/// What the server said when it refused an object as invalid; panics unless that is what it did.
pub(crate) fn refusal(answer: Result<DynamicObject, kube::Error>) -> String {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 422 => status.message,
        other => panic!("expected the server to refuse it as invalid, but it said {other:?}"),
    }
}

/// Whether an object's status is about its present generation.
pub(crate) fn is_current(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// A condition of an object; null when it has none of that type.
pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    found.cloned().unwrap_or_default()
}

/// The id of an object of Stripe's.
pub(crate) fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}
