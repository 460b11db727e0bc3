//! A hundred edits of tenant and plans in any order, an operator that is killed in between, and money
//! that adds up.

use serde_json::{Value, json};

use crate::payer::{ACME, DAY, Payer, START, dollars};
use crate::support::world::World;

const PLANS: [&str; 3] = ["starter", "pro", "enterprise"];

/// What the tenant is to have paid, computed from what it was sold and when.
struct Ledger {
    cents: f64,
    sold: i64,
    period: (i64, i64),
}

impl Ledger {
    async fn open(payer: &Payer) -> Self {
        let (sold, period) = selling(payer).await;
        #[expect(clippy::cast_precision_loss, reason = "cents")]
        let cents = sold as f64;
        Self {
            cents,
            sold,
            period,
        }
    }

    /// Notes what is sold since `now`.
    #[expect(clippy::cast_precision_loss, reason = "cents and seconds")]
    async fn note(&mut self, payer: &Payer, now: i64) {
        let (sold, period) = selling(payer).await;
        if period == self.period {
            let rest = (period.1 - now) as f64 / (period.1 - period.0) as f64;
            self.cents += (sold - self.sold) as f64 * rest;
        } else {
            // It began with a period of its own, at the price of its beginning.
            assert_eq!(period.0, self.period.1, "no period is left out");
            self.cents += sold as f64;
        }
        (self.sold, self.period) = (sold, period);
    }
}

/// The fee of a period, and the period.
async fn selling(payer: &Payer) -> (i64, (i64, i64)) {
    let subscription = payer.subscription().await;
    let item = &subscription["items"]["data"][0];
    let number = |value: &Value| value.as_i64().unwrap();
    (
        number(&item["price"]["unit_amount"]) * number(&item["quantity"]),
        (
            number(&item["current_period_start"]),
            number(&item["current_period_end"]),
        ),
    )
}

fn pick<'a>(list: &[&'a str], random: &mut fastrand::Rng) -> &'a str {
    list[random.usize(..list.len())]
}

/// One edit: of the tenant's manifest, or of the terms of a plan.
async fn edit(payer: &Payer, random: &mut fastrand::Rng) {
    let spec = match random.u32(..12) {
        0..6 => json!({"plan": pick(&PLANS, random)}),
        6..9 => json!({"quantity": random.i64(1..5)}),
        9 => json!({"planChange": {"downgrade": pick(&["Now", "AtPeriodEnd"], random)}}),
        _ => return edit_plan(payer, random).await,
    };
    payer.edit(spec).await;
}

/// Changes what a plan costs, and what becomes of who is on it; waits until the tenant knows.
async fn edit_plan(payer: &Payer, random: &mut fastrand::Rng) {
    let plan = pick(&PLANS, random);
    let amounts = match plan {
        "starter" => ["25.00", "29.00", "35.00"],
        "pro" => ["89.00", "99.00", "119.00"],
        _ => ["449.00", "499.00", "599.00"],
    };
    let mut terms = dollars(pick(&amounts, random), "Month");
    let existing = pick(&["Grandfather", "AtRenewal", "Now"], random);
    terms["rollout"] = json!({"existing": existing});
    payer.world.plan_with(plan, terms).await;
    payer.world.plan_reason(plan, "Succeeded").await;
    payer.world.look_again(ACME).await;
}

#[tokio::test]
async fn a_hundred_edits_with_crashes_between_leave_one_subscription_and_the_right_bill() {
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut payer = Payer::on("pro", json!({})).await;
    let mut ledger = Ledger::open(&payer).await;
    let mut now = START;
    for round in 0..20 {
        for _ in 0..5 {
            edit(&payer, &mut random).await;
            if random.u32(..4) == 0 {
                settle(&payer).await;
            }
        }
        if round % 2 == 0 {
            payer.operator.kill();
            payer.operator = payer.world.operator().await;
        }
        settle(&payer).await;
        ledger.note(&payer, now).await;
        now += random.i64(1..9) * DAY + random.i64(0..DAY);
        payer.at(now - START).await;
        ledger.note(&payer, now).await;
    }
    settle(&payer).await;
    ledger.note(&payer, now).await;
    // Past the end of the period everything pending has been invoiced.
    payer.at(ledger.period.1 - START + 2 * DAY).await;
    settle(&payer).await;
    ledger.note(&payer, ledger.period.1).await;

    let billed: i64 = payer.totals().await.into_iter().sum();
    let balance = customer_balance(&payer.world, &payer.customer).await;
    let lines = prorations(&payer).await;
    #[expect(clippy::cast_precision_loss, reason = "cents")]
    let off = (billed as f64 - ledger.cents).abs();
    #[expect(clippy::cast_precision_loss, reason = "a number of lines")]
    let rounding = lines as f64;
    assert!(
        off <= rounding,
        "billed {billed} cents (balance {balance}) for what comes to {}; {lines} lines are rounded",
        ledger.cents
    );
    let schedules = payer.schedules().await;
    let active = schedules.iter().filter(|s| s["status"] == "active").count();
    assert!(active <= 1, "{schedules:#?}");
    payer.finish().await;
}

/// Waits until what the manifest asks for is made or scheduled.
async fn settle(payer: &Payer) {
    payer.world.ready(ACME).await;
}

async fn customer_balance(world: &World, customer: &str) -> i64 {
    let customer = world.stripe.get(&format!("/v1/customers/{customer}")).await;
    customer["balance"].as_i64().unwrap()
}

async fn prorations(payer: &Payer) -> usize {
    let mut count = 0;
    for invoice in payer.invoices().await {
        let path = format!(
            "/v1/invoices/{}/lines?limit=100",
            invoice["id"].as_str().unwrap()
        );
        let lines = payer.world.stripe.get(&path).await;
        assert_eq!(lines["has_more"], false);
        count += lines["data"].as_array().unwrap().len();
    }
    count
}
