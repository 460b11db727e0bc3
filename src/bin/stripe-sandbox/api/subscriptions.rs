//! `/v1/subscriptions`.

mod fields;
mod read;

use serde_json::{Value, json};

use self::fields::{CANCEL, CREATE, LIST, RESUME, UPDATE};
use self::read::{
    assign, assign_cancellation_details, automatic_tax, check_unmodelled, days_until_due,
    first_end, first_items, first_trial_end, future_trial_end, missing_payment_method,
    payment_method, payment_settings,
};
use super::customers;
use super::subscription_items::{self, changed_items};
use crate::engine::cancel::{self, Farewell};
use crate::engine::change::{self, Anchor, Change, TrialEnd};
use crate::engine::invoices;
use crate::engine::resumption::{self, ResumeAnchor, ResumeWhen, Resumption};
use crate::engine::subscriptions::{self, NewSubscription};
use crate::model::subscription::{CollectionMethod, MissingPaymentMethod, Status, Subscription};
use crate::model::{Customer, Metadata};
use crate::state::State;
use crate::wire::{
    Expansion, Params, Request, Route, StripeError, created_matches, delete, get, list, page, post,
    sublist,
};

/// Endpoints.
pub const ROUTES: &[Route] = &[
    post("/v1/subscriptions", CREATE, create),
    list("/v1/subscriptions", LIST, list_subscriptions),
    get("/v1/subscriptions/{}", &[], retrieve),
    post("/v1/subscriptions/{}", UPDATE, update),
    delete("/v1/subscriptions/{}", CANCEL, cancel),
    post("/v1/subscriptions/{}/resume", RESUME, resume),
];

/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[
    Expansion::Reference {
        field: "subscription",
        load: |state, id| Some(state.billing.subscriptions.get(id)?.render(state)),
    },
    Expansion::Include {
        object: "customer",
        field: "subscriptions",
        load: of_customer,
    },
];

/// What an incomplete subscription still lets be changed.
const CHANGEABLE_INCOMPLETE: &[&str] = &[
    "cancellation_details",
    "default_payment_method",
    "description",
    "metadata",
    "payment_settings",
];
/// What a change that waits for its payment may contain.
const CHANGEABLE_PENDING: &[&str] = &[
    "billing_cycle_anchor",
    "items",
    "off_session",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
];

fn create(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let customer = params.text("customer").unwrap_or_default();
    let customer = customers::live(state, customer, "customer")?.clone();
    let (new, now) = read_new(state, params, Some(&customer))?;
    let id = subscriptions::create(state, new, now)?;
    render(state, &id)
}

/// Reads a new subscription, and the time it begins. Previews do without a customer.
pub(super) fn read_new(
    state: &mut State,
    params: &Params,
    customer: Option<&Customer>,
) -> Result<(NewSubscription, i64), StripeError> {
    let nobody = Customer::default();
    let customer = customer.unwrap_or(&nobody);
    let automatic_tax = automatic_tax(state, params, customer)?;
    let (customer, clock) = (customer.id.clone(), customer.test_clock.clone());
    let now = state.now(clock.as_deref());
    check_unmodelled(params)?;
    let collection_method = params
        .parse("collection_method")
        .unwrap_or(CollectionMethod::ChargeAutomatically);
    let trial_end = first_trial_end(params, now)?;
    if trial_end.is_some() && params.has("billing_cycle_anchor") {
        return Err(StripeError::invalid(
            "stripe-sandbox does not support billing_cycle_anchor together with a trial; Stripe does.",
        )
        .param("billing_cycle_anchor"));
    }
    if params.str("payment_behavior") == Some("pending_if_incomplete") {
        return Err(StripeError::invalid(
            "payment_behavior=pending_if_incomplete is for updates only.",
        )
        .param("payment_behavior"));
    }
    let default_payment_method = payment_method(state, params, &customer)?;
    let days_until_due = days_until_due(params, collection_method, None)?;
    let end = first_end(params, now)?;
    let (items, currency) = first_items(state, params, clock.as_deref())?;
    let mut metadata = Metadata::new();
    params.assign_metadata("metadata", &mut metadata);
    let new = NewSubscription {
        customer,
        items,
        currency,
        trial_end,
        missing_payment_method: missing_payment_method(params)
            .unwrap_or(MissingPaymentMethod::CreateInvoice),
        billing_cycle_anchor: params.i64("billing_cycle_anchor"),
        proration: params.parse("proration_behavior").unwrap_or_default(),
        collection_method,
        days_until_due,
        payment_behavior: params.parse("payment_behavior").unwrap_or_default(),
        default_payment_method,
        description: params.text("description").map(str::to_owned),
        metadata,
        payment_settings: payment_settings(params, &Value::Null),
        end,
        schedule: None,
        automatic_tax: automatic_tax.unwrap_or_default(),
    };
    Ok((new, now))
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let before = find(state, request.id())?.clone();
    let given: Vec<&str> = params.0.keys().map(String::as_str).collect();
    check_changeable(&before, params, &given)?;
    check_unmodelled(params)?;
    check_unmanaged(&before, params)?;
    let now = state.now(before.test_clock.as_deref());
    let change = read_change(state, &before, params, now)?;
    if let Some(pending) = change
        .after
        .pending_update
        .as_ref()
        .filter(|_| params.has("items"))
    {
        // A newer change takes the place of the one that waits.
        let invoice = pending.invoice.clone();
        invoices::void(state, &invoice, now);
        let after = Subscription {
            pending_update: None,
            ..change.after.clone()
        };
        change::apply(state, &Change { after, ..change }, now)?;
    } else {
        change::apply(state, &change, now)?;
    }
    render(state, &before.id)
}

/// Reads an update's parameters into a change, without making it.
pub(super) fn read_change(
    state: &mut State,
    before: &Subscription,
    params: &Params,
    now: i64,
) -> Result<Change, StripeError> {
    let mut after = before.clone();
    assign(state, &mut after, params, now)?;
    if params.has("items") {
        after.items = changed_items(state, before, &params.objects("items"))?;
    }
    let trial_end = match params.text("trial_end") {
        None => None,
        Some("now") => Some(TrialEnd::Now),
        Some(_) => Some(TrialEnd::At(future_trial_end(params, now)?)),
    };
    let anchor = match params.str("billing_cycle_anchor.type") {
        Some("now") => Anchor::Now,
        _ => Anchor::Implied,
    };
    Ok(Change {
        after,
        trial_end,
        anchor,
        proration: params.parse("proration_behavior").unwrap_or_default(),
        proration_date: subscription_items::proration_date(params, "proration_date", before, now)?,
        payment_behavior: params.parse("payment_behavior").unwrap_or_default(),
    })
}

/// A schedule alone decides when the subscription it manages ends. Other changes last until its next phase.
pub(super) fn check_unmanaged(before: &Subscription, params: &Params) -> Result<(), StripeError> {
    let schedule = before
        .schedule
        .as_ref()
        .filter(|_| !before.status.is_final());
    let param = ["cancel_at", "cancel_at_period_end"]
        .into_iter()
        .find(|name| params.has(name));
    match (schedule, param) {
        (Some(schedule), Some(_)) => Err(StripeError::invalid(format!(
            "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation \
             behavior directly is not allowed. Please update the schedule instead."
        ))),
        _ => Ok(()),
    }
}

fn cancel(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let subscription = find(state, request.id())?;
    if subscription.status.is_final() {
        return Err(StripeError::not_found("subscription", request.id()));
    }
    let mut subscription = subscription.clone();
    assign_cancellation_details(&mut subscription, params);
    let farewell = Farewell {
        invoice_now: params.bool("invoice_now").unwrap_or(false),
        prorate: params.bool("prorate").unwrap_or(false),
    };
    let now = state.now(subscription.test_clock.as_deref());
    cancel::now(state, subscription, farewell, now);
    render(state, request.id())
}

fn resume(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let subscription = find(state, request.id())?.clone();
    if subscription.status != Status::Paused {
        return Err(StripeError::invalid(
            "Only subscriptions with status paused can be resumed.",
        ));
    }
    if subscription.collection_method == CollectionMethod::SendInvoice {
        return Err(StripeError::invalid(
            "Only subscriptions with collection_method charge_automatically can be resumed.",
        ));
    }
    let how = Resumption {
        anchor: match params.str("billing_cycle_anchor.type") {
            Some("unchanged") => ResumeAnchor::Unchanged,
            _ => ResumeAnchor::Now,
        },
        proration: params.parse("proration_behavior").unwrap_or_default(),
        when: match params.str("payment_behavior") {
            Some("resume_on_payment_success") => ResumeWhen::PaymentSuccess,
            _ => ResumeWhen::PaymentAttempt,
        },
    };
    let now = state.now(subscription.test_clock.as_deref());
    resumption::resume(state, subscription, how, now)?;
    render(state, request.id())
}

fn retrieve(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    render(state, request.id())
}

fn list_subscriptions(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let (customer, clock) = (params.text("customer"), params.text("test_clock"));
    if let Some(clock) = clock
        && state.billing.frozen_time(clock).is_none()
    {
        return Err(StripeError::no_such("test clock", clock, "test_clock"));
    }
    let status = params.text("status");
    let method: Option<CollectionMethod> = params.parse("collection_method");
    let keep = |subscription: &Subscription| {
        let on_clock = subscription.test_clock.as_deref();
        let visible = clock.map_or(customer.is_some() || on_clock.is_none(), |clock| {
            on_clock == Some(clock)
        });
        visible
            && customer.is_none_or(|customer| subscription.customer == customer)
            && status_matches(status, subscription.status)
            && method.is_none_or(|method| subscription.collection_method == method)
            && params
                .text("price")
                .is_none_or(|price| subscription.items.iter().any(|item| item.price == price))
            && created_matches(params, "created", subscription.created)
            && created_matches(params, "current_period_end", subscription.period().end)
            && created_matches(params, "current_period_start", subscription.period().start)
    };
    page(
        request,
        "subscription",
        &state.billing.subscriptions,
        keep,
        |row| row.render(state),
    )
}

fn status_matches(wanted: Option<&str>, status: Status) -> bool {
    match wanted {
        None => status != Status::Canceled,
        Some("all") => true,
        Some("ended") => status.is_final(),
        Some(wanted) => json!(status) == json!(wanted),
    }
}

#[allow(clippy::unnecessary_wraps)] // What can be included is looked up by functions of this type.
fn of_customer(state: &State, id: &str) -> Option<Value> {
    let subscriptions = state.billing.subscriptions.iter().rev();
    let own = subscriptions.filter(|subscription| {
        subscription.customer == id && subscription.status != Status::Canceled
    });
    let data = own.map(|subscription| subscription.render(state)).collect();
    Some(sublist(format!("/v1/customers/{id}/subscriptions"), data))
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a Subscription, StripeError> {
    state
        .billing
        .subscriptions
        .get(id)
        .ok_or_else(|| StripeError::not_found("subscription", id))
}

fn render(state: &State, id: &str) -> Result<Value, StripeError> {
    find(state, id).map(|subscription| subscription.render(state))
}

/// Refuses changes that the subscription's status does not allow any more, or not yet.
pub(super) fn check_changeable(
    subscription: &Subscription,
    params: &Params,
    given: &[&str],
) -> Result<(), StripeError> {
    let beyond = |allowed: &[&str]| {
        let known = |name: &&&str| !allowed.contains(*name) && **name != "expand";
        given.iter().find(known).copied().map(str::to_owned)
    };
    if subscription.status.is_final() {
        return match beyond(&["cancellation_details", "metadata"]) {
            None => Ok(()),
            Some(param) => Err(StripeError::invalid(
                "A canceled subscription can only update its cancellation_details and metadata.",
            )
            .code("invalid_canceled_subscription_fields")
            .param(param)),
        };
    }
    if subscription.status == Status::Incomplete
        && let Some(param) = beyond(CHANGEABLE_INCOMPLETE)
    {
        return Err(StripeError::invalid(format!(
            "A subscription whose first payment is outstanding (status=incomplete) cannot change its {param}."
        ))
        .param(param));
    }
    if params.str("payment_behavior") == Some("pending_if_incomplete")
        && let Some(param) = beyond(CHANGEABLE_PENDING)
    {
        return Err(StripeError::invalid(format!(
            "{param} cannot be updated with payment_behavior=pending_if_incomplete."
        ))
        .param(param));
    }
    Ok(())
}
