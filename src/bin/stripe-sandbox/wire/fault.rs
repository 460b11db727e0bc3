//! Faults to be injected into coming requests.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What happens to a request hit by a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is answered with an error and not carried out.
    Status,
    /// The connection closes; nothing was done.
    DropBefore,
    /// The connection closes; it was done.
    DropAfter,
    /// No answer, nothing done, until the fault is deleted.
    HoldBefore,
    /// Done, and no answer until the fault is deleted.
    HoldAfter,
    /// Done after a while.
    Delay,
}

/// What the body of a `status` fault is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Stripe's error object.
    #[default]
    Json,
    /// A proxy's error page.
    Html,
}

/// A fault as it is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Method hit; all when absent.
    pub method: Option<String>,
    /// Beginning of the paths hit; all when absent.
    pub path: Option<String>,
    /// Requests let through first.
    #[serde(default)]
    pub skip: u64,
    /// Requests hit; 0 for no end.
    #[serde(default = "once")]
    pub times: u64,
    /// What happens.
    pub kind: Kind,
    /// Status of a `status` fault.
    #[serde(default = "internal_error")]
    pub status: u16,
    /// Body of a `status` fault.
    #[serde(default)]
    pub body: Body,
    /// `Retry-After` of a `status` fault.
    pub retry_after: Option<u64>,
    /// `Stripe-Should-Retry` of a `status` fault.
    pub should_retry: Option<bool>,
    /// Length of a `delay`.
    #[serde(default)]
    pub delay_ms: u64,
}

const fn once() -> u64 {
    1
}

const fn internal_error() -> u16 {
    500
}

impl Spec {
    /// Whether the fault is the outcome of carrying the request out, which Stripe keeps for the idempotency key.
    pub fn is_outcome(&self) -> bool {
        self.kind == Kind::Status && self.status >= 500
    }
}

/// A fault in force.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `fault_1`, …
    pub id: String,
    /// What was asked for.
    pub spec: Spec,
    /// Requests that matched, hit or let through.
    seen: u64,
    /// Requests hit.
    hits: u64,
}

/// All faults.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
    made: u64,
}

impl Faults {
    /// Adds a fault and says its id.
    pub fn add(&mut self, spec: Spec) -> String {
        self.made += 1;
        let id = format!("fault_{}", self.made);
        self.faults.push(Fault {
            id: id.clone(),
            spec,
            seen: 0,
            hits: 0,
        });
        id
    }

    /// The fault that hits this request, which counts as one of its times. The oldest goes first.
    ///
    /// A request answered from the idempotency store is not carried out, so no outcome can be replaced.
    pub fn hit(&mut self, method: &str, path: &str, replayed: bool) -> Option<Fault> {
        self.faults
            .iter_mut()
            .find_map(|fault| fault.hit(method, path, replayed).then(|| fault.clone()))
    }

    /// Whether the fault is still there; holds end with it.
    pub fn contains(&self, id: &str) -> bool {
        self.faults.iter().any(|fault| fault.id == id)
    }

    /// Deletes one fault; `false` if there is none with that id.
    pub fn remove(&mut self, id: &str) -> bool {
        let before = self.faults.len();
        self.faults.retain(|fault| fault.id != id);
        self.faults.len() < before
    }

    /// Deletes all.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// All faults with their hits.
    pub fn render(&self) -> Value {
        let data: Vec<Value> = self
            .faults
            .iter()
            .map(|fault| {
                json!({
                    "id": fault.id, "method": fault.spec.method, "path": fault.spec.path,
                    "skip": fault.spec.skip, "times": fault.spec.times, "hits": fault.hits, "kind": fault.spec.kind,
                })
            })
            .collect();
        json!({ "data": data })
    }
}

impl Fault {
    fn hit(&mut self, method: &str, path: &str, replayed: bool) -> bool {
        let spec = &self.spec;
        let spent = spec.times != 0 && self.hits >= spec.times;
        let matches = spec
            .method
            .as_deref()
            .is_none_or(|it| it.eq_ignore_ascii_case(method))
            && spec.path.as_deref().is_none_or(|it| path.starts_with(it));
        if spent || !matches || (replayed && spec.is_outcome()) {
            return false;
        }
        self.seen += 1;
        let hit = self.seen > spec.skip;
        self.hits += u64::from(hit);
        hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lets_some_through_then_hits_so_often() {
        let mut faults = Faults::default();
        let spec = json!({"method": "POST", "path": "/v1/customers", "skip": 1, "times": 2, "kind": "drop_after"});
        faults.add(serde_json::from_value(spec).unwrap());
        assert!(faults.hit("GET", "/v1/customers", false).is_none());
        let hits: Vec<bool> = (0..5)
            .map(|_| faults.hit("POST", "/v1/customers/cus_1", false).is_some())
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.render()["data"][0]["hits"], 2);
    }
}
