mod changes;
mod collection;
mod notice;
mod payment;

use super::*;
use stripe_client_core::StripeMethod;

use crate::api::{Charged, IfNoPaymentMethod, Interval, Proration};
use crate::converge::desired::Offer;
use crate::converge::observed::{Phase, PhaseItem, Price};
use crate::converge::payment::CollectionMethod;
use crate::converge::quote::QuoteRequest;
use crate::converge::steps::{Cause, FirstPayment, ItemChange, NewSubscription, TrialStart};
use crate::converge::trial::DeclaredTrial;
use crate::stripe::idempotency::{idempotency_key, key_for_step};

fn acme() -> TenantKey {
    TenantKey {
        owner: "default".into(),
        tenant: "acme & co".into(),
    }
}

/// Method, path, and the decoded body in canonical order.
pub(super) fn shown(request: &RequestBuilder) -> (String, Vec<String>) {
    let method = match request.method {
        StripeMethod::Get => "GET",
        StripeMethod::Post => "POST",
        StripeMethod::Delete => "DELETE",
    };
    assert_eq!(request.query, None);
    let body = request.body.as_deref().unwrap_or_default();
    let pairs = form_urlencoded::parse(body.as_bytes())
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    (format!("{method} {}", request.path), pairs)
}

#[track_caller]
fn assert_step(step: &Step, target: &str, body: &[&str]) {
    let (got_target, mut got) = shown(&for_step(step, &acme(), None).unwrap());
    let mut body: Vec<String> = body.iter().map(ToString::to_string).collect();
    body.extend(expansion(target).map(|member| format!("expand[0]={member}")));
    got.sort();
    body.sort();
    assert_eq!((got_target.as_str(), got), (target, body));
}

/// What every answer of a kind is to come with.
fn expansion(target: &str) -> Option<&'static str> {
    if target.starts_with("POST /customers") {
        Some("tax")
    } else if target.starts_with("POST /subscriptions") {
        Some("schedule")
    } else {
        None
    }
}

const OWNER: &str = "metadata[tenantbilling_owner]=default";
const TENANT: &str = "metadata[tenantbilling_tenant]=acme & co";

fn details() -> CustomerDetails {
    serde_json::from_value(serde_json::json!({
        "name": "Acme", "email": "billing@acme.example", "address": {"line1": "Main 1", "country": "DE"},
    }))
    .unwrap()
}

fn price(id: &str) -> Price {
    Price {
        id: id.into(),
        ..Price::default()
    }
}

fn newcomer() -> NewSubscription {
    NewSubscription {
        plan: "pro".into(),
        offer: Offer {
            base: price("price_1"),
            usage: Vec::new(),
        },
        quantity: 1,
        automatic_tax: false,
        trial: None,
        declared_trial: DeclaredTrial::Days(14),
        if_no_payment_method: IfNoPaymentMethod::Pause,
        collection: CollectionMethod::Automatic,
        first_payment: FirstPayment::OnFile,
    }
}

fn subscribe(customer: Option<&str>, trial_days: i64) -> Step {
    Step::CreateSubscription {
        customer: customer.map(Into::into),
        new: Box::new(NewSubscription {
            trial: (trial_days > 0).then_some(TrialStart::Days(trial_days)),
            ..newcomer()
        }),
        basis: String::new(),
    }
}

#[test]
fn creating_a_customer_sends_what_is_given_and_the_identity() {
    let step = Step::CreateCustomer {
        details: Box::new(details()),
        test_clock: Some("clock_1".into()),
    };
    assert_step(
        &step,
        "POST /customers",
        &[
            "name=Acme",
            "email=billing@acme.example",
            "address[line1]=Main 1",
            "address[country]=DE",
            "test_clock=clock_1",
            OWNER,
            TENANT,
        ],
    );
}

#[test]
fn updating_a_customer_sends_only_what_changes_but_an_address_as_a_whole() {
    let update = |update| Step::UpdateCustomer {
        customer: "cus_1".into(),
        update: Box::new(update),
        changes: Vec::new(),
    };
    let email = CustomerUpdate {
        email: Some("new@acme.example".into()),
        ..CustomerUpdate::default()
    };
    assert_step(
        &update(email),
        "POST /customers/cus_1",
        &["email=new@acme.example"],
    );
    let address = CustomerUpdate {
        address: details().address,
        restore_identity: true,
        ..CustomerUpdate::default()
    };
    assert_step(
        &update(address),
        "POST /customers/cus_1",
        &[
            "address[line1]=Main 1",
            "address[line2]=",
            "address[city]=",
            "address[state]=",
            "address[postal_code]=",
            "address[country]=DE",
            OWNER,
            TENANT,
        ],
    );
}

#[test]
fn a_subscription_begins_with_one_of_its_price() {
    let common = [
        "customer=cus_1",
        "items[0][price]=price_1",
        "items[0][quantity]=1",
        "payment_behavior=allow_incomplete",
        "off_session=true",
        OWNER,
        TENANT,
        "metadata[tenantbilling_trial]=14",
    ];
    assert_step(&subscribe(Some("cus_1"), 0), "POST /subscriptions", &common);
    let with_trial = [
        &common[..],
        &[
            "trial_period_days=14",
            "trial_settings[end_behavior][missing_payment_method]=pause",
        ],
    ]
    .concat();
    assert_step(
        &subscribe(Some("cus_1"), 14),
        "POST /subscriptions",
        &with_trial,
    );
}

#[test]
fn the_customer_of_a_subscription_can_be_the_one_just_made() {
    let request = for_step(&subscribe(None, 0), &acme(), Some("cus_new")).unwrap();
    assert!(shown(&request).1.contains(&"customer=cus_new".to_owned()));
    assert!(for_step(&subscribe(None, 0), &acme(), None).is_err());
}

#[test]
fn metered_prices_come_without_a_quantity() {
    let step = Step::CreateSubscription {
        customer: Some("cus_1".into()),
        new: Box::new(NewSubscription {
            offer: Offer {
                base: price("price_1"),
                usage: vec![price("price_2")],
            },
            quantity: 3,
            automatic_tax: true,
            declared_trial: DeclaredTrial::Days(0),
            ..newcomer()
        }),
        basis: String::new(),
    };
    assert_step(
        &step,
        "POST /subscriptions",
        &[
            "customer=cus_1",
            "items[0][price]=price_1",
            "items[0][quantity]=3",
            "items[1][price]=price_2",
            "automatic_tax[enabled]=true",
            "payment_behavior=allow_incomplete",
            "off_session=true",
            OWNER,
            TENANT,
            "metadata[tenantbilling_trial]=0",
        ],
    );
}

#[test]
fn a_trial_is_moved_to_a_time_or_ended_now() {
    for (end, sent) in [
        (
            Some(jiff::Timestamp::from_second(1_800_000_000).unwrap()),
            "trial_end=1800000000",
        ),
        (None, "trial_end=now"),
    ] {
        let step = Step::MoveTrialEnd {
            subscription: "sub_1".into(),
            end,
            declared: DeclaredTrial::Days(30),
            changes: Vec::new(),
        };
        assert_step(
            &step,
            "POST /subscriptions/sub_1",
            &[
                sent,
                "proration_behavior=none",
                "off_session=true",
                "metadata[tenantbilling_trial]=30",
            ],
        );
    }
}

#[test]
fn cancelling_and_its_mark_are_one_request_and_undoing_it_takes_the_mark_away() {
    let subscription = || "sub_1".to_owned();
    let mark = "metadata[tenantbilling_canceled_by]=manifest";
    let target = "POST /subscriptions/sub_1";
    assert_step(
        &Step::CancelAtPeriodEnd {
            subscription: subscription(),
        },
        target,
        &["cancel_at_period_end=true", mark],
    );
    assert_step(
        &Step::MarkCanceled {
            subscription: subscription(),
        },
        target,
        &[mark],
    );
    assert_step(
        &Step::UndoCancellation {
            subscription: subscription(),
            changes: Vec::new(),
        },
        target,
        &[
            "cancel_at_period_end=false",
            "metadata[tenantbilling_canceled_by]=",
        ],
    );
    assert_step(
        &Step::CancelNow {
            subscription: subscription(),
        },
        "DELETE /subscriptions/sub_1",
        &[],
    );
    assert_step(
        &Step::RestoreIdentity {
            subscription: subscription(),
            declared_trial: DeclaredTrial::Days(14),
            changes: Vec::new(),
        },
        target,
        &[OWNER, TENANT, "metadata[tenantbilling_trial]=14"],
    );
}

#[test]
fn an_id_from_outside_cannot_become_another_request() {
    for id in ["", "sub_1/../x", "sub_1?y=1", "sub 1", "sub_ü"] {
        let step = Step::CancelNow {
            subscription: id.into(),
        };
        assert_eq!(
            for_step(&step, &acme(), None).unwrap_err().class,
            Class::Invalid,
            "{id}"
        );
    }
}

#[test]
fn equal_steps_have_equal_keys_and_anything_else_another() {
    let step = subscribe(Some("cus_1"), 14);
    let request = || for_step(&step, &acme(), None).unwrap();
    let key = key_for_step(&step, &request(), &acme(), 0);
    // Maps are filled in another order each time.
    for _ in 0..20 {
        assert_eq!(key_for_step(&step, &request(), &acme(), 0), key);
    }
    assert_ne!(key_for_step(&step, &request(), &acme(), 1), key);
    let cancel = |id: &str| {
        let step = Step::UndoCancellation {
            subscription: id.into(),
            changes: Vec::new(),
        };
        key_for_step(&step, &for_step(&step, &acme(), None).unwrap(), &acme(), 0)
    };
    assert_ne!(cancel("sub_1"), cancel("sub_2"));
    let base = idempotency_key(&acme(), "Op", "a=1", "x", 0);
    assert_ne!(base, idempotency_key(&acme(), "Op", "a=1", "y", 0));
    assert_ne!(base, idempotency_key(&acme(), "Op", "a=2", "x", 0));
    assert_ne!(base, idempotency_key(&acme(), "Opa", "=1", "x", 0));
    let other = TenantKey {
        owner: "other".into(),
        ..acme()
    };
    assert_ne!(base, idempotency_key(&other, "Op", "a=1", "x", 0));
}
