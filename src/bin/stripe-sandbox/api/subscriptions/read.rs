//! The reading of subscription parameters whose meaning depends on the subscription, the time or each other.

use serde_json::{Value, json};

use crate::api::subscription_items::{self, check_items};
use crate::engine::calendar::DAY;
use crate::engine::subscriptions::End;
use crate::engine::tax;
use crate::model::Customer;
use crate::model::subscription::{
    AutomaticTax, CollectionMethod, Item, MissingPaymentMethod, PauseCollection, Subscription,
};
use crate::state::State;
use crate::wire::{Params, StripeError};

/// Longest trial.
const LONGEST_TRIAL_DAYS: i64 = 730;

/// Writes the parameters given into the subscription to be.
pub(super) fn assign(
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
    if let Some(customer) = state.customers.get(&after.customer)
        && let Some(tax) = automatic_tax(state, params, customer)?
    {
        after.automatic_tax = tax;
    }
    assign_pause(after, params, now)?;
    assign_end(after, params, now)?;
    assign_cancellation_details(after, params);
    Ok(())
}

fn assign_pause(after: &mut Subscription, params: &Params, now: i64) -> Result<(), StripeError> {
    if params.is_unset("pause_collection") {
        after.pause_collection = None;
    } else if let Some(behavior) = params.parse("pause_collection.behavior") {
        let name = "pause_collection.resumes_at";
        let resumes_at = params
            .has(name)
            .then(|| in_future(params, name, now))
            .transpose()
            .map_err(|error| error.param("pause_collection[resumes_at]"))?;
        after.pause_collection = Some(PauseCollection {
            behavior,
            resumes_at,
        });
    }
    Ok(())
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
        (_, Some(true)) => End::WithPeriod,
        (Some("min_period_end" | "max_period_end"), _) => End::At(after.period().end),
        (Some(text), _) if !text.is_empty() => End::At(in_future(params, "cancel_at", now)?),
        // A set end other than the period's stays when only that is taken back.
        (None, Some(false)) if !after.cancel_at_period_end => return Ok(()),
        _ => End::Open,
    };
    after.cancel_at_period_end = end == End::WithPeriod;
    after.cancel_at = match end {
        End::Open => None,
        End::WithPeriod => Some(after.period().end),
        End::At(at) => Some(at),
    };
    let asked = after.cancel_at.is_some();
    after.canceled_at = asked.then_some(after.canceled_at.unwrap_or(now));
    after.cancellation_details.reason = asked.then(|| "cancellation_requested".to_owned());
    Ok(())
}

pub(super) fn assign_cancellation_details(after: &mut Subscription, params: &Params) {
    params.assign(
        "cancellation_details.comment",
        &mut after.cancellation_details.comment,
    );
    params.assign(
        "cancellation_details.feedback",
        &mut after.cancellation_details.feedback,
    );
}

/// Whether tax is to be calculated; a customer whose place is not known does not let it.
pub(super) fn automatic_tax(
    state: &State,
    params: &Params,
    customer: &Customer,
) -> Result<Option<AutomaticTax>, StripeError> {
    match params.bool("automatic_tax.enabled") {
        None => Ok(None),
        Some(false) => Ok(Some(AutomaticTax::Off)),
        Some(true) => {
            tax::require_location(state, customer)?;
            Ok(Some(AutomaticTax::On))
        }
    }
}

pub(super) fn check_unmodelled(params: &Params) -> Result<(), StripeError> {
    if params.str("billing_mode.type") == Some("classic") {
        return Err(StripeError::unsupported("billing_mode[type]=classic"));
    }
    Ok(())
}

pub(super) fn first_items(
    state: &mut State,
    params: &Params,
    clock: Option<&str>,
) -> Result<(Vec<Item>, String), StripeError> {
    let entries = params.objects("items");
    if entries.is_empty() {
        return Err(StripeError::missing("items"));
    }
    let now = state.now(clock);
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
        return Err(subscription_items::other_currency(&currency, wanted).param("currency"));
    }
    check_items(state, &items, &currency)?;
    Ok((items, currency))
}

pub(super) fn first_trial_end(params: &Params, now: i64) -> Result<Option<i64>, StripeError> {
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

pub(super) fn future_trial_end(params: &Params, now: i64) -> Result<i64, StripeError> {
    let end = in_future(params, "trial_end", now)?;
    if end > now + 5 * 366 * DAY {
        return Err(StripeError::invalid(
            "trial_end cannot be more than five years in the future.",
        )
        .param("trial_end"));
    }
    Ok(end)
}

pub(super) fn first_end(params: &Params, now: i64) -> Result<End, StripeError> {
    match (params.has("cancel_at"), params.bool("cancel_at_period_end")) {
        (true, Some(true)) => Err(StripeError::validation(
            "cancel_at",
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
        )),
        (true, _) => in_future(params, "cancel_at", now).map(End::At),
        (false, Some(true)) => Ok(End::WithPeriod),
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

pub(super) fn payment_method(
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

pub(super) fn days_until_due(
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

pub(super) fn missing_payment_method(params: &Params) -> Option<MissingPaymentMethod> {
    params.parse("trial_settings.end_behavior.missing_payment_method")
}

pub(super) fn payment_settings(params: &Params, before: &Value) -> Value {
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
