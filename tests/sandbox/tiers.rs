//! What usage costs in tiers, packages and fractions of a cent: the lines of an invoice, checked against a
//! calculation of the tests' own in whole numbers.

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::Value;

use crate::{
    fixtures::{Tenant, at, meter, product, report},
    harness::{Sandbox, data, id, ids, int, text},
};

const START: &str = "2026-01-01T00:00:00Z";

/// Amounts are counted in the smallest part of a minor unit that Stripe takes: twelve decimal places.
const MINOR: u128 = 1_000_000_000_000;

/// A tier: its last unit, and its amounts for a unit and for itself in parts of a minor unit.
#[derive(Debug, Clone, Copy)]
struct Tier {
    last: Option<u64>,
    unit: u128,
    flat: u128,
}

fn decimal(parts: u128) -> String {
    format!("{}.{:012}", parts / MINOR, parts % MINOR)
}

fn rounded(parts: u128) -> u128 {
    (parts + MINOR / 2) / MINOR
}

/// What each tier has of the quantity; the first one is entered by nothing, too.
fn shares(mode: &str, tiers: &[Tier], quantity: u64) -> Vec<u64> {
    let holds = |tier: &Tier| tier.last.is_none_or(|last| quantity <= last);
    let reached = tiers.iter().position(holds).expect("the last has no end");
    let share = |index: usize| {
        if mode == "volume" {
            return if index == reached { quantity } else { 0 };
        }
        let from = if index == 0 {
            0
        } else {
            tiers[index - 1].last.expect("not the last")
        };
        tiers[index]
            .last
            .map_or(quantity, |last| last.min(quantity))
            - from
    };
    (0..=reached).map(share).collect()
}

fn expected(mode: &str, tiers: &[Tier], quantity: u64) -> u128 {
    let shares = shares(mode, tiers, quantity);
    let entered = if mode == "volume" {
        shares.len() - 1
    } else {
        0
    };
    let costs = tiers.iter().zip(&shares).skip(entered);
    costs
        .map(|(tier, share)| rounded(tier.unit * u128::from(*share)) + rounded(tier.flat))
        .sum()
}

fn form(tiers: &[Tier]) -> String {
    let mut form = String::new();
    for (index, tier) in tiers.iter().enumerate() {
        let last = tier.last.map_or("inf".to_owned(), |last| last.to_string());
        let (unit, flat) = (decimal(tier.unit), decimal(tier.flat));
        write!(
            form,
            "&tiers[{index}][up_to]={last}&tiers[{index}][unit_amount_decimal]={unit}\
             &tiers[{index}][flat_amount_decimal]={flat}"
        )
        .expect("to a string");
    }
    form
}

/// A tenant's upcoming invoice of so much usage at a price.
async fn upcoming(sandbox: &Sandbox, currency: &str, terms: &str, usage: u64) -> Value {
    let tenant = Tenant::with_card(sandbox, START).await;
    let name = format!("calls{}", fastrand::u64(..));
    let meter = meter(sandbox, &name, "").await;
    let form = format!(
        "product={}&currency={currency}&recurring[interval]=month&recurring[usage_type]=metered\
         &recurring[meter]={meter}&{terms}",
        product(sandbox).await
    );
    let price = id(&sandbox.post("/v1/prices", form).await);
    let subscribed = tenant.subscribe(sandbox, &price, "").await;
    if usage > 0 {
        let usage = i64::try_from(usage).expect("a number Stripe takes");
        report(sandbox, &tenant.customer, &name, usage, at(START)).await;
    }
    let form = format!("subscription={}", id(&subscribed));
    sandbox.post("/v1/invoices/create_preview", form).await
}

fn random_tiers(rng: &mut Rng) -> Vec<Tier> {
    let count = rng.usize(1..5);
    let mut last = 0;
    let tiers = (1..=count).map(|number| {
        last += rng.u64(1..2_000);
        let flat = rng.u128(..3 * MINOR);
        Tier {
            last: (number < count).then_some(last),
            unit: rng.u128(..2 * MINOR),
            flat: if rng.bool() { flat } else { 0 },
        }
    });
    tiers.collect()
}

#[tokio::test]
async fn tiers_of_all_kinds_come_to_what_whole_numbers_say() {
    let sandbox = Sandbox::start();
    let mut rng = Rng::with_seed(7);
    for case in 0..24 {
        let mode = ["graduated", "volume"][case % 2];
        let currency = ["usd", "jpy", "kwd"][case % 3];
        let tiers = random_tiers(&mut rng);
        let bounds = tiers.iter().filter_map(|tier| tier.last);
        let near = bounds.max().unwrap_or(1);
        let quantity = [0, near, near + 1, rng.u64(..20_000)][rng.usize(..4)];
        let terms = format!("billing_scheme=tiered&tiers_mode={mode}{}", form(&tiers));
        let invoice = upcoming(&sandbox, currency, &terms, quantity).await;
        let total = u128::try_from(int(&invoice["total"])).expect("positive");
        assert_eq!(
            total,
            expected(mode, &tiers, quantity),
            "case {case}, {mode} {quantity} at {tiers:?}"
        );
        let counted: i64 = data(&invoice["lines"])
            .iter()
            .map(|line| int(&line["quantity"]))
            .sum();
        assert_eq!(u64::try_from(counted), Ok(quantity), "case {case}");
    }
}

#[tokio::test]
async fn fractions_of_a_unit_amount_are_exact_to_the_last_of_twelve_places() {
    let sandbox = Sandbox::start();
    let mut rng = Rng::with_seed(8);
    for _ in 0..8 {
        let unit = rng.u128(..5_000_000);
        let usage = rng.u64(..100_000_000_000);
        let terms = format!("unit_amount_decimal={}", decimal(unit));
        let invoice = upcoming(&sandbox, "usd", &terms, usage).await;
        let total = u128::try_from(int(&invoice["total"])).expect("positive");
        assert_eq!(
            total,
            rounded(unit * u128::from(usage)),
            "{usage} at {terms}"
        );
    }
}

#[tokio::test]
async fn each_graduated_tier_has_a_line_and_a_flat_amount_one_of_its_own() {
    let sandbox = Sandbox::start();
    let terms = "billing_scheme=tiered&tiers_mode=graduated\
                 &tiers[0][up_to]=1000&tiers[0][flat_amount]=2500\
                 &tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=0.08";
    let lines = async |usage| {
        let invoice = upcoming(&sandbox, "usd", terms, usage).await;
        let line = |line: &Value| {
            let unit = line["pricing"]["unit_amount_decimal"].clone();
            (int(&line["quantity"]), int(&line["amount"]), unit)
        };
        data(&invoice["lines"]).iter().map(line).collect::<Vec<_>>()
    };
    let base = [(0, 2_500, Value::Null)];
    assert_eq!(
        lines(0).await,
        [vec![(0, 0, "0".into())], base.to_vec()].concat()
    );
    assert_eq!(
        lines(1_500).await,
        [
            (1_000, 0, "0".into()),
            (0, 2_500, Value::Null),
            (500, 40, "0.08".into()),
        ]
    );
}

#[tokio::test]
async fn usage_is_sold_in_packages() {
    let sandbox = Sandbox::start();
    for (round, expected) in [("up", 300), ("down", 200)] {
        let terms = format!(
            "unit_amount=100&transform_quantity[divide_by]=1000&transform_quantity[round]={round}"
        );
        let invoice = upcoming(&sandbox, "usd", &terms, 2_001).await;
        assert_eq!(invoice["total"], expected, "{round}");
    }
}

#[tokio::test]
async fn tiers_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::start();
    let product = product(&sandbox).await;
    let tiered = "billing_scheme=tiered&tiers_mode=graduated";
    let two = |first: &str, second: &str| {
        format!(
            "{tiered}&tiers[0][up_to]={first}&tiers[0][unit_amount]=2&tiers[1][up_to]={second}&tiers[1][unit_amount]=1"
        )
    };
    for (terms, param) in [
        (two("10", "5"), "tiers[1][up_to]"),
        (two("10", "10"), "tiers[1][up_to]"),
        (two("10", "20"), "tiers[1][up_to]"),
        (two("inf", "inf"), "tiers[0][up_to]"),
        (two("0", "inf"), "tiers[0][up_to]"),
        (two("-5", "inf"), "tiers[0][up_to]"),
        (tiered.to_owned(), "tiers"),
        (
            format!("{tiered}&tiers[0][up_to]=inf"),
            "tiers[0][unit_amount]",
        ),
        (
            format!("{tiered}&tiers[0][up_to]=inf&tiers[0][unit_amount]=-1"),
            "tiers[0][unit_amount]",
        ),
        (
            format!("{tiered}&tiers[0][up_to]=inf&tiers[0][flat_amount]=-1"),
            "tiers[0][flat_amount]",
        ),
        (
            format!("{tiered}&tiers[0][up_to]=inf&tiers[0][unit_amount_decimal]=0.0000000000001"),
            "tiers[0][unit_amount]",
        ),
        (
            format!("{tiered}&tiers[0][up_to]=inf&tiers[0][unit_amount]=1&unit_amount=1"),
            "unit_amount",
        ),
        (
            format!(
                "{tiered}&tiers[0][up_to]=inf&tiers[0][unit_amount]=1&transform_quantity[divide_by]=2\
                 &transform_quantity[round]=up"
            ),
            "transform_quantity",
        ),
        (
            "billing_scheme=tiered&tiers[0][up_to]=inf&tiers[0][unit_amount]=1".to_owned(),
            "tiers_mode",
        ),
        ("unit_amount=1&tiers_mode=volume".to_owned(), "tiers_mode"),
    ] {
        let form = format!("product={product}&currency=usd&recurring[interval]=month&{terms}");
        let error = sandbox.post("/v1/prices", form).refused(400).await;
        assert_eq!(error["param"], param, "{terms}");
    }
}

#[tokio::test]
async fn tiers_show_in_lists_and_subscriptions_when_expanded() {
    let sandbox = Sandbox::start();
    let tenant = Tenant::with_card(&sandbox, START).await;
    let form = format!(
        "product={}&currency=usd&recurring[interval]=month&billing_scheme=tiered&tiers_mode=graduated\
         &tiers[0][up_to]=inf&tiers[0][unit_amount_decimal]=0.5",
        product(&sandbox).await
    );
    let price = id(&sandbox.post("/v1/prices", form).await);
    let listed = sandbox.get("/v1/prices?expand[]=data.tiers").await;
    assert_eq!(ids(&listed), std::slice::from_ref(&price));
    let [tier] = data(&listed)[0]["tiers"]
        .as_array()
        .expect("tiers")
        .as_slice()
    else {
        panic!("{listed}")
    };
    assert_eq!(tier["unit_amount"], Value::Null);
    assert_eq!(text(&tier["unit_amount_decimal"]), "0.5");
    let more = "&expand[]=items.data.price.tiers";
    let subscribed = tenant.subscribe(&sandbox, &price, more).await;
    let shown = &data(&subscribed["items"])[0]["price"]["tiers"];
    assert_eq!(shown, &data(&listed)[0]["tiers"]);
}
