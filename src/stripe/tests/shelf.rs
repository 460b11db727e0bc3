//! An account of a few objects, for the mirror's tests.

use std::sync::{Arc, Mutex};

use crate::converge::observed::TenantKey;
use crate::stripe::Session;
use crate::stripe::scripted::{Received, Reply, Scripted, account, page};

pub(super) fn tenant(id: &str) -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: id.into(),
    }
}

pub(super) fn metadata(tenant: &str) -> String {
    match tenant {
        "" => "{}".to_owned(),
        _ => format!(r#"{{"tenantbilling_owner":"default","tenantbilling_tenant":"{tenant}"}}"#),
    }
}

pub(super) fn customer(id: &str, tenant: &str, name: &str) -> String {
    let metadata = metadata(tenant);
    format!(r#"{{"id":"{id}","object":"customer","name":"{name}","metadata":{metadata}}}"#)
}

pub(super) fn subscription(id: &str, customer: &str, tenant: &str) -> String {
    let metadata = metadata(tenant);
    format!(
        r#"{{"id":"{id}","object":"subscription","customer":"{customer}","status":"active","currency":"usd",
        "cancel_at_period_end":false,"start_date":1,"created":1,"items":{{"data":[]}},"metadata":{metadata}}}"#
    )
}

pub(super) fn dispute(id: &str, customer: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"dispute","status":"{status}","reason":"fraudulent","amount":9900,"currency":"usd",
        "created":5,"payment_intent":"pi_1","evidence_details":{{"due_by":90}},
        "charge":{{"id":"ch_1","object":"charge","customer":"{customer}"}}}}"#
    )
}

pub(super) fn event(id: &str, object: &str) -> String {
    // Stripe forgets old ones.
    let created = jiff::Timestamp::now().as_second();
    format!(r#"{{"id":"{id}","type":"x","created":{created},"data":{{"object":{object}}}}}"#)
}

pub(super) fn missing() -> Reply {
    let body = r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#;
    Reply::Json(404, body.to_owned())
}

/// An account of a few objects, newest first.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) customers: Vec<(&'static str, String)>,
    pub(super) subscriptions: Vec<(&'static str, String)>,
    pub(super) events: Vec<(&'static str, String)>,
    pub(super) invoices: Vec<(&'static str, String)>,
    pub(super) payments: Vec<(&'static str, String)>,
    pub(super) disputes: Vec<(&'static str, String)>,
    pub(super) warnings: Vec<(&'static str, String)>,
    /// The key may not read disputes.
    pub(super) restricted: bool,
}

pub(super) fn parameter<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    let query = request.target.split_once('?')?.1;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Whether an object has this value in the field, if one is asked for.
fn has(json: &str, field: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|value| json.contains(&format!(r#""{field}":"{value}""#)))
}

fn forbidden() -> Reply {
    let body = r#"{"error":{"type":"invalid_request_error","code":"more_permissions_required"}}"#;
    Reply::Json(403, body.to_owned())
}

impl Shelf {
    fn answer(&self, request: &Received) -> Reply {
        let path = request.target.split('?').next().unwrap();
        let path = path.trim_start_matches("/v1/").trim_start_matches("radar/");
        let (list, id) = match path.split_once('/') {
            Some((list, id)) => (list, Some(id)),
            None => (path, None),
        };
        let objects = match list {
            "account" => return account(),
            "customers" => &self.customers,
            "subscriptions" => &self.subscriptions,
            "events" => &self.events,
            "invoices" => &self.invoices,
            "invoice_payments" => &self.payments,
            "disputes" | "early_fraud_warnings" if self.restricted => return forbidden(),
            "disputes" => &self.disputes,
            "early_fraud_warnings" => &self.warnings,
            other => panic!("{other}"),
        };
        if let Some(id) = id {
            let found = objects.iter().find(|(known, _)| *known == id);
            return found.map_or_else(missing, |(_, json)| Reply::Json(200, json.clone()));
        }
        let mut listed: Vec<_> = objects
            .iter()
            .filter(|(_, json)| !json.contains(r#""deleted":true"#))
            .filter(|(_, json)| has(json, "customer", parameter(request, "customer")))
            .filter(|(_, json)| {
                list == "subscriptions" || has(json, "status", parameter(request, "status"))
            })
            .filter(|(_, json)| {
                let intent = parameter(request, "payment[payment_intent]");
                has(json, "payment_intent", intent)
            })
            .collect();
        if let Some(cursor) = parameter(request, "ending_before") {
            match listed.iter().position(|(id, _)| *id == cursor) {
                Some(position) => listed.truncate(position),
                None => return missing(),
            }
        }
        if parameter(request, "limit") == Some("1") {
            listed.truncate(1);
        }
        let bodies: Vec<String> = listed.iter().map(|(_, json)| json.clone()).collect();
        page(&bodies, false)
    }
}

pub(super) async fn served(shelf: Shelf) -> (Scripted, Arc<Mutex<Shelf>>, Session) {
    let shelf = Arc::new(Mutex::new(shelf));
    let shared = Arc::clone(&shelf);
    let stripe = Scripted::start(move |request| shared.lock().unwrap().answer(request));
    let session = stripe.client().session().await.unwrap();
    (stripe, shelf, session)
}

pub(super) fn two_tenants_and_a_stranger() -> Shelf {
    Shelf {
        customers: vec![
            ("cus_a", customer("cus_a", "acme", "Acme")),
            ("cus_b", customer("cus_b", "bolt", "Bolt")),
            ("cus_s", customer("cus_s", "", "Stranger")),
        ],
        subscriptions: vec![
            ("sub_a", subscription("sub_a", "cus_a", "acme")),
            ("sub_f", subscription("sub_f", "cus_a", "")),
            ("sub_l", subscription("sub_l", "cus_x", "bolt")),
            ("sub_s", subscription("sub_s", "cus_s", "")),
        ],
        events: vec![("evt_1", event("evt_1", "{}"))],
        ..Shelf::default()
    }
}
