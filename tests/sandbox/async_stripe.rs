//! async-stripe's full types as a judge: generated from Stripe's SDK specification, they reject an object that
//! lacks a field they require. They are stricter than the views the operator reads with.

use miniserde::{Deserialize, json};
use serde_json::Value;
use stripe_billing::{
    BillingMeter, BillingMeterEvent, BillingMeterEventAdjustment, BillingMeterEventSummary,
    BillingPortalConfiguration, BillingPortalSession,
};
use stripe_shared::{
    Account, ApiErrors, Charge, CheckoutSession, Customer, CustomerBalanceTransaction,
    DeletedCustomer, DeletedProduct, DeletedSubscriptionItem, DeletedTestHelpersTestClock, Dispute,
    Event, Invoice, InvoicePayment, PaymentIntent, PaymentMethod, Price, Product, SetupIntent,
    Subscription, SubscriptionItem, SubscriptionSchedule, TestHelpersTestClock,
};
use stripe_types::List;

/// Parses an answer with the type it names, and each element of a list. The error says which object did not parse;
/// the types themselves say no more.
pub(crate) fn parses(body: &Value) -> Result<(), String> {
    if body["object"] == "list" {
        return body["data"]
            .as_array()
            .into_iter()
            .flatten()
            .try_for_each(parses)
            .and_then(|()| list(body));
    }
    if !body["error"].is_null() {
        return parse::<ApiErrors>(&body["error"]);
    }
    object(body)
}

fn object(body: &Value) -> Result<(), String> {
    let deleted = body["deleted"] == true;
    match body["object"].as_str().unwrap_or_default() {
        "account" => parse::<Account>(body),
        "billing.meter" => parse::<BillingMeter>(body),
        "billing.meter_event" => parse::<BillingMeterEvent>(body),
        "billing.meter_event_adjustment" => parse::<BillingMeterEventAdjustment>(body),
        "billing.meter_event_summary" => parse::<BillingMeterEventSummary>(body),
        "billing_portal.configuration" => parse::<BillingPortalConfiguration>(body),
        "billing_portal.session" => parse::<BillingPortalSession>(body),
        "charge" => parse::<Charge>(body),
        "checkout.session" => parse::<CheckoutSession>(body),
        "customer" if deleted => parse::<DeletedCustomer>(body),
        "customer" => parse::<Customer>(body),
        "customer_balance_transaction" => parse::<CustomerBalanceTransaction>(body),
        "dispute" => parse::<Dispute>(body),
        "event" => parse::<Event>(body).and_then(|()| parses(&body["data"]["object"])),
        "invoice" => parse::<Invoice>(body),
        "invoice_payment" => parse::<InvoicePayment>(body),
        "payment_intent" => parse::<PaymentIntent>(body),
        "payment_method" => parse::<PaymentMethod>(body),
        "price" => parse::<Price>(body),
        "product" if deleted => parse::<DeletedProduct>(body),
        "product" => parse::<Product>(body),
        "setup_intent" => parse::<SetupIntent>(body),
        "subscription" => parse::<Subscription>(body),
        "subscription_schedule" => parse::<SubscriptionSchedule>(body),
        "subscription_item" if deleted => parse::<DeletedSubscriptionItem>(body),
        "subscription_item" => parse::<SubscriptionItem>(body),
        "test_helpers.test_clock" if deleted => parse::<DeletedTestHelpersTestClock>(body),
        "test_helpers.test_clock" => parse::<TestHelpersTestClock>(body),
        // async-stripe has these in crates the project does without.
        "webhook_endpoint" | "line_item" | "radar.early_fraud_warning" | "search_result" => Ok(()),
        other => Err(format!(
            "no async-stripe type is known for an object of type {other:?}"
        )),
    }
}

fn list(body: &Value) -> Result<(), String> {
    match body["data"][0]["object"].as_str() {
        Some("customer") => parse::<List<Customer>>(body),
        Some("subscription") => parse::<List<Subscription>>(body),
        Some("invoice") => parse::<List<Invoice>>(body),
        Some("price") => parse::<List<Price>>(body),
        Some("product") => parse::<List<Product>>(body),
        Some("event") => parse::<List<Event>>(body),
        _ => Ok(()),
    }
}

fn parse<T: Deserialize>(body: &Value) -> Result<(), String> {
    match json::from_str::<T>(&body.to_string()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "{} does not parse:\n{body:#}",
            std::any::type_name::<T>()
        )),
    }
}
