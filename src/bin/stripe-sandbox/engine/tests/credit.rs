//! Credit, and who gets it back.

use super::*;

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
