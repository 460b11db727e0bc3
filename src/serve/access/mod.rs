//! `GET /access/{tenantId}` and `/ext-authz`: what a tenant may use, for gateways to enforce. Answered
//! from memory by every replica, leader or not.
//!
//! | answer | when |
//! |--------|------|
//! | 200 | the tenant's access is `Full` or `Limited`; what is `Limited` is for the gateway to know |
//! | 402 | it is `Suspended`; with `?denied=401` or `?denied=403` that instead |
//! | 200 or 402 | nothing is known of the tenant, as `--access-unknown` says; the level is `Unknown` |
//! | 400 | the request names no tenant, or asks for another code of refusal |
//!
//! Both tell the same in headers and as JSON, and are never to be cached: whoever pays is back at once.
//!
//! `/ext-authz` is for gateways that ask with the customer's own request: any method, any path below it
//! (Envoy appends the original one), the tenant in a header. A query after such a path is the
//! customer's and means nothing here.

mod answer;
mod metrics;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use axum::routing::{any, get};
use prometheus_client::registry::Registry;
use serde::Deserialize;

use self::metrics::Lookups;
use crate::controller::AccessIndex;

/// Names the tenant where the path doesn't.
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
/// The longest `namespace/name`; a `tenantId` of its own is shorter.
const LONGEST_ID: usize = 63 + 1 + 253;

/// What gateways are told of tenants that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTenants {
    /// To let them pass: an id that nobody bills must not take a product down.
    Allow,
    /// To refuse them.
    Deny,
}

/// What the routes need.
#[derive(Debug)]
pub struct Gate {
    index: Arc<AccessIndex>,
    unknown: UnknownTenants,
    lookups: Lookups,
}

impl Gate {
    /// Tells what `index` knows.
    pub fn new(
        index: Arc<AccessIndex>,
        unknown: UnknownTenants,
        registry: &mut Registry,
    ) -> Arc<Self> {
        Arc::new(Self {
            index,
            unknown,
            lookups: Lookups::register(registry),
        })
    }

    /// Whether every tenant is known that is to be.
    pub(super) fn is_ready(&self) -> bool {
        self.index.is_listed()
    }

    fn answer(&self, asked: Result<(&str, StatusCode), String>) -> Response {
        let (tenant_id, denied) = match asked {
            Ok(asked) => asked,
            Err(message) => {
                self.lookups.invalid.inc();
                return answer::invalid(&message);
            }
        };
        match self.index.lookup(tenant_id) {
            Ok(access) => {
                self.lookups.of(access.level).inc();
                answer::known(tenant_id, &access, denied)
            }
            Err(why) => {
                self.lookups.unknown.inc();
                let status = match self.unknown {
                    UnknownTenants::Allow => StatusCode::OK,
                    UnknownTenants::Deny => denied,
                };
                answer::unknown(tenant_id, why, status)
            }
        }
    }
}

/// The routes.
pub(super) fn routes(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/access", get(without_tenant))
        .route("/access/", get(without_tenant))
        .route("/access/{*tenant}", get(by_path))
        .route("/ext-authz", any(by_header))
        .route("/ext-authz/", any(by_appended_path))
        .route("/ext-authz/{*path}", any(by_appended_path))
        .with_state(gate)
}

/// The query of a request.
#[derive(Debug, Deserialize)]
struct Asked {
    denied: Option<String>,
}

type AskedQuery = Result<Query<Asked>, QueryRejection>;

async fn by_path(
    State(gate): State<Arc<Gate>>,
    tenant: Result<Path<String>, PathRejection>,
    query: AskedQuery,
) -> Response {
    let asked = (|| {
        let tenant = tenant
            .as_ref()
            .map_err(|error| format!("the path: {error}"))?;
        let tenant = check("the path after /access/", &tenant.0)?;
        Ok((tenant, denied(query)?))
    })();
    gate.answer(asked)
}

async fn without_tenant(State(gate): State<Arc<Gate>>) -> Response {
    gate.answer(Err("the path: put the tenantId after /access/".to_owned()))
}

async fn by_header(
    State(gate): State<Arc<Gate>>,
    headers: HeaderMap,
    query: AskedQuery,
) -> Response {
    let asked = tenant_of(&headers).and_then(|tenant| Ok((tenant, denied(query)?)));
    gate.answer(asked)
}

async fn by_appended_path(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> Response {
    let asked = tenant_of(&headers).map(|tenant| (tenant, StatusCode::PAYMENT_REQUIRED));
    gate.answer(asked)
}

fn tenant_of(headers: &HeaderMap) -> Result<&str, String> {
    let mut values = headers.get_all(TENANT_ID).iter();
    let place = "the header x-tenant-id";
    let Some(value) = values.next() else {
        return Err(format!(
            "{place} is missing; have the gateway pass it on or set it"
        ));
    };
    if values.next().is_some() {
        return Err(format!(
            "{place} is there more than once; have the gateway replace what customers send"
        ));
    }
    let value = value
        .to_str()
        .map_err(|_| format!("{place} has other than ASCII characters"))?;
    check(place, value)
}

/// What no manifest can have as its identity is a mistake of the gateway's, and not an unknown tenant.
fn check<'a>(place: &str, id: &'a str) -> Result<&'a str, String> {
    let of_an_id = |b: u8| b.is_ascii_alphanumeric() || b"._/:@-".contains(&b);
    if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(of_an_id) {
        Ok(id)
    } else {
        Err(format!(
            "{place} is no tenantId: up to {LONGEST_ID} letters, digits and . _ / : @ -"
        ))
    }
}

/// The code of a refusal.
fn denied(query: AskedQuery) -> Result<StatusCode, String> {
    let Query(asked) = query.map_err(|error| format!("the query: {error}"))?;
    match asked.denied.as_deref() {
        None | Some("402") => Ok(StatusCode::PAYMENT_REQUIRED),
        Some("401") => Ok(StatusCode::UNAUTHORIZED),
        Some("403") => Ok(StatusCode::FORBIDDEN),
        Some(_) => Err("the query: denied is one of 401, 402 and 403".to_owned()),
    }
}

#[cfg(test)]
mod tests;
