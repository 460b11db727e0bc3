//! A new payment method pays what is open.

use super::payment::open_invoice;
use super::*;

fn past_due(invoices: Vec<Invoice>) -> Observed {
    let mut observed = with(vec![Subscription {
        status: SubscriptionStatus::PastDue,
        ..active()
    }]);
    observed.invoices = invoices;
    observed
}

fn having(observed: &Observed, attached: impl Into<Option<Attached>>) -> Plan {
    let situation = Situation {
        attached: attached.into(),
        ..Situation::at(now())
    };
    tenant(&desired(), observed, &Recorded::default(), &situation)
}

fn latest(method: &str) -> Attached {
    Attached::Latest(method.into())
}

#[test]
fn another_default_pays_at_once() {
    let mut observed = past_due(vec![open_invoice("sub_1")]);
    observed.customers[0].default_payment_method = Some("pm_2".into());
    let plan = having(&observed, None);
    assert_eq!(described(&plan), ["~ pay in_1 by pm_2"]);
    assert_eq!(plan.ask, None);
}

#[test]
fn a_default_that_has_failed_is_not_charged_again_but_what_is_attached_is_asked_for() {
    let observed = past_due(vec![open_invoice("sub_1")]);
    let plan = having(&observed, None);
    assert!(plan.steps.is_empty());
    assert_eq!(plan.ask, Some(Ask::PaymentMethods("cus_1".into())));
    for attached in [latest("pm_1"), Attached::Nothing] {
        let plan = having(&observed, attached);
        assert!(plan.steps.is_empty(), "{:?}", plan.steps);
        assert_eq!(plan.ask, None);
    }
}

#[test]
fn a_card_that_was_only_attached_becomes_the_default_and_pays() {
    let observed = past_due(vec![open_invoice("sub_1")]);
    let plan = having(&observed, latest("pm_2"));
    assert_eq!(
        described(&plan),
        ["~ charge cus_1 by pm_2", "~ pay in_1 by pm_2"]
    );
}

#[test]
fn every_open_invoice_is_paid_the_oldest_first() {
    let second = Invoice {
        id: "in_2".into(),
        ..open_invoice("sub_1")
    };
    let observed = past_due(vec![open_invoice("sub_1"), second]);
    let plan = having(&observed, latest("pm_2"));
    let steps = described(&plan);
    assert_eq!(steps[1..], ["~ pay in_1 by pm_2", "~ pay in_2 by pm_2"]);
}

#[test]
fn what_was_refused_in_this_look_is_not_tried_again_even_if_stripe_does_not_say_with_what_it_failed()
 {
    let unknown = Invoice {
        tried: None,
        ..open_invoice("sub_1")
    };
    let observed = past_due(vec![unknown]);
    let situation = Situation {
        refused: vec![("in_1".into(), "pm_1".into())],
        attached: Some(latest("pm_1")),
        ..Situation::at(now())
    };
    let plan = tenant(&desired(), &observed, &Recorded::default(), &situation);
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
}

#[test]
fn what_is_not_for_us_to_charge_is_left_alone() {
    let open = || open_invoice("sub_1");
    let sent = Invoice {
        due_date: Some(now()),
        ..open()
    };
    let to_authenticate = Invoice {
        awaits: Awaits::Action,
        ..open()
    };
    let with_the_bank = Invoice {
        awaits: Awaits::Processing,
        ..open()
    };
    let held = Invoice {
        held: Some(HoldMark::read("du_1@0")),
        ..open()
    };
    let not_attempted = Invoice {
        attempted: false,
        attempt_count: 0,
        ..open()
    };
    let given_up = Invoice {
        status: InvoiceStatus::Uncollectible,
        ..open()
    };
    let somebody_elses = open_invoice("sub_another");
    for invoice in [
        sent,
        to_authenticate,
        with_the_bank,
        held,
        not_attempted,
        given_up,
        somebody_elses,
    ] {
        let mut observed = past_due(vec![invoice.clone()]);
        observed.customers[0].default_payment_method = Some("pm_2".into());
        let plan = having(&observed, latest("pm_3"));
        let pays = |step: &Step| matches!(step, Step::PayInvoice { .. });
        assert!(
            !plan.steps.iter().any(pays),
            "{invoice:?}: {:?}",
            plan.steps
        );
        assert_eq!(plan.ask, None);
    }
}

#[test]
fn whoever_is_not_to_be_subscribed_any_more_is_not_charged() {
    let mut observed = past_due(vec![open_invoice("sub_1")]);
    observed.customers[0].default_payment_method = Some("pm_2".into());
    let desired = Desired {
        lifecycle: Lifecycle::Canceled,
        ..desired()
    };
    let pays = |step: &String| step.contains("pay in_1");
    assert!(!steps(&desired, &observed).iter().any(pays));
}

#[test]
fn the_next_look_is_when_the_dunning_goes_on() {
    let failed = Invoice {
        finalized: Some(now() - 24.hours()),
        ..open_invoice("sub_1")
    };
    let plan = having(&past_due(vec![failed]), latest("pm_1"));
    assert_eq!(plan.look_at, Some(now() + 48.hours()));
    let sent = Invoice {
        due_date: Some(now() + 5.hours()),
        ..open_invoice("sub_1")
    };
    let plan = having(&past_due(vec![sent]), latest("pm_1"));
    assert_eq!(plan.look_at, Some(now() + 5.hours()));
}
