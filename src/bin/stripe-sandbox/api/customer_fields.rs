//! A customer's fields, from parameters.

use serde_json::{Map, Value, json};

use crate::model::Customer;
use crate::wire::{ADDRESS, Params, StripeError};

/// Writes the parameters given into a customer.
pub(super) fn assign(customer: &mut Customer, params: &Params) -> Result<(), StripeError> {
    check_email(params)?;
    params.assign("business_name", &mut customer.business_name);
    params.assign("description", &mut customer.description);
    params.assign("email", &mut customer.email);
    params.assign("individual_name", &mut customer.individual_name);
    params.assign("name", &mut customer.name);
    params.assign("phone", &mut customer.phone);
    params.assign("tax.ip_address", &mut customer.tax_ip_address);
    params.assign_metadata("metadata", &mut customer.metadata);
    customer.balance = params.i64("balance").unwrap_or(customer.balance);
    customer.next_invoice_sequence = params
        .i64("next_invoice_sequence")
        .unwrap_or(customer.next_invoice_sequence);
    if let Some(prefix) = params.text("invoice_prefix") {
        prefix.clone_into(&mut customer.invoice_prefix);
    }
    if let Some(exempt) = params.str("tax_exempt") {
        let exempt = if exempt.is_empty() { "none" } else { exempt };
        exempt.clone_into(&mut customer.tax_exempt);
    }
    if params.has("preferred_locales") {
        customer.preferred_locales = params
            .strings("preferred_locales")
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    if params.has("address") {
        customer.address = merged_address(customer.address.as_ref(), params, "address");
    }
    if params.has("shipping") {
        customer.shipping = params.object("shipping").map(|shipping| {
            json!({
                "address": merged_address(None, &shipping, "address"),
                "name": shipping.text("name"),
                "phone": shipping.text("phone"),
            })
        });
    }
    assign_invoice_settings(customer, params);
    Ok(())
}

fn check_email(params: &Params) -> Result<(), StripeError> {
    let Some(email) = params.text("email") else {
        return Ok(());
    };
    let valid = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if valid && email.len() <= 512 && !email.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(
        StripeError::validation("email", format!("Invalid email address: {email}"))
            .code("email_invalid"),
    )
}

fn assign_invoice_settings(customer: &mut Customer, params: &Params) {
    let settings = &mut customer.invoice_settings;
    params.assign("invoice_settings.footer", &mut settings.footer);
    if params.has("invoice_settings.custom_fields") {
        let fields = params.objects("invoice_settings.custom_fields");
        settings.custom_fields = (!fields.is_empty()).then(|| {
            fields
                .iter()
                .map(|field| json!({ "name": field.text("name"), "value": field.text("value") }))
                .collect()
        });
    }
    if params.has("invoice_settings.rendering_options") {
        settings.rendering_options = params.object("invoice_settings.rendering_options").map(|options| {
            json!({
                "amount_tax_display": options.text("amount_tax_display"), "template": options.text("template"),
            })
        });
    }
}

/// An address with the parts given replaced. Giving `""` for the whole removes it.
fn merged_address(before: Option<&Value>, params: &Params, name: &str) -> Option<Value> {
    let given = params.object(name)?;
    let mut address = before
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Map::new);
    for field in ADDRESS {
        let part = field.name();
        let text = given.str(part).map(|text| {
            if text.is_empty() {
                Value::Null
            } else {
                json!(text)
            }
        });
        match text {
            Some(text) => address.insert(part.to_owned(), text),
            None => address
                .get(part)
                .is_none()
                .then(|| address.insert(part.to_owned(), Value::Null))
                .flatten(),
        };
    }
    Some(Value::Object(address))
}

/// The tax ids a new customer is given, rendered.
pub(super) fn tax_ids(customer: &Customer, params: &Params) -> Vec<Value> {
    let given = params.objects("tax_id_data").into_iter();
    given
        .map(|tax_id| {
            let country = tax_id.text("type").and_then(|kind| kind.split('_').next()).unwrap_or_default();
            json!({
                "id": crate::state::new_id("txi"),
                "object": "tax_id",
                "country": (country.len() == 2 && country != "eu").then(|| country.to_uppercase()),
                "created": customer.created,
                "customer": customer.id,
                "customer_account": null,
                "livemode": customer.livemode,
                "owner": { "type": "customer", "customer": customer.id },
                "type": tax_id.text("type"),
                "value": tax_id.text("value"),
                "verification": { "status": "pending", "verified_address": null, "verified_name": null },
            })
        })
        .collect()
}
