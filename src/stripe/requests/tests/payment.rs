//! How a tenant pays, as requests.

use super::*;

fn subscribed(new: NewSubscription) -> Vec<String> {
    let step = Step::CreateSubscription {
        customer: Some("cus_1".into()),
        new: Box::new(new),
        basis: String::new(),
    };
    shown(&for_step(&step, &acme(), None).unwrap()).1
}

#[track_caller]
fn assert_has(body: &[String], wanted: &[&str], unwanted: &[&str]) {
    for pair in wanted {
        assert!(body.iter().any(|have| have == pair), "{pair} in {body:?}");
    }
    for key in unwanted {
        let sent = body.iter().any(|have| have.starts_with(key));
        assert!(!sent, "{key} in {body:?}");
    }
}

#[test]
fn invoices_that_are_sent_have_days_to_pay_and_no_word_on_how_to_charge() {
    let body = subscribed(NewSubscription {
        collection: CollectionMethod::Invoice { days_until_due: 14 },
        trial: Some(TrialStart::Days(7)),
        ..newcomer()
    });
    assert_has(
        &body,
        &[
            "collection_method=send_invoice",
            "days_until_due=14",
            "trial_period_days=7",
        ],
        &["payment_behavior", "off_session", "trial_settings"],
    );
}

#[test]
fn a_first_payment_without_anything_on_file_is_left_to_the_customer() {
    let body = subscribed(NewSubscription {
        first_payment: FirstPayment::ByCustomer,
        ..newcomer()
    });
    assert_has(
        &body,
        &["payment_behavior=default_incomplete"],
        &["off_session", "collection_method"],
    );
}

#[test]
fn a_trial_may_end_at_an_instant_and_says_what_happens_then() {
    let end = "2027-01-15T08:00:00Z".parse().unwrap();
    let body = subscribed(NewSubscription {
        trial: Some(TrialStart::Until(end)),
        declared_trial: DeclaredTrial::Until(end),
        if_no_payment_method: IfNoPaymentMethod::Cancel,
        ..newcomer()
    });
    assert_has(
        &body,
        &[
            "trial_end=1800000000",
            "trial_settings[end_behavior][missing_payment_method]=cancel",
            "metadata[tenantbilling_trial]=2027-01-15T08:00:00Z",
        ],
        &["trial_period_days"],
    );
}

#[test]
fn each_step_about_payment_is_one_request() {
    let end = "2027-01-15T08:00:00Z".parse().unwrap();
    let on_sub = "POST /subscriptions/sub_1";
    let subscription = || "sub_1".to_owned();
    let cases: Vec<(Step, &str, Vec<&str>)> = vec![
        (
            Step::SetTrialEnding {
                subscription: subscription(),
                behavior: IfNoPaymentMethod::Invoice,
                changes: Vec::new(),
            },
            on_sub,
            vec!["trial_settings[end_behavior][missing_payment_method]=create_invoice"],
        ),
        (
            Step::RemindOfTrialEnd {
                subscription: subscription(),
                end,
                notice: String::new(),
            },
            on_sub,
            vec!["metadata[tenantbilling_trial_reminder]=2027-01-15T08:00:00Z"],
        ),
        (
            Step::SetCollection {
                subscription: subscription(),
                collection: CollectionMethod::Invoice { days_until_due: 30 },
                changes: Vec::new(),
            },
            on_sub,
            vec!["collection_method=send_invoice", "days_until_due=30"],
        ),
        (
            Step::SetCollection {
                subscription: subscription(),
                collection: CollectionMethod::Automatic,
                changes: Vec::new(),
            },
            on_sub,
            vec!["collection_method=charge_automatically"],
        ),
        (
            Step::SetDefaultPaymentMethod {
                customer: "cus_1".into(),
                payment_method: "pm_1".into(),
            },
            "POST /customers/cus_1",
            vec!["invoice_settings[default_payment_method]=pm_1"],
        ),
        (
            Step::Resume {
                subscription: subscription(),
                payment_method: "pm_1".into(),
            },
            "POST /subscriptions/sub_1/resume",
            vec![
                "billing_cycle_anchor[type]=now",
                "payment_behavior=resume_on_payment_success",
            ],
        ),
    ];
    for (step, target, body) in cases {
        assert_step(&step, target, &body);
    }
}

#[test]
fn a_page_for_a_payment_method_is_a_setup_session_with_the_tenants_identity() {
    let session = |basis: &str| Step::CreateSetupSession {
        customer: "cus_1".into(),
        currency: "usd".into(),
        return_url: "https://app.example/billing?a=b".into(),
        basis: basis.into(),
    };
    let request = for_step(&session(""), &acme(), None).unwrap();
    let (target, body) = shown(&request);
    assert_eq!(target, "POST /checkout/sessions");
    assert_has(
        &body,
        &[
            "mode=setup",
            "customer=cus_1",
            "currency=usd",
            "success_url=https://app.example/billing?a=b",
            OWNER,
            TENANT,
        ],
        &["payment_method_types"],
    );
    let key = |basis| key_for_step(&session(basis), &request, &acme(), 0);
    assert_eq!(key(""), key(""), "a repetition is the same request");
    assert_ne!(
        key(""),
        key("cs_1"),
        "the one after an expired page is another"
    );
}

#[test]
fn another_card_resumes_by_another_request() {
    let resume = |method: &str| Step::Resume {
        subscription: "sub_1".into(),
        payment_method: method.into(),
    };
    let key = |method| {
        let request = for_step(&resume(method), &acme(), None).unwrap();
        key_for_step(&resume(method), &request, &acme(), 0)
    };
    assert_ne!(key("pm_1"), key("pm_2"));
}
