//! `/v1/subscriptions`.

use serde_json::{Value, json};

use super::customers;
use super::subscription_items::{
    self, CHANGED_ITEM, NEW_ITEM, PAYMENT_BEHAVIOR, PRORATION_BEHAVIOR, changed_items, check_items,
};
use crate::engine::calendar::DAY;
use crate::engine::cancel::{self, Farewell};
use crate::engine::change::{self, Anchor, Change, TrialEnd};
use crate::engine::invoices;
use crate::engine::subscriptions::{
    self, End, NewSubscription, ResumeAnchor, ResumeWhen, Resumption,
};
use crate::model::Metadata;
use crate::model::subscription::{
    CollectionMethod, Item, MissingPaymentMethod, PauseCollection, Status, Subscription,
};
use crate::state::State;
use crate::wire::{
    Expansion, Field, Params, Request, Route, Shape, StripeError, clearable, created_matches,
    delete, get, list, opt, page, post, req, sublist, unsupported,
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

const AUTOMATIC_TAX: Shape =
    Shape::Object(&[req("enabled", Shape::Bool), unsupported("liability")]);
const COLLECTION_METHOD: Shape = Shape::Enum(&["charge_automatically", "send_invoice"]);
const PAYMENT_SETTINGS: Shape = Shape::Object(&[
    unsupported("payment_method_options"),
    clearable("payment_method_types", Shape::List(&Shape::Str)),
    opt(
        "save_default_payment_method",
        Shape::Enum(&["off", "on_subscription"]),
    ),
]);
const TRIAL_SETTINGS: Shape = Shape::Object(&[req(
    "end_behavior",
    Shape::Object(&[
        unsupported("billing_cycle_anchor"),
        opt(
            "missing_payment_method",
            Shape::Enum(&["cancel", "create_invoice", "pause"]),
        ),
    ]),
)]);
const CANCELLATION_DETAILS: Shape = Shape::Object(&[
    clearable("comment", Shape::Str),
    clearable(
        "feedback",
        Shape::Enum(&[
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        ]),
    ),
    unsupported("feedback_option"),
]);
const ANCHOR: Shape = Shape::Object(&[req("type", Shape::Enum(&["now", "unchanged"]))]);

const CREATE: &[Field] = &[
    req("customer", Shape::Str),
    unsupported("add_invoice_items"),
    unsupported("application_fee_percent"),
    opt("automatic_tax", AUTOMATIC_TAX),
    unsupported("backdate_start_date"),
    opt("billing_cycle_anchor", Shape::Int),
    unsupported("billing_cycle_anchor_config"),
    opt(
        "billing_mode",
        Shape::Object(&[
            req("type", Shape::Enum(&["classic", "flexible"])),
            unsupported("flexible"),
        ]),
    ),
    unsupported("billing_schedules"),
    unsupported("billing_thresholds"),
    opt("cancel_at", Shape::Int),
    opt("cancel_at_period_end", Shape::Bool),
    opt("collection_method", COLLECTION_METHOD),
    opt("currency", Shape::Str),
    unsupported("customer_account"),
    opt("days_until_due", Shape::Int),
    opt("default_payment_method", Shape::Str),
    unsupported("default_source"),
    unsupported("default_tax_rates"),
    opt("description", Shape::Str),
    unsupported("discounts"),
    unsupported("invoice_settings"),
    opt("items", Shape::List(&NEW_ITEM)),
    clearable("metadata", Shape::Metadata),
    opt("off_session", Shape::Bool),
    unsupported("on_behalf_of"),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    opt("payment_settings", PAYMENT_SETTINGS),
    unsupported("pending_invoice_item_interval"),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    unsupported("transfer_data"),
    opt("trial_end", Shape::IntOr(&["now"])),
    unsupported("trial_from_plan"),
    opt("trial_period_days", Shape::Int),
    opt("trial_settings", TRIAL_SETTINGS),
];

const UPDATE: &[Field] = &[
    unsupported("add_invoice_items"),
    unsupported("application_fee_percent"),
    opt("automatic_tax", AUTOMATIC_TAX),
    opt("billing_cycle_anchor", ANCHOR),
    unsupported("billing_schedules"),
    unsupported("billing_thresholds"),
    clearable(
        "cancel_at",
        Shape::IntOr(&["max_period_end", "min_period_end"]),
    ),
    opt("cancel_at_period_end", Shape::Bool),
    opt("cancellation_details", CANCELLATION_DETAILS),
    opt("collection_method", COLLECTION_METHOD),
    opt("days_until_due", Shape::Int),
    clearable("default_payment_method", Shape::Str),
    unsupported("default_source"),
    unsupported("default_tax_rates"),
    clearable("description", Shape::Str),
    unsupported("discounts"),
    unsupported("invoice_settings"),
    opt("items", Shape::List(&CHANGED_ITEM)),
    clearable("metadata", Shape::Metadata),
    opt("off_session", Shape::Bool),
    unsupported("on_behalf_of"),
    clearable(
        "pause_collection",
        Shape::Object(&[
            req(
                "behavior",
                Shape::Enum(&["keep_as_draft", "mark_uncollectible", "void"]),
            ),
            opt("resumes_at", Shape::Int),
        ]),
    ),
    opt("payment_behavior", PAYMENT_BEHAVIOR),
    opt("payment_settings", PAYMENT_SETTINGS),
    unsupported("pending_invoice_item_interval"),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    opt("proration_date", Shape::Int),
    unsupported("transfer_data"),
    opt("trial_end", Shape::IntOr(&["now"])),
    unsupported("trial_from_plan"),
    opt("trial_settings", TRIAL_SETTINGS),
];

const CANCEL: &[Field] = &[
    opt("cancellation_details", CANCELLATION_DETAILS),
    opt("invoice_now", Shape::Bool),
    opt("prorate", Shape::Bool),
];

const RESUME: &[Field] = &[
    opt("billing_cycle_anchor", ANCHOR),
    opt(
        "payment_behavior",
        Shape::Enum(&["resume_on_payment_attempt", "resume_on_payment_success"]),
    ),
    opt("proration_behavior", PRORATION_BEHAVIOR),
    unsupported("proration_date"),
];

const LIST: &[Field] = &[
    unsupported("automatic_tax"),
    opt("collection_method", COLLECTION_METHOD),
    opt("created", Shape::Range),
    opt("current_period_end", Shape::Range),
    opt("current_period_start", Shape::Range),
    opt("customer", Shape::Str),
    unsupported("customer_account"),
    unsupported("plan"),
    opt("price", Shape::Str),
    opt(
        "status",
        Shape::Enum(&[
            "active",
            "all",
            "canceled",
            "ended",
            "incomplete",
            "incomplete_expired",
            "past_due",
            "paused",
            "trialing",
            "unpaid",
        ]),
    ),
    opt("test_clock", Shape::Str),
];

/// Longest trial.
const LONGEST_TRIAL_DAYS: i64 = 730;
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
    let customer = customers::live(
        state,
        params.text("customer").unwrap_or_default(),
        "customer",
    )?;
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
    let (items, currency) = first_items(state, params, clock)?;
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
    };
    let id = subscriptions::create(state, new, now)?;
    render(state, &id)
}

fn update(state: &mut State, request: &Request) -> Result<Value, StripeError> {
    let params = &request.params;
    let before = find(state, request.id())?.clone();
    let given: Vec<&str> = params.0.keys().map(String::as_str).collect();
    check_changeable(&before, params, &given)?;
    check_unmodelled(params)?;
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

fn assign(
    state: &State,
    after: &mut Subscription,
    params: &Params,
    now: i64,
) -> Result<(), StripeError> {
    params.assign_metadata("metadata", &mut after.metadata);
    params.assign("description", &mut after.description);
    if params.is_unset("default_payment_method") {
        after.default_payment_method = None;
    } else if let Some(method) = payment_method(state, params, &after.customer)? {
        after.default_payment_method = Some(method);
    }
    if let Some(method) = params.parse("collection_method") {
        after.collection_method = method;
    }
    after.days_until_due = days_until_due(params, after.collection_method, after.days_until_due)?;
    if let Some(behavior) = missing_payment_method(params) {
        after.missing_payment_method = behavior;
    }
    if params.has("payment_settings") {
        after.payment_settings = payment_settings(params, &after.payment_settings);
    }
    assign_pause(after, params);
    assign_end(after, params, now)?;
    assign_cancellation_details(after, params);
    Ok(())
}

fn assign_pause(after: &mut Subscription, params: &Params) {
    if params.is_unset("pause_collection") {
        after.pause_collection = None;
    } else if let Some(behavior) = params.parse("pause_collection.behavior") {
        let resumes_at = params.i64("pause_collection.resumes_at");
        after.pause_collection = Some(PauseCollection {
            behavior,
            resumes_at,
        });
    }
}

fn assign_end(after: &mut Subscription, params: &Params, now: i64) -> Result<(), StripeError> {
    if params.text("cancel_at").is_some() && params.bool("cancel_at_period_end") == Some(true) {
        return Err(StripeError::validation(
            "cancel_at",
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
        ));
    }
    let end = match (params.str("cancel_at"), params.bool("cancel_at_period_end")) {
        (None, None) => return Ok(()),
        (_, Some(true)) => End::PeriodEnd,
        (Some("min_period_end" | "max_period_end"), _) => End::At(after.period().end),
        (Some(text), _) if !text.is_empty() => End::At(in_future(params, "cancel_at", now)?),
        // A set end other than the period's stays when only that is taken back.
        (None, Some(false)) if !after.cancel_at_period_end => return Ok(()),
        _ => End::Open,
    };
    after.cancel_at_period_end = end == End::PeriodEnd;
    after.cancel_at = match end {
        End::Open => None,
        End::PeriodEnd => Some(after.period().end),
        End::At(at) => Some(at),
    };
    let asked = after.cancel_at.is_some();
    after.canceled_at = asked.then_some(after.canceled_at.unwrap_or(now));
    after.cancellation_details.reason = asked.then(|| "cancellation_requested".to_owned());
    Ok(())
}

fn assign_cancellation_details(after: &mut Subscription, params: &Params) {
    params.assign(
        "cancellation_details.comment",
        &mut after.cancellation_details.comment,
    );
    params.assign(
        "cancellation_details.feedback",
        &mut after.cancellation_details.feedback,
    );
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
            Some("resume_on_payment_attempt") => ResumeWhen::PaymentAttempt,
            _ => ResumeWhen::PaymentSuccess,
        },
    };
    let now = state.now(subscription.test_clock.as_deref());
    subscriptions::resume(state, subscription, how, now);
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

fn check_unmodelled(params: &Params) -> Result<(), StripeError> {
    if params.bool("automatic_tax.enabled") == Some(true) {
        return Err(StripeError::unsupported("automatic_tax[enabled]"));
    }
    if params.str("billing_mode.type") == Some("classic") {
        return Err(StripeError::unsupported("billing_mode[type]=classic"));
    }
    Ok(())
}

fn first_items(
    state: &mut State,
    params: &Params,
    clock: Option<String>,
) -> Result<(Vec<Item>, String), StripeError> {
    let entries = params.objects("items");
    if entries.is_empty() {
        return Err(StripeError::missing("items"));
    }
    let now = state.now(clock.as_deref());
    let mut items = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        items.push(subscription_items::first_item(
            state,
            entry,
            &format!("items[{index}]"),
            now,
        )?);
    }
    let price = items.first().and_then(|item| state.prices.get(&item.price));
    let currency = price
        .map(|price| price.currency.clone())
        .unwrap_or_default();
    if let Some(wanted) = params
        .text("currency")
        .filter(|wanted| wanted.to_lowercase() != currency)
    {
        return Err(StripeError::invalid(format!(
            "The price of the first item is in {currency}, not in {wanted}."
        ))
        .param("currency"));
    }
    check_items(state, &items, &currency)?;
    Ok((items, currency))
}

fn first_trial_end(params: &Params, now: i64) -> Result<Option<i64>, StripeError> {
    match (params.i64("trial_period_days"), params.text("trial_end")) {
        (Some(_), Some(_)) => Err(StripeError::validation(
            "trial_end",
            "You may only specify one of these parameters: trial_end, trial_period_days.",
        )),
        (Some(0), None) | (None, None | Some("now")) => Ok(None),
        (Some(days @ 1..=LONGEST_TRIAL_DAYS), None) => Ok(Some(now + days * DAY)),
        (Some(_), None) => Err(StripeError::validation(
            "trial_period_days",
            "A trial lasts between 1 and 730 days.",
        )),
        (None, Some(_)) => future_trial_end(params, now).map(Some),
    }
}

fn future_trial_end(params: &Params, now: i64) -> Result<i64, StripeError> {
    let end = in_future(params, "trial_end", now)?;
    if end > now + 5 * 366 * DAY {
        return Err(StripeError::invalid(
            "trial_end cannot be more than five years in the future.",
        )
        .param("trial_end"));
    }
    Ok(end)
}

fn first_end(params: &Params, now: i64) -> Result<End, StripeError> {
    match (params.has("cancel_at"), params.bool("cancel_at_period_end")) {
        (true, Some(true)) => Err(StripeError::validation(
            "cancel_at",
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
        )),
        (true, _) => in_future(params, "cancel_at", now).map(End::At),
        (false, Some(true)) => Ok(End::PeriodEnd),
        (false, _) => Ok(End::Open),
    }
}

fn in_future(params: &Params, name: &str, now: i64) -> Result<i64, StripeError> {
    params.i64(name).filter(|at| *at > now).ok_or_else(|| {
        StripeError::invalid(format!(
            "Invalid {name}: must be a timestamp in the future."
        ))
        .param(name)
    })
}

fn payment_method(
    state: &State,
    params: &Params,
    customer: &str,
) -> Result<Option<String>, StripeError> {
    let Some(id) = params.text("default_payment_method") else {
        return Ok(None);
    };
    let method = state.payment_methods.get(id);
    match method.filter(|method| method.customer.as_deref() == Some(customer)) {
        Some(_) => Ok(Some(id.to_owned())),
        None => Err(StripeError::invalid(format!(
            "The customer does not have a payment method with the ID {id}. The payment method must be attached to \
             the customer."
        ))
        .code("resource_missing")
        .param("default_payment_method")),
    }
}

fn days_until_due(
    params: &Params,
    method: CollectionMethod,
    before: Option<u32>,
) -> Result<Option<u32>, StripeError> {
    let given = params.i64("days_until_due");
    let days = given.map(u32::try_from).transpose().map_err(|_| {
        StripeError::validation(
            "days_until_due",
            "This value must be greater than or equal to 0.",
        )
    })?;
    match (method, days.or(before)) {
        (CollectionMethod::SendInvoice, None) => Err(StripeError::invalid(
            "When collection_method is send_invoice, days_until_due is required.",
        )
        .param("days_until_due")),
        (CollectionMethod::SendInvoice, days) => Ok(days),
        (CollectionMethod::ChargeAutomatically, _) if days.is_some() => Err(StripeError::invalid(
            "days_until_due can only be set when collection_method is send_invoice.",
        )
        .param("days_until_due")),
        (CollectionMethod::ChargeAutomatically, _) => Ok(None),
    }
}

fn missing_payment_method(params: &Params) -> Option<MissingPaymentMethod> {
    params.parse("trial_settings.end_behavior.missing_payment_method")
}

fn payment_settings(params: &Params, before: &Value) -> Value {
    let types = match params.strings("payment_settings.payment_method_types") {
        types if types.is_empty() => before["payment_method_types"].clone(),
        types => json!(types),
    };
    let save = params.text("payment_settings.save_default_payment_method");
    let save = save
        .or(before["save_default_payment_method"].as_str())
        .unwrap_or("off");
    json!({
        "payment_method_options": null,
        "payment_method_types": types,
        "save_default_payment_method": save,
    })
}
