//! What there is to see of the sandbox, for a judge of types.

use serde_json::{Value, json};

use crate::{
    fixtures::{
        DAY, HOUR, Tenant, add_card, at, cards, meter, metered, monthly, period, product,
        subscription, usage,
    },
    harness::{Sandbox, data, id, text},
};

/// One of each kind of object and of each state an object is usually met in, with its type in stripe-node.
pub(crate) async fn tour(sandbox: &Sandbox) -> Vec<(&'static str, Value)> {
    let mut seen = Vec::new();
    let tenant = Tenant::with_card(sandbox, "2026-01-01T00:00:00Z").await;
    let price = monthly(sandbox, 1_000).await;
    let active = tenant
        .subscribe(sandbox, &price, "&metadata[tenantbilling_owner]=a")
        .await;
    let trialing = tenant
        .subscribe(sandbox, &price, "&trial_period_days=60")
        .await;
    seen.push(("Stripe.Subscription", active.clone()));
    seen.push(("Stripe.Subscription", trialing));
    cards(sandbox, &tenant.customer, "decline:insufficient_funds").await;
    sandbox.advance(&tenant.clock, period(&active).1).await;
    seen.push((
        "Stripe.Invoice",
        tenant.invoices(sandbox).await.swap_remove(0),
    ));
    sandbox
        .advance(&tenant.clock, period(&active).1 + HOUR)
        .await;
    let expanded = format!(
        "/v1/subscriptions/{}?expand[]=latest_invoice.payments",
        id(&active)
    );
    let past_due = sandbox.get(expanded).await;
    assert_eq!(past_due["status"], "past_due");
    let payment = data(&past_due["latest_invoice"]["payments"])[0].clone();
    let intent = text(&payment["payment"]["payment_intent"]);
    seen.push((
        "Stripe.PaymentIntent",
        sandbox.get(format!("/v1/payment_intents/{intent}")).await,
    ));
    seen.push(("Stripe.InvoicePayment", payment));
    seen.push(("Stripe.Subscription", past_due));
    seen.push((
        "Stripe.Subscription",
        sandbox
            .delete(format!("/v1/subscriptions/{}", id(&active)))
            .await,
    ));
    seen.extend(paused(sandbox).await);
    seen.extend(scheduled(sandbox).await);
    seen.extend(simple(sandbox, &tenant).await);
    seen.extend(metering(sandbox).await);
    seen.extend(pages(sandbox, &tenant.customer).await);
    let events = sandbox.get("/v1/events?limit=100").await;
    for event in data(&events) {
        // Every event carries an object as the API shows it; its envelope is the same for all.
        seen.extend(
            node_type(&event["data"]["object"]).map(|kind| (kind, event["data"]["object"].clone())),
        );
    }
    seen
}

async fn paused(sandbox: &Sandbox) -> Option<(&'static str, Value)> {
    let tenant = Tenant::without_card(sandbox, "2026-01-01T00:00:00Z").await;
    let more = "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let trialing = tenant
        .subscribe(sandbox, &monthly(sandbox, 1_000).await, more)
        .await;
    sandbox
        .advance(
            &tenant.clock,
            crate::fixtures::at("2026-01-01T00:00:00Z") + 8 * DAY,
        )
        .await;
    let paused = subscription(sandbox, &trialing).await;
    assert_eq!(paused["status"], "paused");
    Some(("Stripe.Subscription", paused))
}

/// What a customer meets on Stripe's pages.
async fn pages(sandbox: &Sandbox, customer: &str) -> Vec<(&'static str, Value)> {
    let form = format!(
        "mode=setup&currency=usd&success_url=https://a.example&customer={customer}&expand[]=setup_intent"
    );
    let session = sandbox.post("/v1/checkout/sessions", form).await;
    let card = json!({"card": "pm_card_authenticationRequired", "authenticate": true});
    let path = format!("/checkout/{}", id(&session));
    let complete = sandbox.control("POST", &path, card).await;
    let mut seen = vec![
        ("Stripe.Checkout.Session", session),
        ("Stripe.Checkout.Session", complete),
    ];
    for (path, kind) in [
        ("/early_fraud_warnings", "Stripe.Radar.EarlyFraudWarning"),
        ("/disputes", "Stripe.Dispute"),
    ] {
        let made = sandbox.control("POST", path, json!({"customer": customer}));
        seen.push((kind, made.await));
    }
    let dispute = format!("/v1/disputes/{}?expand[]=charge", id(&seen[3].1));
    seen.push(("Stripe.Dispute", sandbox.get(dispute).await));
    let form = format!(
        "customer={customer}&flow_data[type]=payment_method_update&flow_data[after_completion][type]=redirect\
         &flow_data[after_completion][redirect][return_url]=https://a.example&expand[]=configuration"
    );
    let session = sandbox.post("/v1/billing_portal/sessions", form).await;
    seen.push((
        "Stripe.BillingPortal.Configuration",
        session["configuration"].clone(),
    ));
    seen.push(("Stripe.BillingPortal.Session", session));
    seen
}

async fn metering(sandbox: &Sandbox) -> Vec<(&'static str, Value)> {
    let tenant = Tenant::with_card(sandbox, "2026-01-01T00:00:00Z").await;
    let start = at("2026-01-01T00:00:00Z");
    let meter = meter(sandbox, "calls", "&event_time_window=hour").await;
    let price = metered(sandbox, &meter, "unit_amount_decimal=0.5").await;
    let subscribed = tenant.subscribe(sandbox, &price, "").await;
    let event = usage(&tenant.customer, "calls", "3", start) + "&identifier=a";
    let event = sandbox.post("/v1/billing/meter_events", event).await;
    let summaries = format!(
        "/v1/billing/meters/{meter}/event_summaries?customer={}&start_time={start}&end_time={}",
        tenant.customer,
        start + HOUR
    );
    let summaries = sandbox.get(summaries).await;
    let preview = format!("subscription={}", id(&subscribed));
    let preview = sandbox.post("/v1/invoices/create_preview", preview).await;
    let cancel = "event_name=calls&type=cancel&cancel[identifier]=a";
    let credit = format!("/v1/customers/{}/balance_transactions", tenant.customer);
    vec![
        ("Stripe.Billing.MeterEvent", event),
        (
            "Stripe.Billing.MeterEventSummary",
            data(&summaries)[0].clone(),
        ),
        (
            "Stripe.Billing.MeterEventAdjustment",
            sandbox
                .post("/v1/billing/meter_event_adjustments", cancel)
                .await,
        ),
        (
            "Stripe.Billing.Meter",
            sandbox
                .post(format!("/v1/billing/meters/{meter}/deactivate"), "")
                .await,
        ),
        (
            "Stripe.Price",
            sandbox.get(format!("/v1/prices/{price}")).await,
        ),
        ("Stripe.Subscription", subscribed),
        ("Stripe.Invoice", preview),
        (
            "Stripe.CustomerBalanceTransaction",
            sandbox.post(credit, "amount=-5&currency=usd").await,
        ),
    ]
}

/// A schedule in each of its states, with taxes on what it bills.
async fn scheduled(sandbox: &Sandbox) -> Vec<(&'static str, Value)> {
    let kind = "Stripe.SubscriptionSchedule";
    sandbox.settings(json!({"tax_percent": 19})).await;
    let tenant = Tenant::with_card(sandbox, "2026-01-01T00:00:00Z").await;
    let address = "address[country]=DE&expand[]=tax";
    let customer = format!("/v1/customers/{}", tenant.customer);
    let located = sandbox.post(customer, address).await;
    let price = monthly(sandbox, 1_000).await;
    let taxed = tenant
        .subscribe(sandbox, &price, "&automatic_tax[enabled]=true")
        .await;
    let path = "/v1/subscription_schedules";
    let form = format!("from_subscription={}", id(&taxed));
    let active = sandbox.post(path, form).await;
    let invoice = tenant.invoices(sandbox).await.swap_remove(0);
    let preview = format!("schedule={}", id(&active));
    let preview = sandbox.post("/v1/invoices/create_preview", preview).await;
    let form = format!(
        "customer={}&start_date={}&phases[0][items][0][price]={price}&phases[0][collection_method]=send_invoice\
         &phases[0][invoice_settings][days_until_due]=14&phases[0][automatic_tax][enabled]=true",
        tenant.customer,
        period(&taxed).1
    );
    let waiting = sandbox.post(path, form).await;
    let canceled = format!("{path}/{}/cancel", id(&waiting));
    let released = format!("{path}/{}/release", id(&active));
    vec![
        ("Stripe.Customer", located),
        ("Stripe.Subscription", taxed),
        ("Stripe.Invoice", invoice),
        ("Stripe.Invoice", preview),
        (kind, active),
        (kind, waiting),
        (kind, sandbox.post(canceled, "").await),
        (kind, sandbox.post(released, "").await),
        (
            "Stripe.ApiList<Stripe.SubscriptionSchedule>",
            sandbox
                .get(format!("{path}?customer={}", tenant.customer))
                .await,
        ),
    ]
}

async fn simple(sandbox: &Sandbox, tenant: &Tenant) -> Vec<(&'static str, Value)> {
    let customer = id(&sandbox
        .post("/v1/customers", "name=A&email=a@tenant.example")
        .await);
    let card = add_card(sandbox, &customer).await;
    let product = product(sandbox).await;
    let tiered = format!(
        "product={product}&currency=usd&recurring[interval]=month&billing_scheme=tiered&tiers_mode=volume\
         &tiers[0][up_to]=5&tiers[0][unit_amount]=100&tiers[1][up_to]=inf&tiers[1][flat_amount]=50&expand[]=tiers"
    );
    let intent = format!(
        "customer={customer}&payment_method={card}&confirm=true&return_url=https://a.example"
    );
    let endpoint = "url=https://a.example/hook&enabled_events[]=*";
    vec![
        ("Stripe.Account", sandbox.get("/v1/account").await),
        (
            "Stripe.Customer",
            sandbox.get(format!("/v1/customers/{customer}")).await,
        ),
        (
            "Stripe.PaymentMethod",
            sandbox.get(format!("/v1/payment_methods/{card}")).await,
        ),
        (
            "Stripe.Product",
            sandbox.get(format!("/v1/products/{product}")).await,
        ),
        ("Stripe.Price", sandbox.post("/v1/prices", tiered).await),
        (
            "Stripe.SetupIntent",
            sandbox.post("/v1/setup_intents", intent).await,
        ),
        (
            "Stripe.TestHelpers.TestClock",
            sandbox
                .get(format!("/v1/test_helpers/test_clocks/{}", tenant.clock))
                .await,
        ),
        (
            "Stripe.WebhookEndpoint",
            sandbox.post("/v1/webhook_endpoints", endpoint).await,
        ),
        (
            "Stripe.ApiList<Stripe.Customer>",
            sandbox.get("/v1/customers").await,
        ),
        (
            "Stripe.DeletedCustomer",
            sandbox.delete(format!("/v1/customers/{customer}")).await,
        ),
    ]
}

fn node_type(object: &Value) -> Option<&'static str> {
    Some(match object["object"].as_str()? {
        "billing.meter" => "Stripe.Billing.Meter",
        "billing_portal.configuration" => "Stripe.BillingPortal.Configuration",
        "billing_portal.session" => "Stripe.BillingPortal.Session",
        "charge" => "Stripe.Charge",
        "checkout.session" => "Stripe.Checkout.Session",
        "customer" => "Stripe.Customer",
        "dispute" => "Stripe.Dispute",
        "invoice" => "Stripe.Invoice",
        "invoice_payment" => "Stripe.InvoicePayment",
        "payment_intent" => "Stripe.PaymentIntent",
        "payment_method" => "Stripe.PaymentMethod",
        "price" => "Stripe.Price",
        "product" => "Stripe.Product",
        "radar.early_fraud_warning" => "Stripe.Radar.EarlyFraudWarning",
        "setup_intent" => "Stripe.SetupIntent",
        "subscription" => "Stripe.Subscription",
        "subscription_schedule" => "Stripe.SubscriptionSchedule",
        _ => return None,
    })
}
