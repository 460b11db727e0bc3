//! Customers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Metadata;
use crate::state::{Settings, TaxLocation};

/// A customer's `invoice_settings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InvoiceSettings {
    /// Payment method for subscriptions and invoices that name none.
    pub default_payment_method: Option<String>,
    /// Custom fields on invoices.
    pub custom_fields: Option<Value>,
    /// Footer of invoices.
    pub footer: Option<String>,
    /// How invoice documents look.
    pub rendering_options: Option<Value>,
}

/// A customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// Creation, in the test clock's time when on one.
    pub created: i64,
    /// Live mode.
    pub livemode: bool,
    /// Deleted customers can be retrieved still, as just that.
    pub deleted: bool,
    /// Postal address.
    pub address: Option<Value>,
    /// Credit (negative) or debt (positive) that the next invoice takes up.
    pub balance: i64,
    /// Business name.
    pub business_name: Option<String>,
    /// Currency, fixed by the first subscription or invoice.
    pub currency: Option<String>,
    /// Whether the latest charge for an invoice failed.
    pub delinquent: bool,
    /// Free text.
    pub description: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Individual's name.
    pub individual_name: Option<String>,
    /// Prefix of invoice numbers.
    pub invoice_prefix: String,
    /// Defaults for invoices.
    pub invoice_settings: InvoiceSettings,
    /// Metadata.
    pub metadata: Metadata,
    /// Name.
    pub name: Option<String>,
    /// Number of the next invoice.
    pub next_invoice_sequence: i64,
    /// Phone.
    pub phone: Option<String>,
    /// Languages.
    pub preferred_locales: Vec<String>,
    /// Shipping.
    pub shipping: Option<Value>,
    /// IP address given for tax.
    pub tax_ip_address: Option<String>,
    /// `none`, `exempt` or `reverse`.
    pub tax_exempt: String,
    /// Tax ids, as rendered.
    pub tax_ids: Vec<Value>,
    /// Test clock.
    pub test_clock: Option<String>,
}

impl Customer {
    /// Stripe's customer object, without what must be asked for with `expand`.
    pub fn render(&self) -> Value {
        if self.deleted {
            return self.render_deleted();
        }
        let settings = &self.invoice_settings;
        let mut customer = json!({
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": self.balance,
            "created": self.created,
            "currency": self.currency,
            "customer_account": null,
            "default_source": null,
            "delinquent": self.delinquent,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_prefix": self.invoice_prefix,
            "invoice_settings": {
                "custom_fields": settings.custom_fields,
                "default_payment_method": settings.default_payment_method,
                "footer": settings.footer,
                "rendering_options": settings.rendering_options,
            },
            "livemode": self.livemode,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": self.next_invoice_sequence,
            "phone": self.phone,
            "preferred_locales": self.preferred_locales,
            "shipping": self.shipping,
            "tax_exempt": self.tax_exempt,
            "test_clock": self.test_clock,
        });
        // Stripe leaves these two out unless they were set.
        for (name, value) in [
            ("business_name", &self.business_name),
            ("individual_name", &self.individual_name),
        ] {
            if let Some(text) = value {
                customer[name] = json!(text);
            }
        }
        customer
    }

    /// What remains of a deleted customer.
    pub fn render_deleted(&self) -> Value {
        json!({ "id": self.id, "object": "customer", "deleted": true })
    }

    /// The `tax` member: where automatic tax would place the customer.
    ///
    /// A country is enough, except where tax depends on the postal code.
    pub fn render_tax(&self, settings: &Settings) -> Value {
        let location = self.place().map(|(country, state)| {
            json!({ "country": country, "source": "billing_address", "state": state })
        });
        json!({
            "automatic_tax": self.tax_location(settings),
            "ip_address": self.tax_ip_address,
            "location": location,
            "provider": "stripe",
        })
    }

    /// What automatic tax makes of the customer's address.
    pub fn tax_location(&self, settings: &Settings) -> TaxLocation {
        match self.place() {
            None => TaxLocation::UnrecognizedLocation,
            Some((country, _)) => settings
                .tax_locations
                .get(country)
                .copied()
                .unwrap_or(TaxLocation::Supported),
        }
    }

    /// Country and state, if they are enough to tell the tax.
    fn place(&self) -> Option<(&str, Option<&str>)> {
        let part = |name: &str| {
            let address = self.address.as_ref()?;
            address.get(name)?.as_str().filter(|text| !text.is_empty())
        };
        let country = part("country")?;
        let located = match country {
            "US" | "CA" => part("postal_code").is_some() || part("state").is_some(),
            _ => true,
        };
        located.then(|| (country, part("state")))
    }
}
