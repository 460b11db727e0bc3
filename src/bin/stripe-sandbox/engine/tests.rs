//! The engine as a whole, driven through direct calls: what each call leaves behind, to the cent and the second.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::calendar::{DAY, HOUR, Period};
use super::cancel::{self, Farewell};
use super::change::{self, Anchor, Change, TrialEnd};
use super::invoices;
use super::run_due;
use super::subscriptions::{self, End, NewSubscription, PaymentBehavior, ProrationBehavior};
use crate::model::invoice::{BillingReason, Invoice, Status as InvoiceStatus};
use crate::model::subscription::{
    AutomaticTax, CollectionMethod, Item, MissingPaymentMethod, Status, Subscription,
};
use crate::model::{
    BillingScheme, CardBehavior, Customer, Interval, Metadata, PaymentMethod, Price, Product,
    Recurring, UsageType,
};
use crate::state::{Newest, PastDueOutcome, Settings, State};

/// 2027-01-31 00:00:00 UTC.
const START: i64 = 1_801_353_600;
const FEB_28: i64 = START + 28 * DAY;

fn state() -> State {
    let settings = Settings {
        rate_limit_read: 1_000,
        rate_limit_write: 1_000,
        past_due_outcome: PastDueOutcome::Cancel,
        retry_days: vec![3, 5, 7],
        now_offset_seconds: 0,
        meter_lag_seconds: 0,
        newest_meter_event: Newest::default(),
        tax_percent: Decimal::ZERO,
        tax_locations: BTreeMap::new(),
    };
    let mut state = State::new("acct_1", false, settings);
    let card = PaymentMethod {
        id: "pm_1".into(),
        customer: Some("cus_1".into()),
        ..Default::default()
    };
    state.payment_methods.insert("pm_1", card);
    let mut customer = Customer {
        id: "cus_1".into(),
        invoice_prefix: "ABCD1234".into(),
        next_invoice_sequence: 1,
        tax_exempt: "none".into(),
        ..Default::default()
    };
    customer.invoice_settings.default_payment_method = Some("pm_1".into());
    state.customers.insert("cus_1", customer);
    state.products.insert(
        "prod_1",
        Product {
            id: "prod_1".into(),
            name: "Pro".into(),
            ..Default::default()
        },
    );
    for (id, amount, interval) in [
        ("free", 0, Interval::Month),
        ("basic", 1_000, Interval::Month),
        ("pro", 9_900, Interval::Month),
        ("annual", 99_000, Interval::Year),
    ] {
        state.prices.insert(id, price(id, amount, interval));
    }
    state
}

fn price(id: &str, amount: i64, interval: Interval) -> Price {
    Price {
        id: id.into(),
        active: true,
        billing_scheme: BillingScheme::PerUnit,
        created: START,
        currency: "usd".into(),
        livemode: false,
        lookup_key: None,
        metadata: Metadata::new(),
        nickname: None,
        product: "prod_1".into(),
        recurring: Some(Recurring {
            interval,
            interval_count: 1,
            usage_type: UsageType::Licensed,
            meter: None,
        }),
        tax_behavior: "unspecified".into(),
        tiers: Vec::new(),
        tiers_mode: None,
        transform_quantity: None,
        unit_amount: Some(Decimal::from(amount)),
    }
}

fn new(price: &str) -> NewSubscription {
    NewSubscription {
        customer: "cus_1".into(),
        items: vec![Item {
            id: "si_1".into(),
            created: START,
            price: price.into(),
            usage_since: None,
            quantity: Some(1),
            metadata: Metadata::new(),
            period: Period {
                start: START,
                end: START,
            },
        }],
        currency: "usd".into(),
        trial_end: None,
        missing_payment_method: MissingPaymentMethod::CreateInvoice,
        billing_cycle_anchor: None,
        proration: ProrationBehavior::CreateProrations,
        collection_method: CollectionMethod::ChargeAutomatically,
        days_until_due: None,
        payment_behavior: PaymentBehavior::AllowIncomplete,
        default_payment_method: None,
        description: None,
        metadata: Metadata::new(),
        payment_settings: Value::Null,
        end: End::Open,
        schedule: None,
        automatic_tax: AutomaticTax::Off,
    }
}

fn begun(state: &mut State, new: NewSubscription) -> String {
    subscriptions::create(state, new, START).unwrap()
}

fn get<'a>(state: &'a State, id: &str) -> &'a Subscription {
    state.billing.subscriptions.get(id).unwrap()
}

fn latest<'a>(state: &'a State, id: &str) -> &'a Invoice {
    state
        .billing
        .invoices
        .get(get(state, id).latest_invoice.as_ref().unwrap())
        .unwrap()
}

fn invoice_count(state: &State) -> usize {
    state.billing.invoices.len()
}

fn card(state: &mut State, behavior: CardBehavior) {
    state.payment_methods.get_mut("pm_1").unwrap().on_charge = behavior;
}

fn decline(code: &str) -> CardBehavior {
    CardBehavior::Decline(code.to_owned())
}

fn to(state: &State, id: &str, price: &str) -> Change {
    let mut after = get(state, id).clone();
    after.items[0].price = price.into();
    Change {
        after,
        trial_end: None,
        anchor: Anchor::Implied,
        proration: ProrationBehavior::CreateProrations,
        proration_date: START + 14 * DAY,
        payment_behavior: PaymentBehavior::AllowIncomplete,
    }
}

#[test]
fn a_renewal_rolls_the_period_then_waits_an_hour_and_is_paid() {
    let mut state = state();
    let id = begun(&mut state, new("pro"));
    assert_eq!(
        get(&state, &id).period(),
        Period {
            start: START,
            end: FEB_28
        }
    );
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Paid);
    run_due(&mut state, FEB_28);
    let next = Period {
        start: FEB_28,
        end: START + 59 * DAY,
    };
    assert_eq!(
        get(&state, &id).period(),
        next,
        "February 28 is followed by March 31"
    );
    let draft = latest(&state, &id);
    assert_eq!(
        (draft.status, draft.billing_reason),
        (InvoiceStatus::Draft, BillingReason::SubscriptionCycle)
    );
    assert_eq!(draft.automatically_finalizes_at, Some(FEB_28 + HOUR));
    run_due(&mut state, FEB_28 + HOUR - 1);
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Draft);
    run_due(&mut state, FEB_28 + HOUR);
    let paid = latest(&state, &id);
    assert_eq!(
        (paid.status, paid.amount_paid, paid.attempt_count),
        (InvoiceStatus::Paid, 9_900, 1)
    );
    assert_eq!(paid.number.as_deref(), Some("ABCD1234-0002"));
    assert_eq!(invoice_count(&state), 2);
}

#[test]
fn a_long_leap_does_everything_in_between_once_and_in_order() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    run_due(&mut state, START + 365 * DAY + 2 * HOUR);
    assert_eq!(invoice_count(&state), 13);
    let created: Vec<_> = state
        .billing
        .invoices
        .iter()
        .map(|invoice| invoice.created)
        .collect();
    assert!(created.is_sorted(), "{created:?}");
    assert!(
        state
            .billing
            .invoices
            .iter()
            .all(|invoice| invoice.status == InvoiceStatus::Paid)
    );
    assert_eq!(get(&state, &id).status, Status::Active);
}

#[test]
fn retries_follow_the_schedule_and_end_as_the_settings_say() {
    for (outcome, status) in [
        (PastDueOutcome::Cancel, Status::Canceled),
        (PastDueOutcome::Unpaid, Status::Unpaid),
        (PastDueOutcome::PastDue, Status::PastDue),
    ] {
        let mut state = state();
        state.settings.past_due_outcome = outcome;
        let id = begun(&mut state, new("annual"));
        card(&mut state, decline("insufficient_funds"));
        let first = START + 365 * DAY + HOUR;
        for (attempt, at) in [(1, first), (2, first + 3 * DAY), (3, first + 8 * DAY)] {
            run_due(&mut state, at);
            assert_eq!(latest(&state, &id).attempt_count, attempt);
            assert_eq!(get(&state, &id).status, Status::PastDue);
        }
        assert_eq!(
            latest(&state, &id).next_payment_attempt,
            Some(first + 15 * DAY)
        );
        run_due(&mut state, first + 15 * DAY);
        let invoice = latest(&state, &id);
        assert_eq!(
            (invoice.attempt_count, invoice.next_payment_attempt),
            (4, None)
        );
        assert_eq!(
            (invoice.status, get(&state, &id).status),
            (InvoiceStatus::Open, status)
        );
    }
}

#[test]
fn a_card_refused_for_good_is_not_charged_again_though_attempts_count() {
    let mut state = state();
    let id = begun(&mut state, new("annual"));
    card(&mut state, decline("stolen_card"));
    let first = START + 365 * DAY + HOUR;
    run_due(&mut state, first);
    let charges = state.billing.charges.len();
    run_due(&mut state, first + 3 * DAY);
    assert_eq!(latest(&state, &id).attempt_count, 2);
    assert_eq!(state.billing.charges.len(), charges);
}

#[test]
fn an_unpaid_first_invoice_expires_the_subscription_after_23_hours() {
    let mut state = state();
    card(&mut state, decline("generic_decline"));
    let id = begun(&mut state, new("pro"));
    assert_eq!(get(&state, &id).status, Status::Incomplete);
    run_due(&mut state, START + 23 * HOUR - 1);
    assert_eq!(get(&state, &id).status, Status::Incomplete);
    run_due(&mut state, START + 23 * HOUR);
    assert_eq!(get(&state, &id).status, Status::IncompleteExpired);
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Void);
}

#[test]
fn a_request_that_errors_when_incomplete_leaves_nothing() {
    let mut state = state();
    card(&mut state, decline("generic_decline"));
    let before = state.events.len();
    let wanted = NewSubscription {
        payment_behavior: PaymentBehavior::ErrorIfIncomplete,
        ..new("pro")
    };
    assert_eq!(
        subscriptions::create(&mut state, wanted, START)
            .unwrap_err()
            .status,
        402
    );
    assert_eq!(
        (
            state.billing.subscriptions.len(),
            invoice_count(&state),
            state.events.len()
        ),
        (0, 0, before)
    );
}

#[test]
fn an_upgrade_waits_for_the_next_invoice_to_the_cent() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    let change = to(&state, &id, "pro");
    change::apply(&mut state, &change, START + 14 * DAY).unwrap();
    assert_eq!(invoice_count(&state), 1);
    run_due(&mut state, FEB_28);
    let amounts: Vec<_> = latest(&state, &id)
        .lines
        .iter()
        .map(|line| line.amount)
        .collect();
    assert_eq!(amounts, [-500, 4_950, 9_900]);
}

#[test]
fn a_preview_and_the_change_come_to_the_same_cent() {
    let mut state = state();
    let id = begun(&mut state, new("basic"));
    let at = START + 5 * DAY + 7_777;
    let change = Change {
        proration: ProrationBehavior::AlwaysInvoice,
        proration_date: at,
        ..to(&state, &id, "pro")
    };
    let planned = change::plan(&state, get(&state, &id), &change, at);
    let preview = change::invoice(&state, get(&state, &id), &planned, &change, at).unwrap();
    // Some hours later, with the same proration date.
    change::apply(&mut state, &change, at + 5 * HOUR).unwrap();
    assert_eq!(latest(&state, &id).total(), preview.total());
    assert_eq!(latest(&state, &id).status, InvoiceStatus::Paid);
}

#[test]
fn a_downgrade_billed_at_once_becomes_credit_which_the_next_invoice_uses() {
    let mut state = state();
    let id = begun(&mut state, new("pro"));
    let change = Change {
        proration: ProrationBehavior::AlwaysInvoice,
        ..to(&state, &id, "basic")
    };
    change::apply(&mut state, &change, START + 14 * DAY).unwrap();
    assert_eq!(latest(&state, &id).total(), 500 - 4_950);
    assert_eq!(latest(&state, &id).amount_due(), 0);
    assert_eq!(state.customers.get("cus_1").unwrap().balance, -4_450);
    run_due(&mut state, FEB_28 + HOUR);
    let next = latest(&state, &id);
    assert_eq!(
        (next.total(), next.amount_due(), next.ending_balance),
        (1_000, 0, Some(-3_450))
    );
}

#[test]
fn another_interval_and_the_first_paid_price_start_a_new_cycle_billed_at_once() {
    for (from, target, total) in [("pro", "annual", 99_000 - 4_950), ("free", "pro", 9_900)] {
        let mut state = state();
        let id = begun(&mut state, new(from));
        let now = START + 14 * DAY;
        let change = to(&state, &id, target);
        change::apply(&mut state, &change, now).unwrap();
        assert_eq!(get(&state, &id).billing_cycle_anchor, now);
        assert_eq!(get(&state, &id).period().start, now);
        assert_eq!(
            (latest(&state, &id).total(), latest(&state, &id).status),
            (total, InvoiceStatus::Paid)
        );
    }
}

#[test]
fn a_trial_without_a_card_ends_as_it_was_told_to() {
    for (behavior, status) in [
        (MissingPaymentMethod::Cancel, Status::Canceled),
        (MissingPaymentMethod::Pause, Status::Paused),
        (MissingPaymentMethod::CreateInvoice, Status::PastDue),
    ] {
        let mut state = state();
        state.payment_methods.remove("pm_1");
        let end = START + 14 * DAY;
        let wanted = NewSubscription {
            trial_end: Some(end),
            missing_payment_method: behavior,
            ..new("pro")
        };
        let id = begun(&mut state, wanted);
        assert_eq!(
            latest(&state, &id).status,
            InvoiceStatus::Paid,
            "the trial's invoice is for nothing"
        );
        run_due(&mut state, end + HOUR);
        assert_eq!(get(&state, &id).status, status);
    }
}

#[test]
fn the_end_of_a_trial_is_announced_once() {
    let mut state = state();
    let end = START + 14 * DAY;
    begun(
        &mut state,
        NewSubscription {
            trial_end: Some(end),
            ..new("pro")
        },
    );
    let announced = |state: &State| {
        let kind = "customer.subscription.trial_will_end";
        state
            .events
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    };
    run_due(&mut state, end - 3 * DAY - 1);
    assert_eq!(announced(&state), 0);
    run_due(&mut state, end - 3 * DAY);
    run_due(&mut state, end + DAY);
    assert_eq!(announced(&state), 1);
}

#[test]
fn a_trial_ended_now_is_billed_now_from_now() {
    let mut state = state();
    let id = begun(
        &mut state,
        NewSubscription {
            trial_end: Some(START + 14 * DAY),
            ..new("pro")
        },
    );
    let now = START + DAY;
    let change = Change {
        trial_end: Some(TrialEnd::Now),
        proration_date: now,
        ..to(&state, &id, "pro")
    };
    change::apply(&mut state, &change, now).unwrap();
    assert_eq!(get(&state, &id).status, Status::Active);
    assert_eq!(get(&state, &id).billing_cycle_anchor, now);
    assert_eq!(latest(&state, &id).amount_paid, 9_900);
}

#[test]
fn time_before_a_chosen_anchor_is_charged_in_part_or_not_at_all() {
    let anchor = START + 7 * DAY;
    // The whole period would be the 31 days from January 7.
    for (proration, total) in [
        (ProrationBehavior::CreateProrations, 2_235),
        (ProrationBehavior::None, 0),
    ] {
        let mut state = state();
        let wanted = NewSubscription {
            billing_cycle_anchor: Some(anchor),
            proration,
            ..new("pro")
        };
        let id = begun(&mut state, wanted);
        assert_eq!(
            get(&state, &id).period(),
            Period {
                start: START,
                end: anchor
            }
        );
        assert_eq!(latest(&state, &id).total(), total);
        run_due(&mut state, anchor);
        assert_eq!(latest(&state, &id).total(), 9_900);
    }
}

#[test]
fn paying_an_older_invoice_does_not_cure_but_paying_the_latest_does() {
    let mut state = state();
    state.settings.past_due_outcome = PastDueOutcome::PastDue;
    let id = begun(&mut state, new("pro"));
    card(&mut state, decline("insufficient_funds"));
    run_due(&mut state, FEB_28 + HOUR);
    let older = latest(&state, &id).id.clone();
    run_due(&mut state, START + 59 * DAY + HOUR);
    let newer = latest(&state, &id).id.clone();
    assert_ne!(older, newer);
    let now = START + 60 * DAY;
    invoices::settle(&mut state, &older, invoices::Settlement::OutOfBand, now);
    assert_eq!(get(&state, &id).status, Status::PastDue);
    invoices::settle(&mut state, &newer, invoices::Settlement::OutOfBand, now);
    assert_eq!(get(&state, &id).status, Status::Active);
}

#[test]
fn cancelling_with_credit_leaves_it_for_the_customers_next_invoice() {
    let mut state = state();
    let id = begun(&mut state, new("pro"));
    let ending = get(&state, &id).clone();
    let farewell = Farewell {
        invoice_now: false,
        prorate: true,
    };
    cancel::now(&mut state, ending, farewell, START + 14 * DAY);
    assert_eq!(get(&state, &id).status, Status::Canceled);
    assert_eq!(invoice_count(&state), 1);
    let mut next = new("pro");
    next.items[0].id = "si_2".into();
    let again = subscriptions::create(&mut state, next, START + 15 * DAY).unwrap();
    assert_eq!(latest(&state, &again).total(), 9_900 - 4_950);
}

#[test]
fn a_void_invoice_gives_its_credit_back() {
    let mut state = state();
    state.customers.get_mut("cus_1").unwrap().balance = -1_000;
    let wanted = NewSubscription {
        payment_behavior: PaymentBehavior::DefaultIncomplete,
        ..new("pro")
    };
    let id = begun(&mut state, wanted);
    assert_eq!(latest(&state, &id).amount_due(), 8_900);
    assert_eq!(state.customers.get("cus_1").unwrap().balance, 0);
    run_due(&mut state, START + 23 * HOUR);
    assert_eq!(state.customers.get("cus_1").unwrap().balance, -1_000);
}
