//! What the planner decides: case by case, and that applying it converges from anywhere.

mod cases;
mod changes;
mod collect;
mod convergence;
mod guards;
mod holds;
mod model;
mod payment;
mod rollouts;
mod trials;

use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::api::{
    Charged, CustomerDetails, DowngradeTiming, Existing, IfNoLocation, IfNoPaymentMethod, Interval,
    OnDispute, PaymentRequirement, PlanLimits, Proration, Rollout, TaxPolicy, UpgradeTiming,
};
use crate::converge::desired::{ChangePolicy, Offer};
use crate::converge::dunning::DunningTerms;
use crate::converge::notice::Marks;
use crate::converge::observed::{
    Awaits, CollectionPause, Component, Customer, Dispute, DisputeStatus, Disputes, HoldMark,
    Invoice, InvoiceStatus, InvoiceTax, Item, Pause, Phase, PhaseItem, Price, Schedule,
    SubscriptionStatus, TaxLocation,
};
use crate::converge::payment::{CollectionMethod, PaymentTerms, SetupLink};
use crate::converge::steps::{CollectionStep, ItemChange, SCHEDULE};
use crate::converge::trial::{DeclaredTrial, TrialEnding, TrialTerms};

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
        component: Some(Component::Base),
        ..Price::default()
    }
}

fn usage_price(plan: &str, meter: &str, version: &str) -> Price {
    Price {
        id: format!("price_usage_{plan}_{meter}{version}"),
        unit_amount: None,
        metered: true,
        meter: Some(format!("mtr_{meter}")),
        component: Some(Component::Usage(meter.into())),
        ..price(plan, 0)
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
        change: ChangePolicy::default(),
        rollout: Rollout::default(),
        tax: None,
        trial: TrialTerms::Plan(14),
        trial_ending: TrialEnding::default(),
        dunning: DunningTerms::default(),
        limits: PlanLimits::default(),
        payment: PaymentTerms {
            return_url: Some("https://app.example".into()),
            ..PaymentTerms::default()
        },
        lifecycle: Lifecycle::Active,
        on_dispute: OnDispute::Report,
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
            discounted: false,
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
        automatic_tax: false,
        discounts: Vec::new(),
        canceled_by_manifest: false,
        declared_trial: Some(DeclaredTrial::Days(14)),
        reminded_of: None,
        if_no_payment_method: Some(IfNoPaymentMethod::Pause),
        collection: CollectionMethod::Automatic,
        pause: None,
        collection_paused: None,
        held: None,
        default_payment_method: None,
        test_clock: None,
        notices: Marks::default(),
    }
}

fn mark() -> HoldMark {
    HoldMark {
        by: "du_1".into(),
        since: now() - 48.hours(),
    }
}

fn pause(behavior: &str) -> CollectionPause {
    CollectionPause {
        behavior: behavior.into(),
        resumes_at: None,
    }
}

fn dispute(id: &str, status: DisputeStatus) -> Dispute {
    Dispute {
        id: id.into(),
        customer: "cus_1".into(),
        invoice: None,
        status,
        reason: "fraudulent".into(),
        amount: 9900,
        currency: "usd".into(),
        created: now(),
        evidence_due_by: None,
        notices: Marks::default(),
    }
}

/// A draft that a hold has made.
fn draft(id: &str) -> Invoice {
    Invoice {
        id: id.into(),
        customer: "cus_1".into(),
        subscription: Some("sub_1".into()),
        status: InvoiceStatus::Draft,
        amount: 9900,
        currency: "usd".into(),
        billing_reason: "subscription_cycle".into(),
        created: now() - 24.hours(),
        auto_advance: false,
        finalizes_at: None,
        finalized: None,
        attempted: false,
        attempt_count: 0,
        next_payment_attempt: None,
        due_date: None,
        hosted_url: None,
        finalization_error: None,
        tax: InvoiceTax::Fine,
        awaits: Awaits::Nothing,
        tried: None,
        held: None,
        notices: Marks::default(),
    }
}

fn foreign_schedule() -> Schedule {
    Schedule {
        id: "sub_sched_1".into(),
        key: None,
        phases: Vec::new(),
    }
}

fn link(expires_at: Timestamp) -> SetupLink {
    SetupLink {
        session: "cs_1".into(),
        url: "https://checkout.example/cs_1".into(),
        expires_at,
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
    plan_with(desired, observed, &Recorded::default())
}

fn plan_with(desired: &Desired, observed: &Observed, recorded: &Recorded) -> Plan {
    answered(desired, observed, recorded, Situation::at(now()))
}

/// The plan once everything it asks is answered: changes cost nothing, and it is everybody's turn.
fn answered(
    desired: &Desired,
    observed: &Observed,
    recorded: &Recorded,
    mut situation: Situation,
) -> Plan {
    for _ in 0..3 {
        let plan = tenant(desired, observed, recorded, &situation);
        match &plan.ask {
            None => return plan,
            Some(Ask::Quote(request)) => {
                situation.quote = Some(request.answered(0, situation.now));
            }
            Some(Ask::Turn) => situation.turn = Turn::Granted,
            Some(Ask::PaymentMethods(_)) => situation.attached = Some(Attached::Nothing),
        }
    }
    panic!("it goes on asking");
}

fn recorded(plan: &str, base: &str, quantity: i64) -> Recorded {
    Recorded {
        subscription_id: Some("sub_1".into()),
        terms: Some(RecordedTerms {
            plan: plan.into(),
            base: base.into(),
            usage: Vec::new(),
            quantity,
        }),
        ..Recorded::default()
    }
}

#[track_caller]
fn assert_idle(plan: &Plan) {
    let idle = Plan {
        agreed: plan.agreed.clone(),
        look_at: plan.look_at,
        ..Plan::default()
    };
    assert_eq!(*plan, idle);
}

fn steps(desired: &Desired, observed: &Observed) -> Vec<String> {
    described(&plan_of(desired, observed))
}

fn described(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

fn hold(desired: &Desired, observed: &Observed) -> &'static str {
    plan_of(desired, observed).hold.expect("no hold").reason
}
