//! What customers do about their bills, and support about them.

use fastrand::Rng;
use hyper::Method;
use jiff::Timestamp;
use serde_json::json;

use super::model::Bill;
use super::support::paying::DAY;
use super::support::world::World;

/// A tenant, and the customer behind it.
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) customer: String,
    pub(crate) habit: Habit,
    pub(crate) trial_days: i64,
    /// Until when the manifest holds its dunning.
    pub(crate) hold_until: Option<i64>,
    /// It has left a card that works, so that nothing may be left unpaid.
    pub(crate) must_have_paid: bool,
}

/// Days are counted from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// The card works.
    Pays,
    /// The card is declined for some days, and Stripe retries.
    Declines { from: i64, until: i64 },
    /// The card is declined for ever; a stolen one is not even tried again.
    NeverPays { from: i64, stolen: bool },
    /// After some days of declines they leave another card.
    ComesBack { from: i64, until: i64 },
    /// The card wants its owner, who proves to be so days later, or never.
    Authenticates { from: i64, after: Option<i64> },
    /// The card is declined, and they pay each invoice on its page days later.
    PaysOnThePage { from: i64, after: i64 },
    /// The card is declined, and support voids each invoice days later.
    IsLetOff { from: i64, after: i64 },
    /// The card is declined, and support writes each invoice off days later; some pay it nevertheless.
    IsWrittenOff {
        from: i64,
        after: i64,
        pays: Option<i64>,
    },
    /// The card is declined, and somebody promises for them that they will pay.
    Promises { from: i64, after: i64, days: i64 },
    /// They get invoices, and pay them so many days after they are due, or before, or never.
    IsSent {
        days_until_due: i64,
        after: Option<i64>,
    },
    /// Every day another card.
    Erratic,
}

impl Habit {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let from = rng.i64(0..45);
        let after = rng.i64(0..12);
        match rng.u8(0..20) {
            0..=4 => Self::Pays,
            5 | 6 => Self::Declines {
                from,
                until: from + rng.i64(1..20),
            },
            7 | 8 => Self::NeverPays {
                from,
                stolen: rng.bool(),
            },
            9 | 10 => Self::ComesBack {
                from,
                until: from + rng.i64(1..25),
            },
            11 | 12 => Self::Authenticates {
                from,
                after: rng.bool().then_some(after),
            },
            13 | 14 => Self::PaysOnThePage { from, after },
            15 => Self::IsLetOff { from, after },
            16 => Self::IsWrittenOff {
                from,
                after,
                pays: rng.bool().then(|| after + rng.i64(1..9)),
            },
            17 => Self::Promises {
                from,
                after,
                days: rng.i64(1..9),
            },
            18 => Self::IsSent {
                days_until_due: rng.i64(1..9),
                after: rng.bool().then(|| rng.i64(-3..10)),
            },
            _ => Self::Erratic,
        }
    }

    /// How long an invoice may be left, of those who get one.
    pub(crate) fn days_until_due(self) -> Option<i64> {
        match self {
            Self::IsSent { days_until_due, .. } => Some(days_until_due),
            _ => None,
        }
    }

    /// What the cards do from this day on, if that is something else than before.
    fn cards(self, day: i64, rng: &mut Rng) -> Option<&'static str> {
        const SOFT: &str = "decline:insufficient_funds";
        match self {
            Self::Declines { from, .. }
            | Self::ComesBack { from, .. }
            | Self::NeverPays {
                from,
                stolen: false,
            }
            | Self::PaysOnThePage { from, .. }
            | Self::IsLetOff { from, .. }
            | Self::IsWrittenOff { from, .. }
            | Self::Promises { from, .. }
                if day == from =>
            {
                Some(SOFT)
            }
            Self::NeverPays { from, .. } if day == from => Some("decline:stolen_card"),
            Self::Authenticates { from, .. } if day == from => Some("requires_action"),
            Self::Declines { until, .. } if day == until => Some("success"),
            Self::Erratic if rng.u8(0..4) == 0 => rng.choice([
                "success",
                SOFT,
                "decline:generic_decline",
                "requires_action",
            ]),
            _ => None,
        }
    }
}

impl Tenant {
    pub(crate) fn new(name: String, habit: Habit, trial_days: i64) -> Self {
        Self {
            name,
            customer: String::new(),
            habit,
            trial_days,
            hold_until: None,
            must_have_paid: false,
        }
    }

    /// Does what is to be done on a day, when these bills are unpaid. `now` is what the clock says.
    pub(crate) async fn act(
        &mut self,
        world: &World,
        unpaid: &[Bill],
        day: i64,
        now: i64,
        rng: &mut Rng,
    ) {
        self.must_have_paid = false;
        if let Some(behavior) = self.habit.cards(day, rng) {
            let body = json!({"customer": self.customer, "behavior": behavior});
            world.stripe.control(Method::POST, "/cards", body).await;
        }
        if let Habit::ComesBack { until, .. } = self.habit
            && day == until
        {
            world.add_card(&self.customer, "pm_card_mastercard").await;
            self.must_have_paid = true;
        }
        for bill in unpaid {
            self.settle(world, bill, (now - bill.since).div_euclid(DAY))
                .await;
        }
        self.promise(world, unpaid, now).await;
    }

    /// What becomes of a bill so many days after it became overdue.
    async fn settle(&self, world: &World, bill: &Bill, late: i64) {
        let stripe = &world.stripe;
        let invoice = &bill.invoice;
        let dashboard = async |what: &str| {
            let path = format!("/v1/invoices/{invoice}/{what}");
            stripe.dashboard(&path, json!({})).await;
        };
        match self.habit {
            Habit::Authenticates {
                after: Some(after), ..
            } if late >= after && bill.waits_for_owner => {
                stripe.authenticate_payment(invoice).await;
            }
            Habit::PaysOnThePage { after, .. }
            | Habit::IsSent {
                after: Some(after), ..
            } if late >= after => {
                stripe.pay_hosted(invoice, "pm_card_visa").await;
            }
            Habit::IsLetOff { after, .. } if late >= after => dashboard("void").await,
            Habit::IsWrittenOff {
                pays: Some(pays), ..
            } if late >= pays && bill.given_up => {
                let path = format!("/v1/invoices/{invoice}/pay");
                stripe
                    .dashboard(&path, json!({"paid_out_of_band": true}))
                    .await;
            }
            Habit::IsWrittenOff { after, .. } if late >= after && !bill.given_up => {
                dashboard("mark_uncollectible").await;
            }
            _ => {}
        }
    }

    async fn promise(&mut self, world: &World, unpaid: &[Bill], now: i64) {
        let Habit::Promises { after, days, .. } = self.habit else {
            return;
        };
        let late = unpaid.iter().any(|bill| now - bill.since >= after * DAY);
        if late && self.hold_until.is_none() {
            // To the second, and not at the same hour as the steps.
            let until = now + days * DAY + 4_321;
            let held = Timestamp::from_second(until).unwrap().to_string();
            world
                .edit(&self.name, json!({"dunning": {"holdUntil": held}}))
                .await;
            self.hold_until = Some(until);
        }
    }
}
