//! `/v1/invoices/create_preview`: the invoice a change would make, worked out by what makes the change.

use serde_json::Value;

use super::{
    customer_fields, customers, subscription_items, subscription_schedules, subscriptions,
};
use crate::engine::change::{self, Change};
use crate::engine::{invoices, live_subscriptions, renewals, schedule_starts, schedules};
use crate::model::Customer;
use crate::model::invoice::Invoice;
use crate::model::schedule::{EndBehavior, Schedule};
use crate::model::subscription::{AutomaticTax, Subscription};
use crate::state::State;
use crate::wire::{
    ADDRESS, Field, Params, Request, Shape, StripeError, clearable, opt, req, unsupported,
};

const CUSTOMER_DETAILS: Shape = Shape::Object(&[
    clearable("address", Shape::Object(ADDRESS)),
    clearable(
        "shipping",
        Shape::Object(&[
            req("address", Shape::Object(ADDRESS)),
            req("name", Shape::Str),
            opt("phone", Shape::Str),
        ]),
    ),
    opt("tax", Shape::Object(&[clearable("ip_address", Shape::Str)])),
    clearable("tax_exempt", Shape::Enum(&["exempt", "none", "reverse"])),
    unsupported("tax_ids"),
]);

const SUBSCRIPTION_DETAILS: Shape = Shape::Object(&[
    opt(
        "billing_cycle_anchor",
        Shape::Object(&[opt("type", Shape::Enum(&["now", "unchanged"]))]),
    ),
    unsupported("billing_mode"),
    unsupported("billing_schedules"),
    clearable(
        "cancel_at",
        Shape::IntOr(&["max_period_end", "min_period_end"]),
    ),
    opt("cancel_at_period_end", Shape::Bool),
    unsupported("cancel_now"),
    unsupported("default_tax_rates"),
    opt("items", Shape::List(&subscription_items::CHANGED_ITEM)),
    clearable("metadata", Shape::Metadata),
    unsupported("pause"),
    opt("proration_behavior", subscription_items::PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
    unsupported("resume_at"),
    unsupported("start_date"),
    opt("trial_end", Shape::IntOr(&["now"])),
]);

pub(super) const PREVIEW: &[Field] = &[
    opt(
        "automatic_tax",
        Shape::Object(&[req("enabled", Shape::Bool), unsupported("liability")]),
    ),
    opt("currency", Shape::Str),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    opt("customer_details", CUSTOMER_DETAILS),
    unsupported("discounts"),
    unsupported("invoice_items"),
    unsupported("issuer"),
    unsupported("on_behalf_of"),
    opt("preview_mode", Shape::Enum(&["next"])),
    opt("schedule", Shape::Str),
    opt("schedule_details", subscription_schedules::PREVIEW_DETAILS),
    opt("subscription", Shape::Str),
    opt("subscription_details", SUBSCRIPTION_DETAILS),
];

/// An invoice as it would be, and the instant its prorations are for.
struct Preview {
    invoice: Invoice,
    proration_date: Option<i64>,
}

pub(super) fn create_preview(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    if makes_prices(&Value::Object(params.0.clone())) {
        // Prices given inline are of the preview only.
        return preview(&mut state.clone(), params);
    }
    preview(state, params)
}

fn makes_prices(params: &Value) -> bool {
    params.as_object().is_some_and(|params| {
        params.contains_key("price_data") || params.values().any(makes_prices)
    })
}

fn preview(state: &mut State, params: &Params) -> Result<Value, StripeError> {
    check_together(params)?;
    let Preview {
        mut invoice,
        proration_date,
    } = worked_out(state, params)?;
    let enabled = match params.bool("automatic_tax.enabled") {
        Some(true) => AutomaticTax::On,
        Some(false) => AutomaticTax::Off,
        None => invoice.automatic_tax.setting(),
    };
    let customer = billed(state, params, &invoice.customer)?;
    invoices::address(state, &mut invoice, customer.as_ref(), enabled);
    invoice.id = state.new_id("upcoming_in");
    invoice.ending_balance =
        Some(invoice.starting_balance + invoice.total() - invoice.amount_due());
    invoice.proration_date = proration_date;
    Ok(invoice.render(state))
}

fn check_together(params: &Params) -> Result<(), StripeError> {
    let both = [
        ("schedule", "subscription"),
        ("schedule", "subscription_details"),
        ("schedule_details", "subscription"),
        ("schedule_details", "subscription_details"),
    ];
    match both
        .iter()
        .find(|(one, other)| params.has(one) && params.has(other))
    {
        None => Ok(()),
        Some((one, other)) => Err(StripeError::validation(
            one,
            format!("You may only specify one of these parameters: {one}, {other}."),
        )),
    }
}

fn worked_out(state: &mut State, params: &Params) -> Result<Preview, StripeError> {
    if let Some(id) = params.text("schedule") {
        let schedule = subscription_schedules::find(state, id)
            .map_err(|error| error.status(400).param("schedule"))?
            .clone();
        return of_schedule(state, params, &schedule);
    }
    if params.has("schedule_details") {
        return Err(StripeError::invalid(
            "stripe-sandbox previews existing schedules only; Stripe previews new ones, too.",
        )
        .param("schedule_details"));
    }
    if let Some(id) = params.text("subscription") {
        let subscription = state.billing.subscriptions.get(id).cloned();
        let subscription =
            subscription.ok_or_else(|| StripeError::no_such("subscription", id, "subscription"))?;
        if params
            .text("customer")
            .is_some_and(|customer| customer != subscription.customer)
        {
            return Err(
                StripeError::invalid("The subscription does not belong to the customer.")
                    .param("subscription"),
            );
        }
        let details = params.object("subscription_details").unwrap_or_default();
        return of_subscription(state, &subscription, &details);
    }
    if params.has("subscription_details.items") {
        return of_new(state, params);
    }
    let id = params
        .text("customer")
        .ok_or_else(|| StripeError::missing("customer"))?;
    let customer = customers::live(state, id, "customer")?.id.clone();
    let next = live_subscriptions(state, &customer);
    let next = next.into_iter().min_by_key(|it| it.period().end);
    let next = next.ok_or_else(|| none("the customer has no subscription"))?;
    of_subscription(state, &next, &Params::default())
}

fn of_subscription(
    state: &mut State,
    before: &Subscription,
    details: &Params,
) -> Result<Preview, StripeError> {
    if before.status.is_final() {
        return Err(none("it has ended"));
    }
    let given: Vec<&str> = details.0.keys().map(String::as_str).collect();
    subscriptions::check_changeable(before, &Params::default(), &given)?;
    subscriptions::check_unmanaged(before, details)?;
    let now = state.now(before.test_clock.as_deref());
    let change = subscriptions::read_change(state, before, details, now)?;
    let schedule = schedules::of(state, before).cloned();
    let invoice = changed(state, before, &change, schedule, now)?;
    Ok(Preview {
        invoice,
        proration_date: Some(change.proration_date),
    })
}

/// The change's own invoice, or else the next one after it.
fn changed(
    state: &State,
    before: &Subscription,
    change: &Change,
    schedule: Option<Schedule>,
    now: i64,
) -> Result<Invoice, StripeError> {
    let planned = change::plan(state, before, change, now);
    match change::invoice(state, before, &planned, change, now) {
        Some(invoice) => Ok(invoice),
        None => upcoming(state, &planned.after, schedule),
    }
}

fn upcoming(
    state: &State,
    subscription: &Subscription,
    schedule: Option<Schedule>,
) -> Result<Invoice, StripeError> {
    renewals::upcoming(state, subscription, schedule)
        .ok_or_else(|| none("it is about to end, or paused"))
}

fn of_new(state: &mut State, params: &Params) -> Result<Preview, StripeError> {
    let details = params.object("subscription_details").unwrap_or_default();
    let customer = match params.text("customer") {
        Some(id) => Some(customers::live(state, id, "customer")?.clone()),
        None if params.has("customer_details") || params.has("currency") => None,
        None => return Err(StripeError::missing("customer")),
    };
    let (new, now) = subscriptions::read_new(state, &details, customer.as_ref())?;
    let (_, invoice) = crate::engine::subscriptions::plan(state, new, now)?;
    Ok(Preview {
        invoice,
        proration_date: None,
    })
}

fn of_schedule(
    state: &mut State,
    params: &Params,
    before: &Schedule,
) -> Result<Preview, StripeError> {
    if !before.is_live() {
        return Err(none("the schedule is over"));
    }
    let now = state.now(before.test_clock.as_deref());
    let details = params.object("schedule_details").unwrap_or_default();
    let after = subscription_schedules::changed(state, before, &details, now)?;
    let managed = after.subscription.as_ref();
    let Some(mut subscription) =
        managed.and_then(|id| state.billing.subscriptions.get(id).cloned())
    else {
        let invoice = schedule_starts::preview(state, &after)?;
        return Ok(Preview {
            invoice,
            proration_date: None,
        });
    };
    if after.end_behavior == EndBehavior::Cancel {
        schedules::set_end(&mut subscription, Some(after.end()), now);
    }
    let turn = subscription_schedules::turn(state, before, &after, &details, now);
    let (invoice, proration_date) = match turn {
        Some(change) => (
            changed(state, &subscription, &change, Some(after), now)?,
            Some(change.proration_date),
        ),
        None => (upcoming(state, &subscription, Some(after))?, None),
    };
    Ok(Preview {
        invoice,
        proration_date,
    })
}

/// The customer as the preview is to see them.
fn billed(state: &State, params: &Params, customer: &str) -> Result<Option<Customer>, StripeError> {
    let kept = state.customers.get(customer).cloned();
    let Some(details) = params.object("customer_details") else {
        return Ok(kept);
    };
    let mut customer = kept.unwrap_or_else(|| Customer {
        tax_exempt: "none".to_owned(),
        ..Customer::default()
    });
    customer_fields::assign(&mut customer, &details)?;
    Ok(Some(customer))
}

fn none(why: &str) -> StripeError {
    StripeError::invalid(format!("No upcoming invoices: {why}.")).code("invoice_upcoming_none")
}
