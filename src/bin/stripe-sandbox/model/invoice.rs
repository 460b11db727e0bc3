//! Invoices, their lines, and the payments towards them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use super::invoice_line::{CreditedItems, Line, Usage};
pub use super::invoice_payment::{InvoicePayment, PaymentStatus};
use super::{
    Metadata,
    subscription::CollectionMethod,
    tax::{InvoiceTax, TaxBehavior, total_taxes},
};
use crate::engine::calendar::Period;
use crate::engine::resumption::ResumeWhen;
use crate::state::State;
use crate::wire::sublist;

/// Where an invoice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// May still change.
    Draft,
    /// Awaits payment.
    Open,
    /// Settled. Final.
    Paid,
    /// Written off; may be paid still.
    Uncollectible,
    /// Of no effect. Final.
    Void,
}

/// What an invoice was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingReason {
    /// A subscription's first.
    SubscriptionCreate,
    /// A renewal or the end of a trial.
    SubscriptionCycle,
    /// A change billed at once, or the last one of a cancelled subscription.
    SubscriptionUpdate,
    /// What a preview shows.
    Upcoming,
}

/// The customer as the invoice names them; frozen when the invoice is finalised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BilledTo {
    /// Postal address.
    pub address: Option<Value>,
    /// E-mail address.
    pub email: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Phone.
    pub phone: Option<String>,
    /// Shipping.
    pub shipping: Option<Value>,
    /// `none`, `exempt` or `reverse`.
    pub tax_exempt: String,
    /// Tax ids.
    pub tax_ids: Vec<Value>,
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // As in Stripe's object.
pub struct Invoice {
    /// `in_…`
    pub id: String,
    /// Given when finalised.
    pub number: Option<String>,
    /// Who pays.
    pub customer: String,
    /// How the invoice names them.
    pub billed_to: BilledTo,
    /// What is billed.
    pub subscription: String,
    /// The subscription's metadata when the invoice was made.
    pub subscription_metadata: Metadata,
    /// Instant of the prorations on an invoice for a change.
    pub proration_date: Option<i64>,
    /// Where it stands.
    pub status: Status,
    /// What it was made for.
    pub billing_reason: BillingReason,
    /// How it is collected.
    pub collection_method: CollectionMethod,
    /// When it was made.
    pub created: i64,
    /// Currency.
    pub currency: String,
    /// The time its usage is from.
    pub period: Period,
    /// Its lines.
    pub lines: Vec<Line>,
    /// The customer's balance before.
    pub starting_balance: i64,
    /// The customer's balance after; set when finalised.
    pub ending_balance: Option<i64>,
    /// What has been paid.
    pub amount_paid: i64,
    /// Whether it was settled outside Stripe.
    pub paid_out_of_band: bool,
    /// Whether Stripe finalises and collects it by itself.
    pub auto_advance: bool,
    /// When a draft is finalised.
    pub automatically_finalizes_at: Option<i64>,
    /// The first attempt and automatic retries.
    pub attempt_count: u64,
    /// Whether any attempt was made.
    pub attempted: bool,
    /// Next automatic attempt.
    pub next_payment_attempt: Option<i64>,
    /// When a sent invoice is due.
    pub due_date: Option<i64>,
    /// Days the customer has once it is sent.
    pub days_until_due: Option<u32>,
    /// When it was finalised.
    pub finalized_at: Option<i64>,
    /// When it was settled.
    pub paid_at: Option<i64>,
    /// When it was voided.
    pub voided_at: Option<i64>,
    /// When it was written off.
    pub marked_uncollectible_at: Option<i64>,
    /// Why it was written off.
    pub uncollectible_reason: Option<String>,
    /// Takes precedence over the subscription's.
    pub default_payment_method: Option<String>,
    /// Shown to the customer.
    pub description: Option<String>,
    /// Shown at the bottom.
    pub footer: Option<String>,
    /// The caller's pairs.
    pub metadata: Metadata,
    /// The clock its customer lives on.
    pub test_clock: Option<String>,
    /// When an invoice that a pending change or a resumption waits for is voided.
    pub expires_at: Option<i64>,
    /// The payment method that must be replaced before a retry is carried out; empty if there was none.
    pub refused_payment_method: Option<String>,
    /// Whether the due date has passed and had its effect.
    pub overdue: bool,
    /// The event of its creation, whose webhooks must be acknowledged before it is finalised.
    pub created_event: Option<String>,
    /// How far its tax has been calculated.
    #[serde(default)]
    pub automatic_tax: InvoiceTax,
    /// Why it could not be finalised when that was last tried.
    #[serde(default)]
    pub last_finalization_error: Option<FinalizationError>,
    /// Whose payment puts its paused subscription back to work, and when.
    #[serde(default)]
    pub resumes: Option<ResumeWhen>,
    /// What any try to finalise it is to fail with: a wish of the control plane's.
    #[serde(default)]
    pub refuses_finalization: Option<FinalizationError>,
}

/// Why an invoice could not be finalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalizationError {
    /// One of Stripe's error codes.
    pub code: String,
    /// For people.
    pub message: String,
}

impl FinalizationError {
    fn render(&self) -> Value {
        let page = self.code.replace('_', "-");
        json!({
            "code": self.code,
            "doc_url": format!("https://stripe.com/docs/error-codes/{page}"),
            "message": self.message,
            "type": "invalid_request_error",
        })
    }
}

impl Invoice {
    /// Sum of the lines.
    pub fn subtotal(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// Sum of the lines with the tax that comes on top.
    pub fn total(&self) -> i64 {
        self.subtotal() + self.tax(TaxBehavior::Exclusive).unwrap_or(0)
    }

    /// The sum of taxes that come on top, or are in the lines; `None` if there are none of that kind.
    fn tax(&self, behavior: TaxBehavior) -> Option<i64> {
        let taxes = self.lines.iter().filter_map(|line| line.tax.as_ref());
        let own = taxes.filter(|tax| tax.behavior == behavior);
        own.map(|tax| tax.amount).reduce(|sum, tax| sum + tax)
    }

    /// What is to be paid once the customer's balance is taken up.
    pub fn amount_due(&self) -> i64 {
        (self.total() + self.starting_balance).max(0)
    }

    /// What is still to be paid.
    pub fn amount_remaining(&self) -> i64 {
        self.amount_due() - self.amount_paid
    }

    /// Stripe's object, without what must be asked for with `expand`.
    pub fn render(&self, state: &State) -> Value {
        let mut invoice = self.render_static(state);
        if let Value::Object(members) = &mut invoice {
            members.extend(self.render_amounts());
            members.extend(self.render_collection());
            members.extend(self.render_links(state));
        }
        invoice
    }

    /// The `payments` member.
    pub fn render_payments(&self, state: &State) -> Value {
        let payments = state.billing.payments_of(&self.id);
        let data = payments.map(|payment| payment.render(state)).collect();
        sublist(format!("/v1/invoice_payments?invoice={}", self.id), data)
    }

    /// The `confirmation_secret` member: the secret of the payment intent in the browser.
    pub fn render_confirmation_secret(&self, state: &State) -> Value {
        let payments = state.billing.payments_of(&self.id);
        payments
            .filter(|payment| payment.is_default)
            .filter_map(|payment| state.billing.payment_intents.get(&payment.payment_intent))
            .next_back()
            .map_or(
                Value::Null,
                |intent| json!({ "client_secret": intent.client_secret, "type": "payment_intent" }),
            )
    }

    fn render_static(&self, state: &State) -> Value {
        let lines = self
            .lines
            .iter()
            .map(|line| line.render(self, state.livemode))
            .collect();
        json!({
            "id": self.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "Stripe sandbox",
            "account_tax_ids": null,
            "application": null,
            "automatic_tax": self.automatic_tax.render(),
            "billing_reason": self.billing_reason,
            "created": self.created,
            "currency": self.currency,
            "custom_fields": null,
            "customer": Some(&self.customer).filter(|id| !id.is_empty()),
            "customer_account": null,
            "customer_address": self.billed_to.address,
            "customer_email": self.billed_to.email,
            "customer_name": self.billed_to.name,
            "customer_phone": self.billed_to.phone,
            "customer_shipping": self.billed_to.shipping,
            "customer_tax_exempt": Some(&self.billed_to.tax_exempt).filter(|it| !it.is_empty()),
            "customer_tax_ids": self.billed_to.tax_ids.iter().map(|id| {
                json!({ "type": id["type"], "value": id["value"] })
            }).collect::<Vec<_>>(),
            "default_source": null,
            "default_tax_rates": [],
            "description": self.description,
            "discounts": [],
            "footer": self.footer,
            "from_invoice": null,
            "issuer": { "type": "self" },
            "last_finalization_error": self.last_finalization_error.as_ref().map(FinalizationError::render),
            "latest_revision": null,
            "lines": sublist(format!("/v1/invoices/{}/lines", self.id), lines),
            "livemode": state.livemode,
            "metadata": self.metadata,
            "number": self.number,
            "on_behalf_of": null,
            "parent": self.render_parent(),
            "period_end": self.period.end,
            "period_start": self.period.start,
            "receipt_number": null,
            "rendering": null,
            "shipping_cost": null,
            "shipping_details": null,
            "statement_descriptor": null,
            "test_clock": self.test_clock,
        })
    }

    fn render_amounts(&self) -> serde_json::Map<String, Value> {
        let total = self.total();
        let exclusive = self.tax(TaxBehavior::Exclusive).unwrap_or(0);
        let inclusive = self.tax(TaxBehavior::Inclusive).unwrap_or(0);
        members(json!({
            "amount_due": self.amount_due(),
            "amount_overpaid": 0,
            "amount_paid": self.amount_paid,
            "amount_paid_off_stripe": if self.paid_out_of_band { self.amount_paid } else { 0 },
            "amount_remaining": self.amount_remaining(),
            "amount_shipping": 0,
            "ending_balance": self.ending_balance,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "starting_balance": self.starting_balance,
            "subtotal": self.subtotal(),
            "subtotal_excluding_tax": self.subtotal() - inclusive,
            "total": total,
            "total_discount_amounts": [],
            "total_excluding_tax": total - exclusive - inclusive,
            "total_pretax_credit_amounts": [],
            "total_taxes": total_taxes(&self.lines),
        }))
    }

    fn render_collection(&self) -> serde_json::Map<String, Value> {
        let mut collection = members(json!({
            "attempt_count": self.attempt_count,
            "attempted": self.attempted,
            "auto_advance": self.auto_advance,
            "automatically_finalizes_at": self.automatically_finalizes_at,
            "collection_method": self.collection_method,
            "default_payment_method": self.default_payment_method,
            "due_date": self.due_date,
            "effective_at": self.finalized_at,
            "next_payment_attempt": self.next_payment_attempt,
            "payment_settings": {
                "default_mandate": null, "payment_method_options": null, "payment_method_types": null,
            },
            "status": self.status,
            "status_transitions": {
                "finalized_at": self.finalized_at,
                "marked_uncollectible_at": self.marked_uncollectible_at,
                "paid_at": self.paid_at,
                "voided_at": self.voided_at,
            },
            "webhooks_delivered_at": self.created,
        }));
        // Stripe leaves this out unless there is something to say.
        if let Some(reason) = &self.uncollectible_reason {
            let details = json!({ "uncollectible": { "reason": reason } });
            collection.insert("status_details".to_owned(), details);
        }
        collection
    }

    fn render_parent(&self) -> Value {
        let mut details = json!({
            "metadata": self.subscription_metadata,
            "subscription": self.subscription,
        });
        if let Some(at) = self.proration_date {
            details["subscription_proration_date"] = json!(at);
        }
        json!({
            "quote_details": null,
            "subscription_details": details,
            "type": "subscription_details",
        })
    }

    fn render_links(&self, state: &State) -> serde_json::Map<String, Value> {
        let finalized = self.finalized_at.is_some();
        let page = format!("{}/i/{}", state.base_url, self.id);
        members(json!({
            "hosted_invoice_url": finalized.then_some(&page),
            "invoice_pdf": finalized.then(|| format!("{page}/pdf")),
        }))
    }
}

fn members(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}
