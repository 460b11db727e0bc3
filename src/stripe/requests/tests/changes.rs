//! Changes of what a subscription sells.

use super::*;

fn three_changes() -> Vec<ItemChange> {
    vec![
        ItemChange::Update {
            item: "si_1".into(),
            price: "price_2".into(),
            quantity: Some(5),
        },
        ItemChange::Add {
            price: "price_3".into(),
            quantity: None,
        },
        ItemChange::Remove {
            item: "si_3".into(),
        },
    ]
}

const THREE_CHANGES: [&str; 6] = [
    "items[0][id]=si_1",
    "items[0][price]=price_2",
    "items[0][quantity]=5",
    "items[1][price]=price_3",
    "items[2][id]=si_3",
    "items[2][deleted]=true",
];

#[test]
fn a_change_is_one_update_prorated_from_the_instant_of_its_preview() {
    for (proration, sent) in [
        (Proration::Create, "create_prorations"),
        (Proration::InvoiceNow, "always_invoice"),
        (Proration::None, "none"),
    ] {
        let step = Step::ChangeItems {
            subscription: "sub_1".into(),
            items: three_changes(),
            proration,
            proration_date: Some(jiff::Timestamp::from_second(1_800_000_000).unwrap()),
            cause: Cause::Wanted,
            changes: Vec::new(),
        };
        let behavior = format!("proration_behavior={sent}");
        let rest = [
            behavior.as_str(),
            "proration_date=1800000000",
            "payment_behavior=allow_incomplete",
            "off_session=true",
        ];
        let body = [&THREE_CHANGES[..], &rest].concat();
        assert_step(&step, "POST /subscriptions/sub_1", &body);
    }
}

#[test]
fn a_preview_asks_for_the_same_change() {
    let at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    for (proration, charged, sent) in [
        (Proration::Create, Charged::NextInvoice, "always_invoice"),
        (Proration::Create, Charged::Now, "create_prorations"),
        (Proration::InvoiceNow, Charged::Now, "always_invoice"),
        (Proration::None, Charged::Now, "none"),
    ] {
        let request = QuoteRequest {
            subscription: "sub_1".into(),
            items: three_changes(),
            proration,
            proration_date: at,
            charged,
            currency: "usd".into(),
            fingerprint: String::new(),
        };
        let (target, mut got) = shown(&preview(&request).unwrap());
        let mut body: Vec<String> = THREE_CHANGES
            .iter()
            .map(|pair| format!("subscription_details[items]{}", &pair["items".len()..]))
            .collect();
        body.push("subscription=sub_1".into());
        body.push(format!("subscription_details[proration_behavior]={sent}"));
        if proration != Proration::None {
            body.push("subscription_details[proration_date]=1800000000".into());
        }
        body.sort();
        got.sort();
        assert_eq!(
            (target.as_str(), got),
            ("POST /invoices/create_preview", body)
        );
    }
}

#[test]
fn a_schedule_is_made_bare_and_then_given_its_phases_and_its_owner() {
    let create = Step::CreateSchedule {
        subscription: "sub_1".into(),
        basis: String::new(),
    };
    assert_step(
        &create,
        "POST /subscription_schedules",
        &["from_subscription=sub_1"],
    );
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let item = |price: &str, quantity| PhaseItem {
        price: price.into(),
        quantity,
    };
    let change = Step::ScheduleChange {
        subscription: "sub_1".into(),
        schedule: "sub_sched_1".into(),
        current: Phase {
            start: at(1_800_000_000),
            end: at(1_802_592_000),
            items: vec![item("price_1", Some(1))],
        },
        next: vec![item("price_2", Some(2)), item("price_3", None)],
        interval: Interval::Year,
        discounts: vec!["di_1".into()],
        changes: Vec::new(),
    };
    assert_step(
        &change,
        "POST /subscription_schedules/sub_sched_1",
        &[
            "end_behavior=release",
            "phases[0][start_date]=1800000000",
            "phases[0][end_date]=1802592000",
            "phases[0][items][0][price]=price_1",
            "phases[0][items][0][quantity]=1",
            "phases[0][proration_behavior]=none",
            "phases[1][items][0][price]=price_2",
            "phases[1][items][0][quantity]=2",
            "phases[1][items][1][price]=price_3",
            "phases[0][discounts][0][discount]=di_1",
            "phases[1][discounts][0][discount]=di_1",
            "phases[1][duration][interval]=year",
            "phases[1][duration][interval_count]=1",
            "phases[1][proration_behavior]=none",
            OWNER,
            TENANT,
        ],
    );
    let release = Step::ReleaseSchedule {
        subscription: "sub_1".into(),
        schedule: "sub_sched_1".into(),
    };
    assert_step(
        &release,
        "POST /subscription_schedules/sub_sched_1/release",
        &[],
    );
}
