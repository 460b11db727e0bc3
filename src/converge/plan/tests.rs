//! What the planner decides: case by case, and that applying it converges from anywhere.

mod cases;
mod convergence;

use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::api::{CustomerDetails, Interval};
use crate::converge::desired::{Offer, TrialTerms};
use crate::converge::observed::{Customer, Item, Price, Schedule, SubscriptionStatus};

fn now() -> Timestamp {
    "2027-01-15T12:00:00Z".parse().unwrap()
}

fn key() -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: "t1".into(),
    }
}

fn price(plan: &str, amount: i64) -> Price {
    Price {
        id: format!("price_{plan}"),
        product: format!("tb_{plan}"),
        owner: Some("default".into()),
        plan: Some(plan.into()),
        currency: "usd".into(),
        unit_amount: Some(amount),
        interval: Some(Interval::Month),
        interval_count: 1,
        active: true,
        ..Price::default()
    }
}

fn desired() -> Desired {
    Desired {
        key: key(),
        customer: CustomerDetails {
            name: "Acme Inc".into(),
            email: "billing@acme.example".into(),
            ..CustomerDetails::default()
        },
        plan: "pro".into(),
        offer: Offer {
            base: price("pro", 9900),
            usage: Vec::new(),
        },
        quantity: 1,
        trial: TrialTerms::Plan(14),
        lifecycle: Lifecycle::Active,
        test_clock: None,
    }
}

fn customer() -> Customer {
    Customer {
        id: "cus_1".into(),
        key: Some(key()),
        name: Some("Acme Inc".into()),
        email: Some("billing@acme.example".into()),
        default_payment_method: Some("pm_1".into()),
        ..Customer::default()
    }
}

fn subscription(id: &str, status: SubscriptionStatus) -> Subscription {
    let start = now() - (5 * 24).hours();
    Subscription {
        id: id.into(),
        customer: "cus_1".into(),
        key: Some(key()),
        status,
        currency: "usd".into(),
        items: vec![Item {
            id: format!("si_{id}"),
            price: price("pro", 9900),
            quantity: Some(1),
            period_start: start,
            period_end: start + (30 * 24).hours(),
        }],
        cancel_at_period_end: false,
        cancel_at: None,
        start_date: start,
        created: start,
        trial_start: None,
        trial_end: None,
        schedule: None,
        canceled_by_manifest: false,
        trial_days: Some(14),
        default_payment_method: None,
        test_clock: None,
    }
}

fn foreign_schedule() -> Schedule {
    Schedule {
        id: "sub_sched_1".into(),
        key: None,
        phases: Vec::new(),
    }
}

fn trialing() -> Subscription {
    let base = subscription("sub_1", SubscriptionStatus::Trialing);
    Subscription {
        trial_start: Some(base.start_date),
        trial_end: Some(base.start_date + (14 * 24).hours()),
        ..base
    }
}

fn active() -> Subscription {
    subscription("sub_1", SubscriptionStatus::Active)
}

fn with(subscriptions: Vec<Subscription>) -> Observed {
    Observed {
        customers: vec![customer()],
        subscriptions,
        ..Observed::default()
    }
}

fn plan_of(desired: &Desired, observed: &Observed) -> Plan {
    tenant(desired, observed, &Recorded::default(), now())
}

fn steps(desired: &Desired, observed: &Observed) -> Vec<String> {
    plan_of(desired, observed)
        .steps
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn hold(desired: &Desired, observed: &Observed) -> &'static str {
    plan_of(desired, observed).hold.expect("no hold").reason
}
