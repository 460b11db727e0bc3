//! A tenant that pays, on a test clock, and what it is billed.

use serde_json::{Value, json};

use crate::support::process::Operator;
use crate::support::world::{World, condition, id};

pub(crate) const DAY: i64 = 86_400;
/// The first of November 2026, so that the first period has 30 days.
pub(crate) const START: i64 = 1_793_491_200;
/// Its length.
pub(crate) const PERIOD: i64 = 30 * DAY;
/// The tenant.
pub(crate) const ACME: &str = "acme";

/// A world with a tenant on a test clock.
pub(crate) struct Payer {
    pub(crate) world: World,
    pub(crate) operator: Operator,
    pub(crate) clock: String,
    pub(crate) customer: String,
}

/// A plan in dollars without a trial.
pub(crate) fn dollars(amount: &str, interval: &str) -> Value {
    json!({"currency": "usd", "base": {"amount": amount, "interval": interval}})
}

impl Payer {
    /// Plans: starter 29, pro 99 and enterprise 499 dollars a month, annual 990 a year. The tenant
    /// pays for `plan` since [`START`], with what `spec` adds to its manifest.
    pub(crate) async fn on(plan: &str, spec: Value) -> Self {
        let world = World::new().await;
        for (name, amount, interval) in [
            ("starter", "29.00", "Month"),
            ("pro", "99.00", "Month"),
            ("enterprise", "499.00", "Month"),
            ("annual", "990.00", "Year"),
        ] {
            world.plan_with(name, dollars(amount, interval)).await;
        }
        Self::in_world(world, plan, spec).await
    }

    /// The same in a world that has the plan already.
    pub(crate) async fn in_world(world: World, plan: &str, spec: Value) -> Self {
        let clock = world.stripe.test_clock(START).await;
        let operator = world.operator().await;
        let mut manifest = world.manifest(ACME, plan);
        manifest["spec"]["testClock"] = json!(clock);
        for (field, value) in spec.as_object().into_iter().flatten() {
            manifest["spec"][field] = value.clone();
        }
        world.apply(manifest).await;
        let tenant = world.reason(ACME, "PaymentMethodMissing").await;
        let customer = tenant["status"]["stripe"]["customerId"]
            .as_str()
            .unwrap()
            .to_owned();
        world.add_card(&customer, "pm_card_visa").await;
        world.ready(ACME).await;
        Self {
            world,
            operator,
            clock,
            customer,
        }
    }

    /// Moves the clock to so many seconds after the start.
    pub(crate) async fn at(&self, seconds: i64) {
        self.world
            .stripe
            .advance(&self.clock, START + seconds)
            .await;
    }

    /// Changes some fields of the manifest's spec; plans go by their short names.
    pub(crate) async fn edit(&self, mut spec: Value) {
        if let Some(plan) = spec["plan"].as_str() {
            spec["plan"] = json!(self.world.plan_name(plan));
        }
        self.world.edit(ACME, spec).await;
    }

    /// Waits until the change under way has come that far.
    pub(crate) async fn change(&self, state: &str) -> Value {
        let tenant = self
            .world
            .until(ACME, state, |tenant| {
                crate::support::world::is_current(tenant)
                    && tenant["status"]["planChange"]["state"] == state
            })
            .await;
        tenant["status"]["planChange"].clone()
    }

    /// Waits until the tenant is ready and no change is under way.
    pub(crate) async fn settled(&self) -> Value {
        self.world
            .until(ACME, "settled", |tenant| {
                let state = &tenant["status"]["planChange"]["state"];
                crate::support::world::is_current(tenant)
                    && condition(tenant, "Ready")["status"] == "True"
                    && (state.is_null() || *state == "Applied")
            })
            .await
    }

    /// The one live subscription.
    pub(crate) async fn subscription(&self) -> Value {
        let (customer, subscription) = self.world.one_of_each(ACME, Some(&self.clock)).await;
        assert_eq!(id(&customer), self.customer);
        subscription
    }

    /// The plan whose base price the subscription has, by its short name, and the quantity.
    pub(crate) async fn sold(&self) -> (String, i64) {
        let subscription = self.subscription().await;
        let item = &subscription["items"]["data"][0];
        let plan = item["price"]["metadata"]["tenantbilling_plan"]
            .as_str()
            .unwrap();
        let prefix = self.world.plan_name("");
        (
            plan.strip_prefix(&prefix).unwrap().to_owned(),
            item["quantity"].as_i64().unwrap(),
        )
    }

    /// Every invoice, oldest first.
    pub(crate) async fn invoices(&self) -> Vec<Value> {
        let path = format!("/v1/invoices?limit=100&customer={}", self.customer);
        let mut page = self.world.stripe.get(&path).await;
        assert_eq!(page["has_more"], false);
        let mut invoices: Vec<Value> = serde_json::from_value(page["data"].take()).unwrap();
        invoices.reverse();
        invoices
    }

    /// The totals of the invoices, oldest first, in cents.
    pub(crate) async fn totals(&self) -> Vec<i64> {
        let invoices = self.invoices().await;
        invoices
            .iter()
            .map(|i| i["total"].as_i64().unwrap())
            .collect()
    }

    /// The schedules the customer ever had.
    pub(crate) async fn schedules(&self) -> Vec<Value> {
        let path = format!(
            "/v1/subscription_schedules?limit=100&customer={}",
            self.customer
        );
        let mut page = self.world.stripe.get(&path).await;
        serde_json::from_value(page["data"].take()).unwrap()
    }

    /// Ends the test.
    pub(crate) async fn finish(self) {
        self.world.finish().await;
    }
}

/// A decimal amount in major units of dollars, as cents.
pub(crate) fn cents(amount: &Value) -> i64 {
    let text = amount.as_str().unwrap();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap();
    assert_eq!(part.len(), 2, "{text}");
    sign * (whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap())
}

/// What `amount` cents a period come to for the rest of it, rounded half away from zero.
pub(crate) fn share(amount: i64, rest: i64, period: i64) -> i64 {
    let doubled = 2 * amount * rest;
    (doubled.abs() + period) / (2 * period) * doubled.signum()
}
