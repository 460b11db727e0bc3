//! The engine as a whole, driven through direct calls: what each call leaves behind, to the cent and the second.

mod changes;
mod credit;
mod renewals;

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
        unknown_tax_location: crate::state::UnknownLocation::default(),
        keep_drafts: false,
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
