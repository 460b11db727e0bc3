//! Where a tenant must be by Stripe's records alone: first failed charges, due dates, what was paid. It
//! shares nothing with the operator but the rule.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use futures::stream::{self, StreamExt as _};
use hyper::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::AT_ONCE;
use super::support::paying::HOUR;
use super::support::world::World;

/// An invoice that is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) invoice: String,
    /// Since when it is late: its due date may be yet to come.
    pub(crate) since: i64,
    /// It was written off.
    pub(crate) given_up: bool,
    /// Its payment waits for the owner of the card.
    pub(crate) waits_for_owner: bool,
}

/// Stages in order, and the hours after which they begin.
pub(crate) const STAGES: [(&str, i64); 4] = [
    ("Reminder", 0),
    ("Warning", 72),
    ("Limited", 144),
    ("Suspended", 168),
];

/// Where a tenant must be, or is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What may be used.
    pub(crate) access: String,
    /// The stage and the invoice that decides, while something is overdue.
    pub(crate) dunning: Option<(String, String)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dunning {
            Some((stage, invoice)) => write!(f, "{} at {stage} for {invoice}", self.access),
            None => write!(f, "{}", self.access),
        }
    }
}

/// The number of a stage.
pub(crate) fn rank(stage: &str) -> Option<usize> {
    STAGES.iter().position(|(name, _)| *name == stage)
}

/// The stage of a bill, by number.
pub(crate) fn reached(bill: &Bill, now: i64) -> usize {
    let hours = (now - bill.since).div_euclid(HOUR);
    STAGES
        .iter()
        .rposition(|(_, begins)| hours >= *begins)
        .unwrap()
}

/// Where a tenant must be.
pub(crate) fn place(bills: &[Bill], hold_until: Option<i64>, now: i64) -> Place {
    let hold = hold_until.filter(|until| now < *until);
    // The stage that will have been reached decides which invoice is shown while it is held.
    let at = hold.unwrap_or(now);
    let worst = bills
        .iter()
        .max_by_key(|bill| (reached(bill, at), std::cmp::Reverse(bill.since)));
    let Some(worst) = worst else {
        return Place {
            access: "Full".to_owned(),
            dunning: None,
        };
    };
    let stage = if hold.is_some() {
        "Held"
    } else {
        STAGES[reached(worst, now)].0
    };
    let access = match stage {
        "Limited" | "Suspended" => stage,
        _ => "Full",
    };
    Place {
        access: access.to_owned(),
        dunning: Some((stage.to_owned(), worst.invoice.clone())),
    }
}

/// Of all manifests no more than is compared: there are many, and they are read often.
#[derive(Deserialize)]
struct Manifests {
    items: Vec<Manifest>,
}

#[derive(Deserialize)]
struct Manifest {
    metadata: Metadata,
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Status {
    access: Option<Access>,
    dunning: Option<Dunning>,
}

#[derive(Deserialize)]
struct Access {
    level: String,
}

#[derive(Deserialize)]
struct Dunning {
    stage: String,
    invoice: String,
}

/// Where everybody is by their statuses, by name.
pub(crate) async fn shown(admin: &Client, namespace: &str) -> HashMap<String, Place> {
    let path = format!("/apis/tenantbilling.io/v1alpha1/namespaces/{namespace}/tenantbillings");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let found: Manifests = admin.request(request).await.unwrap();
    let places = found.items.into_iter().map(|manifest| {
        let Status { access, dunning } = manifest.status;
        let place = Place {
            access: access.map(|access| access.level).unwrap_or_default(),
            dunning: dunning.map(|dunning| (dunning.stage, dunning.invoice)),
        };
        (manifest.metadata.name, place)
    });
    places.collect()
}

/// What Stripe's records say of everybody's bills, read again as its events name a customer.
#[derive(Default)]
pub(crate) struct Records {
    /// The newest event that was read.
    newest: Option<String>,
    /// By customer.
    bills: HashMap<String, Vec<Bill>>,
}

impl Records {
    /// Reads what has happened. Gives how many customers that concerned.
    pub(crate) async fn read(&mut self, world: &World) -> usize {
        let mut touched = BTreeSet::new();
        loop {
            let after = match &self.newest {
                Some(newest) => format!("&ending_before={newest}"),
                None => String::new(),
            };
            let page = world
                .stripe
                .get(&format!("/v1/events?limit=100{after}"))
                .await;
            let events = page["data"].as_array().unwrap();
            let Some(newest) = events.first() else { break };
            self.newest = Some(newest["id"].as_str().unwrap().to_owned());
            let customers = events.iter().filter_map(|event| {
                let object = &event["data"]["object"];
                object["customer"].as_str()
            });
            touched.extend(customers.map(str::to_owned));
            if after.is_empty() {
                // Nothing was ever owed before.
                break;
            }
        }
        let read = touched.iter().map(|customer| bills(world, customer));
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).collect().await;
        let count = touched.len();
        self.bills.extend(touched.into_iter().zip(read));
        count
    }

    /// What a customer has not paid and should have.
    pub(crate) fn late(&self, customer: &str, now: i64) -> Vec<Bill> {
        let bills = self.bills.get(customer).into_iter().flatten();
        bills.filter(|bill| bill.since <= now).cloned().collect()
    }
}

/// What a customer has not paid, by Stripe's records.
async fn bills(world: &World, customer: &str) -> Vec<Bill> {
    let path = format!(
        "/v1/invoices?customer={customer}&limit=100&expand[]=data.payments.data.payment.payment_intent"
    );
    let invoices = world.stripe.get(&path).await;
    let owed: Vec<&Value> = invoices["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["status"] == "open" || it["status"] == "uncollectible")
        .collect();
    if owed.is_empty() {
        return Vec::new();
    }
    let charges = world
        .stripe
        .get(&format!("/v1/charges?customer={customer}&limit=100"))
        .await;
    let charges = charges["data"].as_array().unwrap();
    owed.into_iter()
        .filter_map(|invoice| bill(invoice, charges))
        .collect()
}

fn bill(invoice: &Value, charges: &[Value]) -> Option<Bill> {
    let payments = invoice["payments"]["data"].as_array().unwrap();
    let intents: Vec<&Value> = payments
        .iter()
        .map(|payment| &payment["payment"]["payment_intent"])
        .collect();
    let since = if let Some(due) = invoice["due_date"].as_i64() {
        Some(due)
    } else {
        let of = |charge: &&Value| {
            intents
                .iter()
                .any(|intent| intent["id"] == charge["payment_intent"])
        };
        let failed = charges
            .iter()
            .filter(of)
            .filter(|charge| charge["status"] == "failed");
        let failed = failed
            .map(|charge| charge["created"].as_i64().unwrap())
            .min();
        // A payment that waits for the owner of the card charges nothing.
        let attempted = (invoice["attempted"] == true).then(|| {
            invoice["status_transitions"]["finalized_at"]
                .as_i64()
                .unwrap()
        });
        match (failed, attempted) {
            (Some(failed), Some(attempted)) => Some(failed.min(attempted)),
            (failed, attempted) => failed.or(attempted),
        }
    };
    Some(Bill {
        invoice: invoice["id"].as_str().unwrap().to_owned(),
        since: since?,
        given_up: invoice["status"] == "uncollectible",
        waits_for_owner: intents
            .iter()
            .any(|intent| intent["status"] == "requires_action"),
    })
}
